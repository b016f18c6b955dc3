// What the primary does about failing hosts, with workers played by hand and time that stands still: who comes back when,
// whose rates are bad, what the log says, and that the count of the ejected stays true.

import t from 'tap';

import { Ejector } from '../../src/cluster/ejector.ts';
import type { OutlierDocument } from '../../src/config/outlier.ts';
import type { ClusterConfig } from '../../src/config/cluster-snapshot.ts';
import { type Carried, OutlierDetection } from '../../src/control/outlier/outlier-detection.ts';
import { Random } from '../../src/core/random.ts';
import { HOST_LOCAL_BAD, HOST_LOCAL_GOOD, HOST_OUTLIER_BAD, HOST_OUTLIER_GOOD } from '../../src/observe/stat-names.ts';
import { CLUSTER_CELLS, DETECT_5XX } from '../../src/observe/upkeep-stats.ts';
import { isEjected } from '../../src/shared/ejections.ts';
import { CONSECUTIVE_5XX, CONSECUTIVE_GATEWAY, EJECTION_TIMES, HOST_FAILED_OUTLIER, HOST_ROW, HostTable } from '../../src/shared/host-table.ts';
import type { ClusterPlan } from '../../src/shared/plan.ts';
import { HandTimers } from '../support/hand-timers.ts';
import { outlierConfig, outlierCounts } from '../support/outlier.ts';
import { clusterConfig } from '../support/snapshots.ts';

const CLUSTER_ROW = 0;
const HOST_CELLS = 16;

class Bench {
  readonly timers = new HandTimers();
  readonly table = new HostTable(new SharedArrayBuffer(64 * HOST_ROW * 4));
  readonly own = new Float64Array(4096);
  /** Of two workers. */
  readonly cells = [new Float64Array(4096), new Float64Array(4096)] as const;
  readonly lines: Record<string, unknown>[] = [];
  readonly detection: OutlierDetection;
  private readonly random = new Random([1, 2, 3, 4]);
  private config!: ClusterConfig;
  private carried: Carried | null = null;

  constructor(outlier: OutlierDocument | null = {}, hosts = 5) {
    this.detection = new OutlierDetection({
      hostTable: this.table,
      cells: this.own,
      cell: (index) => this.own[index]! + this.cells[0][index]! + this.cells[1][index]!,
      random: this.random,
      time: this.timers,
      timers: this.timers,
      published: () => this.carried,
      log: (path, line) => void this.lines.push({ path, ...(JSON.parse(line) as object) }),
    });
    // Nobody may take time 0 for "never".
    this.timers.advance(1000);
    this.follow(outlier, hosts);
  }

  follow(outlier: OutlierDocument | null, hosts: number | readonly number[]): void {
    this.carry(outlier, hosts);
    this.detection.follow(this.carried!);
  }

  /** The workers carry other endpoints, and nobody says so. */
  carry(outlier: OutlierDocument | null, hosts: number | readonly number[]): void {
    const ports = typeof hosts === 'number' ? Array.from({ length: hosts }, (_, i) => i) : hosts;
    this.config = clusterConfig('app', ports, { outlierDetection: outlier === null ? null : outlierConfig(outlier) });
    const plan: ClusterPlan = { stats: 0, ssl: 0, grpc: {}, histograms: 0, breakers: 0, row: CLUSTER_ROW, hosts: ports.map((port) => ({ row: this.row(port), cells: this.hostCells(port), breakers: -1 })) };
    this.carried = { snapshot: { clusters: [this.config] }, plan: { clusters: { app: plan } } };
  }

  row(host: number): number {
    return 1 + host;
  }

  private hostCells(host: number): number {
    return CLUSTER_CELLS + host * HOST_CELLS;
  }

  /** A worker ejects the host. */
  eject(host = 0): string {
    const tools = { hostTable: this.table, cells: this.cells[0], random: this.random };
    const ejector = new Ejector(tools, { stats: 0, row: CLUSTER_ROW }, this.config.outlierDetection!);
    return ejector.found(this.row(host), DETECT_5XX, this.config.endpoints.length, this.timers.monotonicMs());
  }

  out(host = 0): boolean {
    return isEjected(this.table, this.row(host));
  }

  get active(): number {
    return this.table.ejected(CLUSTER_ROW);
  }

  times(host = 0): number {
    return this.table.counted(this.row(host), EJECTION_TIMES);
  }

  get counts(): Record<string, number> {
    return outlierCounts(0, this.own, ...this.cells);
  }

