import t from 'tap';
import { RES_CX, RES_RQ } from '../../src/shared/breaker-table.ts';
import { BreakerTable } from '../../src/shared/breaker-table.ts';
import { DescriptorBits } from '../../src/shared/descriptors.ts';
import { CONSECUTIVE_5XX, HOST_DEGRADED, HOST_FAILED_OUTLIER } from '../../src/shared/host-table.ts';
import { type PlanSource, type Shapes, SharedState } from '../../src/shared/registry.ts';
import { SlotSpace } from '../../src/shared/slot-space.ts';
import { Stripe, STRIPE_CELLS } from '../../src/shared/stripe.ts';

// Cluster: cells 0…3, gauge 1. Host: cells 0…1, gauge 0. Listener and http: gauge 0 each.
const shapes: Shapes = {
  cluster: { size: 4, gauges: [1] },
  host: { size: 2, gauges: [0] },
  listener: { size: 2, gauges: [0] },
  http: { size: 3, gauges: [0] },
  ssl: { size: 2, gauges: [0] },
  grpc: { size: 2, gauges: [] },
  tcp: { size: 3, gauges: [0] },
  limits: { some: { size: 2, gauges: [1] } },
  clusterHistograms: 2,
  httpHistograms: 1,
  histogramWords: 8,
};

const breakers = (max: number) => ({ maxConnections: max, maxPendingRequests: max, maxRequests: max, maxRetries: max });

function source(clusters: Record<string, readonly string[]>, listeners: readonly string[] = [], max = 100): PlanSource {
  return {
    clusters: Object.entries(clusters).map(([name, hosts]) => ({ name, endpoints: hosts.map((text) => ({ text })), circuitBreakers: breakers(max) })),
    listeners: listeners.map((name) => ({ name, maxConnections: max })),
  };
}

function state(workers = 2): { shared: SharedState; stripes: Stripe[] } {
  const shared = new SharedState(shapes);
  const stripes = Array.from({ length: workers }, (_, i) => new Stripe(shared.stripe(i)));
  return { shared, stripes };
}

t.test('every object has places of its own', async (t) => {
  const { shared } = state();
  const { clusters, listeners, epoch } = shared.plan(source({ a: ['h1', 'h2'], b: ['h1'] }, ['l', 'm']), 1);
  t.equal(epoch, 1);
  const ranges: [number, number][] = [];
  for (const { stats, hosts } of Object.values(clusters)) ranges.push([stats, 4], ...hosts.map(({ cells }): [number, number] => [cells, 2]));
  for (const { listener, http } of Object.values(listeners)) ranges.push([listener, 2], [http, 3]);
  ranges.sort(([x], [y]) => x - y);
  ranges.slice(1).forEach(([at], i) => t.ok(at >= ranges[i]![0] + ranges[i]![1], 'ranges do not meet'));
  const rows = [...Object.values(clusters), ...Object.values(listeners)].map((place) => place.breakers);
  t.equal(new Set(rows).size, 4);
  t.not(clusters['a']!.hosts[0]!.cells, clusters['b']!.hosts[0]!.cells, 'the same address in two clusters is two hosts');
  const histograms = [clusters['a']!.histograms, clusters['b']!.histograms, listeners['l']!.histograms].sort((x, y) => x - y);
  t.ok(histograms[1]! - histograms[0]! >= 2);
});

t.test('places are kept over a reload, whatever the order and whatever is new', async (t) => {
  const { shared } = state();
  const first = shared.plan(source({ a: ['h1', 'h2'], b: ['h1'] }, ['l']), 1);
  shared.commit(1);
  const second = shared.plan(source({ z: ['h9'], b: ['h0', 'h1'], a: ['h2', 'h1'] }, ['k', 'l']), 2);
  shared.commit(2);
  t.equal(second.clusters['a']!.stats, first.clusters['a']!.stats);
  t.equal(second.clusters['a']!.breakers, first.clusters['a']!.breakers);
  t.equal(second.clusters['a']!.histograms, first.clusters['a']!.histograms);
  t.same(second.clusters['a']!.hosts, [...first.clusters['a']!.hosts].reverse());
  t.same(second.clusters['b']!.hosts[1], first.clusters['b']!.hosts[0]);
  t.same(second.listeners['l'], first.listeners['l']);
});

