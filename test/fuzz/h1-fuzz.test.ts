// Random requests, answers and bodies: made by a grammar that likes trouble, or bent out of the conformance vectors.
// The same seed gives the same run. `node build/test/fuzz/h1-fuzz.test.js --minutes 10 --seed 7` runs longer.

import t from 'tap';
import { Random } from '../../src/core/random.ts';
import { BODY_CHUNKED } from '../../src/core/stream.ts';
import { SPAN } from '../../src/core/head.ts';
import type { Head } from '../../src/core/head.ts';
import { FIELD_HOST } from '../../src/core/fields.ts';
import { requestRoom, RequestParts, responseRoom, ResponseParts, writeRequestHead, writeResponseHead } from '../../src/http/h1-writer.ts';
import { findBodySplitFault, readBody } from '../http/body-harness.ts';
import { everyByte, parseCut, parseWhole, PARSERS } from '../http/head-harness.ts';
import { BODY_VECTORS } from '../conformance/h1-body-vectors.ts';
import { REQUEST_VECTORS } from '../conformance/h1-request-vectors.ts';
import { RESPONSE_VECTORS } from '../conformance/h1-response-vectors.ts';

const argument = (name: string, otherwise: number): number => {
  const at = process.argv.indexOf(name);
  return at < 0 ? otherwise : Number(process.argv[at + 1]);
};
const minutes = argument('--minutes', 0);
const ROUNDS = 50_000;

const random = new Random([argument('--seed', 20261123), 2, 3, 4]);
function below(limit: number): number {
  return (random.int32() >>> 0) % limit;
}
function pick<T>(list: readonly T[]): T {
  return list[below(list.length)]!;
}
const maybe = (text: string, oneIn = 8): string => (below(oneIn) === 0 ? text : '');

const NASTY = ['\0', '\r', '\n', '\r\n', ' ', '\t', '\x0b', '\x7f', '\x80', '\xff', ':', ',', ';', '#', '@', '/', '\\', '"', '%', '%2e', '[', ']', '*', '+', '0', 'chunked', '\r\n ', '\r\n\r\n', '0\r\n\r\n'];
const METHODS = ['GET', 'POST', 'OPTIONS', 'CONNECT', 'HEAD', 'PURGE', 'g', 'M'.repeat(64)];
const TARGETS = ['/', '/a/b?c=d', '*', 'http://b/', 'https://b:1?x', 'a:443', '//x', '/%2e/\xe9', 'http://[::1]/', 'x'];
const NAMES = ['Host', 'Content-Length', 'Transfer-Encoding', 'Connection', 'TE', 'Upgrade', 'Expect', 'X-Forwarded-For', 'Cookie', 'x', 'A-b_c', 'Keep-Alive', 'Accept', 'Trailer'];
const VALUES = ['a', '', '0', '5', '005', 'chunked', 'Chunked', 'gzip', 'close', 'keep-alive', 'close, x', 'x, Cookie', 'trailers', '100-continue', 'b:80', '[::1]', 'caf\xe9 \t x', 'v'.repeat(70)];

function makeField(): string {
  return `${pick(NAMES)}${maybe(' ', 40)}:${pick(['', ' ', '\t '])}${pick(VALUES)}${maybe(' ')}${below(60) === 0 ? '\n' : '\r\n'}`;
}

function makeHead(kind: 'request' | 'response'): string {
  let text = kind === 'request' ? `${maybe('\r\n')}${pick(METHODS)} ${pick(TARGETS)} HTTP/1.${below(12) === 0 ? 0 : 1}\r\n${maybe('Host: a\r\n', 1)}` : `HTTP/1.${below(9) === 0 ? 0 : 1} ${pick(['200', '204', '304', '404', '100', '999', '20'])}${pick(['', ' ', ' OK', ' \xe9\t'])}\r\n`;
  for (let n = below(6); n > 0; n--) text += makeField();
  return `${text}\r\n${maybe('tail')}`;
}

function makeChunks(): string {
  let text = '';
  for (let n = below(4); n > 0; n--) {
    const size = below(40) + 1;
    text += `${maybe('0')}${size.toString(16)}${maybe(';a=b')}${maybe(' ', 40)}\r\n${'d'.repeat(size)}\r\n`;
  }
  return `${text}0${maybe(';x')}\r\n${maybe(makeField(), 3)}${maybe(makeField(), 4)}\r\n${maybe('GET')}`;
}

/** A few random edits: change, insert, delete, repeat a stretch. */
function bend(text: string): string {
  for (let n = below(4); n > 0; n--) {
    const at = below(text.length + 1);
    const to = Math.min(text.length, at + below(12));
    const edit = below(5);
    if (edit === 0) text = text.slice(0, at) + String.fromCharCode(below(256)) + text.slice(at + 1);
    else if (edit === 1) text = text.slice(0, at) + pick(NASTY) + text.slice(at);
    else if (edit === 2) text = text.slice(0, at) + text.slice(to);
    else if (edit === 3) text = text.slice(0, to) + text.slice(at);
    else text = text.slice(0, at) + pick(NASTY) + text.slice(to);
  }
  return text;
}

const short = (text: string): boolean => text.length < 600;
const plain = (text: string): string => text.replace('←', '');
const SEEDS = {
  request: REQUEST_VECTORS.map((vector) => plain(vector[1])).filter(short),
  response: RESPONSE_VECTORS.map((vector) => plain(vector[1])).filter(short),
  body: BODY_VECTORS.filter((vector) => vector[1] === BODY_CHUNKED).map((vector) => plain(vector[3])).filter(short),
};

