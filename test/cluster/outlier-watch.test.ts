// What workers do about hosts that fail: several houses over one host table are several workers.

import t from 'tap';

import type { Cluster } from '../../src/cluster/cluster.ts';
import type { Host } from '../../src/cluster/host.ts';
import type { OutlierDocument } from '../../src/config/outlier.ts';
import { HOST_LOCAL_BAD, HOST_LOCAL_GOOD, HOST_OUTLIER_BAD, HOST_OUTLIER_GOOD } from '../../src/observe/stat-names.ts';
import { DETECT_5XX, DETECT_GATEWAY_FAILURE } from '../../src/observe/upkeep-stats.ts';
import { CONSECUTIVE_5XX, EJECTION_TIMES, HOST_FAILED_OUTLIER } from '../../src/shared/host-table.ts';
import { uneject } from '../../src/shared/ejections.ts';
import { FakeHouse, SharedBreakers } from '../support/fake-house.ts';
import { outlierConfig, outlierCounts } from '../support/outlier.ts';
import { clusterConfig } from '../support/snapshots.ts';
import { TaggedStream } from '../support/tagged-stream.ts';

/** A cluster as several workers carry it. */
class Crew {
  readonly houses: FakeHouse[];
  readonly clusters: Cluster[];

  constructor(outlier: OutlierDocument | null, { ports = [1, 2, 3], workers = 2 } = {}) {
    const shared = new SharedBreakers();
    this.houses = Array.from({ length: workers }, (_, i) => new FakeHouse({ shared, seed: i + 1 }));
    const config = clusterConfig('app', ports, { outlierDetection: outlier === null ? null : outlierConfig(outlier) });
    this.clusters = this.houses.map((house) => house.addCluster(config));
  }

  get table(): FakeHouse['hostTable'] {
    return this.houses[0]!.hostTable;
  }

  host(index = 0): Host {
    return this.clusters[0]!.hosts[index]!;
  }

  /** The worker has these answers from the host, in this order. */
  answers(worker: number, statuses: readonly number[], host = 0): this {
    const cluster = this.clusters[worker]!;
    for (const status of statuses) cluster.noteAnswer(cluster.hosts[host]!, status);
    return this;
  }

  ejected(host = 0): boolean {
    return (this.table.flags(this.host(host).row) & HOST_FAILED_OUTLIER) !== 0;
  }

  get active(): number {
    return this.table.ejected(this.clusters[0]!.row);
  }

  get counts(): Record<string, number> {
    return outlierCounts(this.clusters[0]!.stats, ...this.houses.map(({ cells }) => cells));
  }

  /** A cell of the host, over all workers. */
  sum(slot: number, host = 0): number {
    return this.houses.reduce((total, { cells }) => total + cells[this.host(host).cells + slot]!, 0);
  }

  /** The hosts that a worker's next picks meet. */
  met(worker: number): string[] {
    const picks = Array.from({ length: 60 }, () => this.clusters[worker]!.pick(new TaggedStream('x'), [])?.text ?? 'none');
    return [...new Set(picks)].map((text) => text.replace('127.0.0.1:', '')).sort();
  }
}

const of = (count: number, status: number): number[] => Array.from({ length: count }, () => status);

t.test('the fifth 5xx in a row ejects, the fourth does not', async (t) => {
  const crew = new Crew({}).answers(0, of(4, 500));
  t.notOk(crew.ejected());
  t.same(crew.counts, {});
  crew.answers(0, [500]);
  t.ok(crew.ejected());
  t.equal(crew.active, 1);
  t.same(crew.counts, { enforced_total: 1, detected_consecutive_5xx: 1, enforced_consecutive_5xx: 1, total: 1, consecutive_5xx: 1 });
  t.equal(crew.table.counted(crew.host().row, EJECTION_TIMES), 1);
  t.equal(crew.table.ejectedAt(crew.host().row), crew.houses[0]!.loop.clock.now);
});

t.test('anything else in between begins the count anew', async (t) => {
  for (const good of [200, 100, 302, 404, 499, 600]) {
    const crew = new Crew({}).answers(0, [...of(4, 500), good, ...of(4, 500)]);
    t.notOk(crew.ejected(), String(good));
    t.ok(crew.answers(0, [599]).ejected());
  }
});

t.test('failures are counted over all workers, and every worker avoids the host at its next pick', async (t) => {
  const crew = new Crew({}, { workers: 3 });
  t.same(crew.met(2), ['1', '2', '3']);
  crew.answers(0, of(2, 500)).answers(1, of(2, 500));
  t.notOk(crew.ejected());
  crew.answers(2, [500]);
  t.equal(crew.active, 1);
  for (const worker of [0, 1, 2]) t.same(crew.met(worker), ['2', '3'], `worker ${worker}`);
  crew.answers(0, of(7, 500)).answers(1, of(7, 500));
  t.equal(crew.counts['enforced_total'], 1, 'what is ejected already is not ejected again');
  t.equal(crew.active, 1);
  uneject(crew.table, crew.clusters[0]!.row, crew.host().row);
  for (const worker of [0, 1, 2]) t.same(crew.met(worker), ['1', '2', '3'], 'and it is back for all');
  t.notOk(crew.answers(1, of(4, 500)).ejected(), 'with a clean slate');
  t.ok(crew.answers(2, [500]).ejected());
  t.equal(crew.table.counted(crew.host().row, EJECTION_TIMES), 2, 'for the second time');
});

