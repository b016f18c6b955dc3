// How a cluster's endpoints are looked up → snapshot form. Primary thread; pure.

import { DEFAULTS, DNS_FAILURE_MAX_FACTOR } from '../defaults.ts';
import type { ClusterDocument } from '../document.ts';
import type { DnsConfig, EndpointConfig } from '../cluster-snapshot.ts';
import { parseDuration } from '../units.ts';

export function buildDns(cluster: ClusterDocument, targets: readonly EndpointConfig[]): DnsConfig {
  const defaults = DEFAULTS.cluster;
  return {
    targets,
    refreshMs: parseDuration(cluster.dnsRefresh ?? defaults.dnsRefresh),
    jitterMs: parseDuration(cluster.dnsJitter ?? defaults.dnsJitter),
    failureRefresh: cluster.dnsFailureRefresh === undefined ? null : buildFailureRefresh(cluster.dnsFailureRefresh),
    respectTtl: cluster.respectDnsTtl ?? defaults.respectDnsTtl,
    lookupFamily: cluster.dnsLookupFamily ?? defaults.dnsLookupFamily,
    resolvers: cluster.dnsResolvers ?? [],
  };
}

function buildFailureRefresh({ base, max }: { base: string; max?: string }): { baseMs: number; maxMs: number } {
  const baseMs = parseDuration(base);
  return { baseMs, maxMs: max === undefined ? baseMs * DNS_FAILURE_MAX_FACTOR : parseDuration(max) };
}