const LINES = /^(?:\r\n){0,4}[^\r\n\0]+\r\n(?:[!#$%&'*+.^_`|~0-9A-Za-z-]+:[\t\x20-\x7e\x80-\xff]*\r\n)*\r\n$/;

/** What must hold of every head that was accepted; '' when it does. */
function findHeadFault(kind: 'request' | 'response', head: Head, bytes: Buffer): string {
  const text = bytes.latin1Slice(0, head.length);
  if (!LINES.test(text)) return 'it has other than clean lines';
  if (/[\0-\x08\x0b\x0c\x0e-\x1f\x7f]/.test(text)) return 'it holds a control character';
  let last = head.fieldsStart;
  for (let i = 0; i < head.count; i++) {
    const [nameStart, nameEnd, valueStart, valueEnd] = head.spans.subarray(i * SPAN, i * SPAN + SPAN) as unknown as [number, number, number, number];
    if (nameStart !== last || nameEnd <= nameStart || valueStart <= nameEnd || valueEnd < valueStart) return `the spans of field ${i} are out of order`;
    last = text.indexOf('\r\n', valueEnd) + 2;
    if (text.slice(valueEnd, last - 2).trim() !== '') return `the value of field ${i} ends early`;
  }
  if (last !== head.length - 2) return 'the fields do not end where the head does';
  if (head.chunked && head.contentLength >= 0) return 'it has two framings';
  return findRewriteFault(kind, head);
}

function findRewriteFault(kind: 'request' | 'response', head: Head): string {
  const out = Buffer.alloc(4096 + head.length * 2);
  const { chunked } = head;
  let end = 0;
  let room = 0;
  if (kind === 'request') {
    const parts = Object.assign(new RequestParts(), { chunked, authority: head.first[FIELD_HOST]! < 0 ? 'x' : '' });
    room = requestRoom(head, parts);
    end = writeRequestHead(out, 0, head, parts);
  } else {
    const parts = Object.assign(new ResponseParts(), { chunked, status: head.status });
    room = responseRoom(head, parts);
    end = writeResponseHead(out, 0, head, parts);
  }
  if (end > room) return `it was written in ${end} bytes, ${room} were announced`;
  const again = parseWhole(PARSERS[kind], out.subarray(0, end));
  if (again.result !== end) return `what was written is not accepted: ${again.summary}`;
  if (again.head.chunked !== chunked || again.head.contentLength !== head.contentLength) return 'the framing changed on the way';
  const expected = passing(head);
  const found = passing(again.head);
  return expected === found ? '' : `the fields changed on the way: ${expected} to ${found}`;
}

function passing(head: Head): string {
  const lines: string[] = [];
  for (let i = 0; i < head.count; i++) if (head.dropped[i] === 0 && head.ids[i] !== FIELD_HOST) lines.push(`${head.name(i)}:${head.value(i)}`);
  return JSON.stringify(lines);
}

function findFault(kind: 'request' | 'response' | 'body'): string {
  const made = below(2) === 0 ? pick(SEEDS[kind]) : kind === 'body' ? makeChunks() : makeHead(kind);
  const bytes = Buffer.from(bend(made), 'latin1');
  const shown = `${kind} ${JSON.stringify(bytes.latin1Slice())}: `;
  if (kind === 'body') {
    const cuts = [below(bytes.length + 1), below(bytes.length + 1), below(bytes.length + 1)].sort((a, b) => a - b);
    const whole = readBody(BODY_CHUNKED, -1, bytes, []);
    const cut = readBody(BODY_CHUNKED, -1, bytes, cuts);
    const same = whole.answer === cut.answer && whole.payload === cut.payload && whole.used === cut.used && whole.trailers.join() === cut.trailers.join();
    if (!same) return `${shown}cut at ${cuts.join()}: ${JSON.stringify(cut)} instead of ${JSON.stringify(whole)}`;
    const fault = below(20) === 0 ? findBodySplitFault(BODY_CHUNKED, -1, bytes) : '';
    return fault === '' ? '' : shown + fault;
  }
  const parse = PARSERS[kind];
  const whole = parseWhole(parse, bytes);
  const cuts = below(4) === 0 ? everyByte(bytes.length) : [below(bytes.length + 1), below(bytes.length + 1)].sort((a, b) => a - b);
  const cut = parseCut(parse, bytes, cuts);
  if (cut.summary !== whole.summary) return `${shown}cut at ${cuts.join()}: ${cut.summary} instead of ${whole.summary}`;
  const fault = whole.result > 0 ? findHeadFault(kind, whole.head, bytes) : '';
  return fault === '' ? '' : shown + fault;
}

t.setTimeout((minutes + 1) * 60_000);

t.test('random heads and bodies', (t) => {
  const until = Date.now() + minutes * 60_000;
  let rounds = 0;
  const faults: string[] = [];
  do {
    for (let i = 0; i < ROUNDS && faults.length < 5; i++) {
      const kind = pick(['request', 'request', 'response', 'body'] as const);
      const fault = findFault(kind);
      if (fault !== '') faults.push(fault);
      rounds++;
    }
  } while (faults.length === 0 && Date.now() < until);
  t.strictSame(faults, []);
  t.comment(`${rounds} rounds`);
  t.end();
});

t.test('the generators reach both sides', (t) => {
  const answers = new Map<string, number>();
  for (let i = 0; i < 2000; i++) {
    const bytes = Buffer.from(bend(below(2) === 0 ? pick(SEEDS.request) : makeHead('request')), 'latin1');
    const { summary, result } = parseWhole(PARSERS.request, bytes);
    const key = result > 0 ? 'accepted' : summary;
    answers.set(key, (answers.get(key) ?? 0) + 1);
  }
  t.ok((answers.get('accepted') ?? 0) > 200, 'many are accepted');
  t.ok(answers.size > 15, `many different refusals: ${[...answers.keys()].join(', ')}`);
  t.end();
});
