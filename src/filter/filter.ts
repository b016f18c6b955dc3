// @hot
// What a filter is: it stands between the caller and the host of one stream. It may change heads and bodies on their way,
// answer the stream itself, let it wait, hold bytes back, and is told of its end. Worker thread; one object per stream, or
// one for all where nothing of a stream is remembered. What a filter does not need it leaves out.

import type { Clock } from '../core/clock.ts';
import type { Random } from '../core/random.ts';
import type { Stream } from '../core/stream.ts';
import type { TimerSet } from '../core/timer.ts';
import type { Breakers } from '../shared/breaker-table.ts';
import type { ClusterPlan, LimitPlan } from '../shared/plan.ts';

/** What a worker lends to the filters of a listener. */
export interface FilterTools {
  readonly cells: Float64Array;
  readonly buckets: Uint32Array;
  /** Where the stats of each cluster are. */
  readonly clusters: Readonly<Record<string, ClusterPlan>>;
  /** Where the state of each limit is, by its key in the configuration. */
  readonly limits: Readonly<Record<string, LimitPlan>>;
  /** The words that all workers share for limits (`shared/limit-words.ts`). */
  readonly limitWords: Int32Array;
  readonly breakers: Breakers;
  readonly clock: Clock;
  readonly timers: TimerSet;
  readonly random: Random;
}

/** Whether a request goes on. */
export const CONTINUE = 0;
/** Not yet: `seat.resume` or `seat.reply` follows later, once. */
export const PAUSE = 1;
/** The filter has called `seat.reply`. */
export const REPLIED = 2;
export type Step = 0 | 1 | 2;

/** An answer of a filter's own. */
export interface FilterReply {
  readonly status: number;
  readonly flags: number;
  /** `%RESPONSE_CODE_DETAILS%`. */
  readonly details: string;
  readonly body: string;
  readonly overloaded: boolean;
  /** What a gRPC caller is told, where the status does not say it. */
  readonly grpcStatus?: number;
  /** Name, value, name, value … */
  readonly headers: readonly string[];
}

/** What is known of the way a request will take, besides its cluster: `stream.clusterName`. */
export interface RouteFacts {
  readonly name: string;
  readonly virtualHostName: string;
}

/** What a filter can do with its stream (`chain.ts`). After `onEnd` all of it does nothing. */
export interface FilterSeat {
  /** null: no route matches; the answer will be 404. */
  readonly route: RouteFacts | null;
  /** Set by a filter that has changed what routes look at: the route is looked for again when all filters have had the request. */
  routeChanged: boolean;
  /** During `onRequestData` and `onResponseData`: set to false by a filter that keeps the end to itself, to pass it on later. */
  last: boolean;
  resume(): void;
  reply(reply: FilterReply): void;
  /** Reads no more of the request's body, or of the answer's, until the filter says so. Calls do not nest. */
  holdRequest(): void;
  releaseRequest(): void;
  holdResponse(): void;
  releaseResponse(): void;
  /** Bytes that the filter has held back go on to the next filter and beyond; they are not looked at after the call. */
  passRequest(filter: Filter, bytes: Buffer, last: boolean): void;
  passResponse(filter: Filter, bytes: Buffer, last: boolean): void;
}

export abstract class Filter {
  /** The request's head; its route is known. */
  onRequest(_stream: Stream, _seat: FilterSeat): Step {
    return CONTINUE;
  }

  /** Body bytes of the request, valid during the call. @returns what goes on in their place; null: they break the filter's rules */
  onRequestData(_stream: Stream, chunk: Buffer, _last: boolean, _seat: FilterSeat): Buffer | null {
    return chunk;
  }

  /** The answer's head, the host's or our own. */
  onResponse(_stream: Stream, _seat: FilterSeat): void {}

  /** Body bytes of the answer. With `last` its trailers are complete. @returns what goes on in their place */
  onResponseData(_stream: Stream, chunk: Buffer, _last: boolean, _seat: FilterSeat): Buffer {
    return chunk;
  }

  /** The stream is over: exactly once, whatever happened. `complete`: its whole answer has gone to the caller. */
  onEnd(_stream: Stream, _complete: boolean): void {}
}
