// The document as the schema takes it: what a user may write, before defaults. Types only; a test of the schema and the
// golden snapshots keep them honest. Also the type of what a JS module exports.

import type { OutlierDocument } from './outlier.ts';

export interface ConfigDocument {
  $schema?: string;
  workers?: number | 'auto';
  pinWorkers?: boolean;
  engine?: EngineWord;
  admin?: false | { address?: string };
  logLevel?: 'trace' | 'debug' | 'info' | 'warn' | 'error' | 'off';
  drainTimeout?: string;
  watch?: boolean;
  zone?: string;
  localCluster?: string;
  overload?: OverloadDocument;
  listeners: ListenerDocument[];
  clusters?: ClusterDocument[];
}

export interface OverloadDocument {
  maxConnections?: number;
  maxHeapSize?: number | string;
  interval?: string;
  /** Shares of `maxHeapSize`; 0: never. */
  actions?: {
    stopAcceptingRequests?: number;
    disableKeepAlive?: number;
    closeIdleConnections?: number;
    stopAcceptingConnections?: number;
    rejectIncomingConnections?: number;
    reduceTimeouts?: { from?: number; to?: number; idle?: string };
  };
}

export type EngineWord = 'auto' | 'epoll' | 'node' | 'uws';

export interface ListenerDocument {
  name?: string;
  address: string;
  maxConnections?: number;
  engine?: EngineWord;
  tls?: TlsDocument;
  proxyProtocol?: boolean;
  /** Exactly one of `http` and `tcp`. */
  http?: HttpDocument;
  tcp?: TcpDocument;
}

export interface TcpDocument {
  /** Exactly one of `cluster`, `clusters` and `sniRoutes`. */
  cluster?: string;
  clusters?: { name: string; weight?: number }[];
  /** By server name: a cluster, "reject", or clusters with weights. */
  sniRoutes?: Record<string, string | { name: string; weight?: number }[]>;
  idleTimeout?: string;
  maxConnectAttempts?: number;
  accessLog?: AccessLogDocument[];
}

export interface TlsDocument {
  certificates: { cert: string; key: string; serverNames?: string[] }[];
  minVersion?: 'TLSv1.2' | 'TLSv1.3';
  maxVersion?: 'TLSv1.2' | 'TLSv1.3';
  cipherSuites?: string[];
  alpn?: string[];
  clientCa?: string;
  requireClientCertificate?: boolean;
  subjectAltNames?: SubjectAltNameDocument[];
  sessionTicketKeys?: string[];
}

/** Exactly one. */
export interface SubjectAltNameDocument {
  dns?: string | TextMatchDocument;
  uri?: string | TextMatchDocument;
  ip?: string | TextMatchDocument;
}

/** Exactly one. */
export interface TextMatchDocument {
  exact?: string;
  prefix?: string;
  suffix?: string;
  contains?: string;
  regex?: string;
}

export interface ClusterTlsDocument {
  ca?: string;
  serverName?: string;
  subjectAltNames?: SubjectAltNameDocument[];
  cert?: string;
  key?: string;
  insecureSkipVerify?: boolean;
}

export interface HttpDocument {
  protocols?: ('http1' | 'http2')[];
  serverName?: string | false;
  useRemoteAddress?: boolean;
  xffNumTrustedHops?: number;
  trustedCidrs?: string[];
  internalCidrs?: string[];
  normalizePath?: boolean;
  mergeSlashes?: boolean;
  pathWithEscapedSlashes?: 'keep' | 'reject' | 'unescapeAndRedirect' | 'unescapeAndForward';
  headersWithUnderscores?: 'allow' | 'drop' | 'reject';
  maxRequestHeadersSize?: number | string;
  maxRequestHeaders?: number;
  maxRequestBodySize?: number | string;
  acceptHttp10?: boolean;
  timeouts?: { idle?: string; requestHeaders?: string; request?: string; streamIdle?: string };
  http2?: Http2Document;
  requestId?: { generate?: boolean; preserveExternal?: boolean };
  upgrades?: string[];
  accessLog?: AccessLogDocument[];
  filters?: FilterDocument[];
  /** Exactly one of `routes` and `virtualHosts`. */
  routes?: RouteDocument[];
  virtualHosts?: VirtualHostDocument[];
}

