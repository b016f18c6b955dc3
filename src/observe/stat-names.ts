// The stats of each kind of object: Envoy's names, and the slot of each inside its object's block.
// Any thread. The road writes `cells[block + CX_TOTAL]++`; readers walk the lists. Order is slot order; a test checks
// that constants and lists agree.

export type StatKind = 'counter' | 'gauge';

// cluster.NAME.*
export const UP_CX_TOTAL = 0;
export const UP_CX_ACTIVE = 1;
export const UP_CX_HTTP1_TOTAL = 2;
export const UP_CX_CONNECT_FAIL = 3;
export const UP_CX_CONNECT_TIMEOUT = 4;
export const UP_CX_IDLE_TIMEOUT = 5;
export const UP_CX_OVERFLOW = 6;
export const UP_CX_DESTROY = 7;
export const UP_CX_DESTROY_LOCAL = 8;
export const UP_CX_DESTROY_REMOTE = 9;
export const UP_CX_DESTROY_WITH_ACTIVE_RQ = 10;
export const UP_CX_DESTROY_LOCAL_WITH_ACTIVE_RQ = 11;
export const UP_CX_DESTROY_REMOTE_WITH_ACTIVE_RQ = 12;
export const UP_CX_CLOSE_NOTIFY = 13;
export const UP_CX_RX_BYTES_TOTAL = 14;
export const UP_CX_TX_BYTES_TOTAL = 15;
export const UP_CX_PROTOCOL_ERROR = 16;
export const UP_CX_MAX_REQUESTS = 17;
export const UP_CX_NONE_HEALTHY = 18;
export const UP_RQ_TOTAL = 19;
export const UP_RQ_ACTIVE = 20;
export const UP_RQ_COMPLETED = 21;
export const UP_RQ_1XX = 22;
export const UP_RQ_2XX = 23;
export const UP_RQ_3XX = 24;
export const UP_RQ_4XX = 25;
export const UP_RQ_5XX = 26;
export const UP_RQ_PENDING_TOTAL = 27;
export const UP_RQ_PENDING_OVERFLOW = 28;
export const UP_RQ_PENDING_FAILURE_EJECT = 29;
export const UP_RQ_PENDING_ACTIVE = 30;
export const UP_RQ_CANCELLED = 31;
export const UP_RQ_TIMEOUT = 32;
export const UP_RQ_RX_RESET = 33;
export const UP_RQ_TX_RESET = 34;
export const UP_FLOW_PAUSED_READING = 35;
export const UP_FLOW_RESUMED_READING = 36;
export const UP_FLOW_BACKED_UP = 37;
export const UP_FLOW_DRAINED = 38;
export const UP_CX_CONNECT_ATTEMPTS_EXCEEDED = 39;
export const UP_CX_HTTP2_TOTAL = 40;
export const UP_RQ_RETRY = 41;
export const UP_RQ_RETRY_SUCCESS = 42;
export const UP_RQ_RETRY_OVERFLOW = 43;
export const UP_RQ_RETRY_LIMIT_EXCEEDED = 44;
export const UP_RQ_RETRY_BACKOFF_EXPONENTIAL = 45;
export const UP_RQ_RETRY_BACKOFF_RATELIMITED = 46;
export const UP_RQ_PER_TRY_TIMEOUT = 47;
export const UP_RQ_PER_TRY_IDLE_TIMEOUT = 48;
export const UP_RQ_MAX_DURATION_REACHED = 49;
export const UP_CX_POOL_OVERFLOW = 50;
export const UP_RETRY_OR_SHADOW_ABANDONED = 51;

