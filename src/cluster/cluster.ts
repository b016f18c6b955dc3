// One cluster as a worker carries it: hosts, picker, pools, and what it may take from the breaker table. Worker thread.
// A cluster whose content hash did not change survives a reload with its pools; a changed one keeps the pools of the
// hosts that stayed, and a removed one drains.

import type { ClusterConfig, UpstreamProtocol } from '../config/cluster-snapshot.ts';
import type { FaultKind } from '../core/fault.ts';
import type { OutBuffer } from '../core/out-buffer.ts';
import type { Random } from '../core/random.ts';
import type { Clock } from '../core/clock.ts';
import type { Loop } from '../io/conn.ts';
import { compileClientTls } from '../security/compile.ts';
import type { ClientTls } from '../security/tls-settings.ts';
import type { StreamRecord } from '../core/stream.ts';
import { RES_CX, RES_PENDING, RES_RETRY, RES_RQ, type Breakers } from '../shared/breaker-table.ts';
import type { HostTable } from '../shared/host-table.ts';
import type { ClusterPlan } from '../shared/plan.ts';
import { retryLimit } from '../shared/retry-budget.ts';
import { drainHost, Host, placeHost } from './host.ts';
import { HostSets } from './host-sets.ts';
import { AutoPool } from './auto-pool.ts';
import { H1Pool } from './h1-pool.ts';
import { H2Pool } from './h2-pool.ts';
import { Lane } from './lane.ts';
import { OriginalDestinations } from './original-destinations.ts';
import { Latency } from './lb/peak-ewma.ts';
import { picksByHash, type Picker } from './pick.ts';
import { type OutlierFinding, OutlierWatch } from './outlier-watch.ts';
import type { Pool } from './pool.ts';
import { type NamedPool, NamedPools } from './named-pools.ts';
import { StickyHosts } from './sticky.ts';
import type { GroupTools } from './sets/group.ts';

/** What TLS offers, by the cluster's protocol. */
const ALPN = { http1: ['http/1.1'], http2: ['h2'], auto: ['h2', 'http/1.1'] } as const;

/** How many other hosts are asked for in place of a full one, at most: where so many are full, the cluster is. */
const MORE_PICKS = 64;

/** What a worker lends to its clusters. */
export interface ClusterTools {
  readonly loop: Loop;
  readonly clock: Clock;
  readonly cells: Float64Array;
  readonly buckets: Uint32Array;
  readonly breakers: Breakers;
  readonly hostTable: HostTable;
  readonly random: Random;
  readonly out: OutBuffer;
  /** The others of this worker, as they are carried now. */
  readonly clusterNamed: (name: string) => Cluster | undefined;
  /** For the event log. */
  reportOutlier(finding: OutlierFinding): void;
}

export class Cluster {
  readonly name: string;
  readonly tools: ClusterTools;
  config: ClusterConfig;
  /** First cell of `cluster.NAME.*`. */
  readonly stats: number;
  /** First cell of `cluster.NAME.ssl.*`. */
  readonly ssl: number;
  readonly histograms: number;
  /** Row in the breaker table of requests with the default priority; the next one is that of the high priority. */
  readonly breakerRow: number;
  /** Row in the host table. */
  readonly row: number;
  /** null: plaintext. */
  tls: ClientTls | null = null;
  /** Made on first use. */
  private opaque: ClientTls | null = null;
  /** `tls` is that of a configuration. */
  private tlsTaken = false;
  /** No longer configured. */
  private drained = false;
  hosts: readonly Host[] = [];
  private sets: HostSets | null = null;
  private picker: Picker | null = null;
  /** Made on first use. */
  private sticky: StickyHosts | null = null;
  /** Of the host table, when the picker was made. */
  private epoch = 0;
  /** null: no outlier detection. */
  outlier: OutlierWatch | null = null;
  /** Requests of the default priority. */
  readonly lane: Lane;
  /** Those of the high one; null until there has been one. */
  private highLane: Lane | null = null;
  /** How many requests a host carries at one time; 0: as many as there are. */
  private hostCapacity = 0;
  /** Of the type originalDst: the hosts that callers bring. */
  private original: OriginalDestinations | null = null;

  constructor(config: ClusterConfig, plan: ClusterPlan, tools: ClusterTools) {
    this.name = config.name;
    this.config = config;
    this.tools = tools;
    this.stats = plan.stats;
    this.ssl = plan.ssl;
    this.histograms = plan.histograms;
    this.breakerRow = plan.breakers;
    this.row = plan.row;
    this.lane = new Lane(this, false);
    this.update(config, plan);
  }

