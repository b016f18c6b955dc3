// Configurations of the rivals: one thread, keep-alive both ways, no access log, bodies as each buffers them by default.
// They only forward; what Nuncio does besides (request id, forwarded headers, counters, histograms) counts against it.

/** Started by root, nginx would give its worker to a user who may not read the run's directory. */
export const NGINX_USER = process.getuid?.() === 0 ? 'user root;\n' : '';

export function nginxConfig(dir: string, port: number, upstreamPort: number): string {
  return `${NGINX_USER}worker_processes 1;
daemon off;
pid ${dir}/nginx.pid;
error_log ${dir}/nginx.log crit;
worker_rlimit_nofile 40000;
events { worker_connections 20000; accept_mutex off; }
http {
  access_log off;
  tcp_nodelay on;
  client_max_body_size 0;
  client_body_temp_path ${dir}/body;
  proxy_temp_path ${dir}/proxy;
  keepalive_timeout 1h;
  keepalive_requests 1000000000;
  upstream app {
    server 127.0.0.1:${upstreamPort};
    keepalive 2048;
    keepalive_requests 1000000000;
    keepalive_timeout 1h;
  }
  server {
    listen 127.0.0.1:${port} backlog=4096;
    location / {
      proxy_pass http://app;
      proxy_http_version 1.1;
      proxy_set_header Connection "";
      proxy_request_buffering off;
    }
  }
}
`;
}

export function haproxyConfig(port: number, upstreamPort: number): string {
  return `global
  nbthread 1
  maxconn 9600
defaults
  mode http
  option http-keep-alive
  timeout connect 5s
  timeout client 1h
  timeout server 1h
  timeout http-keep-alive 1h
  http-reuse always
frontend in
  bind 127.0.0.1:${port} backlog 4096
  default_backend app
backend app
  server app 127.0.0.1:${upstreamPort} pool-max-conn -1 pool-purge-delay 1h
`;
}

export function envoyConfig(port: number, upstreamPort: number): object {
  const address = (value: number): object => ({ socket_address: { address: '127.0.0.1', port_value: value } });
  const manager = {
    '@type': 'type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager',
    stat_prefix: 'in',
    http_filters: [{
      name: 'envoy.filters.http.router',
      typed_config: { '@type': 'type.googleapis.com/envoy.extensions.filters.http.router.v3.Router' },
    }],
    route_config: {
      virtual_hosts: [{
        name: 'all', domains: ['*'], routes: [{ match: { prefix: '/' }, route: { cluster: 'app' } }],
      }],
    },
  };
  const limits = { max_connections: 100_000, max_pending_requests: 100_000, max_requests: 100_000 };
  return {
    static_resources: {
      listeners: [{
        name: 'in', address: address(port),
        filter_chains: [{ filters: [{ name: 'envoy.filters.network.http_connection_manager', typed_config: manager }] }],
      }],
      clusters: [{
        name: 'app', type: 'STATIC', connect_timeout: '5s',
        circuit_breakers: { thresholds: [limits] },
        load_assignment: {
          cluster_name: 'app',
          endpoints: [{ lb_endpoints: [{ endpoint: { address: address(upstreamPort) } }] }],
        },
      }],
    },
  };
}

export function nuncioConfig(port: number, upstreamPort: number, adminPort: number): object {
  return {
    workers: 1,
    admin: { address: `127.0.0.1:${adminPort}` },
    listeners: [{
      name: 'in',
      address: `127.0.0.1:${port}`,
      http: { routes: [{ match: { prefix: '/' }, forward: { cluster: 'app' } }] },
    }],
    clusters: [{
      name: 'app',
      endpoints: [`127.0.0.1:${upstreamPort}`],
      circuitBreakers: { maxConnections: 100_000, maxPendingRequests: 100_000, maxRequests: 100_000 },
    }],
  };
}
