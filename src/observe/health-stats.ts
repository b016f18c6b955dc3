// cluster.NAME.health_check.*, as far as the cluster is checked. Primary thread; read only.

import { HOST_DEGRADED, HOST_FAILED_ACTIVE } from '../shared/host-table.ts';
import type { ClusterPlan } from '../shared/plan.ts';
import type { SharedState } from '../shared/registry.ts';
import type { Stat } from './stats-tree.ts';
import { HEALTH_AT, HEALTH_STATS } from './upkeep-stats.ts';

export function healthStats({ stats: block, hosts }: ClusterPlan, shared: SharedState): Stat[] {
  const counters = HEALTH_STATS.map(([name, kind], slot): Stat => ({
    name: `health_check.${name}`,
    kind,
    value: shared.counter(block, HEALTH_AT + slot),
    used: shared.cell(block + HEALTH_AT + slot) !== 0,
  }));
  const gauge = (name: string, counts: (flags: number) => boolean): Stat => {
    const value = hosts.filter(({ row }) => counts(shared.hostTable.flags(row))).length;
    return { name: `health_check.${name}`, kind: 'gauge', value, used: true };
  };
  return [
    ...counters,
    gauge('healthy', (flags) => (flags & HOST_FAILED_ACTIVE) === 0),
    gauge('degraded', (flags) => (flags & HOST_DEGRADED) !== 0),
  ];
}
