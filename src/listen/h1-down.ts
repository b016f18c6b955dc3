// @hot
// One HTTP/1.1 connection of a caller, and the request it carries at the moment. Worker thread; owned by its listener.
// It holds no Stream while it is idle. Requests that a client pipelines wait as bytes until the answer before is complete.
//
//   IDLE ──► HEAD (incomplete) ──► BODY ──► WAIT (answer under way) ──► IDLE
//                     │              └──► DISCARD (answered early; the rest of the body is thrown away)
//                     └── refused ───────► CLOSING

import type { Address } from '../core/address.ts';
import { FieldBlock } from '../core/field-block.ts';
import { FIELD_CONTENT_LENGTH } from '../core/fields.ts';
import { FLAG_DPE, FLAG_SI } from '../core/flags.ts';
import { fault } from '../core/fault.ts';
import type { OutHolder } from '../core/out-buffer.ts';
import { BODY_CHUNKED, BODY_CLOSE, BODY_LENGTH, BODY_NONE, BODY_TUNNEL, type DownStream, type Stream } from '../core/stream.ts';
import { copySpan } from '../http/byte-view.ts';
import { BodyReader } from '../http/h1-body.ts';
import { describeError } from '../http/h1-errors.ts';
import { isPersistent, requestBody } from '../http/h1-framing.ts';
import { START } from '../http/h1-state.ts';
import { parseRequestHead } from '../http/h1-parser.ts';
import { CHUNK_HEAD_ROOM, lastChunkRoom, responseRoom, ResponseParts, writeChunkHead, writeLastChunk, writeLineEnd, writeResponseHead } from '../http/h1-writer.ts';
import { CLOSED_LOCAL, type CloseReason, type Conn, type ConnOwner } from '../io/conn.ts';
import { Timer, type TimerTarget } from '../core/timer.ts';
import * as S from '../observe/stat-names.ts';
import type { DownConn } from './down-conn.ts';
import type { HttpListener } from './http-listener.ts';
import { admitRequest } from './admission.ts';
import { losesKeepAlive } from './relief.ts';
import { TunnelDown } from './tunnel-down.ts';

const IDLE = 0;
const HEAD = 1;
const BODY = 2;
const WAIT = 3;
const DISCARD = 4;
const CLOSING = 5;
/** The connection is a tunnel's. */
const HANDED_OVER = 6;

/** Bodies up to this size leave in one segment with what frames them; larger ones are sent from where they lie. */
const COPY_BYTES = 16 * 1024;
/** How long a connection that has not sent anything yet may still begin its first request. */
const FIRST_REQUEST_MS = 1000;
/** How long an early answer waits for the caller to take it (Envoy's delayed close). */
const LINGER_MS = 1000;

const GONE = fault('downstreamClosed', 'down', 'never', 'downstream_remote_disconnect');

/** What an HTTP/2 host says with END_STREAM on its head. */
const NO_BODY = new FieldBlock(['content-length', '0']);

/** Filled anew for each head. */
const parts = new ResponseParts();

/** Readers of request bodies, lent for the length of a body: a request without one never touches this. */
const readers: BodyReader[] = [];

export class H1Down implements ConnOwner, DownConn, DownStream, OutHolder, TimerTarget {
  readonly protocol: string = 'HTTP/1.1';
  // The listener's list of connections.
  prev: DownConn | null = null;
  next: DownConn | null = null;
  /** This connection holds one of the listener's `maxConnections`. */
  readonly secure: boolean;
  readonly counted: boolean;
  readonly since: number;

  private readonly listener: HttpListener;
  private readonly conn: Conn;
  private readonly timer: Timer;
  private stream: Stream | null = null;
  private body: BodyReader | null = null;
  private state = IDLE;
  private keepAlive = true;
  private responseDone = false;
  private chunkedOut = false;
  /** Bytes of an answer's head that wait in `tools.out` for the body that follows in the same callback. */
  private held = 0;
  /** Pipelined bytes behind the request under way; reading is paused while there are any. */
  private stash: Buffer | null = null;
  /** The stream takes no more of its request for now. */
  private paused = false;
  /** The caller has not taken the last answer: the next request waits until it has, or answers would pile up here. */
  private clogged = false;
  /** The whole body of the request stands in the buffer that its head came in. */
  private bodyHere = false;
  private consuming = false;
  /** A request has been answered here. */
  private served = false;
  // How it ended, for the counters.
  private remoteEnded = false;
  private cutRequest = false;
  private idleSince: number;

