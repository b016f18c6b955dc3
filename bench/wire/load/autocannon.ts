// A process of its own: one window of load by autocannon, for machines without wrk.
//   node autocannon.js CASE PORT SECONDS

import { createRequire } from 'node:module';
import { BROWSER_HEADERS } from '../bodies.ts';
import { caseNamed } from '../cases.ts';

interface Histogram { readonly p50: number; readonly p99: number; readonly p99_9: number }
interface Outcome {
  readonly requests: { readonly total: number };
  readonly latency: Histogram;
  readonly duration: number;
  readonly errors: number;
  readonly timeouts: number;
  readonly non2xx: number;
}
// The package brings no types; this is the part of it that is used.
const autocannon = createRequire(import.meta.url)('autocannon') as (options: object) => Promise<Outcome>;

const [name = '', port, seconds] = process.argv.slice(2);
const wire = caseNamed(name);
const outcome = await autocannon({
  url: `${wire.road === 'tls' ? 'https' : 'http'}://127.0.0.1:${port}${wire.path}`,
  connections: wire.connections,
  duration: Number(seconds),
  timeout: 20,
  headers: wire.headers === 'browser' ? Object.fromEntries(BROWSER_HEADERS) : {},
  ...(wire.uploadBytes > 0 ? { method: 'POST', body: Buffer.alloc(wire.uploadBytes, 'x') } : {}),
});
const result = {
  requests: outcome.requests.total,
  durationUs: outcome.duration * 1e6,
  p50Us: outcome.latency.p50 * 1000,
  p99Us: outcome.latency.p99 * 1000,
  p999Us: outcome.latency.p99_9 * 1000,
  errors: { socket: outcome.errors, timeout: outcome.timeouts, status: outcome.non2xx },
};
console.log(`RESULT ${JSON.stringify(result)}`);