  /** Answers of a host, divided between the workers. */
  answered(host: number, good: number, bad: number, local = false): void {
    const at = this.hostCells(host);
    const slots = local ? [HOST_LOCAL_GOOD, HOST_LOCAL_BAD] : [HOST_OUTLIER_GOOD, HOST_OUTLIER_BAD];
    for (let i = 0; i < good; i++) this.cells[i % 2]![at + slots[0]!]!++;
    for (let i = 0; i < bad; i++) this.cells[(i + 1) % 2]![at + slots[1]!]!++;
  }

  rate(host: number, local = false): number {
    return this.detection.rateOf('app', this.row(host), local);
  }

  /** Seconds until the host is back. */
  async untilBack(host = 0, patience = 1000): Promise<number> {
    const since = this.timers.monotonicMs();
    while (this.out(host)) {
      if (this.timers.monotonicMs() - since > patience * 1000) return Infinity;
      this.timers.advance(1000);
    }
    return (this.timers.monotonicMs() - since) / 1000;
  }
}

const SECOND = { interval: '1s' } as const;

t.test('a host is back after its time, and the second time takes twice as long', async (t) => {
  const bench = new Bench(SECOND);
  const waits: number[] = [];
  for (let round = 0; round < 4; round++) {
    t.equal(bench.eject(), 'ejected');
    t.equal(bench.active, 1);
    waits.push(await bench.untilBack());
    t.equal(bench.active, 0);
  }
  t.same(waits, [30, 60, 90, 120]);
  t.equal(bench.counts['enforced_total'], 4);
});

t.test('but not longer than the longest', async (t) => {
  const bench = new Bench({ ...SECOND, baseEjectionTime: '30s', maxEjectionTime: '70s' });
  const waits: number[] = [];
  for (let round = 0; round < 5; round++) {
    bench.eject();
    waits.push(await bench.untilBack());
  }
  t.same(waits, [30, 60, 70, 70, 70]);
});

t.test('it is looked at only at the interval', async (t) => {
  const bench = new Bench({ interval: '10s' });
  bench.timers.advance(5000);
  bench.eject();
  bench.timers.advance(34_999);
  t.ok(bench.out(), '30 s are over, the next look is not');
  bench.timers.advance(1);
  t.notOk(bench.out());
});

t.test('quiet intervals forgive one time each, from one interval after the return on', async (t) => {
  const bench = new Bench(SECOND);
  for (let round = 0; round < 3; round++) {
    bench.eject();
    await bench.untilBack();
  }
  t.equal(bench.times(), 3);
  bench.timers.advance(1000);
  t.equal(bench.times(), 2);
  bench.timers.advance(1000);
  t.equal(bench.times(), 1);
  bench.eject();
  t.equal(bench.times(), 2, 'an ejection grows from where it is');
  bench.timers.advance(5000);
  t.equal(bench.times(), 2, 'while it lasts nothing is forgiven');
  t.equal(await bench.untilBack(), 55);
  bench.timers.advance(9000);
  t.equal(bench.times(), 0, 'never below none');
});

t.test('jitter makes it longer, never shorter, and is drawn once for each ejection', async (t) => {
  const bench = new Bench({ ...SECOND, maxEjectionTimeJitter: '20s', maxEjectionPercent: 100 }, 40);
  for (let host = 0; host < 40; host++) bench.eject(host);
  bench.timers.advance(29_000);
  t.equal(bench.active, 40);
  const back = new Map<number, number>();
  for (let second = 30; second <= 51; second++) {
    bench.timers.advance(1000);
    for (let host = 0; host < 40; host++) if (!bench.out(host) && !back.has(host)) back.set(host, second);
  }
  t.equal(bench.active, 0);
  t.ok(new Set(back.values()).size > 8, `at ${new Set(back.values()).size} different seconds`);
  t.ok(Math.max(...back.values()) <= 50);
});

t.test('a host that is back has a clean slate', async (t) => {
  const bench = new Bench(SECOND);
  bench.eject();
  for (let i = 0; i < 4; i++) bench.table.count(bench.row(0), CONSECUTIVE_5XX);
  bench.table.count(bench.row(0), CONSECUTIVE_GATEWAY);
  const epoch = bench.table.epoch(CLUSTER_ROW);
  await bench.untilBack();
  t.same([CONSECUTIVE_5XX, CONSECUTIVE_GATEWAY].map((what) => bench.table.counted(bench.row(0), what as 1 | 2)), [0, 0]);
  t.equal(bench.table.epoch(CLUSTER_ROW), epoch + 1, 'and the workers see it');
});

