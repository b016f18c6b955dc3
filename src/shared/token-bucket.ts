// @hot
// A token bucket for all threads, exact: never a token too many, whoever asks at the same time. Any thread.
//
// One word says how far the bucket is used up, on a scale that runs with the common clock: the scale has gained
// F(now) = now × rate units since the machine started, and the bucket was empty (or would have been) at Z. So it holds
// F(now) - Z units, at most its size; taking is to move Z on by compare-and-swap. There is nothing else to keep in step,
// hence nothing that a thread could leave half done when it dies, and refilling needs no timer. A token is several units,
// so that fractions of it are not lost. The scale wraps at 2^32; a second word notes roughly when the bucket was last used,
// because a Z that has been left that far behind would read as a wrong number. It is written first: should two threads
// wake a bucket from so long a sleep in the same instant, one may be told no; never is more given out than there is.
// Between the two writes V8 has no place to stop a thread (`breaker-table.ts` says where it has).

/** Words of a bucket: a cache line of its own. */
export const BUCKET_WORDS = 16;
const USED = 0;
const STAMP = 1;
/** ms: 2^31 of these are four years. */
const STAMP_MS = 64;
/** Units that a bucket may hold, and gain within a step of the stamp. */
const MOST_UNITS = 2 ** 28;
/** Units after which it counts as long unused: above every size and step together, below the wrap with both on top. */
const LONG_UNITS = 2 ** 30;
/** More parts of a token than this are of no use. */
const MOST_PARTS = 1 << 10;

/** Largest number of tokens, and the most per ms. */
export const MAX_BUCKET_TOKENS: number = MOST_UNITS;
export const MAX_TOKENS_PER_MS: number = MOST_UNITS / STAMP_MS;

/** The same for all threads that use one bucket. */
export interface BucketShape {
  readonly maxTokens: number;
  readonly tokensPerMs: number;
}

/** Made once per thread over the same words. */
export class TokenBucket {
  readonly maxTokens: number;
  private readonly words: Int32Array;
  private readonly at: number;
  /** Units of a token, of the full bucket, and gained per ms. */
  private readonly parts: number;
  private readonly size: number;
  private readonly rate: number;
  /** Steps of the stamp after which it is full, whatever Z seems to say. */
  private readonly longSteps: number;

  constructor(words: Int32Array, at: number, { maxTokens, tokensPerMs }: BucketShape) {
    const parts = Math.min(MOST_PARTS, MOST_UNITS / maxTokens, MOST_UNITS / STAMP_MS / tokensPerMs);
    this.words = words;
    this.at = at;
    this.maxTokens = maxTokens;
    this.parts = Math.max(1, Math.floor(parts));
    this.size = maxTokens * this.parts;
    this.rate = tokensPerMs * this.parts;
    this.longSteps = Math.floor(LONG_UNITS / (this.rate * STAMP_MS));
  }

  /** Before anybody uses it: it begins full. */
  fill(now: number): void {
    Atomics.store(this.words, this.at + STAMP, stampOf(now));
    Atomics.store(this.words, this.at + USED, (Math.floor(now * this.rate) - this.size) | 0);
  }

  tryTake(now: number): boolean {
    return this.takeUpTo(1, now) === 1;
  }

  /** Takes as many whole tokens as there are, at most `most`. */
  takeUpTo(most: number, now: number): number {
    const { words, at, parts } = this;
    const filled = Math.floor(now * this.rate) | 0;
    const rested = this.hasRested(now);
    for (;;) {
      const used = Atomics.load(words, at + USED);
      const held = rested ? this.size : Math.min(this.size, (filled - used) | 0);
      const taken = Math.min(most, Math.floor(held / parts));
      if (taken <= 0) return 0;
      if (Atomics.compareExchange(words, at + USED, used, (filled - held + taken * parts) | 0) === used) return taken;
      if (rested) return this.takeUpTo(most, now); // somebody else has woken it: what Z says holds again
    }
  }

  /** Whole tokens that are there now. */
  tokens(now: number): number {
    const held = ((Math.floor(now * this.rate) | 0) - Atomics.load(this.words, this.at + USED)) | 0;
    const rested = ((stampOf(now) - Atomics.load(this.words, this.at + STAMP)) | 0) >= this.longSteps;
    return rested ? this.maxTokens : Math.max(0, Math.floor(Math.min(this.size, held) / this.parts));
  }

  /** Milliseconds until `tokens` are there, as far as nobody else takes them. */
  waitMs(tokens: number, now: number): number {
    const held = ((Math.floor(now * this.rate) | 0) - Atomics.load(this.words, this.at + USED)) | 0;
    return Math.max(0, (Math.min(tokens * this.parts, this.size) - held) / this.rate);
  }

  /** Notes the use. @returns whether it has not been used for so long that it is full. */
  private hasRested(now: number): boolean {
    const { words } = this;
    const at = this.at + STAMP;
    const stamp = stampOf(now);
    const seen = words[at]!;
    if (seen === stamp) return false;
    const steps = (stamp - seen) | 0;
    if (steps < 0) return false; // another thread's clock is a little ahead
    return Atomics.compareExchange(words, at, seen, stamp) === seen && steps >= this.longSteps;
  }
}

function stampOf(now: number): number {
  return (now / STAMP_MS) | 0;
}
