// The controller of the adaptive limit with virtual time, on two workers; what it should be by Envoy's formulas.

import t from 'tap';
import { buildFilters } from '../../src/config/build/filters.ts';
import type { AdaptiveConcurrencyDocument } from '../../src/config/document.ts';
import type { AdaptiveConcurrencyConfig } from '../../src/config/limit-snapshot.ts';
import { Random } from '../../src/core/random.ts';
import { Gradient } from '../../src/filter/adaptive-concurrency/gradient.ts';
import { BREAKER_ROW, BreakerTable, HELD_ROW, RES_RQ } from '../../src/shared/breaker-table.ts';
import { GRADIENT, GRADIENT_WORDS, GradientState, MEASURING, MIN_RTT_US, SAMPLE_RTT_US } from '../../src/shared/gradient-state.ts';

class Crew {
  now = 10_000;
  readonly state: GradientState;
  readonly table: BreakerTable;
  readonly workers: readonly Gradient[];

  constructor(document: AdaptiveConcurrencyDocument) {
    const config = buildFilters([{ adaptiveConcurrency: document }], { statPrefix: 'edge', path: [] })[0] as AdaptiveConcurrencyConfig;
    const words = new Int32Array(new SharedArrayBuffer(GRADIENT_WORDS * 4));
    const rows = new SharedArrayBuffer(BREAKER_ROW * 4);
    this.state = new GradientState(words, 0);
    this.table = new BreakerTable(rows, new Int32Array(HELD_ROW));
    this.table.setLimit(0, RES_RQ, config.minRtt.minConcurrency);
    this.workers = [1, 2].map((seed) => new Gradient(config, {
      state: new GradientState(words, 0),
      breakers: new BreakerTable(rows, new Int32Array(HELD_ROW)),
      row: 0,
      random: new Random([seed, 2, 3, 4]),
    }));
  }

  get limit(): number {
    return this.table.limit(0, RES_RQ);
  }

  /** So many requests of this latency, one after the other, by both workers in turn. */
  serve(times: number, latencyMs: number): void {
    for (let i = 0; i < times; i++) {
      const worker = this.workers[i % 2]!;
      if (!worker.admits(this.now)) throw new Error('refused');
      this.now += latencyMs;
      worker.ended(this.now, latencyMs);
    }
  }

  /** The same, all at once. */
  sample(times: number, latencyMs: number): void {
    for (let i = 0; i < times; i++) {
      const worker = this.workers[i % 2]!;
      if (!worker.admits(this.now)) throw new Error('refused');
      worker.ended(this.now, latencyMs);
    }
  }

  /** How many get in at the same time; all of them leave again, unanswered. */
  room(): number {
    let admitted = 0;
    while (admitted < 5000 && this.workers[admitted % 2]!.admits(this.now)) admitted++;
    for (let i = 0; i < admitted; i++) this.workers[i % 2]!.ended(this.now, -1);
    return admitted;
  }

  close(us: number, expected: number): boolean {
    return Math.abs(us - expected) <= expected * 0.04;
  }
}

/** What the formula makes of it. */
function next(limit: number, minRttUs: number, sampleUs: number, most = 1000): number {
  const gradient = Math.max(0.5, Math.min(2, (minRttUs * 1.25) / sampleUs));
  return Math.max(3, Math.min(most, Math.trunc(limit * gradient + Math.sqrt(limit * gradient))));
}

t.test('it measures first, with the lowest limit', async (t) => {
  const crew = new Crew({});
  t.equal(crew.room(), 3, 'three over both workers');
  crew.serve(49, 10);
  t.equal(crew.state.get(MIN_RTT_US), 0);
  crew.serve(1, 10);
  t.ok(crew.close(crew.state.get(MIN_RTT_US), 10_000), `${crew.state.get(MIN_RTT_US)}`);
  t.equal(crew.limit, 3);
});

t.test('fast answers raise the limit, slow ones lower it, as the formula says', async (t) => {
  const crew = new Crew({ concurrencyUpdateInterval: '100ms' });
  crew.serve(50, 10);
  const minRtt = crew.state.get(MIN_RTT_US);
  let limit = 3;
  const phases = [[10, 12], [14, 20], [11, 20], [40, 30]] as const;
  for (const [latency, rounds] of phases) {
    for (let i = 0; i < rounds; i++) {
      crew.sample(9, latency);
      crew.now += 101;
      const room = crew.room();
      if (crew.state.get(MEASURING) === 1) break;
      const sample = crew.state.get(SAMPLE_RTT_US);
      limit = next(limit, minRtt, sample);
      t.ok(crew.close(sample, latency * 1000), `sample ${sample} of ${latency} ms`);
      t.equal(crew.limit, limit, `after ${latency} ms`);
      t.equal(room, limit);
    }
    t.comment(`${latency} ms: ${limit}`);
  }
  t.ok(crew.state.get(GRADIENT) >= 500);
});

t.test('it never rises above its cap, and a fixed latency is never measured', async (t) => {
  const crew = new Crew({ maxConcurrencyLimit: 20, minRtt: { fixed: '50ms', minConcurrency: 1 } });
  t.equal(crew.limit, 1);
  t.equal(crew.state.get(MIN_RTT_US), 50_000);
  for (let i = 0; i < 400; i++) crew.serve(1, 10);
  t.equal(crew.limit, 20);
  t.equal(crew.room(), 20);
  for (let i = 0; i < 400; i++) crew.serve(1, 5000);
  t.equal(crew.limit, 2, 'far too slow: half of it and the burst, down to where both meet');
  t.equal(crew.state.get(MEASURING), 0);
});

t.test('it measures again after the interval and its jitter; what began before does not count', async (t) => {
  const crew = new Crew({ minRtt: { interval: '10s', jitterPercent: 15, requestCount: 10 } });
  crew.serve(10, 10);
  const measuredAt = crew.now;
  while (crew.state.get(MEASURING) === 0) {
    crew.serve(1, 12);
    if (crew.now > measuredAt + 20_000) break;
  }
  const waited = crew.now - measuredAt;
  t.ok(waited >= 10_000 && waited <= 11_520, `${waited} ms`);
  t.equal(crew.limit, 3);
  t.equal(crew.room(), 3);
  for (const worker of crew.workers) t.ok(worker.admits(crew.now));
  for (const worker of crew.workers) worker.ended(crew.now, 5000); // these two were under way for long
  crew.serve(10, 20);
  t.equal(crew.state.get(MEASURING), 0);
  t.ok(crew.close(crew.state.get(MIN_RTT_US), 20_000), 'the new latency');
  t.ok(crew.limit > 3, 'and the limit is what it was before');
});

t.test('at its lowest five times in a row it doubts what it has measured', async (t) => {
  const crew = new Crew({ minRtt: { interval: '1h', requestCount: 10 } });
  crew.serve(10, 10);
  const begun = crew.now;
  while (crew.state.get(MEASURING) === 0 && crew.now < begun + 60_000) crew.serve(1, 200);
  t.equal(crew.state.get(MEASURING), 1);
  crew.serve(11, 200);
  t.ok(crew.close(crew.state.get(MIN_RTT_US), 200_000));
});

t.test('weeks without a request', async (t) => {
  const crew = new Crew({});
  crew.serve(50, 10);
  crew.serve(200, 10);
  for (const days of [1, 20, 26, 40, 51]) {
    crew.now += days * 86_400_000;
    crew.serve(60, 10);
    crew.serve(60, 10);
    t.ok(crew.close(crew.state.get(MIN_RTT_US), 10_000), `${days} days`);
    t.equal(crew.state.get(MEASURING), 0);
  }
});
