// @hot
// The streams of one connection by their ids, and a short memory of those that are over. Worker thread.
// Chains run through the streams themselves; ids are dealt out in order, so buckets are nearly always single.

import type { H2Stream } from './h2-stream.ts';

const FIRST_BUCKETS = 64;

/** How a stream ended, as far as it matters for frames that come later (RFC 9113 section 5.1, "closed"). */
export const CLOSED_UNKNOWN = 0;
/** Both sides sent END_STREAM. */
export const CLOSED_ENDED = 1;
/** We sent RST_STREAM: what is still on the way is ignored. */
export const CLOSED_BY_US = 2;
/** The peer sent RST_STREAM. */
export const CLOSED_BY_PEER = 3;

/** Twice what a peer may have open, by default: frames for streams that ended longer ago are an error. */
const MEMORY = 256;

export class StreamTable {
  count = 0;
  /** All streams, newest first. */
  first: H2Stream | null = null;
  private buckets: (H2Stream | null)[] = emptyBuckets(FIRST_BUCKETS);
  private readonly closedIds = new Int32Array(MEMORY);
  private readonly closedHow = new Uint8Array(MEMORY);
  private closedAt = 0;

  get(id: number): H2Stream | null {
    let stream: H2Stream | null = this.buckets[(id >> 1) & (this.buckets.length - 1)]!;
    while (stream !== null && stream.id !== id) stream = stream.bucketNext;
    return stream;
  }

  add(stream: H2Stream): void {
    if (this.count === this.buckets.length) this.grow();
    this.link(stream);
    stream.listPrev = null;
    stream.listNext = this.first;
    if (this.first !== null) this.first.listPrev = stream;
    this.first = stream;
    this.count++;
  }

  remove(stream: H2Stream, how: number): void {
    const slot = (stream.id >> 1) & (this.buckets.length - 1);
    if (this.buckets[slot] === stream) {
      this.buckets[slot] = stream.bucketNext;
    } else {
      let before = this.buckets[slot]!;
      while (before.bucketNext !== stream) before = before.bucketNext!;
      before.bucketNext = stream.bucketNext;
    }
    stream.bucketNext = null;
    if (stream.listPrev === null) this.first = stream.listNext;
    else stream.listPrev.listNext = stream.listNext;
    if (stream.listNext !== null) stream.listNext.listPrev = stream.listPrev;
    stream.listPrev = null;
    stream.listNext = null;
    this.count--;
    this.remember(stream.id, how);
  }

  remember(id: number, how: number): void {
    this.closedIds[this.closedAt] = id;
    this.closedHow[this.closedAt] = how;
    this.closedAt = (this.closedAt + 1) & (MEMORY - 1);
  }

  /** How the stream with this id ended, as far as is remembered. */
  howClosed(id: number): number {
    const at = this.closedIds.indexOf(id);
    return at < 0 ? CLOSED_UNKNOWN : this.closedHow[at]!;
  }

  private link(stream: H2Stream): void {
    const slot = (stream.id >> 1) & (this.buckets.length - 1);
    stream.bucketNext = this.buckets[slot]!;
    this.buckets[slot] = stream;
  }

  private grow(): void {
    this.buckets = emptyBuckets(this.buckets.length * 2);
    for (let stream = this.first; stream !== null; stream = stream.listNext) this.link(stream);
  }
}

function emptyBuckets(count: number): (H2Stream | null)[] {
  const buckets: (H2Stream | null)[] = [];
  for (let i = 0; i < count; i++) buckets.push(null);
  return buckets;
}
