// HAProxy as a rival: one thread, keep-alive both ways, no log.

import type { Place } from '../place.ts';
import { RIVAL_SUITE, isHttp2In, isHttp2Out } from '../place.ts';

function bind({ road, port, certificate }: Place): string {
  const tls = road === 'tls' ? ` ssl crt ${certificate.both} ssl-min-ver TLSv1.3 ciphersuites ${RIVAL_SUITE}` : '';
  return `bind 127.0.0.1:${port} backlog 4096${tls}${isHttp2In(road) ? ' proto h2' : ''}`;
}

export function haproxyConfig(place: Place): string {
  const mode = place.road === 'tcp' ? 'mode tcp' : 'mode http\n  option http-keep-alive\n  http-reuse always';
  return `global
  nbthread 1
  maxconn 9600
defaults
  ${mode}
  timeout connect 5s
  timeout client 1h
  timeout server 1h
  timeout tunnel 1h
  timeout http-keep-alive 1h
frontend in
  ${bind(place)}
  default_backend app
backend app
  server app 127.0.0.1:${place.upstreamPort} pool-max-conn -1 pool-purge-delay 1h${isHttp2Out(place.road) ? ' proto h2' : ''}
`;
}
