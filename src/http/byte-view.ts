// @hot
// A DataView for reading four bytes at once, and the scan that uses it. Worker thread.
// State: the views of the two buffers seen last (a worker reads heads from one or two large ones), so none is made per head.

import { copyBytes, copyWords } from '../core/bytes.ts';
import { VALUE } from './byte-class.ts';

// Local bindings: V8 folds these into the loop, which it does not do for imported ones.
const allowed = VALUE;
const TOP_BITS = 0x80808080 | 0;

let recentBuffer: Buffer = Buffer.alloc(0);
let recentView = new DataView(recentBuffer.buffer, recentBuffer.byteOffset, 0);
let olderBuffer = recentBuffer;
let olderView = recentView;

/** The view of exactly this buffer. */
export function viewOf(buf: Buffer): DataView {
  if (buf === recentBuffer) return recentView;
  const found = buf === olderBuffer ? olderView : new DataView(buf.buffer, buf.byteOffset, buf.length);
  olderBuffer = recentBuffer;
  olderView = recentView;
  recentBuffer = buf;
  recentView = found;
  return found;
}

/** Longer runs are left to the native copy, shorter ones to a loop over bytes. */
const LONGEST_BY_WORDS = 144;
const SHORTEST_BY_WORDS = 16;

/** Copies a run of a head, or a small body behind it, from one of the worker's large buffers to another. */
export function copySpan(target: Buffer, at: number, source: Buffer, start: number, end: number): number {
  const length = end - start;
  if (length < SHORTEST_BY_WORDS || length > LONGEST_BY_WORDS) return copyBytes(target, at, source, start, end);
  return copyWords(viewOf(target), at, viewOf(source), start, end);
}

/**
 * The first offset in `[p, stop)` whose byte cannot stand in a field value, or `stop`.
 * Four bytes at a time as long as all are 0x20–0x7E: subtracting 0x20 from each borrows into a top bit for a smaller byte,
 * adding 1 carries 0x7F into one, and bytes above 0x7F have theirs set. The lowest top bit names the
 * first suspect (a borrow or carry only travels up); the table decides, because tabs and high bytes are allowed.
 */
export function skipValue(buf: Buffer, view: DataView, p: number, stop: number): number {
  const last = stop - 3;
  while (p < last) {
    const word = view.getInt32(p, true);
    const flags = (word | (word - 0x20202020) | (word + 0x01010101)) & TOP_BITS;
    if (flags === 0) {
      p += 4;
      continue;
    }
    p += (31 - Math.clz32(flags & -flags)) >> 3; // the first byte that is flagged
    if (allowed[buf[p]!]! === 0) return p;
    p++;
  }
  while (p < stop && allowed[buf[p]!]! !== 0) p++;
  return p;
}
