// A cluster → snapshot form. Primary thread; pure.

import { endpointName, parseAddress } from '../address.ts';
import { DEFAULTS } from '../defaults.ts';
import type { ClusterDocument, EndpointDocument } from '../document.ts';
import type { ClusterConfig, EndpointConfig } from '../cluster-snapshot.ts';
import type { SecretFiles } from '../secrets.ts';
import { parseDuration } from '../units.ts';
import { buildCircuitBreakers, buildHostLimits } from './circuit-breakers.ts';
import { contentHash } from './content.ts';
import { buildHostSets, buildMetadata, type OwnPlace } from './host-sets.ts';
import { buildLoadBalancing, countsRequests, NO_HOST_LIMITS } from './load-balancing.ts';
import { buildHealthCheck } from './health.ts';
import { buildDns } from './dns.ts';
import { buildOutlier } from './outlier.ts';
import { buildClientTls } from './tls.ts';

export function buildCluster(cluster: ClusterDocument, secrets: SecretFiles, place: OwnPlace): ClusterConfig {
  const defaults = DEFAULTS.cluster;
  const loadBalancing = buildLoadBalancing(cluster.loadBalancing);
  const type = cluster.type ?? defaults.type;
  const endpoints = (cluster.endpoints ?? []).map(buildEndpoint);
  const dns = type === 'strictDns' || type === 'logicalDns' ? buildDns(cluster, endpoints) : null;
  const body = {
    name: cluster.name,
    type,
    endpoints: dns === null ? endpoints : [],
    answer: 0,
    dns,
    protocol: cluster.protocol ?? defaults.protocol,
    proxyProtocol: cluster.proxyProtocol ?? null,
    connectTimeoutMs: parseDuration(cluster.connectTimeout ?? defaults.connectTimeout),
    tls: cluster.tls === undefined ? null : buildClientTls(cluster.tls, secrets),
    loadBalancing,
    hostSets: buildHostSets(cluster.loadBalancing ?? {}, place),
    connections: {
      idleTimeoutMs: parseDuration(cluster.connections?.idleTimeout ?? DEFAULTS.connections.idleTimeout),
      maxRequests: cluster.connections?.maxRequests ?? DEFAULTS.connections.maxRequests,
    },
    http2: {
      keepAliveIntervalMs: parseDuration(cluster.http2?.keepAliveInterval ?? DEFAULTS.http2.keepAliveInterval),
      keepAliveTimeoutMs: parseDuration(cluster.http2?.keepAliveTimeout ?? DEFAULTS.http2.keepAliveTimeout),
    },
    healthChecks: (cluster.healthChecks ?? []).map((check) => buildHealthCheck(check, cluster.name, secrets)),
    outlierDetection: cluster.outlierDetection === undefined ? null : buildOutlier(cluster.outlierDetection, secrets),
    circuitBreakers: buildCircuitBreakers(cluster.circuitBreakers),
    hostLimits: buildHostLimits(cluster.circuitBreakers?.perHost) ?? (countsRequests(loadBalancing) ? NO_HOST_LIMITS : null),
  };
  return { ...body, hash: contentHash(body) };
}

function buildEndpoint(document: string | EndpointDocument): EndpointConfig {
  const endpoint: EndpointDocument = typeof document === 'string' ? { address: document } : document;
  return {
    address: parseAddress(endpoint.address),
    text: endpoint.address,
    hostname: endpointName(endpoint.address),
    weight: endpoint.weight ?? DEFAULTS.endpoint.weight,
    priority: endpoint.priority ?? DEFAULTS.endpoint.priority,
    zone: endpoint.zone ?? '',
    metadata: buildMetadata(endpoint.metadata ?? {}),
  };
}
