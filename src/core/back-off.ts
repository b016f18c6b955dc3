// How long to wait before the next try, so that many who failed together do not come back together. Any thread; pure.
// Envoy's two rules, as its documents state them: full jitter that grows with every try, and a lower bound given from outside.

import type { Random } from './random.ts';

/** Beyond so many doublings every range is capped. */
const MAX_DOUBLINGS = 20;
const LONGEST_MS = 0x7fffffff;

/**
 * @param n the number of the retry, from 1 on
 * @returns whole ms, uniform in [0, (2^n - 1) * baseMs), but never above maxMs
 */
export function fullJitterMs(random: Random, n: number, baseMs: number, maxMs: number): number {
  const range = ((1 << Math.min(n, MAX_DOUBLINGS)) - 1) * baseMs;
  return random.below(Math.max(1, Math.min(range, maxMs, LONGEST_MS)));
}

/** @returns whole ms, uniform in [leastMs, 1.5 * leastMs) */
export function jitterAboveMs(random: Random, leastMs: number): number {
  return leastMs + random.below(Math.max(1, Math.min(leastMs >> 1, LONGEST_MS)));
}
