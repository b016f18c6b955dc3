// Nuncio's own configuration: one worker, the short form that a user would write, limits out of the way. What a cautious
// user adds is measured beside it.

import type { Place } from '../place.ts';
import { isHttp2In, isHttp2Out } from '../place.ts';

/** `guarded`: health checks and outlier detection (breakers are always on); `limited`: also a retry policy and a rate limit. */
export type Caution = 'plain' | 'guarded' | 'limited';

const RETRY = { on: ['5xx', 'connect-failure', 'reset'], attempts: 2, perTryTimeout: '5s' };
/** Never reached: what counts is that every request takes a token. */
const RATE_LIMIT = { localRateLimit: { maxTokens: 1_000_000, tokensPerFill: 1_000_000, fillInterval: '1s' } };

function behind({ road }: Place, caution: Caution): object {
  if (road === 'tcp') return { tcp: { cluster: 'app' } };
  return {
    http: {
      ...(isHttp2In(road) ? { protocols: ['http1', 'http2'] } : {}),
      ...(road === 'websocket' ? { upgrades: ['websocket'] } : {}),
      ...(caution === 'limited' ? { filters: [RATE_LIMIT] } : {}),
      routes: [{ match: { prefix: '/' }, forward: { cluster: 'app', ...(caution === 'limited' ? { retry: RETRY } : {}) } }],
    },
  };
}

export function nuncioConfig(place: Place, adminPort: number, caution: Caution = 'plain'): object {
  const { cert, key } = place.certificate;
  const tls = { tls: { certificates: [{ cert, key }], minVersion: 'TLSv1.3' } };
  return {
    workers: 1,
    admin: { address: `127.0.0.1:${adminPort}` },
    listeners: [{
      name: 'in',
      address: `127.0.0.1:${place.port}`,
      ...(place.road === 'tls' ? tls : {}),
      ...behind(place, caution),
    }],
    clusters: [{
      name: 'app',
      endpoints: [`127.0.0.1:${place.upstreamPort}`],
      ...(isHttp2Out(place.road) ? { protocol: 'http2' } : {}),
      ...(caution === 'plain' ? {} : { healthChecks: [{ http: { path: '/small' }, interval: '1s', noTrafficInterval: '1s', timeout: '900ms' }], outlierDetection: {} }),
      circuitBreakers: { maxConnections: 100_000, maxPendingRequests: 100_000, maxRequests: 100_000 },
    }],
  };
}
