// @hot
// The static table of RFC 7541 appendix A, as bytes with spans. Any thread; built at load.

const ENTRIES: readonly (readonly [name: string, value: string])[] = [
  [':authority', ''], [':method', 'GET'], [':method', 'POST'], [':path', '/'], [':path', '/index.html'],
  [':scheme', 'http'], [':scheme', 'https'], [':status', '200'], [':status', '204'], [':status', '206'],
  [':status', '304'], [':status', '400'], [':status', '404'], [':status', '500'], ['accept-charset', ''],
  ['accept-encoding', 'gzip, deflate'], ['accept-language', ''], ['accept-ranges', ''], ['accept', ''],
  ['access-control-allow-origin', ''], ['age', ''], ['allow', ''], ['authorization', ''], ['cache-control', ''],
  ['content-disposition', ''], ['content-encoding', ''], ['content-language', ''], ['content-length', ''],
  ['content-location', ''], ['content-range', ''], ['content-type', ''], ['cookie', ''], ['date', ''], ['etag', ''],
  ['expect', ''], ['expires', ''], ['from', ''], ['host', ''], ['if-match', ''], ['if-modified-since', ''],
  ['if-none-match', ''], ['if-range', ''], ['if-unmodified-since', ''], ['last-modified', ''], ['link', ''],
  ['location', ''], ['max-forwards', ''], ['proxy-authenticate', ''], ['proxy-authorization', ''], ['range', ''],
  ['referer', ''], ['refresh', ''], ['retry-after', ''], ['server', ''], ['set-cookie', ''],
  ['strict-transport-security', ''], ['transfer-encoding', ''], ['user-agent', ''], ['vary', ''], ['via', ''],
  ['www-authenticate', ''],
];

/** Indices up to this one are the static table's. */
export const STATIC_LAST: number = ENTRIES.length;

export const STATIC_AUTHORITY = 1;
export const STATIC_METHOD = 2;
export const STATIC_PATH = 4;
export const STATIC_SCHEME = 6;
export const STATIC_STATUS = 8;

/** All names and values end to end. */
export const staticBytes: Buffer = Buffer.from(ENTRIES.flat().join(''), 'latin1');
/** Where the name of index i begins, [i * 2], and its value, [i * 2 + 1]; the value ends where the next name begins. */
export const staticAt: Uint16Array = new Uint16Array((STATIC_LAST + 2) * 2);

const BUCKETS = 512;
const bucket = new Uint8Array(BUCKETS);
const next = new Uint8Array(STATIC_LAST + 1);

/** The first index with this name (lower-case bytes), or 0. */
export function staticName(buf: Buffer, start: number, end: number): number {
  const length = end - start;
  if (length === 0) return 0;
  let i = bucket[slotOf(length, buf[start]!, buf[start + (length >> 1)]!, buf[end - 1]!)]!;
  while (i !== 0) {
    const at = staticAt[i * 2]!;
    if (staticAt[i * 2 + 1]! - at === length && same(buf, start, at, length)) return i;
    i = next[i]!;
  }
  return 0;
}

function slotOf(length: number, first: number, middle: number, last: number): number {
  return ((length << 4) ^ (first << 3) ^ (middle << 1) ^ last) & (BUCKETS - 1);
}

function same(buf: Buffer, start: number, at: number, length: number): boolean {
  for (let k = 0; k < length; k++) if (buf[start + k]! !== staticBytes[at + k]!) return false;
  return true;
}

let at = 0;
for (let i = 1; i <= STATIC_LAST; i++) {
  const [name, value] = ENTRIES[i - 1]!;
  staticAt[i * 2] = at;
  staticAt[i * 2 + 1] = at + name.length;
  at += name.length + value.length;
  if (i > 1 && ENTRIES[i - 2]![0] === name) continue; // a name's first index stands for it
  const slot = slotOf(name.length, name.charCodeAt(0), name.charCodeAt(name.length >> 1), name.charCodeAt(name.length - 1));
  next[i] = bucket[slot]!;
  bucket[slot] = i;
}
staticAt[(STATIC_LAST + 1) * 2] = at;
