// @hot
// One HTTP/1.1 connection to a host, and the attempt it carries at the moment. Worker thread; owned by its pool.
//
//   connecting ──► idle ◄──► busy: head ──► body ──► (finished) ──► idle | closed
// A byte or an end on an idle connection closes it at once; an answer that breaks a rule ends the connection with it.

import { fault, type Fault } from '../core/fault.ts';
import { formatHostPort } from '../core/address.ts';
import type { OutHolder } from '../core/out-buffer.ts';
import { BODY_CHUNKED, BODY_CLOSE, BODY_NONE, BODY_TUNNEL, type Stream, type UpStream } from '../core/stream.ts';
import { copySpan } from '../http/byte-view.ts';
import { BodyReader } from '../http/h1-body.ts';
import { describeError } from '../http/h1-errors.ts';
import { isPersistent, responseBody } from '../http/h1-framing.ts';
import { parseResponseHead } from '../http/h1-parser.ts';
import { DEFAULT_HEAD_LIMITS } from '../http/h1-state.ts';
import { CHUNK_HEAD_ROOM, lastChunkRoom, requestRoom, RequestParts, writeChunkHead, writeLastChunk, writeLineEnd, writeRequestHead } from '../http/h1-writer.ts';
import { passUpgrade, switchesTo } from '../http/upgrade.ts';
import { acceptOf, askForUpgrade } from '../http/websocket.ts';
import { CLOSED_LOCAL, type CloseReason, type Conn, type ConnOwner } from '../io/conn.ts';
import { Timer, type TimerTarget } from '../core/timer.ts';
import * as S from '../observe/stat-names.ts';
import { CONNECT_TIMEOUT, connectFault } from './connect-fault.ts';
import { UNWANTED } from './unwanted.ts';
import { proxyHeader } from './proxy-header.ts';
import type { H1Pool } from './h1-pool.ts';

const CONNECTING = 0;
const IDLE = 1;
const HEAD = 2;
const BODY = 3;
const CLOSED = 4;

/** Bodies up to this size leave in one segment with what frames them; larger ones are sent from where they lie. */
const COPY_BYTES = 16 * 1024;

const EMPTY = Buffer.alloc(0);
/** Filled anew for each head. */
const parts = new RequestParts();
const CONNECTION_TERMINATION = fault('upstreamClosed', 'up', 'always', 'connection_termination');
const STALE = fault('upstreamClosed', 'up', 'ifReused', 'connection_termination');
// Envoy has no transport failure reason for a reset of a plain connection that was up.
const RESET = fault('upstreamReset', 'up', 'always', 'connection_termination');
const RESET_STALE = fault('upstreamReset', 'up', 'ifReused', 'connection_termination');
const RESET_IN_ANSWER = fault('upstreamReset', 'up', 'never', 'connection_termination');
const LOCAL_RESET = fault('localReset', 'local', 'never', 'local_connection_failure');
/** The end came inside a framed body: to Envoy that is a broken message, and so it is called. */
const CUT_OFF = fault('upstreamProtocol', 'up', 'never', 'protocol_error');

export class H1Up implements ConnOwner, UpStream, OutHolder, TimerTarget {
  readonly protocol = 'HTTP/1.1';
  readonly mayRefuse = false;
  isReused = false;
  readonly pool: H1Pool;
  // The pool's list of idle connections.
  newer: H1Up | null = null;
  older: H1Up | null = null;
  isIdle = false;
  /** Monotonic ms: when the connection was begun. */
  since = 0;

  private conn!: Conn;
  private localAddress = '';
  /** Where it goes. Its host may be elsewhere by now (logicalDns). */
  private shown = '';
  private stream: Stream | null = null;
  private state = CONNECTING;
  private requestDone = false;
  /** The key of a WebSocket handshake that the caller, who speaks HTTP/2, did not make; '' otherwise. */
  private webSocketKey = '';
  /** Of a tunnel: the host has sent its end. */
  private answerDone = false;
  private chunkedOut = false;
  /** Bytes of a head that waits in `tools.out` for the body that follows in the same callback. */
  private held = 0;
  // What the answer's head said of the connection.
  private closeNotified = false;
  private persistent = false;
  /** A byte of the answer has arrived. */
  private answered = false;
  /** The stream takes no bytes for now. */
  private paused = false;
  private requests = 0;
  private idleSince = 0;
  private timedOut = false;
  // How it ended, for the counters.
  private remoteEnded = false;
  private cutRequest = false;
  private readonly body = new BodyReader();
  private readonly timer: Timer;

  constructor(pool: H1Pool) {
    this.pool = pool;
    this.timer = new Timer(this, 0);
  }

