// The schema of clusters: endpoints, balancing, pools, circuit breakers. Primary thread; constants only.

import { DEFAULTS } from '../defaults.ts';
import { MAX_COUNT, MAX_WEIGHT } from '../limits.ts';
import { balancingKeys } from './load-balancing.ts';
import { healthCheckSchema } from './health.ts';
import { circuitBreakersSchema } from './circuit-breakers.ts';
import { choice, described, either, integer, list, object, text } from './parts.ts';
import type { Schema } from './parts.ts';
import { endpointGroups, hostSets } from './host-sets.ts';
import { dnsSchema } from './dns.ts';
import { outlierSchema } from './outlier.ts';
import { clientTlsSchema } from './tls.ts';

const COUNT = { minimum: 0, maximum: MAX_COUNT };

function endpoint(): Schema {
  const address = text('Where it listens: IP:port, [v6]:port, unix:/path or unix:@name; name:port where the cluster looks names up.', 'endpointAddress', { examples: ['127.0.0.1:3000'] });
  return either('An endpoint: its address, or an object.', [
    address,
    object('endpoint', {
      address,
      weight: integer('Its share of the requests, in proportion to the other endpoints.', { minimum: 1, maximum: MAX_WEIGHT }, { default: DEFAULTS.endpoint.weight }),
      ...endpointGroups(),
    }, ['address']),
  ]);
}

export function clusterSchema(): Schema {
  const loadBalancing = object('loadBalancing', { ...balancingKeys(), ...hostSets() });
  const connections = object('connections', {
    idleTimeout: text('How long a connection without request is kept; "0s": no limit.', 'duration', { default: DEFAULTS.connections.idleTimeout }),
    maxRequests: integer('How many requests a connection carries before it is closed; 0: no limit.', COUNT, { default: DEFAULTS.connections.maxRequests }),
  });
  const http2 = object('clusterHttp2', {
    keepAliveInterval: text('How often to ask with a PING whether the endpoint is there, and up to 15 % later; "0s": never.', 'duration', { default: DEFAULTS.http2.keepAliveInterval }),
    keepAliveTimeout: text('How long the endpoint may stay silent after such a PING before the connection is closed.', 'duration', { default: DEFAULTS.http2.keepAliveTimeout }),
  });
  return object('cluster', {
    name: text('What routes call it; shown in logs, stats and admin pages.', 'name'),
    type: choice('How its endpoints are found: listed here by address, or by names of which every address is one (strictDns), by a name of which the first address is taken (logicalDns), or where the caller wanted to go before it was redirected (originalDst).', ['static', 'strictDns', 'logicalDns', 'originalDst'], { default: DEFAULTS.cluster.type }),
    endpoints: list('The servers of this cluster; all types but originalDst need them. Default: none.', endpoint()),
    ...dnsSchema(),
    protocol: choice('The protocol to speak with the endpoints; "auto": what TLS agrees on by ALPN.', ['http1', 'http2', 'auto'], { default: DEFAULTS.cluster.protocol }),
    proxyProtocol: choice('Tell the endpoints who called, by a PROXY protocol header. Each caller then gets connections of its own. Default: none.', ['v1', 'v2']),
    tls: described('Speaks TLS with the endpoints. Default: plaintext.', clientTlsSchema()),
    connectTimeout: text('How long a connection may take to come up, TLS included; "0s": no limit.', 'duration', { default: DEFAULTS.cluster.connectTimeout }),
    loadBalancing: described('How requests are spread over the endpoints.', loadBalancing, { default: {} }),
    connections: described('The connections to the endpoints.', connections, { default: {} }),
    http2: described('The connections that speak HTTP/2.', http2, { default: {} }),
    healthChecks: list('How to find out whether the endpoints are healthy: at most one check. Default: none.', healthCheckSchema()),
    outlierDetection: described('Sends no requests for a while to endpoints that fail, judged by all workers together; {}: by the defaults. Default: none.', outlierSchema()),
    circuitBreakers: described('Limits that hold over all workers; what exceeds them is answered 503 at once.', circuitBreakersSchema(), { default: {} }),
  }, ['name']);
}
