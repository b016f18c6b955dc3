// The encoder against our decoder (whose truth is the RFC's examples): what goes in comes out, at its price, and no secret stays.

import t from 'tap';
import { HpackDecoder } from '../../src/http/hpack-decoder.ts';
import { HpackEncoder } from '../../src/http/hpack-encoder.ts';
import { STATIC_AUTHORITY, STATIC_PATH } from '../../src/http/hpack-static.ts';
import { decodeBlock, tableOf } from './hpack-harness.ts';

const out = Buffer.alloc(1 << 20);

type Field = readonly [name: string, value: string, sensitive?: boolean];

function block(encoder: HpackEncoder, fields: readonly Field[]): Buffer {
  let at = encoder.begin(out, 0);
  for (const [name, value, sensitive] of fields) {
    const bytes = Buffer.from(`..${name}: ${value}..`, 'latin1');
    at = encoder.field(out, at, bytes, 2, 2 + name.length, 4 + name.length, 4 + name.length + value.length, sensitive);
  }
  return Buffer.from(out.subarray(0, at));
}

function textBlock(encoder: HpackEncoder, fields: readonly Field[]): Buffer {
  let at = encoder.begin(out, 0);
  for (const [name, value] of fields) at = encoder.text(out, at, name, value);
  return Buffer.from(out.subarray(0, at));
}

t.test('a field that repeats costs a literal, an entry, then a byte', async (t) => {
  const encoder = new HpackEncoder();
  const decoder = new HpackDecoder(4096);
  const fields: Field[] = [['User-Agent', 'Mozilla/5.0 (X11; Linux x86_64)'], ['x-custom', 'value of some length']];
  const expected = ['user-agent: Mozilla/5.0 (X11; Linux x86_64)', 'x-custom: value of some length'];
  const sizes = [0, 1, 2, 3].map((round) => {
    const bytes = round === 2 ? textBlock(encoder, fields) : block(encoder, fields);
    t.strictSame(decodeBlock(decoder, bytes), expected, `block ${round}`);
    return bytes.length;
  });
  t.ok(sizes[1]! < sizes[0]!, 'Huffman code for what enters the table');
  t.strictSame(sizes.slice(2), [2, 2], 'bytes and strings alike');
  t.strictSame(tableOf(decoder), [...expected].reverse());
});

t.test('what never repeats evicts nothing', async (t) => {
  const encoder = new HpackEncoder();
  const decoder = new HpackDecoder(4096);
  for (let i = 0; i < 500; i++) {
    const bytes = block(encoder, [['accept', 'text/html'], ['x-request-id', `0f4e7a10-${i}-aa`]]);
    t.strictSame(decodeBlock(decoder, bytes), ['accept: text/html', `x-request-id: 0f4e7a10-${i}-aa`]);
  }
  t.strictSame(tableOf(decoder), ['accept: text/html']);
});

t.test('secrets are never indexed, however often they come', async (t) => {
  const encoder = new HpackEncoder();
  const decoder = new HpackDecoder(4096);
  const secrets: Field[] = [
    ['Authorization', 'Basic abc'], ['proxy-authorization', 'x'], ['cookie', 'a=b'], ['set-cookie', 'c=d'], ['x-api-key', 'k'],
  ];
  for (let i = 0; i < 5; i++) {
    const expected = secrets.map(([name, value]) => `${name.toLowerCase()}: ${value} (never)`);
    t.strictSame(decodeBlock(decoder, block(encoder, secrets)), expected);
    t.strictSame(decodeBlock(decoder, textBlock(encoder, secrets)), expected);
    t.strictSame(decodeBlock(decoder, block(encoder, [['x-mine', 'v', true]])), ['x-mine: v (never)'], 'what came so goes so');
  }
  t.strictSame(tableOf(decoder), []);
});

t.test('pseudo-headers', async (t) => {
  const encoder = new HpackEncoder();
  const decoder = new HpackDecoder(4096);
  for (let round = 0; round < 3; round++) {
    for (const method of ['GET', 'POST', 'DELETE']) {
      let at = encoder.method(out, encoder.begin(out, 0), method);
      at = encoder.scheme(out, at, method === 'GET' ? 'http' : 'https');
      at = encoder.pseudo(out, at, STATIC_PATH, method === 'GET' ? '/' : '/a?b');
      const host = Buffer.from('example.com');
      at = encoder.pseudoBytes(out, at, STATIC_AUTHORITY, host, 0, host.length);
      t.strictSame(decodeBlock(decoder, out.subarray(0, at)), [
        `:method: ${method}`, `:scheme: ${method === 'GET' ? 'http' : 'https'}`, `:path: ${method === 'GET' ? '/' : '/a?b'}`,
        ':authority: example.com',
      ]);
    }
  }
  for (let status = 100; status < 1000; status++) {
    const at = encoder.status(out, 0, status);
    t.strictSame(decodeBlock(decoder, out.subarray(0, at)), [`:status: ${status}`]);
    t.equal(at, [200, 204, 206, 304, 400, 404, 500].includes(status) ? 1 : 5);
  }
});

t.test('the size that the peer allows', async (t) => {
  const encoder = new HpackEncoder();
  const decoder = new HpackDecoder(4096);
  const fields: Field[] = [['x-a', 'one value'], ['x-b', 'another value']];
  for (let i = 0; i < 3; i++) decodeBlock(decoder, block(encoder, fields));
  t.equal(tableOf(decoder).length, 2);
  encoder.setMaxTableSize(0);
  encoder.setMaxTableSize(200);
  decoder.setMaxTableSize(0);
  decoder.setMaxTableSize(200);
  const bytes = block(encoder, fields);
  t.strictSame([bytes[0], bytes[1], bytes[2], bytes[3]! & 0x60], [0x20, 0x3f, 0xa9, 0x00], 'both updates, the smallest first');
  t.strictSame(decodeBlock(decoder, bytes), ['x-a: one value', 'x-b: another value']);
  encoder.setMaxTableSize(1 << 20);
  decoder.setMaxTableSize(4096);
  for (let i = 0; i < 3; i++) t.strictSame(decodeBlock(decoder, block(encoder, fields)), ['x-a: one value', 'x-b: another value'], 'no more than our own size is used');
  const none = new HpackEncoder(0);
  for (let i = 0; i < 3; i++) {
    const second = block(none, fields);
    t.equal(second[0], i === 0 ? 0x20 : 0x00);
    t.strictSame(decodeBlock(new HpackDecoder(4096), second), ['x-a: one value', 'x-b: another value'], 'every block stands alone');
  }
});

t.test('every byte, and lengths around the limits of a prefix', async (t) => {
  const encoder = new HpackEncoder();
  const decoder = new HpackDecoder(4096);
  const all = Buffer.from(Array.from({ length: 256 }, (_, i) => i)).latin1Slice();
  for (let round = 0; round < 3; round++) {
    for (const value of [all, '', 'a', '\xff'.repeat(30), 'e'.repeat(126), 'e'.repeat(127), 'e'.repeat(128), 'e'.repeat(254), 'e'.repeat(255), 'e'.repeat(5000), 'e'.repeat(70_000)]) {
      t.strictSame(decodeBlock(decoder, block(encoder, [['x', value]])), [`x: ${value}`]);
      t.strictSame(decodeBlock(decoder, textBlock(encoder, [['Y'.repeat(200), value]])), [`${'y'.repeat(200)}: ${value}`]);
    }
  }
});
