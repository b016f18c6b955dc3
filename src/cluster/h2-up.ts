// @hot
// One HTTP/2 connection to a host: the socket below an H2Connection in the client's role. Worker thread; owned by its pool.
// Attempts are H2UpStreams; frames of a turn leave together at its end.
//
//   CONNECTING ──► (SETTINGS) ──► OPEN ──► RETIRED (no new streams) ──► no streams left ──► CLOSED
// It is handed out once the host's SETTINGS have come, so that no stream is begun above its limit.

import { formatHostPort } from '../core/address.ts';
import { fault, type Fault } from '../core/fault.ts';
import { type AliveOwner, KeepAlive, type AliveTools } from '../core/keep-alive.ts';
import type { Stream } from '../core/stream.ts';
import { Timer, type TimerTarget } from '../core/timer.ts';
import { H2Connection } from '../http/h2-connection.ts';
import type { H2Owner } from '../http/h2-core.ts';
import { LARGEST_ID, NO_ERROR } from '../http/h2-frames.ts';
import { DEFAULT_H2_LIMITS, H2_KEEPALIVE_TIMEOUT, type H2Limits } from '../http/h2-limits.ts';
import type { H2Stream } from '../http/h2-stream.ts';
import { CLOSED_LOCAL, type CloseReason, type Conn, type ConnOwner } from '../io/conn.ts';
import * as S from '../observe/stat-names.ts';
import { CONNECT_TIMEOUT, connectFault } from './connect-fault.ts';
import type { H2Pool } from './h2-pool.ts';
import { takeUpStream } from './h2-up-stream.ts';

/** The most streams on one connection, whatever the host allows: beyond that another connection spreads the load better. */
export const MAX_STREAMS = 100;
const STREAM_WINDOW_BYTES = 256 * 1024;
/**
 * The window of the connection holds those of all its streams: callers that take nothing must not keep the others waiting.
 * What a paused stream has received is kept by its caller's connection, at most its window.
 */
const LIMITS: H2Limits = Object.assign({}, DEFAULT_H2_LIMITS, {
  initialStreamWindowBytes: STREAM_WINDOW_BYTES,
  initialConnectionWindowBytes: MAX_STREAMS * STREAM_WINDOW_BYTES,
});

const NOT_HTTP2 = connectFault('TLS_error: no application protocol: the host does not choose h2');

const CONNECTING = 0;
const OPEN = 1;
const RETIRED = 2;
const CLOSED = 3;

const CONNECTION_TERMINATION = fault('upstreamClosed', 'up', 'never', 'connection_termination');
const RESET = fault('upstreamReset', 'up', 'never', 'connection_termination');
const LOCAL_RESET = fault('localReset', 'local', 'never', 'local_connection_failure');
const PROTOCOL = fault('upstreamProtocol', 'up', 'never', 'protocol_error');

export class H2Up implements ConnOwner, H2Owner, AliveOwner, TimerTarget {
  readonly pool: H2Pool;
  /** Monotonic ms: when the connection was begun. */
  since = 0;
  h2!: H2Connection;
  private conn!: Conn;
  private localAddress = '';
  /** Where it goes. Its host may be elsewhere by now (logicalDns). */
  private shown = '';
  private state = CONNECTING;
  private requests = 0;
  /** As many streams as the host took when it last refused one. */
  private learnt = MAX_STREAMS;
  private refusing = false;
  private idleSince = 0;
  private timedOut = false;
  /** By ALPN the host does not speak HTTP/2. */
  private isOther = false;
  // How it ended, for the streams and the counters.
  private remoteEnded = false;
  private cutRequest = false;
  /** Why streams that are still there end with the connection. */
  cause: Fault = CONNECTION_TERMINATION;
  private readonly timer: Timer;
  /** From the host's first settings on, where keep-alive is configured. */
  private alive: KeepAlive | null = null;

  constructor(pool: H2Pool) {
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
    const { tools, config } = this.pool.cluster;
    this.since = since;
    this.shown = this.pool.host.shown;
    this.conn = conn;
    conn.owner = this;
    if (config.connectTimeoutMs > 0) tools.loop.timers.arm(this.timer, config.connectTimeoutMs);
    this.greet();
  }

  /** How many more requests may begin here now. */
  get room(): number {
    const { h2 } = this;
    if (this.state !== OPEN || h2.over || h2.goawayLastId !== Infinity) return 0;
    const most = Math.min(this.learnt, h2.peer.maxConcurrentStreams, MAX_STREAMS);
    return most - h2.streams.count;
  }