  constructor(listener: HttpListener, conn: Conn, counted: boolean) {
    this.listener = listener;
    this.conn = conn;
    this.secure = conn.tls !== null;
    this.counted = counted;
    this.timer = new Timer(this, 0);
    this.since = listener.tools.clock.now;
    this.idleSince = this.since;
    listener.tools.cells[listener.plan.http + S.DOWN_CX_HTTP1_TOTAL]!++;
    listener.tools.cells[listener.plan.http + S.DOWN_CX_HTTP1_ACTIVE]!++;
    this.armIdle();
  }

  get originalDestination(): Address | null {
    return this.conn.originalDestination;
  }

  // ---- ConnOwner ----

  onConnect(): void {}

  onData(_conn: Conn, buf: Buffer, start: number, end: number): void {
    const { tools, plan } = this.listener;
    tools.cells[plan.http + S.DOWN_CX_RX_BYTES_TOTAL]! += end - start;
    if (this.stash !== null) this.putAside(buf, start, end);
    else this.consume(buf, start, end);
    tools.out.flush();
  }

  onWritable(): void {
    if (!this.clogged) {
      this.stream?.downWritable();
      return;
    }
    this.clogged = false;
    if (this.stash === null) return;
    this.takeUp();
    this.listener.tools.out.flush();
  }

  onEnd(): void {
    this.remoteEnded = true;
    this.leave();
    if (this.state === CLOSING) return;
    this.state = CLOSING;
    // What is kept of an answer that was given up has no reader.
    if (this.cutRequest && this.conn.pending > 0) this.conn.reset();
    else this.conn.close();
  }

  onClose(_conn: Conn, why: CloseReason): void {
    const { tools, plan } = this.listener;
    const { cells } = tools;
    const local = why === CLOSED_LOCAL && !this.remoteEnded;
    this.leave();
    cells[plan.http + S.DOWN_CX_HTTP1_ACTIVE]!--;
    cells[plan.http + (local ? S.DOWN_CX_DESTROY_LOCAL : S.DOWN_CX_DESTROY_REMOTE)]!++;
    if (this.cutRequest) {
      cells[plan.http + S.DOWN_CX_DESTROY_ACTIVE_RQ]!++;
      cells[plan.http + (local ? S.DOWN_CX_DESTROY_LOCAL_ACTIVE_RQ : S.DOWN_CX_DESTROY_REMOTE_ACTIVE_RQ)]!++;
    }
    this.state = CLOSING;
    tools.timers.disarm(this.timer);
    this.listener.forget(this);
  }

  onTimer(): void {
    const { tools, config, plan } = this.listener;
    if (this.state === CLOSING) return;
    if (this.state === HEAD) {
      this.headTooSlow(this.stream!);
      return;
    }
    if (this.listener.draining && this.state === IDLE) {
      this.served = true;
      this.drain();
      return;
    }
    const limit = config.timeouts.idleMs;
    if (limit === 0) return;
    const left = this.state === IDLE ? this.idleSince + limit - tools.clock.now : limit;
    if (left > 0) {
      tools.timers.arm(this.timer, left);
      return;
    }
    tools.cells[plan.http + S.DOWN_CX_IDLE_TIMEOUT]!++;
    this.state = CLOSING;
    this.conn.close();
  }

  private headTooSlow(stream: Stream): void {
    const { tools, config, plan } = this.listener;
    const named = config.timeouts.requestHeadersMs > 0;
    tools.cells[plan.http + (named ? S.DOWN_RQ_HEADER_TIMEOUT : S.DOWN_RQ_IDLE_TIMEOUT)]!++;
    this.refuse(stream, 408, named ? 'request_header_timeout' : 'stream_idle_timeout');
    tools.out.flush();
  }

  /** The listener stops: close when idle, else after the answer. */
  drain(): void {
    this.keepAlive = false;
    if (this.state !== IDLE) return;
    if (!this.served) {
      // Just accepted: its first request may be on the wire, and would be lost.
      this.listener.tools.timers.arm(this.timer, FIRST_REQUEST_MS);
      return;
    }
    this.state = CLOSING;
    this.listener.tools.cells[this.listener.plan.http + S.DOWN_CX_DRAIN_CLOSE]!++;
    this.conn.close();
  }

  closeIfIdle(ms: number): void {
    const { tools, plan } = this.listener;
    if (this.state !== IDLE || tools.clock.now - this.idleSince < (this.served ? ms : Math.max(ms, FIRST_REQUEST_MS))) return;
    tools.cells[plan.http + S.DOWN_CX_IDLE_TIMEOUT]!++;
    this.state = CLOSING;
    this.conn.close();
  }

  kill(): void {
    this.conn.reset();
  }