t.test('names that mean something to JavaScript are names', async (t) => {
  const { shared } = state();
  const { clusters } = shared.plan(source({ ['__proto__']: [], constructor: ['h'], toString: ['h'] }), 1);
  const listed: PlanSource = { clusters: [{ name: '__proto__', endpoints: [{ text: 'h' }], circuitBreakers: breakers(1) }], listeners: [] };
  t.same(Object.keys(structuredClone(shared.plan(listed, 2)).clusters), ['__proto__'], 'survives the way to a worker');
  t.ok(Object.hasOwn(clusters, 'constructor') && Object.hasOwn(clusters, 'toString'));
});

t.test('a counter is the sum over all workers; a dead one keeps its counts and loses its gauges', async (t) => {
  const { shared, stripes } = state(3);
  const { clusters, listeners } = shared.plan(source({ a: ['h1'] }, ['l']), 1);
  const { stats, hosts } = clusters['a']!;
  stripes.forEach(({ cells }, i) => {
    cells[stats] = 10 + i;
    cells[stats + 1] = 5;
    cells[hosts[0]!.cells] = 2;
    cells[hosts[0]!.cells + 1] = 7;
    cells[listeners['l']!.http] = 1;
  });
  t.equal(shared.counter(stats, 0), 33);
  t.equal(shared.workerCell(1, stats), 11);
  shared.zeroGauges(1);
  t.equal(shared.counter(stats, 0), 33, 'counted stays counted');
  t.equal(shared.counter(stats, 1), 10);
  t.equal(shared.cell(hosts[0]!.cells), 4);
  t.equal(shared.cell(hosts[0]!.cells + 1), 21);
  t.equal(shared.cell(listeners['l']!.http), 2);
  t.equal(shared.stripe(1), shared.stripe(1), 'the replacement goes on in the same stripe');
});

t.test('a reset is taken off by readers: nobody writes where workers write', async (t) => {
  const { shared, stripes } = state(3);
  const { clusters, listeners } = shared.plan(source({ a: ['h1'] }, ['l']), 1);
  shared.commit(1);
  const { stats, hosts, histograms } = clusters['a']!;
  const all = stripes.map(({ cells }) => cells);
  all.forEach((cells, i) => {
    cells[stats] = 10 + i;
    cells[stats + 1] = 5;
    cells[hosts[0]!.cells + 1] = 3;
    cells[listeners['l']!.http + 1] = 4;
  });
  stripes[0]!.buckets[histograms * 8] = 9;
  shared.resetCounters();
  t.equal(shared.counter(stats, 0), 0);
  t.equal(shared.workerCounter(1, stats), 0);
  t.equal(shared.cell(stats), 33, 'the cells are as they were');
  t.equal(shared.counter(stats, 1), 15, 'gauges stay');
  t.equal(shared.counter(hosts[0]!.cells, 1), 9, 'rows of hosts stay');
  t.equal(shared.counter(listeners['l']!.http, 1), 0);
  t.equal(shared.memberChanges('a'), 0);
  const words = new Float64Array(8);
  shared.addHistogram(histograms, words);
  t.equal(words[0], 9, 'histograms stay');
  all.forEach((cells) => cells[stats]!++);
  t.equal(shared.counter(stats, 0), 3, 'what came afterwards counts');
  shared.resetCounters();
  t.equal(shared.counter(stats, 0), 0, 'and again');
});

t.test('a place that is given out again knows of no reset', async (t) => {
  const { shared, stripes } = state();
  const first = shared.plan(source({ a: ['h'] }), 1).clusters['a']!;
  shared.commit(1);
  stripes[0]!.cells[first.stats] = 7;
  shared.resetCounters();
  shared.plan(source({}), 2);
  shared.commit(2);
  for (let i = 0; i < 4; i++) shared.sweep();
  const next = shared.plan(source({ b: ['h'] }), 3).clusters['b']!;
  t.equal(next.stats, first.stats, 'the same cells');
  stripes[0]!.cells[next.stats]!++;
  t.equal(shared.counter(next.stats, 0), 1);
});

t.test('a dead worker: its breaker counts and descriptors are taken over', async (t) => {
  const { shared, stripes } = state();
  const { clusters } = shared.plan(source({ a: [] }), 1);
  const row = clusters['a']!.breakers;
  const [one, two] = stripes.map(({ held }) => new BreakerTable(shared.breakers, held));
  for (let i = 0; i < 3; i++) one!.tryAcquire(row, RES_RQ);
  two!.tryAcquire(row, RES_RQ);
  new DescriptorBits(stripes[0]!.fds).opened(17);
  shared.giveBack(0);
  t.equal(shared.table.count(row, RES_RQ), 1);
  t.same(shared.takeDescriptors(0), [17]);
  t.same(shared.takeDescriptors(0), []);
  t.same(shared.takeDescriptors(9), [], 'a worker that never was left nothing');
  shared.giveBack(9);
  shared.zeroGauges(9);
});

