// @hot
// How many requests there were in the last seconds, and how many of them went well, over all threads. Any thread.
// Two counts only ever grow; a ring notes what they stood at when each second began. Whoever comes first in a new second
// notes it; should several, they write the same but for what is counted in that very instant.

/** The newest second in the ring; the counts; then two words for each second. */
const SECOND = 0;
const REQUESTS = 1;
const SUCCESSES = 2;
const RING = 3;

export function windowWords(seconds: number): number {
  return RING + 2 * (seconds + 1);
}

/** Made once per thread over the same words. */
export class RollingWindow {
  /** What `look` has found. */
  requests = 0;
  successes = 0;
  private readonly words: Int32Array;
  private readonly at: number;
  private readonly seconds: number;

  constructor(words: Int32Array, at: number, seconds: number) {
    this.words = words;
    this.at = at;
    this.seconds = seconds;
  }

  count(now: number, success: boolean): void {
    this.turn(now);
    Atomics.add(this.words, this.at + REQUESTS, 1);
    if (success) Atomics.add(this.words, this.at + SUCCESSES, 1);
  }

  /** Fills `requests` and `successes`: of the second that runs and of those before it, `seconds` in all. */
  look(now: number): void {
    const { words, at } = this;
    const oldest = this.slotOf(this.turn(now) - this.seconds + 1);
    this.requests = (Atomics.load(words, at + REQUESTS) - Atomics.load(words, oldest)) >>> 0;
    this.successes = Math.min(this.requests, (Atomics.load(words, at + SUCCESSES) - Atomics.load(words, oldest + 1)) >>> 0);
  }

  /** Notes where the counts stand for every second that has begun since the newest in the ring. */
  private turn(now: number): number {
    const { words, at } = this;
    const second = Math.floor(now / 1000) | 0;
    const newest = Atomics.load(words, at + SECOND);
    if (newest >= second) return newest;
    const requests = Atomics.load(words, at + REQUESTS);
    const successes = Atomics.load(words, at + SUCCESSES);
    // All but those that the ring has forgotten by now.
    for (let next = Math.max(newest + 1, second - this.seconds); next <= second; next++) {
      const slot = this.slotOf(next);
      Atomics.store(words, slot, requests);
      Atomics.store(words, slot + 1, successes);
    }
    Atomics.compareExchange(words, at + SECOND, newest, second);
    return second;
  }

  /** The ring has one more second than the window. Before the machine's first second nothing was counted. */
  private slotOf(second: number): number {
    return this.at + RING + 2 * (Math.max(0, second) % (this.seconds + 1));
  }
}
