// Outlier detection of one cluster, as far as it looks at all workers together: who may come back, whose rates are bad,
// whose ejections become shorter again. Primary thread; owned by OutlierDetection. Failures in a row are the workers'
// business (`cluster/outlier-watch.ts`); the two meet in the host table.
//
//   sweep: let back ─► rates of the interval ─► eject ─► shorten ─► make the count of the ejected true
// A host that a worker has ejected is met here at the next sweep, or when the worker tells for the log.

import { Ejector, type EjectorTools } from '../../cluster/ejector.ts';
import type { OutlierFinding } from '../../cluster/outlier-watch.ts';
import type { ClusterConfig } from '../../config/cluster-snapshot.ts';
import type { OutlierConfig } from '../../config/outlier.ts';
import type { TimeSource } from '../../core/clock.ts';
import { HOST_LOCAL_BAD, HOST_LOCAL_GOOD, HOST_OUTLIER_BAD, HOST_OUTLIER_GOOD } from '../../observe/stat-names.ts';
import { DETECT_FAILURE_PERCENTAGE, DETECT_LOCAL_FAILURE_PERCENTAGE, DETECT_LOCAL_SUCCESS_RATE, DETECT_SUCCESS_RATE } from '../../observe/upkeep-stats.ts';
import { isEjected, uneject } from '../../shared/ejections.ts';
import { EJECTION_TIMES } from '../../shared/host-table.ts';
import type { ClusterPlan } from '../../shared/plan.ts';
import { type EjectEvidence, ejectLine, type EventSubject, unejectLine } from './event-line.ts';
import { failureOutliers, type HostRate, NO_FIGURES, type RateFigures, successRateFigures, successRateOutliers } from './rates.ts';

export interface DetectorTools extends EjectorTools {
  readonly time: TimeSource;
  /** Sum of a cell over all workers. */
  cell(index: number): number;
  log(path: string, line: string): void;
}

/** Answers, or what happened on the way to a host: where they are counted, and who judges them. */
interface Origin {
  readonly good: number;
  readonly bad: number;
  readonly bySuccessRate: number;
  readonly byFailures: number;
}

export const EXTERNAL = 0;
export const LOCAL = 1;
export type OriginIndex = 0 | 1;

const ORIGINS: readonly [Origin, Origin] = [
  { good: HOST_OUTLIER_GOOD, bad: HOST_OUTLIER_BAD, bySuccessRate: DETECT_SUCCESS_RATE, byFailures: DETECT_FAILURE_PERCENTAGE },
  { good: HOST_LOCAL_GOOD, bad: HOST_LOCAL_BAD, bySuccessRate: DETECT_LOCAL_SUCCESS_RATE, byFailures: DETECT_LOCAL_FAILURE_PERCENTAGE },
];

interface Tally {
  good: number;
  bad: number;
  /** Of the last interval, in percent; -1: too few requests. */
  rate: number;
}

interface Watched {
  readonly row: number;
  readonly cells: number;
  readonly text: string;
  readonly tallies: readonly [Tally, Tally];
  /** As last seen here. */
  out: boolean;
  ejectedAt: number;
  jitterMs: number;
  ejections: number;
  /** Monotonic ms; null: it was never ejected. */
  returnedAt: number | null;
}

export class ClusterDetector {
  readonly row: number;
  private readonly tools: DetectorTools;
  private readonly name: string;
  private config: OutlierConfig;
  private ejector: Ejector;
  /** By row. */
  private hosts = new Map<number, Watched>();
  private readonly figures: [RateFigures, RateFigures] = [NO_FIGURES, NO_FIGURES];
  /** By how much the count of the ejected was too high at the last sweep, and the cluster's epoch then. */
  private surplus = 0;
  private surplusEpoch = 0;

  constructor(tools: DetectorTools, cluster: ClusterConfig, places: ClusterPlan) {
    this.tools = tools;
    this.name = cluster.name;
    this.row = places.row;
    this.config = cluster.outlierDetection!;
    this.ejector = new Ejector(tools, places, this.config);
    this.update(cluster, places);
  }

