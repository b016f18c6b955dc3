// @hot
// One HTTP/2 connection of a caller: the socket below an H2Connection, its time-outs and its end. Worker thread; owned by
// its listener. The requests are H2DownStreams; frames of a turn leave together at its end.
//
//   OPEN ──► (drain: GOAWAY, then GOAWAY with the last id) ──► no streams left ──► CLOSING (lingering)
//     └──── connection error: GOAWAY ───────────────────────────────────────────────┘

import { type AliveOwner, KeepAlive } from '../core/keep-alive.ts';
import { Timer, type TimerTarget } from '../core/timer.ts';
import { H2Connection } from '../http/h2-connection.ts';
import { type H2Owner, TOO_MANY_RESETS } from '../http/h2-core.ts';
import { H2_KEEPALIVE_TIMEOUT } from '../http/h2-limits.ts';
import type { H2Stream } from '../http/h2-stream.ts';
import { CLOSED_LOCAL, type CloseReason, type Conn, type ConnOwner } from '../io/conn.ts';
import * as S from '../observe/stat-names.ts';
import type { DownConn } from './down-conn.ts';
import { takeH2Stream } from './h2-down-stream.ts';
import type { HttpListener } from './http-listener.ts';
import { losesKeepAlive } from './relief.ts';

/** How long the caller has to take the last frames (Envoy's delayed close). */
const LINGER_MS = 1000;
/** How long a draining connection waits for the caller to have heard of it. */
const DRAIN_STEP_MS = 1000;

const IDLE_TIMER = 0;
const HEAD_TIMER = 1;
const DRAIN_TIMER = 2;

export class H2Down implements ConnOwner, DownConn, H2Owner, AliveOwner, TimerTarget {
  // The listener's list of connections.
  prev: DownConn | null = null;
  next: DownConn | null = null;
  readonly counted: boolean;
  readonly secure: boolean;
  readonly since: number;
  readonly listener: HttpListener;
  readonly conn: Conn;
  readonly h2: H2Connection;
  /** Why streams that are still there end with the connection. */
  endDetails = 'downstream_remote_disconnect';
  private readonly idleTimer: Timer;
  private readonly headTimer: Timer;
  private readonly drainTimer: Timer;
  private readonly alive: KeepAlive | null;
  private idleSince: number;
  private closing = false;
  /** The caller has been told to begin no more requests here. */
  private goingAway = false;
  /** Extended CONNECT (RFC 8441) is taken. */
  readonly connectProtocol: boolean;
  // How it ended, for the counters.
  private remoteEnded = false;
  private cutRequest = false;

  constructor(listener: HttpListener, conn: Conn, counted: boolean) {
    const { tools, plan } = listener;
    this.listener = listener;
    this.conn = conn;
    this.counted = counted;
    this.secure = conn.tls !== null;
    this.since = tools.clock.now;
    this.idleSince = this.since;
    this.connectProtocol = listener.upgradesPossible;
    this.idleTimer = new Timer(this, IDLE_TIMER);
    this.headTimer = new Timer(this, HEAD_TIMER);
    this.drainTimer = new Timer(this, DRAIN_TIMER);
    this.h2 = new H2Connection(this, { isServer: true, limits: listener.h2Limits, connectProtocol: this.connectProtocol, clock: tools.clock });
    tools.cells[plan.http + S.DOWN_CX_HTTP2_TOTAL]!++;
    tools.cells[plan.http + S.DOWN_CX_HTTP2_ACTIVE]!++;
    this.h2.start();
    this.armIdle();
    const { http2 } = listener.config;
    this.alive = http2.keepAliveIntervalMs > 0 ? new KeepAlive(this, http2, tools) : null;
    if (listener.draining) this.drain();
  }

  // ---- ConnOwner ----

  onConnect(): void {}

  onData(_conn: Conn, buf: Buffer, start: number, end: number): void {
    const { tools, plan } = this.listener;
    tools.cells[plan.http + S.DOWN_CX_RX_BYTES_TOTAL]! += end - start;
    this.alive?.heard();
    this.h2.receive(buf, start, end);
    tools.out.flush();
    if (this.h2.inHead) this.armHead();
    else if (this.headTimer.deadline !== 0) tools.timers.disarm(this.headTimer);
  }

  onWritable(): void {
    this.h2.writable();
  }

  onEnd(): void {
    this.remoteEnded = true;
    if (this.closing) return;
    this.leave();
    // What is kept of answers that were given up has no reader.
    if (this.cutRequest && this.conn.pending > 0) this.conn.reset();
    else this.conn.close();
  }

  onClose(_conn: Conn, why: CloseReason): void {
    const { tools, plan } = this.listener;
    const { cells, timers } = tools;
    const local = why === CLOSED_LOCAL && !this.remoteEnded;
    this.leave();
    cells[plan.http + S.DOWN_CX_HTTP2_ACTIVE]!--;
    cells[plan.http + (local ? S.DOWN_CX_DESTROY_LOCAL : S.DOWN_CX_DESTROY_REMOTE)]!++;
    if (this.cutRequest) {
      cells[plan.http + S.DOWN_CX_DESTROY_ACTIVE_RQ]!++;
      cells[plan.http + (local ? S.DOWN_CX_DESTROY_LOCAL_ACTIVE_RQ : S.DOWN_CX_DESTROY_REMOTE_ACTIVE_RQ)]!++;
    }
    timers.disarm(this.idleTimer);
    timers.disarm(this.headTimer);
    timers.disarm(this.drainTimer);
    this.listener.forget(this);
  }

