// @hot
// The header block that a connection is receiving: whose it is, and its bytes where it comes in several frames.
// Worker thread; one per connection. Nothing else may come between its frames (RFC 9113 section 4.3).

import { BOMB_FACTOR, H2_INBOUND_CONTINUATION_FLOOD, type H2Limits } from './h2-limits.ts';
import type { H2Stream } from './h2-stream.ts';
import type { HpackSink } from './hpack-decoder.ts';

const EMPTY = Buffer.alloc(0);

export class HeaderBlock {
  /** The stream's id, 0 when no block is under way. */
  id = 0;
  /** END_STREAM. */
  last = false;
  /** Whom it is for; null when nobody wants it. */
  stream: H2Stream | null = null;
  /** The stream error that answers it. */
  fault = 0;
  bytes: Buffer = EMPTY;
  length = 0;
  private frames = 0;
  private readonly limits: H2Limits;

  constructor(limits: H2Limits) {
    this.limits = limits;
  }

  begin(id: number, last: boolean): void {
    this.id = id;
    this.last = last;
    this.stream = null;
    this.fault = 0;
    this.length = 0;
    this.frames = 0;
  }

  /** A part of a block in several frames. @returns 0, or the stat of the limit that was passed */
  add(buf: Buffer, start: number, end: number): number {
    const need = this.length + end - start;
    if (need > this.limits.maxHeaderBlockBytes || this.frames++ > this.limits.maxContinuationFrames) return H2_INBOUND_CONTINUATION_FLOOD;
    if (this.bytes.length < need) {
      const larger = Buffer.allocUnsafe(Math.max(need, this.bytes.length * 2));
      larger.set(this.bytes.subarray(0, this.length), 0);
      this.bytes = larger;
    }
    this.bytes.set(buf.subarray(start, end), this.length);
    this.length = need;
    return 0;
  }

  /** The stream, if it is still the one that the block began for. */
  receiver(): H2Stream | null {
    return this.stream !== null && this.stream.id === this.id ? this.stream : null;
  }

  clear(): void {
    this.id = 0;
    this.stream = null;
    this.bytes = EMPTY;
  }
}

/** Takes the fields of blocks that nobody wants, up to what counts as a bomb. */
class Discard implements HpackSink {
  private left = 0;

  begin(limits: H2Limits): void {
    this.left = limits.maxHeadBytes * BOMB_FACTOR;
  }

  field(_buf: Buffer, nameStart: number, nameEnd: number, valueStart: number, valueEnd: number): boolean {
    this.left -= nameEnd - nameStart + valueEnd - valueStart + FIELD_OVERHEAD;
    return this.left >= 0;
  }
}

/** What a field weighs beyond its bytes (RFC 7541 section 4.1). */
export const FIELD_OVERHEAD = 32;

export const DISCARD: Discard = new Discard();
