// Snapshots as the config room would build them, for tests that need one but not the room.

import type { ClusterConfig, LoadBalancingConfig } from '../../src/config/cluster-snapshot.ts';
import type { HttpListenerConfig, ListenerConfig, Snapshot } from '../../src/config/snapshot.ts';
import { ENVOY_DEFAULT_LOG } from '../../src/config/snapshot.ts';

export function listenerConfig(name: string, port: number, part: Partial<HttpListenerConfig> = {}): HttpListenerConfig {
  return {
    name,
    address: { kind: 'ip', host: '127.0.0.1', port },
    maxConnections: 0,
    engine: 'auto',
    tls: null,
    proxyProtocol: false,
    tcp: null,
    hash: `${name}:${port}`,
    http: {
      protocols: ['http1'],
      serverName: 'nuncio',
      useRemoteAddress: true,
      xffNumTrustedHops: 0,
      trustedCidrs: [],
      internalCidrs: [],
      normalizePath: true,
      mergeSlashes: false,
      pathWithEscapedSlashes: 'keep',
      headersWithUnderscores: 'allow',
      maxRequestHeadersBytes: 61_440,
      maxRequestHeaders: 100,
      maxRequestBodyBytes: 0,
      acceptHttp10: false,
      timeouts: { idleMs: 3_600_000, requestHeadersMs: 10_000, requestMs: 0, streamIdleMs: 300_000 },
      http2: {
        maxConcurrentStreams: 100,
        initialStreamWindowBytes: 65_536,
        initialConnectionWindowBytes: 1_048_576,
        keepAliveIntervalMs: 0,
        keepAliveTimeoutMs: 10_000,
        maxOutboundFrames: 10_000,
        maxOutboundControlFrames: 1000,
        maxConsecutiveEmptyFrames: 1,
        maxPriorityFramesPerStream: 100,
        maxWindowUpdatesPerDataFrame: 10,
        maxContinuationFrames: 8,
        prematureResetStreams: 500,
      },
      upgrades: [],
      filters: [],
      requestId: { generate: true, preserveExternal: false },
      accessLog: [],
      virtualHosts: [],
    },
    ...part,
  };
}

export function clusterConfig(name: string, ports: readonly number[], part: Partial<ClusterConfig> = {}): ClusterConfig {
  return {
    name,
    type: 'static',
    answer: 0,
    dns: null,
    endpoints: ports.map((port) => ({ address: { kind: 'ip', host: '127.0.0.1', port }, text: `127.0.0.1:${port}`, hostname: '', weight: 1, priority: 0, zone: '', metadata: [] })),
    protocol: 'http1',
    connectTimeoutMs: 5000,
    tls: null,
    proxyProtocol: null,
    hostSets: { panicPercent: 50, overprovisioningPercent: 140, localityWeights: null, zoneAware: null, subsets: null },
    loadBalancing: balancing(),
    connections: { idleTimeoutMs: 3_600_000, maxRequests: 0 },
    http2: { keepAliveIntervalMs: 0, keepAliveTimeoutMs: 10_000 },
    healthChecks: [],
    outlierDetection: null,
    circuitBreakers: { maxConnections: 1024, maxPendingRequests: 1024, maxRequests: 1024, maxRetries: 3 },
    hostLimits: null,
    hash: `${name}:${ports.join()}`,
    ...part,
  };
}

export function balancing(part: Partial<LoadBalancingConfig> = {}): LoadBalancingConfig {
  return {
    policy: 'roundRobin',
    choiceCount: 2,
    activeRequestBias: 1,
    minRingSize: 1024,
    maxRingSize: 8_388_608,
    tableSize: 65_537,
    hashBalanceFactor: 0,
    slowStart: null,
    ...part,
  };
}

export function snapshot(part: Partial<Snapshot> = {}): Snapshot {
  return {
    version: '0123456789abcdef',
    workers: 2,
    pinWorkers: false,
    engine: 'auto',
    admin: null,
    logLevel: 'info',
    drainTimeoutMs: 1000,
    watch: false,
    overload: {
      maxConnections: 0, maxHeapBytes: 0, intervalMs: 1000,
      actions: { stopAcceptingRequests: 0.95, disableKeepAlive: 0, closeIdleConnections: 0, stopAcceptingConnections: 0, rejectIncomingConnections: 0, reduceTimeouts: null },
    },
    files: [],
    grpcMethods: {},
    limits: [],
    listeners: [listenerConfig('edge', 18080)],
    clusters: [clusterConfig('app', [13000])],
    ...part,
  };
}

export function withAccessLog(listener: ListenerConfig, path: string): ListenerConfig {
  if (listener.http === null) return { ...listener, tcp: { ...listener.tcp, accessLog: [{ path, format: ENVOY_DEFAULT_LOG, json: null, filter: null }] } };
  return { ...listener, http: { ...listener.http, accessLog: [{ path, format: ENVOY_DEFAULT_LOG, json: null, filter: null }] } };
}
