// Subsets, levels, panic, zones: who is picked, how often, and what is counted. Scripted hosts, seeded chance.

import t, { type Test } from 'tap';

import { Host, placeHost } from '../../src/cluster/host.ts';
import { HostSets } from '../../src/cluster/host-sets.ts';
import type { Picker } from '../../src/cluster/pick.ts';
import type { LocalHosts } from '../../src/cluster/sets/zone-aware.ts';
import type { BalancingPolicy, EndpointConfig, HostSetsConfig, Metadata } from '../../src/config/cluster-snapshot.ts';
import { subsetKey } from '../../src/config/subset-key.ts';
import { Clock } from '../../src/core/clock.ts';
import { Random } from '../../src/core/random.ts';
import * as U from '../../src/observe/upkeep-stats.ts';
import { BREAKER_ROW, BreakerTable, HELD_ROW } from '../../src/shared/breaker-table.ts';
import { HOST_DEGRADED, HOST_EXCLUDED, HOST_FAILED_ACTIVE, HOST_FAILED_OUTLIER, HOST_PENDING_ACTIVE, HOST_ROW, HostTable } from '../../src/shared/host-table.ts';
import { LoneStream } from '../route/request.ts';
import { balancing, clusterConfig } from '../support/snapshots.ts';

const ROWS = 512;
const CLUSTER = 0;
const LOCAL = 1;

interface Place {
  readonly priority?: number;
  readonly zone?: string;
  readonly metadata?: Metadata;
  readonly weight?: number;
}

/** One worker's view of one cluster, and of its local cluster. */
class Scene {
  readonly table = new HostTable(new SharedArrayBuffer(ROWS * HOST_ROW * 4));
  readonly cells = new Float64Array(U.CLUSTER_CELLS);
  readonly random = new Random([1, 2, 3, 4]);
  private readonly stream = new LoneStream();
  readonly policy: BalancingPolicy;
  readonly rules: HostSetsConfig;
  hosts: Host[] = [];
  local: LocalHosts | undefined;
  sets: HostSets | null = null;
  picker: Picker | null = null;
  private rows = 2;

  constructor(places: readonly Place[], rules: Partial<HostSetsConfig> = {}, policy: BalancingPolicy = 'random') {
    this.policy = policy;
    this.rules = { ...clusterConfig('app', []).hostSets, ...rules };
    this.change(this.make(places));
  }

  make(places: readonly Place[]): Host[] {
    return places.map(({ priority = 0, zone = '', metadata = [], weight = 1 }) => {
      const row = this.rows++;
      const host = new Host({ kind: 'ip', host: '127.0.0.1', port: row }, `h${row - 2}`, weight, { cells: 0, row, breakers: -1 });
      placeHost(host, { priority, zone, metadata } as EndpointConfig);
      return host;
    });
  }

  change(hosts: Host[]): void {
    const breakers = new BreakerTable(new SharedArrayBuffer(4 * BREAKER_ROW * 4), new Int32Array(4 * HELD_ROW));
    const tools = { random: this.random, clock: new Clock(), hostTable: this.table, breakers, breakerRow: 0, cells: this.cells, stats: 0, localHosts: () => this.local };
    this.hosts = hosts;
    this.sets = new HostSets({ loadBalancing: balancing({ policy: this.policy }), hostSets: this.rules }, hosts, tools, this.sets);
    this.picker = this.sets.picker();
  }

  /** Hosts by number. */
  flag(flags: number, ...hosts: number[]): void {
    for (const i of hosts) this.table.raise(CLUSTER, this.hosts[i]!.row, flags);
    this.picker = this.sets!.picker();
  }

  heal(...hosts: number[]): void {
    for (const i of hosts) this.table.lower(CLUSTER, this.hosts[i]!.row, ~0);
    this.picker = this.sets!.picker();
  }

  pick(subset: Metadata | null = null): Host | null {
    this.stream.subset = subsetKey(subset);
    return this.picker!.pick(this.stream, []);
  }

  /** One request of a caller that always hashes to this. */
  pickByHash(high: number, low: number): Host | null {
    Object.assign(this.stream, { isHashed: true, hashHigh: high | 0, hashLow: low | 0 });
    return this.pick();
  }

