// An accepted connection before it is known what it speaks: its opening (PROXY protocol, TLS) may be under way, and on a
// plaintext port that carries both, its first bytes tell HTTP/1.1 from HTTP/2 with prior knowledge (RFC 9113 section 3.3).
// Worker thread; gives its place in the listener's list, and the connection, to the one that speaks the protocol.
// An opening, and half a preface, have 15 s; who has opened and says nothing is idle, as between two requests.

import { Timer, type TimerTarget } from '../core/timer.ts';
import type { TlsInfo } from '../core/tls-info.ts';
import type { CloseReason, Conn, ConnOwner } from '../io/conn.ts';
import { countFailedHandshake, countHandshake, SSL_CX_ACTIVE, SSL_CX_TOTAL } from '../observe/ssl-stats.ts';
import * as S from '../observe/stat-names.ts';
import { handshakeFailure } from '../security/peer-check.ts';
import type { DownConn } from './down-conn.ts';
import type { HttpListener } from './http-listener.ts';

/** Envoy's listener_filters_timeout and a usual limit for handshakes. */
export const OPENING_MS = 15_000;
/** How long a connection that has not sent anything yet may still begin its first request. */
const FIRST_REQUEST_MS = 1000;
const PREFACE = Buffer.from('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n', 'latin1');
const EMPTY = Buffer.alloc(0);

export class Entrance implements ConnOwner, DownConn, TimerTarget {
  prev: DownConn | null = null;
  next: DownConn | null = null;
  readonly counted: boolean;
  readonly since: number;
  secure = false;
  private readonly listener: HttpListener;
  private readonly conn: Conn;
  private readonly timer: Timer;
  /** Bytes that may be the beginning of an HTTP/2 preface. */
  private seen: Buffer = EMPTY;
  /** It is open, and its first byte is awaited. */
  private idle = false;

  constructor(listener: HttpListener, conn: Conn, counted: boolean) {
    const { clock, timers } = listener.tools;
    this.listener = listener;
    this.conn = conn;
    this.counted = counted;
    this.since = clock.now;
    this.timer = new Timer(this, 0);
    if (listener.opening.isNone) this.awaitFirstByte();
    else timers.arm(this.timer, OPENING_MS);
  }

  onConnect(conn: Conn): void {
    if (conn.tls !== null) this.handshaken(conn.tls);
    const alpn = conn.tls === null ? '' : conn.tls.alpn;
    const { protocols } = this.listener.config;
    if (alpn === 'h2' || !protocols.includes('http1')) this.become(true);
    else if (alpn !== '' || !protocols.includes('http2')) this.become(false);
    else this.awaitFirstByte();
  }

  onData(conn: Conn, buf: Buffer, start: number, end: number): void {
    const before = this.seen.length;
    const length = Math.min(PREFACE.length - before, end - start);
    const same = PREFACE.compare(buf, start, start + length, before, before + length) === 0;
    if (same && before + length < PREFACE.length) {
      this.seen = Buffer.concat([this.seen, buf.subarray(start, end)]);
      if (this.idle) this.listener.tools.timers.arm(this.timer, OPENING_MS);
      this.idle = false;
      return;
    }
    const owner = this.become(same || !this.listener.config.protocols.includes('http1'));
    if (before === 0) owner.onData(conn, buf, start, end);
    else {
      const all = Buffer.concat([this.seen, buf.subarray(start, end)]);
      owner.onData(conn, all, 0, all.length);
    }
  }

  onWritable(): void {}

  onEnd(conn: Conn): void {
    conn.close();
  }

  onClose(conn: Conn, _why: CloseReason): void {
    const { tools, plan } = this.listener;
    if (!this.secure) countFailedHandshake(tools.cells, plan.ssl, handshakeFailure(conn.error));
    tools.timers.disarm(this.timer);
    this.listener.forget(this);
  }

  onTimer(): void {
    const { tools, plan } = this.listener;
    if (this.idle) {
      tools.cells[plan.http + S.DOWN_CX_IDLE_TIMEOUT]!++;
      this.conn.close();
    } else {
      tools.cells[plan.listener + S.LISTENER_PRE_CX_TIMEOUT]!++;
      this.conn.reset();
    }
  }

  /** Nothing has been asked here yet. */
  drain(): void {
    this.conn.close();
  }

  closeIfIdle(ms: number): void {
    const { tools, plan } = this.listener;
    if (!this.idle || tools.clock.now - this.since < Math.max(ms, FIRST_REQUEST_MS)) return;
    tools.cells[plan.http + S.DOWN_CX_IDLE_TIMEOUT]!++;
    this.conn.close();
  }

  kill(): void {
    this.conn.reset();
  }

  private awaitFirstByte(): void {
    const { tools, config } = this.listener;
    this.idle = true;
    tools.timers.disarm(this.timer);
    if (config.timeouts.idleMs > 0) tools.timers.arm(this.timer, config.timeouts.idleMs);
  }

  private handshaken(tls: TlsInfo): void {
    const { tools, plan } = this.listener;
    this.secure = true;
    tools.cells[plan.ssl + SSL_CX_TOTAL]!++;
    tools.cells[plan.ssl + SSL_CX_ACTIVE]!++;
    countHandshake(tools.cells, plan.ssl, tls);
  }

  private become(http2: boolean): ConnOwner {
    this.listener.tools.timers.disarm(this.timer);
    return this.listener.welcome(this.conn, this.counted, http2, this);
  }
}
