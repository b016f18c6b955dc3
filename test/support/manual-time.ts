// A clock that stands still until a test moves it. Test code only.

import type { TimeSource } from '../../src/core/clock.ts';

/** Neither clock starts at 0, so that nobody takes "not set" for a time. */
export class ManualTime implements TimeSource {
  private monotonic = 5000;
  private wall = Date.UTC(2024, 1, 29, 12, 0, 0);

  monotonicMs(): number {
    return this.monotonic;
  }

  wallMs(): number {
    return this.wall;
  }

  advance(ms: number): void {
    this.monotonic += ms;
    this.wall += ms;
  }

  /** Somebody set the system's clock. */
  stepWall(ms: number): void {
    this.wall += ms;
  }
}