  /** How many of so many picks fall into each class, in percent; '-' is none. */
  shares(by: (host: Host) => string, picks = 10_000, subset: Metadata | null = null): Record<string, number> {
    const counts: Record<string, number> = {};
    for (let i = 0; i < picks; i++) {
      const host = this.pick(subset);
      const key = host === null ? '-' : by(host);
      counts[key] = (counts[key] ?? 0) + 1;
    }
    return Object.fromEntries(Object.entries(counts).sort().map(([key, count]) => [key, (100 * count) / picks]));
  }

  stat(slot: number): number {
    return this.cells[U.LB_AT + slot]!;
  }
}

const byLevel = (host: Host): string => String(host.priority);
const byZone = (host: Host): string => host.zone;
const byText = (host: Host): string => host.text;

function levels(...sizes: number[]): Place[] {
  return sizes.flatMap((size, priority) => Array.from({ length: size }, () => ({ priority })));
}

function zones(sizes: Readonly<Record<string, number>>): Place[] {
  return Object.entries(sizes).flatMap(([zone, size]) => Array.from({ length: size }, () => ({ zone })));
}

/** Within 3 sigma of 10,000 picks. */
function near(t: Test, found: Record<string, number>, wanted: Record<string, number>): void {
  t.same(Object.keys(found).sort(), Object.keys(wanted).filter((key) => wanted[key] !== 0).sort());
  for (const [key, share] of Object.entries(wanted)) {
    const sigma = Math.sqrt((share * (100 - share)) / 10_000);
    t.ok(Math.abs((found[key] ?? 0) - share) <= 3 * sigma + 1e-9, `${key}: ${found[key] ?? 0} is near ${share}`);
  }
}

t.test('the simple case is the flat picker itself', (t) => {
  const scene = new Scene(levels(3), {}, 'roundRobin');
  t.equal(scene.picker!.constructor.name, 'RoundRobinPicker');
  scene.flag(HOST_FAILED_ACTIVE, 0);
  t.equal(scene.picker!.constructor.name, 'RoundRobinPicker', 'one of three down is no panic');
  t.same(Object.keys(scene.shares(byText, 100)), ['h1', 'h2']);
  t.equal(new Scene(levels(2, 2), {}, 'roundRobin').picker!.constructor.name, 'RoundRobinPicker', 'a second level that is not needed');
  t.end();
});

t.test('levels: what the first cannot carry goes to the next, and comes back', (t) => {
  const scene = new Scene(levels(20, 20));
  near(t, scene.shares(byLevel), { 0: 100 });
  scene.flag(HOST_FAILED_ACTIVE, 0, 1, 2, 3, 4);
  near(t, scene.shares(byLevel), { 0: 100 });
  scene.flag(HOST_FAILED_OUTLIER, 5, 6, 7, 8, 9);
  near(t, scene.shares(byLevel), { 0: 70, 1: 30 });
  t.notOk('h3' in scene.shares(byText), 'nobody who is down');
  scene.flag(HOST_FAILED_OUTLIER, ...Array.from({ length: 20 }, (_, i) => i));
  near(t, scene.shares(byLevel), { 1: 100 });
  scene.heal(...Array.from({ length: 20 }, (_, i) => i));
  near(t, scene.shares(byLevel), { 0: 100 });
  t.equal(scene.stat(U.LB_HEALTHY_PANIC), 0);
  t.end();
});

t.test('panic in one level: its hosts are used whatever their health, and each such pick is counted', (t) => {
  const scene = new Scene(levels(20, 20));
  scene.flag(HOST_FAILED_ACTIVE, ...Array.from({ length: 19 }, (_, i) => i), 20, 21, 22, 23, 24, 25, 26);
  near(t, scene.shares(byLevel), { 0: 8, 1: 92 });
  const panicked = scene.stat(U.LB_HEALTHY_PANIC);
  t.ok(Math.abs(panicked - 800) < 100, String(panicked));
  const texts = scene.shares(byText);
  t.ok('h0' in texts && 'h19' in texts, 'the first level uses those that are down');
  t.notOk('h20' in texts, 'the second does not');
  t.end();
});

