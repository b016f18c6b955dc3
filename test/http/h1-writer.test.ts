// Heads as they leave: same bytes where nothing changed, and never more bytes than was asked for.

import t from 'tap';
import { Head } from '../../src/core/head.ts';
import { FIELD_CONTENT_LENGTH, FIELD_HOST, FIELD_UPGRADE } from '../../src/core/fields.ts';
import { BODY_CHUNKED } from '../../src/core/stream.ts';
import { BodyReader } from '../../src/http/h1-body.ts';
import { parseRequestHead, parseResponseHead, parseTrailers } from '../../src/http/h1-parser.ts';
import { DEFAULT_HEAD_LIMITS } from '../../src/http/h1-state.ts';
import {
  CHUNK_HEAD_ROOM,
  lastChunkRoom,
  requestRoom,
  RequestParts,
  responseRoom,
  ResponseParts,
  writeChunkHead,
  writeLastChunk,
  writeRequestHead,
  writeResponseHead,
} from '../../src/http/h1-writer.ts';
import { parseWhole, PARSERS, toInput } from './head-harness.ts';
import { REQUEST_VECTORS } from '../conformance/h1-request-vectors.ts';
import { RESPONSE_VECTORS } from '../conformance/h1-response-vectors.ts';

function head(parse: typeof parseRequestHead, text: string): Head {
  // Not at offset 0, so that a forgotten `base` shows.
  const bytes = Buffer.from('.....' + text, 'latin1');
  const result = new Head();
  if (parse(result, bytes, 5, bytes.length, DEFAULT_HEAD_LIMITS) <= 0) throw new Error('not a complete head');
  return result;
}

function request(text: string, parts: Partial<RequestParts> = {}, change?: (head: Head) => void): string {
  const source = head(parseRequestHead, text);
  change?.(source);
  const all = Object.assign(new RequestParts(), parts);
  const room = requestRoom(source, all);
  const out = Buffer.alloc(room + 3, '?');
  const end = writeRequestHead(out, 3, source, all);
  t.ok(end - 3 <= room, 'fits the room that was announced');
  return out.latin1Slice(3, end);
}

function response(text: string, parts: Partial<ResponseParts> = {}, change?: (head: Head) => void): string {
  const source = text === '' ? new Head() : head(parseResponseHead, text);
  change?.(source);
  const all = Object.assign(new ResponseParts(), { status: source.status }, parts);
  const room = responseRoom(source, all);
  const out = Buffer.alloc(room + 3, '?');
  const end = writeResponseHead(out, 3, source, all);
  t.ok(end - 3 <= room, 'fits the room that was announced');
  return out.latin1Slice(3, end);
}

t.test('a request passes', (t) => {
  const same = 'GET /x?y#'.slice(0, -1) + ' HTTP/1.1\r\nhOsT:  a\r\nB:b \r\na: \xe9\xff\r\nB: 2\r\nContent-Length: 3\r\n\r\n';
  t.equal(request(same), same, 'byte for byte');
  t.equal(request('\r\n' + same), same, 'without the empty line before it');
  t.equal(request('GET / HTTP/1.0\r\nHost: a\r\n\r\n'), 'GET / HTTP/1.1\r\nHost: a\r\n\r\n', 'in our version');
  t.equal(request('GET / HTTP/1.0\r\n\r\n'), 'GET / HTTP/1.1\r\n\r\n', 'without fields');
  t.equal(
    request('GET / HTTP/1.1\r\nConnection: x\r\nHost: a\r\nx: 1\r\nB: 2\r\nC: 3\r\nTE: gzip\r\nKeep-Alive: 3\r\n\r\n'),
    'GET / HTTP/1.1\r\nHost: a\r\nB: 2\r\nC: 3\r\n\r\n',
    'without what belonged to the other hop',
  );
  t.end();
});

