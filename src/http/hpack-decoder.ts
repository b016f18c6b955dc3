// @hot
// Header blocks into fields (RFC 7541), strictly. Worker thread; one decoder per connection and direction, its table its own.
// A field's bytes are shown to the sink where they stand: in the block, in a table, or in the scratch that all decoders of
// this thread share. An error leaves the table in an unknown state: the connection must end (COMPRESSION_ERROR).

import { copyBytes } from '../core/bytes.ts';
import { huffmanRoom, readHuffman } from './hpack-huffman.ts';
import { STATIC_LAST, staticAt, staticBytes } from './hpack-static.ts';
import { HpackTable } from './hpack-table.ts';

export const HPACK_TRUNCATED = -1; // the block ends inside a field
export const HPACK_INTEGER = -2; // an integer beyond 2^28 - 1 or padded beyond sense
export const HPACK_INDEX = -3; // index 0, or beyond both tables
export const HPACK_TABLE_SIZE = -4; // an update above the limit, behind a field, or missing after a lowered limit
export const HPACK_HUFFMAN = -5; // EOS inside a string, or wrong padding
export const HPACK_STOPPED = -6; // the sink wanted no more

export interface HpackSink {
  /**
   * One field. The bytes are valid during the call, in which no other block may be decoded.
   * `sensitive`: it came as never to be indexed, and must be passed on so (section 6.2.3).
   * @returns false to stop, which ends the use of the decoder: a block whose fields are unwanted is decoded to its end all the same.
   */
  field(buf: Buffer, nameStart: number, nameEnd: number, valueStart: number, valueEnd: number, sensitive: boolean): boolean;
}

/** Continuation bytes of an integer: 7 bits each, so the sum stays below 2^28 + 2^8. */
const MAX_SHIFT = 21;
const SCRATCH_BYTES = 16 * 1024;
/** One large field must not stay for ever. */
const KEPT_SCRATCH_BYTES = 256 * 1024;
let scratch = Buffer.allocUnsafeSlow(SCRATCH_BYTES);

// The string or name that was read last.
let foundBuf: Buffer = scratch;
let foundStart = 0;
let foundEnd = 0;

export class HpackDecoder {
  private readonly table: HpackTable;
  /** What we allowed the peer: SETTINGS_HEADER_TABLE_SIZE. */
  private limit: number;
  /** The limit was lowered below the table's size: the next block begins with an update (section 4.2). */
  private mustUpdate = false;
  /** Where the next byte is read. */
  private at = 0;

  constructor(maxTableBytes: number) {
    this.table = new HpackTable(maxTableBytes);
    this.limit = maxTableBytes;
  }

  /** Our SETTINGS_HEADER_TABLE_SIZE as the peer has acknowledged it. */
  setMaxTableSize(bytes: number): void {
    this.limit = bytes;
    if (bytes < this.table.max) this.mustUpdate = true;
  }

  /** Decodes the complete block `[start, end)`. @returns 0, or a negative HPACK_… code */
  decode(buf: Buffer, start: number, end: number, sink: HpackSink): number {
    this.at = start;
    let fields = false;
    while (this.at < end) {
      const first = buf[this.at]!;
      let result: number;
      if (first >= 0x80) {
        // Nearly every field of a busy connection is one byte.
        const index = first < 0xff ? first & 0x7f : this.integer(buf, end, 0x7f);
        if (first < 0xff) this.at++;
        fields = true;
        result = this.mustUpdate ? HPACK_TABLE_SIZE : this.indexed(index, sink);
      } else if (first >= 0x20 && first < 0x40) {
        result = fields ? HPACK_TABLE_SIZE : this.update(this.integer(buf, end, 0x1f));
      } else {
        fields = true;
        result = this.mustUpdate ? HPACK_TABLE_SIZE : this.literal(buf, end, first, sink);
      }
      if (result < 0) return result;
    }
    if (scratch.length > KEPT_SCRATCH_BYTES) scratch = Buffer.allocUnsafeSlow(SCRATCH_BYTES);
    return 0;
  }

