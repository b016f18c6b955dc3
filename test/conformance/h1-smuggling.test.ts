// The known ways to make two parsers disagree about where a request ends. Each stream of bytes is read as a server reads a
// connection: head, body, next head. What counts is that the second request, the smuggled one, is never seen.

import t from 'tap';
import { Head } from '../../src/core/head.ts';
import { BodyReader } from '../../src/http/h1-body.ts';
import { describeError } from '../../src/http/h1-errors.ts';
import { requestBody } from '../../src/http/h1-framing.ts';
import { parseRequestHead } from '../../src/http/h1-parser.ts';
import { DEFAULT_HEAD_LIMITS } from '../../src/http/h1-state.ts';

/** The targets of all requests that a connection would carry out, and the error's status that ends it (0: none). */
function serve(bytes: Buffer): { targets: string[]; status: number } {
  const targets: string[] = [];
  const reader = new BodyReader();
  let pos = 0;
  while (pos < bytes.length) {
    const head = new Head();
    const length = parseRequestHead(head, bytes, pos, bytes.length, DEFAULT_HEAD_LIMITS);
    if (length < 0) return { targets, status: describeError(length).status };
    if (length === 0) return { targets, status: 0 };
    const target = bytes.latin1Slice(pos + head.targetStart, pos + head.targetEnd);
    pos += length;
    reader.begin(requestBody(head), head.contentLength);
    while (!reader.done && pos < bytes.length) {
      pos = reader.read(bytes, pos, bytes.length);
      if (pos < 0) return { targets, status: describeError(pos).status };
    }
    if (!reader.done) return { targets, status: 0 };
    targets.push(target);
  }
  return { targets, status: 0 };
}

const INNER = 'GET /smuggled HTTP/1.1\r\nHost: a\r\n\r\n';
const head = (fields: string): string => `POST /outer HTTP/1.1\r\nHost: a\r\n${fields}\r\n`;
const inChunks = `0\r\n\r\n${INNER}`;

