// @hot
// Writes HTTP/1.1 heads into a caller's buffer: kept field lines as runs of the bytes they came in (order, letter case and
// bytes above 0x7F unchanged), then the added fields, then the framing of this hop. Worker thread; no bounds checks:
// ask `requestRoom` / `responseRoom` first. The Head must not stand in the target buffer. State: bytes of names added before.
// Added names and values go out as they are: they are checked where they enter (`field-check.ts`).

import type { Head } from '../core/head.ts';
import { SPAN } from '../core/head.ts';
import { FIELD_CONTENT_LENGTH, FIELD_HOST } from '../core/fields.ts';
import { copyBytes, copyWords, writeText } from '../core/bytes.ts';
import { CR, LF, SP } from './byte-class.ts';
import { copySpan, viewOf } from './byte-view.ts';
import { targetPath } from './h1-target.ts';
import { statusText } from './status-text.ts';

const CRLF_VERSION = Buffer.from(' HTTP/1.1\r\n', 'latin1');
const HTTP_11 = Buffer.from('HTTP/1.1 ', 'latin1');
const HTTP_10 = Buffer.from('HTTP/1.0 ', 'latin1');
const HOST = Buffer.from('host: ', 'latin1');
const CHUNKED = Buffer.from('transfer-encoding: chunked\r\n', 'latin1');
const CONNECTION = Buffer.from('connection: ', 'latin1');
const LAST_CHUNK = Buffer.from('0\r\n', 'latin1');
/** Start line, host, framing and connection lines without their variable parts, rounded up. */
const FIXED_ROOM = 192;
/** A filter may make up names without end; these many are remembered. */
const MAX_KNOWN_NAMES = 256;
const knownNames = new Map<string, Buffer>();
/** The longest chunk head: 14 hexadecimal digits and CRLF. */
export const CHUNK_HEAD_ROOM = 16;

/** What of a request head does not simply pass. Empty strings: as it came. */
export class RequestParts {
  method = '';
  /** The target to send. When empty and the received one is absolute, its path goes out, and its authority as Host. */
  target = '';
  /** The Host to send. */
  authority = '';
  /** The body goes out chunked: a content-length does not pass. */
  chunked = false;
  /** The value of a Connection field of this hop (`close`, `upgrade`), or none. */
  connection = '';
}

/** What of a response head does not simply pass. */
export class ResponseParts {
  /** When it is the status the head came with, its reason phrase passes too; otherwise the registered phrase stands. */
  status = 200;
  /** The version to name: 0 for an HTTP/1.0 caller. */
  minor = 1;
  chunked = false;
  connection = '';
}

/** Bytes that `writeRequestHead` can need at most. */
export function requestRoom(head: Head, parts: RequestParts): number {
  const replaced = parts.method.length + parts.target.length + parts.authority.length + parts.connection.length;
  return head.length + (head.authorityEnd - head.authorityStart) + addedLength(head) + replaced + FIXED_ROOM;
}

/** Bytes that `writeResponseHead` can need at most. */
export function responseRoom(head: Head, parts: ResponseParts): number {
  return head.length + addedLength(head) + parts.connection.length + FIXED_ROOM;
}

/** @returns the offset behind the head */
export function writeRequestHead(out: Buffer, at: number, head: Head, parts: RequestParts): number {
  const base = head.base;
  if (parts.method.length > 0) at = writeText(out, at, parts.method);
  else at = copyBytes(out, at, head.buf, base + head.methodStart, base + head.methodEnd);
  out[at++] = SP;
  // Origin servers get the origin form, and the Host that the target named (RFC 9112 section 3.2.2).
  const absolute = head.authorityStart > head.targetStart;
  if (parts.target.length > 0) at = writeText(out, at, parts.target);
  else if (absolute) at = writeText(out, at, targetPath(head));
  else at = copyBytes(out, at, head.buf, base + head.targetStart, base + head.targetEnd);
  at = copyBytes(out, at, CRLF_VERSION, 0, CRLF_VERSION.length);
  if (parts.authority.length > 0 || absolute) at = writeFieldsWithHost(out, at, head, parts);
  else at = writeFields(out, at, head, 0, head.count, parts.chunked);
  at = writeAdded(out, at, head);
  return writeHopFields(out, at, parts.chunked, parts.connection);
}

/** @returns the offset behind the head. A Head without bytes (a local answer) gives its added fields only. */
export function writeResponseHead(out: Buffer, at: number, head: Head, parts: ResponseParts): number {
  const status = parts.status;
  at = copyBytes(out, at, parts.minor === 0 ? HTTP_10 : HTTP_11, 0, HTTP_11.length);
  out[at] = 48 + ((status / 100) | 0);
  out[at + 1] = 48 + (((status / 10) | 0) % 10);
  out[at + 2] = 48 + (status % 10);
  out[at + 3] = SP;
  at += 4;
  if (status === head.status && head.length > 0) {
    at = copyBytes(out, at, head.buf, head.base + head.reasonStart, head.base + head.reasonEnd);
  } else {
    at = writeText(out, at, statusText(status));
  }
  at = writeLineEnd(out, at);
  at = writeFields(out, at, head, 0, head.count, parts.chunked);
  at = writeAdded(out, at, head);
  return writeHopFields(out, at, parts.chunked, parts.connection);
}

