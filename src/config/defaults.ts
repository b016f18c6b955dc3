// Every default of the language, in the language's own form, with the reason for its number. Any thread; constants only.
// The schema shows them, `build/` fills them in; no other file holds one. "Envoy" means its v3 API documentation.

export const DEFAULTS = {
  top: {
    /** One worker per CPU the process may use: Envoy's --concurrency does the same. */
    workers: 'auto',
    /** A worker that stays on its CPU keeps its caches warm. */
    pinWorkers: true,
    /** The fastest engine that loads: epoll on Linux, node elsewhere. */
    engine: 'auto',
    logLevel: 'info',
    /** Kubernetes' terminationGracePeriodSeconds is 30. Envoy waits 600 s (--drain-time-s) for its two-process restart. */
    drainTimeout: '30s',
    /** Editing the file is the reload (envoyproxy/envoy#6353 asks for it since 2019). */
    watch: true,
    clusters: [],
  },
  overload: {
    /** Envoy: neither is limited without an overload manager. */
    maxConnections: 0,
    maxHeapSize: 0,
    /** Envoy: refresh_interval 1 s. */
    interval: '1s',
  },
  overloadActions: {
    /** What Envoy's advice for the edge does at 95 %; the others are off there. */
    stopAcceptingRequests: 0.95,
    disableKeepAlive: 0,
    closeIdleConnections: 0,
    stopAcceptingConnections: 0,
    rejectIncomingConnections: 0,
  },
  reduceTimeouts: {
    /** The example of Envoy's documentation: from 85 to 95 %, down to 2 s. */
    from: 0.85,
    to: 0.95,
    idle: '2s',
  },
  admin: {
    /** Envoy documents 9901 throughout; loopback, because the pages are not protected. */
    address: '127.0.0.1:9901',
  },
  listener: {
    /** Envoy: no limit unless connection_limit is configured. */
    maxConnections: 0,
    /** Envoy: no proxy_protocol filter unless configured; whoever may send the header may claim any address. */
    proxyProtocol: false,
  },
  tcp: {
    /** Envoy: tcp_proxy idle_timeout 1 h. */
    idleTimeout: '1h',
    /** Envoy: max_connect_attempts 1. */
    maxConnectAttempts: 1,
    /** Envoy: no access log unless configured. */
    accessLog: [],
  },
  http: {
    protocols: ['http1'],
    serverName: 'nuncio',
    /** Envoy's default is false, its advice for the edge true; true is safe where nothing trusted stands in front. */
    useRemoteAddress: true,
    /** Envoy: xff_num_trusted_hops 0. */
    xffNumTrustedHops: 0,
    trustedCidrs: [],
    /** Envoy's default is false, its advice for the edge true: prefix rules hold only on normalised paths. */
    normalizePath: true,
    /** Envoy: merge_slashes false. */
    mergeSlashes: false,
    /** Envoy: KEEP_UNCHANGED. */
    pathWithEscapedSlashes: 'keep',
    /** Envoy: headers_with_underscores_action ALLOW. */
    headersWithUnderscores: 'allow',
    /** Envoy: max_request_headers_kb 60. */
    maxRequestHeadersSize: '60KiB',
    /** Envoy: max_headers_count 100. */
    maxRequestHeaders: 100,
    /** Envoy: bodies are streamed, no limit without the buffer filter. */
    maxRequestBodySize: 0,
    /** Envoy: accept_http_10 false; answers 426. */
    acceptHttp10: false,
    /** Envoy: upgrade_configs empty; a tunnel is opened only where somebody has said so. */
    upgrades: [],
    filters: [],
    /** Envoy: no access log unless configured. */
    accessLog: [],
  },
  http2: {
    /** Envoy's advice for the edge: 100 streams, 64 KiB and 1 MiB; its own defaults (1024, 16 MiB, 24 MiB) trust the client. */
    maxConcurrentStreams: 100,
    initialStreamWindow: '64KiB',
    initialConnectionWindow: '1MiB',
    /** Envoy: connection_keepalive off unless configured; 10 s is the timeout of its examples. */
    keepAliveInterval: '0s',
    keepAliveTimeout: '10s',
    /** Envoy: max_outbound_frames, max_outbound_control_frames. */
    maxOutboundFrames: 10_000,
    maxOutboundControlFrames: 1000,
    /** Envoy: max_consecutive_inbound_frames_with_empty_payload 1. */
    maxConsecutiveEmptyFrames: 1,
    /** Envoy: max_inbound_priority_frames_per_stream 100, max_inbound_window_update_frames_per_data_frame_sent 10. */
    maxPriorityFramesPerStream: 100,
    maxWindowUpdatesPerDataFrame: 10,
    /** nghttp2 (since CVE-2024-28182): 8. A head within maxRequestHeadersSize needs 4. */
    maxContinuationFrames: 8,
    /** Envoy: overload.premature_reset_total_stream_count 500. */
    prematureResetStreams: 500,
  },
  /** Envoy: without an allow-list no method is counted by itself. */
  grpcStats: { methods: [] },
  timeouts: {
    /** Envoy: common_http_protocol_options.idle_timeout 1 h. */
    idle: '1h',
    /** Envoy's is off; 10 s leaves no room for clients that dribble a head. */
    requestHeaders: '10s',
    /** Envoy: request_timeout off, since uploads may be long. */
    request: '0s',
    /** Envoy: stream_idle_timeout 5 min. */
    streamIdle: '5m',
  },
  requestId: {
    /** Envoy: generate_request_id true. */
    generate: true,
    /** Envoy: preserve_external_request_id false. */
    preserveExternal: false,
  },
  virtualHost: {
    /** `routes` without `virtualHosts` is one virtual host of this name for every domain. */
    soleName: 'default',
    soleDomains: ['*'],
  },
  match: {
    /** Envoy: case_sensitive true. */
    caseSensitive: true,
    methods: [],
    fraction: 1,
  },
  valueMatch: {
    invert: false,
  },
  forward: {
    /** Envoy: RoutingPriority DEFAULT. */
    priority: 'default',
    /** Envoy: route timeout 15 s. */
    timeout: '15s',
  },
  weightedCluster: {
    /** Envoy requires a weight; 1 for each makes an even split of a plain list. */
    weight: 1,
  },
  redirect: {
    /** Envoy: MOVED_PERMANENTLY. */
    status: 301,
    stripQuery: false,
    /** Unchanged. */
    host: '',
    port: 0,
  },
  respond: {
    body: '',
  },
  edits: {
    remove: [],
  },
  tls: {
    /** Envoy: TLS 1.2 to 1.3 for servers. */
    minVersion: 'TLSv1.2',
    maxVersion: 'TLSv1.3',
    cipherSuites: [],
    requireClientCertificate: false,
    /** Envoy: match_typed_subject_alt_names empty. */
    subjectAltNames: [],
    sessionTicketKeys: [],
  },
  clusterTls: {
    subjectAltNames: [],
    insecureSkipVerify: false,
  },
  cluster: {
    type: 'static',
    protocol: 'http1',
    /** Envoy: connect_timeout 5 s. */
    connectTimeout: '5s',
  },
  endpoint: {
    /** Envoy: load_balancing_weight 1. */
    weight: 1,
  },
  loadBalancing: {
    /** Envoy: lb_policy ROUND_ROBIN. */
    policy: 'roundRobin',
  },
  connections: {
    /** Envoy: upstream idle_timeout 1 h. */
    idleTimeout: '1h',
    /** Envoy: max_requests_per_connection unlimited. */
    maxRequests: 0,
  },
  circuitBreakers: {
    /** Envoy: 1024, 1024, 1024 and 3 for each priority. */
    maxConnections: 1024,
    maxPendingRequests: 1024,
    maxRequests: 1024,
    maxRetries: 3,
  },
  retryBudget: {
    /** Envoy: budget_percent 20, min_retry_concurrency 3. */
    budgetPercent: 20,
    minConcurrency: 3,
  },
  perHost: {
    /** Envoy: no limits of single hosts unless configured. */
    maxConnections: 0,
    maxRequests: 0,
  },
} as const;
