// @hot
// Strings made before out of the same bytes. Worker thread; a small table without chains, newest wins.
// Hosts and paths come again and again, and making a string costs a call into native code, several times what it takes to
// compare twenty bytes. Long texts are not kept: nothing of one request may grow a worker for ever.

const SLOTS = 512;
const LONGEST = 64;
const slots: string[] = new Array<string>(SLOTS).fill('');

/** The bytes `[start, end)` as a latin1 string. */
export function textOf(buf: Buffer, start: number, end: number): string {
  const length = end - start;
  if (length > LONGEST || length === 0) return length === 0 ? '' : buf.latin1Slice(start, end);
  const slot = (length * 31 + buf[start]! * 7 + buf[start + (length >> 1)]! * 17 + buf[end - 1]! * 37 + buf[start + (length >> 2)]! * 3) & (SLOTS - 1);
  const known = slots[slot]!;
  if (known.length === length && equals(known, buf, start)) return known;
  const text = buf.latin1Slice(start, end);
  slots[slot] = text;
  return text;
}

function equals(text: string, buf: Buffer, start: number): boolean {
  for (let i = text.length - 1; i >= 0; i--) if (text.charCodeAt(i) !== buf[start + i]!) return false;
  return true;
}
