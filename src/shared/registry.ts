// Who lives where in shared memory: gives each cluster, host and listener its places by name, keeps them over reloads,
// and takes them back when no configuration and no running request needs them. Primary thread; owned by the root.
//
//   plan ─┬─ commit ── … ── sweep frees what only older configurations used
//         └─ abandon ────── sweep frees what only this one used

import { type Address, formatAddress } from '../core/address.ts';
import { systemTime } from '../core/clock.ts';
import { BREAKER_BYTES, BREAKER_ROWS, BreakerTable, RES_CX, type RowLimits } from './breaker-table.ts';
import { DescriptorBits } from './descriptors.ts';
import { HOST_BYTES, HOST_FAILED_OUTLIER, HOST_ROWS, HostTable } from './host-table.ts';
import { LIMIT_BYTES, LIMIT_WORDS, prepareRoom, wordsOf, type LimitRoom } from './limit-words.ts';
import { OVERLOAD_BYTES, OverloadState, PROCESS_ROW } from './overload.ts';
import type { ClusterPlan, HostPlan, LimitPlan, ListenerPlan, Plan } from './plan.ts';
import { SlotSpace } from './slot-space.ts';
import { Stripe, STRIPE_BUCKETS, STRIPE_BYTES, STRIPE_CELLS } from './stripe.ts';

/** How many cells a kind of object has, and which of them are gauges. */
export interface BlockShape {
  readonly size: number;
  readonly gauges: readonly number[];
}

/** The sizes of everything that is counted (`observe/shapes.ts`). */
export interface Shapes {
  readonly cluster: BlockShape;
  readonly host: BlockShape;
  readonly listener: BlockShape;
  readonly http: BlockShape;
  readonly tcp: BlockShape;
  readonly ssl: BlockShape;
  readonly grpc: BlockShape;
  /** By kind of limit. */
  readonly limits: Readonly<Record<string, BlockShape>>;
  readonly clusterHistograms: number;
  readonly httpHistograms: number;
  /** Words of one histogram in a stripe's `buckets`. */
  readonly histogramWords: number;
}

/** What of a Snapshot needs places. */
export interface PlanSource {
  readonly clusters: readonly {
    readonly name: string;
    /** Of the type originalDst: its hosts are not known beforehand and share one row. */
    readonly type?: string;
    /** `address`: where it is at present, if that may change. */
    readonly endpoints: readonly { readonly text: string; readonly address?: Address }[];
    readonly circuitBreakers: RowLimits & { readonly high?: RowLimits };
    /** Limits of each host; null or not there: hosts are not counted over all workers. */
    readonly hostLimits?: RowLimits | null;
  }[];
  /** Of the whole process. */
  readonly overload?: { readonly maxConnections: number };
  /** By cluster: the gRPC methods that are counted by themselves; clusters that are not named here count none. */
  readonly grpcMethods?: Readonly<Record<string, readonly string[]>>;
  readonly listeners: readonly { readonly name: string; readonly maxConnections: number; readonly tcp?: object | null }[];
  readonly limits?: readonly LimitSource[];
}

/** A filter that limits. Its key changes with its settings: whoever has the same goes on with the same state. */
export interface LimitSource extends LimitRoom {
  readonly key: string;
  readonly kind: string;
  /** Whose stats it writes; several may share them. */
  readonly stats: string;
  /** Requests at one time; null: they are not counted. */
  readonly maxRequests: number | null;
}

interface Block {
  readonly shape: BlockShape;
  readonly cell: number;
}

/** One object's places. */
interface Place {
  readonly blocks: readonly Block[];
  readonly histograms: number;
  readonly histogramCount: number;
  /** In the breaker table; as many as there are limits. */
  readonly rows: readonly number[];
  /** In the host table; -1: none. */
  readonly hostRow: number;
  /** The words of a limit: the first, and how many; 0: none. */
  readonly words: number;
  readonly wordCount: number;
  /** How many sweeps in a row have found it unused and at rest. */
  quietSweeps: number;
  /** Of a cluster: its endpoints as last committed, and how often they have changed. */
  members: string | null;
  memberChanges: number;
}

