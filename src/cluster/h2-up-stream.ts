// @hot
// One attempt on an HTTP/2 connection to a host: a Stream on one side, frames on the other. Worker thread; pooled.
// It lets its Stream go with the last byte of the answer (of a tunnel: of both directions), or when either side gives up; the
// connection may need it longer.

import { FIELD_CONTENT_LENGTH } from '../core/fields.ts';
import { fault, type Fault } from '../core/fault.ts';
import { Head } from '../core/head.ts';
import { BODY_CHUNKED, BODY_LENGTH, BODY_NONE, BODY_TUNNEL, UPGRADE_CONNECT, type Stream, type UpStream } from '../core/stream.ts';
import { Timer, type TimerTarget } from '../core/timer.ts';
import { SECTION_TRAILERS } from '../http/h1-framing.ts';
import { DEFAULT_HEAD_LIMITS } from '../http/h1-state.ts';
import { LINES } from '../http/h2-fields.ts';
import { CANCEL, PROTOCOL_ERROR, REFUSED_STREAM } from '../http/h2-frames.ts';
import { blockRoom, type RequestLine, requestBlockRoom, writeConnectBlock, writeRequestBlock, writeTrailerBlock } from '../http/h2-head-writer.ts';
import { H2_TRAILERS } from '../http/h2-limits.ts';
import { RESPONSE_HEAD } from '../http/h2-response-head.ts';
import { H2Stream } from '../http/h2-stream.ts';
import { becomeUpgrade } from '../http/websocket.ts';
import * as S from '../observe/stat-names.ts';
import type { H2Up } from './h2-up.ts';

const EMPTY = Buffer.alloc(0);
const MAX_FREE = 1024;
const free: H2UpStream[] = [];
/** Filled anew for each head. */
const line: { -readonly [K in keyof RequestLine]: RequestLine[K] } = { method: '', scheme: 'http', authority: '', path: '', protocol: '' };
/** How long the last bytes of a tunnel that both sides have ended may make no progress. */
const LINGER_MS = 60_000;

const PROTOCOL = fault('upstreamProtocol', 'up', 'never', 'protocol_error');
const REFUSED = fault('refusedStream', 'up', 'always', 'remote_refused_stream_reset');
const RESET = fault('remoteReset', 'up', 'never', 'remote_reset');

export class H2UpStream extends H2Stream implements UpStream, TimerTarget {
  readonly protocol = 'HTTP/2';
  readonly mayRefuse = true;
  readonly isReused = false;
  private up!: H2Up;
  private stream: Stream | null = null;
  /** Of the answer: any part of it has come; its final head has. */
  private answered = false;
  private headDone = false;
  /** The head that is being told of ends the answer. */
  private ending = false;
  /** Answers to HEAD, 204 and 304: no payload may follow. */
  private bodiless = false;
  /** Payload bytes that content-length still promises; -1 without one. */
  private contentLeft = -1;
  private readonly trailers: Head = new Head();
  private trailersOut: Head | null = null;
  // Of a tunnel: the host's end has come, the caller's has been passed on; the key of the caller's WebSocket handshake.
  private answerDone = false;
  private requestDone = false;
  private webSocketKey = '';
  /** Watches what is still queued when nobody else does. */
  private lingerTimer: Timer | null = null;
  private lingerLeft = 0;

  use(up: H2Up, stream: Stream): void {
    this.up = up;
    this.stream = stream;
  }

  // ---- UpStream: what goes to the host ----

  writeHead(last: boolean, _more: boolean): boolean {
    const { h2 } = this.up;
    const stream = this.stream!;
    const { reqHead } = stream;
    line.method = stream.method;
    line.scheme = stream.scheme;
    line.authority = stream.upstreamAuthority === '' ? stream.authority : stream.upstreamAuthority;
    line.path = stream.upstreamPath === '' ? stream.path : stream.upstreamPath;
    const tunnel = stream.reqBody === BODY_TUNNEL;
    line.protocol = tunnel && stream.upgrade !== UPGRADE_CONNECT ? stream.upgrade : '';
    if (tunnel) this.webSocketKey = stream.upgrade === 'websocket' ? (reqHead.get('sec-websocket-key') ?? '') : '';
    const at = h2.beginHead(requestBlockRoom(reqHead, line));
    const { buf } = h2.output;
    const end = tunnel ? writeConnectBlock(h2.encoder, buf, at, reqHead, line) : writeRequestBlock(h2.encoder, buf, at, reqHead, line);
    h2.endHead(this, end, last);
    return last || h2.output.mayGoOn(this);
  }

