// @hot
// The text of the `date` field (RFC 9110 section 5.6.7), made anew only when the second changes. Worker thread.

import type { Clock } from '../core/clock.ts';

export class DateText {
  private readonly clock: Clock;
  private second = -1;
  private text = '';

  constructor(clock: Clock) {
    this.clock = clock;
  }

  now(): string {
    const second = Math.floor(this.clock.wall() / 1000);
    if (second !== this.second) {
      this.second = second;
      this.text = new Date(second * 1000).toUTCString();
    }
    return this.text;
  }
}
