// Health checks over HTTP/2: ordinary requests and gRPC calls. Primary thread; owned by its Probe.
// One stream at a time. What an answer means is the Dialect's.

import { Head } from '../../core/head.ts';
import { SECTION_TRAILERS } from '../../http/h1-framing.ts';
import { DEFAULT_HEAD_LIMITS } from '../../http/h1-state.ts';
import { H2Connection } from '../../http/h2-connection.ts';
import type { H2Owner } from '../../http/h2-core.ts';
import { LINES } from '../../http/h2-fields.ts';
import { CANCEL, NO_ERROR, PROTOCOL_ERROR } from '../../http/h2-frames.ts';
import { type RequestLine, requestBlockRoom, writeRequestBlock } from '../../http/h2-head-writer.ts';
import { DEFAULT_H2_LIMITS } from '../../http/h2-limits.ts';
import { RESPONSE_HEAD } from '../../http/h2-response-head.ts';
import { H2Stream } from '../../http/h2-stream.ts';
import type { Talk, TalkOwner } from './talk.ts';
import type { Verdict } from './verdict.ts';

/** A kind of question, the same for all hosts of a cluster. */
export interface Dialect {
  readonly line: RequestLine;
  /** Its added fields are the request's. */
  readonly fields: Head;
  /** Empty: none. */
  readonly body: Buffer;
  makeAnswer(): Answer;
}

/** One answer as it comes. Each call may end it: with a Verdict that is final whatever follows. */
export interface Answer {
  head(head: Head, last: boolean): Verdict | null;
  data(buf: Buffer, start: number, end: number): Verdict | null;
  /** The end of it. `trailers` is null without any. */
  end(trailers: Head | null): Verdict;
}

export class Http2Talk implements Talk, H2Owner {
  private readonly owner: TalkOwner;
  private readonly dialect: Dialect;
  private readonly h2: H2Connection;
  private stream: AnswerStream | null = null;
  private started = false;
  /** The host has said that it leaves. */
  private leaving = false;
  private closed = false;

  constructor(owner: TalkOwner, dialect: Dialect, clock: { readonly now: number }) {
    this.owner = owner;
    this.dialect = dialect;
    this.h2 = new H2Connection(this, { isServer: false, limits: DEFAULT_H2_LIMITS, connectProtocol: false, clock });
  }

  // ---- Talk ----

  ask(): boolean {
    const { h2, dialect } = this;
    if (!this.started) h2.start();
    this.started = true;
    const stream = new AnswerStream(this, dialect.makeAnswer());
    if (!h2.open(stream)) return false;
    this.stream = stream;
    const at = h2.beginHead(requestBlockRoom(dialect.fields, dialect.line));
    const end = writeRequestBlock(h2.encoder, h2.output.buf, at, dialect.fields, dialect.line);
    h2.endHead(stream, end, dialect.body.length === 0);
    if (dialect.body.length > 0) h2.sendData(stream, dialect.body, 0, dialect.body.length, true);
    h2.flush();
    return true;
  }

  receive(buf: Buffer, start: number, end: number): void {
    this.h2.receive(buf, start, end);
    if (!this.closed) this.h2.flush();
  }

  ended(): boolean {
    return false;
  }

  writable(): void {
    this.h2.writable();
  }

  close(): void {
    if (this.closed) return;
    this.closed = true;
    this.stream = null;
    this.h2.gone(NO_ERROR);
  }

  // ---- the stream ----

  /** The answer is known; `whole`: nothing more can come of its stream. */
  answered(stream: AnswerStream, verdict: Verdict, whole: boolean): void {
    if (this.stream !== stream) return;
    this.stream = null;
    if (!whole || !stream.localEnded) this.h2.reset(stream, CANCEL);
    this.owner.answered(verdict, !this.leaving);
  }

  /** It ended before its time. */
  lost(stream: AnswerStream): void {
    if (this.stream !== stream || this.closed) return;
    this.stream = null;
    this.owner.broken();
  }

  // ---- H2Owner ----

  send(buf: Buffer, start: number, end: number): boolean {
    return this.closed || this.owner.send(buf, start, end);
  }

  flushLater(): void {
    this.owner.later(() => {
      if (!this.closed) this.h2.flush();
    });
  }

  openStream(): H2Stream {
    throw new Error('a client opens its streams itself');
  }

  count(): void {
    // Health checks are no traffic of the cluster (as in Envoy).
  }

  failed(): void {
    if (this.closed) return;
    this.h2.output.sendOut();
    this.owner.broken();
  }

  /** A question under way may be answered still, unless something is wrong. */
  onGoaway(_lastId: number, code: number): void {
    if (this.closed) return;
    this.leaving = true;
    if (this.stream === null || code !== NO_ERROR) this.owner.broken();
  }

  onSettings(): void {}

  onPong(): void {}

  onStreamGone(): void {}
}

class AnswerStream extends H2Stream {
  private readonly talk: Http2Talk;
  private readonly answer: Answer;
  private head: Head | null = null;
  private headDone = false;

  constructor(talk: Http2Talk, answer: Answer) {
    super();
    this.talk = talk;
    this.answer = answer;
  }

  beginBlock(): void {
    this.head = new Head();
    if (this.headDone) LINES.begin(this.head, SECTION_TRAILERS, DEFAULT_HEAD_LIMITS);
    else RESPONSE_HEAD.begin(this.head, DEFAULT_HEAD_LIMITS);
  }

  field(buf: Buffer, nameStart: number, nameEnd: number, valueStart: number, valueEnd: number, sensitive: boolean): boolean {
    if (!this.headDone) return RESPONSE_HEAD.field(buf, nameStart, nameEnd, valueStart, valueEnd, sensitive);
    if (!LINES.weigh(nameEnd - nameStart + valueEnd - valueStart)) return false;
    if (LINES.fault === 0) LINES.add(buf, nameStart, nameEnd, valueStart, valueEnd, sensitive);
    return true;
  }

  endBlock(last: boolean): number {
    const head = this.head!;
    if (this.headDone) {
      if (!last || LINES.fault !== 0) return PROTOCOL_ERROR;
      LINES.finish();
      this.tell(this.answer.end(head), true);
      return 0;
    }
    if (RESPONSE_HEAD.finish() !== 0) return PROTOCOL_ERROR;
    if (head.status < 200) return last || head.status === 101 ? PROTOCOL_ERROR : 0;
    this.headDone = true;
    const early = this.answer.head(head, last);
    if (early !== null) this.tell(early, last);
    else if (last) this.tell(this.answer.end(null), true);
    return 0;
  }

  onData(buf: Buffer, start: number, end: number, last: boolean): number {
    if (!this.headDone) return PROTOCOL_ERROR;
    const early = this.answer.data(buf, start, end);
    if (early !== null) this.tell(early, last);
    else if (last) this.tell(this.answer.end(null), true);
    return 0;
  }

  onDrained(): void {}

  onTrailersDue(): void {}

  onLocalEnd(): void {}

  onReset(): void {
    this.talk.lost(this);
  }

  onClosed(): void {}

  private tell(verdict: Verdict, whole: boolean): void {
    this.talk.answered(this, verdict, whole);
  }
}