t.test('ten hosts, one at 50 %: ejected for its success rate after one sweep', async (t) => {
  const bench = new Bench({ interval: '10s' }, 10);
  for (let host = 0; host < 10; host++) bench.answered(host, host === 3 ? 50 : 100, host === 3 ? 50 : 0);
  bench.timers.advance(9999);
  t.equal(bench.active, 0);
  bench.timers.advance(1);
  t.same(Array.from({ length: 10 }, (_, host) => bench.out(host)), Array.from({ length: 10 }, (_, host) => host === 3));
  t.same(bench.counts, { enforced_total: 1, detected_success_rate: 1, enforced_success_rate: 1, total: 1, success_rate: 1 });
  t.same([bench.rate(0), bench.rate(3)], [100, 50]);
  t.same(bench.detection.figuresOf('app')?.external, { average: 95, threshold: 95 - 1.9 * 15 });
  bench.timers.advance(10_000);
  t.same([bench.rate(0), bench.rate(3)], [-1, -1], 'an interval without requests says nothing');
  t.equal(bench.detection.figuresOf('app')?.external.average, -1);
});

t.test('success rate: too few hosts, too few requests, not far enough from the mean', async (t) => {
  const few = new Bench(SECOND, 4);
  for (let host = 0; host < 4; host++) few.answered(host, host === 0 ? 0 : 200, host === 0 ? 200 : 0);
  few.timers.advance(1000);
  t.equal(few.active, 0, 'four hosts');
  t.equal(few.rate(0), -1);
  const small = new Bench(SECOND, 10);
  for (let host = 0; host < 10; host++) small.answered(host, host === 0 ? 50 : 99, host === 0 ? 49 : 0);
  small.timers.advance(1000);
  t.equal(small.active, 0, '99 requests each');
  t.equal(small.rate(1), 100, 'which are enough to be shown');
  const enough = new Bench(SECOND, 10);
  for (let host = 0; host < 10; host++) enough.answered(host, host === 0 ? 50 : 99, host < 5 ? 51 : 1);
  enough.timers.advance(1000);
  t.equal(enough.active, 0, 'a wide field has no outliers');
  const lax = new Bench({ ...SECOND, successRate: { stdevFactor: 3 } }, 10);
  for (let host = 0; host < 10; host++) lax.answered(host, host === 0 ? 50 : 100, host === 0 ? 50 : 0);
  lax.timers.advance(1000);
  t.equal(lax.active, 0, 'with ten hosts nobody is further than three deviations off');
});

t.test('only what came since the last sweep is judged', async (t) => {
  const bench = new Bench(SECOND, 10);
  bench.answered(0, 0, 400);
  bench.timers.advance(1000);
  t.equal(bench.active, 0, 'alone it is no outlier');
  for (let host = 0; host < 10; host++) bench.answered(host, 100, 0);
  bench.timers.advance(1000);
  t.equal(bench.active, 0, 'what it did before is not held against it');
  t.equal(bench.rate(0), 100);
});

t.test('failure percentage: found by default, ejected where it is enforced', async (t) => {
  for (const [enforcingPercent, expected] of [[0, 0], [100, 1]] as const) {
    const bench = new Bench({ ...SECOND, failurePercentage: { enforcingPercent }, successRate: { enforcingPercent: 0 } }, 5);
    for (let host = 0; host < 5; host++) bench.answered(host, host === 2 ? 15 : 16, host === 2 ? 85 : 84);
    bench.timers.advance(1000);
    t.equal(bench.active, expected);
    t.equal(bench.out(2), expected === 1, '85 % and more');
    t.equal(bench.counts['detected_failure_percentage'], 1);
    t.equal(bench.counts['enforced_failure_percentage'], enforcingPercent === 0 ? undefined : 1);
  }
  const few = new Bench({ ...SECOND, failurePercentage: { enforcingPercent: 100 } }, 5);
  for (let host = 0; host < 5; host++) few.answered(host, 0, host === 0 ? 49 : 50);
  few.timers.advance(1000);
  t.equal(few.counts['detected_failure_percentage'], undefined, 'four hosts with 50 requests');
});

t.test('local origin is judged by itself', async (t) => {
  const bench = new Bench({ ...SECOND, splitExternalLocalOriginErrors: true, failurePercentage: { enforcingLocalOriginPercent: 100 }, maxEjectionPercent: 50 }, 10);
  for (let host = 0; host < 10; host++) {
    bench.answered(host, 200, 0);
    bench.answered(host, host === 4 ? 100 : 200, host === 4 ? 100 : 0, true);
  }
  bench.timers.advance(1000);
  t.ok(bench.out(4));
  t.same(bench.counts, { enforced_total: 1, detected_local_origin_success_rate: 1, enforced_local_origin_success_rate: 1, success_rate: 1 });
  t.same([bench.rate(4), bench.rate(4, true)], [100, 50]);
  for (let host = 0; host < 10; host++) bench.answered(host, 10, host === 4 ? 0 : 90, true);
  bench.timers.advance(1000);
  t.equal(bench.counts['detected_local_origin_failure_percentage'], 9);
  t.equal(bench.counts['enforced_local_origin_failure_percentage'], 4);
  t.equal(bench.counts['overflow'], 5);
  t.equal(bench.active, 5);
});

