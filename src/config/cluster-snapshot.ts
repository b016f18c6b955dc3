// The part of a Snapshot that is one cluster: endpoints, how they are found, grouped, chosen, checked and limited. Plain data,
// as in `snapshot.ts`.

import type { Address } from '../core/address.ts';
import type { OutlierConfig } from './outlier.ts';
import type { ClientTlsConfig, StatusRange } from './snapshot.ts';

/** `auto`: what ALPN chooses; HTTP/1.1 where there is no TLS. */
export type UpstreamProtocol = 'http1' | 'http2' | 'auto';

export interface ClusterConfig {
  readonly name: string;
  readonly type: 'static' | 'strictDns' | 'logicalDns' | 'originalDst';
  /** Those of the types strictDns and logicalDns are what `dns.targets` stand for at present; none before they are looked up. */
  readonly endpoints: readonly EndpointConfig[];
  /** Which of its answers `endpoints` holds, counted over the life of the process; 0: none yet, or not looked up at all. */
  readonly answer: number;
  /** null: `endpoints` are as written. */
  readonly dns: DnsConfig | null;
  readonly protocol: UpstreamProtocol;
  readonly connectTimeoutMs: number;
  /** null: plaintext. */
  readonly tls: ClientTlsConfig | null;
  /** What hosts are told of the caller; null: nothing. */
  readonly proxyProtocol: 'v1' | 'v2' | null;
  readonly loadBalancing: LoadBalancingConfig;
  readonly hostSets: HostSetsConfig;
  readonly connections: { readonly idleTimeoutMs: number; readonly maxRequests: number };
  /** PINGs on the connections that speak HTTP/2; interval 0: none. */
  readonly http2: { readonly keepAliveIntervalMs: number; readonly keepAliveTimeoutMs: number };
  /** None, or one. */
  readonly healthChecks: readonly HealthCheckConfig[];
  /** null: none. */
  readonly outlierDetection: OutlierConfig | null;
  readonly circuitBreakers: CircuitBreakersConfig;
  /** Limits of each endpoint by itself; null: none, and its requests are not counted over all workers. */
  readonly hostLimits: BreakerLimits | null;
  /** Content hash of this cluster alone: unchanged clusters keep their pools over a reload. */
  readonly hash: string;
}

export type BalancingPolicy = 'roundRobin' | 'leastRequest' | 'random' | 'ringHash' | 'maglev' | 'peakEwma';

/** How to choose among the hosts of one flat list. */
export interface LoadBalancingConfig {
  readonly policy: BalancingPolicy;
  /** leastRequest: how many hosts are looked at where all weights are equal. */
  readonly choiceCount: number;
  /** leastRequest with unequal weights: weight / (active + 1) ^ bias. */
  readonly activeRequestBias: number;
  /** ringHash: entries. */
  readonly minRingSize: number;
  readonly maxRingSize: number;
  /** maglev: a prime. */
  readonly tableSize: number;
  /** ringHash and maglev: per cent of the mean load that no host exceeds; 0: no bound. */
  readonly hashBalanceFactor: number;
  /** roundRobin and leastRequest; null: none. */
  readonly slowStart: SlowStartConfig | null;
}

export interface SlowStartConfig {
  readonly windowMs: number;
  readonly aggression: number;
  /** 0 to 100. */
  readonly minWeightPercent: number;
}

/** How the endpoints of a cluster are looked up. */
export interface DnsConfig {
  /** As written; where one is a name, its `address` holds that. */
  readonly targets: readonly EndpointConfig[];
  readonly refreshMs: number;
  readonly jitterMs: number;
  /** null: a failed look-up is repeated after `refreshMs`. */
  readonly failureRefresh: { readonly baseMs: number; readonly maxMs: number } | null;
  readonly respectTtl: boolean;
  readonly lookupFamily: DnsLookupFamily;
  /** `IP` or `IP:port`; empty: the system's. */
  readonly resolvers: readonly string[];
}

export type DnsLookupFamily = 'auto' | 'v4Only' | 'v6Only' | 'v4Preferred' | 'all';

