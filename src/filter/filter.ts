// @hot
// What a filter is: it stands between the caller and the host of one stream and may change heads and bodies on their way.
// Worker thread; one object per filter and stream, made when the stream begins. What a filter does not need it leaves out.

import type { Stream } from '../core/stream.ts';
import type { ClusterPlan } from '../shared/plan.ts';

/** What a worker lends to the filters of a listener. */
export interface FilterTools {
  readonly cells: Float64Array;
  /** Where the stats of each cluster are. */
  readonly clusters: Readonly<Record<string, ClusterPlan>>;
}

export abstract class Filter {
  /** The request's head, before a route is looked for. */
  onRequest(_stream: Stream): void {}

  /** Body bytes of the request, valid during the call. @returns what goes on in their place; null: they break the filter's rules */
  onRequestData(_stream: Stream, chunk: Buffer, _last: boolean): Buffer | null {
    return chunk;
  }

  /** The answer's head, the host's or our own. */
  onResponse(_stream: Stream): void {}

  /** Body bytes of the answer. With `last` its trailers are complete. @returns what goes on in their place */
  onResponseData(_stream: Stream, chunk: Buffer, _last: boolean): Buffer {
    return chunk;
  }
}