interface Tenancy {
  /** But for those of hosts. */
  readonly places: Set<Place>;
  /** Those of the hosts of each cluster. */
  readonly hosts: Map<string, Set<Place>>;
  /** Those of them that were made for it. */
  readonly made: Set<Place>;
  readonly limits: (readonly [row: number, limits: RowLimits])[];
  readonly members: (readonly [cluster: Place, members: string])[];
}

/** What a kind of object takes. */
interface Need {
  readonly shapes: readonly BlockShape[];
  readonly histograms?: number;
  /** Of its rows in the breaker table, which stand one behind the other. */
  readonly limits?: readonly RowLimits[];
  readonly hostRow?: boolean;
  readonly room?: LimitRoom;
}

/** A request may write its last counts after its gauges have come back: a place must be at rest twice before it is let go. */
const QUIET_SWEEPS = 2;

export class SharedState {
  readonly breakers = new SharedArrayBuffer(BREAKER_BYTES);
  readonly table: BreakerTable;
  readonly hosts = new SharedArrayBuffer(HOST_BYTES);
  readonly hostTable: HostTable = new HostTable(this.hosts);
  readonly limits = new SharedArrayBuffer(LIMIT_BYTES);
  private readonly limitWords: Int32Array = new Int32Array(this.limits);
  readonly overloadWords = new SharedArrayBuffer(OVERLOAD_BYTES);
  readonly overload: OverloadState = new OverloadState(this.overloadWords);
  /** What the primary itself counts, in the same places as the workers in their stripes. */
  readonly ownCells: Float64Array = new Float64Array(STRIPE_CELLS);
  private readonly ownBase: Float64Array = new Float64Array(STRIPE_CELLS);
  private readonly shapes: Shapes;
  private readonly buffers: SharedArrayBuffer[] = [];
  private readonly stripes: Stripe[] = [];
  /** What each worker's counters stood at when they were last reset: readers take it off, for only the worker may write its cells. */
  private readonly bases: Float64Array[] = [];
  private readonly cells = new SlotSpace('counters', STRIPE_CELLS);
  private readonly histograms: SlotSpace;
  private readonly rows = new SlotSpace('circuit-breaker rows', BREAKER_ROWS);
  private readonly hostRows = new SlotSpace('host rows', HOST_ROWS);
  private readonly limitSpace = new SlotSpace('words of limits', LIMIT_WORDS);
  private readonly places = new Map<string, Place>();
  private readonly tenancies = new Map<number, Tenancy>();

  constructor(shapes: Shapes) {
    this.shapes = shapes;
    this.histograms = new SlotSpace('histograms', Math.floor(STRIPE_BUCKETS / shapes.histogramWords));
    this.table = new BreakerTable(this.breakers, new Int32Array(0));
    this.rows.take(PROCESS_ROW + 1); // for good
  }

  // ---- stripes ----

  /** The stripe of worker `index`, made when first asked for. A replacement goes on in the one of the worker it replaces. */
  stripe(index: number): SharedArrayBuffer {
    while (this.buffers.length <= index) {
      const buffer = new SharedArrayBuffer(STRIPE_BYTES);
      this.buffers.push(buffer);
      this.stripes.push(new Stripe(buffer));
    }
    return this.buffers[index]!;
  }

  get workers(): number {
    return this.stripes.length;
  }

  /** Sum of a cell over all workers, dead ones included, and the primary. */
  cell(index: number): number {
    let sum = this.ownCells[index]!;
    for (const stripe of this.stripes) sum += stripe.cells[index]!;
    return sum;
  }

  /** Sum of a counter or gauge over all workers and the primary, since the last reset. */
  counter(block: number, slot: number): number {
    let sum = this.ownCells[block + slot]! - this.ownBase[block + slot]!;
    for (let worker = 0; worker < this.stripes.length; worker++) sum += this.workerCounter(worker, block + slot);
    return sum;
  }

  /** Of one worker, since the last reset. */
  workerCounter(worker: number, index: number): number {
    return this.workerCell(worker, index) - (this.bases[worker]?.[index] ?? 0);
  }

  workerCell(worker: number, index: number): number {
    return this.stripes[worker]?.cells[index] ?? 0;
  }