  /** Takes a changed configuration over; hosts that stayed keep their pools, unless connections must be made otherwise now. */
  update(config: ClusterConfig, plan: ClusterPlan): void {
    const sameTls = this.takeTls(config);
    const sameWay = sameTls && config.protocol === this.config.protocol && config.proxyProtocol === this.config.proxyProtocol;
    const before = new Map(this.hosts.map((host) => [host.text, host]));
    const hosts: Host[] = [];
    config.endpoints.forEach((endpoint, i) => {
      const old = before.get(endpoint.text);
      const host = new Host(endpoint.address, endpoint.text, endpoint.weight, plan.hosts[i]!);
      placeHost(host, endpoint);
      if (endpoint.hostname !== '') host.foundAs(endpoint.hostname);
      if (config.loadBalancing.policy === 'peakEwma') host.latency = old?.latency ?? new Latency();
      // A connection that told its host of a caller is that caller's, one that did not is nobody's: they do not mix.
      // What is held in one breaker row cannot be given back in another.
      if (sameWay && old !== undefined && old.breakers === host.breakers) {
        before.delete(endpoint.text);
        host.inherit(old);
      }
      hosts.push(host);
    });
    const original = config.type === 'originalDst' ? new OriginalDestinations(this, plan.hosts[0]!) : null;
    this.original?.drain();
    this.original = original;
    this.config = config;
    this.hosts = hosts;
    this.sticky = null;
    this.sets = new HostSets(config, hosts, this.setTools(config), this.sets);
    this.outlier = config.outlierDetection === null ? null : new OutlierWatch(this, config.outlierDetection);
    this.hostCapacity = hostCapacity(config);
    this.makePicker();
    for (const gone of before.values()) drainHost(gone);
  }

  /** A host for this request, or null when none may be used. `tried` holds the hosts that earlier attempts met. */
  pick(stream: StreamRecord, tried: readonly Host[]): Host | null {
    if (this.tools.hostTable.epoch(this.row) !== this.epoch) this.makePicker();
    if (stream.stickyHost !== '' && stream.attempts <= 1) {
      const host = this.stickyHost(stream.stickyHost);
      if (host !== null || stream.stickyOnly) return host;
    }
    const host = this.picker!.pick(stream, tried);
    return this.hostCapacity === 0 || host === null || this.hasRoom(host) ? host : this.pickRoomy(stream, tried, host);
  }

  /** `full` carries as much as it may: another one, where the picker finds one that does not. */
  private pickRoomy(stream: StreamRecord, tried: readonly Host[], full: Host): Host {
    const avoided = [...tried, full];
    for (let left = MORE_PICKS; left > 0; left--) {
      const host = this.picker!.pick(stream, avoided);
      if (host === null || avoided.includes(host)) continue;
      if (this.hasRoom(host)) return host;
      avoided.push(host);
    }
    return full;
  }

  private hasRoom(host: Host): boolean {
    const { breakers } = this.tools;
    const row = host.breakers;
    return row < 0 || breakers.count(row, RES_RQ) + breakers.count(row, RES_PENDING) < this.hostCapacity;
  }

  /** Hashes of requests are looked at. */
  get picksByHash(): boolean {
    return picksByHash(this.config.loadBalancing);
  }

  private stickyHost(address: string): Host | null {
    this.sticky ??= new StickyHosts(this.hosts, this.tools.hostTable);
    return this.sticky.find(address);
  }

  // ---- what became of an attempt: for outlier detection ----

  /** The head of an answer; `status` as it is judged, which for a trailers-only gRPC answer is not HTTP's. */
  noteAnswer(host: Host, status: number): void {
    if (this.outlier !== null) this.outlier.answer(host, status);
  }

  /** No connection could be had, or it ended before the answer did. Limits of our own are not the host's fault. */
  noteFailure(host: Host, kind: FaultKind): void {
    if (this.outlier !== null && kind !== 'overflow') this.outlier.noAnswer(host, 503);
  }

  /** The host has the request, and no answer came in time: the route's, or that of one try. */
  noteTimeout(host: Host): void {
    if (this.outlier !== null) this.outlier.noAnswer(host, 504);
  }

  /** There is a connection for the request; its answer is noted by itself. */
  noteConnected(host: Host): void {
    if (this.outlier !== null) this.outlier.connected(host);
  }

  /** Is this host, by whatever object, still one of the cluster's? */
  has(host: Host): boolean {
    return this.hosts.some((other) => other.row === host.row);
  }

  // ---- retries ----

  /** One of the retries that may be under way at one time, over all workers. Whoever gets it gives it back by `retryDone`. */
  tryRetry(high: boolean): boolean {
    const { breakers } = this.tools;
    const row = this.breakerRow + (high ? 1 : 0);
    const { circuitBreakers } = this.config;
    const budget = (high ? circuitBreakers.high : circuitBreakers)?.retryBudget ?? null;
    if (budget === null) return breakers.tryAcquire(row, RES_RETRY);
    return breakers.tryAcquireWithin(row, RES_RETRY, retryLimit(budget, breakers.count(row, RES_RQ) + breakers.count(row, RES_PENDING)));
  }

