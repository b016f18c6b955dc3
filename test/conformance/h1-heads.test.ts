// Every vector whole, at every split in two, byte by byte, from every prefix, and with the bytes moved between calls.

import t from 'tap';
import type { Head } from '../../src/core/head.ts';
import { findSplitFault, parseWhole, PARSERS, toInput } from '../http/head-harness.ts';
import { REQUEST_VECTORS } from './h1-request-vectors.ts';
import type { Expected, Vector } from './h1-request-vectors.ts';
import { RESPONSE_VECTORS } from './h1-response-vectors.ts';

function found(head: Head, bytes: Buffer): Required<Expected> {
  const names = Array.from({ length: head.count }, (_, i) => i);
  const at = (start: number, end: number): string => bytes.latin1Slice(start, end);
  return {
    method: at(head.methodStart, head.methodEnd),
    target: at(head.targetStart, head.targetEnd),
    authority: at(head.authorityStart, head.authorityEnd),
    minor: head.minor,
    status: head.status,
    reason: at(head.reasonStart, head.reasonEnd),
    fields: names.map((i) => `${head.name(i)}: ${head.value(i)}`),
    dropped: names.filter((i) => head.dropped[i] === 1).map((i) => head.name(i)),
    contentLength: head.contentLength,
    chunked: head.chunked,
    close: head.connectionClose,
    keepAlive: head.connectionKeepAlive,
    expectContinue: head.expectContinue,
    rest: at(head.length, bytes.length),
  };
}

function check(kind: 'request' | 'response', [title, text, answer]: Vector): void {
  const parse = PARSERS[kind];
  const input = toInput(text);
  const whole = parseWhole(parse, input.bytes);
  if (typeof answer === 'string') {
    t.equal(whole.summary.split('\n')[0], answer, `${kind}: ${title}`);
  } else if (whole.result <= 0) {
    t.fail(`${kind}: ${title}: ${whole.summary}`);
  } else {
    const all = found(whole.head, input.bytes);
    const asked = Object.fromEntries(Object.keys(answer).map((key) => [key, all[key as keyof Expected]]));
    t.strictSame(asked, answer, `${kind}: ${title}`);
  }
  t.equal(findSplitFault(parse, input), '', `${kind}, split: ${title}`);
}

t.ok(REQUEST_VECTORS.length + RESPONSE_VECTORS.length >= 200, 'at least 200 vectors');
for (const vector of REQUEST_VECTORS) check('request', vector);
for (const vector of RESPONSE_VECTORS) check('response', vector);