t.test('panic everywhere: by the number of hosts; without panic nobody is used', (t) => {
  const all = Array.from({ length: 10 }, (_, i) => i);
  const scene = new Scene(levels(2, 8));
  scene.flag(HOST_FAILED_ACTIVE, ...all);
  near(t, scene.shares(byLevel), { 0: 20, 1: 80 });
  t.equal(scene.stat(U.LB_HEALTHY_PANIC), 10_000);
  const calm = new Scene(levels(2, 8), { panicPercent: 0 });
  calm.flag(HOST_FAILED_ACTIVE, ...all);
  t.equal(calm.pick(), null);
  t.equal(calm.stat(U.LB_HEALTHY_PANIC), 0);
  const empty = new Scene([]);
  t.equal(empty.pick(), null);
  t.equal(empty.stat(U.LB_HEALTHY_PANIC), 1, 'as Envoy counts a cluster without hosts');
  t.end();
});

t.test('degraded hosts are used as far as the healthy ones cannot carry it all', (t) => {
  const scene = new Scene(levels(4));
  scene.flag(HOST_DEGRADED, 0);
  t.notOk('h0' in scene.shares(byText), 'three of four can');
  scene.flag(HOST_DEGRADED, 1);
  near(t, scene.shares((host) => (host.text < 'h2' ? 'degraded' : 'healthy')), { degraded: 30, healthy: 70 });
  scene.flag(HOST_FAILED_ACTIVE, 2, 3);
  near(t, scene.shares(byText), { h0: 50, h1: 50 });
  t.equal(scene.stat(U.LB_HEALTHY_PANIC), 0, 'half of the hosts are usable');
  scene.flag(HOST_FAILED_ACTIVE, 1);
  t.same(Object.keys(scene.shares(byText)), ['h0', 'h1', 'h2', 'h3'], 'a failed one is not degraded any more: panic');
  t.end();
});

t.test('hosts that nobody has checked yet neither help nor hurt', (t) => {
  const scene = new Scene(levels(10));
  scene.flag(HOST_FAILED_ACTIVE | HOST_PENDING_ACTIVE, 0, 1, 2, 3, 4, 5, 6);
  t.same(Object.keys(scene.shares(byText)), ['h7', 'h8', 'h9']);
  scene.flag(HOST_FAILED_ACTIVE | HOST_EXCLUDED, 7);
  t.same(Object.keys(scene.shares(byText)), ['h8', 'h9']);
  t.equal(scene.stat(U.LB_HEALTHY_PANIC), 0);
  scene.flag(HOST_FAILED_ACTIVE, 8, 9);
  t.equal(Object.keys(scene.shares(byText)).length, 10, 'panic takes them, too');
  t.end();
});

t.test('zone weights, and their health', (t) => {
  const scene = new Scene(zones({ a: 10, b: 10, c: 5 }), { localityWeights: { a: 50, b: 50, c: 0 } });
  near(t, scene.shares(byZone), { a: 50, b: 50 });
  scene.flag(HOST_FAILED_ACTIVE, 0, 1, 2, 3, 4);
  near(t, scene.shares(byZone), { a: 41.18, b: 58.82 });
  t.notOk('h0' in scene.shares(byText));
  scene.flag(HOST_FAILED_ACTIVE, 5, 6, 7, 8, 9);
  near(t, scene.shares(byZone), { b: 100 });
  scene.flag(HOST_FAILED_ACTIVE, ...Array.from({ length: 10 }, (_, i) => 10 + i));
  near(t, scene.shares(byZone), { a: 40, b: 40, c: 20 });
  t.equal(scene.stat(U.LB_HEALTHY_PANIC), 10_000, 'in panic all hosts are one list');
  t.end();
});

t.test('zone weights: 1 where nothing is said, within each level and for degraded hosts', (t) => {
  const scene = new Scene([...zones({ a: 1, b: 4 }), ...zones({ a: 2 }).map((one) => ({ ...one, priority: 1 }))], { localityWeights: { constructor: 9 } });
  near(t, scene.shares(byZone), { a: 50, b: 50 });
  scene.flag(HOST_DEGRADED, 0);
  near(t, scene.shares(byZone), { b: 100 });
  scene.flag(HOST_FAILED_ACTIVE, 1, 2, 3, 4);
  near(t, scene.shares((host) => `${host.zone}${host.priority}`), { a1: 100 });
  t.end();
});

function zoneAware(part: Partial<NonNullable<HostSetsConfig['zoneAware']>> = {}): Partial<HostSetsConfig> {
  return { zoneAware: { zone: 'a', localCluster: 'self', minClusterSize: 6, routingEnabledPercent: 100, failTrafficOnPanic: false, ...part } };
}

