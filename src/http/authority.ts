// @hot
// The syntax of `Host` and of an authority in a target: `reg-name`, IPv4 or `[IPv6]`, then perhaps `:port`. Any thread.
// RFC 3986 section 3.2, without user information (RFC 9110 section 4.2.4) and without an empty host (section 4.2.1).

import { COLON, DIGIT, HEX, HOST, skipWhile } from './byte-class.ts';

const PERCENT = 37;
const DOT = 46;
const OPEN = 91;
const CLOSE = 93;

/** Whether `[start, end)` is a host with an optional port. High bytes, commas, `@`, `/` and white space are refused. */
export function isAuthority(buf: Buffer, start: number, end: number): boolean {
  if (start === end) return false;
  let p = start;
  if (buf[p]! === OPEN) {
    p = skipAddress(buf, p + 1, end);
    if (p < 0) return false;
  } else {
    p = skipWhile(HOST, buf, p, end);
    while (p + 2 < end && buf[p]! === PERCENT && isHex(buf[p + 1]!) && isHex(buf[p + 2]!)) p = skipWhile(HOST, buf, p + 3, end);
    if (p === start) return false;
  }
  return p === end || (buf[p]! === COLON && isPort(buf, p + 1, end));
}

/** The offset behind the bracket that closes an IPv6 literal, or -1. Its digits are not interpreted here. */
function skipAddress(buf: Buffer, start: number, end: number): number {
  let p = start;
  let colons = 0;
  while (p < end && buf[p]! !== CLOSE) {
    const byte = buf[p]!;
    if (byte === COLON) colons++;
    else if (byte !== DOT && !isHex(byte)) return -1;
    p++;
  }
  return p === end || colons < 2 || p - start > 45 ? -1 : p + 1;
}

/** RFC 3986 allows an empty port. */
function isPort(buf: Buffer, start: number, end: number): boolean {
  if (end - start > 5) return false;
  let port = 0;
  for (let p = start; p < end; p++) {
    if (DIGIT[buf[p]!]! === 0) return false;
    port = port * 10 + buf[p]! - 48;
  }
  return port <= 65535;
}

function isHex(byte: number): boolean {
  return HEX[byte]! !== 0;
}
