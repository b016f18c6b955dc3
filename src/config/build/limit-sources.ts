// What the filters that limit take of shared memory. Primary thread; pure.

import type { LimitSourceConfig } from '../limit-snapshot.ts';
import type { FilterConfig, ListenerConfig } from '../snapshot.ts';

/** One for each key; filters that hold nothing there have stats all the same. */
export function limitSourcesOf(listeners: readonly ListenerConfig[]): LimitSourceConfig[] {
  const found = new Map<string, LimitSourceConfig>();
  for (const { http } of listeners) {
    if (http === null) continue;
    const routes = http.virtualHosts.flatMap((host) => host.routes);
    for (const filter of [...http.filters, ...routes.flatMap(({ filters }) => filters ?? [])]) {
      const source = sourceOf(filter);
      if (source !== null) found.set(source.key, source);
    }
  }
  return [...found.values()];
}

function sourceOf(filter: FilterConfig): LimitSourceConfig | null {
  if (filter.kind === 'grpcWeb' || filter.kind === 'grpcStats') return null;
  const { key, kind, statPrefix } = filter;
  const none = { key, kind, stats: statPrefix, buckets: [], windowSeconds: 0, latencies: false, maxRequests: null };
  switch (filter.kind) {
    case 'localRateLimit':
      return { ...none, buckets: [...(filter.bucket === null ? [] : [filter.bucket]), ...filter.descriptors.map(({ bucket }) => bucket)] };
    case 'bandwidthLimit':
      return { ...none, buckets: [filter.request, filter.response].filter((bucket) => bucket !== null) };
    case 'admissionControl':
      return { ...none, windowSeconds: filter.windowMs / 1000 };
    case 'concurrencyLimit':
      return { ...none, maxRequests: filter.maxRequests };
    default:
      return { ...none, latencies: true, maxRequests: filter.minRtt.minConcurrency };
  }
}
