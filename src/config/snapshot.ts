// The checked, defaulted, frozen form of a configuration: what every other room reads. Primary builds it, workers get a
// structured clone. Plain data only. Durations are milliseconds, sizes bytes; 0 means unlimited or off where a limit or a
// timer is meant. Each name is the language's (LANGUAGE.md), with the unit added.

import type { Address } from '../core/address.ts';
import type { ClusterConfig, Metadata } from './cluster-snapshot.ts';
import type { LimitConfig, LimitSourceConfig } from './limit-snapshot.ts';

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

export const ENVOY_DEFAULT_LOG =
  '[%START_TIME%] "%REQ(:METHOD)% %REQ(X-ENVOY-ORIGINAL-PATH?:PATH)% %PROTOCOL%" %RESPONSE_CODE% %RESPONSE_FLAGS% ' +
  '%BYTES_RECEIVED% %BYTES_SENT% %DURATION% %RESP(X-ENVOY-UPSTREAM-SERVICE-TIME)% "%REQ(X-FORWARDED-FOR)%" ' +
  '"%REQ(USER-AGENT)%" "%REQ(X-REQUEST-ID)%" "%REQ(:AUTHORITY)%" "%UPSTREAM_HOST%"\n';
