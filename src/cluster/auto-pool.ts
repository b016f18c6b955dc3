// The connections of one worker to one host where TLS decides by ALPN which protocol they speak. Worker thread; owned by its
// Host. Every connection is made here and given to the pool of the protocol it turned out to speak; requests wait in the
// pool of the one that was spoken last, and move with it when the host changes its mind.

import type { Stream } from '../core/stream.ts';
import { Timer, type TimerTarget } from '../core/timer.ts';
import { CLOSED_LOCAL, type CloseReason, type Conn, type ConnOwner } from '../io/conn.ts';
import * as S from '../observe/stat-names.ts';
import { CONNECT_TIMEOUT, connectFault } from './connect-fault.ts';
import { H1Pool } from './h1-pool.ts';
import { H1Up } from './h1-up.ts';
import { H2Pool } from './h2-pool.ts';
import { H2Up } from './h2-up.ts';
import type { Host } from './host.ts';
import type { HostPool } from './host-pool.ts';
import type { Lane } from './lane.ts';
import type { Pool } from './pool.ts';

export class AutoPool implements Pool {
  private readonly http1: H1Pool;
  private readonly http2: H2Pool;
  private speaksHttp2 = true;

  constructor(lane: Lane, host: Host, serverName = '') {
    this.http1 = new AutoH1Pool(this, lane, host, serverName);
    this.http2 = new AutoH2Pool(this, lane, host, serverName);
  }

  get host(): Host {
    return this.http1.host;
  }

  set host(host: Host) {
    this.http1.host = host;
    this.http2.host = host;
  }

  acquire(stream: Stream): void {
    if (this.speaksHttp2) this.http2.acquire(stream);
    else this.http1.acquire(stream);
  }

  cancel(stream: Stream): void {
    this.http1.cancel(stream);
    this.http2.cancel(stream);
  }

  get needsConnection(): boolean {
    return this.http1.needsConnection || this.http2.needsConnection;
  }

  get isBusy(): boolean {
    return this.http1.isBusy || this.http2.isBusy;
  }

  connectOne(): boolean {
    return this.http1.connectOne() && this.http2.connectOne();
  }

  drain(): void {
    this.http1.drain();
    this.http2.drain();
  }

  closeOldestIdle(): boolean {
    return this.http1.closeOldestIdle() || this.http2.closeOldestIdle();
  }

  /** A connection that `from` asked for is up. */
  connected(from: HostPool, conn: Conn, since: number): void {
    const { http1, http2 } = this;
    this.speaksHttp2 = conn.tls !== null && conn.tls.alpn === 'h2';
    const to = this.speaksHttp2 ? http2 : http1;
    if (to !== from) from.handOver(to);
    if (this.speaksHttp2) {
      new H2Up(http2).adopt(conn, since);
    } else {
      const { cells } = http1.cluster.tools;
      cells[http1.cluster.stats + S.UP_CX_HTTP1_TOTAL]!++;
      new H1Up(http1).adopt(conn, since);
    }
  }
}

class AutoH1Pool extends H1Pool {
  private readonly auto: AutoPool;

  constructor(auto: AutoPool, lane: Lane, host: Host, serverName: string) {
    super(lane, host, false, serverName);
    this.auto = auto;
  }

  protected override open(): void {
    new AutoDial(this.auto, this).connect();
  }
}

class AutoH2Pool extends H2Pool {
  private readonly auto: AutoPool;

  constructor(auto: AutoPool, lane: Lane, host: Host, serverName: string) {
    super(lane, host, serverName);
    this.auto = auto;
  }

  protected override open(): void {
    new AutoDial(this.auto, this).connect();
  }
}

/** A connection until ALPN has spoken. */
class AutoDial implements ConnOwner, TimerTarget {
  private readonly auto: AutoPool;
  private readonly pool: HostPool;
  private readonly timer: Timer;
  private readonly since: number;
  private conn!: Conn;
  private timedOut = false;

  constructor(auto: AutoPool, pool: HostPool) {
    this.auto = auto;
    this.pool = pool;
    this.since = pool.cluster.tools.clock.now;
    this.timer = new Timer(this, 0);
  }

  connect(): void {
    this.conn = this.pool.dial(this, this.timer);
  }

  onConnect(conn: Conn): void {
    this.pool.cluster.tools.loop.timers.disarm(this.timer);
    this.pool.handshaken(conn);
    this.auto.connected(this.pool, conn, this.since);
  }

  onData(): void {}

  onWritable(): void {}

  onEnd(conn: Conn): void {
    conn.reset();
  }

  onClose(conn: Conn, why: CloseReason): void {
    const { pool } = this;
    pool.cluster.tools.loop.timers.disarm(this.timer);
    pool.countClosed(this.since, why === CLOSED_LOCAL, false);
    pool.handshakeFailed(conn);
    pool.connectFailed(this.timedOut ? CONNECT_TIMEOUT : connectFault(conn.error));
    pool.lane.scarcity.freed();
  }

  onTimer(): void {
    const { tools, stats } = this.pool.cluster;
    this.timedOut = true;
    tools.cells[stats + S.UP_CX_CONNECT_TIMEOUT]!++;
    this.conn.reset();
  }
}
