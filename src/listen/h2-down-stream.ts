// @hot
// One request on a caller's HTTP/2 connection: frames on one side, a Stream on the other. Worker thread; pooled.
// It holds its Stream until END_STREAM of the answer has gone out, so that the time-outs of the Stream also watch a caller
// who opens no window for the rest.

import type { Address } from '../core/address.ts';
import { fault } from '../core/fault.ts';
import { FIELD_UPGRADE } from '../core/fields.ts';
import { FLAG_DPE } from '../core/flags.ts';
import { Head } from '../core/head.ts';
import { BODY_CHUNKED, BODY_LENGTH, BODY_NONE, BODY_TUNNEL, UPGRADE_CONNECT, type DownStream, type Stream } from '../core/stream.ts';
import { SECTION_TRAILERS } from '../http/h1-framing.ts';
import { FAULT_FIELD, FAULT_TOO_LARGE, LINES } from '../http/h2-fields.ts';
import { CANCEL, CONNECT_ERROR, INTERNAL_ERROR, PROTOCOL_ERROR } from '../http/h2-frames.ts';
import { blockRoom, writeResponseBlock, writeTrailerBlock } from '../http/h2-head-writer.ts';
import { H2_HEADER_OVERFLOW, H2_TRAILERS, H2_TX_FLUSH_TIMEOUT } from '../http/h2-limits.ts';
import { REQUEST_HEAD } from '../http/h2-request-head.ts';
import { H2Stream } from '../http/h2-stream.ts';
import * as S from '../observe/stat-names.ts';
import { admitRequest } from './admission.ts';
import type { H2Down } from './h2-down.ts';

const EMPTY = Buffer.alloc(0);
const MAX_FREE = 1024;
const free: H2DownStream[] = [];
/** Takes the trailers of requests that nobody reads any more. */
const UNWANTED = new Head();

const BAD_FIELD = fault('downstreamProtocol', 'down', 'never', 'http2.invalid.header.field');
const BAD_MESSAGE = fault('downstreamProtocol', 'down', 'never', 'http2.violation.of.messaging.rule');
const REMOTE_RESET = fault('downstreamClosed', 'down', 'never', 'http2.remote_reset');
const GONE = fault('downstreamClosed', 'down', 'never', 'downstream_remote_disconnect');

export class H2DownStream extends H2Stream implements DownStream {
  readonly protocol: string = 'HTTP/2';
  private down!: H2Down;
  private stream: Stream | null = null;
  /** Its head is complete and the stream has begun (or was refused). */
  private begun = false;
  /** Why the message is malformed. */
  private wrong = BAD_MESSAGE;
  /** Payload bytes that content-length still promises; -1 without one. */
  private contentLeft = -1;
  private trailers: Head | null = null;

  /** Begins on this connection. */
  use(down: H2Down): void {
    const { listener, conn } = down;
    const { clock } = listener.tools;
    const stream = listener.road.take();
    this.down = down;
    this.stream = stream;
    stream.down = this;
    stream.connectionId = conn.id;
    stream.tls = conn.tls;
    if (conn.tls !== null) stream.serverName = conn.tls.serverName;
    stream.remoteAddress = conn.remoteAddress;
    stream.remotePort = conn.remotePort;
    stream.localAddress = conn.localAddress;
    stream.localPort = conn.localPort;
    stream.scheme = conn.tls === null ? 'http' : 'https';
    stream.startAt = clock.now;
    stream.startWall = clock.wall();
  }

  get originalDestination(): Address | null {
    return this.down.conn.originalDestination;
  }

  // ---- H2Stream: what the caller sends ----

  beginBlock(): void {
    const { stream } = this;
    const { limits } = this.down.listener;
    if (!this.begun) {
      REQUEST_HEAD.begin(stream!.reqHead, limits, this.down.connectProtocol);
      return;
    }
    this.trailers = stream === null ? UNWANTED : new Head();
    this.trailers.reset();
    LINES.begin(this.trailers, SECTION_TRAILERS, limits);
  }