t.test('a request is changed', (t) => {
  const text = 'GET /old HTTP/1.1\r\nA: 1\r\nHoSt: a\r\nB: 2\r\n\r\n';
  t.equal(request(text, { method: 'POST', target: '/new?\xe9' }), 'POST /new?\xe9 HTTP/1.1\r\nA: 1\r\nHoSt: a\r\nB: 2\r\n\r\n', 'method and target');
  t.equal(request(text, { authority: 'b:80' }), 'GET /old HTTP/1.1\r\nA: 1\r\nHoSt: b:80\r\nB: 2\r\n\r\n', 'host in its place');
  t.equal(request('GET / HTTP/1.0\r\nA: 1\r\n\r\n', { authority: 'b' }), 'GET / HTTP/1.1\r\nhost: b\r\nA: 1\r\n\r\n', 'host where there was none');
  t.equal(
    request(text, { connection: 'close' }, (head) => {
      head.add('x-a', '1');
      head.add('x-long-name-that-needs-the-native-write', 'v'.repeat(100));
    }),
    `GET /old HTTP/1.1\r\nA: 1\r\nHoSt: a\r\nB: 2\r\nx-a: 1\r\nx-long-name-that-needs-the-native-write: ${'v'.repeat(100)}\r\nconnection: close\r\n\r\n`,
    'added fields and this hop’s',
  );
  t.equal(
    request('POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\nB: 2\r\n\r\n', { chunked: true }),
    'POST / HTTP/1.1\r\nHost: a\r\nB: 2\r\ntransfer-encoding: chunked\r\n\r\n',
    'no length beside chunks',
  );
  t.equal(
    request('POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\nHost: a\r\n\r\n', { chunked: true }),
    'POST / HTTP/1.1\r\nHost: a\r\ntransfer-encoding: chunked\r\n\r\n',
    'one transfer-encoding, ours',
  );
  t.equal(
    request('GET / HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\nConnection: upgrade\r\n\r\n', { connection: 'upgrade' }, (head) => {
      head.dropped[head.first[FIELD_UPGRADE]!] = 0;
    }),
    'GET / HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\nconnection: upgrade\r\n\r\n',
    'an upgrade that passes',
  );
  t.end();
});

t.test('an absolute target goes out in origin form with its own host', (t) => {
  const rest = '\r\nhost: b.example:81\r\nA: 1\r\n\r\n';
  const absolute = (target: string): string => request(`GET ${target} HTTP/1.0\r\nA: 1\r\n\r\n`);
  t.equal(absolute('http://b.example:81/x/?y=http://z/'), `GET /x/?y=http://z/ HTTP/1.1${rest}`);
  t.equal(absolute('http://b.example:81'), `GET / HTTP/1.1${rest}`);
  t.equal(absolute('HTTPS://b.example:81?q'), `GET /?q HTTP/1.1${rest}`);
  t.equal(request('GET http://b/x HTTP/1.1\r\nA: 1\r\nHost: evil\r\nB: 2\r\n\r\n'), 'GET /x HTTP/1.1\r\nA: 1\r\nHost: b\r\nB: 2\r\n\r\n', 'the other Host is overruled');
  t.equal(request('OPTIONS http://b HTTP/1.1\r\nHost: b\r\n\r\n'), 'OPTIONS * HTTP/1.1\r\nHost: b\r\n\r\n');
  t.equal(request('GET http://b/x HTTP/1.1\r\nHost: b\r\n\r\n', { authority: 'c', target: '/z' }), 'GET /z HTTP/1.1\r\nHost: c\r\n\r\n');
  t.equal(request('CONNECT b:443 HTTP/1.1\r\nHost: c\r\n\r\n'), 'CONNECT b:443 HTTP/1.1\r\nHost: c\r\n\r\n', 'CONNECT keeps its form');
  t.end();
});