/** Names in slot order; gauges are marked. */
export const CLUSTER_STATS: readonly (readonly [name: string, kind: StatKind])[] = [
  ['upstream_cx_total', 'counter'],
  ['upstream_cx_active', 'gauge'],
  ['upstream_cx_http1_total', 'counter'],
  ['upstream_cx_connect_fail', 'counter'],
  ['upstream_cx_connect_timeout', 'counter'],
  ['upstream_cx_idle_timeout', 'counter'],
  ['upstream_cx_overflow', 'counter'],
  ['upstream_cx_destroy', 'counter'],
  ['upstream_cx_destroy_local', 'counter'],
  ['upstream_cx_destroy_remote', 'counter'],
  ['upstream_cx_destroy_with_active_rq', 'counter'],
  ['upstream_cx_destroy_local_with_active_rq', 'counter'],
  ['upstream_cx_destroy_remote_with_active_rq', 'counter'],
  ['upstream_cx_close_notify', 'counter'],
  ['upstream_cx_rx_bytes_total', 'counter'],
  ['upstream_cx_tx_bytes_total', 'counter'],
  ['upstream_cx_protocol_error', 'counter'],
  ['upstream_cx_max_requests', 'counter'],
  ['upstream_cx_none_healthy', 'counter'],
  ['upstream_rq_total', 'counter'],
  ['upstream_rq_active', 'gauge'],
  ['upstream_rq_completed', 'counter'],
  ['upstream_rq_1xx', 'counter'],
  ['upstream_rq_2xx', 'counter'],
  ['upstream_rq_3xx', 'counter'],
  ['upstream_rq_4xx', 'counter'],
  ['upstream_rq_5xx', 'counter'],
  ['upstream_rq_pending_total', 'counter'],
  ['upstream_rq_pending_overflow', 'counter'],
  ['upstream_rq_pending_failure_eject', 'counter'],
  ['upstream_rq_pending_active', 'gauge'],
  ['upstream_rq_cancelled', 'counter'],
  ['upstream_rq_timeout', 'counter'],
  ['upstream_rq_rx_reset', 'counter'],
  ['upstream_rq_tx_reset', 'counter'],
  ['upstream_flow_control_paused_reading_total', 'counter'],
  ['upstream_flow_control_resumed_reading_total', 'counter'],
  ['upstream_flow_control_backed_up_total', 'counter'],
  ['upstream_flow_control_drained_total', 'counter'],
  ['upstream_cx_connect_attempts_exceeded', 'counter'],
  ['upstream_cx_http2_total', 'counter'],
  ['upstream_rq_retry', 'counter'],
  ['upstream_rq_retry_success', 'counter'],
  ['upstream_rq_retry_overflow', 'counter'],
  ['upstream_rq_retry_limit_exceeded', 'counter'],
  ['upstream_rq_retry_backoff_exponential', 'counter'],
  ['upstream_rq_retry_backoff_ratelimited', 'counter'],
  ['upstream_rq_per_try_timeout', 'counter'],
  ['upstream_rq_per_try_idle_timeout', 'counter'],
  ['upstream_rq_max_duration_reached', 'counter'],
  ['upstream_cx_pool_overflow', 'counter'],
  ['retry_or_shadow_abandoned', 'counter'],
];

/** http2.*, of the whole process and of each cluster, in the order of `http/h2-limits.ts`. A test keeps the two together. */
export const HTTP2_STATS: readonly (readonly [name: string, kind: StatKind])[] = [
  ['dropped_headers_with_underscores', 'counter'],
  ['goaway_sent', 'counter'],
  ['header_overflow', 'counter'],
  ['inbound_empty_frames_flood', 'counter'],
  ['inbound_priority_frames_flood', 'counter'],
  ['inbound_window_update_frames_flood', 'counter'],
  ['keepalive_timeout', 'counter'],
  ['outbound_control_flood', 'counter'],
  ['outbound_flood', 'counter'],
  ['requests_rejected_with_underscores_in_headers', 'counter'],
  ['rx_messaging_error', 'counter'],
  ['rx_reset', 'counter'],
  ['stream_refused_errors', 'counter'],
  ['trailers', 'counter'],
  ['tx_flush_timeout', 'counter'],
  ['tx_reset', 'counter'],
  ['streams_active', 'gauge'],
  ['pending_send_bytes', 'gauge'],
  ['inbound_continuation_flood', 'counter'],
  ['hpack_bomb', 'counter'],
];

/** cluster.NAME.http2.* follow the named slots. */
export const CLUSTER_HTTP2_AT = CLUSTER_STATS.length;
/** Then the per-code counters (`upstream_rq_200`, …): the slot of a status is `CLUSTER_CODES_AT + codeSlot(status)`. */
export const CLUSTER_CODES_AT = CLUSTER_HTTP2_AT + HTTP2_STATS.length;