t.test('a good answer of one worker clears what another has counted', async (t) => {
  const crew = new Crew({}).answers(0, of(4, 500)).answers(1, [200]).answers(0, of(4, 500));
  t.notOk(crew.ejected());
});

t.test('gateway failures are found by default, and eject nobody', async (t) => {
  const crew = new Crew({ consecutive5xx: 0 }).answers(0, of(5, 503));
  t.notOk(crew.ejected());
  t.same(crew.counts, { detected_consecutive_gateway_failure: 1 });
  crew.answers(0, of(4, 502));
  t.equal(crew.counts['detected_consecutive_gateway_failure'], 1, 'the count has begun anew');
  crew.answers(0, [504]);
  t.equal(crew.counts['detected_consecutive_gateway_failure'], 2);
});

t.test('who names their number has them eject', async (t) => {
  const crew = new Crew({ consecutiveGatewayFailure: 2 }).answers(0, [503, 500, 504, 501, 502]);
  t.ok(crew.ejected(), 'these are five 5xx,');
  t.equal(crew.counts['detected_consecutive_gateway_failure'], undefined, 'but no two gateway failures in a row');
  const two = new Crew({ consecutiveGatewayFailure: 2 }).answers(0, [502]).answers(1, [504]);
  t.ok(two.ejected());
  t.same(two.counts, { enforced_total: 1, detected_consecutive_gateway_failure: 1, enforced_consecutive_gateway_failure: 1 });
});

t.test('what went wrong on the way counts as 503 and 504; limits of our own do not', async (t) => {
  const crew = new Crew({ consecutiveGatewayFailure: 4 });
  const cluster = crew.clusters[0]!;
  for (let i = 0; i < 20; i++) cluster.noteFailure(crew.host(), 'overflow');
  t.equal(crew.sum(HOST_OUTLIER_BAD), 0);
  cluster.noteFailure(crew.host(), 'connectFailure');
  cluster.noteFailure(crew.host(), 'connectTimeout');
  cluster.noteFailure(crew.host(), 'upstreamReset');
  cluster.noteConnected(crew.host());
  t.notOk(crew.ejected());
  cluster.noteTimeout(crew.host());
  t.ok(crew.ejected());
  t.equal(crew.counts['enforced_consecutive_gateway_failure'], 1);
  t.same([HOST_OUTLIER_GOOD, HOST_OUTLIER_BAD, HOST_LOCAL_GOOD, HOST_LOCAL_BAD].map((slot) => crew.sum(slot)), [0, 4, 0, 0]);
});

t.test('split: the way to the host and its answers are counted apart', async (t) => {
  const crew = new Crew({ splitExternalLocalOriginErrors: true, consecutiveLocalOriginFailure: 3 });
  const [cluster, other] = crew.clusters as [Cluster, Cluster];
  const host = crew.host();
  crew.answers(0, of(4, 500));
  cluster.noteFailure(host, 'connectFailure');
  cluster.noteTimeout(host);
  t.notOk(crew.ejected(), 'four of one kind and two of the other');
  other.noteConnected(host);
  cluster.noteFailure(host, 'upstreamClosed');
  cluster.noteFailure(host, 'connectTimeout');
  t.notOk(crew.ejected(), 'a connection that another worker had is one');
  cluster.noteFailure(host, 'remoteReset');
  t.ok(crew.ejected());
  t.same(crew.counts, { enforced_total: 1, detected_consecutive_local_origin_failure: 1, enforced_consecutive_local_origin_failure: 1 });
  t.same([HOST_OUTLIER_GOOD, HOST_OUTLIER_BAD, HOST_LOCAL_GOOD, HOST_LOCAL_BAD].map((slot) => crew.sum(slot)), [0, 4, 1, 5]);
});

t.test('a TCP connection that comes to be is a success of either kind', async (t) => {
  for (const split of [false, true]) {
    const crew = new Crew({ splitExternalLocalOriginErrors: split });
    const cluster = crew.clusters[0]!;
    for (let i = 0; i < 9; i++) {
      if (i === 4) cluster.outlier!.connectedForGood(crew.host());
      else cluster.noteFailure(crew.host(), 'connectFailure');
    }
    t.notOk(crew.ejected());
    cluster.noteFailure(crew.host(), 'connectFailure');
    t.ok(crew.ejected());
  }
});

t.test('at most so many at one time, and what is more is counted', async (t) => {
  const crew = new Crew({ maxEjectionPercent: 30 }, { ports: [1, 2, 3, 4, 5, 6, 7] });
  for (let host = 0; host < 7; host++) crew.answers(host % 2, of(5, 500), host);
  t.same([0, 1, 2, 3, 4, 5, 6].map((host) => crew.ejected(host)), [true, true, false, false, false, false, false], '30 % of seven is two');
  t.same(crew.counts, { enforced_total: 2, overflow: 5, detected_consecutive_5xx: 7, enforced_consecutive_5xx: 2, total: 2, consecutive_5xx: 7 });
  t.same(crew.met(0), ['3', '4', '5', '6', '7']);
  crew.answers(0, of(5, 500), 6);
  t.equal(crew.counts['overflow'], 6, 'every five anew');
});

