// The detectors that judge an interval as a whole: who succeeds much less often than the others do, and who fails too
// often. Primary thread; pure.

import type { OutlierConfig } from '../../config/outlier.ts';

/** How one host did in an interval. */
export interface HostRate {
  /** Row in the host table. */
  readonly host: number;
  /** Percent of its requests. */
  readonly rate: number;
  readonly volume: number;
}

/** What a cluster's success rates came to, in percent; -1 where too few hosts could be judged. */
export interface RateFigures {
  readonly average: number;
  /** Who is below is found out. */
  readonly threshold: number;
}

export const NO_FIGURES: RateFigures = { average: -1, threshold: -1 };

/** Mean less some standard deviations, of the hosts with enough requests. */
export function successRateFigures(rates: readonly HostRate[], { minimumHosts, requestVolume, stdevFactor }: OutlierConfig['successRate']): RateFigures {
  const judged = rates.filter(({ volume }) => volume >= requestVolume);
  if (judged.length === 0 || judged.length < minimumHosts) return NO_FIGURES;
  const average = judged.reduce((sum, { rate }) => sum + rate, 0) / judged.length;
  const variance = judged.reduce((sum, { rate }) => sum + (rate - average) ** 2, 0) / judged.length;
  return { average, threshold: average - stdevFactor * Math.sqrt(variance) };
}

export function successRateOutliers(rates: readonly HostRate[], { threshold }: RateFigures, { requestVolume }: OutlierConfig['successRate']): HostRate[] {
  return rates.filter(({ rate, volume }) => volume >= requestVolume && rate < threshold);
}

export function failureOutliers(rates: readonly HostRate[], { minimumHosts, requestVolume, threshold }: OutlierConfig['failurePercentage']): HostRate[] {
  const judged = rates.filter(({ volume }) => volume >= requestVolume);
  return judged.length < minimumHosts ? [] : judged.filter(({ rate }) => 100 - rate >= threshold);
}
