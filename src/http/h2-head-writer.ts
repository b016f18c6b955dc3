// @hot
// Header blocks from Heads: status and fields of an answer, trailers. Worker thread; no state but the encoder's.
// What belongs to a connection goes no further (RFC 9113 section 8.2.2); names become lower case in the encoder.
// Room is asked for first (`blockRoom`); the Head must not stand in the target buffer.

import type { FieldBlock } from '../core/field-block.ts';
import { SPAN, type Head } from '../core/head.ts';
import { BLOCK_ROOM, FIELD_ROOM, type HpackEncoder } from './hpack-encoder.ts';

/** `:status`, or the pseudo-headers of a request without their values. */
const PSEUDO_ROOM = 80;
/** Fields that an edit may add, and that HTTP/2 does not have. */
const CONNECTION_FIELDS: ReadonlySet<string> = new Set(['connection', 'keep-alive', 'proxy-connection', 'transfer-encoding', 'upgrade']);

/** Bytes that the block of this head can need at most. */
export function blockRoom(head: Head): number {
  const { blocks, blockCount, pairs } = head;
  let bytes = BLOCK_ROOM + PSEUDO_ROOM + head.length + head.count * FIELD_ROOM;
  for (let i = 0; i < blockCount; i++) bytes += blocks[i]!.buf.length + blocks[i]!.spans.length * FIELD_ROOM;
  for (let i = 0; i < pairs.length; i += 2) bytes += pairs[i]!.length + pairs[i + 1]!.length + FIELD_ROOM;
  return bytes;
}

/** @returns the offset behind the block */
export function writeResponseBlock(encoder: HpackEncoder, out: Buffer, at: number, head: Head, status: number): number {
  at = encoder.begin(out, at);
  at = encoder.status(out, at, status);
  return writeBlockFields(encoder, out, at, head);
}

export function writeTrailerBlock(encoder: HpackEncoder, out: Buffer, at: number, trailers: Head): number {
  return writeBlockFields(encoder, out, encoder.begin(out, at), trailers);
}

/** The fields that are kept, then the added ones. */
export function writeBlockFields(encoder: HpackEncoder, out: Buffer, at: number, head: Head): number {
  const { buf, base, spans, dropped, count, blocks, blockCount, pairs } = head;
  for (let i = 0; i < count; i++) {
    if (dropped[i]! !== 0) continue;
    const k = i * SPAN;
    at = encoder.field(out, at, buf, base + spans[k]!, base + spans[k + 1]!, base + spans[k + 2]!, base + spans[k + 3]!);
  }
  for (let i = 0; i < blockCount; i++) at = writeBlock(encoder, out, at, blocks[i]!);
  for (let i = 0; i < pairs.length; i += 2) {
    if (CONNECTION_FIELDS.has(pairs[i]!.toLowerCase())) continue;
    at = encoder.text(out, at, pairs[i]!, pairs[i + 1]!);
  }
  return at;
}

/** Ready lines. */
function writeBlock(encoder: HpackEncoder, out: Buffer, at: number, block: FieldBlock): number {
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
