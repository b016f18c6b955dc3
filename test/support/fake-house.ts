// One worker's rooms on a FakeLoop: clusters, road and listeners as worker-runtime puts them together, with every
// gauge and breaker count within reach. Test code only. Several houses over one `SharedBreakers` are several workers.

import type { ClusterConfig } from '../../src/config/cluster-snapshot.ts';
import type { LimitSourceConfig } from '../../src/config/limit-snapshot.ts';
import type { HttpConfig, HttpListenerConfig, RouteConfig, TcpConfig, TcpListenerConfig } from '../../src/config/snapshot.ts';
import { Cluster, type ClusterTools } from '../../src/cluster/cluster.ts';
import type { OutlierFinding } from '../../src/cluster/outlier-watch.ts';
import { OutBuffer } from '../../src/core/out-buffer.ts';
import { StreamRecord } from '../../src/core/stream.ts';
import { Random } from '../../src/core/random.ts';
import type { ListenTools } from '../../src/listen/http-door.ts';
import { HttpListener } from '../../src/listen/http-listener.ts';
import { TcpListener } from '../../src/listen/tcp-listener.ts';
import { AccessLogBatch } from '../../src/observe/access-log-batch.ts';
import { HISTOGRAM_WORDS } from '../../src/observe/histogram.ts';
import { SSL_STATS } from '../../src/observe/ssl-stats.ts';
import { SHAPES } from '../../src/observe/shapes.ts';
import { CLUSTER_STATS, HOST_STATS, HTTP_STATS, LISTENER_STATS, TCP_STATS, type StatKind } from '../../src/observe/stat-names.ts';
import { compileHttp, linkClusters, linkFilters } from '../../src/proxy/compile.ts';
import { DateText } from '../../src/proxy/date-text.ts';
import type { HttpRuntime, RoadTools } from '../../src/proxy/http-runtime.ts';
import { Journeys } from '../../src/proxy/journeys.ts';
import { HttpRoad } from '../../src/proxy/road.ts';
import { TcpRoad } from '../../src/proxy/tcp-road.ts';
import { compileTcp } from '../../src/proxy/tcp-runtime.ts';
import { BREAKER_ROW, BreakerTable, HELD_ROW, RES_CX, RES_PENDING, RES_RQ, RES_RETRY, type Resource } from '../../src/shared/breaker-table.ts';
import { HOST_ROW, HostTable } from '../../src/shared/host-table.ts';
import { prepareRoom, wordsOf } from '../../src/shared/limit-words.ts';
import { OVERLOAD_BYTES, OverloadState, PROCESS_ROW } from '../../src/shared/overload.ts';
import type { ClusterPlan, HostPlan, LimitPlan } from '../../src/shared/plan.ts';
import type { FakeConn } from './fake-conn.ts';
import { FakeLoop } from './fake-loop.ts';
import type { ManualTime } from './manual-time.ts';
import { limitSourcesOf } from '../../src/config/build/limit-sources.ts';
import { LIMIT_FAMILIES } from '../../src/observe/limit-stats.ts';
import { clusterConfig, listenerConfig, snapshot } from './snapshots.ts';

const ROWS = 64;
const HISTOGRAMS = 16;
const CELLS = 8192;
const LIMIT_WORDS = 1 << 16;
const RESOURCES: readonly (readonly [name: string, resource: Resource])[] = [
  ['cx', RES_CX],
  ['pending', RES_PENDING],
  ['rq', RES_RQ],
  ['retry', RES_RETRY],
];

/** What all workers of one test share: the breaker table and the host table. */
export class SharedBreakers {
  readonly buffer: SharedArrayBuffer = new SharedArrayBuffer(ROWS * BREAKER_ROW * 4);
  readonly hosts: SharedArrayBuffer = new SharedArrayBuffer(ROWS * HOST_ROW * 4);
  readonly overload: SharedArrayBuffer = new SharedArrayBuffer(OVERLOAD_BYTES);
  readonly rows = new Map<string, number>([['process', PROCESS_ROW]]);
  readonly limitWords: Int32Array = new Int32Array(new SharedArrayBuffer(LIMIT_WORDS * 4));
  private readonly limits = new Map<string, number>();
  private nextLimitWord = 0;