  // ---- DownStream ----

  writeInterim(): void {
    const interim = this.stream!.interim!;
    if (this.stream!.http10) return; // RFC 9110 section 15.2: an HTTP/1.0 client knows no 1xx
    const { out } = this.listener.tools;
    parts.status = interim.status;
    parts.minor = 1;
    parts.chunked = false;
    parts.connection = '';
    out.claim(this, responseRoom(interim, parts));
    this.send(out.buf, 0, writeResponseHead(out.buf, 0, interim, parts), false);
  }

  writeHead(more: boolean): boolean {
    const stream = this.stream!;
    const { out } = this.listener.tools;
    const bodiless = stream.method === 'HEAD' || stream.status === 204 || stream.status === 304;
    const unknownLength = stream.resBody === BODY_CHUNKED || stream.resBody === BODY_CLOSE;
    if (stream.resBody === BODY_NONE && !bodiless && stream.resHead.first[FIELD_CONTENT_LENGTH]! < 0) stream.resHead.addBlock(NO_BODY);
    const { http10 } = stream;
    this.chunkedOut = unknownLength && !bodiless && !http10;
    if (http10 && unknownLength && !bodiless) this.keepAlive = false;
    // An answer before the end of its request, as in Envoy: what is still missing of that will perhaps never be read.
    if (this.listener.draining || (this.state === BODY && !this.bodyHere)) this.keepAlive = false;
    if (this.keepAlive && losesKeepAlive(this.listener)) this.keepAlive = false;
    parts.status = stream.status;
    parts.minor = http10 ? 0 : 1;
    parts.chunked = this.chunkedOut;
    parts.connection = this.keepAlive ? (http10 ? 'keep-alive' : '') : 'close';
    if (stream.resBody === BODY_TUNNEL) parts.connection = stream.status === 101 ? 'Upgrade' : '';
    out.claim(this, responseRoom(stream.resHead, parts));
    const end = writeResponseHead(out.buf, 0, stream.resHead, parts);
    if (stream.resBody === BODY_TUNNEL) return this.handOver(stream, end);
    if (!more) return this.send(out.buf, 0, end, false);
    this.held = end;
    out.hold(this);
    return true;
  }

  flushHeld(): void {
    const end = this.held;
    this.held = 0;
    if (end > 0 && this.state !== CLOSING) this.send(this.listener.tools.out.buf, 0, end, false);
  }

  writeData(buf: Buffer, start: number, end: number, last: boolean): boolean {
    const taken = this.sendData(buf, start, end, last);
    if (last) {
      this.clogged = !taken;
      this.answered();
    }
    return taken;
  }

  pause(): void {
    this.paused = true;
    this.conn.pauseRead();
  }

  resume(): void {
    this.paused = false;
    if (this.stash === null) this.conn.resumeRead();
  }

  reset(): void {
    this.stream = null;
    this.cutRequest = true;
    this.held = 0;
    this.state = CLOSING;
    this.conn.reset();
  }

  // ---- the request ----

  private consume(buf: Buffer, start: number, end: number): void {
    let pos = start;
    this.consuming = true;
    while (pos < end) {
      switch (this.state) {
        case IDLE:
          if (this.clogged) pos = this.putAside(buf, pos, end);
          else pos = this.readHead(buf, pos, end);
          break;
        case HEAD:
          pos = this.readHead(buf, pos, end);
          break;
        case BODY:
        case DISCARD:
          pos = this.readBody(buf, pos, end);
          break;
        case WAIT:
          pos = this.putAside(buf, pos, end);
          break;
        case HANDED_OVER:
          this.conn.owner.onData(this.conn, buf, pos, end);
          pos = end;
          break;
        default:
          pos = end;
      }
    }
    this.consuming = false;
    // The answer came before the body did, and the body is not here: the connection cannot be used again.
    if (this.state === DISCARD) this.closeEarly();
  }

  private readHead(buf: Buffer, pos: number, end: number): number {
    const { tools, limits, road, config } = this.listener;
    let stream = this.stream;
    if (stream === null) {
      stream = road.take();
      this.begin(stream);
    }
    const head = stream.reqHead;
    const kept = head.kept;
    let length: number;
    if (kept === 0) {
      head.buf = buf;
      head.base = pos;
      length = parseRequestHead(head, buf, pos, end, limits);
      if (length === 0) head.append(buf, pos, end);
    } else {
      head.append(buf, pos, end);
      length = parseRequestHead(head, head.buf, 0, head.kept, limits);
    }
    stream.http10 = head.minor === 0;
    if (length > 0) {
      this.admit(stream, end - (pos + length - kept));
      return pos + length - kept;
    }
    if (length < 0) {
      this.protocolError(length);
    } else if (head.state === START) {
      this.nothingBegan(stream);
    } else if (this.state === IDLE) {
      this.state = HEAD;
      // Without a time for heads, half a head is a stream on which nothing moves.
      const { requestHeadersMs, streamIdleMs } = config.timeouts;
      const limit = requestHeadersMs > 0 ? requestHeadersMs : streamIdleMs;
      if (limit > 0) tools.timers.arm(this.timer, limit);
    }
    return end;
  }

