// @hot
// What the pools of one worker to one host have in common, whatever protocol they speak: who waits, what is taken from the
// breaker table and given back, and what is counted. Worker thread; owned by its Host.
// Every connection, waiting and running request is first taken from the breaker table.

import { fault, type Fault } from '../core/fault.ts';
import { RingQueue } from '../core/ring-queue.ts';
import type { Stream } from '../core/stream.ts';
import type { Timer } from '../core/timer.ts';
import type { Conn, ConnOwner } from '../io/conn.ts';
import { record } from '../observe/histogram.ts';
import { countFailedHandshake, countHandshake } from '../observe/ssl-stats.ts';
import * as S from '../observe/stat-names.ts';
import { handshakeFailure } from '../security/peer-check.ts';
import type { ClientTls } from '../security/tls-settings.ts';
import { RES_CX, RES_PENDING, RES_RQ } from '../shared/breaker-table.ts';
import type { Cluster } from './cluster.ts';
import type { Host } from './host.ts';
import type { Lane } from './lane.ts';
import type { Pool } from './pool.ts';

const OVERFLOW = fault('overflow', 'local', 'never', 'overflow');

export abstract class HostPool implements Pool {
  readonly lane: Lane;
  readonly cluster: Cluster;
  /** One with another row in the breaker table never takes this one's place: what is held here is given back there. */
  host: Host;
  /** What TLS asks for (SNI); '': as the cluster's settings say. */
  readonly serverName: string;
  protected connecting = 0;
  /** Connections of any state. */
  protected opened = 0;
  protected readonly waiting: RingQueue<Stream> = new RingQueue();
  protected draining = false;

  constructor(lane: Lane, host: Host, serverName = '') {
    this.lane = lane;
    this.cluster = lane.cluster;
    this.host = host;
    this.serverName = serverName;
  }

  abstract acquire(stream: Stream): void;
  /** Requests that wait here have a connection on its way to them, as far as is known. */
  abstract get needsConnection(): boolean;
  /** Something is under way here: a request, or a connection for one. */
  abstract get isBusy(): boolean;
  abstract drain(): void;
  abstract closeOldestIdle(): boolean;
  /** Begins a connection that has been counted. */
  protected abstract open(): void;

  /** The stream no longer wants the connection it waits for. */
  cancel(stream: Stream): void {
    if (!this.waiting.remove(stream)) return;
    this.leftQueue();
    this.cluster.tools.cells[this.cluster.stats + S.UP_RQ_CANCELLED]!++;
    this.fewerWait();
  }

  /** Opens one connection if one is needed; false when the limit does not allow it. */
  connectOne(): boolean {
    if (!this.needsConnection) return true;
    if (!this.takeConnection()) return false;
    const { cells } = this.cluster.tools;
    this.connecting++;
    this.opened++;
    cells[this.cluster.stats + S.UP_CX_TOTAL]!++;
    cells[this.cluster.stats + S.UP_CX_ACTIVE]!++;
    cells[this.host.cells + S.HOST_CX_TOTAL]!++;
    cells[this.host.cells + S.HOST_CX_ACTIVE]!++;
    this.open();
    return true;
  }

  protected get tls(): ClientTls | null {
    return this.cluster.tls;
  }

  /** A connection to the host, as every pool of it makes them; `timeout` goes off when it takes too long. */
  dial(owner: ConnOwner, timeout: Timer): Conn {
    const { config, tools } = this.cluster;
    if (config.connectTimeoutMs > 0) tools.loop.timers.arm(timeout, config.connectTimeoutMs);
    return tools.loop.connect(this.host.address, owner, this.tls, this.serverName);
  }

  /** A connection is up, and so is its TLS. */
  handshaken(conn: Conn): void {
    if (conn.tls !== null) countHandshake(this.cluster.tools.cells, this.cluster.ssl, conn.tls);
  }

  /** A connection never came to be, perhaps because of its TLS. */
  handshakeFailed(conn: Conn): void {
    countFailedHandshake(this.cluster.tools.cells, this.cluster.ssl, handshakeFailure(conn.error));
  }