  connect(): void {
    this.since = this.pool.cluster.tools.clock.now;
    this.shown = this.pool.host.shown;
    this.conn = this.pool.dial(this, this.timer);
  }

  /** Takes over a connection that somebody else has brought up. */
  adopt(conn: Conn, since: number): void {
    this.since = since;
    this.shown = this.pool.host.shown;
    this.conn = conn;
    conn.owner = this;
    this.ready();
  }

  /** Carries one request: the pool has done its accounting. */
  take(stream: Stream): void {
    this.stream = stream;
    this.state = HEAD;
    this.requestDone = false;
    this.answered = false;
    this.answerDone = false;
    this.isReused = this.requests > 0;
    this.requests++;
    stream.upstreamConnectionId = this.conn.id;
    stream.upstreamHost = this.shown;
    stream.upstreamLocalAddress = this.localAddress;
    const version = this.pool.cluster.config.proxyProtocol;
    if (version !== null) this.introduce(proxyHeader(version, stream));
    stream.upReady(this);
    if (this.pool.raw && this.stream === stream) this.answerConnect(stream);
  }

  /** PROXY protocol: the connection is this caller's from now on, and ends with this request. */
  private introduce(header: Buffer): void {
    this.send(header, 0, header.length, true);
  }

  becameIdle(): void {
    const { tools, config } = this.pool.cluster;
    this.state = IDLE;
    this.idleSince = tools.clock.now;
    // Armed once and looked at when it fires: a busy connection costs the wheel nothing.
    if (config.connections.idleTimeoutMs > 0 && this.timer.deadline === 0) tools.loop.timers.arm(this.timer, config.connections.idleTimeoutMs);
  }

  close(): void {
    this.pool.unlink(this);
    this.state = CLOSED;
    // A request that is still being sent has been answered: nobody wants the rest of it. A tunnel's bytes are wanted.
    if (this.conn.pending > 0 && !this.answerDone) this.conn.reset();
    else this.conn.close();
  }

  // ---- UpStream ----

  writeHead(last: boolean, more: boolean): boolean {
    const stream = this.stream!;
    const { out } = this.pool.cluster.tools;
    this.chunkedOut = stream.reqBody === BODY_CHUNKED;
    this.requestDone = last;
    if (this.pool.raw) return true;
    parts.target = stream.upstreamPath;
    parts.authority = stream.upstreamAuthority;
    parts.chunked = this.chunkedOut;
    parts.connection = stream.reqBody === BODY_TUNNEL ? 'Upgrade' : '';
    this.webSocketKey = stream.reqBody === BODY_TUNNEL ? askForUpgrade(stream.reqHead, stream.upgrade) : '';
    out.claim(this, requestRoom(stream.reqHead, parts));
    const end = writeRequestHead(out.buf, 0, stream.reqHead, parts);
    if (last || !more) return this.send(out.buf, 0, end, false);
    this.held = end;
    out.hold(this);
    return true;
  }

  flushHeld(): void {
    const end = this.held;
    this.held = 0;
    if (end > 0 && this.state !== CLOSED) this.send(this.pool.cluster.tools.out.buf, 0, end, false);
  }

