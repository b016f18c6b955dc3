// Envoy as a rival: one worker, no access log, limits out of the way.

import type { Place } from '../place.ts';
import { isHttp2Out } from '../place.ts';

const TYPE = 'type.googleapis.com/envoy.extensions';

const address = (port: number): object => ({ socket_address: { address: '127.0.0.1', port_value: port } });

function httpFilter(place: Place): object {
  return {
    name: 'envoy.filters.network.http_connection_manager',
    typed_config: {
      '@type': `${TYPE}.filters.network.http_connection_manager.v3.HttpConnectionManager`,
      stat_prefix: 'in',
      ...(place.road === 'websocket' ? { upgrade_configs: [{ upgrade_type: 'websocket' }] } : {}),
      http_filters: [{
        name: 'envoy.filters.http.router',
        typed_config: { '@type': `${TYPE}.filters.http.router.v3.Router` },
      }],
      route_config: {
        virtual_hosts: [{
          name: 'all', domains: ['*'], routes: [{ match: { prefix: '/' }, route: { cluster: 'app' } }],
        }],
      },
    },
  };
}

const TCP_FILTER = {
  name: 'envoy.filters.network.tcp_proxy',
  typed_config: { '@type': `${TYPE}.filters.network.tcp_proxy.v3.TcpProxy`, stat_prefix: 'in', cluster: 'app' },
};

function tlsSocket({ certificate }: Place): object {
  return {
    name: 'envoy.transport_sockets.tls',
    typed_config: {
      '@type': `${TYPE}.transport_sockets.tls.v3.DownstreamTlsContext`,
      common_tls_context: {
        tls_params: { tls_minimum_protocol_version: 'TLSv1_3', tls_maximum_protocol_version: 'TLSv1_3' },
        tls_certificates: [{
          certificate_chain: { filename: certificate.cert }, private_key: { filename: certificate.key },
        }],
      },
    },
  };
}

const HTTP2_OUT = {
  typed_extension_protocol_options: {
    'envoy.extensions.upstreams.http.v3.HttpProtocolOptions': {
      '@type': `${TYPE}.upstreams.http.v3.HttpProtocolOptions`,
      explicit_http_config: { http2_protocol_options: {} },
    },
  },
};

export function envoyConfig(place: Place): object {
  const chain = {
    filters: [place.road === 'tcp' ? TCP_FILTER : httpFilter(place)],
    ...(place.road === 'tls' ? { transport_socket: tlsSocket(place) } : {}),
  };
  const limits = { max_connections: 100_000, max_pending_requests: 100_000, max_requests: 100_000 };
  return {
    static_resources: {
      listeners: [{ name: 'in', address: address(place.port), filter_chains: [chain] }],
      clusters: [{
        name: 'app', type: 'STATIC', connect_timeout: '5s',
        circuit_breakers: { thresholds: [limits] },
        ...(isHttp2Out(place.road) ? HTTP2_OUT : {}),
        load_assignment: {
          cluster_name: 'app',
          endpoints: [{ lb_endpoints: [{ endpoint: { address: address(place.upstreamPort) } }] }],
        },
      }],
    },
  };
}
