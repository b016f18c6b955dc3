// @hot
// The circuit-breaker table: Envoy's four limits per row, exact over all workers. Any thread.
// A resource is taken by compare-and-swap against its limit, so no interleaving can exceed it; what a worker holds is
// also written plainly in its own stripe, so that the primary can give it back when the worker dies.
//
// Why the two cannot disagree, even when the thread is stopped by worker.terminate(): V8 ends a thread's JavaScript only
// where it looks for interrupts, which is on entry to a function and at the back edge of a loop. Between the atomic that
// succeeds and the plain store that follows there is neither (Atomics.* are built-ins without such a look), so either
// both have happened or none. The next position is computed before the atomic for that reason. A thread that throws,
// runs out of memory or calls process.exit() stops at no other place. The primary reads `held` only after the thread
// has ended, which makes its plain stores visible.

import { STRIPE_HELD } from './stripe.ts';

export const RES_CX = 0;
export const RES_PENDING = 1;
export const RES_RQ = 2;
export const RES_RETRY = 3;
export type Resource = 0 | 1 | 2 | 3;

/** Words per row: four counts, four limits, one count of starving waiters, padding to 64 bytes. */
export const BREAKER_ROW = 16;
const LIMITS_AT = 4;
const STARVING_AT = 8;
const COUNTERS = 4;

/** Words per row in a stripe's `held`: four counts, one of starving waiters, padding. */
export const HELD_ROW = 8;
const HELD_STARVING = 4;

export const BREAKER_ROWS = STRIPE_HELD / HELD_ROW;
export const BREAKER_BYTES = BREAKER_ROWS * BREAKER_ROW * 4;

const LARGEST_LIMIT = 0x7fffffff;

export interface Breakers {
  /** Takes one of the resource; false when the limit is reached. A limit of 0 is no limit. */
  tryAcquire(row: number, resource: Resource): boolean;
  /** The same under a limit that the caller has worked out; 0 is none at all. */
  tryAcquireWithin(row: number, resource: Resource, limit: number): boolean;
  release(row: number, resource: Resource): void;
  /** How many are held over all workers. */
  count(row: number, resource: Resource): number;
  limit(row: number, resource: Resource): number;
  /** Of a row whose limit the workers themselves move. */
  setLimit(row: number, resource: Resource, limit: number): void;
  /** Workers say here that a request waits for a connection that only another worker's idle one can free. */
  addStarving(row: number, delta: 1 | -1): void;
  starving(row: number): number;
}

/** 0: no limit. */
export interface RowLimits {
  readonly maxConnections: number;
  readonly maxPendingRequests: number;
  readonly maxRequests: number;
  readonly maxRetries: number;
}

/** Made once per thread over the same buffer, with the thread's own `held`. */
export class BreakerTable implements Breakers {
  private readonly words: Int32Array;
  private readonly held: Int32Array;

  constructor(buffer: SharedArrayBuffer, held: Int32Array) {
    this.words = new Int32Array(buffer);
    this.held = held;
  }

  tryAcquire(row: number, resource: Resource): boolean {
    const words = this.words;
    const held = this.held;
    const at = row * BREAKER_ROW + resource;
    const limit = words[at + LIMITS_AT]!;
    if (limit > 0) return this.tryAcquireWithin(row, resource, limit);
    const own = row * HELD_ROW + resource;
    const mine = held[own]! + 1;
    Atomics.add(words, at, 1);
    held[own] = mine;
    return true;
  }

  tryAcquireWithin(row: number, resource: Resource, limit: number): boolean {
    const words = this.words;
    const held = this.held;
    const at = row * BREAKER_ROW + resource;
    const own = row * HELD_ROW + resource;
    const mine = held[own]! + 1;
    // A plain first look saves an atomic one: the exchange finds out when it was stale, and a no is asked for again.
    let count = words[at]!;
    for (;;) {
      if (count >= limit) {
        count = Atomics.load(words, at);
        if (count >= limit) return false;
      }
      const seen = Atomics.compareExchange(words, at, count, count + 1);
      if (seen === count) {
        held[own] = mine;
        return true;
      }
      count = seen;
    }
  }

  /** Throws when this thread holds none: another worker's count would be taken, and the limit would no longer be exact. */
  release(row: number, resource: Resource): void {
    const held = this.held;
    const own = row * HELD_ROW + resource;
    const mine = held[own]! - 1;
    if (mine < 0) throw new Error(`breaker row ${row}, resource ${resource}: released more often than taken`);
    Atomics.sub(this.words, row * BREAKER_ROW + resource, 1);
    held[own] = mine;
  }

  count(row: number, resource: Resource): number {
    return Atomics.load(this.words, row * BREAKER_ROW + resource);
  }

  limit(row: number, resource: Resource): number {
    return this.words[row * BREAKER_ROW + LIMITS_AT + resource]!;
  }

  addStarving(row: number, delta: 1 | -1): void {
    const held = this.held;
    const own = row * HELD_ROW + HELD_STARVING;
    const mine = held[own]! + delta;
    if (mine < 0) throw new Error(`breaker row ${row}: more waiters gone than came`);
    Atomics.add(this.words, row * BREAKER_ROW + STARVING_AT, delta);
    held[own] = mine;
  }

  starving(row: number): number {
    return this.words[row * BREAKER_ROW + STARVING_AT]!;
  }

  // ---- primary ----

  /** What is held beyond a lowered limit stays held; nothing more is given out until enough has come back. */
  setLimits(row: number, limits: RowLimits): void {
    this.setLimit(row, RES_CX, limits.maxConnections);
    this.setLimit(row, RES_PENDING, limits.maxPendingRequests);
    this.setLimit(row, RES_RQ, limits.maxRequests);
    this.setLimit(row, RES_RETRY, limits.maxRetries);
  }

  /** Puts back what a worker held whose thread has ended, and clears its words. */
  giveBack(held: Int32Array): void {
    for (let own = 0; own < held.length; own++) {
      const mine = held[own]!;
      if (mine === 0) continue;
      const row = Math.floor(own / HELD_ROW);
      const what = own % HELD_ROW;
      Atomics.sub(this.words, row * BREAKER_ROW + (what < COUNTERS ? what : STARVING_AT), mine);
      held[own] = 0;
    }
  }

  /** True when nobody holds anything of this row. */
  isIdle(row: number): boolean {
    const at = row * BREAKER_ROW;
    for (let what = 0; what < COUNTERS; what++) if (Atomics.load(this.words, at + what) !== 0) return false;
    return Atomics.load(this.words, at + STARVING_AT) === 0;
  }

  setLimit(row: number, resource: Resource, limit: number): void {
    Atomics.store(this.words, row * BREAKER_ROW + LIMITS_AT + resource, Math.min(limit, LARGEST_LIMIT));
  }
}