export interface Http2Document {
  maxConcurrentStreams?: number;
  initialStreamWindow?: number | string;
  initialConnectionWindow?: number | string;
  keepAliveInterval?: string;
  keepAliveTimeout?: string;
  maxOutboundFrames?: number;
  maxOutboundControlFrames?: number;
  maxConsecutiveEmptyFrames?: number;
  maxPriorityFramesPerStream?: number;
  maxWindowUpdatesPerDataFrame?: number;
  maxContinuationFrames?: number;
  prematureResetStreams?: number;
}

/** Exactly one key: the filter's name. */
export interface FilterDocument {
  grpcWeb?: Record<string, never>;
  grpcStats?: { methods?: string[] };
  localRateLimit?: LocalRateLimitDocument;
  concurrencyLimit?: ConcurrencyLimitDocument;
  adaptiveConcurrency?: AdaptiveConcurrencyDocument;
  admissionControl?: AdmissionControlDocument;
  bandwidthLimit?: BandwidthLimitDocument;
}

/** Of a virtual host or a route. */
export interface RouteFiltersDocument {
  grpcWeb?: false;
  grpcStats?: false;
  localRateLimit?: LocalRateLimitDocument | false;
  concurrencyLimit?: ConcurrencyLimitDocument | false;
  adaptiveConcurrency?: AdaptiveConcurrencyDocument | false;
  admissionControl?: AdmissionControlDocument | false;
  bandwidthLimit?: BandwidthLimitDocument | false;
}

export interface BucketDocument {
  maxTokens?: number;
  tokensPerFill?: number;
  fillInterval?: string;
}

export interface LocalRateLimitDocument extends BucketDocument {
  descriptors?: DescriptorDocument[];
  enabledPercent?: number;
  enforcedPercent?: number;
  status?: number;
  headers?: Record<string, string>;
  rateLimitHeaders?: boolean;
  statPrefix?: string;
}

export interface DescriptorDocument extends BucketDocument {
  entries: DescriptorEntryDocument[];
  maxTokens: number;
  maxValues?: number;
}

/** Exactly one besides `value`. */
export interface DescriptorEntryDocument {
  header?: string;
  value?: string;
  remoteAddress?: string | true;
  path?: string;
  prefix?: string;
  method?: string;
}

export interface ConcurrencyLimitDocument {
  maxRequests: number;
  status?: number;
  statPrefix?: string;
}

export interface AdaptiveConcurrencyDocument {
  sampleAggregatePercentile?: number;
  concurrencyUpdateInterval?: string;
  maxConcurrencyLimit?: number;
  minRtt?: { interval?: string; fixed?: string; requestCount?: number; jitterPercent?: number; minConcurrency?: number; bufferPercent?: number };
  status?: number;
  statPrefix?: string;
}

export interface AdmissionControlDocument {
  window?: string;
  successRatePercent?: number;
  aggression?: number;
  maxRejectionPercent?: number;
  rpsThreshold?: number;
  successStatuses?: string[];
  successGrpcStatuses?: number[];
  statPrefix?: string;
}

export interface BandwidthLimitDocument {
  requestRate?: number | string;
  responseRate?: number | string;
  fillInterval?: string;
  statPrefix?: string;
}

export interface AccessLogDocument {
  path: string;
  format?: string;
  json?: Record<string, unknown>;
  filter?: { status?: string };
}

export interface VirtualHostDocument {
  name?: string;
  domains: string[];
  requestHeaders?: HeaderEditsDocument;
  responseHeaders?: HeaderEditsDocument;
  filters?: RouteFiltersDocument;
  retry?: RetryDocument;
  routes: RouteDocument[];
}

