// @hot
// What each byte may stand for in HTTP/1.1: one table of bits, looked up once per byte. Any thread; constant.
// RFC 9110 section 5.6.2 (token), 5.5 (field value); RFC 9112 section 3.2 (target); RFC 3986 section 3.2.2 (host).

/** tchar. */
export const TOKEN = 1;
/** HTAB, SP, VCHAR, obs-text: a field value, a reason phrase, a chunk extension. */
export const VALUE = 2;
/** A request target: VCHAR but `#`, and bytes above 0x7F, which pass unchanged. */
export const TARGET = 4;
/** reg-name without its comma and percent sign: unreserved and sub-delims. A comma in Host is a list that somebody joined. */
export const HOST = 8;
/** 0-9 a-f A-F. */
export const HEX = 16;
/** 0-9. */
export const DIGIT = 32;

export const CR = 13;
export const LF = 10;
export const SP = 32;
export const HTAB = 9;
export const COLON = 58;

function buildTable(): Uint8Array {
  const table = new Uint8Array(256);
  const mark = (chars: string, bit: number): void => {
    for (let i = 0; i < chars.length; i++) table[chars.charCodeAt(i)]! |= bit;
  };
  const letters = 'abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ';
  mark(letters + "0123456789!#$%&'*+-.^_`|~", TOKEN);
  mark(letters + "0123456789-._~!$&'()*+;=", HOST);
  mark('0123456789abcdefABCDEF', HEX);
  mark('0123456789', DIGIT);
  for (let byte = 0x20; byte < 256; byte++) {
    if (byte === 0x7f) continue;
    table[byte]! |= VALUE;
    if (byte !== SP && byte !== 0x23) table[byte]! |= TARGET;
  }
  table[HTAB]! |= VALUE;
  return table;
}

export const BYTE_CLASS: Uint8Array = buildTable();

/** Whether `[start, end)` is `lowerText`, letter case aside. */
export function equalsText(buf: Uint8Array, start: number, end: number, lowerText: string): boolean {
  if (end - start !== lowerText.length) return false;
  for (let i = 0; i < lowerText.length; i++) {
    let byte = buf[start + i]!;
    if (byte >= 65 && byte <= 90) byte |= 32;
    if (byte !== lowerText.charCodeAt(i)) return false;
  }
  return true;
}
