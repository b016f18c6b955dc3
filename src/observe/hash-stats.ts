// `ring_hash_lb.*` and `maglev_lb.*`: how many entries the hosts of a cluster have in its tables. Primary thread.
// Every worker builds the same table, so the primary counts by itself when asked, and remembers what it found until the
// state of a host changes. Hosts of all priorities count as one list.

import type { ClusterConfig } from '../config/cluster-snapshot.ts';
import { maglevShares, normalized, ringShares } from '../core/hash-shares.ts';
import { formatAddress } from '../core/address.ts';
import { HOST_UNHEALTHY } from '../shared/host-table.ts';
import type { ClusterPlan } from '../shared/plan.ts';
import type { SharedState } from '../shared/registry.ts';
import type { Stat } from './stats-tree.ts';

interface Found {
  readonly epoch: number;
  readonly stats: readonly Stat[];
}

const found = new WeakMap<ClusterConfig, Found>();

/** None for other policies. */
export function hashStats(cluster: ClusterConfig, places: ClusterPlan, { hostTable }: SharedState): readonly Stat[] {
  const { policy } = cluster.loadBalancing;
  if (policy !== 'ringHash' && policy !== 'maglev') return [];
  const epoch = hostTable.epoch(places.row);
  const known = found.get(cluster);
  if (known?.epoch === epoch) return known.stats;
  const hosts = cluster.endpoints.filter((_, i) => (hostTable.flags(places.hosts[i]!.row) & HOST_UNHEALTHY) === 0);
  const weights = normalized(hosts.map(({ weight }) => weight));
  const stats = policy === 'ringHash' ? ringStats(cluster, weights) : maglevStats(cluster, hosts.map(({ address }) => formatAddress(address)), weights);
  found.set(cluster, { epoch, stats });
  return stats;
}

function ringStats({ loadBalancing: { minRingSize, maxRingSize } }: ClusterConfig, weights: Float64Array): Stat[] {
  const { size, shares } = weights.length === 0 ? { size: 0, shares: weights } : ringShares(weights, minRingSize, maxRingSize);
  return [gauge('ring_hash_lb.size', size), gauge('ring_hash_lb.min_hashes_per_host', least(shares)), gauge('ring_hash_lb.max_hashes_per_host', most(shares))];
}

function maglevStats({ loadBalancing: { tableSize } }: ClusterConfig, names: readonly string[], weights: Float64Array): Stat[] {
  const shares = maglevShares(names, weights, tableSize);
  return [gauge('maglev_lb.min_entries_per_host', least(shares)), gauge('maglev_lb.max_entries_per_host', most(shares))];
}

function gauge(name: string, value: number): Stat {
  return { name, kind: 'gauge', value, used: true };
}

function least(shares: Float64Array): number {
  return shares.length === 0 ? 0 : shares.reduce((low, share) => Math.min(low, share));
}

function most(shares: Float64Array): number {
  return shares.reduce((high, share) => Math.max(high, share), 0);
}