  // ---- H2Owner ----

  send(buf: Buffer, start: number, end: number): boolean {
    const { tools, plan } = this.listener;
    tools.cells[plan.http + S.DOWN_CX_TX_BYTES_TOTAL]! += end - start;
    return this.conn.write(buf, start, end);
  }

  flushLater(): void {
    this.listener.tools.atTurnEnd(this.flushNow);
  }

  openStream(): H2Stream {
    if (!this.goingAway && losesKeepAlive(this.listener)) this.drain();
    return takeH2Stream(this);
  }

  count(stat: number, by: number): void {
    this.listener.tools.cells[this.listener.plan.http + S.HTTP2_AT + stat]! += by;
  }

  failed(_code: number, details: string): void {
    const { tools, plan } = this.listener;
    tools.cells[plan.http + (details === TOO_MANY_RESETS ? S.DOWN_RQ_TOO_MANY_PREMATURE_RESETS : S.DOWN_CX_PROTOCOL_ERROR)]!++;
    this.endDetails = details;
    this.h2.output.sendOut();
    this.leave();
    this.conn.closeLingering(LINGER_MS);
  }

  /** A client's GOAWAY is about streams that we would begin (RFC 9113 section 6.8): there are none. */
  onGoaway(): void {}

  onSettings(): void {}

  onPong(): void {
    this.alive?.answered();
  }

  onStreamGone(): void {
    if (this.h2.streams.count > 0) return;
    this.idleSince = this.listener.tools.clock.now;
    if (this.h2.closedToNew) this.h2.output.room(0); // ends with this turn
  }

  // ---- DownConn ----

  drain(): void {
    if (this.closing) return;
    this.goingAway = true;
    this.h2.drain();
    this.listener.tools.timers.arm(this.drainTimer, DRAIN_STEP_MS);
  }

  closeIfIdle(ms: number): void {
    const { tools, plan } = this.listener;
    if (this.closing || this.h2.streams.count > 0 || tools.clock.now - this.idleSince < ms) return;
    tools.cells[plan.http + S.DOWN_CX_IDLE_TIMEOUT]!++;
    this.h2.finishDrain();
  }

  kill(): void {
    this.conn.reset();
  }

  // ---- time ----

  onTimer(kind: number): void {
    if (this.closing) return;
    if (kind === IDLE_TIMER) this.onIdle();
    else if (kind === HEAD_TIMER) this.onHeadTooSlow();
    else this.h2.finishDrain();
  }

  private onIdle(): void {
    const { tools, config, plan } = this.listener;
    const limit = config.timeouts.idleMs;
    if (limit === 0) return;
    const left = this.h2.streams.count === 0 ? this.idleSince + limit - tools.clock.now : limit;
    if (left > 0) {
      tools.timers.arm(this.idleTimer, left);
      return;
    }
    tools.cells[plan.http + S.DOWN_CX_IDLE_TIMEOUT]!++;
    this.h2.finishDrain();
  }

  /** A header block that does not come to its end. Other streams can say nothing while it lasts. */
  private onHeadTooSlow(): void {
    const { tools, plan } = this.listener;
    tools.cells[plan.http + S.DOWN_RQ_HEADER_TIMEOUT]!++;
    this.h2.timedOut('request_header_timeout');
  }

  // ---- AliveOwner ----

  askPeer(): void {
    this.h2.ping();
  }

  onSilence(): void {
    this.count(H2_KEEPALIVE_TIMEOUT, 1);
    this.endDetails = 'http2.keepalive_timeout';
    this.conn.reset();
  }

  // ---- inside ----

  private readonly flushNow = (): void => {
    if (this.closing) return;
    this.h2.flush();
    if (!this.h2.closedToNew || this.h2.streams.count > 0) return;
    const { tools, plan } = this.listener;
    if (this.listener.draining) tools.cells[plan.http + S.DOWN_CX_DRAIN_CLOSE]!++;
    this.leave();
    this.conn.closeLingering(LINGER_MS);
  };

  /** Whoever works for this caller stops. */
  private leave(): void {
    if (this.closing) return;
    this.closing = true;
    this.alive?.stop();
    if (this.h2.streams.count > 0) this.cutRequest = true;
    this.h2.gone();
  }

  private armIdle(): void {
    const { tools, config } = this.listener;
    if (config.timeouts.idleMs > 0) tools.timers.arm(this.idleTimer, config.timeouts.idleMs);
  }

  private armHead(): void {
    const { tools, config } = this.listener;
    const limit = config.timeouts.requestHeadersMs;
    if (limit > 0 && this.headTimer.deadline === 0) tools.timers.arm(this.headTimer, limit);
  }
}
