// The stats that Envoy 1.40 shows for one static cluster, one HTTP connection manager and one listener (`/stats`).
// NNN is a status code, N a digit, PREFIX the connection manager's.

export const ENVOY_CLUSTER_NAMES: ReadonlySet<string> = new Set([
  'assignment_stale', 'assignment_timeout_received', 'assignment_use_cached', 'bind_errors', 'circuit_breakers.default.cx_open',
  'circuit_breakers.default.cx_pool_open', 'circuit_breakers.default.remaining_cx', 'circuit_breakers.default.remaining_cx_pools',
  'circuit_breakers.default.remaining_pending', 'circuit_breakers.default.remaining_retries', 'circuit_breakers.default.remaining_rq',
  'circuit_breakers.default.rq_open', 'circuit_breakers.default.rq_pending_open', 'circuit_breakers.default.rq_retry_open',
  'circuit_breakers.high.cx_open', 'circuit_breakers.high.cx_pool_open', 'circuit_breakers.high.rq_open',
  'circuit_breakers.high.rq_pending_open', 'circuit_breakers.high.rq_retry_open', 'circuit_breakers.high.remaining_cx',
  'circuit_breakers.high.remaining_pending', 'circuit_breakers.high.remaining_retries', 'circuit_breakers.high.remaining_rq', 'default.total_match_count',
  'http1.dropped_headers_with_underscores', 'http1.metadata_not_supported_error', 'http1.requests_rejected_with_underscores_in_headers',
  'http1.response_flood', 'lb_healthy_panic', 'lb_local_cluster_not_ok', 'lb_recalculate_zone_structures', 'lb_subsets_active',
  'lb_subsets_created', 'lb_subsets_fallback', 'lb_subsets_fallback_panic', 'lb_subsets_removed', 'lb_subsets_selected',
  'lb_zone_cluster_too_small', 'lb_zone_no_capacity_left', 'lb_zone_routing_all_directly', 'lb_zone_routing_cross_zone',
  'lb_zone_routing_sampled', 'max_host_weight', 'membership_change', 'membership_degraded', 'membership_excluded', 'membership_healthy',
  'membership_total', 'original_dst_host_invalid', 'retry_or_shadow_abandoned', 'update_attempt', 'update_empty', 'update_failure',
  'update_no_rebuild', 'update_success', 'upstream_cx_active', 'upstream_cx_close_notify', 'upstream_cx_connect_attempts_exceeded',
  'upstream_cx_connect_fail', 'upstream_cx_connect_ms', 'upstream_cx_connect_timeout', 'upstream_cx_connect_with_0_rtt',
  'upstream_cx_destroy', 'upstream_cx_destroy_local', 'upstream_cx_destroy_local_with_active_rq', 'upstream_cx_destroy_remote',
  'upstream_cx_destroy_remote_with_active_rq', 'upstream_cx_destroy_with_active_rq', 'upstream_cx_http1_total', 'upstream_cx_http2_total',
  'upstream_cx_http3_total', 'upstream_cx_idle_timeout', 'upstream_cx_length_ms', 'upstream_cx_max_duration_reached',
  'upstream_cx_max_requests', 'upstream_cx_none_healthy', 'upstream_cx_overflow', 'upstream_cx_pool_overflow',
  'upstream_cx_preconnect_skipped', 'upstream_cx_protocol_error', 'upstream_cx_rx_bytes_buffered', 'upstream_cx_rx_bytes_total',
  'upstream_cx_total', 'upstream_cx_tx_bytes_buffered', 'upstream_cx_tx_bytes_total', 'upstream_flow_control_backed_up_total',
  'upstream_flow_control_drained_total', 'upstream_flow_control_paused_reading_total', 'upstream_flow_control_resumed_reading_total',
  'upstream_http3_broken', 'upstream_internal_redirect_failed_total', 'upstream_internal_redirect_succeeded_total',
  'upstream_queue_overloaded', 'upstream_rq_0rtt', 'upstream_rq_NNN', 'upstream_rq_Nxx', 'upstream_rq_active',
  'upstream_rq_active_overflow', 'upstream_rq_cancelled', 'upstream_rq_completed', 'upstream_rq_maintenance_mode',
  'upstream_rq_max_duration_reached', 'upstream_rq_pending_active', 'upstream_rq_pending_failure_eject', 'upstream_rq_pending_overflow',
  'upstream_rq_pending_total', 'upstream_rq_per_cx', 'upstream_rq_per_try_idle_timeout', 'upstream_rq_per_try_timeout',
  'upstream_rq_retry', 'upstream_rq_retry_backoff_exponential', 'upstream_rq_retry_backoff_ratelimited',
  'upstream_rq_retry_limit_exceeded', 'upstream_rq_retry_overflow', 'upstream_rq_retry_success', 'upstream_rq_rx_reset',
  'upstream_rq_rx_reset_no_error', 'upstream_rq_time', 'upstream_rq_timeout', 'upstream_rq_total', 'upstream_rq_tx_reset', 'version',
  'warming_state',
]);