/** Exactly one of `forward`, `redirect`, `respond`. */
export interface RouteDocument {
  name?: string;
  match: MatchDocument;
  forward?: ForwardDocument;
  redirect?: RedirectDocument;
  respond?: RespondDocument;
  filters?: RouteFiltersDocument;
}

/** Exactly one of the first six. */
export interface MatchDocument {
  path?: string;
  prefix?: string;
  pathSeparatedPrefix?: string;
  regex?: string;
  template?: string;
  connect?: boolean;
  caseSensitive?: boolean;
  methods?: string[];
  headers?: Record<string, ValueMatchDocument>;
  query?: Record<string, ValueMatchDocument>;
  fraction?: number;
  tls?: { clientCertificate?: boolean };
}

/** Text, or an object with exactly one key besides `invert`. */
export type ValueMatchDocument = string | ValueMatchObject;

export interface ValueMatchObject {
  exact?: string;
  prefix?: string;
  suffix?: string;
  contains?: string;
  regex?: string;
  range?: { start: number; end: number };
  present?: boolean;
  invert?: boolean;
}

export interface ForwardDocument {
  cluster?: string;
  clusters?: { name: string; weight?: number }[];
  clusterHeader?: string;
  subset?: MetadataDocument;
  priority?: 'default' | 'high';
  timeout?: string;
  idleTimeout?: string;
  grpcTimeoutHeaderMax?: string;
  upgrades?: string[];
  hashOn?: HashOnDocument[];
  stickySession?: StickySessionDocument;
  retry?: RetryDocument;
  hedge?: { onPerTryTimeout?: boolean };
  rewrite?: RewriteDocument;
  requestHeaders?: HeaderEditsDocument;
  responseHeaders?: HeaderEditsDocument;
}

/** Exactly one of `header`, `cookie`, `sourceIp` and `query`. */
export interface HashOnDocument {
  header?: string;
  cookie?: string;
  sourceIp?: boolean;
  query?: string;
  terminal?: boolean;
  ttl?: string;
  path?: string;
  attributes?: Record<string, string>;
}

/** Exactly one of `cookie` and `header`. */
export interface StickySessionDocument {
  cookie?: string;
  header?: string;
  ttl?: string;
  path?: string;
  strict?: boolean;
}

export interface RetryDocument {
  on?: string[];
  attempts?: number;
  perTryTimeout?: string;
  perTryIdleTimeout?: string;
  retriableStatusCodes?: number[];
  retriableHeaders?: Record<string, ValueMatchDocument>;
  backOff?: { base?: string; max?: string };
  respectRetryAfter?: boolean | { headers?: Record<string, 'seconds' | 'unixTime'>; max?: string };
  previousHosts?: boolean;
  hostSelectionAttempts?: number;
  maxReplayBodySize?: number | string;
  includeAttemptCount?: boolean;
  includeAttemptCountInResponse?: boolean;
  includeIsTimeoutRetry?: boolean;
}

export interface RewriteDocument {
  prefix?: string;
  regex?: { pattern: string; substitution: string };
  path?: string;
  host?: string;
  hostFrom?: 'upstream';
}

export interface HeaderEditsDocument {
  set?: Record<string, string>;
  add?: Record<string, string>;
  remove?: string[];
}

export interface RedirectDocument {
  scheme?: 'http' | 'https';
  host?: string;
  port?: number;
  path?: string;
  prefix?: string;
  status?: 301 | 302 | 303 | 307 | 308;
  stripQuery?: boolean;
}

export interface RespondDocument {
  status: number;
  headers?: Record<string, string>;
  body?: string;
}