t.test('limits: new objects have theirs at once, old ones with the commit', async (t) => {
  const { shared } = state();
  const { clusters, listeners } = shared.plan(source({ a: [] }, ['l'], 5), 1);
  t.equal(shared.table.limit(clusters['a']!.breakers, RES_RQ), 5);
  t.equal(shared.table.limit(listeners['l']!.breakers, RES_CX), 5);
  t.equal(shared.table.limit(listeners['l']!.breakers, RES_RQ), 0);
  shared.commit(1);
  shared.plan(source({ a: [] }, ['l'], 9), 2);
  t.equal(shared.table.limit(clusters['a']!.breakers, RES_RQ), 5, 'planned is not yet in effect');
  shared.abandon(2);
  t.equal(shared.table.limit(clusters['a']!.breakers, RES_RQ), 5);
  shared.plan(source({ a: [] }, ['l'], 9), 3);
  shared.commit(3);
  t.equal(shared.table.limit(clusters['a']!.breakers, RES_RQ), 9);
});

t.test('what no configuration uses is given out again, clean, but only when it is at rest', async (t) => {
  const { shared, stripes } = state();
  const { clusters } = shared.plan(source({ old: ['h'], kept: ['h'] }), 1);
  shared.commit(1);
  const old = clusters['old']!;
  const { cells, buckets, held } = stripes[0]!;
  cells[old.stats] = 41;
  cells[old.stats + 1] = 1; // a request is still running
  buckets[old.histograms * 8 + 3] = 12;
  const full = shared.usage();
  shared.plan(source({ kept: ['h'] }), 2);
  shared.commit(2);
  for (let i = 0; i < 5; i++) shared.sweep();
  t.same(shared.usage(), { ...full, cells: full.cells - 2 }, 'its host goes, the cluster waits for its gauge');
  t.equal(cells[old.stats], 41);

  cells[old.stats + 1] = 0;
  const table = new BreakerTable(shared.breakers, held);
  table.tryAcquire(old.breakers, RES_CX);
  for (let i = 0; i < 5; i++) shared.sweep();
  t.equal(shared.usage().rows, full.rows, 'it waits for its row too');
  table.release(old.breakers, RES_CX);
  shared.sweep();
  t.equal(shared.usage().rows, full.rows, 'once at rest is not enough: last counts are written after the gauges');
  shared.sweep();
  t.equal(shared.usage().rows, full.rows - 2);

  const again = shared.plan(source({ kept: ['h'], fresh: ['h'] }), 3).clusters['fresh']!;
  t.equal(again.stats, old.stats);
  t.equal(cells[again.stats], 0);
  t.equal(again.histograms, old.histograms);
  t.equal(buckets[again.histograms * 8 + 3], 0);
  t.same(shared.usage(), full);
});

t.test('a cluster that comes back before it was let go has its counts', async (t) => {
  const { shared, stripes } = state();
  const { stats } = shared.plan(source({ a: ['h'] }), 1).clusters['a']!;
  shared.commit(1);
  stripes[1]!.cells[stats] = 3;
  shared.plan(source({}), 2);
  shared.commit(2);
  t.equal(shared.plan(source({ a: ['h'] }), 3).clusters['a']!.stats, stats);
  shared.commit(3);
  for (let i = 0; i < 4; i++) shared.sweep();
  t.equal(shared.counter(stats, 0), 3);
});

t.test('an abandoned configuration leaves nothing behind and takes nothing away', async (t) => {
  const { shared } = state();
  shared.plan(source({ a: ['h1'] }, ['l']), 1);
  shared.commit(1);
  const before = shared.usage();
  shared.plan(source({ a: ['h1', 'h2'], b: ['h'] }, ['l', 'm']), 2);
  t.not(shared.usage().cells, before.cells);
  shared.abandon(2);
  t.same(shared.usage(), before);
  for (let i = 0; i < 3; i++) shared.sweep();
  t.same(shared.usage(), before);
});

t.test('an abandoned configuration does not hasten the end of a cluster that was leaving', async (t) => {
  const { shared } = state();
  shared.plan(source({ a: [] }), 1);
  shared.commit(1);
  shared.plan(source({}), 2);
  const before = shared.usage();
  shared.commit(2);
  shared.plan(source({ a: [] }), 3);
  shared.abandon(3);
  t.equal(shared.usage().rows, before.rows);
});

