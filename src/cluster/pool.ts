// The connections of one worker to one host, whatever protocol they speak. Worker thread; owned by its Host.

import type { Stream } from '../core/stream.ts';
import type { Host } from './host.ts';

export interface Pool {
  host: Host;
  /** Gives the stream a connection (`upReady`, perhaps before this returns), or tells it why not (`upFailed`). */
  acquire(stream: Stream): void;
  /** The stream no longer wants the connection it waits for. */
  cancel(stream: Stream): void;
  /** A request waits here without a connection on its way to it. */
  readonly needsConnection: boolean;
  /** Opens one connection if one is needed; false when the limit does not allow it. */
  connectOne(): boolean;
  /** Idle connections close now, busy ones after their request; requests that wait already are still served. */
  drain(): void;
  /** For another pool that starves; false when there is none. */
  closeOldestIdle(): boolean;
}