  get isIdle(): boolean {
    return this.state === OPEN && this.h2.streams.count === 0;
  }

  /** Carries one more request: there is room, and the pool has done its accounting. */
  take(stream: Stream): void {
    const { config, tools, stats } = this.pool.cluster;
    const one = takeUpStream(this, stream);
    this.h2.open(one);
    this.requests++;
    if (config.connections.maxRequests > 0 && this.requests >= config.connections.maxRequests) {
      tools.cells[stats + S.UP_CX_MAX_REQUESTS]!++;
      this.retire();
    } else if (one.id >= LARGEST_ID - 2) {
      this.retire();
    }
    stream.upstreamConnectionId = this.conn.id;
    stream.upstreamHost = this.shown;
    stream.upstreamLocalAddress = this.localAddress;
    stream.upReady(one);
  }

  /** A stream was turned away unseen: the host takes no more than there are. One that takes none at all is left alone. */
  refused(): void {
    this.learnt = this.h2.streams.count;
    this.refusing = true;
    if (this.learnt === 0) this.retire();
  }

  /** No new streams; the connection ends with the last of those it has. */
  retire(): void {
    if (this.state !== OPEN) return;
    this.state = RETIRED;
    this.pool.left(this);
    this.closeWhenDone();
  }

  // ---- ConnOwner ----

  onConnect(): void {
    const { conn, pool } = this;
    pool.handshaken(conn);
    if (conn.tls === null || conn.tls.alpn === 'h2') {
      this.greet();
      return;
    }
    this.isOther = true;
    conn.reset();
  }

  /** Our preface goes out; the host's settings are awaited. */
  private greet(): void {
    const { conn, pool } = this;
    const { tools, stats } = pool.cluster;
    tools.cells[stats + S.UP_CX_HTTP2_TOTAL]!++;
    this.localAddress = formatHostPort(conn.localAddress, conn.localPort);
    this.h2 = new H2Connection(this, { isServer: false, limits: LIMITS, connectProtocol: false, clock: tools.clock });
    this.h2.start();
    this.h2.flush();
  }

  onData(_conn: Conn, buf: Buffer, start: number, end: number): void {
    const { cluster } = this.pool;
    cluster.tools.cells[cluster.stats + S.UP_CX_RX_BYTES_TOTAL]! += end - start;
    this.alive?.heard();
    if (this.state !== CLOSED) this.h2.receive(buf, start, end);
    cluster.tools.out.flush();
  }

  onWritable(): void {
    if (this.state !== CLOSED) this.h2.writable();
  }

  onEnd(): void {
    this.remoteEnded = true;
    if (this.state === CLOSED) return;
    if (this.state === CONNECTING) {
      this.conn.reset();
      return;
    }
    this.leave(CONNECTION_TERMINATION);
    this.conn.close();
  }

  onClose(conn: Conn, why: CloseReason): void {
    const { pool } = this;
    const wasConnecting = this.state === CONNECTING;
    const local = why === CLOSED_LOCAL && !this.remoteEnded;
    pool.cluster.tools.loop.timers.disarm(this.timer);
    this.leave(why === CLOSED_LOCAL ? LOCAL_RESET : RESET);
    pool.closed(this, local, this.cutRequest);
    if (wasConnecting) {
      pool.handshakeFailed(conn);
      pool.connectFailed(this.connectCause(conn, why));
    }
    pool.lane.scarcity.freed();
  }

  private connectCause(conn: Conn, why: CloseReason): Fault {
    if (this.timedOut) return CONNECT_TIMEOUT;
    if (this.isOther) return NOT_HTTP2;
    if (this.cause === PROTOCOL) return PROTOCOL;
    return why === CLOSED_LOCAL && this.remoteEnded ? CONNECTION_TERMINATION : connectFault(conn.error);
  }

  // ---- H2Owner ----

  send(buf: Buffer, start: number, end: number): boolean {
    const { cluster } = this.pool;
    cluster.tools.cells[cluster.stats + S.UP_CX_TX_BYTES_TOTAL]! += end - start;
    return this.conn.write(buf, start, end);
  }

  flushLater(): void {
    this.pool.cluster.tools.loop.atTurnEnd(this.flushNow);
  }

  /** Servers begin no streams here: pushes are refused by the settings. */
  openStream(): H2Stream {
    throw new Error('a client opens its streams itself');
  }

