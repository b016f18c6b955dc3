// What the vectors cannot show: limits at their edges, linear time, a Head that is used again, the small helpers.

import t from 'tap';
import { fieldId, Head } from '../../src/core/head.ts';
import { FIELD_HOST, FIELD_NAMES } from '../../src/core/fields.ts';
import { BODY_CHUNKED, BODY_CLOSE, BODY_LENGTH, BODY_NONE } from '../../src/core/stream.ts';
import { copyBytes, writeText } from '../../src/core/bytes.ts';
import { isAuthority } from '../../src/http/authority.ts';
import { assertFieldName, assertFieldValue, isFieldName, isFieldValue } from '../../src/http/field-check.ts';
import { viewOf } from '../../src/http/byte-view.ts';
import { lookupField } from '../../src/http/field-lookup.ts';
import { describeError, ERROR_COUNT } from '../../src/http/h1-errors.ts';
import { isPersistent, requestBody, responseBody } from '../../src/http/h1-framing.ts';
import { parseRequestHead, parseResponseHead, parseTrailers } from '../../src/http/h1-parser.ts';
import { targetAuthority, targetPath, targetScheme } from '../../src/http/h1-target.ts';
import { methodOf } from '../../src/http/method.ts';
import { statusText } from '../../src/http/status-text.ts';
import { BodyReader } from '../../src/http/h1-body.ts';
import { findSplitFault, parseWhole } from './head-harness.ts';

const LIMITS = { maxHeadBytes: 200, maxFields: 5 };
const bytes = (text: string): Buffer => Buffer.from(text, 'latin1');

t.test('the size limit is exact and the same at every split', (t) => {
  const sized = (size: number): Buffer => bytes('GET / HTTP/1.1\r\nHost: a\r\nX: '.padEnd(size - 4, 'x') + '\r\n\r\n');
  t.equal(parseWhole(parseRequestHead, sized(200), LIMITS).result, 200, 'the limit itself passes');
  for (const size of [201, 202, 203, 204, 500]) {
    const input = { bytes: sized(size), decidedAt: 200 };
    t.equal(parseWhole(parseRequestHead, input.bytes, LIMITS).summary, 'head-too-large', `${size} bytes`);
    t.equal(findSplitFault(parseRequestHead, input, LIMITS), '');
  }
  const late = { bytes: Buffer.concat([sized(500).subarray(0, 250), bytes('\0')]), decidedAt: 200 };
  t.equal(parseWhole(parseRequestHead, late.bytes, LIMITS).summary, 'head-too-large', 'a fault behind the limit is not seen');
  const target = { bytes: bytes('GET /' + 'x'.repeat(300)), decidedAt: 200 };
  t.equal(parseWhole(parseRequestHead, target.bytes, LIMITS).summary, 'head-too-large', 'a long target');
  t.equal(findSplitFault(parseRequestHead, target, LIMITS), '');
  const reason = { bytes: bytes('HTTP/1.1 200 ' + 'x'.repeat(300)), decidedAt: 200 };
  t.equal(parseWhole(parseResponseHead, reason.bytes, LIMITS).summary, 'head-too-large', 'a long reason');
  t.equal(findSplitFault(parseResponseHead, reason, LIMITS), '');
  const trailers = { bytes: bytes('x: '.padEnd(300, 'x')), decidedAt: 200 };
  t.equal(findSplitFault(parseTrailers, trailers, LIMITS), '', 'long trailers');
  t.end();
});

t.test('trailers keep to the limits of heads', (t) => {
  const reader = new BodyReader();
  const long = bytes('0\r\nx: '.padEnd(400, 'x') + '\r\n\r\n');
  reader.begin(BODY_CHUNKED, -1, LIMITS);
  t.equal(describeError(reader.read(long, 0, long.length)).name, 'head-too-large');
  const drip = new BodyReader();
  drip.begin(BODY_CHUNKED, -1, LIMITS);
  let pos = 0;
  while (pos >= 0 && pos < long.length) {
    const next = drip.read(long, pos, pos + 1);
    if (next < 0) break;
    pos = next;
  }
  t.equal(pos, 202, 'the 200th byte of the section is one too many');
  t.end();
});

