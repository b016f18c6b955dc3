// What a caller's connection needs of the listener it came through, whichever engine carries it. Worker thread.

import type { HttpConfig, HttpListenerConfig } from '../config/snapshot.ts';
import type { Clock } from '../core/clock.ts';
import type { Random } from '../core/random.ts';
import type { OutBuffer } from '../core/out-buffer.ts';
import type { TimerSet } from '../core/timer.ts';
import type { Stream } from '../core/stream.ts';
import type { HeadLimits } from '../http/h1-state.ts';
import type { Breakers } from '../shared/breaker-table.ts';
import type { OverloadState } from '../shared/overload.ts';
import type { ListenerPlan } from '../shared/plan.ts';
import type { ListenDoor } from './down-conn.ts';
import type { Identity } from './identity.ts';

export interface ListenTools {
  readonly random: Random;
  readonly clock: Clock;
  readonly timers: TimerSet;
  readonly cells: Float64Array;
  readonly buckets: Uint32Array;
  readonly breakers: Breakers;
  readonly overload: OverloadState;
  readonly out: OutBuffer;
  /** Of the loop that carries the listener (`io/conn.ts`). */
  atTurnEnd(fn: () => void): void;
}

/** The door to room `proxy`: where a listener gets its streams from. */
export interface Road {
  take(): Stream;
}

export interface HttpDoor extends ListenDoor {
  readonly name: string;
  readonly tools: ListenTools;
  readonly plan: ListenerPlan;
  readonly road: Road;
  readonly config: HttpConfig;
  readonly limits: HeadLimits;
  readonly identity: Identity;
  readonly draining: boolean;
  /** A reload: the new rules hold from the next request on. */
  update(config: HttpListenerConfig): void;
}