  /**
   * Counters of clusters and listeners begin again at zero; gauges, histograms and the rows of hosts stay (as in Envoy).
   * Nothing is written where workers write: a count that comes meanwhile is either before or after, never lost.
   */
  resetCounters(): void {
    const counted = [...this.places.values()].flatMap(({ blocks }) => blocks).filter(({ shape }) => shape !== this.shapes.host);
    const stripes = this.stripes.map(({ cells }, worker) => [cells, (this.bases[worker] ??= new Float64Array(STRIPE_CELLS))] as const);
    for (const [cells, base] of [...stripes, [this.ownCells, this.ownBase] as const]) {
      for (const { shape, cell } of counted) rebase(shape, cells.subarray(cell), base.subarray(cell));
    }
    for (const place of this.places.values()) place.memberChanges = 0;
  }

  /** Adds the words of a histogram over all workers to `into`. */
  addHistogram(histogram: number, into: Float64Array): void {
    const at = histogram * this.shapes.histogramWords;
    for (const { buckets } of this.stripes) {
      for (let i = 0; i < into.length; i++) into[i]! += buckets[at + i]!;
    }
  }

  // ---- a worker has died (its thread has ended) ----

  giveBack(index: number): void {
    const stripe = this.stripes[index];
    if (stripe !== undefined) this.table.giveBack(stripe.held);
  }

  /** What it counted stays counted; what it had open is open no more. */
  zeroGauges(index: number): void {
    const cells = this.stripes[index]?.cells;
    if (cells === undefined) return;
    for (const { blocks } of this.places.values()) {
      for (const { shape, cell } of blocks) for (const gauge of shape.gauges) cells[cell + gauge] = 0;
    }
  }

  /** The descriptors it left open, which are from now on the caller's to close. */
  takeDescriptors(index: number): number[] {
    const stripe = this.stripes[index];
    return stripe === undefined ? [] : new DescriptorBits(stripe.fds).take();
  }

  // ---- configurations ----

  /**
   * Places for everything that the configuration counts; what existed before keeps its own. Limits of objects that
   * existed before change only by `commit`. Throws, and changes nothing, when there is no room.
   */
  plan(source: PlanSource, epoch: number): Plan {
    const tenancy: Tenancy = { places: new Set(), hosts: new Map(), made: new Set(), limits: [], members: [] };
    this.tenancies.set(epoch, tenancy);
    const ofProcess: RowLimits = { maxConnections: source.overload?.maxConnections ?? 0, maxPendingRequests: 0, maxRequests: 0, maxRetries: 0 };
    tenancy.limits.push([PROCESS_ROW, ofProcess]);
    if (this.tenancies.size === 1) this.table.setLimits(PROCESS_ROW, ofProcess); // nobody has been let in under another one
    try {
      const clusters: Record<string, ClusterPlan> = Object.create(null) as Record<string, ClusterPlan>;
      for (const cluster of source.clusters) clusters[cluster.name] = this.planCluster(cluster, methodsOf(source, cluster.name), tenancy);
      const listeners: Record<string, ListenerPlan> = Object.create(null) as Record<string, ListenerPlan>;
      for (const listener of source.listeners) listeners[listener.name] = this.planListener(listener, tenancy);
      const limits: Record<string, LimitPlan> = Object.create(null) as Record<string, LimitPlan>;
      for (const limit of source.limits ?? []) limits[limit.key] = this.planLimit(limit, tenancy);
      return { epoch, clusters, listeners, limits };
    } catch (error) {
      this.abandon(epoch);
      throw error;
    }
  }

  /** Every worker carries this configuration now: its limits hold, and what only older ones used may go when it is at rest. */
  commit(epoch: number): void {
    const tenancy = this.tenancies.get(epoch);
    for (const [row, limits] of tenancy?.limits ?? []) this.table.setLimits(row, limits);
    for (const [cluster, members] of tenancy?.members ?? []) noteMembers(cluster, members);
    this.retire(epoch);
  }

