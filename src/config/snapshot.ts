// The checked, defaulted, frozen form of a configuration: what every other room reads. Primary builds it, workers get a
// structured clone. Plain data only. Durations are milliseconds, sizes bytes; 0 means unlimited or off where a limit or a
// timer is meant. Each name is the language's (LANGUAGE.md), with the unit added.

import type { Address } from '../core/address.ts';
import type { OutlierConfig } from './outlier.ts';

export type EngineName = 'epoll' | 'node' | 'uws';

export interface Snapshot {
  /** SHA-256 of the canonical form, hex, first 16 digits. */
  readonly version: string;
  readonly workers: number | 'auto';
  readonly pinWorkers: boolean;
  readonly engine: EngineName | 'auto';
  readonly admin: Address | null;
  readonly logLevel: LogLevel;
  readonly drainTimeoutMs: number;
  readonly watch: boolean;
  readonly overload: OverloadConfig;
  readonly listeners: readonly ListenerConfig[];
  readonly clusters: readonly ClusterConfig[];
  /** By cluster: the gRPC methods (`pkg.Service/Method`) that are counted by themselves there. Follows from the filters. */
  readonly grpcMethods: Readonly<Record<string, readonly string[]>>;
  /** What all filters that limit take of shared memory. */
  readonly limits: readonly LimitSourceConfig[];
  /** Other files whose content is in here: certificates, keys. */
  readonly files: readonly string[];
}

export interface OverloadConfig {
  /** Of callers, over all listeners and workers; 0: no limit. */
  readonly maxConnections: number;
  /** Of the whole process; 0: not watched. */
  readonly maxHeapBytes: number;
  readonly intervalMs: number;
  /** From which share of `maxHeapBytes` on; 0: never. */
  readonly actions: {
    readonly stopAcceptingRequests: number;
    readonly disableKeepAlive: number;
    readonly closeIdleConnections: number;
    readonly stopAcceptingConnections: number;
    readonly rejectIncomingConnections: number;
    readonly reduceTimeouts: { readonly from: number; readonly to: number; readonly idleMs: number } | null;
  };
}

export type LogLevel = 'trace' | 'debug' | 'info' | 'warn' | 'error' | 'off';

export type ListenerConfig = HttpListenerConfig | TcpListenerConfig;

export interface HttpListenerConfig extends ListenerBase {
  readonly http: HttpConfig;
  readonly tcp: null;
}

export interface TcpListenerConfig extends ListenerBase {
  readonly http: null;
  readonly tcp: TcpConfig;
}

interface ListenerBase {
  readonly name: string;
  readonly address: Address;
  /** 0: no limit. Counted over all workers. */
  readonly maxConnections: number;
  readonly engine: EngineName | 'auto';
  /** null: plaintext. */
  readonly tls: ServerTlsConfig | null;
  /** Every connection begins with a PROXY protocol header. */
  readonly proxyProtocol: boolean;
  /** Content hash of this listener alone. */
  readonly hash: string;
}

/** A certificate with its key; fields that begin with `secret` are shown nowhere. */
export interface PemPair {
  readonly certFile: string;
  /** PEM, leaf first. */
  readonly cert: string;
  readonly keyFile: string;
  readonly secretKey: string;
  /** Lower-case, exact or `*.suffix`. */
  readonly serverNames: readonly string[];
}

export interface ServerTlsConfig {
  readonly certificates: readonly PemPair[];
  readonly minVersion: 'TLSv1.2' | 'TLSv1.3';
  readonly maxVersion: 'TLSv1.2' | 'TLSv1.3';
  readonly cipherSuites: readonly string[];
  readonly alpn: readonly string[];
  /** '' and null: clients are asked for no certificate. */
  readonly clientCaFile: string;
  readonly clientCa: string | null;
  readonly requireClientCertificate: boolean;
  readonly subjectAltNames: readonly SanMatch[];
  /** Base64; empty: those that the primary makes. */
  readonly secretTicketKeys: readonly string[];
  /** Content hash of the above. */
  readonly hash: string;
}

export interface ClientTlsConfig {
  /** '' and null: the authorities of this machine. */
  readonly caFile: string;
  readonly ca: string | null;
  /** '': the host of each request. */
  readonly serverName: string;
  readonly subjectAltNames: readonly SanMatch[];
  readonly certificate: PemPair | null;
  readonly insecureSkipVerify: boolean;
  readonly hash: string;
}

export interface SanMatch {
  readonly type: 'dns' | 'uri' | 'ip';
  readonly kind: 'exact' | 'prefix' | 'suffix' | 'contains' | 'regex';
  readonly value: string;
}

