// @hot
// The status line (RFC 9112 section 4): version, three digits, a reason that may be empty or absent. Worker thread.
// Incremental: every return leaves in the Head where to go on.

import type { Head } from '../core/head.ts';
import { BYTE_CLASS, CR, DIGIT, LF, SP, VALUE } from './byte-class.ts';
import { ERR_LINE_END, ERR_REASON, ERR_STATUS, ERR_STATUS_LINE } from './h1-errors.ts';
import { readVersionBytes } from './h1-request-line.ts';
import { AFTER_STATUS, LINE_LF, NAME, REASON, START, STATUS, VERSION } from './h1-state.ts';

/** Where the digits stand: `HTTP/1.1 200`. */
const STATUS_AT = 9;

/** @returns 1 when the line is read and `head.state` is NAME, 0 when bytes are wanted, < 0 an error code */
export function parseStatusLine(head: Head, buf: Buffer, stop: number): number {
  const base = head.base;
  if (head.state === START) {
    head.mark = 0;
    head.state = VERSION;
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

function readStatus(head: Head, buf: Buffer, p: number, stop: number): number {
  const digits = head.base + STATUS_AT;
  for (; p < stop && p < digits + 3; p++) {
    const byte = buf[p]!;
    if (p < digits) {
      if (byte !== SP) return ERR_STATUS_LINE;
    } else {
      if ((BYTE_CLASS[byte]! & DIGIT) === 0 || (p === digits && byte === 48)) return ERR_STATUS;
      head.status = head.status * 10 + byte - 48;
    }
  }
  head.at = p - head.base;
  if (p < digits + 3) return 0;
  head.state = AFTER_STATUS;
  return 1;
}

function readReason(head: Head, buf: Buffer, p: number, stop: number): number {
  const classes = BYTE_CLASS;
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
    while (p < stop && (classes[buf[p]!]! & VALUE) !== 0) p++;
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
