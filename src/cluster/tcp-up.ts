// @hot
// One connection to a host that carries one caller's bytes. Worker thread; owned by its passage. It is in no pool: it is
// made for its caller, counted in the cluster's limit, and ends with it.

import { formatHostPort } from '../core/address.ts';
import type { Passage } from '../core/passage.ts';
import { Timer, type TimerTarget } from '../core/timer.ts';
import { CLOSED_LOCAL, CLOSED_RESET, type CloseReason, type Conn, type ConnOwner } from '../io/conn.ts';
import { record } from '../observe/histogram.ts';
import { countFailedHandshake, countHandshake } from '../observe/ssl-stats.ts';
import * as S from '../observe/stat-names.ts';
import { handshakeFailure } from '../security/peer-check.ts';
import { RES_CX, RES_PENDING, RES_RQ, type Breakers } from '../shared/breaker-table.ts';
import type { Cluster } from './cluster.ts';
import type { Host } from './host.ts';

export class TcpUp implements ConnOwner, TimerTarget {
  readonly cluster: Cluster;
  readonly host: Host;
  private readonly passage: Passage;
  private readonly conn: Conn;
  private readonly since: number;
  private readonly timer: Timer;
  /** PROXY protocol: goes out before anything else. */
  private readonly header: Buffer | null;
  private connected = false;
  private timedOut = false;
  /** The passage has turned away before there was a connection. */
  private cancelled = false;
  private remoteEnded = false;

  /** Null when the cluster's limits say no, which is counted. */
  static open(cluster: Cluster, host: Host, passage: Passage, header: Buffer | null): TcpUp | null {
    const { breakers, cells } = cluster.tools;
    const short = take(breakers, cluster.breakerRow, host.breakers);
    if (short >= 0) {
      cells[cluster.stats + short]!++;
      return null;
    }
    return new TcpUp(cluster, host, passage, header);
  }

  private constructor(cluster: Cluster, host: Host, passage: Passage, header: Buffer | null) {
    const { clock, loop, cells } = cluster.tools;
    this.cluster = cluster;
    this.host = host;
    this.passage = passage;
    this.header = header;
    this.since = clock.now;
    this.timer = new Timer(this, 0);
    cells[cluster.stats + S.UP_CX_TOTAL]!++;
    cells[cluster.stats + S.UP_CX_ACTIVE]!++;
    cells[cluster.stats + S.UP_RQ_PENDING_TOTAL]!++;
    cells[cluster.stats + S.UP_RQ_PENDING_ACTIVE]!++;
    cells[host.cells + S.HOST_CX_TOTAL]!++;
    cells[host.cells + S.HOST_CX_ACTIVE]!++;
    cells[host.cells + S.HOST_RQ_PENDING]!++;
    this.conn = loop.connect(host.address, this, cluster.opaqueTls);
    if (cluster.config.connectTimeoutMs > 0) loop.timers.arm(this.timer, cluster.config.connectTimeoutMs);
  }

  get connectionId(): number {
    return this.conn.id;
  }

  get localAddress(): string {
    return this.conn.localPort === 0 ? this.conn.localAddress : formatHostPort(this.conn.localAddress, this.conn.localPort);
  }

  get pending(): number {
    return this.conn.pending;
  }

  write(buf: Buffer, start: number, end: number): boolean {
    this.cluster.tools.cells[this.cluster.stats + S.UP_CX_TX_BYTES_TOTAL]! += end - start;
    return this.conn.write(buf, start, end);
  }

  pause(): void {
    this.conn.pauseRead();
  }

  resume(): void {
    this.conn.resumeRead();
  }

  end(): void {
    this.conn.shutdownWrite();
  }

  /** What is written still goes out. `upClosed` follows, unless there was no connection yet. */
  close(): void {
    this.cancelled = !this.connected;
    this.conn.close();
  }

  reset(): void {
    this.cancelled = !this.connected;
    this.conn.reset();
  }

  // ---- ConnOwner ----

  onConnect(conn: Conn): void {
    const { tools, stats, histograms } = this.cluster;
    const { cells, clock, loop } = tools;
    this.connected = true;
    loop.timers.disarm(this.timer);
    this.leftQueue();
    cells[stats + S.UP_RQ_TOTAL]!++;
    cells[stats + S.UP_RQ_ACTIVE]!++;
    cells[this.host.cells + S.HOST_RQ_TOTAL]!++;
    cells[this.host.cells + S.HOST_RQ_ACTIVE]!++;
    if (conn.tls !== null) countHandshake(cells, this.cluster.ssl, conn.tls);
    record(tools.buckets, histograms + S.UP_CX_CONNECT_MS, (clock.now - this.since) * 1000);
    if (this.header !== null) this.write(this.header, 0, this.header.length);
    this.passage.upReady();
  }