export interface EndpointConfig {
  readonly address: Address;
  /** As written, or as looked up (strictDns): the key of this host together with the cluster's name. */
  readonly text: string;
  /** The name that was looked up; ''. */
  readonly hostname: string;
  readonly weight: number;
  /** 0 is used first. */
  readonly priority: number;
  /** '': none. */
  readonly zone: string;
  readonly metadata: Metadata;
}

/** Sorted by key; each key once. */
export type Metadata = readonly (readonly [key: string, value: string | number | boolean])[];

/** How hosts are grouped before a policy picks among them. */
export interface HostSetsConfig {
  readonly panicPercent: number;
  /** In whole percent, as Envoy has it: 140. */
  readonly overprovisioningPercent: number;
  /** By zone; others have DEFAULTS.hostSets.localityWeight. null: zones have no weights. */
  readonly localityWeights: Readonly<Record<string, number>> | null;
  readonly zoneAware: ZoneAwareConfig | null;
  readonly subsets: SubsetsConfig | null;
}

export interface ZoneAwareConfig {
  /** Where this process runs, and the cluster of its likes. */
  readonly zone: string;
  readonly localCluster: string;
  readonly minClusterSize: number;
  readonly routingEnabledPercent: number;
  readonly failTrafficOnPanic: boolean;
}

export type SubsetFallback = 'none' | 'anyEndpoint' | 'defaultSubset';

export interface SubsetsConfig {
  readonly selectors: readonly SubsetSelector[];
  readonly fallback: SubsetFallback;
  /** Of the fallback defaultSubset. */
  readonly defaultSubset: Metadata;
}

export interface SubsetSelector {
  /** Sorted. */
  readonly keys: readonly string[];
  /** null: that of the cluster. */
  readonly fallback: SubsetFallback | 'keysSubset' | null;
  /** Of keysSubset, sorted. */
  readonly fallbackKeys: readonly string[];
}

export interface HealthCheckConfig {
  readonly probe: HealthProbeConfig;
  readonly intervalMs: number;
  readonly timeoutMs: number;
  readonly healthyThreshold: number;
  readonly unhealthyThreshold: number;
  readonly jitterMs: number;
  readonly jitterPercent: number;
  readonly initialJitterMs: number;
  readonly noTrafficIntervalMs: number;
  readonly noTrafficHealthyIntervalMs: number;
  readonly unhealthyIntervalMs: number;
  readonly unhealthyEdgeIntervalMs: number;
  readonly healthyEdgeIntervalMs: number;
  readonly reuseConnection: boolean;
  /** '': none. */
  readonly eventLog: string;
  readonly alwaysLogFailures: boolean;
}

export type HealthProbeConfig = HttpProbeConfig | TcpProbeConfig | GrpcProbeConfig;

export interface HttpProbeConfig {
  readonly kind: 'http';
  readonly path: string;
  /** '' where the file gives none. */
  readonly host: string;
  /** The host, or the cluster's name. */
  readonly authority: string;
  readonly method: string;
  readonly headers: readonly (readonly [name: string, value: string])[];
  readonly expectedStatuses: readonly StatusRange[];
  readonly retriableStatuses: readonly StatusRange[];
}

/** Bytes in hexadecimal. */
export interface TcpProbeConfig {
  readonly kind: 'tcp';
  readonly sendHex: string;
  /** Empty: a connection is enough. */
  readonly expectHex: readonly string[];
}

export interface GrpcProbeConfig {
  readonly kind: 'grpc';
  readonly service: string;
  /** '' where the file gives none. */
  readonly host: string;
  readonly authority: string;
}

/** 0: unlimited. */
export interface BreakerLimits {
  readonly maxConnections: number;
  readonly maxPendingRequests: number;
  readonly maxRequests: number;
  readonly maxRetries: number;
  /** Stands in for `maxRetries`; null or not there: it does not. */
  readonly retryBudget?: { readonly budgetPercent: number; readonly minConcurrency: number } | null;
}

/** Those of the default priority, and of the high one. */
export interface CircuitBreakersConfig extends BreakerLimits {
  readonly high?: BreakerLimits;
}