t.test('bytes that drip in cost linear time', (t) => {
  // Counts reads of the buffer instead of measuring time.
  let reads = 0;
  const text = bytes(`GET /${'p'.repeat(500)} HTTP/1.1\r\nHost: a\r\n${`Name-${'n'.repeat(50)}:${' '.repeat(50)}${'v'.repeat(200)}${' '.repeat(50)}\r\n`.repeat(20)}\r\n`);
  const counting = new Proxy(text, {
    get(target, key) {
      if (typeof key === 'string' && key.charCodeAt(0) <= 57) reads++;
      const value: unknown = Reflect.get(target, key, target);
      return typeof value === 'function' ? value.bind(target) : value;
    },
  });
  const head = new Head();
  let result = 0;
  let progress = true;
  for (let end = 1; end <= text.length; end++) {
    result = parseRequestHead(head, counting, 0, end, { maxHeadBytes: 60000, maxFields: 100 });
    progress &&= head.at === end;
  }
  t.ok(progress, 'goes on behind the last byte it was given');
  t.equal(result, text.length);
  t.ok(reads < text.length * 5, `${reads} reads of ${text.length} bytes`);
  t.end();
});

t.test('a Head is used again', (t) => {
  const head = new Head();
  for (const round of [1, 2]) {
    const many = bytes(`POST http://b/x HTTP/1.0\r\nHost: a\r\nContent-Length: 3\r\nConnection: close\r\nExpect: 100-continue\r\n${'x: y\r\n'.repeat(60)}\r\n`);
    t.equal(parseRequestHead(head, many, 0, many.length, { maxHeadBytes: 60000, maxFields: 100 }), many.length, `round ${round}`);
    head.reset();
    const small = bytes('GET / HTTP/1.1\r\nHost: c\r\n\r\n');
    t.equal(parseRequestHead(head, small, 0, small.length, LIMITS), small.length);
    t.equal(head.count, 1);
    t.equal(head.known(FIELD_HOST), 'c');
    t.strictSame([head.contentLength, head.minor, head.connectionClose, head.expectContinue, head.authorityEnd], [-1, 1, false, false, 0]);
    head.reset();
    t.ok(head.first.every((i) => i === -1), 'no field is remembered');
  }
  t.end();
});

t.test('a head survives its buffer', (t) => {
  const buf = bytes('....GET /x HTTP/1.1\r\nHost: a\r\nB: 2\r\n\r\n');
  const head = new Head();
  t.equal(parseRequestHead(head, buf, 4, buf.length, LIMITS), buf.length - 4);
  head.retain();
  buf.fill(0);
  t.equal(targetPath(head), '/x');
  t.equal(head.get('b'), '2');
  t.end();
});

function lookup(text: string, start: number, end: number): number {
  const buf = bytes(text);
  return lookupField(buf, viewOf(buf), start, end);
}

t.test('names are recognized in any case, and nothing else is', (t) => {
  for (let id = 1; id < FIELD_NAMES.length; id++) {
    const name = FIELD_NAMES[id]!;
    for (const spelling of [name, name.toUpperCase(), name[0]!.toUpperCase() + name.slice(1)]) {
      t.equal(lookup(`::${spelling}:`, 2, 2 + spelling.length), id, spelling);
    }
    for (let i = 0; i < name.length; i++) {
      const other = name.slice(0, i) + (name[i] === '~' ? '!' : '~') + name.slice(i + 1);
      t.equal(lookup(other, 0, other.length), 0, other);
    }
    t.equal(lookup(name + 's', 0, name.length + 1), fieldId(name + 's'));
  }
  for (const name of ['x', 'xx', 'cookie', 'accept', 'accept-encoding', 'x-envoy', 'hos', 'hosts']) t.equal(lookup(name, 0, name.length), 0, name);
  t.end();
});

