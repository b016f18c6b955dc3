// @hot
// One worker's own part of the shared memory: it alone writes here, plainly; the primary reads, and cleans up when the
// worker has died. The buffer is reserved large and costs memory only where it has been touched (a test measures it).

/** Counters and gauges: float64 cells, exact to 2^53. */
export const STRIPE_CELLS = 1 << 21;
/** Histogram buckets: uint32 (`observe/histogram.ts` divides them into histograms). */
export const STRIPE_BUCKETS = 1 << 25;
/** What this worker holds in the breaker table: HELD_ROW words per row (`breaker-table.ts`). */
export const STRIPE_HELD = 1 << 19;
/** Bitmap of the descriptors that this worker opened through system calls: 1,048,576 of them. */
export const STRIPE_FD_WORDS = 1 << 15;

/** Kept apart from whatever the allocator puts before; room for words of the whole stripe. */
const CELLS_AT = 128;
const BUCKETS_AT = CELLS_AT + STRIPE_CELLS * 8;
const HELD_AT = BUCKETS_AT + STRIPE_BUCKETS * 4;
const FDS_AT = HELD_AT + STRIPE_HELD * 4;
export const STRIPE_BYTES = FDS_AT + STRIPE_FD_WORDS * 4;

/** Where each region begins and how many bytes it has, in order. */
export const STRIPE_REGIONS: readonly (readonly [name: string, at: number, bytes: number])[] = [
  ['unused', 0, CELLS_AT],
  ['cells', CELLS_AT, STRIPE_CELLS * 8],
  ['buckets', BUCKETS_AT, STRIPE_BUCKETS * 4],
  ['held', HELD_AT, STRIPE_HELD * 4],
  ['fds', FDS_AT, STRIPE_FD_WORDS * 4],
];

export class Stripe {
  readonly cells: Float64Array;
  readonly buckets: Uint32Array;
  readonly held: Int32Array;
  readonly fds: Int32Array;

  constructor(buffer: SharedArrayBuffer) {
    this.cells = new Float64Array(buffer, CELLS_AT, STRIPE_CELLS);
    this.buckets = new Uint32Array(buffer, BUCKETS_AT, STRIPE_BUCKETS);
    this.held = new Int32Array(buffer, HELD_AT, STRIPE_HELD);
    this.fds = new Int32Array(buffer, FDS_AT, STRIPE_FD_WORDS);
  }
}