/** Refused before anything is carried out. */
const REFUSED: readonly (readonly [string, string, number])[] = [
  ['CL.TE', head('Content-Length: 6\r\nTransfer-Encoding: chunked\r\n') + inChunks, 400],
  ['TE.CL', head('Transfer-Encoding: chunked\r\nContent-Length: 4\r\n') + `22\r\n${INNER}\r\n0\r\n\r\n`, 400],
  ['CL.CL unequal', head('Content-Length: 0\r\nContent-Length: 36\r\n') + INNER, 400],
  ['CL.CL equal', head('Content-Length: 36\r\nContent-Length: 36\r\n') + INNER, 400],
  ['CL list', head('Content-Length: 0, 36\r\n') + INNER, 400],
  ['CL with a sign', head('Content-Length: +36\r\n') + INNER, 400],
  ['CL in hexadecimal', head('Content-Length: 0x24\r\n') + INNER, 400],
  ['CL with a space before the colon', head('Content-Length : 36\r\n') + INNER, 400],
  ['CL folded', head('Content-Length:\r\n 36\r\n') + INNER, 400],
  ['CL hidden behind NUL', head('Content-Length: 36\0\r\n') + INNER, 400],
  ['CL hidden behind a bare CR', head('X: y\rContent-Length: 36\r\n') + INNER, 400],
  ['CL hidden behind a bare LF', head('X: y\nContent-Length: 36\r\n') + INNER, 400],
  ['TE hidden behind a bare LF', head('X: y\nTransfer-Encoding: chunked\r\n') + inChunks, 400],
  ['TE with a space before the colon', head('Transfer-Encoding : chunked\r\nContent-Length: 6\r\n') + inChunks, 400],
  ['TE with a tab before the colon', head('Transfer-Encoding\t: chunked\r\n') + inChunks, 400],
  ['TE with VT before the value', head('Transfer-Encoding:\x0bchunked\r\n') + inChunks, 400],
  ['TE folded', head('Transfer-Encoding:\r\n chunked\r\nContent-Length: 6\r\n') + inChunks, 501],
  ['TE led by a space', head(' Transfer-Encoding: chunked\r\n') + inChunks, 400],
  ['TE twice, second unknown', head('Transfer-Encoding: chunked\r\nTransfer-Encoding: x\r\n') + inChunks, 400],
  ['TE twice, first unknown', head('Transfer-Encoding: x\r\nTransfer-Encoding: chunked\r\n') + inChunks, 501],
  ['TE xchunked', head('Transfer-Encoding: xchunked\r\nContent-Length: 6\r\n') + inChunks, 501],
  ['TE quoted', head("Transfer-Encoding: 'chunked'\r\n") + inChunks, 501],
  ['TE list', head('Transfer-Encoding: identity, chunked\r\n') + inChunks, 501],
  ['TE identity', head('Transfer-Encoding: identity\r\nContent-Length: 6\r\n') + inChunks, 501],
  ['TE with a trailing high byte', head('Transfer-Encoding: chunked\xa0\r\n') + inChunks, 501],
  ['TE in HTTP/1.0', `POST /outer HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n${inChunks}`, 400],
  ['a name that ends in NUL', head('Transfer-Encoding\0: chunked\r\n') + inChunks, 400],
  ['a line without a colon', head('Transfer-Encoding\r\n') + inChunks, 400],
  ['an empty name before the framing', head(': x\r\nTransfer-Encoding: chunked\r\n') + inChunks, 400],
  ['two hosts', `GET /outer HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n`, 400],
  ['a host that names two', `GET /outer HTTP/1.1\r\nHost: a, b\r\n\r\n`, 400],
  ['a host with a user', `GET /outer HTTP/1.1\r\nHost: a@b\r\n\r\n`, 400],
  ['a request line split by a bare CR', `GET /outer HTTP/1.1\rHost: a\r\n\r\n`, 400],
  ['a second request in the target', `GET /outer HTTP/1.1 GET /smuggled HTTP/1.1\r\nHost: a\r\n\r\n`, 400],
  ['a head ended by LF LF', `GET /outer HTTP/1.1\r\nHost: a\n\n${INNER}`, 400],
  ['chunk size with a space', head('Transfer-Encoding: chunked\r\n') + `0 \r\n\r\n${INNER}`, 400],
  ['chunk size as 0x0', head('Transfer-Encoding: chunked\r\n') + `0x0\r\n\r\n${INNER}`, 400],
  ['chunk size that wraps at 64 bits', head('Transfer-Encoding: chunked\r\n') + `10000000000000000\r\n\r\n${INNER}`, 400],
  ['chunk size that wraps at 32 bits', head('Transfer-Encoding: chunked\r\n') + `fffffffffffffff0\r\nabc\r\n${INNER}`, 400],
  ['chunk data that is too long', head('Transfer-Encoding: chunked\r\n') + `1\r\nabc\r\n0\r\n\r\n${INNER}`, 400],
  ['chunk data that is too short', head('Transfer-Encoding: chunked\r\n') + `4\r\na\r\n0\r\n\r\n${INNER}`, 400],
  ['chunk line ended by LF', head('Transfer-Encoding: chunked\r\n') + `0\n\n${INNER}`, 400],
  ['chunk extension with LF', head('Transfer-Encoding: chunked\r\n') + `2;\nxx\r\n36\r\n0\r\n\r\n${INNER}`, 400],
  ['chunk extension with CR', head('Transfer-Encoding: chunked\r\n') + `2;\rxx\r\n0\r\n\r\n${INNER}`, 400],
  ['a trailer that would frame', head('Transfer-Encoding: chunked\r\n') + `0\r\nContent-Length : 36\r\n\r\n${INNER}`, 400],
];

for (const [title, text, status] of REFUSED) t.strictSame(serve(Buffer.from(text, 'latin1')), { targets: [], status }, title);

t.test('what is read is read once', (t) => {
  const both = (text: string): string[] => serve(Buffer.from(text, 'latin1')).targets;
  t.strictSame(both(head('Content-Length: 35\r\n') + INNER.slice(0, 35)), ['/outer'], 'a body that looks like a request');
  t.strictSame(both(head('Transfer-Encoding: chunked\r\n') + `${INNER.length.toString(16)}\r\n${INNER}\r\n0\r\n\r\n`), ['/outer'], 'a chunk that looks like a request');
  t.strictSame(both(head('Transfer-Encoding: chunked\r\n') + inChunks), ['/outer', '/smuggled'], 'pipelined, not smuggled');
  t.strictSame(both(head('') + INNER), ['/outer', '/smuggled'], 'no framing means no body');
  t.strictSame(both(head('X-Content-Length: 36\r\nXTransfer-Encoding: chunked\r\n') + INNER), ['/outer', '/smuggled'], 'names that only resemble');
  t.end();
});
