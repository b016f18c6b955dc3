// What follows when a detector has found a host out: counted, decided by its enforcement, carried out within the limit.
// Any thread: a worker's `outlier-watch.ts` has one for each cluster, and so has the primary's `control/outlier/`. It keeps
// no state of its own; counts go into the cells of its thread.

import type { OutlierConfig } from '../config/outlier.ts';
import type { Random } from '../core/random.ts';
import {
  DETECT_5XX, DETECT_FAILURE_PERCENTAGE, DETECT_GATEWAY_FAILURE, DETECT_LOCAL_FAILURE_PERCENTAGE, DETECT_LOCAL_ORIGIN_FAILURE,
  DETECT_LOCAL_SUCCESS_RATE, DETECT_SUCCESS_RATE, EJECTIONS_CONSECUTIVE_5XX, EJECTIONS_DETECTED, EJECTIONS_ENFORCED,
  EJECTIONS_ENFORCED_TOTAL, EJECTIONS_OVERFLOW, EJECTIONS_SUCCESS_RATE, EJECTIONS_TOTAL, OUTLIER_AT,
} from '../observe/upkeep-stats.ts';
import { eject, type Ejected } from '../shared/ejections.ts';
import type { HostTable } from '../shared/host-table.ts';

export interface EjectorTools {
  readonly hostTable: HostTable;
  readonly cells: Float64Array;
  readonly random: Random;
}

/** `spared`: found, and not ejected because its detector is not enforced, or not always. */
export type Verdict = Ejected | 'spared';

export interface ClusterRows {
  /** First cell of `cluster.NAME.*`. */
  readonly stats: number;
  /** Row in the host table. */
  readonly row: number;
}

export class Ejector {
  private readonly tools: EjectorTools;
  private readonly at: number;
  private readonly row: number;
  private readonly config: OutlierConfig;
  /** By detector. */
  private readonly percents: readonly number[];

  constructor(tools: EjectorTools, { stats, row }: ClusterRows, config: OutlierConfig) {
    this.tools = tools;
    this.at = stats + OUTLIER_AT;
    this.row = row;
    this.config = config;
    this.percents = percentsOf(config);
  }

  /** @param hosts how many the cluster has, healthy or not. @param now monotonic ms */
  found(host: number, detector: number, hosts: number, now: number): Verdict {
    const { hostTable, cells } = this.tools;
    const { baseEjectionTimeMs: baseMs, maxEjectionTimeMs: maxMs } = this.config;
    const limit = ejectionLimit(this.config, hosts);
    this.countFound(detector);
    let verdict: Verdict = hostTable.ejected(this.row) >= limit ? 'full' : 'spared';
    if (verdict === 'spared' && this.enforces(detector)) verdict = eject(hostTable, { cluster: this.row, host, limit, now, baseMs, maxMs });
    if (verdict === 'full') cells[this.at + EJECTIONS_OVERFLOW]!++;
    if (verdict === 'full' || verdict === 'already') return verdict;
    if (detector === DETECT_5XX || detector === DETECT_SUCCESS_RATE) cells[this.at + EJECTIONS_TOTAL]!++;
    if (verdict === 'ejected') {
      cells[this.at + EJECTIONS_ENFORCED_TOTAL]!++;
      cells[this.at + EJECTIONS_ENFORCED + detector]!++;
    }
    return verdict;
  }

  private countFound(detector: number): void {
    const { cells } = this.tools;
    cells[this.at + EJECTIONS_DETECTED + detector]!++;
    if (detector === DETECT_5XX) cells[this.at + EJECTIONS_CONSECUTIVE_5XX]!++;
    if (detector === DETECT_SUCCESS_RATE || detector === DETECT_LOCAL_SUCCESS_RATE) cells[this.at + EJECTIONS_SUCCESS_RATE]!++;
  }

  private enforces(detector: number): boolean {
    const percent = this.percents[detector]!;
    return percent >= 100 || (percent > 0 && this.tools.random.below(100) < percent);
  }
}

/** The most hosts ejected at one time: those that make up at most the percentage, and one in any case where that is wanted. */
export function ejectionLimit({ maxEjectionPercent, alwaysEjectOneHost }: OutlierConfig, hosts: number): number {
  return Math.max(alwaysEjectOneHost ? 1 : 0, Math.floor((hosts * maxEjectionPercent) / 100));
}

function percentsOf({ consecutive5xx, consecutiveGatewayFailure, consecutiveLocalOriginFailure, successRate, failurePercentage }: OutlierConfig): number[] {
  const percents: number[] = [];
  percents[DETECT_5XX] = consecutive5xx.enforcingPercent;
  percents[DETECT_GATEWAY_FAILURE] = consecutiveGatewayFailure.enforcingPercent;
  percents[DETECT_LOCAL_ORIGIN_FAILURE] = consecutiveLocalOriginFailure.enforcingPercent;
  percents[DETECT_SUCCESS_RATE] = successRate.enforcingPercent;
  percents[DETECT_LOCAL_SUCCESS_RATE] = successRate.enforcingLocalOriginPercent;
  percents[DETECT_FAILURE_PERCENTAGE] = failurePercentage.enforcingPercent;
  percents[DETECT_LOCAL_FAILURE_PERCENTAGE] = failurePercentage.enforcingLocalOriginPercent;
  return percents;
}
