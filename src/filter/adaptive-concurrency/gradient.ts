// @hot
// The controller of a limit that follows latencies (Envoy's gradient controller, its formulas), for all workers together.
// Any worker may find that something is due when a request begins or ends; whoever wins the exchange of one word does it.
//
//   measuring: the limit is low, requests are timed; their percentile is the latency of an upstream without load
//   running:   every interval  gradient = minRtt × (1 + buffer) / sampleRtt, from 0.5 to 2
//              limit = limit × gradient + √(limit × gradient), from minConcurrency to maxConcurrencyLimit
//
// It measures anew after an interval with jitter, or when the limit has been at its lowest five times in a row. A worker
// that dies in the middle leaves the numbers of the last interval; the next that finds something due goes on with them.

import type { AdaptiveConcurrencyConfig } from '../../config/limit-snapshot.ts';
import type { Random } from '../../core/random.ts';
import { RES_RQ, type Breakers } from '../../shared/breaker-table.ts';
import { BURST, DEFERRED_LIMIT, GRADIENT, MEASURING, MEASURING_SINCE, MIN_RTT_US, NEXT_MEASURING, NEXT_UPDATE, SAMPLE_RTT_US, TIMES_AT_LEAST, type GradientState } from '../../shared/gradient-state.ts';

const TOO_OFTEN_AT_LEAST = 5;
/** Envoy shows it in thousandths. */
const GRADIENT_SCALE = 1000;

export interface GradientParts {
  readonly state: GradientState;
  readonly breakers: Breakers;
  readonly row: number;
  readonly random: Random;
}

export class Gradient {
  private readonly config: AdaptiveConcurrencyConfig;
  private readonly parts: GradientParts;

  constructor(config: AdaptiveConcurrencyConfig, parts: GradientParts) {
    this.config = config;
    this.parts = parts;
    // Always the same value: whoever comes first writes it for all.
    if (config.minRtt.fixedMs > 0) parts.state.set(MIN_RTT_US, config.minRtt.fixedMs * 1000);
  }

  /** A request wants in; how it ends is told with `ended`. */
  admits(now: number): boolean {
    const { breakers, row } = this.parts;
    this.catchUp(now);
    return breakers.tryAcquire(row, RES_RQ);
  }

  /** @param latencyMs -1: its answer was never complete */
  ended(now: number, latencyMs: number): void {
    const { breakers, row } = this.parts;
    breakers.release(row, RES_RQ);
    if (latencyMs >= 0) this.sample(now, latencyMs);
    this.catchUp(now);
  }

  private sample(now: number, latencyMs: number): void {
    const { state } = this.parts;
    const measures = this.measures();
    // What began before was not alone.
    if (state.get(MEASURING) === 1 && after(now - latencyMs, state.get(MEASURING_SINCE)) < 0) return;
    const count = state.addLatency(latencyMs * 1000);
    // One of them is the last; should its worker die now, the last of the next lot is.
    if (measures && count % this.config.minRtt.requestCount === 0) this.measured(now);
  }

  private measures(): boolean {
    const { state } = this.parts;
    return this.config.minRtt.fixedMs === 0 && (state.get(MIN_RTT_US) === 0 || state.get(MEASURING) === 1);
  }

  private catchUp(now: number): void {
    const { state } = this.parts;
    if (this.measures()) return;
    const { minRtt, updateIntervalMs } = this.config;
    if (minRtt.fixedMs === 0 && isDue(now, state.get(NEXT_MEASURING), minRtt.intervalMs)) {
      this.beginMeasuring(now);
      return;
    }
    const next = state.get(NEXT_UPDATE);
    if (isDue(now, next, updateIntervalMs) && state.swap(NEXT_UPDATE, next, stampOf(now + updateIntervalMs))) this.update(now);
  }

  private beginMeasuring(now: number): void {
    const { state, breakers, row } = this.parts;
    if (!state.swap(MEASURING, 0, 1)) return;
    state.set(MEASURING_SINCE, stampOf(now));
    state.set(DEFERRED_LIMIT, breakers.limit(row, RES_RQ));
    state.set(TIMES_AT_LEAST, 0);
    state.takePercentile(0);
    breakers.setLimit(row, RES_RQ, this.config.minRtt.minConcurrency);
  }

  private measured(now: number): void {
    const { state, breakers, row, random } = this.parts;
    const { minRtt, samplePercentile, updateIntervalMs } = this.config;
    const rtt = state.takePercentile(samplePercentile);
    if (rtt < 0) return;
    const jitterMs = (minRtt.intervalMs * minRtt.jitterPercent * random.unit()) / 100;
    state.set(NEXT_MEASURING, stampOf(now + minRtt.intervalMs + jitterMs));
    state.set(NEXT_UPDATE, stampOf(now + updateIntervalMs));
    state.set(MIN_RTT_US, Math.max(1, rtt));
    breakers.setLimit(row, RES_RQ, Math.max(minRtt.minConcurrency, state.get(DEFERRED_LIMIT)));
    state.set(MEASURING, 0);
  }

  private update(now: number): void {
    const { state, breakers, row } = this.parts;
    const { minRtt, samplePercentile, maxLimit } = this.config;
    const sample = state.takePercentile(samplePercentile);
    if (sample < 0) return;
    const before = breakers.limit(row, RES_RQ);
    const normal = state.get(MIN_RTT_US) * (1 + minRtt.bufferPercent / 100);
    const gradient = Math.max(0.5, Math.min(2, normal / Math.max(1, sample)));
    const kept = before * gradient;
    const burst = Math.sqrt(kept);
    const limit = Math.max(minRtt.minConcurrency, Math.min(maxLimit, Math.trunc(kept + burst)));
    if (state.get(MEASURING) === 1) return; // somebody has just begun to
    state.set(SAMPLE_RTT_US, sample);
    state.set(GRADIENT, Math.trunc(gradient * GRADIENT_SCALE));
    state.set(BURST, Math.trunc(burst));
    breakers.setLimit(row, RES_RQ, limit);
    const atLeast = before === minRtt.minConcurrency && limit === before ? state.get(TIMES_AT_LEAST) + 1 : 0;
    state.set(TIMES_AT_LEAST, atLeast);
    if (atLeast >= TOO_OFTEN_AT_LEAST && minRtt.fixedMs === 0) this.beginMeasuring(now);
  }
}

/** Milliseconds in a word; they wrap after seven weeks, and only differences are looked at. */
function stampOf(ms: number): number {
  return Math.floor(ms) | 0;
}

function after(ms: number, stamp: number): number {
  return (stampOf(ms) - stamp) | 0;
}

/** Also when it lies further ahead than it is ever set: then nobody has looked for weeks. */
function isDue(now: number, stamp: number, intervalMs: number): boolean {
  const late = after(now, stamp);
  return late >= 0 || late < -3 * intervalMs - 1000;
}
