// Which gRPC methods have stats of their own at which cluster: those that the listeners list whose routes lead there.
// Primary thread; pure.

import type { ClusterConfig } from '../cluster-snapshot.ts';
import type { HttpConfig, ListenerConfig } from '../snapshot.ts';

/** Sorted; clusters for which nobody counts are left out. */
export function grpcMethodsOf(listeners: readonly ListenerConfig[], clusters: readonly ClusterConfig[]): Record<string, string[]> {
  const all = clusters.map(({ name }) => name);
  const found = new Map<string, Set<string>>();
  for (const { http } of listeners) {
    const methods = http === null ? null : methodsOf(http);
    if (methods === null) continue;
    for (const cluster of clustersBehind(http!, all)) {
      const known = found.get(cluster) ?? new Set();
      found.set(cluster, new Set([...known, ...methods]));
    }
  }
  return Object.fromEntries([...found].map(([cluster, methods]) => [cluster, [...methods].sort()]));
}

/** null: the listener does not count. */
function methodsOf({ filters }: HttpConfig): readonly string[] | null {
  for (const filter of filters) if (filter.kind === 'grpcStats') return filter.methods;
  return null;
}

/** Where a header chooses it can be any. */
function clustersBehind({ virtualHosts }: HttpConfig, all: readonly string[]): Set<string> {
  const names = new Set<string>();
  for (const { routes } of virtualHosts) {
    for (const { action } of routes) {
      if (action.kind !== 'forward') continue;
      for (const name of action.clusterHeader === '' ? action.clusters.map(({ name }) => name) : all) names.add(name);
    }
  }
  return names;
}
