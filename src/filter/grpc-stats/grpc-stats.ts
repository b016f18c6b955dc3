// @hot
// Counts gRPC calls, their messages and their statuses per cluster and method, as Envoy's grpc_stats filter does. Worker
// thread. Only methods that the configuration lists have stats of their own: callers must not be able to make up names.
// A call counts when its status is known; one that is broken off has none.

import { FIELD_CONTENT_TYPE } from '../../core/fields.ts';
import type { Stream } from '../../core/stream.ts';
import { countGrpcStatus, GRPC_REQUEST_MESSAGES, GRPC_RESPONSE_MESSAGES } from '../../observe/grpc-stats.ts';
import { CONTINUE, Filter, type FilterTools, type Step } from '../filter.ts';
import { MessageCounter } from './message-counter.ts';

const GRPC = 'application/grpc';
/** What all methods share that are not listed. */
const OTHERS = '';

/** One listener's filter, for all its streams. */
export class GrpcMethods {
  readonly tools: Pick<FilterTools, 'cells' | 'clusters'>;
  /** By path: `/pkg.Service/Method` → `pkg.Service/Method`. */
  private readonly listed: ReadonlyMap<string, string>;

  constructor(methods: readonly string[], tools: Pick<FilterTools, 'cells' | 'clusters'>) {
    this.tools = tools;
    this.listed = new Map(methods.map((method) => [`/${method}`, method]));
  }

  methodOf(path: string): string {
    return this.listed.get(path) ?? OTHERS;
  }
}

export class GrpcStats extends Filter {
  private readonly methods: GrpcMethods;
  private calls = false;
  private answers = false;
  private counted = false;
  private method = OTHERS;
  /** First cell of the stats, once the cluster is known; -1: none. */
  private block = -1;
  private readonly sent: MessageCounter = new MessageCounter();
  private readonly received: MessageCounter = new MessageCounter();

  constructor(methods: GrpcMethods) {
    super();
    this.methods = methods;
  }

  override onRequest(stream: Stream): Step {
    this.calls = stream.isGrpc;
    if (this.calls) this.method = this.methods.methodOf(stream.path);
    return CONTINUE;
  }

  override onRequestData(stream: Stream, chunk: Buffer, _last: boolean): Buffer {
    if (this.calls && this.finds(stream)) this.methods.tools.cells[this.block + GRPC_REQUEST_MESSAGES]! += this.sent.count(chunk);
    return chunk;
  }

  override onResponse(stream: Stream): void {
    if (!this.calls || !this.finds(stream)) return;
    const { resHead } = stream;
    this.answers = (resHead.known(FIELD_CONTENT_TYPE) ?? '').startsWith(GRPC);
    if (resHead.get('grpc-status') !== undefined) this.count(stream);
  }

  override onResponseData(stream: Stream, chunk: Buffer, last: boolean): Buffer {
    if (this.block < 0) return chunk;
    if (this.answers) this.methods.tools.cells[this.block + GRPC_RESPONSE_MESSAGES]! += this.received.count(chunk);
    if (last && !this.counted && stream.resTrailers?.get('grpc-status') !== undefined) this.count(stream);
    return chunk;
  }

  private count(stream: Stream): void {
    this.counted = true;
    countGrpcStatus(this.methods.tools.cells, this.block, stream.grpcStatus);
  }

  /** Requests that no cluster gets are not counted. */
  private finds(stream: Stream): boolean {
    if (this.block < 0 && stream.clusterName !== '') this.block = this.methods.tools.clusters[stream.clusterName]?.grpc[this.method] ?? -1;
    return this.block >= 0;
  }
}
