// @hot
// Header blocks from Heads: pseudo-headers and fields of a request or an answer, trailers. Worker thread; no state but the
// encoder's. What belongs to a connection goes no further (RFC 9113 section 8.2.2); names become lower case in the encoder.
// What came as never to be indexed goes on so (RFC 7541 section 6.2.3).
// Room is asked for first (`blockRoom`); the Head must not stand in the target buffer.

import type { FieldBlock } from '../core/field-block.ts';
import { FIELD_CONTENT_LENGTH, FIELD_HOST, FIELD_UPGRADE } from '../core/fields.ts';
import { NEVER_AUTHORITY, NEVER_FIELDS, NEVER_METHOD, NEVER_PATH, NEVER_PROTOCOL, NEVER_SCHEME, NEVER_STATUS, SPAN, type Head } from '../core/head.ts';
import { BLOCK_ROOM, FIELD_ROOM, type HpackEncoder } from './hpack-encoder.ts';
import { STATIC_AUTHORITY, STATIC_METHOD, STATIC_PATH, STATIC_SCHEME, STATIC_STATUS } from './hpack-static.ts';
import { passUpgrade } from './upgrade.ts';

/** `:status`, or the pseudo-headers of a request without their values. */
const PSEUDO_ROOM = 128;
/** Fields that an edit may add, and that HTTP/2 does not have. */
const CONNECTION_FIELDS: ReadonlySet<string> = new Set(['connection', 'keep-alive', 'proxy-connection', 'transfer-encoding', 'upgrade']);

/** The pseudo-headers of a request (RFC 9113 section 8.3.1). An empty authority: the request names none. */
export interface RequestLine {
  readonly method: string;
  readonly scheme: 'http' | 'https';
  readonly authority: string;
  readonly path: string;
  /** Of an extended CONNECT; '' without. */
  readonly protocol: string;
}

/** Bytes that the block of this head can need at most. */
export function blockRoom(head: Head): number {
  const { pairs, blocks, blockCount } = head;
  let bytes = BLOCK_ROOM + PSEUDO_ROOM + head.length + head.count * FIELD_ROOM;
  for (let i = 0; i < pairs.length; i += 2) bytes += pairs[i]!.length + pairs[i + 1]!.length + FIELD_ROOM;
  for (let i = 0; i < blockCount; i++) bytes += blocks[i]!.buf.length + blocks[i]!.spans.length * FIELD_ROOM;
  return bytes;
}

/** Bytes that the block of a request can need at most. */
export function requestBlockRoom(head: Head, line: RequestLine): number {
  return blockRoom(head) + line.method.length + line.authority.length + line.path.length + line.protocol.length;
}

/** @returns the offset behind the block */
export function writeRequestBlock(encoder: HpackEncoder, out: Buffer, at: number, head: Head, line: RequestLine): number {
  const never = head.neverIndexed;
  at = encoder.begin(out, at);
  if ((never & NEVER_METHOD) === 0) at = encoder.method(out, at, line.method);
  else at = encoder.pseudo(out, at, STATIC_METHOD, line.method, true);
  at = writeScheme(encoder, out, at, line.scheme, never);
  if (line.authority !== '') at = encoder.pseudo(out, at, STATIC_AUTHORITY, line.authority, (never & NEVER_AUTHORITY) !== 0);
  at = encoder.pseudo(out, at, STATIC_PATH, line.path, (never & NEVER_PATH) !== 0);
  return writeBlockFields(encoder, out, at, head);
}

/** A tunnel is asked for by CONNECT, plain (RFC 9113 section 8.5) or extended (RFC 8441). @returns the offset behind the block */
export function writeConnectBlock(encoder: HpackEncoder, out: Buffer, at: number, head: Head, line: RequestLine): number {
  const never = head.neverIndexed;
  at = encoder.begin(out, at);
  at = encoder.pseudo(out, at, STATIC_METHOD, 'CONNECT', (never & NEVER_METHOD) !== 0);
  if (line.authority !== '') at = encoder.pseudo(out, at, STATIC_AUTHORITY, line.authority, (never & NEVER_AUTHORITY) !== 0);
  if (line.protocol !== '') {
    at = encoder.text(out, at, ':protocol', line.protocol, (never & NEVER_PROTOCOL) !== 0);
    at = writeScheme(encoder, out, at, line.scheme, never);
    at = encoder.pseudo(out, at, STATIC_PATH, line.path, (never & NEVER_PATH) !== 0);
  }
  // The protocol is named already, and what follows is no body; another attempt may go over HTTP/1.1.
  head.dropId(FIELD_CONTENT_LENGTH);
  head.dropId(FIELD_UPGRADE);
  at = writeBlockFields(encoder, out, at, head);
  passUpgrade(head);
  return at;
}

/** @returns the offset behind the block */
export function writeResponseBlock(encoder: HpackEncoder, out: Buffer, at: number, head: Head, status: number): number {
  at = encoder.begin(out, at);
  if ((head.neverIndexed & NEVER_STATUS) === 0) at = encoder.status(out, at, status);
  else at = encoder.pseudo(out, at, STATIC_STATUS, String(status), true);
  return writeBlockFields(encoder, out, at, head);
}

export function writeTrailerBlock(encoder: HpackEncoder, out: Buffer, at: number, trailers: Head): number {
  return writeBlockFields(encoder, out, encoder.begin(out, at), trailers);
}

function writeScheme(encoder: HpackEncoder, out: Buffer, at: number, scheme: 'http' | 'https', never: number): number {
  if ((never & NEVER_SCHEME) === 0) return encoder.scheme(out, at, scheme);
  return encoder.pseudo(out, at, STATIC_SCHEME, scheme, true);
}

/** The fields that are kept, then the added ones. `host` has become `:authority`. */
function writeBlockFields(encoder: HpackEncoder, out: Buffer, at: number, head: Head): number {
  const { buf, base, spans, dropped, ids, count, pairs, blocks, blockCount, never } = head;
  const marked = (head.neverIndexed & NEVER_FIELDS) !== 0;
  const isRequest = head.status === 0;
  for (let i = 0; i < count; i++) {
    if (dropped[i]! !== 0 || (ids[i]! === FIELD_HOST && isRequest)) continue;
    const k = i * SPAN;
    at = encoder.field(out, at, buf, base + spans[k]!, base + spans[k + 1]!, base + spans[k + 2]!, base + spans[k + 3]!, marked && never[i] === 1);
  }
  for (let i = 0; i < blockCount; i++) at = writeReadyLines(encoder, out, at, blocks[i]!);
  for (let i = 0; i < pairs.length; i += 2) {
    const name = pairs[i]!.toLowerCase();
    if (CONNECTION_FIELDS.has(name) || (name === 'te' && pairs[i + 1] !== 'trailers')) continue;
    at = encoder.text(out, at, name, pairs[i + 1]!);
  }
  return at;
}

function writeReadyLines(encoder: HpackEncoder, out: Buffer, at: number, block: FieldBlock): number {
  const { buf, spans } = block;
  let name = 0;
  for (let i = 0; i < spans.length; i += 2) {
    const value = spans[i]!;
    const end = spans[i + 1]!;
    at = encoder.field(out, at, buf, name, value - 2, value, end);
    name = end + 2;
  }
  return at;
}
