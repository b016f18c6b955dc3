// Turns a Nuncio configuration into an Envoy bootstrap, so that the wire tests can be run against Envoy itself where one
// is installed (NUNCIO_WIRE_SUBJECT=envoy) and expectations about its behaviour are checked, not believed. Test code only.
// Covers what the wire tests use; anything else is refused, never ignored.

/* eslint-disable @typescript-eslint/no-explicit-any */
type Json = Record<string, any>;

export function envoyBootstrap(config: Json): Json {
  return {
    admin: { address: socketAddress('127.0.0.1:0') },
    static_resources: {
      listeners: config['listeners'].map(listener),
      clusters: config['clusters'].map(cluster),
    },
  };
}

function socketAddress(text: string): Json {
  if (text.startsWith('unix:')) return { pipe: { path: text.slice(5) } };
  const colon = text.lastIndexOf(':');
  return { socket_address: { address: text.slice(0, colon).replace(/[[\]]/g, ''), port_value: Number(text.slice(colon + 1)) } };
}

const UNIT_SECONDS: Readonly<Record<string, number>> = { ms: 0.001, s: 1, m: 60, h: 3600 };

function duration(text: string): string {
  const [, digits, unit] = /^([0-9.]+)(ms|s|m|h)$/.exec(text) as unknown as [string, string, string];
  return `${Number((Number(digits) * (UNIT_SECONDS[unit] as number)).toFixed(6))}s`;
}

function size(value: number | string): number {
  if (typeof value === 'number') return value;
  const [, digits, unit] = /^([0-9]+)(KiB|MiB)?$/.exec(value) as unknown as [string, string, string | undefined];
  return Number(digits) * (unit === 'MiB' ? 1 << 20 : unit === 'KiB' ? 1 << 10 : 1);
}

function listener(input: Json): Json {
  return {
    name: input['name'] ?? input['address'],
    address: socketAddress(input['address']),
    enable_reuse_port: !input['address'].startsWith('unix:'),
    filter_chains: [{ filters: [connectionManager(input['name'] ?? input['address'], input['http'])] }],
  };
}

function connectionManager(prefix: string, http: Json): Json {
  const timeouts = http['timeouts'] ?? {};
  const escaped = http['pathWithEscapedSlashes'] ?? 'keep';
  const underscores = http['headersWithUnderscores'] ?? 'allow';
  const hops = http['trustedCidrs'];
  return {
    name: 'envoy.filters.network.http_connection_manager',
    typed_config: {
      '@type': 'type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager',
      stat_prefix: prefix,
      codec_type: 'HTTP1',
      server_name: http['serverName'] === false ? 'unused' : (http['serverName'] ?? 'nuncio'),
      ...(http['serverName'] === false ? { server_header_transformation: 'PASS_THROUGH' } : {}),
      use_remote_address: hops === undefined ? (http['useRemoteAddress'] ?? true) : false,
      ...(hops === undefined ? { xff_num_trusted_hops: http['xffNumTrustedHops'] ?? 0 } : { original_ip_detection_extensions: [cidrDetection(hops)] }),
      normalize_path: http['normalizePath'] ?? true,
      merge_slashes: http['mergeSlashes'] ?? false,
      path_with_escaped_slashes_action: { keep: 'KEEP_UNCHANGED', reject: 'REJECT_REQUEST', unescapeAndRedirect: 'UNESCAPE_AND_REDIRECT', unescapeAndForward: 'UNESCAPE_AND_FORWARD' }[escaped as string],
      max_request_headers_kb: Math.ceil(size(http['maxRequestHeadersSize'] ?? '60KiB') / 1024),
      common_http_protocol_options: {
        idle_timeout: duration(timeouts.idle ?? '1h'),
        max_headers_count: http['maxRequestHeaders'] ?? 100,
        headers_with_underscores_action: { allow: 'ALLOW', drop: 'DROP_HEADER', reject: 'REJECT_REQUEST' }[underscores as string],
      },
      http_protocol_options: { accept_http_10: http['acceptHttp10'] ?? false, enable_trailers: true },
      proxy_100_continue: true,
      request_headers_timeout: duration(timeouts.requestHeaders ?? '10s'),
      request_timeout: duration(timeouts.request ?? '0s'),
      stream_idle_timeout: duration(timeouts.streamIdle ?? '5m'),
      generate_request_id: http['requestId']?.generate ?? true,
      preserve_external_request_id: http['requestId']?.preserveExternal ?? false,
      access_log: (http['accessLog'] ?? []).map(accessLog),
      http_filters: [{ name: 'envoy.filters.http.router', typed_config: { '@type': 'type.googleapis.com/envoy.extensions.filters.http.router.v3.Router' } }],
      route_config: { virtual_hosts: virtualHosts(http) },
    },
  };
}