  private indexed(index: number, sink: HpackSink): number {
    if (index < 0) return index;
    if (index === 0) return HPACK_INDEX;
    if (index <= STATIC_LAST) {
      const i = index * 2;
      const valueStart = staticAt[i + 1]!;
      return sink.field(staticBytes, staticAt[i]!, valueStart, valueStart, staticAt[i + 2]!, false) ? 0 : HPACK_STOPPED;
    }
    const { table } = this;
    const age = index - STATIC_LAST - 1;
    if (age >= table.count) return HPACK_INDEX;
    const nameEnd = table.nameEnd(age);
    return sink.field(table.buf, table.nameStart(age), nameEnd, nameEnd, table.valueEnd(age), false) ? 0 : HPACK_STOPPED;
  }

  private update(bytes: number): number {
    if (bytes < 0) return bytes;
    if (bytes > this.limit) return HPACK_TABLE_SIZE;
    this.table.setMax(bytes);
    this.mustUpdate = false;
    return 0;
  }

  private literal(buf: Buffer, end: number, first: number, sink: HpackSink): number {
    const adds = first >= 0x40;
    const index = this.integer(buf, end, adds ? 0x3f : 0x0f);
    if (index < 0) return index;
    const named = index === 0 ? this.string(buf, end, 0) : this.name(index);
    if (named < 0) return named;
    const nameBuf = foundBuf;
    let nameStart = foundStart;
    let nameEnd = foundEnd;
    const valued = this.string(buf, end, nameEnd - nameStart);
    if (valued < 0) return valued;
    let valueStart = foundStart;
    let valueEnd = foundEnd;
    let where = foundBuf;
    if (nameBuf !== where) {
      // Both in one place; `string` has left room for the name before a value that it decoded.
      if (where !== scratch) {
        need(nameEnd - nameStart + valueEnd - valueStart);
        copyBytes(scratch, nameEnd - nameStart, where, valueStart, valueEnd);
        valueEnd += nameEnd - nameStart - valueStart;
        valueStart = nameEnd - nameStart;
      }
      if (nameBuf !== scratch) {
        copyBytes(scratch, 0, nameBuf, nameStart, nameEnd);
        nameEnd -= nameStart;
        nameStart = 0;
      }
      where = scratch;
    }
    if (adds) this.table.add(where, nameStart, nameEnd, where, valueStart, valueEnd);
    return sink.field(where, nameStart, nameEnd, valueStart, valueEnd, first >= 0x10 && !adds) ? 0 : HPACK_STOPPED;
  }

  /** The name of a table's entry into `found…`. */
  private name(index: number): number {
    if (index <= STATIC_LAST) {
      foundBuf = staticBytes;
      foundStart = staticAt[index * 2]!;
      foundEnd = staticAt[index * 2 + 1]!;
      return 0;
    }
    const age = index - STATIC_LAST - 1;
    if (age >= this.table.count) return HPACK_INDEX;
    foundBuf = this.table.buf;
    foundStart = this.table.nameStart(age);
    foundEnd = this.table.nameEnd(age);
    return 0;
  }

  /** A string literal (section 5.2) into `found…`: where it stands, or decoded into the scratch at `to`. */
  private string(buf: Buffer, end: number, to: number): number {
    if (this.at >= end) return HPACK_TRUNCATED;
    const huffman = buf[this.at]! >= 0x80;
    const length = this.integer(buf, end, 0x7f);
    if (length < 0) return length;
    const start = this.at;
    const stop = start + length;
    if (stop > end) return HPACK_TRUNCATED;
    this.at = stop;
    if (!huffman) {
      foundBuf = buf;
      foundStart = start;
      foundEnd = stop;
      return 0;
    }
    need(to + huffmanRoom(length));
    const decoded = readHuffman(scratch, to, buf, start, stop);
    if (decoded < 0) return HPACK_HUFFMAN;
    foundBuf = scratch;
    foundStart = to;
    foundEnd = decoded;
    return 0;
  }

  /** A prefixed integer (section 5.1), or a negative code. */
  private integer(buf: Buffer, end: number, mask: number): number {
    let value = buf[this.at++]! & mask;
    if (value < mask) return value;
    for (let shift = 0; shift <= MAX_SHIFT; shift += 7) {
      if (this.at >= end) return HPACK_TRUNCATED;
      const byte = buf[this.at++]!;
      value += (byte & 0x7f) << shift;
      if (byte < 0x80) return value;
    }
    return HPACK_INTEGER;
  }
}

/** Room in the scratch. What stands there already stays. */
function need(bytes: number): void {
  if (scratch.length >= bytes) return;
  const larger = Buffer.allocUnsafeSlow(bytes * 2);
  larger.set(scratch);
  scratch = larger;
}