  /** The words of this limit, made ready by whoever comes first. */
  limitAt(source: LimitSourceConfig, now: number): number {
    let at = this.limits.get(source.key);
    if (at !== undefined) return at;
    at = this.nextLimitWord;
    this.nextLimitWord += wordsOf(source);
    this.limits.set(source.key, at);
    prepareRoom(this.limitWords, at, source, now);
    return at;
  }

  /** The row of this name in the breaker table, with that of the high priority behind it. */
  row(name: string): number {
    return 2 * this.hostRow(name);
  }

  /** In the host table. */
  hostRow(name: string): number {
    let row = this.rows.get(name);
    if (row === undefined) this.rows.set(name, (row = this.rows.size));
    if (2 * row + 1 >= ROWS) throw new Error('more rows than these workers have');
    return row;
  }
}

export interface HouseOptions {
  readonly time?: ManualTime;
  readonly shared?: SharedBreakers;
  readonly seed?: number;
}

export class FakeHouse {
  readonly loop: FakeLoop;
  readonly cells: Float64Array = new Float64Array(CELLS);
  readonly buckets: Uint32Array = new Uint32Array(HISTOGRAMS * HISTOGRAM_WORDS);
  readonly breakers: BreakerTable;
  readonly hostTable: HostTable;
  readonly overload: OverloadState;
  readonly shared: SharedBreakers;
  readonly out: OutBuffer = new OutBuffer();
  readonly random: Random;
  readonly clusters = new Map<string, Cluster>();
  readonly journeys: Journeys = new Journeys();
  readonly clusterTools: ClusterTools;
  readonly roadTools: RoadTools;
  readonly listenTools: ListenTools;
  /** What workers told for the event log. */
  readonly outlierFindings: OutlierFinding[] = [];
  private readonly logs: AccessLogBatch;
  private readonly lines: string[] = [];
  private readonly gauges: (readonly [name: string, cell: number])[] = [];
  private nextCell = 1;
  private nextHistogram = 0;
  /** By kind: that of the last limit that was made. */
  readonly limits = new Map<string, LimitPlan>();
  private readonly hostCells = new Map<string, number>();

  constructor(options: HouseOptions = {}) {
    const seed = options.seed ?? 1;
    this.loop = new FakeLoop(options.time);
    this.shared = options.shared ?? new SharedBreakers();
    this.breakers = new BreakerTable(this.shared.buffer, new Int32Array(ROWS * HELD_ROW));
    this.hostTable = new HostTable(this.shared.hosts);
    this.overload = new OverloadState(this.shared.overload);
    this.random = new Random([seed, Math.imul(seed, 0x9e3779b1), ~seed, 7]);
    this.logs = new AccessLogBatch((_path, bytes) => {
      this.lines.push(...Buffer.from(bytes).toString('latin1').split('\n').slice(0, -1));
    });
    const { loop, cells, buckets, breakers, hostTable, overload, out, random } = this;
    const { clock, timers } = loop;
    this.clusterTools = { loop, clock, cells, buckets, breakers, hostTable, random, out, clusterNamed: (name) => this.clusters.get(name), reportOutlier: (finding) => void this.outlierFindings.push(finding) };
    this.listenTools = { random, clock, timers, cells, buckets, breakers, overload, out, atTurnEnd: (fn) => loop.atTurnEnd(fn) };
    this.roadTools = { clock, timers, cells, buckets, overload, random, date: new DateText(clock), journeys: this.journeys, logBatch: this.logs };
  }

  // ---- making ----

  planCluster(config: ClusterConfig): ClusterPlan {
    const known = this.clusters.get(config.name);
    const breakers = this.shared.row(`cluster ${config.name}`);
    this.breakers.setLimits(breakers, config.circuitBreakers);
    this.breakers.setLimits(breakers + 1, config.circuitBreakers.high ?? config.circuitBreakers);
    const hosts = config.type === 'originalDst' ? [''] : config.endpoints.map(({ text }) => text);
    return {
      stats: known?.stats ?? this.takeCells(`cluster.${config.name}`, CLUSTER_STATS, SHAPES.cluster.size),
      ssl: known?.ssl ?? this.takeCells(`cluster.${config.name}`, SSL_STATS, SHAPES.ssl.size),
      grpc: {},
      histograms: known?.histograms ?? this.takeHistograms(SHAPES.clusterHistograms),
      breakers,
      row: this.shared.hostRow(`cluster ${config.name}`),
      hosts: hosts.map((text) => this.hostPlan(config, text)),
    };
  }