  field(buf: Buffer, nameStart: number, nameEnd: number, valueStart: number, valueEnd: number, sensitive: boolean): boolean {
    if (!this.begun) return REQUEST_HEAD.field(buf, nameStart, nameEnd, valueStart, valueEnd, sensitive);
    if (!LINES.weigh(nameEnd - nameStart + valueEnd - valueStart)) return false;
    if (LINES.fault === 0) LINES.add(buf, nameStart, nameEnd, valueStart, valueEnd, sensitive);
    return true;
  }

  endBlock(last: boolean): number {
    return this.begun ? this.endTrailers(last) : this.endHead(last);
  }

  private endHead(last: boolean): number {
    const stream = this.stream!;
    const head = stream.reqHead;
    const { listener } = this.down;
    const wrong = REQUEST_HEAD.finish();
    if (wrong === FAULT_TOO_LARGE) return this.refuseLarge(stream);
    if (wrong !== 0 || (last && head.contentLength > 0)) {
      this.wrong = wrong === FAULT_FIELD ? BAD_FIELD : BAD_MESSAGE;
      return PROTOCOL_ERROR;
    }
    this.begun = true;
    this.contentLeft = head.contentLength;
    if (last) stream.reqBody = BODY_NONE;
    else stream.reqBody = head.contentLength >= 0 ? BODY_LENGTH : BODY_CHUNKED;
    const rule = admitRequest(stream, listener);
    if (rule !== null) {
      head.retain();
      stream.refuse(rule.status, rule.details, rule.details.startsWith('http2.') ? FLAG_DPE : 0, rule.location);
      return 0;
    }
    listener.identity.apply(stream);
    const protocol = REQUEST_HEAD.protocol;
    if (protocol !== '') stream.upgrade = protocol.toLowerCase();
    if (stream.upgrade !== '') return this.beginTunnel(stream, last);
    if (last) stream.requestEndAt = stream.startAt;
    stream.begin(!last);
    return 0;
  }

  /** CONNECT, plain or extended: what comes as DATA is no body. A length would say that it is (RFC 9110 section 9.3.6). */
  private beginTunnel(stream: Stream, last: boolean): number {
    if (this.contentLeft >= 0) {
      this.wrong = BAD_MESSAGE;
      return PROTOCOL_ERROR;
    }
    stream.reqBody = BODY_TUNNEL;
    stream.begin(false);
    if (last && this.stream === stream) stream.requestData(EMPTY, 0, 0, true);
    return 0;
  }

  /** The caller can do something about it, so it is told in HTTP's words. */
  private refuseLarge(stream: Stream): number {
    this.begun = true;
    this.down.count(H2_HEADER_OVERFLOW, 1);
    stream.reqHead.reset();
    stream.refuse(431, 'http2.too_many_headers', FLAG_DPE, '');
    return 0;
  }

  private endTrailers(last: boolean): number {
    const { stream } = this;
    const trailers = this.trailers!;
    this.trailers = null;
    if (!last || LINES.fault !== 0 || this.contentLeft > 0) return PROTOCOL_ERROR;
    // Section 8.5: a tunnel has nothing but DATA.
    if (stream !== null && stream.reqBody === BODY_TUNNEL) return PROTOCOL_ERROR;
    this.down.count(H2_TRAILERS, 1);
    if (stream === null) return 0;
    LINES.finish();
    trailers.retain();
    stream.reqTrailers = trailers;
    stream.requestEndAt = this.down.listener.tools.clock.now;
    stream.requestData(EMPTY, 0, 0, true);
    return 0;
  }

  onData(buf: Buffer, start: number, end: number, last: boolean): number {
    const { stream } = this;
    if (this.contentLeft >= 0) {
      this.contentLeft -= end - start;
      if (this.contentLeft < 0 || (last && this.contentLeft > 0)) return PROTOCOL_ERROR;
    }
    if (stream === null) return 0;
    if (last) stream.requestEndAt = this.down.listener.tools.clock.now;
    stream.requestData(buf, start, end, last);
    if (last && this.isTunnel && this.localEnded) this.over();
    return 0;
  }

  onDrained(): void {
    this.stream?.downWritable();
  }

