// @hot
// Token buckets for values that nobody knows beforehand: users, addresses. A table of fixed size for all threads; a value
// looks for its bucket in one of its sets of eight. Any thread.
//
// A bucket is given to another value only when it is full again: then it makes no difference whose it was, and to take it
// over is one compare-and-swap. Where a set has none that is full, the value shares one of its set: it may be told no for
// what another has taken, never yes for more than its limit. Values are known by 32 bits of their hash.

import { BUCKET_WORDS, TokenBucket, type BucketShape } from './token-bucket.ts';

/** The word of a bucket's line that says whose it is; 0: nobody's. */
const OWNER = 2;
const SET = 8;

/** Made once per thread over the same words. */
export class BucketTable {
  private readonly words: Int32Array;
  private readonly at: number;
  private readonly sets: number;
  private readonly buckets: readonly TokenBucket[];

  constructor(words: Int32Array, at: number, shape: BucketShape & { readonly copies: number }) {
    this.words = words;
    this.at = at;
    this.sets = Math.floor(shape.copies / SET);
    this.buckets = Array.from({ length: this.sets * SET }, (_, i) => new TokenBucket(words, at + i * BUCKET_WORDS, shape));
  }

  bucketOf(value: string, now: number): TokenBucket {
    const hash = hashOf(value);
    const first = ((hash >>> 0) % this.sets) * SET;
    const own = this.find(first, hash);
    if (own >= 0) return this.buckets[own]!;
    for (let i = first; i < first + SET; i++) {
      const owner = Atomics.load(this.words, this.ownerOf(i));
      if (owner !== 0 && this.buckets[i]!.tokens(now) < this.buckets[i]!.maxTokens) continue;
      if (Atomics.compareExchange(this.words, this.ownerOf(i), owner, hash) === owner) return this.buckets[this.settle(first, i, hash)]!;
    }
    const late = this.find(first, hash);
    return this.buckets[late >= 0 ? late : first + ((hash >>> 16) % SET)]!;
  }

  /** Should two threads have taken a bucket each for the same value, both go on with the first. */
  private settle(first: number, taken: number, hash: number): number {
    const found = this.find(first, hash);
    if (found === taken || found < 0) return taken;
    Atomics.compareExchange(this.words, this.ownerOf(taken), hash, 0);
    return found;
  }

  private find(first: number, hash: number): number {
    for (let i = first; i < first + SET; i++) if (Atomics.load(this.words, this.ownerOf(i)) === hash) return i;
    return -1;
  }

  private ownerOf(bucket: number): number {
    return this.at + bucket * BUCKET_WORDS + OWNER;
  }
}

/** FNV-1a, mixed once more so that the low bits depend on all; never 0. */
function hashOf(value: string): number {
  let hash = 0x811c9dc5;
  for (let i = 0; i < value.length; i++) hash = Math.imul(hash ^ value.charCodeAt(i), 0x01000193);
  hash = Math.imul(hash ^ (hash >>> 15), 0x2c1b3c6d);
  hash ^= hash >>> 13;
  return hash === 0 ? 1 : hash;
}