  /** Only empty lines, as some clients send behind a body (RFC 9112 section 2.2): no request has begun. */
  private nothingBegan(stream: Stream): void {
    this.stream = null;
    stream.forget();
    if (this.state === IDLE) return;
    this.state = IDLE;
    this.armIdle();
  }

  /** A request's first byte. */
  private begin(stream: Stream): void {
    const { tools } = this.listener;
    const { conn } = this;
    this.stream = stream;
    this.responseDone = false;
    this.keepAlive = !this.listener.draining;
    stream.down = this;
    stream.connectionId = conn.id;
    stream.tls = conn.tls;
    if (conn.tls !== null) stream.serverName = conn.tls.serverName;
    stream.scheme = conn.tls === null ? 'http' : 'https';
    stream.remoteAddress = conn.remoteAddress;
    stream.remotePort = conn.remotePort;
    stream.localAddress = conn.localAddress;
    stream.localPort = conn.localPort;
    stream.startAt = tools.clock.now;
    stream.startWall = tools.clock.wall();
  }

  /** `behind`: how many bytes stand behind the head. */
  private admit(stream: Stream, behind: number): void {
    const head = stream.reqHead;
    if (this.state === HEAD) this.armIdle();
    if (!isPersistent(head)) this.keepAlive = false;
    stream.reqBody = requestBody(head);
    const rule = admitRequest(stream, this.listener);
    if (rule !== null) {
      this.refuse(stream, rule.status, rule.details, rule.location);
      return;
    }
    this.listener.identity.apply(stream);
    if (stream.reqBody === BODY_NONE) {
      this.state = WAIT;
      stream.requestEndAt = stream.startAt;
    } else {
      this.state = BODY;
      this.bodyHere = stream.reqBody === BODY_LENGTH && head.contentLength <= behind;
      this.body = readers.pop() ?? new BodyReader();
      this.body.begin(stream.reqBody, head.contentLength, this.listener.limits);
    }
    stream.begin(behind > 0 && stream.reqBody !== BODY_NONE);
  }

  private readBody(buf: Buffer, pos: number, end: number): number {
    const body = this.body;
    if (body === null) return end; // refused: nothing behind that head can be trusted
    const next = body.read(buf, pos, end);
    if (next < 0) {
      this.protocolError(next);
      return end;
    }
    const done = body.done;
    const start = body.dataStart;
    const stop = body.dataEnd;
    if (done) this.requestEnded(body);
    const stream = this.stream;
    if (stream !== null && !this.responseDone) stream.requestData(buf, start, stop, done);
    if (done && this.responseDone && this.state === WAIT) this.finish();
    return next;
  }

  private requestEnded(body: BodyReader): void {
    this.state = WAIT;
    this.body = null;
    if (this.stream !== null) {
      this.stream.reqTrailers = body.trailers;
      this.stream.requestEndAt = this.listener.tools.clock.now;
    }
    // Trailers still stand in their reader: that one is not lent again.
    if (!body.hasTrailers && readers.length < 256) readers.push(body);
  }

  /** The bytes break a rule of the protocol: nothing that follows them can be trusted. */
  private protocolError(code: number): void {
    const { tools, plan } = this.listener;
    const stream = this.stream;
    const error = describeError(code);
    tools.cells[plan.http + S.DOWN_CX_PROTOCOL_ERROR]!++;
    this.keepAlive = false;
    if (stream !== null && !this.responseDone) this.refuse(stream, error.status, error.details);
    else this.closeEarly();
  }

  private refuse(stream: Stream, status: number, details: string, location = ''): void {
    this.keepAlive = false;
    this.state = DISCARD;
    stream.refuse(status, details, flagOf(details), location);
    if (!this.consuming) this.closeEarly();
  }

  // ---- the answer ----