  onData(_conn: Conn, buf: Buffer, start: number, end: number): void {
    this.cluster.tools.cells[this.cluster.stats + S.UP_CX_RX_BYTES_TOTAL]! += end - start;
    this.passage.upData(buf, start, end);
  }

  onWritable(): void {
    // What was kept may have been the header alone, of which nobody else knows.
    this.passage.upWritable();
  }

  onEnd(): void {
    this.remoteEnded = true;
    this.passage.upEnd();
  }

  onClose(conn: Conn, why: CloseReason): void {
    const { tools, stats, breakerRow } = this.cluster;
    const { cells } = tools;
    tools.loop.timers.disarm(this.timer);
    this.countEnd(why === CLOSED_LOCAL && !this.remoteEnded && !this.timedOut);
    tools.breakers.release(breakerRow, RES_CX);
    if (this.host.breakers >= 0) giveToHost(tools.breakers, this.host.breakers);
    if (this.connected) {
      cells[stats + S.UP_RQ_ACTIVE]!--;
      cells[this.host.cells + S.HOST_RQ_ACTIVE]!--;
      this.passage.upClosed(why === CLOSED_RESET);
      return;
    }
    this.leftQueue();
    if (this.cancelled) {
      cells[stats + S.UP_RQ_CANCELLED]!++;
      return;
    }
    cells[stats + S.UP_CX_CONNECT_FAIL]!++;
    cells[stats + S.UP_RQ_PENDING_FAILURE_EJECT]!++;
    cells[this.host.cells + S.HOST_CX_CONNECT_FAIL]!++;
    countFailedHandshake(cells, this.cluster.ssl, handshakeFailure(conn.error));
    this.passage.upFailed();
  }

  /** The time for connecting is over. */
  onTimer(): void {
    this.timedOut = true;
    this.cluster.tools.cells[this.cluster.stats + S.UP_CX_CONNECT_TIMEOUT]!++;
    this.conn.reset();
  }

  // ---- inside ----

  private leftQueue(): void {
    const { tools, stats, breakerRow } = this.cluster;
    tools.breakers.release(breakerRow, RES_PENDING);
    tools.cells[stats + S.UP_RQ_PENDING_ACTIVE]!--;
    tools.cells[this.host.cells + S.HOST_RQ_PENDING]!--;
  }

  private countEnd(local: boolean): void {
    const { tools, stats, histograms } = this.cluster;
    const { cells } = tools;
    cells[stats + S.UP_CX_ACTIVE]!--;
    cells[this.host.cells + S.HOST_CX_ACTIVE]!--;
    cells[stats + S.UP_CX_DESTROY]!++;
    cells[stats + (local ? S.UP_CX_DESTROY_LOCAL : S.UP_CX_DESTROY_REMOTE)]!++;
    if (this.connected) {
      cells[stats + S.UP_CX_DESTROY_WITH_ACTIVE_RQ]!++;
      cells[stats + (local ? S.UP_CX_DESTROY_LOCAL_WITH_ACTIVE_RQ : S.UP_CX_DESTROY_REMOTE_WITH_ACTIVE_RQ)]!++;
    }
    record(tools.buckets, histograms + S.UP_CX_LENGTH_MS, (tools.clock.now - this.since) * 1000);
  }
}

/** What a connection needs of the limits. @returns the counter of the one that says no, and then nothing is held; or -1. */
function take(breakers: Breakers, row: number, own: number): number {
  if (own >= 0 && !takeOfHost(breakers, own)) return S.UP_CX_OVERFLOW;
  if (breakers.tryAcquire(row, RES_CX)) {
    if (breakers.tryAcquire(row, RES_PENDING)) return -1;
    breakers.release(row, RES_CX);
    if (own >= 0) giveToHost(breakers, own);
    return S.UP_RQ_PENDING_OVERFLOW;
  }
  if (own >= 0) giveToHost(breakers, own);
  return S.UP_CX_OVERFLOW;
}

/** To its host a connection is one request as well, from the first on. */
function takeOfHost(breakers: Breakers, own: number): boolean {
  if (!breakers.tryAcquire(own, RES_CX)) return false;
  if (breakers.tryAcquire(own, RES_RQ)) return true;
  breakers.release(own, RES_CX);
  return false;
}

function giveToHost(breakers: Breakers, own: number): void {
  breakers.release(own, RES_CX);
  breakers.release(own, RES_RQ);
}