  /**
   * Places for the hosts that a cluster has from now on, within the configuration of this epoch; those that stay keep their
   * own. What others have stays theirs until `commitHosts`. Throws, and changes nothing, when there is no room.
   */
  planHosts(cluster: PlanSource['clusters'][number], epoch: number): HostPlan[] {
    const tenancy = this.tenancies.get(epoch);
    if (tenancy === undefined) throw new Error(`configuration ${epoch} is not in effect`);
    const before = new Set(tenancy.hosts.get(cluster.name));
    const made = new Set<Place>();
    let hosts: HostPlan[];
    try {
      hosts = cluster.endpoints.map(({ text }) => this.planHost(cluster, text, { ...tenancy, made, limits: [] }));
    } catch (error) {
      tenancy.hosts.set(cluster.name, before);
      for (const place of made) place.quietSweeps = QUIET_SWEEPS;
      this.sweep();
      throw error;
    }
    // A host that was here before and is back before its place was let go begins anew.
    for (const place of tenancy.hosts.get(cluster.name) ?? []) if (!before.has(place) && !made.has(place)) this.cleanHostRow(place.hostRow);
    return hosts;
  }

  /** Every worker has taken them up: places of the cluster's other hosts go when they are at rest. */
  commitHosts(cluster: PlanSource['clusters'][number], hosts: readonly HostPlan[], epoch: number): void {
    const tenancy = this.tenancies.get(epoch);
    const owner = this.places.get(clusterKey(cluster.name));
    if (tenancy === undefined || owner === undefined) return;
    const rows = new Set(hosts.map(({ row }) => row));
    const all = tenancy.hosts.get(cluster.name) ?? new Set<Place>();
    for (const place of all) {
      if (rows.has(place.hostRow)) continue;
      all.delete(place);
      if (this.hostTable.lower(owner.hostRow, place.hostRow, HOST_FAILED_OUTLIER)) this.hostTable.returned(owner.hostRow);
    }
    noteMembers(owner, membersOf(cluster));
    this.sweep();
  }

  /** The configuration did not take effect. */
  abandon(epoch: number): void {
    const made = this.tenancies.get(epoch)?.made ?? [];
    this.tenancies.delete(epoch);
    // No worker has used what was made for it alone.
    const used = this.used();
    for (const place of made) if (!used.has(place)) place.quietSweeps = QUIET_SWEEPS;
    this.sweep();
  }

  /** No worker starts anything for a configuration older than this one any more. */
  retire(epoch: number): void {
    for (const old of this.tenancies.keys()) if (old < epoch) this.tenancies.delete(old);
    this.sweep();
  }

  /** Lets go what no configuration uses and no request touches any more. Called now and then, and after every change. */
  sweep(): void {
    const used = this.used();
    for (const [key, place] of this.places) {
      if (used.has(place) || !this.isAtRest(place)) place.quietSweeps = 0;
      else if (++place.quietSweeps >= QUIET_SWEEPS) this.release(key, place);
    }
  }

  /** Connections of all callers, over all workers. */
  connections(): number {
    return this.table.count(PROCESS_ROW, RES_CX);
  }

  /** How often the endpoints of this cluster have changed since the last reset, its first configuration included. */
  memberChanges(cluster: string): number {
    return this.places.get(clusterKey(cluster))?.memberChanges ?? 0;
  }

  /** How much of the room is taken. */
  usage(): { readonly cells: number; readonly histograms: number; readonly rows: number } {
    return { cells: this.cells.used, histograms: this.histograms.used, rows: this.rows.used };
  }

  // ---- inside ----

  private planCluster(cluster: PlanSource['clusters'][number], grpcMethods: readonly string[] | null, tenancy: Tenancy): ClusterPlan {
    const { shapes } = this;
    const key = clusterKey(cluster.name);
    const limits = [cluster.circuitBreakers, cluster.circuitBreakers.high ?? cluster.circuitBreakers];
    const need = { shapes: [shapes.cluster, shapes.ssl], histograms: shapes.clusterHistograms, limits, hostRow: true };
    const place = this.occupy(key, tenancy, () => this.make(need));
    place.rows.forEach((row, i) => tenancy.limits.push([row, limits[i]!]));
    tenancy.members.push([place, membersOf(cluster)]);
    const endpoints = cluster.type === 'originalDst' ? [{ text: '' }] : cluster.endpoints;
    const hosts = endpoints.map(({ text }) => this.planHost(cluster, text, tenancy));
    return { stats: place.blocks[0]!.cell, ssl: place.blocks[1]!.cell, grpc: this.planGrpc(cluster.name, grpcMethods, tenancy), histograms: place.histograms, breakers: place.rows[0]!, row: place.hostRow, hosts };
  }