t.test('zone-aware: all stay where there is a host for each caller', (t) => {
  const scene = new Scene(zones({ a: 3, b: 3 }), zoneAware());
  near(t, scene.shares(byZone), { a: 50, b: 50 });
  t.equal(scene.stat(U.LB_RECALCULATE_ZONE_STRUCTURES), 0, 'no local cluster yet');
  scene.local = { hosts: scene.make(zones({ a: 2, b: 2 })), row: LOCAL };
  near(t, scene.shares(byZone), { a: 100 });
  t.same([scene.stat(U.LB_RECALCULATE_ZONE_STRUCTURES), scene.stat(U.LB_ZONE_ROUTING_ALL_DIRECTLY)], [1, 10_000]);
  t.end();
});

t.test('zone-aware: a zone with many callers keeps what its hosts can take; the rest goes where there is room', (t) => {
  const scene = new Scene(zones({ a: 5, b: 10, c: 5 }), zoneAware());
  scene.local = { hosts: scene.make(zones({ a: 4, b: 4, c: 2 })), row: LOCAL };
  near(t, scene.shares(byZone), { a: 62.5, b: 25, c: 12.5 });
  t.equal(scene.stat(U.LB_ZONE_ROUTING_SAMPLED) + scene.stat(U.LB_ZONE_ROUTING_CROSS_ZONE), 10_000);
  t.ok(Math.abs(scene.stat(U.LB_ZONE_ROUTING_SAMPLED) - 6250) < 200);
  // A caller goes: the others send less from there.
  scene.table.raise(LOCAL, scene.local.hosts[0]!.row, HOST_FAILED_ACTIVE);
  near(t, scene.shares(byZone), { a: 75, b: 16.67, c: 8.33 });
  t.equal(scene.stat(U.LB_RECALCULATE_ZONE_STRUCTURES), 2);
  t.end();
});

t.test('zone-aware: when it is not done, and what is counted then', (t) => {
  const small = new Scene(zones({ a: 2, b: 3 }), zoneAware());
  small.local = { hosts: small.make(zones({ a: 1, b: 1 })), row: LOCAL };
  near(t, small.shares(byZone), { a: 40, b: 60 });
  t.equal(small.stat(U.LB_ZONE_CLUSTER_TOO_SMALL), 1);
  const enough = new Scene(zones({ a: 3, b: 3 }), zoneAware());
  enough.local = { hosts: enough.make(zones({ a: 1, b: 1 })), row: LOCAL };
  near(t, enough.shares(byZone), { a: 100 });
  enough.flag(HOST_FAILED_ACTIVE, 0);
  near(t, enough.shares(byZone), { a: 40, b: 60 });
  t.equal(enough.stat(U.LB_ZONE_CLUSTER_TOO_SMALL), 1, 'five healthy ones are too few');
  enough.heal(0);
  enough.local = { hosts: enough.make(zones({ b: 1, c: 1 })), row: LOCAL };
  near(t, enough.shares(byZone), { a: 50, b: 50 });
  t.equal(enough.stat(U.LB_LOCAL_CLUSTER_NOT_OK), 1, 'this process is in no zone of its own cluster');
  enough.local = { hosts: enough.make(zones({ a: 2 })), row: LOCAL };
  near(t, enough.shares(byZone), { a: 50, b: 50 });
  t.equal(enough.stat(U.LB_LOCAL_CLUSTER_NOT_OK), 1, 'one zone of callers: nothing to even out');
  t.end();
});

t.test('zone-aware: a part of the requests, and a local cluster in panic', (t) => {
  const part = new Scene(zones({ a: 3, b: 3 }), zoneAware({ routingEnabledPercent: 40 }));
  part.local = { hosts: part.make(zones({ a: 1, b: 1 })), row: LOCAL };
  near(t, part.shares(byZone), { a: 70, b: 30 });
  const down = (scene: Scene): void => {
    scene.local = { hosts: scene.make(zones({ a: 2, b: 2 })), row: LOCAL };
    for (const { row } of scene.local.hosts.slice(1)) scene.table.raise(LOCAL, row, HOST_FAILED_ACTIVE);
  };
  const panic = new Scene(zones({ a: 3, b: 3 }), zoneAware());
  down(panic);
  near(t, panic.shares(byZone), { a: 50, b: 50 });
  t.equal(panic.stat(U.LB_LOCAL_CLUSTER_NOT_OK), 10_000);
  const fail = new Scene(zones({ a: 3, b: 3 }), zoneAware({ failTrafficOnPanic: true }));
  down(fail);
  t.equal(fail.pick(), null);
  fail.local = undefined;
  fail.flag(HOST_FAILED_ACTIVE, 0, 1, 2, 3);
  t.equal(fail.pick(), null, 'its own panic fails requests, too');
  t.equal(fail.stat(U.LB_HEALTHY_PANIC), 1);
  t.end();
});

