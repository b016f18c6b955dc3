// @hot
// The request line (RFC 9112 section 3): method, target in the form its method takes, version. Worker thread.
// Incremental: every return leaves in the Head where to go on.

import type { Head } from '../core/head.ts';
import { isAuthority } from './authority.ts';
import { CR, DIGIT, LF, skipToken, skipWhile, SP, TARGET } from './byte-class.ts';
import {
  ERR_EMPTY_LINES,
  ERR_HTTP09,
  ERR_LINE_END,
  ERR_METHOD,
  ERR_METHOD_TOO_LONG,
  ERR_SCHEME,
  ERR_TARGET,
  ERR_TARGET_BYTE,
  ERR_VERSION,
  ERR_VERSION_UNSUPPORTED,
} from './h1-errors.ts';
import { LINE_LF, METHOD, NAME, START, START_LF, TARGET_STATE, VERSION } from './h1-state.ts';

const MAX_METHOD_BYTES = 64;
/** Empty lines swallowed before a request line. RFC 9112 section 2.2 asks for one; old clients end a body with a CRLF too many. */
const MAX_EMPTY_LINES = 4;
const SLASH = 47;
const STAR = 42;
const QUESTION = 63;
const ONE = 49;
const ZERO = 48;
/** Length of `HTTP/1.1`. */
const VERSION_BYTES = 8;
/** Length of ` HTTP/1.1` and CRLF. */
const LINE_TAIL_BYTES = 11;
const CAPITAL_C = 67;

/** @returns 1 when the line is read and `head.state` is NAME, 0 when bytes are wanted, < 0 an error code */
export function parseRequestLine(head: Head, buf: Buffer, stop: number): number {
  if (head.at === 0 && readPlainLine(head, buf, stop)) return 1;
  if (head.state <= START_LF) {
    const result = skipEmptyLines(head, buf, stop);
    if (result <= 0) return result;
  }
  if (head.state === METHOD) {
    const result = readMethod(head, buf, stop);
    if (result <= 0) return result;
  }
  if (head.state === TARGET_STATE) {
    const result = readTarget(head, buf, stop);
    if (result <= 0) return result;
  }
  return readVersion(head, buf, stop);
}

/**
 * The line nearly every request has, read at once when it is all there: a method, a path, HTTP/1.x.
 * @returns false for anything else, having changed nothing: then the states below take it from the start.
 */
function readPlainLine(head: Head, buf: Buffer, stop: number): boolean {
  const base = head.base;
  let p = base;
  const methodLimit = stop < base + MAX_METHOD_BYTES ? stop : base + MAX_METHOD_BYTES;
  p = skipToken(buf, p, methodLimit);
  const methodEnd = p;
  // `C` may begin CONNECT, which takes another form of target.
  if (p === base || p + 2 > stop || buf[p]! !== SP || buf[p + 1]! !== SLASH || buf[base]! === CAPITAL_C) return false;
  p = skipWhile(TARGET, buf, p + 1, stop);
  if (p + LINE_TAIL_BYTES > stop || buf[p]! !== SP) return false;
  const minor = buf[p + 8]! - ZERO;
  if (!isVersionStart(buf, p + 1) || minor >>> 0 > 1 || buf[p + 9]! !== CR || buf[p + 10]! !== LF) return false;
  head.methodStart = 0;
  head.methodEnd = methodEnd - base;
  head.targetStart = methodEnd + 1 - base;
  head.targetEnd = p - base;
  head.minor = minor;
  head.at = head.mark = head.fieldsStart = p + LINE_TAIL_BYTES - base;
  head.state = NAME;
  return true;
}

/** `HTTP/1.` at `p`. */
export function isVersionStart(buf: Buffer, p: number): boolean {
  if (buf[p]! !== 72 || buf[p + 1]! !== 84 || buf[p + 2]! !== 84 || buf[p + 3]! !== 80) return false;
  return buf[p + 4]! === SLASH && buf[p + 5]! === ONE && buf[p + 6]! === 46;
}

function skipEmptyLines(head: Head, buf: Buffer, stop: number): number {
  const base = head.base;
  let p = base + head.at;
  while (p < stop) {
    const byte = buf[p]!;
    if (head.state === START_LF) {
      if (byte !== LF) return ERR_LINE_END;
      head.state = START;
    } else if (byte === CR) {
      if (p - base === 2 * MAX_EMPTY_LINES) return ERR_EMPTY_LINES;
      head.state = START_LF;
    } else {
      head.state = METHOD;
      head.methodStart = p - base;
      head.at = p - base;
      return 1;
    }
    p++;
  }
  head.at = p - base;
  return 0;
}