t.test('one that both detectors find is ejected once', async (t) => {
  const bench = new Bench({ ...SECOND, failurePercentage: { enforcingPercent: 100 }, maxEjectionPercent: 100 }, 10);
  for (let host = 0; host < 10; host++) bench.answered(host, host === 0 ? 0 : 100, host === 0 ? 100 : 0);
  bench.timers.advance(1000);
  t.equal(bench.active, 1);
  t.same([bench.counts['detected_failure_percentage'], bench.counts['detected_success_rate'], bench.counts['enforced_total']], [1, 1, 1]);
});

t.test('an ejected host is not judged, and does not shift the mean of the others', async (t) => {
  const bench = new Bench(SECOND, 11);
  bench.eject(10);
  for (let host = 0; host < 11; host++) bench.answered(host, host === 10 ? 0 : 100, host === 10 ? 100 : 0);
  bench.timers.advance(1000);
  t.equal(bench.detection.figuresOf('app')?.external.average, 100);
  t.equal(bench.rate(10), -1);
});

t.test('a health check that succeeds lets a host back at once, unless that is not wanted', async (t) => {
  const bench = new Bench(SECOND);
  bench.eject();
  bench.detection.checkPassed(CLUSTER_ROW, bench.row(0));
  t.notOk(bench.out());
  t.equal(bench.active, 0);
  bench.detection.checkPassed(CLUSTER_ROW, bench.row(0));
  t.equal(bench.active, 0, 'only once');
  bench.timers.advance(1000);
  t.equal(bench.times(), 0, 'and its time is forgiven as after any return');
  bench.detection.checkPassed(CLUSTER_ROW + 50, bench.row(0));
  const strict = new Bench({ ...SECOND, successfulActiveHealthCheckUnejectHost: false });
  strict.eject();
  strict.detection.checkPassed(CLUSTER_ROW, strict.row(0));
  t.ok(strict.out());
});

t.test('reload: hosts that stay are what they were, those that go give their room back', async (t) => {
  const bench = new Bench({ ...SECOND, maxEjectionPercent: 50 }, 4);
  bench.eject(0);
  bench.eject(1);
  bench.timers.advance(20_000);
  bench.follow({ ...SECOND, maxEjectionPercent: 50 }, [1, 2, 3, 4]);
  t.same([bench.out(0), bench.out(1), bench.active], [false, true, 1]);
  bench.timers.advance(9000);
  t.ok(bench.out(1));
  bench.timers.advance(1000);
  t.notOk(bench.out(1), '30 s after it was ejected');
  bench.eject(2);
  bench.follow({ interval: '5s', baseEjectionTime: '2s' }, [1, 2, 3, 4]);
  bench.timers.advance(4999);
  t.ok(bench.out(2));
  bench.timers.advance(1);
  t.notOk(bench.out(2), 'by the new times, at the new interval');
  bench.eject(3);
  bench.follow(null, [1, 2, 3, 4]);
  t.same([bench.out(3), bench.active], [false, 0], 'without outlier detection nobody is ejected');
  t.equal(bench.detection.figuresOf('app'), null);
  bench.table.raise(CLUSTER_ROW, bench.row(3), HOST_FAILED_OUTLIER);
  bench.timers.advance(60_000);
  t.ok(bench.out(3), 'and nobody looks any more');
});

t.test('endpoints that change between configurations are noticed at the next look', async (t) => {
  const bench = new Bench({ ...SECOND, maxEjectionPercent: 50 }, 2);
  bench.eject(0);
  bench.carry({ ...SECOND, maxEjectionPercent: 50 }, [1, 2, 3]);
  bench.answered(2, 3, 0);
  bench.timers.advance(1000);
  t.same([bench.out(0), bench.active], [false, 0], 'who has gone is ejected no more');
  t.equal(bench.eject(3), 'ejected');
  t.equal(await bench.untilBack(3), 30);
  bench.carry({ ...SECOND, eventLog: 'log' }, [4, 5]);
  bench.eject(5);
  bench.detection.noteFinding({ cluster: 'app', host: bench.row(5), detector: DETECT_5XX, enforced: true });
  t.match(bench.lines, [{ upstream_url: '127.0.0.1:5', num_ejections: 1 }]);
});