t.test('zone-aware holds for the first level alone', (t) => {
  const scene = new Scene([...zones({ a: 4, b: 4 }), ...zones({ a: 4, b: 4 }).map((one) => ({ ...one, priority: 1 }))], zoneAware());
  scene.local = { hosts: scene.make(zones({ a: 1, b: 1 })), row: LOCAL };
  scene.flag(HOST_FAILED_ACTIVE, 0, 1, 2, 3, 4, 5, 6, 7);
  near(t, scene.shares(byZone), { a: 50, b: 50 });
  t.end();
});

// ---- policies by hash ----

t.test('by hash: a caller stays at one level and one host, whoever picks', (t) => {
  const down = (scene: Scene): Scene => {
    scene.flag(HOST_FAILED_ACTIVE, 0, 1, 2, 3, 4);
    return scene;
  };
  const one = down(new Scene(levels(10, 10), {}, 'maglev'));
  const other = down(new Scene(levels(10, 10), {}, 'maglev'));
  other.random.int32();
  const counts = [0, 0];
  for (let i = 0; i < 2000; i++) {
    const [high, low] = [Math.imul(i, 0x9e3779b1), Math.imul(i + 7, 0x85ebca6b)];
    const host = one.pickByHash(high, low)!;
    counts[host.priority]!++;
    if (other.pickByHash(high, low)!.text !== host.text) t.fail(`hash ${high} ${low}`);
    // 64 bits by 100, as Envoy has it: below 70 is the first level.
    const percent = Number(((BigInt(high >>> 0) << 32n) | BigInt(low >>> 0)) % 100n);
    if (host.priority !== (percent < 70 ? 0 : 1)) t.fail(`level of ${percent}`);
  }
  t.ok(counts[0]! > 1300 && counts[0]! < 1500, String(counts));
  t.end();
});

t.test('by hash: zones are folded into the weights of the hosts', (t) => {
  const scene = (...down: number[]): Scene => {
    const fresh = new Scene(zones({ a: 1, b: 4, c: 2 }), { localityWeights: { a: 3, b: 1, c: 0 } }, 'maglev');
    fresh.flag(HOST_FAILED_ACTIVE, ...down);
    return fresh;
  };
  near(t, scene().shares(byZone), { a: 75, b: 25 });
  const two = scene(1, 2);
  near(t, two.shares(byZone), { a: 75, b: 25 });
  t.same(Object.keys(two.shares(byText)), ['h0', 'h3', 'h4'], 'as in Envoy the weight stays, whatever is left of the zone');
  const panic = scene(0, 1, 2, 5);
  near(t, panic.shares(byZone), { a: 75, b: 25 });
  t.equal(panic.stat(U.LB_HEALTHY_PANIC), 10_000, 'in panic the zones keep their weights');
  t.end();
});

// ---- subsets ----

const V1: Metadata = [['version', 'v1']];
const V2: Metadata = [['version', 'v2']];
const PROD_V1: Metadata = [['stage', 'prod'], ['version', 'v1']];
const PROD_V2: Metadata = [['stage', 'prod'], ['version', 'v2']];
const PLACES: readonly Place[] = [{ metadata: PROD_V1 }, { metadata: V1 }, { metadata: PROD_V2 }, { metadata: V2, priority: 1 }, {}];

function subsets(part: Partial<NonNullable<HostSetsConfig['subsets']>> = {}): Partial<HostSetsConfig> {
  const selectors = [{ keys: ['version'], fallback: null, fallbackKeys: [] }, { keys: ['stage', 'version'], fallback: null, fallbackKeys: [] }];
  return { subsets: { selectors, fallback: 'none', defaultSubset: [], ...part } };
}