t.test('no room left: a clear error, and everything as before', async (t) => {
  const shared = new SharedState({ ...shapes, cluster: { size: STRIPE_CELLS / 4 - 8, gauges: [] } });
  shared.plan(source({ a: [], b: [], c: [] }), 1);
  shared.commit(1);
  const before = shared.usage();
  t.throws(() => shared.plan(source({ a: [], d: [], e: [] }), 2), /no room left in shared memory: \d+ of \d+ counters are in use/);
  t.same(shared.usage(), before);
  t.ok(shared.plan(source({ d: [] }), 3).clusters['d'], 'what fits still fits');
});

t.test('how often the endpoints of a cluster have changed', async (t) => {
  const { shared } = state();
  const apply = (clusters: Record<string, readonly string[]>, epoch: number): number => {
    shared.plan(source(clusters), epoch);
    shared.commit(epoch);
    return shared.memberChanges('a');
  };
  t.equal(shared.memberChanges('a'), 0);
  t.equal(apply({ a: ['1', '2'] }, 1), 1);
  t.equal(apply({ a: ['2', '1'], b: [] }, 2), 1, 'another order is no change');
  t.equal(apply({ a: ['2'] }, 3), 2);
  shared.plan(source({ a: ['5'] }), 4);
  shared.abandon(4);
  t.equal(apply({ a: ['2'] }, 5), 2);
});

t.test('histograms are summed over workers', async (t) => {
  const { shared, stripes } = state();
  const { histograms } = shared.plan(source({ a: [] }), 1).clusters['a']!;
  stripes[0]!.buckets[(histograms + 1) * 8 + 2] = 4;
  stripes[1]!.buckets[(histograms + 1) * 8 + 2] = 5;
  const into = new Float64Array(8);
  shared.addHistogram(histograms + 1, into);
  t.same([...into], [0, 0, 9, 0, 0, 0, 0, 0]);
});

t.test('slots come back per size', async (t) => {
  const space = new SlotSpace('things', 10);
  t.same(space.take(4), { start: 0, reused: false });
  t.same(space.take(4), { start: 4, reused: false });
  t.throws(() => space.take(4), /8 of 10 things are in use/);
  space.give(0, 4);
  t.same(space.take(2), { start: 8, reused: false });
  t.same(space.take(4), { start: 0, reused: true });
  t.equal(space.used, 10);
});

t.test('gRPC methods have places where they are counted, kept over reloads and let go when no longer listed', async (t) => {
  const { shared, stripes } = state();
  const counted = (methods: Record<string, readonly string[]>): PlanSource => ({ ...source({ a: ['h'], b: ['h'] }), grpcMethods: methods });
  const first = shared.plan(counted({ a: ['p.S/M', 'p.S/N'] }), 1).clusters;
  shared.commit(1);
  t.same(Object.keys(first['a']!.grpc), ['', 'p.S/M', 'p.S/N']);
  t.same(first['b']!.grpc, {}, 'nobody counts here');
  t.same(shared.plan({ ...source({ constructor: [] }), grpcMethods: {} }, 9).clusters['constructor']!.grpc, {});
  shared.abandon(9);
  t.equal(new Set(Object.values(first['a']!.grpc).flatMap((cell) => [cell, cell + 1])).size, 6, 'they do not meet');
  const used = shared.usage().cells;
  stripes[0]!.cells[first['a']!.grpc['p.S/N']!] = 7;
  const second = shared.plan(counted({ a: ['p.S/N'], b: ['p.S/N'] }), 2).clusters;
  shared.commit(2);
  t.equal(second['a']!.grpc['p.S/N'], first['a']!.grpc['p.S/N']);
  t.equal(shared.counter(second['a']!.grpc['p.S/N']!, 0), 7);
  t.not(second['b']!.grpc['p.S/N'], first['a']!.grpc['p.S/N'], 'the same method of another cluster is another one');
  shared.sweep();
  shared.sweep();
  t.equal(shared.usage().cells, used + 2, 'one gone, two come');
});