export interface TcpConfig {
  /** Where every connection goes; empty where `sniRoutes` decide. */
  readonly clusters: readonly WeightedCluster[];
  /** By server name: exact, `*.suffix`, `*`; lower case. No clusters: the connection is refused. */
  readonly sniRoutes: readonly SniRouteConfig[];
  readonly idleTimeoutMs: number;
  readonly maxConnectAttempts: number;
  readonly accessLog: readonly AccessLogConfig[];
}

export interface SniRouteConfig {
  readonly serverName: string;
  readonly clusters: readonly WeightedCluster[];
}

export interface WeightedCluster {
  readonly name: string;
  readonly weight: number;
}

export interface HttpConfig {
  readonly protocols: readonly ('http1' | 'http2')[];
  /** false: the upstream's own `server` field is passed on. */
  readonly serverName: string | false;
  readonly useRemoteAddress: boolean;
  readonly xffNumTrustedHops: number;
  readonly trustedCidrs: readonly string[];
  /** Callers whose x-envoy-* headers are believed. */
  readonly internalCidrs: readonly string[];
  readonly normalizePath: boolean;
  readonly mergeSlashes: boolean;
  readonly pathWithEscapedSlashes: 'keep' | 'reject' | 'unescapeAndRedirect' | 'unescapeAndForward';
  readonly headersWithUnderscores: 'allow' | 'drop' | 'reject';
  readonly maxRequestHeadersBytes: number;
  readonly maxRequestHeaders: number;
  readonly maxRequestBodyBytes: number;
  readonly acceptHttp10: boolean;
  readonly timeouts: {
    readonly idleMs: number;
    readonly requestHeadersMs: number;
    readonly requestMs: number;
    readonly streamIdleMs: number;
  };
  readonly http2: Http2Config;
  /** Protocols that may be upgraded to, lower-case. */
  readonly upgrades: readonly string[];
  readonly requestId: { readonly generate: boolean; readonly preserveExternal: boolean };
  readonly filters: readonly FilterConfig[];
  readonly accessLog: readonly AccessLogConfig[];
  readonly virtualHosts: readonly VirtualHostConfig[];
}

/** Limits of one HTTP/2 connection; `http/h2-limits.ts` says what each is for. */
export interface Http2Config {
  readonly maxConcurrentStreams: number;
  readonly initialStreamWindowBytes: number;
  readonly initialConnectionWindowBytes: number;
  /** PINGs on a silent or busy connection alike; 0: none. */
  readonly keepAliveIntervalMs: number;
  readonly keepAliveTimeoutMs: number;
  readonly maxOutboundFrames: number;
  readonly maxOutboundControlFrames: number;
  readonly maxConsecutiveEmptyFrames: number;
  readonly maxPriorityFramesPerStream: number;
  readonly maxWindowUpdatesPerDataFrame: number;
  readonly maxContinuationFrames: number;
  /** 0: resets are not counted. */
  readonly prematureResetStreams: number;
}

export type FilterConfig =
  | { readonly kind: 'grpcWeb' }
  /** `methods`: `pkg.Service/Method`; the others are counted together. */
  | { readonly kind: 'grpcStats'; readonly methods: readonly string[] }
  | LimitConfig;

export type LimitConfig = LocalRateLimitConfig | ConcurrencyLimitConfig | AdaptiveConcurrencyConfig | AdmissionControlConfig | BandwidthLimitConfig;

interface LimitBase {
  /** Whose state it has, in shared memory: other settings, another state. */
  readonly key: string;
  readonly statPrefix: string;
}

/** A token bucket, and how many there are of it. */
export interface BucketConfig {
  readonly maxTokens: number;
  readonly tokensPerMs: number;
  readonly copies: number;
}

export interface LocalRateLimitConfig extends LimitBase {
  readonly kind: 'localRateLimit';
  /** null: descriptors alone limit. */
  readonly bucket: BucketConfig | null;
  readonly descriptors: readonly DescriptorConfig[];
  readonly enabledPercent: number;
  readonly enforcedPercent: number;
  readonly status: number;
  readonly headers: readonly (readonly [name: string, value: string])[];
  readonly rateLimitHeaders: boolean;
}

export interface DescriptorConfig {
  readonly entries: readonly DescriptorEntryConfig[];
  /** More than one copy: each value of the entries without one has its own. */
  readonly bucket: BucketConfig;
}

export interface DescriptorEntryConfig {
  readonly kind: 'header' | 'remoteAddress' | 'path' | 'prefix' | 'method';
  /** Of a header, lower-case. */
  readonly name: string;
  /** null: any. */
  readonly value: string | null;
}

