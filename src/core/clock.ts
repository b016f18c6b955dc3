// The only reader of the system's clocks. One Clock per worker is refreshed once per turn of the loop and read
// as a plain field everywhere else. Tests hand in a manual source.

export interface TimeSource {
  /** Monotonic milliseconds with a fraction. */
  monotonicMs(): number;
  /** Milliseconds since the epoch. */
  wallMs(): number;
}

/** Node counts from the start of each thread: this puts all threads of a process on one clock. */
const THREAD_OFFSET_MS = Number(process.hrtime.bigint()) / 1e6 - performance.now();

export const systemTime: TimeSource = {
  /** The same for all threads, so that one may judge what another has written down. */
  monotonicMs: () => performance.now() + THREAD_OFFSET_MS,
  wallMs: () => Date.now(),
};

export class Clock {
  /** Monotonic milliseconds at the start of this turn. */
  now: number;
  private readonly source: TimeSource;
  private wallOffset: number;
  private offsetAt: number;

  constructor(source: TimeSource = systemTime) {
    this.source = source;
    this.now = source.monotonicMs();
    this.wallOffset = source.wallMs() - this.now;
    this.offsetAt = this.now;
  }

  /** Called once at the start of every turn of the loop. */
  refresh(): void {
    this.now = this.source.monotonicMs();
    // The wall clock may be stepped (NTP); following it once a second is enough and keeps one clock read per turn.
    if (this.now - this.offsetAt >= 1000) {
      this.wallOffset = this.source.wallMs() - this.source.monotonicMs();
      this.offsetAt = this.now;
    }
  }

  /** Milliseconds since the epoch, at the start of this turn. */
  wall(): number {
    return this.now + this.wallOffset;
  }
}