  addCluster(config: ClusterConfig = clusterConfig('app', [13_000])): Cluster {
    const cluster = new Cluster(config, this.planCluster(config), this.clusterTools);
    this.clusters.set(config.name, cluster);
    return cluster;
  }

  /** A listener with these routes for every domain, and everything behind it. */
  addListener(routes: readonly RouteConfig[], changes: Partial<HttpConfig> = {}, part: Partial<HttpListenerConfig> = {}): FakeDoor {
    const none = { set: [], add: [], remove: [] };
    const base = listenerConfig('edge', 18_080, part);
    const virtualHosts = [{ name: 'all', domains: ['*'], routes, requestHeaders: none, responseHeaders: none }];
    const config: HttpListenerConfig = { ...base, http: { ...base.http, virtualHosts, ...changes } };
    const breakers = this.shared.row('listener edge');
    this.breakers.setLimits(breakers, { maxConnections: config.maxConnections, maxPendingRequests: 0, maxRequests: 0, maxRetries: 0 });
    const plan = {
      listener: this.takeCells('listener.edge', LISTENER_STATS, SHAPES.listener.size),
      http: this.takeCells('http.edge', HTTP_STATS, SHAPES.http.size),
      ssl: this.takeCells('listener.edge', SSL_STATS, SHAPES.ssl.size),
      tcp: -1,
      histograms: this.takeHistograms(SHAPES.httpHistograms),
      breakers,
    };
    const runtime = this.runtime(config, plan);
    const road = new HttpRoad(runtime);
    return new FakeDoor(this, new HttpListener(config, plan, road, this.listenTools), road);
  }

  /** A listener that passes connections on as they come, and everything behind it. */
  addTcpListener(tcp: Partial<TcpConfig> = {}, part: Partial<TcpListenerConfig> = {}): FakeTcpDoor {
    const config: TcpListenerConfig = {
      ...listenerConfig('edge', 18_080),
      http: null,
      tcp: { clusters: [{ name: 'app', weight: 1 }], sniRoutes: [], idleTimeoutMs: 3_600_000, maxConnectAttempts: 1, accessLog: [], ...tcp },
      ...part,
    };
    const breakers = this.shared.row('listener edge');
    this.breakers.setLimits(breakers, { maxConnections: config.maxConnections, maxPendingRequests: 0, maxRequests: 0, maxRetries: 0 });
    const plan = {
      listener: this.takeCells('listener.edge', LISTENER_STATS, SHAPES.listener.size),
      http: -1,
      ssl: this.takeCells('listener.edge', SSL_STATS, SHAPES.ssl.size),
      tcp: this.takeCells('tcp.edge', TCP_STATS, SHAPES.tcp.size),
      histograms: -1,
      breakers,
    };
    const tools = { ...this.roadTools, record: new StreamRecord() };
    const road = new TcpRoad({ ...compileTcp(config.tcp, {}), config: config.tcp, stats: plan.tcp, clusters: this.clusters, tools });
    return new FakeTcpDoor(this, new TcpListener(config, plan, road, this.listenTools));
  }

  runtime(config: HttpListenerConfig, plan: { readonly http: number; readonly histograms: number }): HttpRuntime {
    const compiled = compileHttp(config.http, '', {}, (problem) => {
      throw new Error(`${problem.pointer}: ${problem.message}`);
    });
    linkClusters(compiled.routes, this.clusters);
    const limits = Object.fromEntries(limitSourcesOf([config]).map((source) => [source.key, this.limitPlan(source)]));
    const chains = compiled.filters({ ...this.roadTools, clusters: {}, limits, limitWords: this.shared.limitWords, breakers: this.breakers });
    linkFilters(compiled.routes, chains);
    return {
      name: config.name,
      config: config.http,
      snapshot: snapshot(),
      stats: plan.http,
      histograms: plan.histograms,
      ...compiled,
      filters: chains.listener,
      clusters: this.clusters,
      tools: this.roadTools,
    };
  }

  // ---- looking ----

  /** The access-log lines written since the last call. */
  takeLog(): string[] {
    this.logs.flush();
    return this.lines.splice(0);
  }

  /** Everything that counts what is under way and is not 0, of this worker; breakers of all. */
  unrest(): Record<string, number> {
    const found: Record<string, number> = {};
    for (const [name, cell] of this.gauges) if (this.cells[cell] !== 0) found[name] = this.cells[cell]!;
    if (this.journeys.active !== 0) found['journeys'] = this.journeys.active;
    return { ...found, ...this.taken() };
  }

