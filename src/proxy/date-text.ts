// @hot
// The line of the `date` field (RFC 9110 section 5.6.7), made anew only when the second changes. Worker thread.

import type { Clock } from '../core/clock.ts';
import { FieldBlock } from '../core/field-block.ts';

export class DateText {
  private readonly clock: Clock;
  private second = -1;
  private line: FieldBlock = new FieldBlock(['date', '']);

  constructor(clock: Clock) {
    this.clock = clock;
  }

  /** `date: …` of this second. */
  block(): FieldBlock {
    const second = Math.floor(this.clock.wall() / 1000);
    if (second !== this.second) {
      this.second = second;
      this.line = new FieldBlock(['date', new Date(second * 1000).toUTCString()]);
    }
    return this.line;
  }
}
