// @hot
// The ketama ring, as Envoy builds it: every host stands on it in proportion to its weight, at the hashes of `address_0`,
// `address_1`, …; a request goes to the first one at its hash or behind it. Worker thread.
//
// Hashes are spread evenly, so the ring is sorted by dropping them into as many buckets as there are entries, and found by
// the same buckets: both cost a few steps per entry, however many there are. Building: hash → place → sort within buckets.

import { normalized, ringShares } from '../../core/hash-shares.ts';
import { hashed, xxHash64Bytes } from '../../core/xx-hash.ts';
import { HashTable } from './hash-table.ts';

const HASHING = 0;
const PLACING = 1;
const SORTING = 2;
/** Steps that one entry counts for, in each stage. */
const HASH_STEPS = 30;
const PLACE_STEPS = 4;

export class Ring extends HashTable {
  /** Entries per host. */
  private readonly shares: Float64Array;
  private readonly size: number;
  /** The upper bits of a hash by which its bucket goes. */
  private readonly shift: number;
  /** First entry of each bucket, once placed. */
  private readonly starts: Int32Array;
  private high: Uint32Array;
  private low: Uint32Array;
  private places: Int32Array;
  // While it is built.
  private raw: { high: Uint32Array; low: Uint32Array; places: Int32Array } | null;
  private stage = HASHING;
  private host = 0;
  private hash = 0;
  private entry: EntryName | null = null;
  private at = 0;

  constructor(key: string, names: readonly string[], weights: ArrayLike<number>, sizes: { readonly minRingSize: number; readonly maxRingSize: number }) {
    super(key, names);
    this.shares = ringShares(normalized(weights), sizes.minRingSize, sizes.maxRingSize).shares;
    this.size = this.shares.reduce((sum, share) => sum + share, 0);
    const bits = Math.max(1, Math.ceil(Math.log2(this.size)));
    this.shift = 32 - bits;
    this.starts = new Int32Array((1 << bits) + 1);
    this.high = new Uint32Array(this.size);
    this.low = new Uint32Array(this.size);
    this.places = new Int32Array(this.size);
    this.raw = { high: new Uint32Array(this.size), low: new Uint32Array(this.size), places: new Int32Array(this.size) };
  }

  build(steps: number): boolean {
    let left = steps;
    while (left > 0 && !this.isReady) {
      if (this.stage === HASHING) left = this.hashSome(left);
      else if (this.stage === PLACING) left = this.placeSome(left);
      else left = this.sortSome(left);
    }
    return this.isReady;
  }

  find(high: number, low: number, attempt: number): number {
    const { size } = this;
    const h = high >>> 0;
    const l = low >>> 0;
    let i = this.starts[h >>> this.shift]!;
    while (i < size && (this.high[i]! < h || (this.high[i]! === h && this.low[i]! < l))) i++;
    if (i === size) i = 0;
    if (attempt > 0) i = (i + attempt) % size;
    return this.places[i]!;
  }

  private hashSome(steps: number): number {
    const { starts, shift, raw } = this;
    let left = steps;
    for (; left > 0 && this.at < this.size; left -= HASH_STEPS) {
      while (this.hash >= this.shares[this.host]!) {
        this.host++;
        this.hash = 0;
        this.entry = null;
      }
      this.entry ??= new EntryName(this.names[this.host]!);
      this.entry.hash(this.hash++);
      raw!.high[this.at] = hashed.high;
      raw!.low[this.at] = hashed.low;
      raw!.places[this.at++] = this.host;
      const bucket = hashed.high >>> shift;
      starts[bucket] = starts[bucket]! + 1;
    }
    if (this.at < this.size) return left;
    this.endCounting();
    return left - starts.length;
  }

  /** Counts per bucket become the end of each. */
  private endCounting(): void {
    const { starts } = this;
    let sum = 0;
    for (let b = 0; b < starts.length; b++) starts[b] = sum += starts[b]!;
    this.stage = PLACING;
  }

  /** From the last entry to the first, each before those of its bucket that are placed already. */
  private placeSome(steps: number): number {
    const { raw, starts, shift } = this;
    let left = steps;
    for (; left > 0 && this.at > 0; left -= PLACE_STEPS) {
      const from = --this.at;
      const bucket = raw!.high[from]! >>> shift;
      const to = starts[bucket]! - 1;
      starts[bucket] = to;
      this.high[to] = raw!.high[from]!;
      this.low[to] = raw!.low[from]!;
      this.places[to] = raw!.places[from]!;
    }
    if (this.at === 0) {
      this.raw = null;
      this.entry = null;
      this.stage = SORTING;
      this.at = 1;
    }
    return left;
  }

  /** By insertion: whoever stands wrong stands a few places off, within its bucket. */
  private sortSome(steps: number): number {
    const { high, low, places, size } = this;
    let left = steps;
    for (; left > 0 && this.at < size; this.at++) {
      const h = high[this.at]!;
      const l = low[this.at]!;
      const place = places[this.at]!;
      let i = this.at;
      for (; i > 0 && (high[i - 1]! > h || (high[i - 1]! === h && low[i - 1]! > l)); i--) {
        high[i] = high[i - 1]!;
        low[i] = low[i - 1]!;
        places[i] = places[i - 1]!;
        left--;
      }
      high[i] = h;
      low[i] = l;
      places[i] = place;
      left--;
    }
    this.isReady = this.at >= size;
    return left;
  }
}

/** `address_7`, in bytes: texts that are put together would have to be copied before they can be read. */
class EntryName {
  private readonly bytes: Uint8Array;
  private readonly end: number;

  constructor(name: string) {
    this.end = name.length + 1;
    this.bytes = new Uint8Array(this.end + 10);
    this.bytes.set(Buffer.from(`${name}_`, 'latin1'));
  }

  hash(number: number): void {
    const { bytes, end } = this;
    let length = end;
    for (let left = number; left >= 10; left = Math.floor(left / 10)) length++;
    length++;
    for (let left = number, at = length - 1; at >= end; at--, left = Math.floor(left / 10)) bytes[at] = 48 + (left % 10);
    xxHash64Bytes(bytes, length);
  }
}