  writeData(buf: Buffer, start: number, end: number, last: boolean): boolean {
    const { h2 } = this.up;
    const trailers = last ? this.stream!.reqTrailers : null;
    if (this.isTunnel && last) return this.endTunnel(buf, start, end);
    if (trailers === null || trailers.count + trailers.pairs.length === 0) return h2.sendData(this, buf, start, end, last);
    h2.sendData(this, buf, start, end, false);
    this.trailersOut = trailers;
    if (this.queue.length > 0) {
      // They stand in the caller's connection, which goes on to its next request.
      this.trailersOut = new Head();
      this.trailersOut.copyFrom(trailers);
    }
    h2.sendTrailers(this);
    return false;
  }

  /** The caller's end, perhaps the second of the two. */
  private endTunnel(buf: Buffer, start: number, end: number): boolean {
    const { h2 } = this.up;
    const { id } = this;
    this.requestDone = true;
    if (this.answerDone) this.letGo();
    const taken = h2.sendData(this, buf, start, end, true);
    if (this.stream === null && this.id === id && !this.localEnded) this.linger();
    return taken;
  }

  pause(): void {
    this.up.h2.pause(this);
  }

  resume(): void {
    this.up.h2.resume(this);
  }

  abort(): void {
    if (this.stream === null) return;
    const { cluster } = this.up.pool;
    cluster.tools.cells[cluster.stats + S.UP_RQ_TX_RESET]!++;
    this.letGo();
    this.up.h2.reset(this, CANCEL);
    this.giveBack();
  }

  discard(): void {
    if (!this.ending) {
      this.abort();
      return;
    }
    this.letGo();
    if (this.localEnded) return;
    // Nobody wants the rest of a request that has been answered.
    this.up.h2.reset(this, CANCEL);
    this.giveBack();
  }

  handTo(stream: Stream): void {
    stream.upstreamConnectionId = this.stream!.upstreamConnectionId;
    stream.upstreamLocalAddress = this.stream!.upstreamLocalAddress;
    this.stream = stream;
  }

  // ---- H2Stream: what comes from the host ----

  beginBlock(): void {
    this.answered = true;
    if (this.headDone) {
      this.trailers.reset();
      LINES.begin(this.trailers, SECTION_TRAILERS, DEFAULT_HEAD_LIMITS);
    } else {
      RESPONSE_HEAD.begin(this.stream!.answerHead(), DEFAULT_HEAD_LIMITS);
    }
  }

  field(buf: Buffer, nameStart: number, nameEnd: number, valueStart: number, valueEnd: number, sensitive: boolean): boolean {
    if (!this.headDone) return RESPONSE_HEAD.field(buf, nameStart, nameEnd, valueStart, valueEnd, sensitive);
    if (!LINES.weigh(nameEnd - nameStart + valueEnd - valueStart)) return false;
    if (LINES.fault === 0) LINES.add(buf, nameStart, nameEnd, valueStart, valueEnd, sensitive);
    return true;
  }

  endBlock(last: boolean): number {
    if (this.headDone) return this.endTrailers(last);
    const stream = this.stream!;
    const head = stream.resHead;
    if (RESPONSE_HEAD.finish() !== 0) return PROTOCOL_ERROR;
    if (head.status < 200) return this.endInterim(stream, last);
    this.headDone = true;
    stream.status = head.status;
    this.bodiless = stream.method === 'HEAD' || head.status === 204 || head.status === 304;
    this.contentLeft = this.bodiless ? -1 : head.contentLength;
    if (stream.reqBody === BODY_TUNNEL && head.status < 300) this.openTunnel(stream);
    if (last && this.contentLeft > 0) return PROTOCOL_ERROR;
    if (this.isTunnel) stream.resBody = BODY_TUNNEL;
    else if (last || this.bodiless) stream.resBody = BODY_NONE;
    else stream.resBody = head.contentLength >= 0 ? BODY_LENGTH : BODY_CHUNKED;
    const { id } = this;
    this.ending = last;
    stream.responseHead(true); // what is held for a body leaves at the end of this callback
    if (last && this.id === id && this.stream !== null) this.end(EMPTY, 0, 0);
    return 0;
  }

  /** From here on bytes are bytes. To everybody else it is the 101 that an HTTP/1.1 host would have said it with. */
  private openTunnel(stream: Stream): void {
    this.isTunnel = true;
    this.bodiless = false;
    this.contentLeft = -1; // a length would say nothing here (RFC 9110 section 9.3.6)
    stream.resHead.dropId(FIELD_CONTENT_LENGTH);
    if (stream.upgrade === UPGRADE_CONNECT) return;
    becomeUpgrade(stream.resHead, stream.upgrade, this.webSocketKey);
    stream.status = 101;
  }

  private endInterim(stream: Stream, last: boolean): number {
    // RFC 9113 section 8.6: there is no 101 here.
    if (last || stream.resHead.status === 101) return PROTOCOL_ERROR;
    stream.interim = stream.resHead;
    stream.responseInterim();
    if (this.stream !== stream) return 0;
    stream.interim = null;
    stream.resHead.reset();
    return 0;
  }