  /** A configuration is in effect on all workers. Hosts that stayed keep what they are; one that has gone is ejected no more. */
  update(cluster: ClusterConfig, places: ClusterPlan): void {
    const before = this.hosts;
    this.config = cluster.outlierDetection!;
    this.ejector = new Ejector(this.tools, places, this.config);
    this.hosts = new Map();
    places.hosts.forEach(({ row, cells }, i) => {
      this.hosts.set(row, before.get(row) ?? this.watch(row, cells, cluster.endpoints[i]!.text));
      before.delete(row);
    });
    for (const row of before.keys()) uneject(this.tools.hostTable, this.row, row);
  }

  /** The cluster has outlier detection no more. */
  close(): void {
    for (const row of this.hosts.keys()) uneject(this.tools.hostTable, this.row, row);
  }

  /** Once in every interval. */
  sweep(): void {
    const now = this.tools.time.monotonicMs();
    for (const host of this.hosts.values()) {
      this.meet(host, now);
      if (this.isDue(host, now)) this.letBack(host, now);
    }
    this.judge(EXTERNAL, now);
    this.judge(LOCAL, now);
    for (const host of this.hosts.values()) this.shorten(host, now);
    this.settle();
  }

  /** An active health check of this host has succeeded, and nothing else of it has failed. */
  checkPassed(row: number): void {
    const host = this.hosts.get(row);
    if (host === undefined || !this.config.successfulActiveHealthCheckUnejectHost) return;
    const now = this.tools.time.monotonicMs();
    this.meet(host, now);
    this.letBack(host, now);
  }

  /** A worker has found a host out. */
  noteFinding({ host: row, detector, enforced }: OutlierFinding): void {
    const host = this.hosts.get(row);
    if (host === undefined) return;
    this.meet(host, this.tools.time.monotonicMs());
    this.logEjection(host, { detector, enforced });
  }

  /** Percent; -1: too few requests in the last interval. */
  rateOf(row: number, origin: OriginIndex): number {
    return this.hosts.get(row)?.tallies[origin].rate ?? -1;
  }

  figuresOf(origin: OriginIndex): RateFigures {
    return this.figures[origin];
  }

  // ---- ejected hosts ----

  private watch(row: number, cells: number, text: string): Watched {
    const tally = ({ good, bad }: Origin): Tally => ({ good: this.tools.cell(cells + good), bad: this.tools.cell(cells + bad), rate: -1 });
    return { row, cells, text, tallies: [tally(ORIGINS[EXTERNAL]), tally(ORIGINS[LOCAL])], out: false, ejectedAt: 0, jitterMs: 0, ejections: 0, returnedAt: null };
  }

  /** Takes notice of what others have done with the host. */
  private meet(host: Watched, now: number): void {
    const { hostTable, random } = this.tools;
    const out = isEjected(hostTable, host.row);
    const ejectedAt = hostTable.ejectedAt(host.row);
    if (out && (!host.out || ejectedAt !== host.ejectedAt)) {
      host.ejectedAt = ejectedAt;
      host.ejections++;
      host.jitterMs = random.below(this.config.maxEjectionTimeJitterMs + 1);
    } else if (!out && host.out) {
      host.returnedAt = now;
    }
    host.out = out;
  }

  private isDue(host: Watched, now: number): boolean {
    const { baseEjectionTimeMs, maxEjectionTimeMs } = this.config;
    // Who ejects counts last: until then it is the first time.
    const times = Math.max(1, this.tools.hostTable.counted(host.row, EJECTION_TIMES));
    return host.out && Math.min(baseEjectionTimeMs * times, maxEjectionTimeMs) + host.jitterMs <= now - host.ejectedAt;
  }

  private letBack(host: Watched, now: number): void {
    if (!uneject(this.tools.hostTable, this.row, host.row)) return;
    host.out = false;
    host.returnedAt = now;
    if (this.config.eventLog !== '') this.tools.log(this.config.eventLog, unejectLine(this.subject(host, now - host.ejectedAt)));
  }

