// @hot
// Randomness for routing fractions, balancing and request ids: xoshiro128**, one generator per worker, seeded from
// the system's. Not for secrets. Tests seed it by hand.

import { randomBytes } from 'node:crypto';

export class Random {
  private a: number;
  private b: number;
  private c: number;
  private d: number;

  constructor(seed?: readonly [number, number, number, number]) {
    if (seed === undefined) {
      const bytes = randomBytes(16);
      this.a = bytes.readInt32LE(0);
      this.b = bytes.readInt32LE(4);
      this.c = bytes.readInt32LE(8);
      this.d = bytes.readInt32LE(12) | 1; // the all-zero state is the only one that never leaves itself
    } else {
      this.a = seed[0] | 0;
      this.b = seed[1] | 0;
      this.c = seed[2] | 0;
      this.d = seed[3] | 1;
    }
  }

  /** A uniform 32-bit integer, signed. */
  int32(): number {
    const b = this.b;
    let r = Math.imul(b, 5);
    r = Math.imul((r << 7) | (r >>> 25), 9);
    const t = b << 9;
    this.c ^= this.a;
    this.d ^= b;
    this.b = b ^ this.c;
    this.a ^= this.d;
    this.c ^= t;
    this.d = (this.d << 11) | (this.d >>> 21);
    return r;
  }

  /** Uniform in [0, bound); bound is a positive integer below 2^31. The bias is below bound / 2^32. */
  below(bound: number): number {
    return Math.floor((this.int32() >>> 0) * (bound / 4294967296));
  }

  /** Uniform in [0, 1). */
  unit(): number {
    return (this.int32() >>> 0) / 4294967296;
  }
}