// Each host's row in a worker's stripe: the pool ledger (open, active, pending: gauges) and the `/clusters` counters.
export const HOST_CX_ACTIVE = 0;
export const HOST_RQ_ACTIVE = 1;
export const HOST_RQ_PENDING = 2;
export const HOST_CX_TOTAL = 3;
export const HOST_CX_CONNECT_FAIL = 4;
export const HOST_RQ_TOTAL = 5;
export const HOST_RQ_TIMEOUT = 6;
export const HOST_RQ_SUCCESS = 7;
export const HOST_RQ_ERROR = 8;
// What outlier detection judges by: answers, and what happened on the way to the host where that is counted apart.
export const HOST_OUTLIER_GOOD = 9;
export const HOST_OUTLIER_BAD = 10;
export const HOST_LOCAL_GOOD = 11;
export const HOST_LOCAL_BAD = 12;

export const HOST_STATS: readonly (readonly [name: string, kind: StatKind])[] = [
  ['cx_active', 'gauge'],
  ['rq_active', 'gauge'],
  ['rq_pending', 'gauge'],
  ['cx_total', 'counter'],
  ['cx_connect_fail', 'counter'],
  ['rq_total', 'counter'],
  ['rq_timeout', 'counter'],
  ['rq_success', 'counter'],
  ['rq_error', 'counter'],
  ['outlier_good', 'counter'],
  ['outlier_bad', 'counter'],
  ['local_good', 'counter'],
  ['local_bad', 'counter'],
];

// listener.ADDRESS.* (first part) and http.PREFIX.* (the rest) of one listener.
export const LISTENER_CX_TOTAL = 0;
export const LISTENER_CX_ACTIVE = 1;
export const LISTENER_CX_DESTROY = 2;
export const LISTENER_CX_OVERFLOW = 3;
export const LISTENER_PRE_CX_TIMEOUT = 4;
export const LISTENER_CX_OVERLOAD_REJECT = 5;
export const LISTENER_GLOBAL_CX_OVERFLOW = 6;

export const LISTENER_STATS: readonly (readonly [name: string, kind: StatKind])[] = [
  ['downstream_cx_total', 'counter'],
  ['downstream_cx_active', 'gauge'],
  ['downstream_cx_destroy', 'counter'],
  ['downstream_cx_overflow', 'counter'],
  ['downstream_pre_cx_timeout', 'counter'],
  ['downstream_cx_overload_reject', 'counter'],
  ['downstream_global_cx_overflow', 'counter'],
];

// proxy_proto.* and tls_inspector.* are one for the whole process: kept per listener behind LISTENER_STATS, summed by the reader.
export const PROXY_PROTO_NOT_FOUND_DISALLOWED = 7;
export const PROXY_PROTO_V1_FOUND = 8;
export const PROXY_PROTO_V1_ERROR = 9;
export const PROXY_PROTO_V2_FOUND = 10;
export const PROXY_PROTO_V2_ERROR = 11;
export const TLS_FOUND = 12;
export const TLS_NOT_FOUND = 13;
export const SNI_FOUND = 14;
export const SNI_NOT_FOUND = 15;
export const ALPN_FOUND = 16;
export const ALPN_NOT_FOUND = 17;
export const CLIENT_HELLO_TOO_LARGE = 18;

export const PROXY_PROTO_STATS: readonly (readonly [name: string, kind: StatKind])[] = [
  ['not_found_disallowed', 'counter'],
  ['versions.v1.found', 'counter'],
  ['versions.v1.error', 'counter'],
  ['versions.v2.found', 'counter'],
  ['versions.v2.error', 'counter'],
];

export const TLS_INSPECTOR_STATS: readonly (readonly [name: string, kind: StatKind])[] = [
  ['tls_found', 'counter'],
  ['tls_not_found', 'counter'],
  ['sni_found', 'counter'],
  ['sni_not_found', 'counter'],
  ['alpn_found', 'counter'],
  ['alpn_not_found', 'counter'],
  ['client_hello_too_large', 'counter'],
];