t.test('hosts come and go between configurations', async (t) => {
  const { shared, stripes } = state();
  const cluster = (...hosts: string[]): PlanSource['clusters'][number] => source({ a: hosts }).clusters[0]!;
  const first = shared.plan(source({ a: ['h1', 'h2'], b: ['h1'] }), 1).clusters['a']!;
  shared.commit(1);
  t.equal(shared.memberChanges('a'), 1);
  const [h1, h2] = first.hosts;
  const table = shared.hostTable;
  const joined = table.joinedAt(h1!.row);
  table.raise(first.row, h1!.row, HOST_DEGRADED);
  stripes[1]!.cells[h1!.cells + 1] = 5;

  const hosts = shared.planHosts(cluster('h3', 'h1'), 1);
  t.same(hosts[1], h1, 'who stays keeps its place');
  t.notOk([h1!.row, h2!.row].includes(hosts[0]!.row));
  for (let n = 0; n < 3; n++) shared.sweep();
  const more = shared.planHosts(cluster('h3', 'h1', 'h4'), 1);
  t.same(more.slice(0, 2), hosts);
  t.not(more[2]!.row, h2!.row, 'who goes has its place until every worker knows');
  t.equal(shared.memberChanges('a'), 1);

  // An ejected host that goes is ejected no more.
  t.ok(table.tryEject(first.row, 1));
  table.raise(first.row, h2!.row, HOST_FAILED_OUTLIER);
  shared.commitHosts(cluster('h3', 'h1', 'h4'), more, 1);
  t.equal(shared.memberChanges('a'), 2);
  t.equal(table.ejected(first.row), 0);
  t.equal(table.flags(h1!.row), HOST_DEGRADED, 'who stays keeps its state');
  t.equal(table.joinedAt(h1!.row), joined);
  t.equal(shared.cell(h1!.cells + 1), 5);

  // Back before its place was let go: the same place, a new life.
  stripes[0]!.cells[h2!.cells] = 1; // a request of before
  table.count(h2!.row, CONSECUTIVE_5XX);
  const back = shared.planHosts(cluster('h2', 'h1'), 1);
  t.same(back, [h2, h1]);
  t.equal(table.counted(h2!.row, CONSECUTIVE_5XX), 0);
  t.ok(table.joinedAt(h2!.row) > joined);
  t.equal(table.flags(h1!.row), HOST_DEGRADED);
  shared.commitHosts(cluster('h2', 'h1'), back, 1);

  // Gone and at rest: another one gets the place, clean.
  const rows = more.map(({ row }) => row);
  for (let n = 0; n < 3; n++) shared.sweep();
  const next = shared.planHosts(cluster('h2', 'h1', 'h5', 'h6'), 1);
  t.same(next.slice(2).map(({ row }) => row).sort(), [rows[0], rows[2]].sort());
  shared.commitHosts(cluster('h2', 'h1', 'h5', 'h6'), next, 1);

  // A reload in between takes over what is there, and what it does not have goes.
  const plan = shared.plan(source({ a: ['h1', 'h5'], b: ['h1'] }), 2).clusters['a']!;
  t.same(plan.hosts, [next[1], next[2]]);
  shared.commit(2);
  t.throws(() => shared.planHosts(cluster('h1'), 1), /configuration 1 is not in effect/);
  t.equal(shared.memberChanges('a'), 5);
  t.equal(shared.memberChanges('b'), 1);
});

t.test('a cluster that begins without endpoints has not changed; one that moves has', async (t) => {
  const { shared } = state();
  const at = (host: string): PlanSource['clusters'][number] => ({ name: 'a', endpoints: [{ text: 'name:1', address: { kind: 'ip', host, port: 1 } }], circuitBreakers: breakers(1) });
  shared.plan(source({ a: [] }), 1);
  shared.commit(1);
  t.equal(shared.memberChanges('a'), 0);
  const hosts = shared.planHosts(at('10.0.0.1'), 1);
  shared.commitHosts(at('10.0.0.1'), hosts, 1);
  t.equal(shared.memberChanges('a'), 1);
  t.same(shared.planHosts(at('10.0.0.2'), 1), hosts);
  shared.commitHosts(at('10.0.0.2'), hosts, 1);
  t.equal(shared.memberChanges('a'), 2);
});

t.test('more hosts than there is room for: what there is stays', async (t) => {
  const { shared } = state(0);
  const many = source({ a: Array.from({ length: STRIPE_CELLS }, (_, n) => `h${n}`) }).clusters[0]!;
  const { hosts } = shared.plan(source({ a: ['x'] }), 1).clusters['a']!;
  shared.commit(1);
  t.throws(() => shared.planHosts(many, 1), /no room left/);
  t.ok(shared.usage().cells < 20, 'what was taken for the others is free again');
  for (let n = 0; n < 3; n++) shared.sweep();
  t.same(shared.planHosts({ ...many, endpoints: [{ text: 'x' }] }, 1), hosts);
});