  /** The connection being made turned out to speak another protocol: it and all who wait are the other pool's. */
  handOver(to: HostPool): void {
    this.connecting--;
    this.opened--;
    to.connecting++;
    to.opened++;
    for (let stream = this.waiting.shift(); stream !== undefined; stream = this.waiting.shift()) to.waiting.push(stream);
    this.fewerWait();
    while (to.needsConnection) {
      if (to.connectOne()) continue;
      to.lane.scarcity.enter(to);
      return;
    }
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

  /** The request was given up, or broke with its connection, or is over. */
  detached(): void {
    const { cells } = this.cluster.tools;
    this.giveRequest();
    cells[this.cluster.stats + S.UP_RQ_ACTIVE]!--;
    cells[this.host.cells + S.HOST_RQ_ACTIVE]!--;
  }

  // ---- for the pools ----

  /** The stream joins those who wait, and a connection is begun where one is needed. */
  protected wait(stream: Stream): void {
    const { cells, breakers } = this.cluster.tools;
    if (!breakers.tryAcquire(this.lane.row, RES_PENDING)) {
      this.overflow(stream);
      return;
    }
    if (this.host.breakers >= 0) breakers.tryAcquire(this.host.breakers, RES_PENDING); // counted, not limited
    cells[this.cluster.stats + S.UP_RQ_PENDING_TOTAL]!++;
    cells[this.cluster.stats + S.UP_RQ_PENDING_ACTIVE]!++;
    cells[this.host.cells + S.HOST_RQ_PENDING]!++;
    this.waiting.push(stream);
    if (this.connectOne()) return;
    cells[this.cluster.stats + S.UP_CX_OVERFLOW]!++;
    this.lane.scarcity.enter(this);
  }

  /** One of the requests of the cluster and of the host; when there is none to be had, the stream has been told. */
  protected takeRequest(stream: Stream): boolean {
    const { breakers } = this.cluster.tools;
    const own = this.host.breakers;
    if (breakers.tryAcquire(this.lane.row, RES_RQ)) {
      if (own < 0 || breakers.tryAcquire(own, RES_RQ)) return true;
      breakers.release(this.lane.row, RES_RQ);
    }
    this.overflow(stream);
    return false;
  }

  /** Gives back what `takeRequest` took. */
  protected giveRequest(): void {
    const { breakers } = this.cluster.tools;
    breakers.release(this.lane.row, RES_RQ);
    if (this.host.breakers >= 0) breakers.release(this.host.breakers, RES_RQ);
  }

  /** The longest waiting request that may run, or undefined. */
  protected next(): Stream | undefined {
    for (let stream = this.waiting.shift(); stream !== undefined; stream = this.waiting.shift()) {
      this.leftQueue();
      if (!this.takeRequest(stream)) continue;
      this.fewerWait();
      return stream;
    }
    return undefined;
  }

  protected countRequest(): void {
    const { cells } = this.cluster.tools;
    cells[this.cluster.stats + S.UP_RQ_TOTAL]!++;
    cells[this.cluster.stats + S.UP_RQ_ACTIVE]!++;
    cells[this.host.cells + S.HOST_RQ_TOTAL]!++;
    cells[this.host.cells + S.HOST_RQ_ACTIVE]!++;
  }

  /** A connection begun at `since` is up. */
  protected countConnected(since: number): void {
    const { tools } = this.cluster;
    this.connecting--;
    record(tools.buckets, this.cluster.histograms + S.UP_CX_CONNECT_MS, (tools.clock.now - since) * 1000);
  }

  /** `local`: we ended it, without being asked to by the other side. */
  countClosed(since: number, local: boolean, hadRequest: boolean): void {
    const { tools, stats } = this.cluster;
    const { cells } = tools;
    this.opened--;
    cells[stats + S.UP_CX_ACTIVE]!--;
    cells[this.host.cells + S.HOST_CX_ACTIVE]!--;
    cells[stats + S.UP_CX_DESTROY]!++;
    cells[stats + (local ? S.UP_CX_DESTROY_LOCAL : S.UP_CX_DESTROY_REMOTE)]!++;
    if (hadRequest) {
      cells[stats + S.UP_CX_DESTROY_WITH_ACTIVE_RQ]!++;
      cells[stats + (local ? S.UP_CX_DESTROY_LOCAL_WITH_ACTIVE_RQ : S.UP_CX_DESTROY_REMOTE_WITH_ACTIVE_RQ)]!++;
    }
    record(tools.buckets, this.cluster.histograms + S.UP_CX_LENGTH_MS, (tools.clock.now - since) * 1000);
    tools.breakers.release(this.lane.row, RES_CX);
    if (this.host.breakers >= 0) tools.breakers.release(this.host.breakers, RES_CX);
  }

  protected overflow(stream: Stream): void {
    this.cluster.tools.cells[this.cluster.stats + S.UP_RQ_PENDING_OVERFLOW]!++;
    stream.upFailed(OVERFLOW);
  }

  protected fewerWait(): void {
    if (!this.needsConnection) this.lane.scarcity.leave(this);
  }

  private takeConnection(): boolean {
    const { breakers } = this.cluster.tools;
    const own = this.host.breakers;
    if (own >= 0 && !breakers.tryAcquire(own, RES_CX)) return false;
    if (this.lane.scarcity.take()) return true;
    if (own >= 0) breakers.release(own, RES_CX);
    return false;
  }

  private leftQueue(): void {
    const { breakers, cells } = this.cluster.tools;
    breakers.release(this.lane.row, RES_PENDING);
    if (this.host.breakers >= 0) breakers.release(this.host.breakers, RES_PENDING);
    cells[this.cluster.stats + S.UP_RQ_PENDING_ACTIVE]!--;
    cells[this.host.cells + S.HOST_RQ_PENDING]!--;
  }
}