  private planHost(cluster: PlanSource['clusters'][number], text: string, tenancy: Tenancy): HostPlan {
    const limits = cluster.hostLimits ?? null;
    // Whether it is counted over all workers decides which place it has: a row for that cannot come or go under requests.
    const kind = limits === null ? 'host' : 'counted host';
    const need = { shapes: [this.shapes.host], limits: limits === null ? [] : [limits], hostRow: true };
    const hosts = tenancy.hosts.get(cluster.name) ?? new Set();
    tenancy.hosts.set(cluster.name, hosts);
    const place = this.occupy(`${kind}\0${cluster.name}\0${text}`, { made: tenancy.made, places: hosts }, () => this.make(need));
    if (limits !== null) tenancy.limits.push([place.rows[0]!, limits]);
    return { cells: place.blocks[0]!.cell, row: place.hostRow, breakers: place.rows[0] ?? -1 };
  }

  private planGrpc(cluster: string, methods: readonly string[] | null, tenancy: Tenancy): Record<string, number> {
    const cells: Record<string, number> = {};
    for (const method of methods === null ? [] : ['', ...methods]) {
      cells[method] = this.occupy(`grpc\0${cluster}\0${method}`, tenancy, () => this.make({ shapes: [this.shapes.grpc] })).blocks[0]!.cell;
    }
    return cells;
  }

  private planListener(listener: PlanSource['listeners'][number], tenancy: Tenancy): ListenerPlan {
    const { shapes } = this;
    const limits = { maxConnections: listener.maxConnections, maxPendingRequests: 0, maxRequests: 0, maxRetries: 0 };
    const isTcp = listener.tcp !== undefined && listener.tcp !== null;
    const kind = isTcp ? 'tcp' : 'http';
    const place = this.occupy(`listener\0${kind}\0${listener.name}`, tenancy, () => this.make({ shapes: [shapes.listener, shapes[kind], shapes.ssl], histograms: shapes.httpHistograms, limits: [limits] }));
    tenancy.limits.push([place.rows[0]!, limits]);
    const cell = place.blocks[1]!.cell;
    return { listener: place.blocks[0]!.cell, http: isTcp ? -1 : cell, tcp: isTcp ? cell : -1, ssl: place.blocks[2]!.cell, histograms: place.histograms, breakers: place.rows[0]! };
  }

  /** Its limit on requests is part of its key: it is set once, and may be moved by the workers from then on. */
  private planLimit(limit: LimitSource, tenancy: Tenancy): LimitPlan {
    const { kind, stats, key, maxRequests } = limit;
    const limits = maxRequests === null ? [] : [{ maxConnections: 0, maxPendingRequests: 0, maxRequests, maxRetries: 0 }];
    const counted = this.occupy(`limit stats\0${kind}\0${stats}`, tenancy, () => this.make({ shapes: [this.shapes.limits[kind]!] }));
    const place = this.occupy(`limit\0${key}`, tenancy, () => this.make({ shapes: [], limits, room: limit }));
    return { stats: counted.blocks[0]!.cell, words: place.words, breakers: place.rows[0] ?? -1 };
  }

  private occupy(key: string, tenancy: Pick<Tenancy, 'made' | 'places'>, make: () => Place): Place {
    let place = this.places.get(key);
    if (place === undefined) {
      place = make();
      this.places.set(key, place);
      tenancy.made.add(place);
    }
    place.quietSweeps = 0;
    tenancy.places.add(place);
    return place;
  }