t.test('a subset is a small cluster of its own: levels, panic', (t) => {
  const scene = new Scene(PLACES, subsets());
  near(t, scene.shares(byText, 10_000, V1), { h0: 50, h1: 50 });
  near(t, scene.shares(byText, 10_000, V2), { h2: 100 });
  near(t, scene.shares(byText, 10_000, PROD_V1), { h0: 100 });
  t.equal(scene.stat(U.LB_SUBSETS_SELECTED), 30_000);
  scene.flag(HOST_FAILED_ACTIVE, 2);
  near(t, scene.shares(byText, 10_000, V2), { h3: 100 });
  scene.flag(HOST_FAILED_ACTIVE, 3);
  near(t, scene.shares(byText, 10_000, V2), { h2: 50, h3: 50 });
  t.equal(scene.stat(U.LB_HEALTHY_PANIC), 10_000);
  t.end();
});

t.test('what there is nothing for falls back', (t) => {
  const none = new Scene(PLACES, subsets());
  t.equal(none.pick([['version', 'v9']]), null);
  t.equal(none.pick(), null, 'as in Envoy a request that asks for nothing falls back, too');
  t.equal(none.pick([['color', 'red']]), null, 'nobody can ask by this key');
  t.equal(none.pick([['version', 1]]), null);
  t.equal(none.stat(U.LB_SUBSETS_FALLBACK), 0);
  const any = new Scene(PLACES, subsets({ fallback: 'anyEndpoint' }));
  near(t, any.shares(byText), { h0: 25, h1: 25, h2: 25, h4: 25 });
  near(t, any.shares(byText, 10_000, [['version', 'v9']]), { h0: 25, h1: 25, h2: 25, h4: 25 });
  t.equal(any.stat(U.LB_SUBSETS_FALLBACK), 20_000);
  const defaults = new Scene(PLACES, subsets({ fallback: 'defaultSubset', defaultSubset: V2 }));
  near(t, defaults.shares(byText), { h2: 100 });
  t.equal(defaults.stat(U.LB_SUBSETS_SELECTED), 0);
  t.end();
});

t.test('a list of keys may have a fallback of its own', (t) => {
  const keys = ['stage', 'version'];
  const version = { keys: ['version'], fallback: 'none' as const, fallbackKeys: [] };
  const fewer = new Scene(PLACES, subsets({ selectors: [version, { keys, fallback: 'keysSubset', fallbackKeys: ['version'] }], fallback: 'anyEndpoint' }));
  near(t, fewer.shares(byText, 10_000, [['stage', 'test'], ['version', 'v1']]), { h0: 50, h1: 50 });
  t.equal(fewer.stat(U.LB_SUBSETS_SELECTED), 10_000, 'the subset of fewer keys was selected');
  t.equal(fewer.pick([['stage', 'test'], ['version', 'v9']]), null, 'and where that has nobody its own fallback holds');
  near(t, fewer.shares(byText), { h0: 25, h1: 25, h2: 25, h4: 25 });
  const own = new Scene(PLACES, subsets({ selectors: [version, { keys, fallback: 'defaultSubset', fallbackKeys: [] }], defaultSubset: V2 }));
  near(t, own.shares(byText, 10_000, [['stage', 'test'], ['version', 'v1']]), { h2: 100 });
  t.equal(own.stat(U.LB_SUBSETS_FALLBACK), 0, 'as in Envoy this one is not counted');
  t.end();
});

t.test('numbers of subsets follow the hosts', (t) => {
  const scene = new Scene(PLACES, subsets());
  const counts = (): number[] => [U.LB_SUBSETS_ACTIVE, U.LB_SUBSETS_CREATED, U.LB_SUBSETS_REMOVED].map((slot) => scene.stat(slot));
  t.same(counts(), [4, 4, 0]);
  scene.change(scene.hosts.slice(0, 2));
  t.same(counts(), [2, 4, 2]);
  t.equal(scene.pick(V2), null);
  scene.change([...scene.hosts, ...scene.make([{ metadata: V2 }])]);
  t.same(counts(), [3, 5, 2]);
  t.equal(scene.pick(V2)!.text, 'h5');
  scene.sets!.drain();
  t.same(counts(), [0, 5, 5]);
  t.end();
});
