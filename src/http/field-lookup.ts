// @hot
// From the bytes of a field name to its id in `core/fields.ts`, letter case aside. Any thread; tables built at load.
// A hash of the length and three bytes picks a bucket; nearly every foreign name meets an empty one and is done.

import { FIELD_COUNT, FIELD_NAMES } from '../core/fields.ts';

const BUCKETS = 1024;
const bucket = new Uint8Array(BUCKETS);
/** The next id in the same bucket. */
const next = new Uint8Array(FIELD_COUNT);
/** All names end to end; `offset[id]` … `offset[id + 1]`. */
const offset = new Uint16Array(FIELD_COUNT + 1);
const names = Buffer.from(FIELD_NAMES.join(''), 'latin1');
const namesView = new DataView(names.buffer, names.byteOffset, names.length);
/** 32 in each byte. */
const FOLD = 0x20202020;

/** The id of the name in `[start, end)` of `buf`, of which `view` is the view; or 0. The bytes must be token characters, at least one. */
export function lookupField(buf: Buffer, view: DataView, start: number, end: number): number {
  const length = end - start;
  let id = bucket[hash(length, buf[start]!, buf[start + (length >> 1)]!, buf[end - 1]!)]!;
  while (id !== 0) {
    const at = offset[id]!;
    if (offset[id + 1]! - at === length && equalsName(buf, view, start, at, length)) return id;
    id = next[id]!;
  }
  return 0;
}

/** `| 32` folds letter case; on token characters it maps no other byte onto one that our names hold. */
function hash(length: number, first: number, middle: number, last: number): number {
  return ((length << 5) ^ ((first | 32) << 3) ^ ((middle | 32) << 1) ^ (last | 32)) & (BUCKETS - 1);
}

/** Four bytes at a time, the last four again where the length is no multiple of four. */
function equalsName(buf: Buffer, view: DataView, start: number, nameAt: number, length: number): boolean {
  const rest = length - 4;
  if (rest < 0) return equalsShortName(buf, start, nameAt, length);
  for (let i = 0; i < rest; i += 4) {
    if ((view.getInt32(start + i, true) | FOLD) !== namesView.getInt32(nameAt + i, true)) return false;
  }
  return (view.getInt32(start + rest, true) | FOLD) === namesView.getInt32(nameAt + rest, true);
}

function equalsShortName(buf: Buffer, start: number, nameAt: number, length: number): boolean {
  for (let i = 0; i < length; i++) {
    if ((buf[start + i]! | 32) !== names[nameAt + i]!) return false;
  }
  return true;
}

let at = 0;
for (let id = 0; id < FIELD_COUNT; id++) {
  const name = FIELD_NAMES[id]!;
  offset[id] = at;
  at += name.length;
  if (id === 0) continue;
  const slot = hash(name.length, name.charCodeAt(0), name.charCodeAt(name.length >> 1), name.charCodeAt(name.length - 1));
  next[id] = bucket[slot]!;
  bucket[slot] = id;
}
offset[FIELD_COUNT] = at;
