// @hot
// What all threads know of a limit that follows latencies: the latencies of this interval, and where the controller stands
// (`filter/adaptive-concurrency/gradient.ts` says what that means). Any thread.

/** Words that the controller reads and writes. */
export const MIN_RTT_US = 0;
export const MEASURING = 1;
export const MEASURING_SINCE = 2;
export const DEFERRED_LIMIT = 3;
export const TIMES_AT_LEAST = 4;
export const NEXT_MEASURING = 5;
export const NEXT_UPDATE = 6;
export const SAMPLES = 7;
// For the stats only.
export const SAMPLE_RTT_US = 8;
export const GRADIENT = 9;
export const BURST = 10;
export type GradientWord = 0 | 1 | 2 | 3 | 4 | 5 | 6 | 7 | 8 | 9 | 10;

const LATENCIES_AT = 16;
/** Each power of two is divided into so many buckets: they are right to 3 %. */
const PARTS_SHIFT = 4;
const PARTS = 1 << PARTS_SHIFT;
/** Up to here every microsecond has its own. */
const EXACT_SHIFT = 5;
const EXACT = 1 << EXACT_SHIFT;
/** Two minutes; what takes longer counts as that. */
const LONGEST_US = 2 ** 27 - 1;
const BUCKETS = EXACT + (27 - EXACT_SHIFT) * PARTS;

export const GRADIENT_WORDS: number = LATENCIES_AT + BUCKETS;

/** Made once per thread over the same words. */
export class GradientState {
  private readonly words: Int32Array;
  private readonly at: number;

  constructor(words: Int32Array, at: number) {
    this.words = words;
    this.at = at;
  }

  get(word: GradientWord): number {
    return Atomics.load(this.words, this.at + word);
  }

  set(word: GradientWord, value: number): void {
    Atomics.store(this.words, this.at + word, value);
  }

  /** Whoever gets true is the only one that has changed it from what it was. */
  swap(word: GradientWord, from: number, to: number): boolean {
    return Atomics.compareExchange(this.words, this.at + word, from, to) === from;
  }

  /** @returns how many there are now */
  addLatency(us: number): number {
    Atomics.add(this.words, this.at + LATENCIES_AT + bucketOf(us), 1);
    return Atomics.add(this.words, this.at + SAMPLES, 1) + 1;
  }

  /** Takes all latencies out. @returns the one at this percentile in us; -1: there was none */
  takePercentile(percentile: number): number {
    const { words } = this;
    const first = this.at + LATENCIES_AT;
    const counts: number[] = [];
    let total = 0;
    Atomics.store(words, this.at + SAMPLES, 0);
    for (let bucket = 0; bucket < BUCKETS; bucket++) {
      const count = Atomics.exchange(words, first + bucket, 0);
      counts.push(count);
      total += count;
    }
    if (total === 0) return -1;
    let left = Math.max(1, Math.ceil((percentile / 100) * total));
    let bucket = 0;
    while ((left -= counts[bucket]!) > 0) bucket++;
    return middleOf(bucket);
  }
}

function bucketOf(us: number): number {
  const value = us > LONGEST_US ? LONGEST_US : us < 0 ? 0 : us | 0;
  if (value < EXACT) return value;
  const exponent = 31 - Math.clz32(value);
  return EXACT + (exponent - EXACT_SHIFT) * PARTS + ((value >> (exponent - PARTS_SHIFT)) & (PARTS - 1));
}

function middleOf(bucket: number): number {
  if (bucket < EXACT) return bucket;
  const exponent = EXACT_SHIFT + ((bucket - EXACT) >> PARTS_SHIFT);
  const width = 1 << (exponent - PARTS_SHIFT);
  return (1 << exponent) + ((bucket - EXACT) & (PARTS - 1)) * width + (width >> 1);
}
