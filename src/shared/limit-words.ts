// The words that all threads share for limits: token buckets, windows, latencies. What a limit keeps where is its own affair;
// the primary hands out the places (`registry.ts`) and fills the buckets before anybody uses them. Any thread.

import { GRADIENT_WORDS } from './gradient-state.ts';
import { windowWords } from './rolling-window.ts';
import { BUCKET_WORDS, TokenBucket, type BucketShape } from './token-bucket.ts';

export const LIMIT_WORDS = 1 << 21;
export const LIMIT_BYTES: number = LIMIT_WORDS * 4;

/** What a limit takes. */
export interface LimitRoom {
  /** Stand first, one behind the other, as many copies of each as it says. */
  readonly buckets: readonly (BucketShape & { readonly copies: number })[];
  /** Of the window that it looks back on (`rolling-window.ts`); 0: none. */
  readonly windowSeconds: number;
  /** It measures latencies (`gradient-state.ts`). */
  readonly latencies: boolean;
}

/** Whole buckets' worth, so that every limit begins on a cache line of its own. */
export function wordsOf({ buckets, windowSeconds, latencies }: LimitRoom): number {
  const lines = buckets.reduce((sum, { copies }) => sum + copies, 0);
  const words = (windowSeconds > 0 ? windowWords(windowSeconds) : 0) + (latencies ? GRADIENT_WORDS : 0);
  return (lines + Math.ceil(words / BUCKET_WORDS)) * BUCKET_WORDS;
}

/** Primary: before the place is given to a worker. */
export function prepareRoom(words: Int32Array, at: number, room: LimitRoom, now: number): void {
  const size = wordsOf(room);
  for (let i = 0; i < size; i++) Atomics.store(words, at + i, 0);
  let line = at;
  for (const bucket of room.buckets) {
    for (let copy = 0; copy < bucket.copies; copy++, line += BUCKET_WORDS) new TokenBucket(words, line, bucket).fill(now);
  }
}
