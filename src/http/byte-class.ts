// @hot
// What each byte may stand for in HTTP/1.1: tables of 1 and 0, looked up once per byte. Any thread; constant.
// RFC 9110 section 5.6.2 (token), 5.5 (field value); RFC 9112 section 3.2 (target); RFC 3986 section 3.2.2 (host).

export const CR = 13;
export const LF = 10;
export const SP = 32;
export const HTAB = 9;
export const COLON = 58;

const LETTERS = 'abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ';
const DIGITS = '0123456789';

/** tchar. */
export const TOKEN: Uint8Array = tableOf(LETTERS + DIGITS + "!#$%&'*+-.^_`|~");
/** The same by a name that V8 can fold into a loop: it does not fold what a module exports or imports. */
const token = TOKEN;
/** reg-name without its comma and percent sign: unreserved and sub-delims. A comma in Host is a list that somebody joined. */
export const HOST: Uint8Array = tableOf(LETTERS + DIGITS + "-._~!$&'()*+;=");
export const HEX: Uint8Array = tableOf(DIGITS + 'abcdefABCDEF');
export const DIGIT: Uint8Array = tableOf(DIGITS);
/** HTAB, SP, VCHAR, obs-text: a field value, a reason phrase, a chunk extension. */
export const VALUE: Uint8Array = visibleBytes();
VALUE[HTAB] = 1;
VALUE[SP] = 1;
/** A request target: VCHAR but `#`. Bytes above 0x7F belong percent-encoded there (RFC 3986); Envoy refuses them too. */
export const TARGET: Uint8Array = visibleBytes().fill(0, 0x80);
TARGET[0x23] = 0;

function tableOf(members: string): Uint8Array {
  const table = new Uint8Array(256);
  for (let i = 0; i < members.length; i++) table[members.charCodeAt(i)] = 1;
  return table;
}

function visibleBytes(): Uint8Array {
  const table = new Uint8Array(256).fill(1, 0x21);
  table[0x7f] = 0;
  return table;
}

/**
 * The first offset in `[p, stop)` whose byte is not in `table`, or `stop`.
 * Four bytes at a time, the last step without a branch per byte: where a name ends cannot be predicted, so each branch costs.
 */
export function skipWhile(table: Uint8Array, buf: Buffer, p: number, stop: number): number {
  const last = stop - 3;
  while (p < last) {
    const one = table[buf[p]!]!;
    const two = one & table[buf[p + 1]!]!;
    const three = two & table[buf[p + 2]!]!;
    const four = three & table[buf[p + 3]!]!;
    if (four === 0) return p + one + two + three;
    p += 4;
  }
  while (p < stop && table[buf[p]!]! !== 0) p++;
  return p;
}

/** `skipWhile` for tokens: half of a head's time goes into names. */
export function skipToken(buf: Buffer, p: number, stop: number): number {
  const last = stop - 3;
  while (p < last) {
    const one = token[buf[p]!]!;
    const two = one & token[buf[p + 1]!]!;
    const three = two & token[buf[p + 2]!]!;
    const four = three & token[buf[p + 3]!]!;
    if (four === 0) return p + one + two + three;
    p += 4;
  }
  while (p < stop && token[buf[p]!]! !== 0) p++;
  return p;
}

/** Whether `[start, end)` is the text whose lower-case bytes are given, letter case aside. */
export function equalsText(buf: Buffer, start: number, end: number, lower: Buffer): boolean {
  if (end - start !== lower.length) return false;
  for (let i = 0; i < lower.length; i++) {
    let byte = buf[start + i]!;
    if (byte >= 65 && byte <= 90) byte |= 32;
    if (byte !== lower[i]!) return false;
  }
  return true;
}
