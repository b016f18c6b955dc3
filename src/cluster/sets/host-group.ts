// Hosts by what state they are in: what Envoy calls the healthy, degraded and excluded hosts of a host set. Any thread.

import { HOST_DEGRADED, HOST_EXCLUDED, HOST_PENDING_ACTIVE, HOST_UNHEALTHY, type HostTable } from '../../shared/host-table.ts';
import type { Host } from '../host.ts';
import type { LevelCounts } from './levels.ts';

export class HostGroup {
  readonly all: Host[] = [];
  readonly healthy: Host[] = [];
  readonly degraded: Host[] = [];
  excluded = 0;

  add(host: Host, flags: number): void {
    this.all.push(host);
    if (isHealthy(flags)) this.healthy.push(host);
    else if (isDegraded(flags)) this.degraded.push(host);
    if (isExcluded(flags)) this.excluded++;
  }

  counts(): LevelCounts {
    return { hosts: this.all.length, excluded: this.excluded, healthy: this.healthy.length, degraded: this.degraded.length };
  }
}

export function isHealthy(flags: number): boolean {
  return (flags & (HOST_UNHEALTHY | HOST_DEGRADED)) === 0;
}

/** It is used where no better one is left. */
export function isDegraded(flags: number): boolean {
  return (flags & (HOST_UNHEALTHY | HOST_DEGRADED)) === HOST_DEGRADED;
}

/** It counts neither for nor against its level: nobody has checked it yet, or it has said itself that it goes. */
export function isExcluded(flags: number): boolean {
  return (flags & (HOST_PENDING_ACTIVE | HOST_EXCLUDED)) !== 0;
}

/** One group for each priority level, the empty ones among them. */
export function groupByLevel(hosts: readonly Host[], levels: number, hostTable: HostTable): HostGroup[] {
  const groups = Array.from({ length: levels }, () => new HostGroup());
  for (const host of hosts) groups[host.priority]!.add(host, hostTable.flags(host.row));
  return groups;
}

/** One group for each zone that a host is in, by name, the own one first. */
export function groupByZone(hosts: readonly Host[], own: string, hostTable: HostTable): Map<string, HostGroup> {
  const names = [...new Set(hosts.map(({ zone }) => zone))].sort();
  const at = names.indexOf(own);
  if (at > 0) names.unshift(...names.splice(at, 1));
  const groups = new Map(names.map((name) => [name, new HostGroup()]));
  for (const host of hosts) groups.get(host.zone)!.add(host, hostTable.flags(host.row));
  return groups;
}
