// @hot
// Heads of HTTP/1.1 requests and answers, and trailer sections: the three doors of the parser. Worker thread; no state here.
// The Head carries all progress, so a head that drips in costs linear time and its bytes may move between calls.
//
// Common to all three: `buf[base]` is the head's first byte, `end` is behind the last byte there is. A call that returned 0 is
// repeated with the same bytes and at least one more, in the same buffer or another. After a negative result the Head is spent:
// what it had read (method, target, fields) stays readable, but it must be reset before it parses again.

import type { Head } from '../core/head.ts';
import { ERR_HEAD_TOO_LARGE } from './h1-errors.ts';
import { parseFields } from './h1-fields.ts';
import { finishRequest, finishResponse, SECTION_REQUEST, SECTION_RESPONSE, SECTION_TRAILERS } from './h1-framing.ts';
import { parseRequestLine } from './h1-request-line.ts';
import { NAME, START } from './h1-state.ts';
import type { HeadLimits } from './h1-state.ts';
import { parseStatusLine } from './h1-status-line.ts';

/**
 * @returns > 0: the length of the complete head (also in `head.length`); 0: more bytes are wanted; < 0: an error code (`h1-errors.ts`).
 * The method stands in `[methodStart, methodEnd)`: empty lines before the request line belong to the head's bytes.
 * A missing Host is an error here for HTTP/1.1, and the caller's affair for HTTP/1.0 (`head.first[FIELD_HOST] < 0`).
 */
export function parseRequestHead(head: Head, buf: Buffer, base: number, end: number, limits: HeadLimits): number {
  head.buf = buf;
  head.base = base;
  const limit = base + limits.maxHeadBytes;
  const stop = end < limit ? end : limit;
  if (head.state < NAME) {
    const line = parseRequestLine(head, buf, stop);
    if (line < 0) return line;
    if (line === 0) return stop === limit ? ERR_HEAD_TOO_LARGE : 0;
  }
  const result = parseFields(head, buf, stop, SECTION_REQUEST, limits.maxFields);
  if (result < 0) return result;
  if (result === 0) return stop === limit ? ERR_HEAD_TOO_LARGE : 0;
  const fault = finishRequest(head, buf);
  return fault < 0 ? fault : head.length;
}

/** As `parseRequestHead`, for an answer's head, interim ones (1xx) included. */
export function parseResponseHead(head: Head, buf: Buffer, base: number, end: number, limits: HeadLimits): number {
  head.buf = buf;
  head.base = base;
  const limit = base + limits.maxHeadBytes;
  const stop = end < limit ? end : limit;
  if (head.state < NAME) {
    const line = parseStatusLine(head, buf, stop);
    if (line < 0) return line;
    if (line === 0) return stop === limit ? ERR_HEAD_TOO_LARGE : 0;
  }
  const result = parseFields(head, buf, stop, SECTION_RESPONSE, limits.maxFields);
  if (result < 0) return result;
  if (result === 0) return stop === limit ? ERR_HEAD_TOO_LARGE : 0;
  const fault = finishResponse(head, buf);
  return fault < 0 ? fault : head.length;
}

/** A trailer section with the empty line that ends it. Fields that Nuncio acts on in heads are marked dropped. */
export function parseTrailers(head: Head, buf: Buffer, base: number, end: number, limits: HeadLimits): number {
  head.buf = buf;
  head.base = base;
  const limit = base + limits.maxHeadBytes;
  const stop = end < limit ? end : limit;
  if (head.state === START) head.state = NAME;
  const result = parseFields(head, buf, stop, SECTION_TRAILERS, limits.maxFields);
  if (result === 0) return stop === limit ? ERR_HEAD_TOO_LARGE : 0;
  return result < 0 ? result : head.length;
}
