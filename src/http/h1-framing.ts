// @hot
// What the known fields mean for the message: its framing (RFC 9112 section 6), its host, and what stays on this hop.
// Worker thread; writes into the Head only. Ambiguity is an error, never a choice: that is the whole guard against smuggling.

import type { Head } from '../core/head.ts';
import { SPAN } from '../core/head.ts';
import { BODY_CHUNKED, BODY_CLOSE, BODY_LENGTH, BODY_NONE } from '../core/stream.ts';
import type { BodyKind } from '../core/stream.ts';
import {
  FIELD_CONNECTION,
  FIELD_CONTENT_LENGTH,
  FIELD_EXPECT,
  FIELD_HOST,
  FIELD_HTTP2_SETTINGS,
  FIELD_KEEP_ALIVE,
  FIELD_PROXY_CONNECTION,
  FIELD_TE,
  FIELD_TRANSFER_ENCODING,
  FIELD_UPGRADE,
} from '../core/fields.ts';
import { isAuthority } from './authority.ts';
import { equalsText } from './byte-class.ts';
import {
  ERR_BOTH_FRAMINGS,
  ERR_CONNECT_BODY,
  ERR_CONTENT_LENGTH,
  ERR_CONTENT_LENGTH_REPEATED,
  ERR_FRAMING_ON_BODILESS,
  ERR_HOST,
  ERR_HOST_MISSING,
  ERR_HOST_REPEATED,
  ERR_TRANSFER_ENCODING,
  ERR_TRANSFER_ENCODING_IN_10,
  ERR_TRANSFER_ENCODING_REPEATED,
} from './h1-errors.ts';
import { applyConnection } from './h1-connection.ts';

const TRAILERS = Buffer.from('trailers', 'latin1');
const CONTINUE = Buffer.from('100-continue', 'latin1');
const CHUNKED = Buffer.from('chunked', 'latin1');

export const SECTION_REQUEST = 0;
export const SECTION_RESPONSE = 1;
export const SECTION_TRAILERS = 2;

/** Takes note of the field `i`, whose id is not 0, as soon as its line is complete. Returns 0 or an error code. */
export function noteField(head: Head, buf: Buffer, i: number, section: number): number {
  if (section === SECTION_TRAILERS) {
    // RFC 9110 section 6.5.1: nothing that frames, routes or authenticates may come late. We act on every name we know.
    head.dropped[i] = 1;
    return 0;
  }
  const start = head.base + head.spans[i * SPAN + 2]!;
  const end = head.base + head.spans[i * SPAN + 3]!;
  switch (head.ids[i]!) {
    case FIELD_HOST:
      if (section !== SECTION_REQUEST) return 0;
      if (head.first[FIELD_HOST]! !== i) return ERR_HOST_REPEATED;
      // Empty is how a client says that its target has no authority (RFC 9112 section 3.2).
      return start === end || isAuthority(buf, start, end) ? 0 : ERR_HOST;
    case FIELD_CONTENT_LENGTH:
      return noteContentLength(head, buf, start, end);
    case FIELD_TRANSFER_ENCODING:
      head.dropped[i] = 1;
      return noteTransferEncoding(head, buf, start, end);
    case FIELD_TE:
      head.dropped[i] = equalsText(buf, start, end, TRAILERS) ? 0 : 1;
      return 0;
    case FIELD_EXPECT:
      // RFC 9110 section 10.1.1: from an HTTP/1.0 client it means nothing.
      if (head.minor === 1 && equalsText(buf, start, end, CONTINUE)) head.expectContinue = true;
      return 0;
    case FIELD_CONNECTION:
    case FIELD_KEEP_ALIVE:
    case FIELD_PROXY_CONNECTION:
    case FIELD_UPGRADE:
    case FIELD_HTTP2_SETTINGS:
      head.dropped[i] = 1;
      return 0;
    default:
      return 0;
  }
}

/** The rules that need the whole request head. Returns 0 or an error code. */
export function finishRequest(head: Head, buf: Buffer): number {
  if (head.first[FIELD_HOST]! < 0 && head.minor === 1) return ERR_HOST_MISSING;
  // A payload of CONNECT has no meaning (RFC 9110 section 9.3.6); what follows it are the tunnel's bytes.
  if (isConnect(head) && (head.chunked || head.contentLength > 0)) return ERR_CONNECT_BODY;
  return head.first[FIELD_CONNECTION]! < 0 ? 0 : applyConnection(head, buf);
}

/** The rules that need the whole response head. Returns 0 or an error code. */
export function finishResponse(head: Head, buf: Buffer): number {
  const status = head.status;
  if (status < 200 || status === 204) {
    // RFC 9110 section 8.6, RFC 9112 section 6.1. A zero length is a common slip and harmless: it is taken off, as Envoy does.
    if (head.chunked || head.contentLength > 0) return ERR_FRAMING_ON_BODILESS;
    if (head.contentLength === 0) {
      head.dropId(FIELD_CONTENT_LENGTH);
      head.contentLength = -1;
    }
  }
  return head.first[FIELD_CONNECTION]! < 0 ? 0 : applyConnection(head, buf);
}

/** How the request's body is framed. */
export function requestBody(head: Head): BodyKind {
  if (head.chunked) return BODY_CHUNKED;
  return head.contentLength > 0 ? BODY_LENGTH : BODY_NONE;
}

/** How the answer's body is framed (RFC 9112 section 6.3). `method` is the request's; 101 and 2xx to CONNECT begin a tunnel. */
export function responseBody(head: Head, method: string): BodyKind {
  const status = head.status;
  if (status < 200 || status === 204 || status === 304 || method === 'HEAD') return BODY_NONE;
  if (method === 'CONNECT' && status < 300) return BODY_NONE;
  if (head.chunked) return BODY_CHUNKED;
  if (head.contentLength < 0) return BODY_CLOSE;
  return head.contentLength > 0 ? BODY_LENGTH : BODY_NONE;
}

/** Whether the sender of this head lets the connection live on (RFC 9112 section 9.3). */
export function isPersistent(head: Head): boolean {
  if (head.connectionClose) return false;
  return head.minor === 1 || head.connectionKeepAlive;
}

/** CONNECT's target is nothing but an authority. */
function isConnect(head: Head): boolean {
  return head.authorityEnd > 0 && head.authorityStart === head.targetStart;
}

function noteContentLength(head: Head, buf: Buffer, start: number, end: number): number {
  if (head.contentLength >= 0) return ERR_CONTENT_LENGTH_REPEATED;
  if (head.chunked) return ERR_BOTH_FRAMINGS;
  if (start === end) return ERR_CONTENT_LENGTH;
  let length = 0;
  for (let p = start; p < end; p++) {
    const digit = buf[p]! - 48;
    if (digit < 0 || digit > 9) return ERR_CONTENT_LENGTH;
    length = length * 10 + digit;
    if (length > Number.MAX_SAFE_INTEGER) return ERR_CONTENT_LENGTH;
  }
  head.contentLength = length;
  return 0;
}

function noteTransferEncoding(head: Head, buf: Buffer, start: number, end: number): number {
  if (head.chunked) return ERR_TRANSFER_ENCODING_REPEATED;
  if (head.minor === 0) return ERR_TRANSFER_ENCODING_IN_10;
  if (head.contentLength >= 0) return ERR_BOTH_FRAMINGS;
  if (!equalsText(buf, start, end, CHUNKED)) return ERR_TRANSFER_ENCODING;
  head.chunked = true;
  return 0;
}
