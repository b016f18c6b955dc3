// @hot
// The HTTP/1.1 connections of one worker to one host. Worker thread; owned by its Host.
// Reuse is last in, first out, so that the surplus grows old and closes. Every connection and request is first taken
// from the breaker table. With `raw` the connections are plain TCP, each for one tunnel. A request that finds no idle connection waits here while one is made for it.

import { fault, type Fault } from '../core/fault.ts';
import { RingQueue } from '../core/ring-queue.ts';
import type { Stream } from '../core/stream.ts';
import { record } from '../observe/histogram.ts';
import * as S from '../observe/stat-names.ts';
import { RES_CX, RES_PENDING, RES_RQ } from '../shared/breaker-table.ts';
import type { Cluster } from './cluster.ts';
import { H1Up } from './h1-up.ts';
import type { Host } from './host.ts';
import type { Pool } from './pool.ts';

const OVERFLOW = fault('overflow', 'local', 'never', 'overflow');

export class H1Pool implements Pool {
  readonly cluster: Cluster;
  host: Host;
  /** For CONNECT: nothing of HTTP goes over these connections. */
  readonly raw: boolean;
  /** What TLS asks for (SNI); '': as the cluster's settings say. */
  readonly serverName: string;
  /** Newest idle connection; `older` leads on. */
  private idle: H1Up | null = null;
  private oldest: H1Up | null = null;
  private connecting = 0;
  /** Connections of any state, and those of them that are idle. */
  private open = 0;
  private resting = 0;
  private readonly waiting: RingQueue<Stream> = new RingQueue();
  private draining = false;

  constructor(cluster: Cluster, host: Host, raw = false, serverName = '') {
    this.cluster = cluster;
    this.host = host;
    this.raw = raw;
    this.serverName = serverName;
  }

  /** Gives the stream a connection (`upReady`, perhaps before this returns), or tells it why not (`upFailed`). */
  acquire(stream: Stream): void {
    const { breakers } = this.cluster.tools;
    const row = this.cluster.breakerRow;
    const up = this.idle;
    if (up !== null) {
      if (!breakers.tryAcquire(row, RES_RQ)) return this.overflow(stream);
      this.unlink(up);
      this.attach(up, stream);
      return;
    }
    if (!breakers.tryAcquire(row, RES_PENDING)) return this.overflow(stream);
    const { cells } = this.cluster.tools;
    cells[this.cluster.stats + S.UP_RQ_PENDING_TOTAL]!++;
    cells[this.cluster.stats + S.UP_RQ_PENDING_ACTIVE]!++;
    cells[this.host.cells + S.HOST_RQ_PENDING]!++;
    this.waiting.push(stream);
    if (this.connectOne()) return;
    cells[this.cluster.stats + S.UP_CX_OVERFLOW]!++;
    this.cluster.scarcity.enter(this);
  }

  /** The stream no longer wants the connection it waits for. */
  cancel(stream: Stream): void {
    if (!this.waiting.remove(stream)) return;
    this.leftQueue();
    this.cluster.tools.cells[this.cluster.stats + S.UP_RQ_CANCELLED]!++;
    this.fewerWait();
  }

  /** A request waits here without a connection on its way to it. */
  get needsConnection(): boolean {
    return this.connecting < this.waiting.length;
  }

  /** Opens one connection if one is needed; false when the limit does not allow it. */
  connectOne(): boolean {
    if (!this.needsConnection) return true;
    if (!this.cluster.scarcity.take()) return false;
    const { cells } = this.cluster.tools;
    this.connecting++;
    this.open++;
    cells[this.cluster.stats + S.UP_CX_TOTAL]!++;
    if (!this.raw) cells[this.cluster.stats + S.UP_CX_HTTP1_TOTAL]!++;
    cells[this.cluster.stats + S.UP_CX_ACTIVE]!++;
    cells[this.host.cells + S.HOST_CX_TOTAL]!++;
    cells[this.host.cells + S.HOST_CX_ACTIVE]!++;
    new H1Up(this).connect();
    return true;
  }

  /** Idle connections close now, busy ones after their request; requests that wait already are still served. */
  drain(): void {
    this.draining = true;
    while (this.closeOldestIdle());
  }

  /** Something is under way here: a request, or a connection for one. */
  get isBusy(): boolean {
    return this.open > this.resting || this.waiting.length > 0;
  }

  closeOldestIdle(): boolean {
    const up = this.oldest;
    if (up === null) return false;
    this.unlink(up);
    up.close();
    return true;
  }

  // ---- called by H1Up ----

  connected(up: H1Up): void {
    const { tools } = this.cluster;
    this.connecting--;
    record(tools.buckets, this.cluster.histograms + S.UP_CX_CONNECT_MS, (tools.clock.now - up.since) * 1000);
    this.offer(up);
  }

