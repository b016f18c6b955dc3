// What a worker compiled from one listener's HTTP configuration: routes, identity rules, field edits, logs. Worker thread.
// Immutable but for the counters it points to; a reload makes a new one, and requests under way keep the one they began with.

import type { HttpConfig, Snapshot } from '../config/snapshot.ts';
import type { Clock } from '../core/clock.ts';
import type { Random } from '../core/random.ts';
import type { FieldBlock } from '../core/field-block.ts';
import type { Cluster } from '../cluster/cluster.ts';
import type { TimerSet } from '../core/timer.ts';
import type { AccessLog } from '../observe/access-log.ts';
import type { AccessLogBatch } from '../observe/access-log-batch.ts';
import type { ChainMaker } from '../filter/registry.ts';
import type { RouteTable } from '../route/match.ts';
import type { DateText } from './date-text.ts';
import type { Journeys } from './journeys.ts';

/** What a worker lends to the road. */
export interface RoadTools {
  readonly clock: Clock;
  readonly timers: TimerSet;
  readonly cells: Float64Array;
  readonly buckets: Uint32Array;
  /** Of the process (`shared/overload.ts`). */
  readonly overload: { readonly stopsRequests: boolean };
  readonly random: Random;
  readonly date: DateText;
  readonly journeys: Journeys;
  readonly logBatch: AccessLogBatch;
}

export interface HttpRuntime {
  readonly name: string;
  readonly config: HttpConfig;
  readonly snapshot: Snapshot;
  /** First cell of `http.PREFIX.*`, and the histograms beside it. */
  readonly stats: number;
  readonly histograms: number;
  readonly routes: RouteTable;
  readonly clusters: ReadonlyMap<string, Cluster>;
  readonly logs: readonly AccessLog[];
  readonly filters: ChainMaker;
  /** A log or an edit of the answer asks for their fields after the bytes have gone. */
  readonly keepsRequestHead: boolean;
  readonly keepsResponseHead: boolean;
  /** `server: …`, ready to be appended; of no use when the name is the upstream's own. */
  readonly serverBlock: FieldBlock;
  readonly tools: RoadTools;
}
