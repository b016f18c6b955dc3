// ns per head and per byte of the HTTP/1.1 parser and body reader. Run: node build/bench/micro/http/h1-parser.js

import { Head } from '../../../src/core/head.ts';
import { BODY_CHUNKED } from '../../../src/core/stream.ts';
import { BodyReader } from '../../../src/http/h1-body.ts';
import { parseRequestHead, parseResponseHead } from '../../../src/http/h1-parser.ts';
import { DEFAULT_HEAD_LIMITS } from '../../../src/http/h1-state.ts';
import { BROWSER_REQUEST, measure, RESPONSE, TINY_REQUEST } from '../../samples/http-heads.ts';

const TIMES = 400;
// As on the road: the bytes stand somewhere in a worker-wide buffer, and Heads are pooled.
const buffer = Buffer.allocUnsafeSlow(262144);
const head = new Head();

function bench(title: string, parse: typeof parseRequestHead, bytes: Buffer): void {
  measure(title, bytes.length, TIMES, (times) => {
    for (let i = 0; i < times; i++) {
      const at = (i & 127) * 1024;
      head.reset();
      if (parse(head, buffer, at, at + bytes.length, DEFAULT_HEAD_LIMITS) !== bytes.length) throw new Error('not parsed');
    }
  });
}

function load(bytes: Buffer): void {
  for (let i = 0; i < 128; i++) bytes.copy(buffer, i * 1024);
}

for (let round = 0; round < 2; round++) {
  load(TINY_REQUEST);
  bench('request, 1 field', parseRequestHead, TINY_REQUEST);
  load(BROWSER_REQUEST);
  bench('request, 11 fields', parseRequestHead, BROWSER_REQUEST);
  load(RESPONSE);
  bench('response, 12 fields', parseResponseHead, RESPONSE);
}

const chunked = Buffer.from('400\r\n' + 'x'.repeat(1024) + '\r\n0\r\n\r\n', 'latin1');
const reader = new BodyReader();
measure('chunked body, 1 chunk of 1 KiB', chunked.length, TIMES, (times) => {
  for (let i = 0; i < times; i++) {
    reader.begin(BODY_CHUNKED, -1);
    let pos = 0;
    while (!reader.done) pos = reader.read(chunked, pos, chunked.length);
  }
});
