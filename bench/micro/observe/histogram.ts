// Histograms: one value on the road, and what a page of percentiles costs the primary.

import { HISTOGRAM_WORDS, record } from '../../../src/observe/histogram.ts';
import { HistogramReader } from '../../../src/observe/quantiles.ts';
import { Stripe, STRIPE_BYTES } from '../../../src/shared/stripe.ts';
import { measure } from '../../measure.ts';

const { buckets } = new Stripe(new SharedArrayBuffer(STRIPE_BYTES));
const values = Float64Array.from({ length: 4096 }, (_, i) => ((i * 7919) % 4096) ** 2 / 7 + 0.5);
let sum = 0;

measure('one value', (times) => {
  for (let i = 0; i < times; i++) record(buckets, 3, values[i & 4095]!);
});

measure('one value, 1,000 histograms in turn', (times) => {
  for (let i = 0; i < times; i++) record(buckets, i % 1000, values[i & 4095]!);
});

const reader = new HistogramReader();
measure('read one histogram with its percentiles', (times) => {
  for (let i = 0; i < times; i++) {
    sum += reader.load((into) => into.set(buckets.subarray(3 * HISTOGRAM_WORDS, 4 * HISTOGRAM_WORDS))).count;
    sum += reader.quantiles()[6]!;
  }
});

if (sum < 0) console.log(sum);
