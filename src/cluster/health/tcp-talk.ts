// Health checks of plain connections: what is sent, and what must come back. Primary thread; owned by its Probe.

import type { Talk, TalkOwner } from './talk.ts';
import { HEALTHY } from './verdict.ts';

const EMPTY = Buffer.alloc(0);

export class TcpTalk implements Talk {
  private readonly owner: TalkOwner;
  private readonly question: Buffer;
  private readonly expected: readonly Buffer[];
  /** How many parts of the answer have come, and the bytes in which the next may have begun. */
  private found = 0;
  private rest: Buffer = EMPTY;

  constructor(owner: TalkOwner, question: Buffer, expected: readonly Buffer[]) {
    this.owner = owner;
    this.question = question;
    this.expected = expected;
  }

  ask(): boolean {
    this.found = 0;
    this.rest = EMPTY;
    if (this.expected.length === 0) this.owner.answered(HEALTHY, false);
    else if (this.question.length > 0) this.owner.send(this.question, 0, this.question.length);
    return true;
  }

  receive(buf: Buffer, start: number, end: number): void {
    if (!this.owner.asking) return;
    let bytes = Buffer.concat([this.rest, buf.subarray(start, end)]);
    for (;;) {
      const part = this.expected[this.found]!;
      const at = bytes.indexOf(part);
      if (at < 0) {
        this.rest = Buffer.from(bytes.subarray(Math.max(0, bytes.length - part.length + 1)));
        return;
      }
      bytes = bytes.subarray(at + part.length);
      if (++this.found < this.expected.length) continue;
      this.rest = EMPTY;
      this.owner.answered(HEALTHY, true);
      return;
    }
  }

  ended(): boolean {
    return false;
  }

  writable(): void {}

  close(): void {}
}