  private endTrailers(last: boolean): number {
    // RFC 9113 section 8.5: a tunnel has nothing but DATA.
    if (!last || LINES.fault !== 0 || this.contentLeft > 0 || this.isTunnel) return PROTOCOL_ERROR;
    this.up.count(H2_TRAILERS, 1);
    if (this.stream === null) return 0;
    LINES.finish();
    this.trailers.retain();
    this.stream.resTrailers = this.trailers;
    this.finish(EMPTY, 0, 0);
    return 0;
  }

  onData(buf: Buffer, start: number, end: number, last: boolean): number {
    if (!this.headDone || (this.bodiless && end > start)) return PROTOCOL_ERROR;
    if (this.contentLeft >= 0) {
      this.contentLeft -= end - start;
      if (this.contentLeft < 0 || (last && this.contentLeft > 0)) return PROTOCOL_ERROR;
    }
    if (this.stream === null) return 0;
    if (last) this.end(buf, start, end);
    else this.stream.responseData(buf, start, end, false);
    return 0;
  }

  onDrained(): void {
    this.stream?.upWritable();
  }

  onTrailersDue(): void {
    const { h2 } = this.up;
    const trailers = this.trailersOut!;
    this.trailersOut = null;
    const at = h2.beginHead(blockRoom(trailers));
    h2.endHead(this, writeTrailerBlock(h2.encoder, h2.output.buf, at, trailers), true);
  }

  onLocalEnd(): void {}

  onReset(code: number, byPeer: boolean): void {
    const { stream, up } = this;
    if (stream !== null) {
      const { cells } = up.pool.cluster.tools;
      // As Envoy: what ends with its connection was not reset.
      cells[up.pool.cluster.stats + (up.h2.over ? S.UP_RQ_PENDING_FAILURE_EJECT : S.UP_RQ_RX_RESET)]!++;
      this.letGo();
      const refused = byPeer && code === REFUSED_STREAM && !this.answered;
      if (refused) up.refused();
      stream.upReset(refused ? REFUSED : this.faultOf(byPeer));
    }
    this.giveBack();
  }

  onClosed(): void {
    // A tunnel that the host ended with its very head, and whose caller had sent everything before that.
    if (this.stream !== null) this.finish(EMPTY, 0, 0);
    this.giveBack();
  }

  // ---- inside ----

  private faultOf(byPeer: boolean): Fault {
    const { up } = this;
    if (up.h2.over) return up.cause;
    return byPeer ? RESET : PROTOCOL;
  }

  /** END_STREAM of the host. A tunnel's other direction goes on. */
  private end(buf: Buffer, start: number, end: number): void {
    this.answerDone = true;
    if (this.isTunnel && !this.requestDone) this.stream!.responseData(buf, start, end, true);
    else this.finish(buf, start, end);
  }

  /** The answer is complete: the stream is told last of all, for it may begin another attempt at once. */
  private finish(buf: Buffer, start: number, end: number): void {
    const stream = this.stream!;
    const { up, id } = this;
    this.letGo();
    stream.responseData(buf, start, end, true);
    if (this.id !== id || this.localEnded) return;
    if (this.isTunnel) {
      this.linger();
      return;
    }
    // Nobody wants the rest of a request that has been answered.
    up.h2.reset(this, CANCEL);
    this.giveBack();
  }

  /** The caller's last bytes wait for the host's window, and their Stream with its time-outs is gone. */
  private linger(): void {
    const { timers } = this.up.pool.cluster.tools.loop;
    this.lingerTimer ??= new Timer(this, 0);
    this.lingerLeft = this.queue.length;
    timers.arm(this.lingerTimer, LINGER_MS);
  }

  onTimer(): void {
    if (this.queue.length < this.lingerLeft) {
      this.linger();
      return;
    }
    this.up.h2.reset(this, CANCEL);
    this.giveBack();
  }

  private letGo(): void {
    this.stream = null;
    this.up.pool.detached();
  }

  private giveBack(): void {
    this.clearWire();
    this.answered = false;
    this.headDone = false;
    this.ending = false;
    this.bodiless = false;
    this.contentLeft = -1;
    this.trailersOut = null;
    this.answerDone = false;
    this.requestDone = false;
    this.webSocketKey = '';
    if (this.lingerTimer !== null) this.up.pool.cluster.tools.loop.timers.disarm(this.lingerTimer);
    if (free.length < MAX_FREE) free.push(this);
  }
}

export function takeUpStream(up: H2Up, stream: Stream): H2UpStream {
  const one = free.pop() ?? new H2UpStream();
  one.use(up, stream);
  return one;
}