function readMethod(head: Head, buf: Buffer, stop: number): number {
  const base = head.base;
  const start = base + head.methodStart;
  const last = start + MAX_METHOD_BYTES;
  let p = base + head.at;
  p = skipToken(buf, p, stop <= last ? stop : last + 1);
  if (p > last) return ERR_METHOD_TOO_LONG;
  head.at = p - base;
  if (p === stop) return 0;
  if (p === start || buf[p]! !== SP) return buf[p]! === LF ? ERR_LINE_END : ERR_METHOD;
  head.methodEnd = p - base;
  head.at = head.targetStart = p + 1 - base;
  head.state = TARGET_STATE;
  return 1;
}

function readTarget(head: Head, buf: Buffer, stop: number): number {
  const base = head.base;
  let p = base + head.at;
  p = skipWhile(TARGET, buf, p, stop);
  head.at = p - base;
  if (p === stop) return 0;
  if (buf[p]! !== SP) {
    if (buf[p]! === CR) return ERR_HTTP09;
    return buf[p]! === LF ? ERR_LINE_END : ERR_TARGET_BYTE;
  }
  head.targetEnd = p - base;
  const fault = checkForm(head, buf, base + head.targetStart, p);
  if (fault < 0) return fault;
  head.at = head.mark = p + 1 - base;
  head.state = VERSION;
  return 1;
}

/** The four forms of RFC 9112 section 3.2. Returns 0 or an error code. */
function checkForm(head: Head, buf: Buffer, start: number, end: number): number {
  if (start === end) return ERR_TARGET;
  if (methodIs(head, buf, 'CONNECT')) {
    if (!isAuthority(buf, start, end)) return ERR_TARGET;
    head.authorityStart = start - head.base;
    head.authorityEnd = end - head.base;
    return 0;
  }
  const first = buf[start]!;
  if (first === SLASH) return 0;
  if (first === STAR) return end - start === 1 && methodIs(head, buf, 'OPTIONS') ? 0 : ERR_TARGET;
  return checkAbsolute(head, buf, start, end);
}

function checkAbsolute(head: Head, buf: Buffer, start: number, end: number): number {
  let p = start;
  while (p < end && (buf[p]! | 32) >= 97 && (buf[p]! | 32) <= 122) p++;
  if (p === start || p + 2 >= end || buf[p]! !== 58 || buf[p + 1]! !== SLASH || buf[p + 2]! !== SLASH) return ERR_TARGET;
  const scheme = buf.latin1Slice(start, p).toLowerCase();
  if (scheme !== 'http' && scheme !== 'https') return ERR_SCHEME;
  const authority = p + 3;
  p = authority;
  while (p < end && buf[p]! !== SLASH && buf[p]! !== QUESTION) p++;
  if (!isAuthority(buf, authority, p)) return ERR_TARGET;
  head.authorityStart = authority - head.base;
  head.authorityEnd = p - head.base;
  return 0;
}

function methodIs(head: Head, buf: Buffer, method: string): boolean {
  const start = head.base + head.methodStart;
  if (head.methodEnd - head.methodStart !== method.length) return false;
  for (let i = 0; i < method.length; i++) if (buf[start + i]! !== method.charCodeAt(i)) return false;
  return true;
}

/** Reads `HTTP/1.x` CRLF; the version began at `head.mark`. */
function readVersion(head: Head, buf: Buffer, stop: number): number {
  const base = head.base;
  let p = base + head.at;
  if (head.state === VERSION) {
    const result = readVersionBytes(head, buf, p, stop);
    if (result <= 0) return result;
    p = base + head.mark + VERSION_BYTES;
    head.at = p - base;
    if (p === stop) return 0;
    if (buf[p]! !== CR) return buf[p]! === LF ? ERR_LINE_END : ERR_VERSION;
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

/**
 * The bytes of `HTTP/1.x` from `p` on, for both start lines.
 * @returns 1 when all eight have been read (`head.minor` set; `head.at` is the caller's to move), 0 when bytes are wanted, < 0 an error code
 */
export function readVersionBytes(head: Head, buf: Buffer, p: number, stop: number): number {
  const start = head.base + head.mark;
  const end = start + VERSION_BYTES;
  for (; p < stop && p < end; p++) {
    const byte = buf[p]!;
    const index = p - start;
    if (index === 5 || index === 7) {
      if (DIGIT[byte]! === 0) return ERR_VERSION;
      if (index === 5 && byte !== ONE) return byte === ZERO ? ERR_HTTP09 : ERR_VERSION_UNSUPPORTED;
      if (index === 7 && byte > ONE) return ERR_VERSION_UNSUPPORTED;
    } else if (byte !== 'HTTP/1.1'.charCodeAt(index)) {
      return ERR_VERSION;
    }
  }
  head.at = p - head.base;
  if (p < end) return 0;
  head.minor = buf[end - 1]! - ZERO;
  return 1;
}
