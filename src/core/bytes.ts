// @hot
// Copies into a caller's buffer, each returning the offset behind what it wrote. Any thread; no state, no bounds beyond V8's own:
// the caller has checked that the bytes fit.
// Measured on Node 20: a native copy or write costs 75–100 ns whatever its length, a byte in a loop 1 ns,
// a character of a string 3 ns; hence the two ways.

const SHORT_COPY = 48;
const SHORT_TEXT = 24;

/** Copies `source[start, end)` to `target` at `at`. The ranges must not overlap. */
export function copyBytes(target: Buffer, at: number, source: Buffer, start: number, end: number): number {
  if (end - start > SHORT_COPY) {
    target.set(source.subarray(start, end), at);
    return at + end - start;
  }
  let from = start;
  for (const last = end - 3; from < last; from += 4, at += 4) {
    target[at] = source[from]!;
    target[at + 1] = source[from + 1]!;
    target[at + 2] = source[from + 2]!;
    target[at + 3] = source[from + 3]!;
  }
  while (from < end) target[at++] = source[from++]!;
  return at;
}

/** As `copyBytes`, four bytes at a time, for the lengths between a byte loop and a native copy. */
export function copyWords(target: DataView, at: number, source: DataView, start: number, end: number): number {
  let from = start;
  for (const last = end - 7; from < last; from += 8, at += 8) {
    target.setInt32(at, source.getInt32(from, true), true);
    target.setInt32(at + 4, source.getInt32(from + 4, true), true);
  }
  while (from < end) target.setUint8(at++, source.getUint8(from++));
  return at;
}

/** Writes a string of code units below 256, one byte each. */
export function writeText(target: Buffer, at: number, text: string): number {
  const length = text.length;
  if (length > SHORT_TEXT) return at + target.latin1Write(text, at, length);
  for (let i = 0; i < length; i++) target[at + i] = text.charCodeAt(i);
  return at + length;
}