t.test('an answer passes and is changed', (t) => {
  const same = 'HTTP/1.1 200 Fine by \xe9\r\nB:b \r\na: \xff\r\nContent-Length: 3\r\n\r\n';
  t.equal(response(same), same, 'byte for byte');
  t.equal(response(same, { minor: 0 }), same.replace('1.1', '1.0'), 'to an HTTP/1.0 caller');
  t.equal(response(same, { status: 404 }), 'HTTP/1.1 404 Not Found\r\nB:b \r\na: \xff\r\nContent-Length: 3\r\n\r\n', 'another status has its own phrase');
  t.equal(response('HTTP/1.0 200\r\nA: 1\r\nConnection: close\r\n\r\n', { connection: 'close' }), 'HTTP/1.1 200 \r\nA: 1\r\nconnection: close\r\n\r\n', 'no reason');
  t.equal(response('HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\n', { chunked: true }), 'HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n');
  t.equal(
    response('HTTP/1.1 200 OK\r\nContent-Length: 3\r\nA: 1\r\n\r\n', { chunked: true }, (head) => head.dropId(FIELD_CONTENT_LENGTH)),
    'HTTP/1.1 200 OK\r\nA: 1\r\ntransfer-encoding: chunked\r\n\r\n',
  );
  t.equal(response('', { status: 503 }, (head) => head.add('content-length', '0')), 'HTTP/1.1 503 Service Unavailable\r\ncontent-length: 0\r\n\r\n', 'a local answer');
  t.equal(response('', { status: 799 }), 'HTTP/1.1 799 Unknown\r\n\r\n', 'a local answer without a phrase');
  t.end();
});

t.test('every vector survives parse, write, parse', (t) => {
  for (const [kind, vectors] of [['request', REQUEST_VECTORS], ['response', RESPONSE_VECTORS]] as const) {
    for (const [title, text, answer] of vectors) {
      if (typeof answer === 'string') continue;
      const first = parseWhole(PARSERS[kind], toInput(text).bytes).head;
      const chunked = first.chunked;
      const authority = kind === 'request' && first.first[FIELD_HOST]! < 0 ? 'x' : ''; // HTTP/1.0 without Host: the caller's to give
      const written = kind === 'request' ? request(toText(first), { chunked, authority }) : response(toText(first), { chunked });
      const again = parseWhole(PARSERS[kind], Buffer.from(written, 'latin1'));
      t.equal(again.result, written.length, title);
      t.strictSame(passing(again.head), passing(first), `${title}: the same fields`);
      t.equal(again.head.contentLength, first.contentLength);
      t.equal(again.head.chunked, first.chunked);
      const rewritten = kind === 'request' ? request(written, { chunked }) : response(written, { chunked });
      t.equal(rewritten, written, `${title}: written once more, the same`);
    }
  }
  t.end();
});

t.test('chunks', (t) => {
  const out = Buffer.alloc(64);
  for (const size of [1, 9, 10, 15, 16, 255, 256, 65536, 2 ** 31, 2 ** 32 + 1, Number.MAX_SAFE_INTEGER]) {
    const end = writeChunkHead(out, 2, size);
    t.equal(out.latin1Slice(2, end), `${size.toString(16)}\r\n`);
    t.ok(end - 2 <= CHUNK_HEAD_ROOM);
  }
  t.equal(out.latin1Slice(0, writeLastChunk(out, 0, null)), '0\r\n\r\n');
  const trailers = head(parseTrailers, 'A: 1\r\nHost: x\r\nB: 2\r\n\r\n');
  trailers.add('c', '3');
  const end = writeLastChunk(out, 0, trailers);
  t.equal(out.latin1Slice(0, end), '0\r\nA: 1\r\nB: 2\r\nc: 3\r\n\r\n', 'trailers that may pass, and added ones');
  t.ok(end <= lastChunkRoom(trailers));
  t.ok(lastChunkRoom(null) >= 5);
  const reader = new BodyReader();
  reader.begin(BODY_CHUNKED, -1);
  const body = Buffer.from('0\r\nA: 1\r\nb:2\r\n\r\n', 'latin1');
  t.equal(reader.read(body, 0, body.length), body.length);
  t.equal(out.latin1Slice(0, writeLastChunk(out, 0, reader.trailers)), body.latin1Slice(), 'trailers as a reader collected them');
  t.end();
});

function toText(head: Head): string {
  return head.buf.latin1Slice(head.base, head.base + head.length);
}

/** The fields that are not of one hop or of the framing; Host aside, which an absolute target replaces. */
function passing(head: Head): string[] {
  const lines: string[] = [];
  for (let i = 0; i < head.count; i++) {
    const name = head.name(i).toLowerCase();
    if (head.dropped[i] === 0 && name !== 'host') lines.push(`${head.name(i)}: ${head.value(i)}`);
  }
  return lines;
}