  count(stat: number, by: number): void {
    const { cluster } = this.pool;
    cluster.tools.cells[cluster.stats + S.CLUSTER_HTTP2_AT + stat]! += by;
  }

  failed(): void {
    const { cluster } = this.pool;
    cluster.tools.cells[cluster.stats + S.UP_CX_PROTOCOL_ERROR]!++;
    this.h2.output.sendOut();
    this.cause = PROTOCOL;
    if (this.state === CONNECTING) {
      this.conn.reset();
      return;
    }
    this.leave(PROTOCOL);
    this.conn.close();
  }

  onGoaway(): void {
    const { cluster } = this.pool;
    cluster.tools.cells[cluster.stats + S.UP_CX_CLOSE_NOTIFY]!++;
    this.retire();
    this.pool.freed();
  }

  onSettings(): void {
    this.learnt = MAX_STREAMS;
    if (this.state === CONNECTING) {
      this.state = OPEN;
      this.askAlive();
      this.pool.cluster.tools.loop.timers.disarm(this.timer);
      this.pool.connected(this, Math.min(this.h2.peer.maxConcurrentStreams, MAX_STREAMS));
      if (this.isIdle) this.becameIdle();
    } else {
      this.pool.freed();
    }
  }

  onPong(): void {
    this.alive?.answered();
  }

  onStreamGone(): void {
    if (this.state === RETIRED) this.closeWhenDone();
    if (this.state !== OPEN || this.h2.over) return;
    if (!this.refusing) this.learnt = MAX_STREAMS;
    this.refusing = false;
    this.pool.freed();
    if (this.isIdle) this.becameIdle();
    else if (this.pool.mustGiveUp(true)) this.retire();
  }

  // ---- AliveOwner ----

  askPeer(): void {
    this.h2.ping();
  }

  /** As Envoy: requests under way end as those of any connection that is lost. */
  onSilence(): void {
    this.count(H2_KEEPALIVE_TIMEOUT, 1);
    this.leave(CONNECTION_TERMINATION);
    this.conn.reset();
  }

  // ---- time ----

  onTimer(): void {
    const { tools, config, stats } = this.pool.cluster;
    if (this.state === CONNECTING) {
      this.timedOut = true;
      tools.cells[stats + S.UP_CX_CONNECT_TIMEOUT]!++;
      this.conn.reset();
      return;
    }
    const limit = config.connections.idleTimeoutMs;
    if (this.state !== OPEN || limit === 0) return;
    const left = this.isIdle ? this.idleSince + limit - tools.clock.now : limit;
    if (left > 0) {
      tools.loop.timers.arm(this.timer, left);
      return;
    }
    tools.cells[stats + S.UP_CX_IDLE_TIMEOUT]!++;
    this.retire();
  }

  // ---- inside ----

  private readonly flushNow = (): void => {
    if (this.state !== CLOSED) this.h2.flush();
  };

  private askAlive(): void {
    const { tools, config } = this.pool.cluster;
    if (config.http2.keepAliveIntervalMs === 0) return;
    const lent: AliveTools = { timers: tools.loop.timers, random: tools.random, clock: tools.clock };
    this.alive = new KeepAlive(this, config.http2, lent);
  }

  private becameIdle(): void {
    const { tools, config } = this.pool.cluster;
    this.idleSince = tools.clock.now;
    if (this.pool.mustGiveUp(false)) this.retire();
    // Armed once and looked at when it fires: a busy connection costs the wheel nothing.
    else if (config.connections.idleTimeoutMs > 0 && this.timer.deadline === 0) tools.loop.timers.arm(this.timer, config.connections.idleTimeoutMs);
  }

  /** Says goodbye and closes when the last stream is over. */
  private closeWhenDone(): void {
    if (this.h2.over || this.h2.streams.count > 0 || this.h2.closedToNew) return;
    this.h2.finishDrain();
    this.h2.flush();
    this.leave(LOCAL_RESET);
    this.conn.close();
  }

  /** Streams that are still here hear why. */
  private leave(why: Fault): void {
    if (this.state === CLOSED) return;
    const wasOpen = this.state === OPEN;
    this.state = CLOSED;
    this.alive?.stop();
    if (this.cause !== PROTOCOL) this.cause = why;
    if (wasOpen) this.pool.left(this);
    if (this.h2 === undefined) return;
    if (this.h2.streams.count > 0) this.cutRequest = true;
    this.h2.gone(NO_ERROR);
  }
}
