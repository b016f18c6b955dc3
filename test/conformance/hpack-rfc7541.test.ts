// The examples of RFC 7541 appendix C, field by field and table by table.

import t from 'tap';
import { HPACK_TABLE_SIZE, HpackDecoder } from '../../src/http/hpack-decoder.ts';
import { bytesOf, decodeBlock, tableOf } from '../http/hpack-harness.ts';

interface Step {
  readonly block: string;
  readonly fields: readonly string[];
  readonly table: readonly string[];
}

const AUTHORITY = ':authority: www.example.com';
const REQUEST = [':method: GET', ':scheme: http', ':path: /', AUTHORITY];
const CUSTOM = 'custom-key: custom-value';
const NO_CACHE = 'cache-control: no-cache';
const DATE = 'date: Mon, 21 Oct 2013 20:13:21 GMT';
const LATER = 'date: Mon, 21 Oct 2013 20:13:22 GMT';
const PRIVATE = 'cache-control: private';
const LOCATION = 'location: https://www.example.com';
const COOKIE = 'set-cookie: foo=ASDJKHQKBZXOQWEOPIUAXQWEOIU; max-age=3600; version=1';
const GZIP = 'content-encoding: gzip';

const requests = (first: string, second: string, third: string): Step[] => [
  { block: first, fields: REQUEST, table: [AUTHORITY] },
  { block: second, fields: [...REQUEST, NO_CACHE], table: [NO_CACHE, AUTHORITY] },
  {
    block: third, fields: [':method: GET', ':scheme: https', ':path: /index.html', AUTHORITY, CUSTOM],
    table: [CUSTOM, NO_CACHE, AUTHORITY],
  },
];

const responses = (first: string, second: string, third: string): Step[] => [
  { block: first, fields: [':status: 302', PRIVATE, DATE, LOCATION], table: [LOCATION, DATE, PRIVATE, ':status: 302'] },
  { block: second, fields: [':status: 307', PRIVATE, DATE, LOCATION], table: [':status: 307', LOCATION, DATE, PRIVATE] },
  { block: third, fields: [':status: 200', PRIVATE, LATER, LOCATION, GZIP, COOKIE], table: [COOKIE, GZIP, LATER] },
];

const EXAMPLES: readonly (readonly [title: string, tableBytes: number, steps: readonly Step[]])[] = [
  ['C.2.1 literal with indexing', 4096, [{
    block: '400a 6375 7374 6f6d 2d6b 6579 0d63 7573 746f 6d2d 6865 6164 6572',
    fields: ['custom-key: custom-header'], table: ['custom-key: custom-header'],
  }]],
  ['C.2.2 literal without indexing', 4096, [{ block: '040c 2f73 616d 706c 652f 7061 7468', fields: [':path: /sample/path'], table: [] }]],
  ['C.2.3 literal never indexed', 4096, [{
    block: '1008 7061 7373 776f 7264 0673 6563 7265 74', fields: ['password: secret (never)'], table: [],
  }]],
  ['C.2.4 indexed', 4096, [{ block: '82', fields: [':method: GET'], table: [] }]],
  ['C.3 requests', 4096, requests(
    '8286 8441 0f77 7777 2e65 7861 6d70 6c65 2e63 6f6d',
    '8286 84be 5808 6e6f 2d63 6163 6865',
    '8287 85bf 400a 6375 7374 6f6d 2d6b 6579 0c63 7573 746f 6d2d 7661 6c75 65',
  )],
  ['C.4 requests in Huffman code', 4096, requests(
    '8286 8441 8cf1 e3c2 e5f2 3a6b a0ab 90f4 ff',
    '8286 84be 5886 a8eb 1064 9cbf',
    '8287 85bf 4088 25a8 49e9 5ba9 7d7f 8925 a849 e95b b8e8 b4bf',
  )],
  ['C.5 responses', 256, responses(
    `4803 3330 3258 0770 7269 7661 7465 611d 4d6f 6e2c 2032 3120 4f63 7420 3230 3133 2032 303a 3133 3a32 3120 474d 546e
     1768 7474 7073 3a2f 2f77 7777 2e65 7861 6d70 6c65 2e63 6f6d`,
    '4803 3330 37c1 c0bf',
    `88c1 611d 4d6f 6e2c 2032 3120 4f63 7420 3230 3133 2032 303a 3133 3a32 3220 474d 54c0 5a04 677a 6970 7738 666f 6f3d
     4153 444a 4b48 514b 425a 584f 5157 454f 5049 5541 5851 5745 4f49 553b 206d 6178 2d61 6765 3d33 3630 303b 2076 6572
     7369 6f6e 3d31`,
  )],
  ['C.6 responses in Huffman code', 256, responses(
    `4882 6402 5885 aec3 771a 4b61 96d0 7abe 9410 54d4 44a8 2005 9504 0b81 66e0 82a6 2d1b ff6e 919d 29ad 1718 63c7 8f0b
     97c8 e9ae 82ae 43d3`,
    '4883 640e ffc1 c0bf',
    `88c1 6196 d07a be94 1054 d444 a820 0595 040b 8166 e084 a62d 1bff c05a 839b d9ab 77ad 94e7 821d d7f2 e6c7 b335 dfdf
     cd5b 3960 d5af 2708 7f36 72c1 ab27 0fb5 291f 9587 3160 65c0 03ed 4ee5 b106 3d50 07`,
  )],
];

for (const [title, tableBytes, steps] of EXAMPLES) {
  const decoder = new HpackDecoder(tableBytes);
  steps.forEach(({ block, fields, table }, i) => {
    t.strictSame(decodeBlock(decoder, bytesOf(block)), fields, `${title}, block ${i + 1}: fields`);
    t.strictSame(tableOf(decoder), table, `${title}, block ${i + 1}: table`);
  });
}

t.test('C.1 integers, as table sizes', async (t) => {
  t.strictSame(decodeBlock(new HpackDecoder(10), bytesOf('2a')), [], 'C.1.1: 10');
  t.equal(decodeBlock(new HpackDecoder(9), bytesOf('2a')), HPACK_TABLE_SIZE, 'and no less');
  t.strictSame(decodeBlock(new HpackDecoder(1337), bytesOf('3f9a0a')), [], 'C.1.2: 1337');
  t.equal(decodeBlock(new HpackDecoder(1336), bytesOf('3f9a0a')), HPACK_TABLE_SIZE, 'and no less');
});
