// An attempt that was too slow and races with a later one: it stands by until its answer begins, and then takes over or is
// discarded. Worker thread; made for one attempt, owned by its Journey's RetryState.

import type { Host } from '../cluster/host.ts';
import { CallerlessStream } from '../core/callerless-stream.ts';
import type { Fault } from '../core/fault.ts';
import { NO_HEAD } from '../core/head-pool.ts';
import type { Stream, UpStream } from '../core/stream.ts';

/** Whose attempt it is. */
export interface Racer {
  asideAnswered(aside: Bystander, more: boolean): void;
  asideFailed(aside: Bystander, why: Fault): void;
}

export class Bystander extends CallerlessStream {
  readonly racer: Racer;
  readonly host: Host;

  /** Takes the attempt over from the stream that began it, with what has come of its answer's head. */
  constructor(racer: Racer & Stream, host: Host, up: UpStream) {
    super();
    this.racer = racer;
    this.host = host;
    this.method = racer.method;
    this.reqBody = racer.reqBody;
    this.isGrpc = racer.isGrpc;
    this.upstreamHost = racer.upstreamHost;
    this.upstreamHostname = racer.upstreamHostname;
    this.upstreamProtocol = racer.upstreamProtocol;
    this.upstreamStartAt = racer.upstreamStartAt;
    this.resHead = racer.resHead;
    racer.resHead = NO_HEAD;
    this.up = up;
    up.handTo(this);
  }

  /** Everything of it becomes the stream's again. */
  giveTo(stream: Stream): void {
    const { up } = this;
    stream.upstreamHost = this.upstreamHost;
    stream.upstreamHostname = this.upstreamHostname;
    stream.upstreamProtocol = this.upstreamProtocol;
    stream.upstreamStartAt = this.upstreamStartAt;
    stream.status = this.status;
    stream.resBody = this.resBody;
    stream.resHead = this.resHead;
    this.resHead = NO_HEAD;
    stream.up = up;
    this.up = null;
    up!.handTo(stream);
  }

  abort(): void {
    const { up } = this;
    this.up = null;
    up?.abort();
    this.dropAnswerHead();
  }

  discard(): void {
    const { up } = this;
    this.up = null;
    up?.discard();
    this.dropAnswerHead();
  }

  responseHead(more: boolean): void {
    this.racer.asideAnswered(this, more);
  }

  upReset(fault: Fault): void {
    this.up = null;
    this.dropAnswerHead();
    this.racer.asideFailed(this, fault);
  }

  // Interim answers are those of the attempt that is on; the whole request was sent long ago.

  /** With the head of its answer it has gone to somebody else, or ended. */
  responseData(): void {}
}
