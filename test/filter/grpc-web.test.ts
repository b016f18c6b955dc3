// Base64 in pieces, cut anywhere.

import t from 'tap';

import { Base64Reader } from '../../src/filter/grpc-web/base64-reader.ts';

function decode(pieces: readonly string[]): string | null {
  const reader = new Base64Reader();
  let text = '';
  for (const [i, piece] of pieces.entries()) {
    const bytes = reader.read(Buffer.from(piece, 'latin1'), i === pieces.length - 1);
    if (bytes === null) return null;
    text += bytes.toString('latin1');
  }
  return text;
}

t.test('every split gives the same bytes', async (t) => {
  for (const plain of ['', 'a', 'ab', 'abc', '\0\0\0\0\x05hello', 'x'.repeat(50)]) {
    const text = Buffer.from(plain, 'latin1').toString('base64');
    for (let cut = 0; cut <= text.length; cut++) t.equal(decode([text.slice(0, cut), text.slice(cut)]), plain);
    t.equal(decode([...text, '']), plain);
  }
});

t.test('several padded texts behind each other', async (t) => {
  const parts = ['a', 'bc', 'def', 'g'];
  const text = parts.map((part) => Buffer.from(part).toString('base64')).join('');
  t.equal(decode([text]), 'abcdefg');
  for (let cut = 0; cut <= text.length; cut++) t.equal(decode([text.slice(0, cut), text.slice(cut)]), 'abcdefg');
});

t.test('what is no base64', async (t) => {
  for (const text of ['a', 'ab', 'abc', 'ab=c', '=abc', 'ab d', 'a===', 'abc_', '====', 'YQ==b']) t.equal(decode([text]), null, text);
});
