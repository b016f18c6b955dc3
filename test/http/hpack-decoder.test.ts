// The decoder on bad input: every rule of RFC 7541 that a block can break, every place it can be cut at, and what may grow.

import t from 'tap';
import {
  HPACK_HUFFMAN, HPACK_INDEX, HPACK_INTEGER, HPACK_STOPPED, HPACK_TABLE_SIZE, HPACK_TRUNCATED, HpackDecoder,
} from '../../src/http/hpack-decoder.ts';
import { bytesOf, decodeBlock, FieldList, tableOf } from './hpack-harness.ts';

/** Literal with indexing, new name, both plain. */
function added(name: string, value: string): Buffer {
  return Buffer.concat([Buffer.from([0x40]), plain(name), plain(value)]);
}

function plain(text: string): Buffer {
  const bytes = Buffer.from(text, 'latin1');
  if (bytes.length < 127) return Buffer.concat([Buffer.from([bytes.length]), bytes]);
  const length = [0x7f];
  let rest = bytes.length - 127;
  for (; rest >= 128; rest >>= 7) length.push((rest & 127) | 128);
  return Buffer.concat([Buffer.from([...length, rest]), bytes]);
}

const REFUSED: readonly (readonly [title: string, hex: string, code: number])[] = [
  ['index 0', '80', HPACK_INDEX],
  ['index behind an empty table', 'be', HPACK_INDEX],
  ['index far beyond', 'ffffff00', HPACK_INDEX],
  ['name index behind an empty table', '7e0161', HPACK_INDEX],
  ['name index beyond, without indexing', '0f30 0161', HPACK_INDEX],
  ['name index beyond, never indexed', '1f30 0161', HPACK_INDEX],
  ['integer of 2^28 and more', 'ffffffffff7f', HPACK_INTEGER],
  ['integer padded with zeros', 'ff8080808000', HPACK_INTEGER],
  ['integer that never ends', 'ffffffffffffffffffff', HPACK_INTEGER],
  ['length of a string beyond 2^28', '007fffffffff7f', HPACK_INTEGER],
  ['integer cut off', 'ff', HPACK_TRUNCATED],
  ['integer cut off later', 'ff80', HPACK_TRUNCATED],
  ['string longer than the block', '000561', HPACK_TRUNCATED],
  ['no value', '000161', HPACK_TRUNCATED],
  ['no name', '40', HPACK_TRUNCATED],
  ['table size above the limit', '3fe21f', HPACK_TABLE_SIZE],
  ['table size behind a field', '8220', HPACK_TABLE_SIZE],
  ['table size behind a literal', '000161016220', HPACK_TABLE_SIZE],
  ['Huffman: a byte of padding', '00 82 1fff 0161', HPACK_HUFFMAN],
  ['Huffman: nothing but padding', '00 81 ff 0161', HPACK_HUFFMAN],
  ['Huffman: padding of zeros', '00 81 18 0161', HPACK_HUFFMAN],
  ['Huffman: EOS', '00 84 ffffffff 0161', HPACK_HUFFMAN],
  ['Huffman: EOS behind a symbol', '00 85 1fffffffff 0161', HPACK_HUFFMAN],
  ['Huffman: a symbol cut off', '00 82 fffe 0161', HPACK_HUFFMAN],
  ['Huffman in a value', '0001 61 81 18', HPACK_HUFFMAN],
];

for (const [title, hex, code] of REFUSED) t.equal(decodeBlock(new HpackDecoder(4096), bytesOf(hex)), code, title);

t.test('what is unusual but right', async (t) => {
  const accepted: readonly (readonly [title: string, hex: string, fields: string[]])[] = [
    ['an empty block', '', []],
    ['an empty name and value: the sink may refuse them', '000000', [': ']],
    ['empty strings in Huffman code', '008080', [': ']],
    ['two size updates at the beginning', '203fe11f82', [':method: GET']],
    ['an index padded with one zero', 'ff80008 2'.replace(' ', ''), ['']],
    ['seven bits of padding', '00 82 ff cf 0161'.replace('ff cf', '64 02'), ['302: a']],
    ['every index of the static table', 'bd', ['www-authenticate: ']],
  ];
  for (const [title, hex, fields] of accepted) {
    if (fields[0] === '') t.equal(decodeBlock(new HpackDecoder(4096), bytesOf(hex)), HPACK_INDEX, `${title} is 127, which is beyond`);
    else t.strictSame(decodeBlock(new HpackDecoder(4096), bytesOf(hex)), fields, title);
  }
});