t.test('how a body is framed', (t) => {
  const request = (fields: string): Head => parseWhole(parseRequestHead, bytes(`POST / HTTP/1.1\r\nHost: a\r\n${fields}\r\n`)).head;
  t.equal(requestBody(request('')), BODY_NONE);
  t.equal(requestBody(request('Content-Length: 0\r\n')), BODY_NONE);
  t.equal(requestBody(request('Content-Length: 1\r\n')), BODY_LENGTH);
  t.equal(requestBody(request('Transfer-Encoding: chunked\r\n')), BODY_CHUNKED);
  const response = (status: number, fields: string, method: string): number =>
    responseBody(parseWhole(parseResponseHead, bytes(`HTTP/1.1 ${status} x\r\n${fields}\r\n`)).head, method);
  t.equal(response(200, '', 'GET'), BODY_CLOSE);
  t.equal(response(200, 'Content-Length: 5\r\n', 'GET'), BODY_LENGTH);
  t.equal(response(200, 'Content-Length: 0\r\n', 'GET'), BODY_NONE);
  t.equal(response(200, 'Transfer-Encoding: chunked\r\n', 'GET'), BODY_CHUNKED);
  t.equal(response(200, 'Transfer-Encoding: chunked\r\n', 'HEAD'), BODY_NONE);
  t.equal(response(200, 'Content-Length: 5\r\n', 'HEAD'), BODY_NONE);
  t.equal(response(304, 'Content-Length: 5\r\n', 'GET'), BODY_NONE);
  t.equal(response(204, '', 'GET'), BODY_NONE);
  t.equal(response(100, '', 'GET'), BODY_NONE);
  t.equal(response(101, '', 'GET'), BODY_NONE);
  t.equal(response(200, 'Content-Length: 5\r\n', 'CONNECT'), BODY_NONE);
  t.equal(response(407, 'Content-Length: 5\r\n', 'CONNECT'), BODY_LENGTH);
  t.end();
});

t.test('whether a connection lives on', (t) => {
  const lives = (version: string, fields: string): boolean => isPersistent(parseWhole(parseRequestHead, bytes(`GET / ${version}\r\nHost: a\r\n${fields}\r\n`)).head);
  t.ok(lives('HTTP/1.1', ''));
  t.notOk(lives('HTTP/1.1', 'Connection: close\r\n'));
  t.notOk(lives('HTTP/1.0', ''));
  t.ok(lives('HTTP/1.0', 'Connection: keep-alive\r\n'));
  t.notOk(lives('HTTP/1.0', 'Connection: keep-alive, close\r\n'));
  t.end();
});

t.test('the end of a connection ends a body or cuts it', (t) => {
  const reader = new BodyReader();
  const ends = (kind: 0 | 1 | 2 | 3, length: number, text: string): boolean => {
    reader.begin(kind, length);
    const buf = bytes(text);
    let pos = 0;
    while (pos < buf.length && !reader.done) pos = reader.read(buf, pos, buf.length);
    return reader.end();
  };
  t.ok(ends(BODY_CLOSE, -1, 'abc'));
  t.ok(ends(BODY_CLOSE, -1, ''));
  t.ok(ends(BODY_NONE, 0, ''));
  t.ok(ends(BODY_LENGTH, 3, 'abc'));
  t.notOk(ends(BODY_LENGTH, 4, 'abc'));
  t.notOk(ends(BODY_CHUNKED, -1, '3\r\nabc\r\n'));
  t.notOk(ends(BODY_CHUNKED, -1, '3\r\nabc\r\n0\r\n'));
  t.ok(ends(BODY_CHUNKED, -1, '3\r\nabc\r\n0\r\n\r\n'));
  t.end();
});

t.test('the last slice and the end come together', (t) => {
  const reader = new BodyReader();
  const buf = bytes('3\r\nabc\r\n0\r\n\r\nGET');
  reader.begin(BODY_CHUNKED, -1);
  t.equal(reader.read(buf, 0, buf.length), buf.length - 3);
  t.equal(buf.latin1Slice(reader.dataStart, reader.dataEnd), 'abc');
  t.ok(reader.done);
  t.equal(reader.trailers, null);
  t.end();
});