  private make({ shapes, histograms: histogramCount = 0, limits = [], hostRow: needsHostRow = false, room }: Need): Place {
    const blocks: Block[] = [];
    let histograms = -1;
    let rows: readonly number[] = [];
    let hostRow = -1;
    const wordCount = room === undefined ? 0 : wordsOf(room);
    let words = 0;
    try {
      for (const shape of shapes) blocks.push({ shape, cell: this.takeCells(shape.size) });
      if (histogramCount > 0) histograms = this.takeHistograms(histogramCount);
      if (limits.length > 0) rows = this.takeRows(limits);
      if (needsHostRow) hostRow = this.takeHostRow();
      if (wordCount > 0) words = this.takeWords(room!, wordCount);
    } catch (error) {
      for (const { shape, cell } of blocks) this.cells.give(cell, shape.size);
      if (histograms >= 0) this.histograms.give(histograms, histogramCount);
      if (rows.length > 0) this.rows.give(rows[0]!, rows.length);
      throw error;
    }
    return { blocks, histograms: Math.max(0, histograms), histogramCount, rows, hostRow, words, wordCount, quietSweeps: 0, members: null, memberChanges: 0 };
  }

  // A place is cleaned when it is given out again, not when it is let go: the later, the surer that nobody writes any more.

  private takeCells(size: number): number {
    const { start, reused } = this.cells.take(size);
    if (reused) for (const cells of [...this.stripes.map((stripe) => stripe.cells), ...this.bases, this.ownCells, this.ownBase]) cells.fill(0, start, start + size);
    return start;
  }

  private takeHistograms(count: number): number {
    const { start, reused } = this.histograms.take(count);
    const words = this.shapes.histogramWords;
    if (reused) for (const { buckets } of this.stripes) buckets.fill(0, start * words, (start + count) * words);
    return start;
  }

  /** Rows need no cleaning: they are let go only when their counts are zero. */
  private takeRows(limits: readonly RowLimits[]): number[] {
    const { start } = this.rows.take(limits.length);
    return limits.map((limit, i) => {
      this.table.setLimits(start + i, limit);
      return start + i;
    });
  }

  private takeHostRow(): number {
    const { start } = this.hostRows.take(1);
    this.cleanHostRow(start);
    return start;
  }

  private cleanHostRow(row: number): void {
    this.hostTable.clear(row);
    this.hostTable.setJoinedAt(row, systemTime.monotonicMs());
  }

  private takeWords(room: LimitRoom, count: number): number {
    const { start } = this.limitSpace.take(count);
    prepareRoom(this.limitWords, start, room, systemTime.monotonicMs());
    return start;
  }

  private release(key: string, place: Place): void {
    this.places.delete(key);
    for (const { shape, cell } of place.blocks) this.cells.give(cell, shape.size);
    if (place.histogramCount > 0) this.histograms.give(place.histograms, place.histogramCount);
    if (place.rows.length > 0) this.rows.give(place.rows[0]!, place.rows.length);
    if (place.hostRow >= 0) this.hostRows.give(place.hostRow, 1);
    if (place.wordCount > 0) this.limitSpace.give(place.words, place.wordCount);
  }

  private used(): Set<Place> {
    const used = new Set<Place>();
    for (const { places, hosts } of this.tenancies.values()) for (const set of [places, ...hosts.values()]) for (const place of set) used.add(place);
    return used;
  }

  private isAtRest(place: Place): boolean {
    if (!place.rows.every((row) => this.table.isIdle(row))) return false;
    return place.blocks.every(({ shape, cell }) =>
      shape.gauges.every((gauge) => this.stripes.every(({ cells }) => cells[cell + gauge] === 0)));
  }
}

/** Notes where an object's counters stand, for readers to take off. */
function rebase({ size, gauges }: BlockShape, cells: Float64Array, base: Float64Array): void {
  for (let slot = 0; slot < size; slot++) if (!gauges.includes(slot)) base[slot] = cells[slot]!;
}

function clusterKey(name: string): string {
  return `cluster\0${name}`;
}

function membersOf({ endpoints }: PlanSource['clusters'][number]): string {
  return endpoints.map(({ text, address }) => (address === undefined ? text : `${text} ${formatAddress(address)}`)).sort().join('\0');
}

/** A cluster that begins without endpoints has not changed. */
function noteMembers(cluster: Place, members: string): void {
  if ((cluster.members ?? '') !== members) cluster.memberChanges++;
  cluster.members = members;
}

/** Clusters may be called like what every object has. */
function methodsOf({ grpcMethods }: PlanSource, cluster: string): readonly string[] | null {
  return grpcMethods !== undefined && Object.hasOwn(grpcMethods, cluster) ? grpcMethods[cluster]! : null;
}