export interface ClusterDocument {
  name: string;
  type?: 'static' | 'strictDns' | 'logicalDns' | 'originalDst';
  endpoints?: (string | EndpointDocument)[];
  dnsRefresh?: string;
  dnsJitter?: string;
  dnsFailureRefresh?: { base: string; max?: string };
  respectDnsTtl?: boolean;
  dnsLookupFamily?: 'auto' | 'v4Only' | 'v6Only' | 'v4Preferred' | 'all';
  dnsResolvers?: string[];
  protocol?: 'http1';
  proxyProtocol?: 'v1' | 'v2';
  connectTimeout?: string;
  tls?: ClusterTlsDocument;
  loadBalancing?: LoadBalancingDocument & HostSetsDocument;
  connections?: { idleTimeout?: string; maxRequests?: number };
  http2?: { keepAliveInterval?: string; keepAliveTimeout?: string };
  /** At most one. */
  healthChecks?: HealthCheckDocument[];
  outlierDetection?: OutlierDocument;
  circuitBreakers?: CircuitBreakersDocument;
}

export interface BreakerLimitsDocument {
  maxConnections?: number;
  maxPendingRequests?: number;
  maxRequests?: number;
  maxRetries?: number;
  retryBudget?: { budgetPercent?: number; minConcurrency?: number };
}

export interface CircuitBreakersDocument extends BreakerLimitsDocument {
  perHost?: { maxConnections?: number; maxRequests?: number };
  high?: BreakerLimitsDocument;
}

export interface LoadBalancingDocument {
  policy?: 'roundRobin' | 'leastRequest' | 'random' | 'ringHash' | 'maglev' | 'peakEwma';
  choiceCount?: number;
  activeRequestBias?: number;
  minRingSize?: number;
  maxRingSize?: number;
  tableSize?: number;
  hashBalanceFactor?: number;
  slowStart?: { window: string; aggression?: number; minWeightPercent?: number };
}

/** Exactly one of `http`, `tcp`, `grpc`. */
export interface HealthCheckDocument {
  http?: {
    path: string;
    host?: string;
    method?: 'GET' | 'HEAD' | 'POST' | 'PUT' | 'DELETE' | 'OPTIONS' | 'TRACE' | 'PATCH';
    headers?: Record<string, string>;
    expectedStatuses?: string[];
    retriableStatuses?: string[];
  };
  tcp?: { send?: PayloadDocument; expect?: PayloadDocument[] };
  grpc?: { service?: string; authority?: string };
  interval?: string;
  timeout?: string;
  healthyThreshold?: number;
  unhealthyThreshold?: number;
  jitter?: string;
  jitterPercent?: number;
  initialJitter?: string;
  noTrafficInterval?: string;
  noTrafficHealthyInterval?: string;
  unhealthyInterval?: string;
  unhealthyEdgeInterval?: string;
  healthyEdgeInterval?: string;
  reuseConnection?: boolean;
  eventLog?: string;
  alwaysLogFailures?: boolean;
}

/** Text, or bytes in hexadecimal. */
export type PayloadDocument = string | { hex: string };

export interface EndpointDocument {
  address: string;
  weight?: number;
  priority?: number;
  zone?: string;
  metadata?: MetadataDocument;
}

export type MetadataDocument = Record<string, string | number | boolean>;

/** What of `loadBalancing` groups the hosts. */
export interface HostSetsDocument {
  panicPercent?: number;
  overprovisioningFactor?: number;
  localityWeighted?: boolean;
  localityWeights?: Record<string, number>;
  zoneAware?: boolean | ZoneAwareDocument;
  subsets?: (string[] | SubsetDocument)[];
  subsetFallback?: 'none' | 'anyEndpoint' | 'defaultSubset';
  defaultSubset?: MetadataDocument;
}

export interface ZoneAwareDocument {
  minClusterSize?: number;
  routingEnabledPercent?: number;
  failTrafficOnPanic?: boolean;
}

export interface SubsetDocument {
  keys: string[];
  fallback?: 'none' | 'anyEndpoint' | 'defaultSubset' | 'keysSubset';
  fallbackKeys?: string[];
}