t.test('the pieces of a target', (t) => {
  const pieces = (line: string): string[] => {
    const { head, result } = parseWhole(parseRequestHead, bytes(`${line} HTTP/1.0\r\nHost: h\r\n\r\n`));
    return result > 0 ? [targetScheme(head), targetAuthority(head), targetPath(head)] : [];
  };
  t.strictSame(pieces('GET /a?b'), ['', 'h', '/a?b']);
  t.strictSame(pieces('GET http://x:1/a?b'), ['http', 'x:1', '/a?b']);
  t.strictSame(pieces('GET HTTPS://x'), ['https', 'x', '/']);
  t.strictSame(pieces('GET http://x?b'), ['http', 'x', '/?b']);
  t.strictSame(pieces('OPTIONS *'), ['', 'h', '*']);
  t.strictSame(pieces('OPTIONS http://x'), ['http', 'x', '*']);
  t.strictSame(pieces('OPTIONS http://x/'), ['http', 'x', '/']);
  t.strictSame(pieces('CONNECT x:443'), ['', 'x:443', '']);
  t.equal(targetAuthority(parseWhole(parseRequestHead, bytes('GET / HTTP/1.0\r\n\r\n')).head), '');
  t.end();
});

t.test('methods, statuses, errors', (t) => {
  for (const method of ['GET', 'PUT', 'POST', 'HEAD', 'PATCH', 'TRACE', 'DELETE', 'OPTIONS', 'CONNECT', 'get', 'GOT', 'PUSH', 'HEAP', 'PROPFIND', 'X', 'DELETf', 'M-SEARCH', 'OPTIONz']) {
    t.equal(methodOf(bytes(`..${method} `), 2, 2 + method.length), method);
  }
  t.equal(statusText(200), 'OK');
  t.equal(statusText(431), 'Request Header Fields Too Large');
  t.equal(statusText(599), 'Unknown');
  const names = new Set<string>();
  for (let code = 1; code <= ERROR_COUNT; code++) {
    const error = describeError(-code);
    t.ok(error.status >= 400 && error.status <= 505 && error.details.length > 0 && error.text.length > 10, error.name);
    names.add(error.name);
  }
  t.equal(names.size, ERROR_COUNT, 'every error has a name of its own');
  t.end();
});

t.test('names and values from elsewhere', (t) => {
  for (const name of ['x', 'X-Y', 'a_b', "!#$%&'*+-.^_`|~"]) t.ok(isFieldName(name), name);
  for (const name of ['', 'a b', 'a:', ':path', 'a\r\n', 'é', 'a\0', '☃', 'a(']) t.throws(() => assertFieldName(name), TypeError, JSON.stringify(name));
  for (const value of ['', 'a', 'a b', 'a\tb', '\xe9', '\xa0']) t.ok(isFieldValue(value), value);
  for (const value of ['a\r\nb: c', 'a\n', '\0', ' a', 'a ', '\ta', '\x7f', '☃', 'a\x0b']) t.throws(() => assertFieldValue(value), TypeError, JSON.stringify(value));
  t.ok(isAuthority(bytes('xa:1x'), 1, 4));
  t.end();
});

t.test('copies of every length', (t) => {
  const source = bytes(Array.from({ length: 300 }, (_, i) => String.fromCharCode(i & 255)).join(''));
  for (const length of [0, 1, 2, 3, 4, 5, 7, 8, 31, 32, 33, 47, 48, 49, 50, 100, 256]) {
    const target = Buffer.alloc(310, 0x2e);
    t.equal(copyBytes(target, 5, source, 7, 7 + length), 5 + length);
    t.ok(target.subarray(5, 5 + length).equals(source.subarray(7, 7 + length)), `${length} bytes`);
    t.ok(target.subarray(0, 5).equals(bytes('.....')) && target.subarray(5 + length).every((byte) => byte === 0x2e), 'and no more');
    const text = source.latin1Slice(7, 7 + length);
    t.equal(writeText(target, 3, text), 3 + length);
    t.equal(target.latin1Slice(3, 3 + length), text);
  }
  t.end();
});
