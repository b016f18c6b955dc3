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
    /** Envoy (since 1.33): internal_address_config empty, no caller is internal. */
    internalCidrs: [],
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
  localRateLimit: {
    /** Per second is what people mean; Envoy asks for it. */
    fillInterval: '1s',
    descriptors: [],
    /** Envoy's are 0 %, so that nothing happens until two more keys are set; whoever writes a limit here wants it. */
    enabledPercent: 100,
    enforcedPercent: 100,
    /** Envoy: 429, headers off. */
    status: 429,
    rateLimitHeaders: false,
  },
  /** Envoy's 20 suits routes; callers are more. Takes 64 KiB. */
  descriptor: { maxValues: 1024 },
  /** What nginx, HAProxy and Envoy's breakers say when there is no room: try again. */
  concurrencyLimit: { status: 503 },
  adaptiveConcurrency: {
    /** Envoy: p50, 100 ms (its examples; it asks for it), 1000, 503. */
    sampleAggregatePercentile: 50,
    concurrencyUpdateInterval: '100ms',
    maxConcurrencyLimit: 1000,
    status: 503,
  },
  minRtt: {
    /** Envoy: 60 s in its examples; 50 requests, 15 %, 3, 25 %. */
    interval: '60s',
    requestCount: 50,
    jitterPercent: 15,
    minConcurrency: 3,
    bufferPercent: 25,
  },
  admissionControl: {
    /** Envoy: 30 s, 95 %, 1.0, 80 %, 0. */
    window: '30s',
    successRatePercent: 95,
    aggression: 1,
    maxRejectionPercent: 80,
    rpsThreshold: 0,
    /** Envoy: HTTP statuses below 500; gRPC statuses that are not the server's fault. */
    successStatuses: ['100-499'],
    successGrpcStatuses: [0, 1, 2, 3, 5, 6, 7, 9, 11, 12, 16],
  },
  /** Envoy: 50 ms. */
  bandwidthLimit: { fillInterval: '50ms' },
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
    /** Envoy: hash_policy empty. */
    hashOn: [],
  },
  hashOn: {
    /** Envoy: terminal false. */
    terminal: false,
  },
  stickySession: {
    /** Envoy: a cookie without ttl is one of the browser's session; strict false. */
    ttl: '0s',
    strict: false,
  },
  retry: {
    on: [],
    /** Envoy: num_retries 1, per_try_timeout and per_try_idle_timeout off. */
    attempts: 1,
    perTryTimeout: '0s',
    perTryIdleTimeout: '0s',
    retriableStatusCodes: [],
    /** Envoy: no rate_limited_retry_back_off unless configured. */
    respectRetryAfter: false,
    /** Envoy: no retry_host_predicate unless configured; host_selection_retry_max_attempts 1. */
    previousHosts: false,
    hostSelectionAttempts: 1,
    /** Envoy: per_connection_buffer_limit_bytes 1 MiB bounds what is kept of a request. */
    maxReplayBodySize: '1MiB',
    includeAttemptCount: false,
    includeAttemptCountInResponse: false,
    includeIsTimeoutRetry: false,
  },
  backOff: {
    /** Envoy: retry_back_off.base_interval 25 ms. */
    base: '25ms',
  },
  retryAfter: {
    headers: {},
    /** Envoy: rate_limited_retry_back_off.max_interval 300 s. */
    max: '300s',
  },
  hedge: {
    /** Envoy: hedge_on_per_try_timeout false. */
    onPerTryTimeout: false,
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
    /** Envoy: dns_refresh_rate 5 s. */
    dnsRefresh: '5s',
    /** Envoy: dns_jitter 0. */
    dnsJitter: '0s',
    /** Envoy: respect_dns_ttl false. */
    respectDnsTtl: false,
    /** Envoy: dns_lookup_family AUTO, IPv6 and, where there is none, IPv4. */
    dnsLookupFamily: 'auto',
  },
  endpoint: {
    /** Envoy: load_balancing_weight 1. */
    weight: 1,
    /** Envoy: priority 0. */
    priority: 0,
  },
  loadBalancing: {
    /** Envoy: lb_policy ROUND_ROBIN. */
    policy: 'roundRobin',
    /** Envoy: choice_count 2, active_request_bias 1.0. */
    choiceCount: 2,
    activeRequestBias: 1,
    /** Envoy: minimum_ring_size 1024, maximum_ring_size 8M. */
    minRingSize: 1024,
    maxRingSize: 8_388_608,
    /** Envoy: table_size 65537. */
    tableSize: 65_537,
    /** Envoy: hash_balance_factor unset, loads are not bounded. */
    hashBalanceFactor: 0,
    /** Envoy: healthy_panic_threshold 50 %. */
    panicPercent: 50,
    /** Envoy: overprovisioning_factor 140 %. */
    overprovisioningFactor: 1.4,
    /** Envoy: no locality_weighted_lb_config unless configured. */
    localityWeighted: false,
    /** Envoy turns it on for every cluster once a local cluster is named; here each cluster says so itself. */
    zoneAware: false,
    /** Envoy: no lb_subset_config unless configured; its fallback_policy NO_FALLBACK. */
    subsets: [],
    subsetFallback: 'none',
  },
  slowStart: {
    /** Envoy: aggression 1.0, min_weight_percent 10. */
    aggression: 1,
    minWeightPercent: 10,
  },
  zoneAware: {
    /** Envoy: zone_aware_lb_config.min_cluster_size 6, routing_enabled 100 %, fail_traffic_on_panic false. */
    minClusterSize: 6,
    routingEnabledPercent: 100,
    failTrafficOnPanic: false,
  },
  zone: {
    /** Envoy's locality weights have no default, and a zone without one gets nothing; 1 for each makes an even split. */
    weight: 1,
  },
  connections: {
    /** Envoy: upstream idle_timeout 1 h. */
    idleTimeout: '1h',
    /** Envoy: max_requests_per_connection unlimited. */
    maxRequests: 0,
  },
  healthCheck: {
    /** Envoy requires these four; they are the ones of its examples, and of the probes of Kubernetes within a factor of two. */
    interval: '5s',
    timeout: '1s',
    healthyThreshold: 2,
    unhealthyThreshold: 3,
    /** Envoy: interval_jitter, interval_jitter_percent and initial_jitter 0. */
    jitter: '0s',
    jitterPercent: 0,
    initialJitter: '0s',
    /** Envoy: no_traffic_interval 60 s. */
    noTrafficInterval: '60s',
    /** Envoy: reuse_connection true. */
    reuseConnection: true,
    /** Envoy: always_log_health_check_failures false. */
    alwaysLogFailures: false,
  },
  healthCheckHttp: {
    /** Envoy: GET; 200 alone is healthy; no status is retriable. */
    method: 'GET',
    expectedStatuses: ['200'],
    retriableStatuses: [],
  },
  healthCheckTcp: {
    /** Envoy: without `receive` the connection is the check. */
    expect: [],
  },
  healthCheckGrpc: {
    /** grpc.health.v1: the empty service is the server as a whole. */
    service: '',
  },
  circuitBreakers: {
    /** Envoy: 1024, 1024, 1024 and 3 for each priority. */
    maxConnections: 1024,
    maxPendingRequests: 1024,
    maxRequests: 1024,
    maxRetries: 3,
  },
  outlierDetection: {
    /** Envoy: interval 10 s, base_ejection_time 30 s, max_ejection_time 300 s, no jitter. */
    interval: '10s',
    baseEjectionTime: '30s',
    maxEjectionTime: '300s',
    maxEjectionTimeJitter: '0s',
    /** Envoy: max_ejection_percent 10. */
    maxEjectionPercent: 10,
    /** Envoy's is false since always_eject_one_host is there, and was true before: with it, clusters of fewer than 10 hosts are protected too. */
    alwaysEjectOneHost: true,
    /** Envoy: 5 of each in a row; those of gateways are enforced by 0 %, the others by 100 %. */
    consecutive5xx: 5,
    enforcingConsecutive5xxPercent: 100,
    consecutiveGatewayFailure: 5,
    enforcingConsecutiveGatewayFailurePercent: 0,
    consecutiveLocalOriginFailure: 5,
    enforcingConsecutiveLocalOriginFailurePercent: 100,
    /** Envoy: split_external_local_origin_errors false. */
    splitExternalLocalOriginErrors: false,
    /** Envoy: successful_active_health_check_uneject_host true. */
    successfulActiveHealthCheckUnejectHost: true,
  },
  /** Envoy: success_rate_minimum_hosts 5, request_volume 100, stdev_factor 1900 (thousandths), enforced by 100 %. */
  outlierSuccessRate: { minimumHosts: 5, requestVolume: 100, stdevFactor: 1.9, enforcingPercent: 100, enforcingLocalOriginPercent: 100 },
  /** Envoy: failure_percentage_threshold 85, minimum_hosts 5, request_volume 50, enforced by 0 %. */
  outlierFailurePercentage: { threshold: 85, minimumHosts: 5, requestVolume: 50, enforcingPercent: 0, enforcingLocalOriginPercent: 0 },
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

/** Envoy: the max_interval of dns_failure_refresh_rate is ten times its base_interval. */
export const DNS_FAILURE_MAX_FACTOR = 10;
/** Envoy: retry_back_off.max_interval is ten times the base. */
export const BACK_OFF_MAX_FACTOR = 10;
/** What `"respectRetryAfter": true` looks at: the two headers that Envoy's documents name. */
export const RETRY_AFTER_HEADERS = { 'retry-after': 'seconds', 'x-ratelimit-reset': 'unixTime' } as const;