  /** The request on this connection is over. */
  finished(up: H1Up, reusable: boolean): void {
    this.detached();
    const shared = this.cluster.config.proxyProtocol === null;
    if (!reusable || !shared || (this.waiting.length > 0 && this.cluster.scarcity.mustGiveUp(this, true))) up.close();
    else this.offer(up);
  }

  /** The request on this connection was given up, or broke with it. */
  detached(): void {
    const { breakers, cells } = this.cluster.tools;
    breakers.release(this.cluster.breakerRow, RES_RQ);
    cells[this.cluster.stats + S.UP_RQ_ACTIVE]!--;
    cells[this.host.cells + S.HOST_RQ_ACTIVE]!--;
  }

  /** An idle connection closes: it must not be handed out any more. */
  unlink(up: H1Up): void {
    if (!up.isIdle) return;
    up.isIdle = false;
    this.resting--;
    if (up.newer === null) this.idle = up.older;
    else up.newer.older = up.older;
    if (up.older === null) this.oldest = up.newer;
    else up.older.newer = up.newer;
    up.newer = null;
    up.older = null;
  }

  /** `local`: we ended it, without being asked to by the other side. */
  closed(up: H1Up, local: boolean, hadRequest: boolean): void {
    const { tools, stats } = this.cluster;
    const { cells } = tools;
    this.unlink(up);
    this.open--;
    cells[stats + S.UP_CX_ACTIVE]!--;
    cells[this.host.cells + S.HOST_CX_ACTIVE]!--;
    cells[stats + S.UP_CX_DESTROY]!++;
    cells[stats + (local ? S.UP_CX_DESTROY_LOCAL : S.UP_CX_DESTROY_REMOTE)]!++;
    if (hadRequest) {
      cells[stats + S.UP_CX_DESTROY_WITH_ACTIVE_RQ]!++;
      cells[stats + (local ? S.UP_CX_DESTROY_LOCAL_WITH_ACTIVE_RQ : S.UP_CX_DESTROY_REMOTE_WITH_ACTIVE_RQ)]!++;
    }
    record(tools.buckets, this.cluster.histograms + S.UP_CX_LENGTH_MS, (tools.clock.now - up.since) * 1000);
    tools.breakers.release(this.cluster.breakerRow, RES_CX);
  }

  /** A connection attempt failed: as in Envoy, every request that waits for this host learns it at once. */
  connectFailed(cause: Fault): void {
    const { cells } = this.cluster.tools;
    this.connecting--;
    cells[this.cluster.stats + S.UP_CX_CONNECT_FAIL]!++;
    cells[this.host.cells + S.HOST_CX_CONNECT_FAIL]!++;
    for (let left = this.waiting.length; left > 0; left--) {
      const stream = this.waiting.shift()!;
      this.leftQueue();
      cells[this.cluster.stats + S.UP_RQ_PENDING_FAILURE_EJECT]!++;
      stream.upFailed(cause);
    }
    this.fewerWait();
  }

  // ---- inside ----

  /** A connection is free: the longest waiting request gets it, or it becomes the newest idle one. */
  private offer(up: H1Up): void {
    const { breakers } = this.cluster.tools;
    for (let stream = this.waiting.shift(); stream !== undefined; stream = this.waiting.shift()) {
      this.leftQueue();
      if (!breakers.tryAcquire(this.cluster.breakerRow, RES_RQ)) {
        this.overflow(stream);
        continue;
      }
      this.fewerWait();
      this.attach(up, stream);
      return;
    }
    if (this.draining || this.raw || this.cluster.scarcity.mustGiveUp(this, false)) {
      up.close();
      return;
    }
    up.isIdle = true;
    this.resting++;
    up.older = this.idle;
    if (this.idle !== null) this.idle.newer = up;
    else this.oldest = up;
    this.idle = up;
    up.becameIdle();
  }

  private attach(up: H1Up, stream: Stream): void {
    const { cells } = this.cluster.tools;
    cells[this.cluster.stats + S.UP_RQ_TOTAL]!++;
    cells[this.cluster.stats + S.UP_RQ_ACTIVE]!++;
    cells[this.host.cells + S.HOST_RQ_TOTAL]!++;
    cells[this.host.cells + S.HOST_RQ_ACTIVE]!++;
    up.take(stream);
  }

  private overflow(stream: Stream): void {
    this.cluster.tools.cells[this.cluster.stats + S.UP_RQ_PENDING_OVERFLOW]!++;
    stream.upFailed(OVERFLOW);
  }

  private fewerWait(): void {
    if (!this.needsConnection) this.cluster.scarcity.leave(this);
  }

  private leftQueue(): void {
    const { breakers, cells } = this.cluster.tools;
    breakers.release(this.cluster.breakerRow, RES_PENDING);
    cells[this.cluster.stats + S.UP_RQ_PENDING_ACTIVE]!--;
    cells[this.host.cells + S.HOST_RQ_PENDING]!--;
  }
}