export interface ConcurrencyLimitConfig extends LimitBase {
  readonly kind: 'concurrencyLimit';
  readonly maxRequests: number;
  readonly status: number;
}

export interface AdaptiveConcurrencyConfig extends LimitBase {
  readonly kind: 'adaptiveConcurrency';
  readonly samplePercentile: number;
  readonly updateIntervalMs: number;
  readonly maxLimit: number;
  readonly minRtt: {
    readonly intervalMs: number;
    /** 0: it is measured. */
    readonly fixedMs: number;
    readonly requestCount: number;
    readonly jitterPercent: number;
    readonly minConcurrency: number;
    readonly bufferPercent: number;
  };
  readonly status: number;
}

export interface AdmissionControlConfig extends LimitBase {
  readonly kind: 'admissionControl';
  readonly windowMs: number;
  readonly successRatePercent: number;
  readonly aggression: number;
  readonly maxRejectionPercent: number;
  readonly rpsThreshold: number;
  readonly successStatuses: readonly StatusRange[];
  readonly successGrpcStatuses: readonly number[];
}

export interface BandwidthLimitConfig extends LimitBase {
  readonly kind: 'bandwidthLimit';
  /** Bytes a second; null: no limit. */
  readonly request: BucketConfig | null;
  readonly response: BucketConfig | null;
  readonly fillIntervalMs: number;
}

/** What a limit takes of shared memory. */
export interface LimitSourceConfig {
  readonly key: string;
  readonly kind: LimitConfig['kind'];
  readonly stats: string;
  readonly buckets: readonly BucketConfig[];
  /** Of a window, for which it keeps counts of each; 0: none. */
  readonly windowSeconds: number;
  readonly latencies: boolean;
  /** null: requests are not counted. */
  readonly maxRequests: number | null;
}

export interface AccessLogConfig {
  readonly path: string;
  /** Exactly one of format and json is not null. The default format is filled in. Ends with a newline. */
  readonly format: string | null;
  readonly json: Readonly<Record<string, unknown>> | null;
  readonly filter: { readonly status: StatusRange | null } | null;
}

/** `">=500"`, `"200-299"`, `"404"` as inclusive bounds. */
export interface StatusRange {
  readonly min: number;
  readonly max: number;
}

export interface VirtualHostConfig {
  readonly name: string;
  readonly domains: readonly string[];
  readonly routes: readonly RouteConfig[];
  readonly requestHeaders: HeaderEdits;
  readonly responseHeaders: HeaderEdits;
}

export interface RouteConfig {
  /** '' when the file gives none. */
  readonly name: string;
  readonly match: MatchConfig;
  readonly action: ForwardConfig | RedirectConfig | RespondConfig;
  /** All its filters in order; null: the listener's. */
  readonly filters: readonly FilterConfig[] | null;
}

export type PathMatch =
  | { readonly kind: 'path'; readonly value: string }
  | { readonly kind: 'prefix'; readonly value: string }
  | { readonly kind: 'pathSeparatedPrefix'; readonly value: string }
  | { readonly kind: 'regex'; readonly value: string }
  | { readonly kind: 'template'; readonly value: string }
  | { readonly kind: 'connect' }
  | { readonly kind: 'any' };

export interface MatchConfig {
  readonly path: PathMatch;
  readonly caseSensitive: boolean;
  /** Empty: every method. */
  readonly methods: readonly string[];
  readonly headers: readonly ValueMatch[];
  readonly query: readonly ValueMatch[];
  /** 1: always. */
  readonly fraction: number;
  /** The client has shown a certificate (true), or none (false); null: it does not matter. */
  readonly clientCertificate: boolean | null;
}

export interface ValueMatch {
  /** Lower-case for headers, as written for query parameters. */
  readonly name: string;
  readonly kind: 'exact' | 'prefix' | 'suffix' | 'contains' | 'regex' | 'range' | 'present';
  /** For exact … regex. */
  readonly value: string;
  /** For range: start inclusive, end exclusive, as in Envoy's Int64Range. */
  readonly start: number;
  readonly end: number;
  /** For present. */
  readonly present: boolean;
  readonly invert: boolean;
}