t.test('a cluster that goes leaves nothing behind', async (t) => {
  const bench = new Bench(SECOND);
  bench.eject();
  bench.detection.follow({ snapshot: { clusters: [] }, plan: { clusters: {} } });
  t.same([bench.out(), bench.active], [false, 0]);
  bench.timers.advance(60_000);
  t.same([bench.out(), bench.active], [false, 0]);
});

t.test('room that a dead worker has taken and not used comes back', async (t) => {
  const bench = new Bench(SECOND, 20);
  bench.eject(5);
  bench.table.tryEject(CLUSTER_ROW, 2); // and no flag follows
  t.equal(bench.eject(6), 'full');
  bench.timers.advance(1000);
  t.equal(bench.active, 2, 'it might still follow');
  bench.timers.advance(1000);
  t.equal(bench.active, 1);
  t.equal(bench.eject(6), 'ejected');
  t.equal(bench.active, 2);
  bench.timers.advance(5000);
  t.equal(bench.active, 2);
  bench.table.returned(CLUSTER_ROW); // the other way round
  bench.timers.advance(2000);
  t.equal(bench.active, 2);
});

t.test('the log, as Envoy writes it', async (t) => {
  const log = '/etc/nuncio/events.log';
  const bench = new Bench({ ...SECOND, eventLog: log, failurePercentage: { enforcingPercent: 100 } }, 10);
  const common = { path: log, cluster_name: 'app', upstream_url: '127.0.0.1:0' };
  bench.eject();
  bench.detection.noteFinding({ cluster: 'app', host: bench.row(0), detector: DETECT_5XX, enforced: true });
  const at = new Date(bench.timers.wallMs()).toISOString();
  t.same(bench.lines, [{ ...common, type: 'CONSECUTIVE_5XX', timestamp: at, action: 'EJECT', num_ejections: 1, enforced: true, eject_consecutive_event: {} }]);
  t.same(Object.keys(bench.lines[0]!), ['path', 'type', 'timestamp', 'cluster_name', 'upstream_url', 'action', 'num_ejections', 'enforced', 'eject_consecutive_event']);
  bench.timers.advance(30_000);
  t.match(bench.lines[1], { ...common, type: 'CONSECUTIVE_5XX', secs_since_last_action: '30', action: 'UNEJECT', num_ejections: 1, enforced: false });
  bench.timers.advance(2000);
  bench.detection.noteFinding({ cluster: 'app', host: bench.row(0), detector: 1, enforced: false });
  t.match(bench.lines[2], { type: 'CONSECUTIVE_GATEWAY_FAILURE', secs_since_last_action: '2', action: 'EJECT', num_ejections: 1, enforced: false });
  for (let host = 0; host < 10; host++) bench.answered(host, host === 0 ? 10 : 100, host === 0 ? 90 : 0);
  bench.timers.advance(1000);
  t.match(bench.lines[3], { type: 'SUCCESS_RATE', num_ejections: 2, enforced: true, eject_success_rate_event: { host_success_rate: 10, cluster_average_success_rate: 91, cluster_success_rate_ejection_threshold: 39 } });
  t.equal(bench.lines.length, 4, 'that it fails too often as well makes no second line');
  bench.follow({ ...SECOND, eventLog: log, failurePercentage: { enforcingPercent: 0 }, successRate: { enforcingPercent: 0 } }, 10);
  for (let host = 1; host < 10; host++) bench.answered(host, host === 1 ? 10 : 100, host === 1 ? 90 : 0);
  bench.follow({ ...SECOND, eventLog: log, maxEjectionPercent: 50, failurePercentage: { enforcingPercent: 0 }, successRate: { enforcingPercent: 0 } }, 10);
  bench.timers.advance(1000);
  t.match(bench.lines.slice(4), [
    { type: 'SUCCESS_RATE', enforced: false, num_ejections: 0 },
    { type: 'FAILURE_PERCENTAGE', enforced: false, eject_failure_percentage_event: { host_success_rate: 10 } },
  ]);
  bench.detection.noteFinding({ cluster: 'gone', host: bench.row(0), detector: 0, enforced: false });
  bench.detection.noteFinding({ cluster: 'app', host: 60, detector: 0, enforced: false });
  t.equal(bench.lines.length, 6, 'of what is configured no more nothing is said');
  bench.eject(5);
  bench.detection.close();
  bench.timers.advance(100_000);
  t.ok(bench.out(5), 'at the end of the process nobody looks any more');
});