  private sendData(buf: Buffer, start: number, end: number, last: boolean): boolean {
    if (!this.chunkedOut && this.held === 0) return end === start || this.send(buf, start, end, false);
    const stream = this.stream!;
    const { out } = this.listener.tools;
    const trailers = last && this.chunkedOut ? stream.resTrailers : null;
    out.claim(this, this.held + CHUNK_HEAD_ROOM + COPY_BYTES + lastChunkRoom(trailers));
    const framed = this.chunkedOut && end > start;
    let at = this.held;
    this.held = 0;
    out.release();
    if (framed) at = writeChunkHead(out.buf, at, end - start);
    let taken = true;
    if (end - start <= COPY_BYTES) {
      at = copySpan(out.buf, at, buf, start, end);
    } else {
      if (at > 0) this.send(out.buf, 0, at, true);
      taken = this.send(buf, start, end, this.chunkedOut);
      at = 0;
    }
    if (framed) at = writeLineEnd(out.buf, at);
    if (last && this.chunkedOut) at = writeLastChunk(out.buf, at, trailers);
    return at === 0 ? taken : this.send(out.buf, 0, at, false);
  }

  /** The last byte of the answer is on its way. */
  private answered(): void {
    this.responseDone = true;
    if (this.state === WAIT) {
      this.finish();
      return;
    }
    // Early: before the request's body was complete.
    const stream = this.stream!;
    this.stream = null;
    this.listener.tools.cells[this.listener.plan.http + S.DOWN_RQ_RESPONSE_BEFORE_RQ_COMPLETE]!++;
    if (this.state === BODY) this.state = DISCARD;
    stream.release();
    if (!this.consuming) this.closeEarly();
  }

  /** Request and answer are both complete. */
  private finish(): void {
    const { stream } = this;
    this.stream = null;
    this.served = true;
    if (stream !== null) stream.release();
    if (!this.keepAlive) {
      this.state = CLOSING;
      this.conn.closeLingering(LINGER_MS);
      return;
    }
    this.state = IDLE;
    this.idleSince = this.listener.tools.clock.now;
    if (this.paused) this.resume();
    if (this.stash !== null && !this.consuming && !this.clogged) this.takeUp();
  }

  private closeEarly(): void {
    if (this.state === CLOSING) return;
    this.listener.tools.out.flush();
    this.state = CLOSING;
    this.returnReader();
    this.conn.closeLingering(LINGER_MS);
  }

  /** The caller is gone: whoever works for it stops. */
  private leave(): void {
    const { stream } = this;
    this.returnReader();
    this.stash = null;
    this.held = 0;
    if (stream === null) return;
    this.stream = null;
    this.cutRequest = true;
    if (this.state === HEAD) stream.abandon();
    else stream.downReset(GONE);
  }

  private returnReader(): void {
    if (this.body !== null && readers.length < 256) readers.push(this.body);
    this.body = null;
  }

  /** The answer opens a tunnel: what follows on this connection, and what has come too early, belongs to it. */
  private handOver(stream: Stream, end: number): boolean {
    const { listener, conn, stash } = this;
    const taken = this.send(listener.tools.out.buf, 0, end, false);
    this.stream = null;
    this.stash = null;
    this.state = HANDED_OVER;
    listener.tools.timers.disarm(this.timer);
    conn.pauseRead();
    const tunnel = new TunnelDown(listener, conn, { stream, early: stash, counted: this.counted, since: this.since });
    listener.replace(this, tunnel);
    stream.down = tunnel;
    conn.owner = tunnel;
    return taken;
  }

  // ---- pipelining ----

  private putAside(buf: Buffer, start: number, end: number): number {
    const more = buf.subarray(start, end);
    this.stash = this.stash === null ? Buffer.from(more) : Buffer.concat([this.stash, more]);
    this.conn.pauseRead();
    return end;
  }

  private takeUp(): void {
    while (this.stash !== null && this.state === IDLE && !this.clogged) {
      const stash = this.stash;
      this.stash = null;
      this.consume(stash, 0, stash.length);
    }
    if (this.stash === null && !this.paused && this.state !== CLOSING) this.conn.resumeRead();
  }

  private send(buf: Buffer, start: number, end: number, more: boolean): boolean {
    const { tools, plan } = this.listener;
    tools.cells[plan.http + S.DOWN_CX_TX_BYTES_TOTAL]! += end - start;
    return this.conn.write(buf, start, end, more);
  }

  private armIdle(): void {
    const { tools, config } = this.listener;
    if (config.timeouts.idleMs > 0) tools.timers.arm(this.timer, config.timeouts.idleMs);
  }
}

function flagOf(details: string): number {
  if (details === 'stream_idle_timeout') return FLAG_SI;
  return details.startsWith('http1.') || details === 'low_version' ? FLAG_DPE : 0;
}