export interface ForwardConfig {
  readonly kind: 'forward';
  /** Its requests have the high priority: other circuit breakers, other connections. */
  readonly highPriority: boolean;
  /** One entry, or several with weights; empty when `clusterHeader` is set. */
  readonly clusters: readonly WeightedCluster[];
  /** Lower-case; '' when unused. */
  readonly clusterHeader: string;
  /** Which hosts may be chosen, sorted by key; null: all. */
  readonly subset: Metadata | null;
  readonly timeoutMs: number;
  /** null: the listener's streamIdle. */
  readonly idleTimeoutMs: number | null;
  /** null: `grpc-timeout` is not looked at; 0: it holds, whatever it says. */
  readonly grpcTimeoutHeaderMaxMs: number | null;
  /** null: the listener's. */
  readonly upgrades: readonly string[] | null;
  readonly hashOn: readonly HashOnConfig[];
  readonly stickySession: StickySessionConfig | null;
  /** The route's, or its virtual host's; null: nothing is tried again but for the headers of an internal caller. */
  readonly retry: RetryConfig | null;
  /** Tries race from the per-try time-out on. */
  readonly hedgeOnPerTryTimeout: boolean;
  readonly rewrite: RewriteConfig;
  readonly requestHeaders: HeaderEdits;
  readonly responseHeaders: HeaderEdits;
}

export interface HashOnConfig {
  readonly source: 'header' | 'cookie' | 'sourceIp' | 'query';
  /** Lower-case for headers; '' for sourceIp. */
  readonly name: string;
  readonly terminal: boolean;
  /** Of the cookie that is made where there is none; 0: one of the browser's session; null: none is made. */
  readonly ttlSeconds: number | null;
  /** '': none. */
  readonly path: string;
  readonly attributes: readonly (readonly [name: string, value: string])[];
}

export interface StickySessionConfig {
  readonly carrier: 'cookie' | 'header';
  /** Lower-case for headers. */
  readonly name: string;
  /** 0: as long as the browser's session. */
  readonly ttlSeconds: number;
  /** '': none. */
  readonly path: string;
  readonly strict: boolean;
}

export interface RetryConfig {
  /** Envoy's conditions, those of gRPC among them. */
  readonly on: readonly string[];
  readonly attempts: number;
  /** 0: none. */
  readonly perTryTimeoutMs: number;
  readonly perTryIdleTimeoutMs: number;
  readonly retriableStatusCodes: readonly number[];
  readonly retriableHeaders: readonly ValueMatch[];
  readonly backOff: { readonly baseMs: number; readonly maxMs: number };
  /** No headers: answers are not asked. */
  readonly retryAfter: {
    readonly headers: readonly { readonly name: string; readonly format: 'seconds' | 'unixTime' }[];
    readonly maxMs: number;
  };
  readonly previousHosts: boolean;
  readonly hostSelectionAttempts: number;
  readonly maxReplayBodyBytes: number;
  readonly includeAttemptCount: boolean;
  readonly includeAttemptCountInResponse: boolean;
  readonly includeIsTimeoutRetry: boolean;
}

export interface RewriteConfig {
  /** At most one of prefix, regex, path is not null. `path` may hold `{name}` from a template match. */
  readonly prefix: string | null;
  readonly regex: { readonly pattern: string; readonly substitution: string } | null;
  readonly path: string | null;
  readonly host: string | null;
  readonly hostFrom: 'upstream' | null;
}

export interface RedirectConfig {
  readonly kind: 'redirect';
  /** '' or 0 or null: unchanged. */
  readonly scheme: string;
  readonly host: string;
  readonly port: number;
  readonly path: string | null;
  readonly prefix: string | null;
  readonly status: 301 | 302 | 303 | 307 | 308;
  readonly stripQuery: boolean;
}

export interface RespondConfig {
  readonly kind: 'respond';
  readonly status: number;
  readonly headers: readonly (readonly [name: string, value: string])[];
  readonly body: string;
}

/** Values may hold access-log operators (`%REQ(:AUTHORITY)%`). Names as written. */
export interface HeaderEdits {
  readonly set: readonly (readonly [name: string, value: string])[];
  readonly add: readonly (readonly [name: string, value: string])[];
  readonly remove: readonly string[];
}

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

export const ENVOY_DEFAULT_LOG =
  '[%START_TIME%] "%REQ(:METHOD)% %REQ(X-ENVOY-ORIGINAL-PATH?:PATH)% %PROTOCOL%" %RESPONSE_CODE% %RESPONSE_FLAGS% ' +
  '%BYTES_RECEIVED% %BYTES_SENT% %DURATION% %RESP(X-ENVOY-UPSTREAM-SERVICE-TIME)% "%REQ(X-FORWARDED-FOR)%" ' +
  '"%REQ(USER-AGENT)%" "%REQ(X-REQUEST-ID)%" "%REQ(:AUTHORITY)%" "%UPSTREAM_HOST%"\n';
