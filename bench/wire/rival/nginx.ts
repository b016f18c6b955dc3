// nginx as a rival: one worker, keep-alive both ways, no access log, bodies as it buffers them by default. To HTTP/2
// upstreams it speaks by grpc_pass, its one way of doing so, which takes any request.

import { existsSync } from 'node:fs';
import { join } from 'node:path';
import type { Road } from '../cases.ts';
import type { Place } from '../place.ts';
import { RIVAL_SUITE, isHttp2In, isHttp2Out } from '../place.ts';

/** Started by root, nginx would give its worker to a user who may not read the run's directory. */
export const NGINX_USER = process.getuid?.() === 0 ? 'user root;\n' : '';

/** What a build of nginx has, by what `nginx -V` says. */
export interface NginxBuild {
  readonly tls: boolean;
  readonly h2: boolean;
  readonly grpc: boolean;
  readonly stream: 'built-in' | 'dynamic' | 'none';
  readonly modulesPath: string;
}

export function readNginxBuild(text: string): NginxBuild {
  const h2 = text.includes('--with-http_v2_module');
  const stream = /--with-stream(=dynamic)?(?=\s|$)/.exec(text);
  return {
    tls: text.includes('--with-http_ssl_module'),
    h2,
    grpc: h2 && !text.includes('--without-http_grpc_module'),
    stream: stream === null ? 'none' : stream[1] === undefined ? 'built-in' : 'dynamic',
    modulesPath: /--modules-path=(\S+)/.exec(text)?.[1] ?? '',
  };
}

const streamModule = (build: NginxBuild): string => join(build.modulesPath, 'ngx_stream_module.so');

/** Which module is missing for a road, or null. */
export function nginxLacks(road: Road, build: NginxBuild): string | null {
  if (road === 'tls' && !build.tls) return 'built without http_ssl';
  if (isHttp2In(road) && !build.h2) return 'built without http_v2';
  if (isHttp2Out(road) && !build.grpc) return 'built without grpc';
  if (road !== 'tcp' || build.stream === 'built-in') return null;
  if (build.stream === 'none') return 'built without the stream module';
  return existsSync(streamModule(build)) ? null : 'its stream module is not installed (Debian: libnginx-mod-stream)';
}

function location({ road }: Place): string {
  if (isHttp2Out(road)) return 'grpc_pass grpc://app;';
  const upgrade = road === 'websocket' ? 'proxy_set_header Upgrade $http_upgrade;' : '';
  return `proxy_pass http://app;
      proxy_http_version 1.1;
      proxy_set_header Connection "${road === 'websocket' ? 'upgrade' : ''}";
      ${upgrade}
      proxy_request_buffering off;`;
}

function listen({ port, road, certificate }: Place): string {
  if (isHttp2In(road)) return `listen 127.0.0.1:${port} http2 backlog=4096;`;
  if (road !== 'tls') return `listen 127.0.0.1:${port} backlog=4096;`;
  return `listen 127.0.0.1:${port} ssl backlog=4096;
    ssl_protocols TLSv1.3;
    ssl_conf_command Ciphersuites ${RIVAL_SUITE};
    ssl_certificate ${certificate.cert};
    ssl_certificate_key ${certificate.key};`;
}

function httpBlock(place: Place): string {
  const { dir, upstreamPort } = place;
  return `http {
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
    ${listen(place)}
    location / {
      ${location(place)}
    }
  }
}`;
}

function streamBlock({ port, upstreamPort }: Place): string {
  return `stream {
  server {
    listen 127.0.0.1:${port} backlog=4096;
    proxy_pass 127.0.0.1:${upstreamPort};
  }
}`;
}

export function nginxConfig(place: Place, build: NginxBuild): string {
  const { dir, road } = place;
  const module = road === 'tcp' && build.stream === 'dynamic' ? `load_module ${streamModule(build)};\n` : '';
  return `${module}${NGINX_USER}worker_processes 1;
daemon off;
pid ${dir}/nginx.pid;
error_log ${dir}/nginx.log crit;
worker_rlimit_nofile 40000;
events { worker_connections 20000; accept_mutex off; }
${road === 'tcp' ? streamBlock(place) : httpBlock(place)}
`;
}