  writeData(buf: Buffer, start: number, end: number, last: boolean): boolean {
    this.requestDone = last;
    if (this.stream!.resBody === BODY_TUNNEL) return this.writeTunnel(buf, start, end, last);
    const trailers = last && this.chunkedOut ? this.stream!.reqTrailers : null;
    if (!this.chunkedOut && this.held === 0) return end === start || this.send(buf, start, end, false);
    const { out } = this.pool.cluster.tools;
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

  pause(): void {
    this.paused = true;
    this.conn.pauseRead();
  }

  resume(): void {
    this.paused = false;
    if (this.state !== CLOSED) this.conn.resumeRead();
  }

  abort(): void {
    if (this.stream === null) return;
    this.stream = null;
    this.cutRequest = true;
    this.pool.detached();
    this.state = CLOSED;
    this.conn.reset();
  }

  discard(): void {
    this.stream = UNWANTED.standInFor(this.stream!);
  }

  handTo(stream: Stream): void {
    this.stream = stream;
    stream.upstreamConnectionId = this.conn.id;
    stream.upstreamLocalAddress = this.localAddress;
  }

  // ---- ConnOwner ----

  onConnect(): void {
    this.pool.handshaken(this.conn);
    this.ready();
  }

  private ready(): void {
    this.pool.cluster.tools.loop.timers.disarm(this.timer);
    this.localAddress = formatHostPort(this.conn.localAddress, this.conn.localPort);
    this.state = IDLE;
    this.pool.connected(this);
  }

  onData(_conn: Conn, buf: Buffer, start: number, end: number): void {
    const { cluster } = this.pool;
    cluster.tools.cells[cluster.stats + S.UP_CX_RX_BYTES_TOTAL]! += end - start;
    let pos = start;
    while (pos < end && this.state !== CLOSED) {
      if (this.stream === null) {
        // A byte that nobody asked for: the next answer could not be trusted.
        this.countProtocolError();
        this.close();
        break;
      }
      pos = this.state === HEAD ? this.readHead(this.stream, buf, pos, end) : this.readBody(this.stream, buf, pos, end);
    }
    if (this.stream === UNWANTED) this.abort(); // it would take more than what is here to read it to its end
    cluster.tools.out.flush();
  }

  onWritable(): void {
    this.stream?.upWritable();
  }

  onEnd(): void {
    const stream = this.stream;
    this.remoteEnded = true;
    if (stream === null) {
      if (this.state !== CLOSED) this.close();
      return;
    }
    if (this.state === BODY && stream.resBody === BODY_TUNNEL) {
      this.answerDone = true;
      if (this.requestDone) this.finish(stream, false);
      stream.responseData(EMPTY, 0, 0, true);
      return;
    }
    if (this.state === BODY && this.body.kind === BODY_CLOSE) {
      this.finish(stream, false);
      stream.responseData(EMPTY, 0, 0, true);
      return;
    }
    // Half a head is a malformed answer, not a missing one.
    if (this.state === BODY || stream.resHead.kept > 0) this.protocolError(stream, CUT_OFF);
    else this.fail(stream, this.requests > 1 && !this.answered ? STALE : CONNECTION_TERMINATION);
  }

  onClose(conn: Conn, why: CloseReason): void {
    const { pool, stream } = this;
    const wasConnecting = this.state === CONNECTING;
    const cutOff = why !== CLOSED_LOCAL && this.answered && (this.state === HEAD || (this.state === BODY && this.body.kind !== BODY_CLOSE));
    this.state = CLOSED;
    pool.cluster.tools.loop.timers.disarm(this.timer);
    pool.closed(this, why === CLOSED_LOCAL && !this.remoteEnded, this.cutRequest || stream !== null);
    if (wasConnecting) {
      pool.handshakeFailed(conn);
      pool.connectFailed(this.timedOut ? CONNECT_TIMEOUT : connectFault(conn.error));
    } else if (stream !== null) {
      this.stream = null;
      pool.detached();
      if (cutOff) this.countProtocolError();
      stream.upReset(why === CLOSED_LOCAL ? LOCAL_RESET : this.resetFault());
    }
    pool.lane.scarcity.freed();
  }

  onTimer(): void {
    const { tools, config, stats } = this.pool.cluster;
    if (this.state === CONNECTING) {
      this.timedOut = true;
      tools.cells[stats + S.UP_CX_CONNECT_TIMEOUT]!++;
      this.conn.reset();
      return;
    }
    const limit = config.connections.idleTimeoutMs;
    if (this.state === CLOSED || limit === 0) return;
    const left = this.state === IDLE ? this.idleSince + limit - tools.clock.now : limit;
    if (left > 0) {
      tools.loop.timers.arm(this.timer, left);
      return;
    }
    tools.cells[stats + S.UP_CX_IDLE_TIMEOUT]!++;
    this.close();
  }

  // ---- the answer ----

  private readHead(stream: Stream, buf: Buffer, pos: number, end: number): number {
    const head = stream.answerHead();
    this.answered = true;
    const kept = head.kept;
    let length: number;
    if (kept === 0) {
      head.buf = buf;
      head.base = pos;
      length = parseResponseHead(head, buf, pos, end, DEFAULT_HEAD_LIMITS);
      if (length === 0) head.append(buf, pos, end);
    } else {
      head.append(buf, pos, end);
      length = parseResponseHead(head, head.buf, 0, head.kept, DEFAULT_HEAD_LIMITS);
    }
    if (length === 0) return end;
    if (length < 0) return this.malformed(stream, describeError(length).details, end);
    const next = pos + length - kept;
    if (head.status === 101 && stream.reqBody === BODY_TUNNEL && switchesTo(head, stream.upgrade)) return this.openTunnel(stream, next, end);
    if (head.status < 200) return this.readInterim(stream, next, end);
    stream.status = head.status;
    stream.resBody = responseBody(head, stream.method);
    this.closeNotified = head.connectionClose;
    this.persistent = isPersistent(head);
    this.body.begin(stream.resBody, head.contentLength);
    this.state = BODY;
    stream.responseHead(next < end || stream.resBody === BODY_NONE);
    const now = this.stream; // perhaps another one, see `handTo` and `discard`
    if (now === null) return end;
    if (now.resBody !== BODY_NONE) return next;
    this.finish(now, next === end);
    now.responseData(EMPTY, 0, 0, true);
    return end;
  }

  /** The connection is what CONNECT asked for: there is nobody else to say so. */
  private answerConnect(stream: Stream): void {
    stream.answerHead();
    stream.status = 200;
    stream.resBody = BODY_TUNNEL;
    this.body.begin(BODY_CLOSE, -1);
    this.state = BODY;
    stream.responseHead(false);
  }

  /** From here on bytes are bytes. */
  private openTunnel(stream: Stream, next: number, end: number): number {
    if (this.webSocketKey !== '' && stream.resHead.get('sec-websocket-accept') !== acceptOf(this.webSocketKey)) return this.malformed(stream, 'http1.unexpected_upgrade', end);
    if (this.webSocketKey !== '') stream.resHead.remove('sec-websocket-accept'); // it proves something to us, and to nobody else
    passUpgrade(stream.resHead);
    stream.status = stream.resHead.status;
    stream.resBody = BODY_TUNNEL;
    this.body.begin(BODY_CLOSE, -1);
    this.state = BODY;
    stream.responseHead(false);
    return this.stream === stream ? next : end;
  }

  private writeTunnel(buf: Buffer, start: number, end: number, last: boolean): boolean {
    const taken = end === start || this.send(buf, start, end, false);
    if (!last) return taken;
    if (this.answerDone) this.finish(this.stream!, false);
    else this.conn.shutdownWrite();
    return taken;
  }

  private readInterim(stream: Stream, next: number, end: number): number {
    if (stream.resHead.status === 101) return this.malformed(stream, 'http1.unexpected_upgrade', end);
    stream.interim = stream.resHead;
    stream.responseInterim();
    if (this.stream !== stream) return end;
    stream.interim = null;
    stream.resHead.reset();
    return next;
  }

  private readBody(stream: Stream, buf: Buffer, pos: number, end: number): number {
    const body = this.body;
    const next = body.read(buf, pos, end);
    if (next < 0) return this.malformed(stream, describeError(next).details, end);
    if (body.done) {
      stream.resTrailers = body.trailers;
      this.finish(stream, next === end);
      stream.responseData(buf, body.dataStart, body.dataEnd, true);
      return end;
    }
    if (body.dataEnd > body.dataStart) {
      stream.responseData(buf, body.dataStart, body.dataEnd, false);
      if (this.stream !== stream) return end;
    }
    return next;
  }

  /** The answer is complete: the stream is let go, the connection goes back or ends. `clean`: no byte came behind it. */
  private finish(stream: Stream, clean: boolean): void {
    const { cluster } = this.pool;
    const limit = cluster.config.connections.maxRequests;
    const spent = limit > 0 && this.requests >= limit;
    if (spent) cluster.tools.cells[cluster.stats + S.UP_CX_MAX_REQUESTS]!++;
    if (this.closeNotified) cluster.tools.cells[cluster.stats + S.UP_CX_CLOSE_NOTIFY]!++;
    const reusable = clean && this.persistent && !spent && (this.requestDone || stream.reqBody === BODY_NONE) && stream.resBody !== BODY_CLOSE;
    this.stream = null;
    // The rest of the answer stood in the buffer that the pause began in; the next answer must be read.
    if (this.paused) this.resume();
    this.pool.finished(this, reusable);
  }

  private malformed(stream: Stream, details: string, end: number): number {
    this.protocolError(stream, fault('upstreamProtocol', 'up', 'never', details));
    return end;
  }

  private protocolError(stream: Stream, why: Fault): void {
    this.countProtocolError();
    this.fail(stream, why);
  }

  private countProtocolError(): void {
    const { cluster } = this.pool;
    cluster.tools.cells[cluster.stats + S.UP_CX_PROTOCOL_ERROR]!++;
  }

  // As in Envoy, `upstream_rq_rx_reset` and `upstream_rq_tx_reset` count resets of streams: HTTP/1.1 has none.
  private fail(stream: Stream, why: Fault): void {
    this.stream = null;
    this.cutRequest = true;
    this.pool.detached();
    this.state = CLOSED;
    this.conn.reset();
    stream.upReset(why);
  }

  private resetFault(): Fault {
    if (this.answered) return RESET_IN_ANSWER;
    return this.requests > 1 ? RESET_STALE : RESET;
  }

  private send(buf: Buffer, start: number, end: number, more: boolean): boolean {
    const { cluster } = this.pool;
    cluster.tools.cells[cluster.stats + S.UP_CX_TX_BYTES_TOTAL]! += end - start;
    return this.conn.write(buf, start, end, more);
  }
}
