// Taking an endpoint out for its failures, and letting it back in: one procedure for every thread that judges hosts, so
// that the limit holds and none is ejected twice. Any thread may eject, the primary alone lets back in.
//
//   room under the limit is taken ─► time noted ─► flag raised: ejected
//                                                     └─ somebody else was faster: the room is given back
// A thread that dies in between leaves room that nobody uses: the primary finds it (`control/outlier/`).

import { CONSECUTIVE_5XX, CONSECUTIVE_GATEWAY, CONSECUTIVE_LOCAL, EJECTION_TIMES, HOST_FAILED_OUTLIER, type HostTable } from './host-table.ts';

export interface Ejection {
  /** Rows in the host table. */
  readonly cluster: number;
  readonly host: number;
  /** How many hosts of the cluster may be ejected at one time. */
  readonly limit: number;
  /** Monotonic ms. */
  readonly now: number;
  readonly baseMs: number;
  readonly maxMs: number;
}

export type Ejected = 'ejected' | 'already' | 'full';

export function eject(table: HostTable, { cluster, host, limit, now, baseMs, maxMs }: Ejection): Ejected {
  if (isEjected(table, host)) return 'already';
  // What there was no room for may have been this host's own ejection by another thread.
  if (!table.tryEject(cluster, limit)) return isEjected(table, host) ? 'already' : 'full';
  table.setEjectedAt(host, now);
  if (!table.raise(cluster, host, HOST_FAILED_OUTLIER)) {
    table.returned(cluster);
    return 'already';
  }
  // Longer each time, until it is as long as it may be.
  if (table.counted(host, EJECTION_TIMES) * baseMs < maxMs + baseMs) table.count(host, EJECTION_TIMES);
  return 'ejected';
}

export function isEjected(table: HostTable, host: number): boolean {
  return (table.flags(host) & HOST_FAILED_OUTLIER) !== 0;
}

/** Back at once, with a clean slate. The primary alone calls this. @returns whether it was ejected. */
export function uneject(table: HostTable, cluster: number, host: number): boolean {
  if (!isEjected(table, host)) return false;
  forgetFailures(table, host); // a worker must not find an old count on the host that is back,
  table.lower(cluster, host, HOST_FAILED_OUTLIER);
  forgetFailures(table, host); // nor what was counted while it was not
  table.returned(cluster);
  return true;
}

function forgetFailures(table: HostTable, host: number): void {
  table.setCount(host, CONSECUTIVE_5XX, 0);
  table.setCount(host, CONSECUTIVE_GATEWAY, 0);
  table.setCount(host, CONSECUTIVE_LOCAL, 0);
}