export const DOWN_CX_TOTAL = 0;
export const DOWN_CX_HTTP1_TOTAL = 1;
export const DOWN_CX_ACTIVE = 2;
export const DOWN_CX_HTTP1_ACTIVE = 3;
export const DOWN_CX_DESTROY = 4;
export const DOWN_CX_DESTROY_REMOTE = 5;
export const DOWN_CX_DESTROY_LOCAL = 6;
export const DOWN_CX_DESTROY_ACTIVE_RQ = 7;
export const DOWN_CX_DESTROY_LOCAL_ACTIVE_RQ = 8;
export const DOWN_CX_DESTROY_REMOTE_ACTIVE_RQ = 9;
export const DOWN_CX_PROTOCOL_ERROR = 10;
export const DOWN_CX_RX_BYTES_TOTAL = 11;
export const DOWN_CX_TX_BYTES_TOTAL = 12;
export const DOWN_CX_DRAIN_CLOSE = 13;
export const DOWN_CX_IDLE_TIMEOUT = 14;
export const DOWN_RQ_TOTAL = 15;
export const DOWN_RQ_HTTP1_TOTAL = 16;
export const DOWN_RQ_ACTIVE = 17;
export const DOWN_RQ_COMPLETED = 18;
export const DOWN_RQ_1XX = 19;
export const DOWN_RQ_2XX = 20;
export const DOWN_RQ_3XX = 21;
export const DOWN_RQ_4XX = 22;
export const DOWN_RQ_5XX = 23;
export const DOWN_RQ_RX_RESET = 24;
export const DOWN_RQ_TX_RESET = 25;
export const DOWN_RQ_TOO_LARGE = 26;
export const DOWN_RQ_TIMEOUT = 27;
export const DOWN_RQ_HEADER_TIMEOUT = 28;
export const DOWN_RQ_IDLE_TIMEOUT = 29;
export const DOWN_RQ_NON_RELATIVE_PATH = 30;
export const DOWN_RQ_RESPONSE_BEFORE_RQ_COMPLETE = 31;
export const DOWN_RQ_WS_ON_NON_WS_ROUTE = 32;
export const DOWN_FLOW_PAUSED_READING = 33;
export const DOWN_FLOW_RESUMED_READING = 34;
export const NO_ROUTE = 35;
export const NO_CLUSTER = 36;
export const RQ_TOTAL = 37;
export const RQ_REDIRECT = 38;
export const RQ_DIRECT_RESPONSE = 39;
export const RQ_RESET_AFTER_DOWNSTREAM_RESPONSE_STARTED = 40;
export const DOWN_RQ_FAILED_PATH_NORMALIZATION = 41;
export const DOWN_RQ_REDIRECTED_WITH_NORMALIZED_PATH = 42;
export const DOWN_CX_HTTP2_TOTAL = 43;
export const DOWN_CX_HTTP2_ACTIVE = 44;
export const DOWN_RQ_HTTP2_TOTAL = 45;
export const DOWN_RQ_TOO_MANY_PREMATURE_RESETS = 46;
export const DOWN_CX_UPGRADES_TOTAL = 47;
export const DOWN_CX_UPGRADES_ACTIVE = 48;
export const DOWN_RQ_MAX_DURATION_REACHED = 49;
export const DOWN_CX_OVERLOAD_DISABLE_KEEPALIVE = 50;
export const DOWN_RQ_OVERLOAD_CLOSE = 51;

export const HTTP_STATS: readonly (readonly [name: string, kind: StatKind])[] = [
  ['downstream_cx_total', 'counter'],
  ['downstream_cx_http1_total', 'counter'],
  ['downstream_cx_active', 'gauge'],
  ['downstream_cx_http1_active', 'gauge'],
  ['downstream_cx_destroy', 'counter'],
  ['downstream_cx_destroy_remote', 'counter'],
  ['downstream_cx_destroy_local', 'counter'],
  ['downstream_cx_destroy_active_rq', 'counter'],
  ['downstream_cx_destroy_local_active_rq', 'counter'],
  ['downstream_cx_destroy_remote_active_rq', 'counter'],
  ['downstream_cx_protocol_error', 'counter'],
  ['downstream_cx_rx_bytes_total', 'counter'],
  ['downstream_cx_tx_bytes_total', 'counter'],
  ['downstream_cx_drain_close', 'counter'],
  ['downstream_cx_idle_timeout', 'counter'],
  ['downstream_rq_total', 'counter'],
  ['downstream_rq_http1_total', 'counter'],
  ['downstream_rq_active', 'gauge'],
  ['downstream_rq_completed', 'counter'],
  ['downstream_rq_1xx', 'counter'],
  ['downstream_rq_2xx', 'counter'],
  ['downstream_rq_3xx', 'counter'],
  ['downstream_rq_4xx', 'counter'],
  ['downstream_rq_5xx', 'counter'],
  ['downstream_rq_rx_reset', 'counter'],
  ['downstream_rq_tx_reset', 'counter'],
  ['downstream_rq_too_large', 'counter'],
  ['downstream_rq_timeout', 'counter'],
  ['downstream_rq_header_timeout', 'counter'],
  ['downstream_rq_idle_timeout', 'counter'],
  ['downstream_rq_non_relative_path', 'counter'],
  ['downstream_rq_response_before_rq_complete', 'counter'],
  ['downstream_rq_ws_on_non_ws_route', 'counter'],
  ['downstream_flow_control_paused_reading_total', 'counter'],
  ['downstream_flow_control_resumed_reading_total', 'counter'],
  ['no_route', 'counter'],
  ['no_cluster', 'counter'],
  ['rq_total', 'counter'],
  ['rq_redirect', 'counter'],
  ['rq_direct_response', 'counter'],
  ['rq_reset_after_downstream_response_started', 'counter'],
  ['downstream_rq_failed_path_normalization', 'counter'],
  ['downstream_rq_redirected_with_normalized_path', 'counter'],
  ['downstream_cx_http2_total', 'counter'],
  ['downstream_cx_http2_active', 'gauge'],
  ['downstream_rq_http2_total', 'counter'],
  ['downstream_rq_too_many_premature_resets', 'counter'],
  ['downstream_cx_upgrades_total', 'counter'],
  ['downstream_cx_upgrades_active', 'gauge'],
  ['downstream_rq_max_duration_reached', 'counter'],
  ['downstream_cx_overload_disable_keepalive', 'counter'],
  ['downstream_rq_overload_close', 'counter'],
];