t.test('a block cut off at any byte is truncated, never misread', async (t) => {
  const whole = bytesOf(`8286 8441 8cf1 e3c2 e5f2 3a6b a0ab 90f4 ff 4088 25a8 49e9 5ba9 7d7f 8925 a849 e95b b8e8 b4bf
    1008 7061 7373 776f 7264 0673 6563 7265 74 0f0d 03 313233`);
  const fields = decodeBlock(new HpackDecoder(4096), whole) as string[];
  t.equal(fields.length, 7);
  for (let cut = 0; cut < whole.length; cut++) {
    const found = decodeBlock(new HpackDecoder(4096), whole.subarray(0, cut));
    if (typeof found === 'number') t.equal(found, HPACK_TRUNCATED, `cut at ${cut}`);
    else t.strictSame(found, fields.slice(0, found.length), `cut at ${cut}, between fields`);
  }
});

t.test('a lowered limit must be confirmed first in the next block', async (t) => {
  const decoder = new HpackDecoder(4096);
  decodeBlock(decoder, added('a', 'b'));
  decoder.setMaxTableSize(100);
  t.equal(decodeBlock(decoder, bytesOf('82')), HPACK_TABLE_SIZE, 'a field comes first');
  const other = new HpackDecoder(4096);
  other.setMaxTableSize(100);
  t.equal(decodeBlock(other, bytesOf('3f46 82')), HPACK_TABLE_SIZE, 'an update to 101');
  const third = new HpackDecoder(4096);
  decodeBlock(third, added('a', 'b'));
  third.setMaxTableSize(100);
  t.strictSame(decodeBlock(third, bytesOf('3f45 be')), ['a: b'], 'an update to 100, and the table stays');
  t.strictSame(decodeBlock(third, bytesOf('20')), []);
  t.equal(decodeBlock(third, bytesOf('be')), HPACK_INDEX, 'an update to 0 empties it');
  third.setMaxTableSize(4096);
  t.strictSame(decodeBlock(third, bytesOf('82')), [':method: GET'], 'a raised limit may be left alone');
});

t.test('eviction', async (t) => {
  const decoder = new HpackDecoder(34 * 3);
  for (const name of 'abcdefg') decodeBlock(decoder, added(name, name));
  t.strictSame(tableOf(decoder), ['g: g', 'f: f', 'e: e'], 'the oldest go');
  t.strictSame(decodeBlock(decoder, added('large', 'x'.repeat(100))), [`large: ${'x'.repeat(100)}`], 'an entry larger than the table is a field all the same');
  t.strictSame(tableOf(decoder), [], 'and empties it');
  decodeBlock(decoder, added('name', 'a'));
  t.strictSame(decodeBlock(decoder, Buffer.concat([bytesOf('7e'), plain('y'.repeat(60))])), [`name: ${'y'.repeat(60)}`], 'a name from the entry that its own addition evicts');
  t.strictSame(tableOf(decoder), [`name: ${'y'.repeat(60)}`]);
});

t.test('the table after many additions is what a list would be', async (t) => {
  const decoder = new HpackDecoder(1000);
  const model: string[] = [];
  let size = 0;
  for (let i = 0; i < 5000; i++) {
    const name = `n${i % 7}`;
    const value = 'v'.repeat((i * 7919) % 90) + i;
    decodeBlock(decoder, added(name, value));
    model.unshift(`${name}: ${value}`);
    size += name.length + value.length + 32;
    while (size > 1000) size -= model.pop()!.length - 2 + 32;
    if (i % 97 === 0) t.strictSame(tableOf(decoder), model, `after ${i}`);
  }
});

t.test('a bomb grows no faster than the sink lets it', async (t) => {
  const decoder = new HpackDecoder(4096);
  decodeBlock(decoder, added('a', 'x'.repeat(4000)));
  const list = new FieldList(15);
  const bomb = Buffer.alloc(60_000, 0xbe);
  t.equal(decoder.decode(bomb, 0, bomb.length, list), HPACK_STOPPED);
  t.equal(list.fields.length, 15, 'of sixty thousand');
});

t.test('a large value leaves later ones alone', async (t) => {
  const decoder = new HpackDecoder(4096);
  const huge = 'z'.repeat(300_000);
  t.strictSame(decodeBlock(decoder, added('n', huge)), [`n: ${huge}`]);
  t.strictSame(decodeBlock(decoder, added('n', 'small')), ['n: small']);
});
