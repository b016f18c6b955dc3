// ns per header block, both ways. Run: node build/bench/micro/http/hpack.js

import { Head } from '../../../src/core/head.ts';
import { SPAN } from '../../../src/core/head.ts';
import { parseRequestHead, parseResponseHead } from '../../../src/http/h1-parser.ts';
import { DEFAULT_HEAD_LIMITS } from '../../../src/http/h1-state.ts';
import { HpackDecoder } from '../../../src/http/hpack-decoder.ts';
import type { HpackSink } from '../../../src/http/hpack-decoder.ts';
import { HpackEncoder } from '../../../src/http/hpack-encoder.ts';
import { BROWSER_REQUEST, measure, RESPONSE, TINY_REQUEST } from '../../samples/http-heads.ts';

const TIMES = 400;
const out = Buffer.allocUnsafeSlow(65536);

class Counter implements HpackSink {
  bytes = 0;

  field(_buf: Buffer, nameStart: number, nameEnd: number, valueStart: number, valueEnd: number): boolean {
    this.bytes += nameEnd - nameStart + valueEnd - valueStart;
    return true;
  }
}

function encode(encoder: HpackEncoder, head: Head): number {
  let at = encoder.begin(out, 0);
  const { spans, base } = head;
  for (let i = 0; i < head.count; i++) {
    const s = i * SPAN;
    at = encoder.field(out, at, head.buf, base + spans[s]!, base + spans[s + 1]!, base + spans[s + 2]!, base + spans[s + 3]!);
  }
  return at;
}

function bench(title: string, parse: typeof parseRequestHead, bytes: Buffer): void {
  const head = new Head();
  parse(head, bytes, 0, bytes.length, DEFAULT_HEAD_LIMITS);
  const sink = new Counter();
  const encoder = new HpackEncoder();
  const first = Buffer.from(out.subarray(0, encode(encoder, head)));
  const second = Buffer.from(out.subarray(0, encode(encoder, head)));
  const third = Buffer.from(out.subarray(0, encode(encoder, head)));
  measure(`encode ${title}, repeated`, head.length, TIMES, (times) => {
    for (let i = 0; i < times; i++) encode(encoder, head);
  });
  const none = new HpackEncoder(0);
  measure(`encode ${title}, literals`, head.length, TIMES, (times) => {
    for (let i = 0; i < times; i++) encode(none, head);
  });
  const decoder = new HpackDecoder(4096);
  measure(`decode ${title}, literals`, head.length, TIMES, (times) => {
    for (let i = 0; i < times; i++) decoder.decode(first, 0, first.length, sink);
  });
  measure(`decode ${title}, Huffman and additions`, head.length, TIMES, (times) => {
    for (let i = 0; i < times; i++) decoder.decode(second, 0, second.length, sink);
  });
  decoder.decode(second, 0, second.length, sink);
  measure(`decode ${title}, repeated`, head.length, TIMES, (times) => {
    for (let i = 0; i < times; i++) decoder.decode(third, 0, third.length, sink);
  });
}

for (let round = 0; round < 2; round++) {
  bench('request, 1 field', parseRequestHead, TINY_REQUEST);
  bench('request, 11 fields', parseRequestHead, BROWSER_REQUEST);
  bench('response, 12 fields', parseResponseHead, RESPONSE);
}