function cidrDetection(cidrs: readonly string[]): Json {
  return {
    name: 'envoy.http.original_ip_detection.xff',
    typed_config: {
      '@type': 'type.googleapis.com/envoy.extensions.http.original_ip_detection.xff.v3.XffConfig',
      xff_trusted_cidrs: { cidrs: cidrs.map((cidr) => ({ address_prefix: cidr.split('/')[0], prefix_len: Number(cidr.split('/')[1]) })) },
      skip_xff_append: false,
    },
  };
}

function accessLog(input: Json): Json {
  const format = input['format'] === undefined ? {} : { log_format: { text_format_source: { inline_string: `${input['format']}` } } };
  return {
    name: 'envoy.access_loggers.file',
    typed_config: { '@type': 'type.googleapis.com/envoy.extensions.access_loggers.file.v3.FileAccessLog', path: input['path'], ...format },
  };
}

function virtualHosts(http: Json): Json[] {
  if (http['routes'] !== undefined) return [{ name: 'all', domains: ['*'], routes: http['routes'].map(route) }];
  return http['virtualHosts'].map((host: Json, index: number) => ({
    name: host['name'] ?? `v${index}`,
    domains: host['domains'],
    routes: host['routes'].map(route),
    ...headerEdits(host),
  }));
}

function route(input: Json): Json {
  return {
    ...(input['name'] === undefined ? {} : { name: input['name'] }),
    match: match(input['match']),
    ...(input['forward'] === undefined ? {} : forward(input['forward'])),
    ...(input['redirect'] === undefined ? {} : { redirect: redirect(input['redirect']) }),
    ...(input['respond'] === undefined ? {} : respond(input['respond'])),
  };
}

function match(input: Json): Json {
  const out: Json = { headers: [], query_parameters: [] };
  if (input['path'] !== undefined) out['path'] = input['path'];
  if (input['prefix'] !== undefined) out['prefix'] = input['prefix'];
  if (input['pathSeparatedPrefix'] !== undefined) out['path_separated_prefix'] = input['pathSeparatedPrefix'];
  if (input['regex'] !== undefined) out['safe_regex'] = { regex: input['regex'] };
  if (input['template'] !== undefined) {
    out['path_match_policy'] = {
      name: 'envoy.path.match.uri_template.uri_template_matcher',
      typed_config: { '@type': 'type.googleapis.com/envoy.extensions.path.match.uri_template.v3.UriTemplateMatchConfig', path_template: input['template'] },
    };
  }
  if (input['caseSensitive'] === false) out['case_sensitive'] = false;
  if (input['methods'] !== undefined) {
    out['headers'].push({ name: ':method', string_match: { safe_regex: { regex: input['methods'].join('|') } } });
  }
  for (const [name, value] of Object.entries(input['headers'] ?? {})) out['headers'].push({ name, ...valueMatch(value as Json, 'header') });
  for (const [name, value] of Object.entries(input['query'] ?? {})) out['query_parameters'].push({ name, ...valueMatch(value as Json, 'query') });
  if (input['fraction'] !== undefined) out['runtime_fraction'] = { default_value: { numerator: Math.round(input['fraction'] * 1e6), denominator: 'MILLION' } };
  return out;
}

