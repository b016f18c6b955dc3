// A host that outlier detection has ejected and that passes its health check is let back in (Envoy:
// successful_active_health_check_uneject_host). Primary thread.

import { HOST_FAILED_OUTLIER, type HostTable } from '../../shared/host-table.ts';

/** @param cluster @param host rows in the table */
export function unejectByHealth(table: HostTable, cluster: number, host: number): void {
  if (table.lower(cluster, host, HOST_FAILED_OUTLIER)) table.returned(cluster);
}
