// Timers that fire only when a test says so, and a clock that stands still until then.

import type { TimeSource } from '../../src/core/clock.ts';
import type { Timers } from '../../src/core/host-timer.ts';

interface Armed {
  at: number;
  readonly every: number;
  readonly fire: () => void;
}

export class HandTimers implements Timers, TimeSource {
  private armed = new Set<Armed>();
  private now = 0;

  /** Delays of the timers that are armed and not repeating, shortest first. */
  get delays(): number[] {
    return [...this.armed].filter((timer) => timer.every === 0).map((timer) => timer.at - this.now).sort((a, b) => a - b);
  }

  monotonicMs(): number {
    return this.now;
  }

  wallMs(): number {
    return 1_800_000_000_000 + this.now;
  }

  after(delayMs: number, fire: () => void): () => void {
    return this.arm({ at: this.now + delayMs, every: 0, fire });
  }

  every(intervalMs: number, fire: () => void): () => void {
    return this.arm({ at: this.now + intervalMs, every: intervalMs, fire });
  }

  /** Lets time pass. */
  advance(ms: number): void {
    const end = this.now + ms;
    for (;;) {
      const due = [...this.armed].filter((timer) => timer.at <= end).sort((a, b) => a.at - b.at)[0];
      if (due === undefined) break;
      this.now = due.at;
      if (due.every > 0) due.at += due.every;
      else this.armed.delete(due);
      due.fire();
    }
    this.now = end;
  }

  private arm(timer: Armed): () => void {
    this.armed.add(timer);
    return () => this.armed.delete(timer);
  }
}