function valueMatch(input: Json | string, where: 'header' | 'query'): Json {
  if (typeof input === 'string') return { string_match: { exact: input } };
  const { invert, ...rest } = input;
  const flip = invert === true ? { invert_match: true } : {};
  const [kind, value] = Object.entries(rest)[0] as [string, any];
  if (kind === 'present') return { present_match: value, ...flip };
  if (kind === 'range') return { range_match: { start: value.start, end: value.end }, ...flip };
  if (kind === 'regex') return { string_match: { safe_regex: { regex: value } }, ...flip };
  if (where === 'query' && invert === true) throw new Error('Envoy inverts no query matcher');
  return { string_match: { [kind]: value }, ...flip };
}

function forward(input: Json): Json {
  const action: Json = { timeout: duration(input['timeout'] ?? '15s') };
  if (input['cluster'] !== undefined) action['cluster'] = input['cluster'];
  if (input['clusters'] !== undefined) action['weighted_clusters'] = { clusters: input['clusters'] };
  if (input['clusterHeader'] !== undefined) action['cluster_header'] = input['clusterHeader'];
  if (input['idleTimeout'] !== undefined) action['idle_timeout'] = duration(input['idleTimeout']);
  rewrite(action, input['rewrite'] ?? {});
  return { route: action, ...headerEdits(input) };
}

function rewrite(action: Json, input: Json): void {
  if (input['prefix'] !== undefined) action['prefix_rewrite'] = input['prefix'];
  if (input['regex'] !== undefined) action['regex_rewrite'] = { pattern: { regex: input['regex'].pattern }, substitution: input['regex'].substitution };
  if (input['host'] !== undefined) action['host_rewrite_literal'] = input['host'];
  if (input['hostFrom'] === 'upstream') action['auto_host_rewrite'] = true;
  if (input['path'] !== undefined) {
    action['path_rewrite_policy'] = {
      name: 'envoy.path.rewrite.uri_template.uri_template_rewriter',
      typed_config: { '@type': 'type.googleapis.com/envoy.extensions.path.rewrite.uri_template.v3.UriTemplateRewriteConfig', path_template_rewrite: input['path'] },
    };
  }
}

function headerEdits(input: Json): Json {
  const options = (edits: Json | undefined): Json[] => [
    ...Object.entries(edits?.['set'] ?? {}).map(([key, value]) => ({ header: { key, value }, append_action: 'OVERWRITE_IF_EXISTS_OR_ADD' })),
    ...Object.entries(edits?.['add'] ?? {}).map(([key, value]) => ({ header: { key, value }, append_action: 'APPEND_IF_EXISTS_OR_ADD' })),
  ];
  return {
    request_headers_to_add: options(input['requestHeaders']),
    request_headers_to_remove: input['requestHeaders']?.remove ?? [],
    response_headers_to_add: options(input['responseHeaders']),
    response_headers_to_remove: input['responseHeaders']?.remove ?? [],
  };
}

const REDIRECT_CODES: Readonly<Record<number, string>> = {
  301: 'MOVED_PERMANENTLY', 302: 'FOUND', 303: 'SEE_OTHER', 307: 'TEMPORARY_REDIRECT', 308: 'PERMANENT_REDIRECT',
};

function redirect(input: Json): Json {
  const out: Json = { response_code: REDIRECT_CODES[input['status'] ?? 301] };
  if (input['scheme'] !== undefined) out['scheme_redirect'] = input['scheme'];
  if (input['host'] !== undefined) out['host_redirect'] = input['host'];
  if (input['port'] !== undefined) out['port_redirect'] = input['port'];
  if (input['path'] !== undefined) out['path_redirect'] = input['path'];
  if (input['prefix'] !== undefined) out['prefix_rewrite'] = input['prefix'];
  if (input['stripQuery'] === true) out['strip_query'] = true;
  return out;
}

