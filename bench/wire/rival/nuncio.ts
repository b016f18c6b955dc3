// Nuncio's own configuration: one worker, the short form that a user would write, limits out of the way.

import type { Place } from '../place.ts';
import { isHttp2In, isHttp2Out } from '../place.ts';

function behind({ road }: Place): object {
  if (road === 'tcp') return { tcp: { cluster: 'app' } };
  return {
    http: {
      ...(isHttp2In(road) ? { protocols: ['http1', 'http2'] } : {}),
      ...(road === 'websocket' ? { upgrades: ['websocket'] } : {}),
      routes: [{ match: { prefix: '/' }, forward: { cluster: 'app' } }],
    },
  };
}

export function nuncioConfig(place: Place, adminPort: number): object {
  const { cert, key } = place.certificate;
  const tls = { tls: { certificates: [{ cert, key }], minVersion: 'TLSv1.3' } };
  return {
    workers: 1,
    admin: { address: `127.0.0.1:${adminPort}` },
    listeners: [{
      name: 'in',
      address: `127.0.0.1:${place.port}`,
      ...(place.road === 'tls' ? tls : {}),
      ...behind(place),
    }],
    clusters: [{
      name: 'app',
      endpoints: [`127.0.0.1:${place.upstreamPort}`],
      ...(isHttp2Out(place.road) ? { protocol: 'http2' } : {}),
      circuitBreakers: { maxConnections: 100_000, maxPendingRequests: 100_000, maxRequests: 100_000 },
    }],
  };
}
