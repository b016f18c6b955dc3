// @hot
// A host that says in an ordinary answer that its health checks would fail (`x-envoy-immediate-health-check-fail`) gets no
// more requests from any worker, until it passes its checks again. Worker thread; no state.

import type { Head } from '../core/head.ts';
import { HEALTH_AT, HEALTH_FAILURE, HEALTH_PASSIVE_FAILURE } from '../observe/upkeep-stats.ts';
import { HOST_EXCLUDED, HOST_FAILED_ACTIVE } from '../shared/host-table.ts';
import type { Cluster } from './cluster.ts';
import type { Host } from './host.ts';

/** As Envoy: it holds where hosts are checked; otherwise nobody would ever let the host back in. */
export function noteImmediateFailure(head: Head, cluster: Cluster, host: Host): void {
  if (cluster.config.healthChecks.length === 0 || head.find('x-envoy-immediate-health-check-fail') < 0) return;
  const { cells, hostTable } = cluster.tools;
  cells[cluster.stats + HEALTH_AT + HEALTH_FAILURE]!++;
  cells[cluster.stats + HEALTH_AT + HEALTH_PASSIVE_FAILURE]!++;
  hostTable.raise(cluster.row, host.row, HOST_FAILED_ACTIVE | HOST_EXCLUDED);
}
