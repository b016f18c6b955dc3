// A cluster → snapshot form. Primary thread; pure.

import { parseAddress } from '../address.ts';
import { DEFAULTS } from '../defaults.ts';
import type { ClusterDocument, EndpointDocument } from '../document.ts';
import type { ClusterConfig, EndpointConfig } from '../snapshot.ts';
import type { SecretFiles } from '../secrets.ts';
import { parseDuration } from '../units.ts';
import { buildCircuitBreakers, buildHostLimits } from './circuit-breakers.ts';
import { contentHash } from './content.ts';
import { buildClientTls } from './tls.ts';

export function buildCluster(cluster: ClusterDocument, secrets: SecretFiles): ClusterConfig {
  const defaults = DEFAULTS.cluster;
  const body = {
    name: cluster.name,
    type: cluster.type ?? defaults.type,
    endpoints: (cluster.endpoints ?? []).map(buildEndpoint),
    protocol: cluster.protocol ?? defaults.protocol,
    proxyProtocol: cluster.proxyProtocol ?? null,
    connectTimeoutMs: parseDuration(cluster.connectTimeout ?? defaults.connectTimeout),
    tls: cluster.tls === undefined ? null : buildClientTls(cluster.tls, secrets),
    loadBalancing: { ...DEFAULTS.loadBalancing, ...cluster.loadBalancing },
    connections: {
      idleTimeoutMs: parseDuration(cluster.connections?.idleTimeout ?? DEFAULTS.connections.idleTimeout),
      maxRequests: cluster.connections?.maxRequests ?? DEFAULTS.connections.maxRequests,
    },
    http2: {
      keepAliveIntervalMs: parseDuration(cluster.http2?.keepAliveInterval ?? DEFAULTS.http2.keepAliveInterval),
      keepAliveTimeoutMs: parseDuration(cluster.http2?.keepAliveTimeout ?? DEFAULTS.http2.keepAliveTimeout),
    },
    circuitBreakers: buildCircuitBreakers(cluster.circuitBreakers),
    hostLimits: buildHostLimits(cluster.circuitBreakers?.perHost),
  };
  return { ...body, hash: contentHash(body) };
}

function buildEndpoint(document: string | EndpointDocument): EndpointConfig {
  const endpoint: EndpointDocument = typeof document === 'string' ? { address: document } : document;
  return { address: parseAddress(endpoint.address), text: endpoint.address, weight: endpoint.weight ?? DEFAULTS.endpoint.weight };
}
