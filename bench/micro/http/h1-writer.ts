// ns per head of the HTTP/1.1 writer. Run: node build/bench/micro/http/h1-writer.js

import { Head } from '../../../src/core/head.ts';
import { parseRequestHead, parseResponseHead } from '../../../src/http/h1-parser.ts';
import { DEFAULT_HEAD_LIMITS } from '../../../src/http/h1-state.ts';
import { requestRoom, RequestParts, responseRoom, ResponseParts, writeChunkHead, writeRequestHead, writeResponseHead } from '../../../src/http/h1-writer.ts';
import { BROWSER_REQUEST, measure, RESPONSE, TINY_REQUEST } from '../../samples/http-heads.ts';

const TIMES = 400;
const out = Buffer.allocUnsafeSlow(65536);
const requestParts = new RequestParts();
const responseParts = new ResponseParts();

function parsed(parse: typeof parseRequestHead, bytes: Buffer, added: readonly string[]): Head {
  const head = new Head();
  parse(head, bytes, 0, bytes.length, DEFAULT_HEAD_LIMITS);
  head.added.push(...added);
  return head;
}

function benchRequest(title: string, head: Head): void {
  measure(title, head.length, TIMES, (times) => {
    let at = 0;
    for (let i = 0; i < times; i++) {
      if (at + requestRoom(head, requestParts) > out.length) at = 0;
      at = writeRequestHead(out, at, head, requestParts);
    }
  });
}

const ADDED = ['x-forwarded-for', '192.0.2.17', 'x-forwarded-proto', 'http', 'x-request-id', '4f8c2a10-7d3e-4b52-9c61-0a1b2c3d4e5f', 'x-envoy-expected-rq-timeout-ms', '15000'];
const ADDED_DOWN = ['x-envoy-upstream-service-time', '3', 'server', 'nuncio'];

for (let round = 0; round < 2; round++) {
  benchRequest('request, 1 field', parsed(parseRequestHead, TINY_REQUEST, []));
  benchRequest('request, 1 field, 4 added', parsed(parseRequestHead, TINY_REQUEST, ADDED));
  benchRequest('request, 11 fields', parsed(parseRequestHead, BROWSER_REQUEST, []));
  benchRequest('request, 11 fields, 4 added', parsed(parseRequestHead, BROWSER_REQUEST, ADDED));
  const response = parsed(parseResponseHead, RESPONSE, ADDED_DOWN);
  measure('response, 12 fields, 2 added', response.length, TIMES, (times) => {
    let at = 0;
    for (let i = 0; i < times; i++) {
      if (at + responseRoom(response, responseParts) > out.length) at = 0;
      at = writeResponseHead(out, at, response, responseParts);
    }
  });
}
measure('chunk head', 5, TIMES, (times) => {
  for (let i = 0; i < times; i++) writeChunkHead(out, i & 1023, 16384 + i);
});
