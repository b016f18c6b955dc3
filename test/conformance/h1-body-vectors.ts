// Bodies and what the reader must make of them. `←` stands behind the byte at which the answer is due.

import { BODY_CHUNKED, BODY_CLOSE, BODY_LENGTH, BODY_NONE } from '../../src/core/stream.ts';
import type { BodyKind } from '../../src/core/stream.ts';

export interface BodyExpected {
  readonly answer: string;
  readonly payload?: string;
  readonly trailers?: readonly string[];
  readonly dropped?: readonly string[];
  /** What of the input belongs to the next message. */
  readonly rest?: string;
}

export type BodyVector = readonly [title: string, kind: BodyKind, length: number, text: string, expected: BodyExpected];

const chunked = (title: string, text: string, expected: BodyExpected): BodyVector => [title, BODY_CHUNKED, -1, text, expected];
const refused = (answer: string, payload = ''): BodyExpected => ({ answer, payload });
const long = 'e'.repeat(4096 - 4);

export const BODY_VECTORS: readonly BodyVector[] = [
  ['no body', BODY_NONE, 0, '←GET / HTTP/1.1', { answer: 'done', payload: '', rest: 'GET / HTTP/1.1' }],
  ['a counted body', BODY_LENGTH, 5, 'hello←GET /', { answer: 'done', payload: 'hello', rest: 'GET /' }],
  ['a counted body that is short', BODY_LENGTH, 6, 'hello', { answer: 'more', payload: 'hello' }],
  ['a counted body of nothing', BODY_LENGTH, 0, '←x', { answer: 'done', payload: '', rest: 'x' }],
  ['any byte in a counted body', BODY_LENGTH, 8, '\r\n\r\n0\0\n\xff←', { answer: 'done', payload: '\r\n\r\n0\0\n\xff' }],
  ['until close', BODY_CLOSE, -1, '0\r\n\r\nanything', { answer: 'more', payload: '0\r\n\r\nanything' }],

  chunked('one chunk', '5\r\nhello\r\n0\r\n\r\n←', { answer: 'done', payload: 'hello', trailers: [], rest: '' }),
  chunked('several chunks', '1\r\na\r\n2\r\nbc\r\nA\r\n0123456789\r\n00\r\n\r\n←', { answer: 'done', payload: 'abc0123456789' }),
  chunked('an empty body', '0\r\n\r\n←GET /', { answer: 'done', payload: '', rest: 'GET /' }),
  chunked('hexadecimal in both cases', '1a\r\n' + 'x'.repeat(26) + '\r\n1A\r\n' + 'y'.repeat(26) + '\r\n0\r\n\r\n', { answer: 'done', payload: 'x'.repeat(26) + 'y'.repeat(26) }),
  chunked('sixteen digits', '0000000000000005\r\nhello\r\n0\r\n\r\n', { answer: 'done', payload: 'hello' }),
  chunked('seventeen digits', '00000000000000005←\r\nhello\r\n0\r\n\r\n', refused('chunk-too-large')),
  chunked('the largest size', '1fffffffffffff\r\nabc', { answer: 'more', payload: 'abc' }),
  chunked('one more than the largest size', '20000000000000←\r\nabc', refused('chunk-too-large')),
  chunked('a size that overflows 64 bits', 'ffffffffffffff←ff5\r\nabc', refused('chunk-too-large')),
  chunked('chunk framing inside the data', '7\r\n0\r\n\r\nX\r\r\n0\r\n\r\n←', { answer: 'done', payload: '0\r\n\r\nX\r' }),
  chunked('an extension', '5;a=b\r\nhello\r\n0;last\r\n\r\n←', { answer: 'done', payload: 'hello' }),
  chunked('a quoted extension', '5;a="b;c d\t"; e\r\nhello\r\n0\r\n\r\n', { answer: 'done', payload: 'hello' }),
  chunked('an extension of high bytes', '5;\xe9=\xff\r\nhello\r\n0\r\n\r\n', { answer: 'done', payload: 'hello' }),
  chunked('an empty extension', '5;\r\nhello\r\n0\r\n\r\n', { answer: 'done', payload: 'hello' }),
  chunked('the longest size line', `1;${long}\r\nx\r\n0\r\n\r\n`, { answer: 'done', payload: 'x' }),
  chunked('a longer size line', `1;${long}e\r\n←x\r\n0\r\n\r\n`, refused('chunk-line-too-long')),
  chunked('LF inside an extension', '5;a\n←b\r\nhello', refused('line-end')),
  chunked('CR inside an extension', '5;a\rb←\r\nhello', refused('line-end')),
  chunked('NUL inside an extension', '5;a\0←\r\nhello', refused('chunk-extension')),
  chunked('DEL inside an extension', '5;a\x7f←\r\nhello', refused('chunk-extension')),
  chunked('a bare LF behind the size', '5\n←hello\n0\n\n', refused('line-end')),
  chunked('a bare CR behind the size', '5\rh←ello', refused('line-end')),
  chunked('CR CR LF behind the size', '5\r\r←\nhello', refused('line-end')),
  chunked('no size', '\r←\nhello', refused('chunk-size')),
  chunked('an extension without a size', ';←a\r\nhello', refused('chunk-size')),
  chunked('a space before the size', ' ←5\r\nhello', refused('chunk-size')),
  chunked('a space behind the size', '5 ←\r\nhello', refused('chunk-size')),
  chunked('a tab before an extension', '5\t←;a\r\nhello', refused('chunk-size')),
  chunked('0x', '0x←5\r\nhello', refused('chunk-size')),
  chunked('a sign', '+←5\r\nhello', refused('chunk-size')),
  chunked('a minus', '-←1\r\nhello', refused('chunk-size')),
  chunked('not a digit', 'g←\r\nhello', refused('chunk-size')),
  chunked('a digit, then not a digit', '5g←\r\nhello', refused('chunk-size')),
  chunked('an underscore', '1_←0\r\nhello', refused('chunk-size')),
  chunked('a dot', '5.←0\r\nhello', refused('chunk-size')),
  chunked('NUL in the size', '5\0←\r\nhello', refused('chunk-size')),
  chunked('a high byte in the size', '\xb5←\r\nhello', refused('chunk-size')),
  chunked('data that is longer than its size', '5\r\nhello!←\r\n0\r\n\r\n', refused('chunk-end', 'hello')),
  chunked('data followed by LF', '5\r\nhello\n←0\r\n\r\n', refused('chunk-end', 'hello')),
  chunked('data followed by CR and something else', '5\r\nhello\r0←\r\n\r\n', refused('chunk-end', 'hello')),
  chunked('data followed by LF CR', '5\r\nhello\n←\r0\r\n\r\n', refused('chunk-end', 'hello')),
  chunked('a second chunk that is malformed', '5\r\nhello\r\nz←z\r\n', refused('chunk-size', 'hello')),
  chunked('the last chunk ended by LF LF', '0\r\n\n←', refused('line-end')),
  chunked('the last chunk ended by CR and something else', '0\r\n\rX←', refused('line-end')),
  chunked('unfinished size', '5', { answer: 'more', payload: '' }),
  chunked('unfinished data', '5\r\nhel', { answer: 'more', payload: 'hel' }),
  chunked('unfinished end of data', '5\r\nhello\r', { answer: 'more', payload: 'hello' }),
  chunked('unfinished last chunk', '5\r\nhello\r\n0\r\n\r', { answer: 'more', payload: 'hello' }),
  chunked('padding by extensions', `1;${long}\r\nx\r\n`.repeat(4) + `1;${long}\r\n←x\r\n0\r\n\r\n`, refused('chunk-overhead', 'xxxx')),
  chunked('many tiny chunks are no padding', '1\r\nx\r\n'.repeat(500) + '0\r\n\r\n', { answer: 'done', payload: 'x'.repeat(500) }),
  chunked('signed chunks are no padding', `40;chunk-signature=${'a'.repeat(64)}\r\n${'d'.repeat(64)}\r\n`.repeat(30) + '0\r\n\r\n', { answer: 'done', payload: 'd'.repeat(1920) }),

  chunked('a trailer', '1\r\nx\r\n0\r\nX-Sum: 7\r\n\r\n←GET', { answer: 'done', payload: 'x', trailers: ['X-Sum: 7'], dropped: [], rest: 'GET' }),
  chunked('trailers that must not come late', '0\r\nA: 1\r\nContent-Length: 5\r\nhost: b\r\nTransfer-Encoding: chunked\r\nConnection: close\r\nb:2\r\n\r\n', {
    answer: 'done',
    trailers: ['A: 1', 'Content-Length: 5', 'host: b', 'Transfer-Encoding: chunked', 'Connection: close', 'b: 2'],
    dropped: ['Content-Length', 'host', 'Transfer-Encoding', 'Connection'],
  }),
  chunked('a trailer with NUL', '0\r\nA: \0←\r\n\r\n', refused('value')),
  chunked('a trailer with a bare LF', '0\r\nA: b\n←\r\n\r\n', refused('line-end')),
  chunked('a trailer with a space before the colon', '0\r\nA ←: b\r\n\r\n', refused('space-before-colon')),
  chunked('a folded trailer', '0\r\nA: b\r\n ←c\r\n\r\n', refused('fold')),
  chunked('a trailer without a name', '0\r\n:← b\r\n\r\n', refused('name')),
  chunked('a request where a trailer is due', '0\r\nGET ←/ HTTP/1.1\r\n\r\n', refused('space-before-colon')),
  chunked('a hundred and one trailers', `0\r\n${'x: y\r\n'.repeat(101)}←\r\n`, refused('too-many-fields')),
  chunked('unfinished trailers', '0\r\nA: b\r\n', { answer: 'more' }),
];
