// Outlier detection for tests: settings as `build/` makes them, and the stats of a cluster by their names. Test code only.

import { buildOutlier } from '../../src/config/build/outlier.ts';
import type { OutlierConfig, OutlierDocument } from '../../src/config/outlier.ts';
import { SecretFiles } from '../../src/config/secrets.ts';
import { OUTLIER_AT, OUTLIER_STATS } from '../../src/observe/upkeep-stats.ts';
import { CHECK_TOOLS } from '../config/refusals.ts';

export function outlierConfig(document: OutlierDocument = {}): OutlierConfig {
  return buildOutlier(document, new SecretFiles(CHECK_TOOLS.secrets, '/etc/nuncio/f'));
}

/** What is not zero of `outlier_detection.*`, without the prefix `ejections_`. @param stats first cell of the cluster */
export function outlierCounts(stats: number, ...threads: readonly Float64Array[]): Record<string, number> {
  const counts: Record<string, number> = {};
  OUTLIER_STATS.forEach(([name], slot) => {
    const sum = threads.reduce((total, cells) => total + cells[stats + OUTLIER_AT + slot]!, 0);
    if (sum !== 0) counts[name.replace('ejections_', '')] = sum;
  });
  return counts;
}