  onTrailersDue(): void {
    const { h2 } = this.down;
    const trailers = this.trailers!;
    const at = h2.beginHead(blockRoom(trailers));
    h2.endHead(this, writeTrailerBlock(h2.encoder, h2.output.buf, at, trailers), true);
  }

  /** The answer is on its way. */
  onLocalEnd(): void {
    // A tunnel's ends come one by one.
    if (!this.isTunnel || this.remoteEnded) this.over();
  }

  private over(): void {
    const { stream } = this;
    if (stream === null) return;
    this.stream = null;
    if (!this.remoteEnded) this.countHttp(S.DOWN_RQ_RESPONSE_BEFORE_RQ_COMPLETE);
    stream.release();
  }

  onReset(_code: number, byPeer: boolean): void {
    const { stream } = this;
    this.stream = null;
    if (stream !== null) {
      const { endDetails, h2 } = this.down;
      let why = byPeer ? REMOTE_RESET : this.wrong;
      if (h2.over) why = endDetails === GONE.details ? GONE : fault('downstreamProtocol', 'down', 'never', endDetails);
      if (this.begun) stream.downReset(why);
      else stream.abandon(why);
    }
    this.giveBack();
  }

  onClosed(): void {
    this.giveBack();
  }

  // ---- DownStream: what the caller gets ----

  writeInterim(): void {
    const { h2 } = this.down;
    const interim = this.stream!.interim!;
    const at = h2.beginHead(blockRoom(interim));
    h2.endHead(this, writeResponseBlock(h2.encoder, h2.output.buf, at, interim, interim.status), false);
    this.frameTurn = -1; // never the last frame
  }

  writeHead(_more: boolean): boolean {
    const { h2 } = this.down;
    const { resHead, resBody } = this.stream!;
    let { status } = this.stream!;
    if (resBody === BODY_TUNNEL) {
      this.isTunnel = true;
      status = 200;
      resHead.dropId(FIELD_UPGRADE); // RFC 8441 section 5.1: the 200 says it
    }
    const at = h2.beginHead(blockRoom(resHead));
    h2.endHead(this, writeResponseBlock(h2.encoder, h2.output.buf, at, resHead, status), false);
    return h2.output.mayGoOn(this);
  }

  writeData(buf: Buffer, start: number, end: number, last: boolean): boolean {
    const { h2 } = this.down;
    const trailers = last ? this.stream!.resTrailers : null;
    if (trailers === null || trailers.count + trailers.pairs.length === 0) return h2.sendData(this, buf, start, end, last);
    h2.sendData(this, buf, start, end, false);
    this.trailers = trailers;
    if (this.queue.length > 0) {
      // The bytes they stand in belong to the upstream's connection, which goes on to the next answer.
      this.trailers = new Head();
      this.trailers.copyFrom(trailers);
    }
    h2.sendTrailers(this);
    return false;
  }

  pause(): void {
    this.down.h2.pause(this);
  }

  resume(): void {
    this.down.h2.resume(this);
  }

  reset(): void {
    if (this.endQueued || this.trailersQueued) this.down.count(H2_TX_FLUSH_TIMEOUT, 1);
    const code = this.isTunnel ? tunnelError(this.stream!) : INTERNAL_ERROR;
    this.stream = null;
    this.down.h2.reset(this, code);
    this.giveBack();
  }

  // ---- inside ----

  private giveBack(): void {
    this.clearWire();
    this.begun = false;
    this.wrong = BAD_MESSAGE;
    this.contentLeft = -1;
    this.trailers = null;
    if (free.length < MAX_FREE) free.push(this);
  }

  private countHttp(slot: number): void {
    this.down.listener.tools.cells[this.down.listener.plan.http + slot]!++;
  }
}

/** How a tunnel says that its other connection broke (RFC 9113 section 8.5; RFC 8441 section 5). */
function tunnelError(stream: Stream): number {
  return stream.upgrade === UPGRADE_CONNECT ? CONNECT_ERROR : CANCEL;
}

export function takeH2Stream(down: H2Down): H2DownStream {
  const stream = free.pop() ?? new H2DownStream();
  stream.use(down);
  return stream;
}
