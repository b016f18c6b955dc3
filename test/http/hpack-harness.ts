// Blocks decoded into lists of text, and what stands in a decoder's table.

import type { HpackDecoder } from '../../src/http/hpack-decoder.ts';
import type { HpackSink } from '../../src/http/hpack-decoder.ts';

/** `name: value`, with ` (never)` behind those that must not be indexed. */
export class FieldList implements HpackSink {
  readonly fields: string[] = [];
  private left: number;

  constructor(atMost = Infinity) {
    this.left = atMost;
  }

  field(buf: Buffer, nameStart: number, nameEnd: number, valueStart: number, valueEnd: number, sensitive: boolean): boolean {
    this.fields.push(`${buf.latin1Slice(nameStart, nameEnd)}: ${buf.latin1Slice(valueStart, valueEnd)}${sensitive ? ' (never)' : ''}`);
    return --this.left > 0;
  }
}

export function bytesOf(hex: string): Buffer {
  return Buffer.from(hex.replace(/\s+/g, ''), 'hex');
}

/** The fields, or the error code. The block stands in the middle of a buffer that holds other things around it. */
export function decodeBlock(decoder: HpackDecoder, block: Buffer): string[] | number {
  const room = Buffer.alloc(block.length + 20, 0xff);
  block.copy(room, 7);
  const list = new FieldList();
  const result = decoder.decode(room, 7, 7 + block.length, list);
  return result === 0 ? list.fields : result;
}

/** What stands in the table, newest first: every index asked for until one is beyond it. */
export function tableOf(decoder: HpackDecoder): string[] {
  const entries: string[] = [];
  for (let index = 62; index < 0x7f; index++) {
    const found = decodeBlock(decoder, Buffer.from([0x80 | index]));
    if (typeof found === 'number') break;
    entries.push(...found);
  }
  return entries;
}