  /** What is held in the breaker table. */
  taken(): Record<string, number> {
    const found: Record<string, number> = {};
    for (const name of this.shared.rows.keys()) {
      const row = this.shared.row(name);
      this.takenOf(name, row, found);
      this.takenOf(`${name} high`, row + 1, found);
    }
    return found;
  }

  private takenOf(name: string, row: number, found: Record<string, number>): void {
    for (const [resource, slot] of RESOURCES) {
      const count = this.breakers.count(row, slot);
      if (count !== 0) found[`${name} ${resource}`] = count;
    }
    if (this.breakers.starving(row) !== 0) found[`${name} starving`] = this.breakers.starving(row);
  }

  /** The newest outgoing connection. */
  get lastConnect(): FakeConn {
    return this.loop.connects.at(-1)!;
  }

  /** A limit of this key is there once for all workers, its stats once for each. */
  private limitPlan(source: LimitSourceConfig): LimitPlan {
    const stats = LIMIT_FAMILIES[source.kind]!.stats;
    const breakers = source.maxRequests === null ? -1 : this.shared.row(`limit ${source.key}`);
    if (source.maxRequests !== null && this.breakers.limit(breakers, RES_RQ) === 0) this.breakers.setLimit(breakers, RES_RQ, source.maxRequests);
    const plan = { stats: this.takeCells(`limit ${source.stats}`, stats, stats.length), words: this.shared.limitAt(source, this.loop.clock.now), breakers };
    this.limits.set(source.kind, plan);
    return plan;
  }

  private hostPlan({ name, hostLimits = null }: ClusterConfig, text: string): HostPlan {
    const key = `${name} ${text}`;
    const breakers = hostLimits === null ? -1 : this.shared.row(`host ${key}`);
    if (hostLimits !== null) this.breakers.setLimits(breakers, hostLimits);
    let cells = this.hostCells.get(key);
    if (cells === undefined) this.hostCells.set(key, (cells = this.takeCells(`host ${key}`, HOST_STATS, SHAPES.host.size)));
    return { cells, row: this.shared.hostRow(`host ${key}`), breakers };
  }

  private takeCells(name: string, stats: readonly (readonly [name: string, kind: StatKind])[], size: number): number {
    const at = this.nextCell;
    this.nextCell += size;
    stats.forEach(([stat, kind], slot) => {
      if (kind === 'gauge') this.gauges.push([`${name} ${stat}`, at + slot]);
    });
    if (this.nextCell > CELLS) throw new Error('more cells than this house has');
    return at;
  }

  private takeHistograms(count: number): number {
    const at = this.nextHistogram;
    this.nextHistogram += count;
    if (this.nextHistogram > HISTOGRAMS) throw new Error('more histograms than this house has');
    return at;
  }
}

/** A listener of a FakeHouse. */
export class FakeDoor {
  readonly house: FakeHouse;
  readonly listener: HttpListener;
  readonly road: HttpRoad;

  constructor(house: FakeHouse, listener: HttpListener, road: HttpRoad) {
    this.house = house;
    this.listener = listener;
    this.road = road;
  }

  /** A caller's connection. Throws when it is turned away. */
  connect(remoteAddress?: string): FakeConn {
    const conn = this.house.loop.accept(this.listener.accept, remoteAddress);
    if (conn === null) throw new Error('turned away');
    return conn;
  }

  /** A stat of this listener by its slot in `http.PREFIX.*`. */
  stat(slot: number): number {
    return this.house.cells[this.listener.plan.http + slot]!;
  }
}

/** A TCP listener of a FakeHouse. */
export class FakeTcpDoor {
  readonly house: FakeHouse;
  readonly listener: TcpListener;

  constructor(house: FakeHouse, listener: TcpListener) {
    this.house = house;
    this.listener = listener;
  }

  /** A caller's connection. Throws when it is turned away. */
  connect(): FakeConn {
    const conn = this.house.loop.accept(this.listener.accept);
    if (conn === null) throw new Error('turned away');
    return conn;
  }

  /** A stat of this listener by its slot in `tcp.PREFIX.*`. */
  stat(slot: number): number {
    return this.house.cells[this.listener.plan.tcp + slot]!;
  }
}