export const ENVOY_HTTP_NAMES: ReadonlySet<string> = new Set([
  'downstream_cx_active', 'downstream_cx_delayed_close_timeout', 'downstream_cx_destroy', 'downstream_cx_destroy_active_rq',
  'downstream_cx_destroy_local', 'downstream_cx_destroy_local_active_rq', 'downstream_cx_destroy_remote',
  'downstream_cx_destroy_remote_active_rq', 'downstream_cx_drain_close', 'downstream_cx_http1_active', 'downstream_cx_http1_soft_drain',
  'downstream_cx_http1_total', 'downstream_cx_http2_active', 'downstream_cx_http2_total', 'downstream_cx_http3_active',
  'downstream_cx_http3_total', 'downstream_cx_idle_timeout', 'downstream_cx_length_ms', 'downstream_cx_max_duration_reached',
  'downstream_cx_max_requests_reached', 'downstream_cx_overload_disable_keepalive', 'downstream_cx_protocol_error',
  'downstream_cx_rx_bytes_buffered', 'downstream_cx_rx_bytes_total', 'downstream_cx_ssl_active', 'downstream_cx_ssl_total',
  'downstream_cx_total', 'downstream_cx_tx_bytes_buffered', 'downstream_cx_tx_bytes_total', 'downstream_cx_upgrades_active',
  'downstream_cx_upgrades_total', 'downstream_flow_control_paused_reading_total', 'downstream_flow_control_resumed_reading_total',
  'downstream_rq_1xx', 'downstream_rq_2xx', 'downstream_rq_3xx', 'downstream_rq_4xx', 'downstream_rq_5xx', 'downstream_rq_active',
  'downstream_rq_completed', 'downstream_rq_failed_path_normalization', 'downstream_rq_header_timeout', 'downstream_rq_http1_total',
  'downstream_rq_http2_total', 'downstream_rq_http3_total', 'downstream_rq_idle_timeout', 'downstream_rq_max_duration_reached',
  'downstream_rq_non_relative_path', 'downstream_rq_overload_close', 'downstream_rq_redirected_with_normalized_path',
  'downstream_rq_rejected_via_ip_detection', 'downstream_rq_response_before_rq_complete', 'downstream_rq_rx_reset', 'downstream_rq_time',
  'downstream_rq_timeout', 'downstream_rq_too_large', 'downstream_rq_too_many_premature_resets', 'downstream_rq_total',
  'downstream_rq_tx_reset', 'downstream_rq_ws_on_non_ws_route', 'no_cluster', 'no_route', 'passthrough_internal_redirect_bad_location',
  'passthrough_internal_redirect_no_route', 'passthrough_internal_redirect_predicate', 'passthrough_internal_redirect_too_many_redirects',
  'passthrough_internal_redirect_unsafe_scheme', 'rq_direct_response', 'rq_overload_local_reply', 'rq_redirect',
  'rq_reset_after_downstream_response_started', 'rq_total', 'rs_too_large', 'tracing.client_enabled', 'tracing.health_check',
  'tracing.not_traceable', 'tracing.random_sampling', 'tracing.service_forced',
]);

export const ENVOY_LISTENER_NAMES: ReadonlySet<string> = new Set([
  'connections_accepted_per_socket_event', 'downstream_cx_active', 'downstream_cx_destroy', 'downstream_cx_length_ms',
  'downstream_cx_overflow', 'downstream_cx_overload_reject', 'downstream_cx_total', 'downstream_cx_transport_socket_connect_timeout',
  'downstream_global_cx_overflow', 'downstream_listener_filter_error', 'downstream_listener_filter_remote_close',
  'downstream_pre_cx_active', 'downstream_pre_cx_timeout', 'extension_config_missing', 'http.PREFIX.downstream_rq_1xx',
  'http.PREFIX.downstream_rq_2xx', 'http.PREFIX.downstream_rq_3xx', 'http.PREFIX.downstream_rq_4xx', 'http.PREFIX.downstream_rq_5xx',
  'http.PREFIX.downstream_rq_completed', 'network_extension_config_missing', 'no_filter_chain_match', 'worker_N.downstream_cx_active',
  'worker_N.downstream_cx_total',
]);

/** Of a cluster with outlier detection. Envoy 1.40 has `ejections_detected_degradation` besides: hosts that say that they are degraded. */
export const ENVOY_OUTLIER_NAMES: readonly string[] = [
  'active', 'consecutive_5xx', 'detected_consecutive_5xx', 'detected_consecutive_gateway_failure', 'detected_consecutive_local_origin_failure',
  'detected_failure_percentage', 'detected_local_origin_failure_percentage', 'detected_local_origin_success_rate', 'detected_success_rate',
  'enforced_consecutive_5xx', 'enforced_consecutive_gateway_failure', 'enforced_consecutive_local_origin_failure', 'enforced_failure_percentage',
  'enforced_local_origin_failure_percentage', 'enforced_local_origin_success_rate', 'enforced_success_rate', 'enforced_total', 'overflow',
  'success_rate', 'total',
].map((name) => `outlier_detection.ejections_${name}`);