  /** An interval after its return, and in every one from then on, a host that was not ejected again is forgiven once. */
  private shorten(host: Watched, now: number): void {
    const { hostTable } = this.tools;
    if (host.returnedAt === null || now - host.returnedAt < this.config.intervalMs || isEjected(hostTable, host.row)) return;
    if (hostTable.counted(host.row, EJECTION_TIMES) > 0) hostTable.uncount(host.row, EJECTION_TIMES);
  }

  /**
   * A worker that died between taking room and raising the flag has left the count too high. An ejection under way looks
   * the same, but not for a whole interval. And if it did, the count becomes too low, and is put right at the next sweep.
   */
  private settle(): void {
    const { hostTable } = this.tools;
    let ejected = 0;
    for (const row of this.hosts.keys()) if (isEjected(hostTable, row)) ejected++;
    const surplus = hostTable.ejected(this.row) - ejected;
    const epoch = hostTable.epoch(this.row);
    const lasts = surplus === this.surplus && epoch === this.surplusEpoch;
    for (let i = 0; lasts && i < surplus; i++) hostTable.returned(this.row);
    for (let i = 0; lasts && i > surplus; i--) hostTable.tryEject(this.row, Infinity);
    this.surplus = lasts ? 0 : surplus;
    this.surplusEpoch = epoch;
  }

  // ---- rates ----

  private judge(origin: OriginIndex, now: number): void {
    const { successRate, failurePercentage } = this.config;
    const { bySuccessRate, byFailures } = ORIGINS[origin];
    const rates = this.takeRates(origin);
    this.figures[origin] = NO_FIGURES;
    if (this.hosts.size < successRate.minimumHosts && this.hosts.size < failurePercentage.minimumHosts) return;
    const least = Math.min(successRate.requestVolume, failurePercentage.requestVolume);
    for (const { host, rate, volume } of rates) if (volume >= least) this.hosts.get(host)!.tallies[origin].rate = rate;
    const figures = (this.figures[origin] = successRateFigures(rates, successRate));
    for (const { host, rate } of successRateOutliers(rates, figures, successRate)) this.convict(host, { detector: bySuccessRate, rate, figures }, now);
    for (const { host, rate } of failureOutliers(rates, failurePercentage)) this.convict(host, { detector: byFailures, rate }, now);
  }

  /** What has come since the last sweep, of hosts that could be ejected and had requests. */
  private takeRates(origin: OriginIndex): HostRate[] {
    const { good, bad } = ORIGINS[origin];
    const rates: HostRate[] = [];
    for (const host of this.hosts.values()) {
      const tally = host.tallies[origin];
      const goodNow = this.tools.cell(host.cells + good);
      const badNow = this.tools.cell(host.cells + bad);
      const succeeded = goodNow - tally.good;
      const volume = succeeded + badNow - tally.bad;
      tally.good = goodNow;
      tally.bad = badNow;
      tally.rate = -1;
      if (volume > 0 && !isEjected(this.tools.hostTable, host.row)) rates.push({ host: host.row, rate: (succeeded * 100) / volume, volume });
    }
    return rates;
  }

  private convict(row: number, evidence: Omit<EjectEvidence, 'enforced'>, now: number): void {
    const host = this.hosts.get(row)!;
    const verdict = this.ejector.found(row, evidence.detector, this.hosts.size, now);
    this.meet(host, now);
    if (verdict === 'ejected' || verdict === 'spared') this.logEjection(host, { ...evidence, enforced: verdict === 'ejected' });
  }

  // ---- the log ----

  private logEjection(host: Watched, evidence: EjectEvidence): void {
    if (this.config.eventLog === '') return;
    const sinceMs = host.returnedAt === null ? null : this.tools.time.monotonicMs() - host.returnedAt;
    this.tools.log(this.config.eventLog, ejectLine(this.subject(host, sinceMs), evidence));
  }

  private subject({ text, ejections }: Watched, sinceMs: number | null): EventSubject {
    return { cluster: this.name, url: text, ejections, wallMs: this.tools.time.wallMs(), sinceMs };
  }
}