// http1.* is one for the whole process: kept per listener behind HTTP_STATS, summed by the reader.
export const HTTP1_DROPPED_HEADERS_WITH_UNDERSCORES = 52;
export const HTTP1_REQUESTS_REJECTED_WITH_UNDERSCORES_IN_HEADERS = 53;

export const HTTP1_STATS: readonly (readonly [name: string, kind: StatKind])[] = [
  ['dropped_headers_with_underscores', 'counter'],
  ['requests_rejected_with_underscores_in_headers', 'counter'],
];

// tcp.PREFIX.* of one listener.
export const TCP_DOWN_CX_TOTAL = 0;
export const TCP_DOWN_CX_NO_ROUTE = 1;
export const TCP_DOWN_CX_RX_BYTES_TOTAL = 2;
export const TCP_DOWN_CX_TX_BYTES_TOTAL = 3;
export const TCP_DOWN_FLOW_PAUSED_READING = 4;
export const TCP_DOWN_FLOW_RESUMED_READING = 5;
export const TCP_IDLE_TIMEOUT = 6;
export const TCP_UPSTREAM_FLUSH_TOTAL = 7;
export const TCP_UPSTREAM_FLUSH_ACTIVE = 8;
export const TCP_DOWN_CX_RX_BYTES_BUFFERED = 9;
export const TCP_DOWN_CX_TX_BYTES_BUFFERED = 10;

export const TCP_STATS: readonly (readonly [name: string, kind: StatKind])[] = [
  ['downstream_cx_total', 'counter'],
  ['downstream_cx_no_route', 'counter'],
  ['downstream_cx_rx_bytes_total', 'counter'],
  ['downstream_cx_tx_bytes_total', 'counter'],
  ['downstream_flow_control_paused_reading_total', 'counter'],
  ['downstream_flow_control_resumed_reading_total', 'counter'],
  ['idle_timeout', 'counter'],
  ['upstream_flush_total', 'counter'],
  ['upstream_flush_active', 'gauge'],
  ['downstream_cx_rx_bytes_buffered', 'gauge'],
  ['downstream_cx_tx_bytes_buffered', 'gauge'],
];

/** http2.*: the stat's number in `http/h2-limits.ts` is its place behind this slot of a listener. A test keeps the two together. */
export const HTTP2_AT: number = HTTP_STATS.length + HTTP1_STATS.length;

// Histograms: the index inside the object's histogram block. Recorded in microseconds, shown in milliseconds.
export const CLUSTER_HISTOGRAMS = ['upstream_rq_time', 'upstream_cx_connect_ms', 'upstream_cx_length_ms'] as const;
export const UP_RQ_TIME = 0;
export const UP_CX_CONNECT_MS = 1;
export const UP_CX_LENGTH_MS = 2;
export const HTTP_HISTOGRAMS = ['downstream_rq_time', 'downstream_cx_length_ms'] as const;
export const DOWN_RQ_TIME = 0;
export const DOWN_CX_LENGTH_MS = 1;