function respond(input: Json): Json {
  const body = input['body'] === undefined ? {} : { body: { inline_string: input['body'] } };
  const fields = Object.entries(input['headers'] ?? {}).map(([key, value]) => ({ header: { key, value }, append_action: 'OVERWRITE_IF_EXISTS_OR_ADD' }));
  return { direct_response: { status: input['status'], ...body }, response_headers_to_add: fields };
}

function cluster(input: Json): Json {
  const limits = input['circuitBreakers'] ?? {};
  const unlimited = (value: number | undefined, usual: number): number => (value === 0 ? 0xffffffff : (value ?? usual));
  return {
    name: input['name'],
    type: 'STATIC',
    connect_timeout: duration(input['connectTimeout'] ?? '5s'),
    lb_policy: input['loadBalancing']?.policy === 'random' ? 'RANDOM' : 'ROUND_ROBIN',
    common_lb_config: { healthy_panic_threshold: {} },
    circuit_breakers: {
      thresholds: [{
        max_connections: unlimited(limits.maxConnections, 1024),
        max_pending_requests: unlimited(limits.maxPendingRequests, 1024),
        max_requests: unlimited(limits.maxRequests, 1024),
        max_retries: unlimited(limits.maxRetries, 3),
      }],
    },
    typed_extension_protocol_options: {
      'envoy.extensions.upstreams.http.v3.HttpProtocolOptions': {
        '@type': 'type.googleapis.com/envoy.extensions.upstreams.http.v3.HttpProtocolOptions',
        common_http_protocol_options: {
          idle_timeout: duration(input['connections']?.idleTimeout ?? '1h'),
          ...(input['connections']?.maxRequests ? { max_requests_per_connection: input['connections'].maxRequests } : {}),
        },
        explicit_http_config: { http_protocol_options: { enable_trailers: true } },
      },
    },
    ...(input['healthChecks'] === undefined ? {} : { health_checks: input['healthChecks'].map(healthCheck) }),
    load_assignment: {
      cluster_name: input['name'],
      endpoints: [{ lb_endpoints: input['endpoints'].map(endpoint) }],
    },
  };
}

function healthCheck(input: Json): Json {
  const hex = (payload: string | { readonly hex: string }): Json => ({ text: typeof payload === 'string' ? Buffer.from(payload).toString('hex') : payload.hex });
  const { http, tcp, grpc, eventLog } = input as Record<string, Json>;
  const sink = 'type.googleapis.com/envoy.extensions.health_check.event_sinks.file.v3.HealthCheckEventFileSink';
  const kind = http !== undefined ? { http_health_check: { path: http['path'] } }
    : tcp !== undefined ? { tcp_health_check: { ...(tcp['send'] ? { send: hex(tcp['send']) } : {}), receive: (tcp['expect'] ?? []).map(hex) } }
    : { grpc_health_check: { service_name: grpc?.['service'] ?? '' } };
  return {
    ...kind,
    interval: duration(input['interval'] ?? '5s'),
    timeout: duration(input['timeout'] ?? '1s'),
    healthy_threshold: input['healthyThreshold'] ?? 2,
    unhealthy_threshold: input['unhealthyThreshold'] ?? 3,
    no_traffic_interval: duration(input['noTrafficInterval'] ?? '60s'),
    interval_jitter: duration(input['jitter'] ?? '0s'),
    ...(eventLog === undefined ? {} : { event_logger: [{ name: 'file', typed_config: { '@type': sink, event_log_path: eventLog } }] }),
  };
}

function endpoint(input: Json | string): Json {
  const { address, weight } = typeof input === 'string' ? { address: input, weight: 1 } : (input as { address: string; weight?: number });
  return { endpoint: { address: socketAddress(address) }, load_balancing_weight: weight ?? 1 };
}
