// Outlier detection of all clusters that have it: follows the configuration, and turns the sweep of each in its interval.
// Primary thread; owned by the Primary.

import type { OutlierFinding } from '../../cluster/outlier-watch.ts';
import type { ClusterConfig } from '../../config/cluster-snapshot.ts';
import type { Snapshot } from '../../config/snapshot.ts';
import type { CancelTimer, Timers } from '../../core/host-timer.ts';
import type { ClusterPlan, Plan } from '../../shared/plan.ts';
import { ClusterDetector, type DetectorTools, EXTERNAL, LOCAL } from './cluster-detector.ts';
import type { RateFigures } from './rates.ts';

export interface OutlierTools extends DetectorTools {
  readonly timers: Timers;
  /** What the workers carry now: endpoints that are found by name change without a new configuration. */
  published(): Carried | null;
}

export interface Carried {
  readonly snapshot: Pick<Snapshot, 'clusters'>;
  readonly plan: Pick<Plan, 'clusters'>;
}

/** What the pages show of a cluster. */
export interface OutlierFigures {
  readonly external: RateFigures;
  readonly local: RateFigures;
}

interface Running {
  readonly detector: ClusterDetector;
  places: ClusterPlan;
  readonly intervalMs: number;
  readonly cancel: CancelTimer;
}

export class OutlierDetection {
  private readonly tools: OutlierTools;
  private readonly clusters = new Map<string, Running>();

  constructor(tools: OutlierTools) {
    this.tools = tools;
  }

  /** A configuration is in effect on all workers. */
  follow({ snapshot, plan }: Carried): void {
    const watched = snapshot.clusters.filter(({ outlierDetection }) => outlierDetection !== null);
    const names = new Set(watched.map(({ name }) => name));
    for (const name of [...this.clusters.keys()]) if (!names.has(name)) this.drop(name);
    for (const cluster of watched) this.take(cluster, plan);
  }

  /** A worker has found a host out, and it is to be logged. */
  noteFinding(finding: OutlierFinding): void {
    this.keepUp(finding.cluster);
    this.clusters.get(finding.cluster)?.detector.noteFinding(finding);
  }

  /**
   * An active health check of a host has succeeded, and none of its others fails: an ejected host is back, unless the
   * cluster wants it otherwise. @param cluster @param host rows in the host table
   */
  checkPassed(cluster: number, host: number): void {
    for (const [name, { detector }] of this.clusters) {
      if (detector.row !== cluster) continue;
      this.keepUp(name);
      detector.checkPassed(host);
    }
  }

  /** Percent of a host's requests in the last interval; -1: too few, or nobody looks. @param host its row in the host table */
  rateOf(cluster: string, host: number, local: boolean): number {
    return this.clusters.get(cluster)?.detector.rateOf(host, local ? LOCAL : EXTERNAL) ?? -1;
  }

  /** null: the cluster has no outlier detection. */
  figuresOf(cluster: string): OutlierFigures | null {
    const detector = this.clusters.get(cluster)?.detector;
    return detector === undefined ? null : { external: detector.figuresOf(EXTERNAL), local: detector.figuresOf(LOCAL) };
  }

  /** The process ends. */
  close(): void {
    for (const { cancel } of this.clusters.values()) cancel();
    this.clusters.clear();
  }

  private take(cluster: ClusterConfig, plan: Pick<Plan, 'clusters'>): void {
    const places = plan.clusters[cluster.name]!;
    const { intervalMs } = cluster.outlierDetection!;
    const old = this.clusters.get(cluster.name);
    if (old !== undefined) {
      old.places = places;
      old.detector.update(cluster, places);
    }
    if (old?.intervalMs === intervalMs) return;
    old?.cancel();
    const detector = old?.detector ?? new ClusterDetector(this.tools, cluster, places);
    const cancel = this.tools.timers.every(intervalMs, () => {
      this.keepUp(cluster.name);
      detector.sweep();
    });
    this.clusters.set(cluster.name, { detector, places, intervalMs, cancel });
  }

  /** Its endpoints may have changed since. */
  private keepUp(name: string): void {
    const running = this.clusters.get(name);
    const published = this.tools.published();
    const places = published?.plan.clusters[name];
    if (running === undefined || places === undefined || places === running.places) return;
    const cluster = published!.snapshot.clusters.find((one) => one.name === name);
    if (cluster === undefined || cluster.outlierDetection === null) return;
    running.places = places;
    running.detector.update(cluster, places);
  }

  private drop(name: string): void {
    const { detector, cancel } = this.clusters.get(name)!;
    cancel();
    detector.close();
    this.clusters.delete(name);
  }
}