  /** That retry is no longer under way. */
  retryDone(high: boolean): void {
    this.tools.breakers.release(this.breakerRow + (high ? 1 : 0), RES_RETRY);
  }

  private makePicker(): void {
    this.epoch = this.tools.hostTable.epoch(this.row);
    this.picker = this.original ?? this.sets!.picker();
  }

  private setTools({ hostSets }: ClusterConfig): GroupTools {
    const { tools, breakerRow, stats } = this;
    const localCluster = hostSets.zoneAware?.localCluster ?? '';
    return { ...tools, breakerRow, stats, localHosts: () => tools.clusterNamed(localCluster) };
  }

  /** The cluster is no longer configured: idle connections close now, busy ones when their request is over. */
  drain(): void {
    for (const host of this.hosts) drainHost(host);
    this.original?.drain();
    this.sets?.drain();
    this.outlier = null;
    this.drained = true;
    this.forgetTls();
  }

  /** For connections that carry a caller's own bytes: as `tls`, but it offers none of the protocols that we would speak. */
  get opaqueTls(): ClientTls | null {
    if (this.tls !== null && this.opaque === null) {
      this.opaque = { ...this.tls, alpn: [] };
      if (!this.drained) this.tools.loop.prepareTls(this.opaque);
    }
    return this.opaque;
  }

  /** @returns whether connections that are open already are as those that will be made. */
  private takeTls(config: ClusterConfig): boolean {
    const { loop } = this.tools;
    if (this.tlsTaken && config.tls?.hash === this.config.tls?.hash && config.protocol === this.config.protocol) return true;
    const next = config.tls === null ? null : compileClientTls(config.tls, ALPN[config.protocol]);
    if (next !== null) loop.prepareTls(next);
    this.forgetTls();
    this.tls = next;
    this.opaque = null;
    this.tlsTaken = true;
    return false;
  }

  private forgetTls(): void {
    const { loop } = this.tools;
    if (this.tls !== null) loop.forgetTls(this.tls);
    if (this.opaque !== null) loop.forgetTls(this.opaque);
  }

  /**
   * The connections for a request to one host. A `tunnel` is what CONNECT asks for: it goes on, to hosts that speak HTTP/2;
   * to others by connections that carry its bytes from the first on.
   */
  poolFor(host: Host, tunnel: boolean, high: boolean): Pool {
    const raw = tunnel && this.config.protocol !== 'http2';
    if (!high) return raw ? (host.tunnels ??= this.makePool(host, this.lane, raw)) : (host.pool ??= this.makePool(host, this.lane, raw));
    const lane = (this.highLane ??= new Lane(this, true));
    return raw ? (host.highTunnels ??= this.makePool(host, lane, raw)) : (host.highPool ??= this.makePool(host, lane, raw));
  }

  private makePool(host: Host, lane: Lane, raw: boolean): Pool {
    const pool = raw ? new H1Pool(lane, host, true) : this.makeHttpPool(host, lane);
    if (host.drained) pool.drain();
    return pool;
  }

  private makeHttpPool(host: Host, lane: Lane): Pool {
    const { protocol } = this.config;
    if (this.tls !== null && this.tls.serverName === '') return new NamedPools(this, host, (at, name) => this.makeNamedPool(protocol, at, lane, name));
    return this.makeNamedPool(protocol, host, lane, '');
  }

  /** Those whose TLS asks for this name; '': for the one in the settings. */
  private makeNamedPool(protocol: UpstreamProtocol, host: Host, lane: Lane, serverName: string): NamedPool {
    if (protocol === 'http2') return new H2Pool(lane, host, serverName);
    if (protocol === 'auto' && this.tls !== null) return new AutoPool(lane, host, serverName);
    return new H1Pool(lane, host, false, serverName);
  }

  /** Closes an idle connection that somebody in another worker waits for. Called on a slow tick. */
  yieldIdle(): void {
    this.lane.scarcity.yieldIdle();
    this.highLane?.scarcity.yieldIdle();
  }

  openConnections(): number {
    return this.tools.breakers.count(this.breakerRow, RES_CX);
  }
}

/** By its own limits. Over HTTP/2 connections are shared, and their number says nothing of the requests. */
function hostCapacity({ hostLimits = null, protocol, tls }: ClusterConfig): number {
  if (hostLimits === null) return 0;
  const { maxRequests, maxConnections } = hostLimits;
  const byConnections = protocol === 'http1' || (protocol === 'auto' && tls === null) ? maxConnections : 0;
  return maxRequests > 0 && byConnections > 0 ? Math.min(maxRequests, byConnections) : maxRequests || byConnections;
}
