// @hot
// The histogram on the road: log-linear slots in the worker's own stripe, one plain add per value. Worker thread.
// 32 slots per power of two (3 % wide), from 0 to 2^40 microseconds (12 days); the reading side is `quantiles.ts`.

/** Slots of one histogram. */
export const HISTOGRAM_SLOTS = 1152;
/** The second half counts how often a slot of the first has gone past 2^32; it costs no memory before that happens. */
export const HISTOGRAM_WORDS = 2 * HISTOGRAM_SLOTS;

const LARGEST_MICROS = 2 ** 40 - 1;

/** `histogram` is a number of the plan (`plan.histograms + UP_RQ_TIME`). Anything below zero counts as zero. */
export function record(buckets: Uint32Array, histogram: number, micros: number): void {
  const at = histogram * HISTOGRAM_WORDS + slotOf(micros);
  const count = buckets[at]! + 1;
  buckets[at] = count;
  if (count === 4294967296) buckets[at + HISTOGRAM_SLOTS]!++;
}

export function slotOf(micros: number): number {
  if (!(micros < 4294967296)) return slotOfLong(micros);
  const value = micros > 0 ? micros >>> 0 : 0;
  if (value < 32) return value;
  const exponent = 26 - Math.clz32(value);
  return (exponent << 5) + (value >>> exponent);
}

/** Of 71 minutes and more: the same slots, found without their lowest 8 bits. NaN counts as the longest. */
function slotOfLong(micros: number): number {
  const value = Math.floor((micros < LARGEST_MICROS ? micros : LARGEST_MICROS) / 256);
  const exponent = 26 - Math.clz32(value);
  return ((exponent + 8) << 5) + (value >>> exponent);
}

/** The lowest value of a slot. */
export function slotStart(slot: number): number {
  if (slot < 32) return slot;
  const exponent = (slot >> 5) - 1;
  return (slot - (exponent << 5)) * 2 ** exponent;
}

/** The value that stands for all in a slot: its middle. */
export function slotMiddle(slot: number): number {
  const start = slotStart(slot);
  return start + (slotStart(slot + 1) - 1 - start) / 2;
}
