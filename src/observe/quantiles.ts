// The reading side of the histograms: slots of all workers in, Envoy's percentiles, Prometheus buckets and sums out.
// Primary thread. Values are kept in microseconds and shown in milliseconds.

import { build } from 'hdr-histogram-js';
import { HISTOGRAM_SLOTS, HISTOGRAM_WORDS, slotMiddle, slotOf } from './histogram.ts';

/** The percentiles that Envoy shows. */
export const QUANTILES: readonly number[] = [0, 25, 50, 75, 90, 95, 99, 99.5, 99.9, 100];
/** Envoy's default bucket bounds, milliseconds. */
export const BUCKET_BOUNDS: readonly number[] = [
  0.5, 1, 5, 10, 25, 50, 100, 250, 500, 1000, 2500, 5000, 10000, 30000, 60000, 300000, 600000, 1800000, 3600000,
];

const WRAP = 2 ** 32;

export interface HistogramFigures {
  readonly count: number;
  /** Milliseconds. Each value counts as the middle of its slot. */
  readonly sum: number;
  /** Values up to each of BUCKET_BOUNDS. */
  readonly buckets: readonly number[];
}

/** Reads one histogram after the other through the same memory. */
export class HistogramReader {
  private readonly words = new Float64Array(HISTOGRAM_WORDS);
  // 2 significant digits are finer than our slots; 2^40 is their end.
  private readonly hdr = build({ lowestDiscernibleValue: 1, highestTrackableValue: 2 ** 40, numberOfSignificantValueDigits: 2, bitBucketSize: 64 });

  /** `add` adds the words of the histogram over all workers (`SharedState.addHistogram`). Forgets the one before. */
  load(add: (into: Float64Array) => void): HistogramFigures {
    const { words } = this;
    words.fill(0);
    add(words);
    let count = 0;
    let sum = 0;
    let bound = 0;
    const buckets = BUCKET_BOUNDS.map(() => 0);
    for (let slot = 0; slot < HISTOGRAM_SLOTS; slot++) {
      const here = words[slot]! + words[slot + HISTOGRAM_SLOTS]! * WRAP;
      if (here === 0) continue;
      words[slot] = here;
      const ms = slotMiddle(slot) / 1000;
      while (bound < buckets.length && ms > BUCKET_BOUNDS[bound]!) buckets[bound++] = count;
      count += here;
      sum += here * ms;
    }
    for (; bound < buckets.length; bound++) buckets[bound] = count;
    return { count, sum, buckets };
  }

  /** Milliseconds at each of QUANTILES, for the histogram loaded last. */
  quantiles(): number[] {
    const { hdr, words } = this;
    hdr.reset();
    for (let slot = 0; slot < HISTOGRAM_SLOTS; slot++) {
      if (words[slot]! > 0) hdr.recordValueWithCount(Math.floor(slotMiddle(slot)), words[slot]!);
    }
    return QUANTILES.map((percent) => slotMiddle(slotOf(hdr.getValueAtPercentile(percent))) / 1000);
  }
}
