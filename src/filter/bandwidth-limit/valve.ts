// @hot
// One direction of a body that may pass only so fast: takes bytes from the common bucket, keeps what is not covered, and
// lets it go on bit by bit. Worker thread; one per stream and direction. Its source is held meanwhile, so that it keeps no
// more than what was read already.

import { Timer, type TimerSet, type TimerTarget } from '../../core/timer.ts';
import type { Clock } from '../../core/clock.ts';
import { BANDWIDTH_ALLOWED, BANDWIDTH_ENABLED, BANDWIDTH_ENFORCED, BANDWIDTH_INCOMING, BANDWIDTH_PENDING } from '../../observe/limit-stats.ts';
import type { TokenBucket } from '../../shared/token-bucket.ts';

const EMPTY = Buffer.alloc(0);

/** What all streams of one direction share. */
export interface ValveParts {
  readonly bucket: TokenBucket;
  readonly intervalMs: number;
  readonly cells: Float64Array;
  /** First cell of this direction. */
  readonly stats: number;
  readonly clock: Clock;
  readonly timers: TimerSet;
}

/** The side of the stream that a valve stands in. */
export interface ValveSide {
  hold(): void;
  release(): void;
  pass(bytes: Buffer, last: boolean): void;
}

export class Valve implements TimerTarget {
  private readonly parts: ValveParts;
  private readonly side: ValveSide;
  private readonly timer: Timer;
  private kept: Buffer = EMPTY;
  private keepsEnd = false;
  private open = false;
  private closed = false;

  constructor(parts: ValveParts, side: ValveSide) {
    this.parts = parts;
    this.side = side;
    this.timer = new Timer(this, 0);
  }

  /** Something is kept: what comes now comes behind it, and so does the end. */
  get keeps(): boolean {
    return this.keepsEnd || this.kept.length > 0;
  }

  /** @returns what may go on now */
  take(chunk: Buffer, last: boolean): Buffer {
    const { cells, stats } = this.parts;
    this.begin();
    cells[stats + BANDWIDTH_INCOMING]! += chunk.length;
    if (this.keeps) {
      this.kept = Buffer.concat([this.kept, chunk]);
      this.keepsEnd ||= last;
      return EMPTY;
    }
    const allowed = this.allowed(chunk.length);
    if (allowed === chunk.length) return chunk;
    this.kept = Buffer.from(chunk.subarray(allowed));
    this.keepsEnd = last;
    cells[stats + BANDWIDTH_ENFORCED]!++;
    this.side.hold();
    this.wait();
    return chunk.subarray(0, allowed);
  }

  /** The next interval. */
  onTimer(): void {
    if (this.closed || !this.keeps) return;
    const { kept } = this;
    const allowed = this.allowed(kept.length);
    const rest = kept.subarray(allowed);
    const ends = rest.length === 0 && this.keepsEnd;
    this.kept = rest;
    if (ends) this.keepsEnd = false;
    if (rest.length > 0) {
      this.parts.cells[this.parts.stats + BANDWIDTH_ENFORCED]!++;
      this.wait();
    }
    if (allowed > 0 || ends) this.side.pass(kept.subarray(0, allowed), ends); // the stream may be over when this returns
    if (!this.closed && !this.keeps && !ends) this.side.release();
  }

  /** The stream is over. */
  close(): void {
    const { cells, stats, timers } = this.parts;
    this.closed = true;
    this.kept = EMPTY;
    this.keepsEnd = false;
    timers.disarm(this.timer);
    if (this.open) cells[stats + BANDWIDTH_PENDING]!--;
    this.open = false;
  }

  private begin(): void {
    const { cells, stats } = this.parts;
    if (this.open) return;
    this.open = true;
    cells[stats + BANDWIDTH_ENABLED]!++;
    cells[stats + BANDWIDTH_PENDING]!++;
  }

  private allowed(bytes: number): number {
    const { bucket, clock, cells, stats } = this.parts;
    const allowed = bytes === 0 ? 0 : bucket.takeUpTo(bytes, clock.now);
    cells[stats + BANDWIDTH_ALLOWED]! += allowed;
    return allowed;
  }

  private wait(): void {
    this.parts.timers.arm(this.timer, this.parts.intervalMs);
  }
}