t.test('one in any case, unless that is not wanted', async (t) => {
  const one = new Crew({});
  for (const host of [0, 1]) one.answers(0, of(5, 500), host);
  t.same([one.ejected(0), one.ejected(1), one.active, one.counts['overflow']], [true, false, 1, 1]);
  const none = new Crew({ alwaysEjectOneHost: false }).answers(0, of(5, 500));
  t.same([none.ejected(0), none.active, none.counts['overflow']], [false, 0, 1]);
  const all = new Crew({ maxEjectionPercent: 100 });
  for (const host of [0, 1, 2]) all.answers(0, of(5, 500), host);
  t.equal(all.active, 3);
});

t.test('enforced by half: about half of those found are ejected', async (t) => {
  const crew = new Crew({ enforcingConsecutive5xxPercent: 50 });
  for (let round = 0; round < 400; round++) {
    crew.answers(round % 2, of(5, 500));
    uneject(crew.table, crew.clusters[0]!.row, crew.host().row);
  }
  t.equal(crew.counts['detected_consecutive_5xx'], 400);
  const enforced = crew.counts['enforced_consecutive_5xx']!;
  t.ok(enforced > 160 && enforced < 240, `${enforced} of 400`);
  t.equal(crew.counts['enforced_total'], enforced);
  t.equal(crew.active, 0);
});

t.test('the times an ejection grows by end where it is as long as it may be', async (t) => {
  const crew = new Crew({ baseEjectionTime: '30s', maxEjectionTime: '100s' });
  const times: number[] = [];
  for (let round = 0; round < 7; round++) {
    crew.answers(0, of(5, 500));
    times.push(crew.table.counted(crew.host().row, EJECTION_TIMES));
    uneject(crew.table, crew.clusters[0]!.row, crew.host().row);
  }
  t.same(times, [1, 2, 3, 4, 5, 5, 5], 'five times 30 s is the first that is 100 s and 30 s or more');
});

t.test('what a configuration takes away is not ejected by those who still use it', async (t) => {
  const crew = new Crew({});
  const [house, cluster] = [crew.houses[0]!, crew.clusters[0]!];
  const gone = crew.host(0);
  const config = clusterConfig('app', [2, 3], { outlierDetection: outlierConfig() });
  house.loop.turn(() => cluster.update(config, house.planCluster(config)));
  for (let i = 0; i < 9; i++) cluster.noteAnswer(gone, 500);
  t.equal(crew.table.flags(gone.row), 0);
  t.equal(crew.active, 0);
  const kept = crew.clusters[1]!.hosts[1]!;
  for (let i = 0; i < 5; i++) cluster.noteAnswer(kept, 500);
  t.equal(crew.active, 1, 'by whatever object a host that stayed is known');
  house.loop.turn(() => cluster.drain());
  for (let i = 0; i < 9; i++) cluster.noteAnswer(cluster.hosts[1]!, 500);
  t.equal(crew.active, 1, 'a cluster that is gone judges nobody');
});

t.test('a lower number that a reload brings holds for what was counted before', async (t) => {
  const crew = new Crew({ consecutive5xx: 10 }).answers(0, of(7, 500));
  const [house, cluster] = [crew.houses[0]!, crew.clusters[0]!];
  const config = clusterConfig('app', [1, 2, 3], { outlierDetection: outlierConfig({ consecutive5xx: 5 }) });
  house.loop.turn(() => cluster.update(config, house.planCluster(config)));
  t.ok(crew.answers(0, [500]).ejected());
});

t.test('without outlier detection nothing is counted', async (t) => {
  const crew = new Crew(null).answers(0, of(20, 500));
  const cluster = crew.clusters[0]!;
  cluster.noteFailure(crew.host(), 'connectFailure');
  cluster.noteTimeout(crew.host());
  cluster.noteConnected(crew.host());
  t.equal(crew.table.counted(crew.host().row, CONSECUTIVE_5XX), 0);
  t.same([HOST_OUTLIER_GOOD, HOST_OUTLIER_BAD, HOST_LOCAL_GOOD, HOST_LOCAL_BAD].map((slot) => crew.sum(slot)), [0, 0, 0, 0]);
});

t.test('the primary is told of what was found where there is a log of it', async (t) => {
  const crew = new Crew({ eventLog: 'log', maxEjectionPercent: 10 });
  crew.answers(0, of(5, 503)).answers(0, of(5, 500), 1);
  const { row } = crew.host();
  t.same(crew.houses[0]!.outlierFindings, [
    { cluster: 'app', host: row, detector: DETECT_GATEWAY_FAILURE, enforced: false },
    { cluster: 'app', host: row, detector: DETECT_5XX, enforced: true },
  ], 'but not of what there was no room for');
  t.same(new Crew({}).answers(0, of(5, 503)).houses[0]!.outlierFindings, []);
});
