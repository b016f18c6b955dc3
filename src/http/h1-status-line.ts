// @hot
// The status line (RFC 9112 section 4): version, three digits, a reason that may be empty or absent. Worker thread.
// Incremental: every return leaves in the Head where to go on.

import type { Head } from '../core/head.ts';
import { CR, DIGIT, LF, skipWhile, SP, VALUE } from './byte-class.ts';
import { ERR_LINE_END, ERR_REASON, ERR_STATUS, ERR_STATUS_LINE } from './h1-errors.ts';
import { isVersionStart, readVersionBytes } from './h1-request-line.ts';
import { AFTER_STATUS, LINE_LF, NAME, REASON, START, STATUS, VERSION } from './h1-state.ts';

/** Where the digits stand: `HTTP/1.1 200`. */
const STATUS_AT = 9;
const STATUS_END = 12;

/** @returns 1 when the line is read and `head.state` is NAME, 0 when bytes are wanted, < 0 an error code */
export function parseStatusLine(head: Head, buf: Buffer, stop: number): number {
  const base = head.base;
  if (head.state === START) {
    head.mark = 0;
    head.state = readPlainStart(head, buf, stop) ? AFTER_STATUS : VERSION;
  }
  if (head.state === VERSION) {
    const result = readVersionBytes(head, buf, base + head.at, stop);
    if (result < 0) return ERR_STATUS_LINE;
    if (result === 0) return 0;
    head.state = STATUS;
  }
  if (head.state === STATUS) {
    const result = readStatus(head, buf, base + head.at, stop);
    if (result <= 0) return result;
  }
  return readReason(head, buf, base + head.at, stop);
}

/** `HTTP/1.x ` and three digits at once when they are all there. @returns false for anything else, having changed nothing */
function readPlainStart(head: Head, buf: Buffer, stop: number): boolean {
  const p = head.base;
  if (p + STATUS_END > stop || !isVersionStart(buf, p) || buf[p + 8]! !== SP) return false;
  const minor = buf[p + 7]! - 48;
  const hundreds = buf[p + STATUS_AT]! - 48;
  const tens = buf[p + STATUS_AT + 1]! - 48;
  const ones = buf[p + STATUS_AT + 2]! - 48;
  if (minor >>> 0 > 1 || (hundreds - 1) >>> 0 > 8 || tens >>> 0 > 9 || ones >>> 0 > 9) return false;
  head.minor = minor;
  head.status = hundreds * 100 + tens * 10 + ones;
  head.at = STATUS_END;
  return true;
}

function readStatus(head: Head, buf: Buffer, p: number, stop: number): number {
  const digits = head.base + STATUS_AT;
  for (; p < stop && p < digits + 3; p++) {
    const byte = buf[p]!;
    if (p < digits) {
      if (byte !== SP) return ERR_STATUS_LINE;
    } else {
      if (DIGIT[byte]! === 0 || (p === digits && byte === 48)) return ERR_STATUS;
      head.status = head.status * 10 + byte - 48;
    }
  }
  head.at = p - head.base;
  if (p < digits + 3) return 0;
  head.state = AFTER_STATUS;
  return 1;
}

function readReason(head: Head, buf: Buffer, p: number, stop: number): number {
  const base = head.base;
  if (head.state === AFTER_STATUS) {
    if (p === stop) return 0;
    const byte = buf[p]!;
    if (byte !== SP && byte !== CR) return byte === LF ? ERR_LINE_END : ERR_STATUS;
    if (byte === SP) p++;
    head.reasonStart = p - base;
    head.state = REASON;
  }
  if (head.state === REASON) {
    p = skipWhile(VALUE, buf, p, stop);
    head.at = p - base;
    if (p === stop) return 0;
    if (buf[p]! !== CR) return buf[p]! === LF ? ERR_LINE_END : ERR_REASON;
    head.reasonEnd = p - base;
    p++;
    head.state = LINE_LF;
    head.at = p - base;
  }
  if (p === stop) return 0;
  if (buf[p]! !== LF) return ERR_LINE_END;
  head.at = head.mark = head.fieldsStart = p + 1 - base;
  head.state = NAME;
  return 1;
}