/** `size` in hexadecimal and CRLF. The data and one more CRLF follow. At most CHUNK_HEAD_ROOM bytes. */
export function writeChunkHead(out: Buffer, at: number, size: number): number {
  let digits = 1;
  for (let rest = Math.floor(size / 16); rest > 0; rest = Math.floor(rest / 16)) digits++;
  let rest = size;
  for (let p = at + digits - 1; p >= at; p--) {
    const digit = rest % 16;
    out[p] = digit < 10 ? 48 + digit : 87 + digit;
    rest = (rest - digit) / 16;
  }
  return writeLineEnd(out, at + digits);
}

export function writeLineEnd(out: Buffer, at: number): number {
  out[at] = CR;
  out[at + 1] = LF;
  return at + 2;
}

/** Bytes that `writeLastChunk` can need at most. */
export function lastChunkRoom(trailers: Head | null): number {
  return trailers === null ? 5 : trailers.length + addedLength(trailers) + 5;
}

/** The chunk that ends a body, with its trailers if any. */
export function writeLastChunk(out: Buffer, at: number, trailers: Head | null): number {
  at = copyBytes(out, at, LAST_CHUNK, 0, LAST_CHUNK.length);
  if (trailers !== null) {
    at = writeFields(out, at, trailers, 0, trailers.count, false);
    at = writeAdded(out, at, trailers);
  }
  return writeLineEnd(out, at);
}

/** The lines of the fields `[from, to)` that are kept, in runs. `unsized`: without content-length. */
function writeFields(out: Buffer, at: number, head: Head, from: number, to: number, unsized: boolean): number {
  const { buf, base, ids, dropped, spans } = head;
  let runStart = -1;
  for (let i = from; i < to; i++) {
    const keep = dropped[i]! === 0 && !(unsized && ids[i]! === FIELD_CONTENT_LENGTH);
    if (keep === (runStart >= 0)) continue;
    const lineStart = base + spans[i * SPAN]!;
    if (keep) {
      runStart = lineStart;
    } else {
      at = copySpan(out, at, buf, runStart, lineStart);
      runStart = -1;
    }
  }
  return runStart < 0 ? at : copySpan(out, at, buf, runStart, base + lineEnd(head, to));
}

/** Where the line before field `i` ends: the start of that field's line, or of the empty line. */
function lineEnd(head: Head, i: number): number {
  return i < head.count ? head.spans[i * SPAN]! : head.length - 2;
}

/** The fields with another value in the Host line, which keeps its place; a new Host line comes first. */
function writeFieldsWithHost(out: Buffer, at: number, head: Head, parts: RequestParts): number {
  const host = head.first[FIELD_HOST]!;
  if (host < 0) {
    at = copyBytes(out, at, HOST, 0, HOST.length);
  } else {
    at = writeFields(out, at, head, 0, host, parts.chunked);
    at = copyBytes(out, at, head.buf, head.base + head.spans[host * SPAN]!, head.base + head.spans[host * SPAN + 1]!);
    at = copyBytes(out, at, HOST, HOST.length - 2, HOST.length);
  }
  if (parts.authority.length > 0) at = writeText(out, at, parts.authority);
  else at = copyBytes(out, at, head.buf, head.base + head.authorityStart, head.base + head.authorityEnd);
  at = writeLineEnd(out, at);
  return writeFields(out, at, head, host + 1, head.count, parts.chunked);
}

function writeAdded(out: Buffer, at: number, head: Head): number {
  const { blocks, blockCount, pairs } = head;
  if (blockCount > 0) {
    const view = viewOf(out);
    for (let i = 0; i < blockCount; i++) {
      const block = blocks[i]!;
      at = copyWords(view, at, block.view, 0, block.buf.length);
    }
  }
  for (let i = 0; i < pairs.length; i += 2) {
    const name = nameBytes(pairs[i]!);
    at = copyBytes(out, at, name, 0, name.length);
    at = writeText(out, at, pairs[i + 1]!);
    at = writeLineEnd(out, at);
  }
  return at;
}

/** `name: ` as bytes. Added names are few and come again and again; copying bytes takes a third of reading a string. */
function nameBytes(name: string): Buffer {
  const known = knownNames.get(name);
  if (known !== undefined) return known;
  const bytes = Buffer.from(name + ': ', 'latin1');
  if (knownNames.size < MAX_KNOWN_NAMES) knownNames.set(name, bytes);
  return bytes;
}

function addedLength(head: Head): number {
  const { blocks, blockCount, pairs } = head;
  let length = 0;
  for (let i = 0; i < blockCount; i++) length += blocks[i]!.buf.length;
  for (let i = 0; i < pairs.length; i++) length += pairs[i]!.length + 2;
  return length;
}

/** What belongs to this hop alone, and the empty line. */
function writeHopFields(out: Buffer, at: number, chunked: boolean, connection: string): number {
  if (chunked) at = copyBytes(out, at, CHUNKED, 0, CHUNKED.length);
  if (connection.length > 0) {
    at = copyBytes(out, at, CONNECTION, 0, CONNECTION.length);
    at = writeText(out, at, connection);
    at = writeLineEnd(out, at);
  }
  return writeLineEnd(out, at);
}
