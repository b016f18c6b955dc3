// Attempts that fail, and what is tried again: every condition, the limits, the body. Time is turned by hand.

import t from 'tap';

import type { RetryConfig } from '../../src/config/snapshot.ts';
import { codeSlot } from '../../src/observe/code-slots.ts';
import * as S from '../../src/observe/stat-names.ts';
import { RETRY_AT, RETRY_CLASSES, RETRY_CODES, RETRY_COMPLETED } from '../../src/observe/upkeep-stats.ts';
import { NO_REWRITE } from '../route/request.ts';
import { one, readMessages, type Message } from '../support/message-text.ts';
import { answer, OK, rest, RetryStage as Stage } from '../support/retry-stage.ts';

t.test('503, 503, 200: two retries, and how they are counted', async (t) => {
  const stage = new Stage({ retry: { on: ['5xx'], attempts: 2 }, ports: [1] });
  stage.ask();
  const host = stage.conn(0);
  host.receive(answer(503, '', 'sorry'));
  t.equal(stage.status(), '', 'nothing goes down');
  t.equal(stage.retries(), 1, 'a retry is held');
  stage.later();
  t.equal(stage.made, 1, 'the answer was here whole: the connection goes on');
  host.receive(answer(503));
  stage.later();
  t.equal(stage.retries(), 1);
  host.receive(OK);
  t.equal(stage.status(), '200');
  t.equal(stage.retries(), 0);
  t.equal(stage.stat(RETRY_AT + RETRY_CODES + codeSlot(503)), 2);
  t.equal(stage.stat(RETRY_AT + RETRY_CLASSES + 4), 2);
  t.equal(stage.stat(RETRY_AT + RETRY_COMPLETED), 2);
  t.same([stage.code(503), stage.code(200), stage.stat(S.UP_RQ_5XX)], [0, 1, 0]);
  t.same([stage.stat(S.UP_RQ_RETRY), stage.stat(S.UP_RQ_RETRY_SUCCESS), stage.stat(S.UP_RQ_RETRY_LIMIT_EXCEEDED), stage.stat(S.UP_RQ_RETRY_BACKOFF_EXPONENTIAL)], [2, 1, 0, 2]);
  t.equal(stage.stat(S.UP_RQ_TOTAL), 3);
  t.equal(stage.log(), '200 - via_upstream 3 127.0.0.1:1');
  rest(t, stage);
});

t.test('when it is over, the last answer goes down', async (t) => {
  const stage = new Stage({ retry: { on: ['5xx'], attempts: 1 }, ports: [1] });
  stage.ask();
  stage.conn(0).receive(answer(503, '', 'one'));
  stage.later().conn(0).receive(answer(502, 'x-from: host\r\n', 'two'));
  const [message] = stage.answers();
  t.same([message!.line.slice(9, 12), message!.body, one(message!.fields, 'x-from')], ['502', 'two', 'host']);
  t.equal(stage.stat(S.UP_RQ_RETRY_LIMIT_EXCEEDED), 1);
  t.same([stage.code(502), stage.code(503)], [1, 0]);
  t.equal(stage.log(), '502 URX via_upstream 2 127.0.0.1:1');
  rest(t, stage);

  const broken = new Stage({ retry: { on: ['reset'], attempts: 1 }, ports: [1] });
  broken.ask();
  broken.conn(0).breakOff();
  broken.later().conn(1).breakOff();
  t.equal(broken.status(), '503');
  t.equal(broken.log(), '503 URX,UC upstream_reset_before_response_started{connection_termination} 2 127.0.0.1:1');
  rest(t, broken);
});

const GRPC = 'content-type: application/grpc\r\n';
const CONDITIONS: readonly (readonly [on: string, yes: readonly Failure[], no: readonly Failure[], part?: Partial<RetryConfig>])[] = [
  ['5xx', [503, 500, 599, 'reset', 'refused', 'timeout'], [404, 200]],
  ['gateway-error', [502, 503, 504, 'reset', 'refused'], [500, 505]],
  ['reset', ['reset', 'end', 'refused', 'malformed'], [503]],
  ['reset-before-request', ['refused'], ['reset', 503]],
  ['connect-failure', ['refused', 'timeout'], ['reset', 503]],
  ['retriable-4xx', [409], [408, 429, 503, 'reset']],
  ['retriable-status-codes', [418, 503], [500, 'reset'], { retriableStatusCodes: [418, 503] }],
  ['retriable-headers', [[200, 'x-again: yes\r\n']], [[200, 'x-again: no\r\n'], 503], { retriableHeaders: [{ name: 'x-again', kind: 'exact', value: 'yes', start: 0, end: 0, present: false, invert: false }] }],
  ['envoy-ratelimited', [[429, 'x-envoy-ratelimited: true\r\n']], [429]],
  ['cancelled', [[200, `${GRPC}grpc-status: 1\r\n`]], [[200, `${GRPC}grpc-status: 4\r\n`]]],
  ['deadline-exceeded', [[200, `${GRPC}grpc-status: 4\r\n`]], [[200, `${GRPC}grpc-status: 1\r\n`]]],
  ['resource-exhausted', [[200, `${GRPC}grpc-status: 8\r\n`]], [[200, `${GRPC}grpc-status: 14\r\n`]]],
  ['internal', [[200, `${GRPC}grpc-status: 13\r\n`]], [[200, `${GRPC}grpc-status: 0\r\n`], [200, GRPC]]],
  ['unavailable', [[200, `${GRPC}grpc-status: 14\r\n`]], [[200, `${GRPC}grpc-status: 13\r\n`], 503]],
];

type Failure = number | readonly [status: number, fields: string] | 'reset' | 'end' | 'refused' | 'timeout' | 'malformed';

function happen(stage: Stage, what: Failure): void {
  const conn = stage.house.loop.connects[0]!;
  if (what === 'refused') conn.connectFail('ECONNREFUSED');
  else if (what === 'timeout') stage.later(510);
  else if (what === 'reset') stage.conn(0).breakOff();
  else if (what === 'end') stage.conn(0).end();
  else if (what === 'malformed') stage.conn(0).receive('HTTP/9 x\r\n\r\n');
  else if (typeof what === 'number') stage.conn(0).receive(answer(what));
  else stage.conn(0).receive(answer(what[0], what[1]));
}

t.test('every condition: what it takes and what it leaves', async (t) => {
  for (const [on, yes, no, part] of CONDITIONS) {
    for (const [list, expected] of [[yes, 1], [no, 0]] as const) {
      for (const what of list) {
        // Codes and headers stand for their condition.
        const stage = new Stage({ retry: { on: part === undefined ? [on] : [], ...part }, ports: [1], cluster: { connectTimeoutMs: 500 } });
        stage.ask();
        happen(stage, what);
        const title = `${on}: ${JSON.stringify(what)}`;
        t.equal(stage.stat(S.UP_RQ_RETRY), expected, title);
        if (expected === 1) {
          stage.later();
          stage.conn(stage.made - 1).receive(OK);
          t.equal(stage.status(), '200', `${title}: the second answer`);
        } else {
          t.equal(stage.answers().length, 1, `${title}: it is the answer`);
        }
        rest(t, stage, title);
      }
    }
  }
});

t.test('an answer with x-envoy-ratelimited is for envoy-ratelimited alone', async (t) => {
  const stage = new Stage({ retry: { on: ['5xx', 'retriable-status-codes'], retriableStatusCodes: [429] } });
  stage.ask().conn(0).receive(answer(503, 'x-envoy-ratelimited: true\r\n'));
  t.equal(stage.status(), '503');
});

t.test('what may not be tried again', async (t) => {
  const limits = { maxConnections: 1024, maxPendingRequests: 1, maxRequests: 1024, maxRetries: 3 };
  const full = new Stage({ cluster: { circuitBreakers: limits }, ports: [1] });
  full.door.connect().receive('GET / HTTP/1.1\r\nHost: here\r\n\r\n');
  full.ask();
  t.equal(full.status(), '503', 'an overflow');
  t.match(full.log(), /^503 UO /);
  t.equal(full.stat(S.UP_RQ_RETRY), 0);

  const none = new Stage({ ports: [] });
  t.equal(none.ask().status(), '503', 'no host');
  t.equal(none.stat(S.UP_RQ_RETRY), 0);

  const started = new Stage();
  started.ask().conn(0).receive('HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nhalf');
  started.conn(0).breakOff();
  t.equal(started.caller.peerSees, 'reset', 'an answer that has begun');
  t.equal(started.stat(S.UP_RQ_RETRY), 0);
  rest(t, started);
});

t.test('no more retries at once than the breaker allows', async (t) => {
  const limits = { maxConnections: 1024, maxPendingRequests: 1024, maxRequests: 1024, maxRetries: 1 };
  const stage = new Stage({ cluster: { circuitBreakers: limits }, ports: [1] });
  const other = stage.another();
  stage.ask();
  stage.conn(0).receive(answer(503));
  other.receive('GET / HTTP/1.1\r\nHost: here\r\n\r\n');
  stage.conn(0).receive(answer(503, '', 'no room'));
  t.match(other.takeSent().toString('latin1'), /^HTTP\/1.1 503[^]*no room$/, 'what there was goes down');
  t.equal(stage.log(), '503 UO via_upstream 1 127.0.0.1:1');
  t.same([stage.stat(S.UP_RQ_RETRY_OVERFLOW), stage.stat(S.UP_RQ_RETRY)], [1, 1]);
  stage.later().conn(0).receive(OK);
  t.equal(stage.status(), '200');
  rest(t, stage);
});

t.test('the body goes up again, byte for byte, up to the limit', async (t) => {
  const body = '0123456789'.repeat(10);
  for (const [limit, again] of [[100, true], [99, false], [0, false]] as const) {
    for (const [fields, text] of [['content-length: 100\r\n', body], ['transfer-encoding: chunked\r\n', `32\r\n${body.slice(0, 50)}\r\n32\r\n${body.slice(50)}\r\n0\r\nx-end: 1\r\n\r\n`]] as const) {
      const stage = new Stage({ retry: { on: ['reset', '5xx'], maxReplayBodyBytes: limit }, ports: [1] });
      const title = `${fields.trim()}, limit ${limit}`;
      stage.caller.receive(`POST /x HTTP/1.1\r\nHost: here\r\n${fields}\r\n`);
      stage.conn(0);
      // In three pieces, so that some of it comes after the connection is up.
      for (const [from, to] of [[0, 30], [30, 31], [31, text.length]] as const) stage.caller.receive(text.slice(from, to));
      const first = readMessages(stage.conn(0).takeSent().toString('latin1')).messages[0]!;
      t.equal(first.body, body, title);
      stage.conn(0).breakOff();
      stage.later();
      if (again) {
        const second = readMessages(stage.conn(1).takeSent().toString('latin1')).messages[0]!;
        t.same({ ...second, length: 0, fields: plain(second) }, { ...first, length: 0, fields: plain(first) }, `${title}: the same again`);
        stage.conn(1).receive(OK);
        t.equal(stage.status('POST'), '200');
      } else {
        t.equal(stage.status('POST'), '503', `${title}: not again`);
        t.equal(stage.stat(S.UP_RETRY_OR_SHADOW_ABANDONED), 1, title);
        t.match(stage.log(), /^503 UC /);
      }
      rest(t, stage, title);
    }
  }
});

/** The fields that do not tell of time. */
function plain(message: Message): unknown {
  return JSON.parse(JSON.stringify(message.fields).replace(/"x-envoy-expected-rq-timeout-ms",\s*"\d+"/i, '"t"'));
}

t.test('the first attempt ends while the request is still coming', async (t) => {
  const stage = new Stage({ retry: { on: ['5xx'] }, ports: [1] });
  stage.caller.receive('POST /x HTTP/1.1\r\nHost: here\r\ncontent-length: 10\r\n\r\n01234');
  stage.conn(0).receive(answer(503));
  t.equal(stage.stat(S.UP_RQ_RETRY), 1);
  stage.caller.receive('56');
  stage.later();
  t.equal(readMessages(stage.conn(1).peekSent().toString('latin1')).messages.length, 0, 'the rest is awaited');
  stage.caller.receive('789');
  t.equal(readMessages(stage.conn(1).takeSent().toString('latin1')).messages[0]!.body, '0123456789');
  stage.conn(1).receive(OK);
  t.equal(stage.status('POST'), '200');
  rest(t, stage);

  const over = new Stage({ retry: { on: ['5xx'], maxReplayBodyBytes: 6 }, ports: [1] });
  over.caller.receive('POST /x HTTP/1.1\r\nHost: here\r\ncontent-length: 10\r\n\r\n01234');
  over.conn(0).receive(answer(503));
  over.caller.receive('56789');
  t.equal(over.status('POST'), '507', 'more than is kept, and nowhere to send it');
  t.equal(over.log(), '507 - request_payload_exceeded_retry_buffer_limit 1 127.0.0.1:1');
  t.equal(over.stat(S.UP_RETRY_OR_SHADOW_ABANDONED), 1);
  t.same(over.house.taken()['cluster app retry'], undefined);
});

t.test('the waits are Envoy\'s', async (t) => {
  const delays: number[][] = [[], [], [], []];
  const stage = new Stage({ retry: { on: ['5xx'], attempts: 4 }, ports: [1], http: { accessLog: [] } });
  for (let round = 0; round < 250; round++) {
    stage.ask();
    for (const list of delays) {
      stage.conn(0).receive(answer(503));
      const before = stage.house.loop.clock.now;
      stage.conn(0).takeSent();
      while (stage.conn(0).peekSent().length === 0) stage.later(1);
      list.push(stage.house.loop.clock.now - before);
    }
    stage.conn(0).receive(OK);
    stage.caller.takeSent();
  }
  // Timers fire up to 10 ms late.
  for (const [n, most] of [[0, 24], [1, 74], [2, 174], [3, 249]] as const) {
    const mean = delays[n]!.reduce((sum, ms) => sum + ms, 0) / delays[n]!.length;
    t.ok(delays[n]!.every((ms) => ms >= 0 && ms <= most + 10), `retry ${n + 1}: none above ${most}`);
    t.ok(Math.abs(mean - most / 2 - 5) < most / 8 + 2, `retry ${n + 1}: the mean ${mean} is near ${most / 2}`);
  }
  rest(t, stage);
});

t.test('Retry-After and X-RateLimit-Reset', async (t) => {
  const retryAfter = { headers: [{ name: 'retry-after', format: 'seconds' }, { name: 'x-ratelimit-reset', format: 'unixTime' }], maxMs: 300_000 } as const;
  const now = Math.floor(new Stage().house.loop.clock.wall() / 1000);
  const cases: [fields: string, from: number, to: number][] = [
    ['retry-after: 2\r\n', 2000, 3010],
    [`x-ratelimit-reset: ${now + 3}\r\n`, 3000, 4510],
    [`retry-after: 301\r\nx-ratelimit-reset: ${now + 1}\r\n`, 1000, 1510],
    ['retry-after: soon\r\n', 0, 35],
    ['retry-after: 0\r\n', 0, 35],
    [`x-ratelimit-reset: ${now - 3}\r\n`, 0, 35],
  ];
  for (const [fields, from, to] of cases) {
    const stage = new Stage({ retry: { on: ['5xx'], retryAfter }, ports: [1] });
    stage.ask().conn(0).receive(answer(503, fields));
    stage.conn(0).takeSent();
    let waited = 0;
    for (; stage.conn(0).peekSent().length === 0 && waited < 10_000; waited++) stage.later(1);
    t.ok(waited >= from && waited <= to, `${fields.trim()}: ${waited} is from ${from} to ${to}`);
    t.same([stage.stat(S.UP_RQ_RETRY_BACKOFF_RATELIMITED), stage.stat(S.UP_RQ_RETRY_BACKOFF_EXPONENTIAL)], from > 0 ? [1, 0] : [0, 1], fields.trim());
    stage.conn(0).receive(OK);
    rest(t, stage);
  }
});

t.test('the route\'s time-out covers all tries and the waits between them', async (t) => {
  const retryAfter = { headers: [{ name: 'retry-after', format: 'seconds' }], maxMs: 300_000 } as const;
  const stage = new Stage({ retry: { on: ['5xx'], retryAfter }, forward: { timeoutMs: 1000 }, ports: [1] });
  stage.ask().conn(0).receive(answer(503, 'retry-after: 2\r\n'));
  t.equal(stage.later(990).status(), '');
  t.equal(stage.later(20).status(), '504');
  t.equal(stage.log(), '504 UT response_timeout 1 127.0.0.1:1');
  t.equal(stage.stat(S.UP_RQ_TIMEOUT), 0, 'no attempt was out');
  rest(t, stage);
});

t.test('per-try time-out', async (t) => {
  const stage = new Stage({ retry: { on: ['5xx'], perTryTimeoutMs: 100 }, forward: { timeoutMs: 1000 }, ports: [1] });
  stage.ask();
  stage.later(300);
  t.equal(stage.stat(S.UP_RQ_PER_TRY_TIMEOUT), 0, 'it does not run without a connection');
  stage.conn(0);
  stage.later(90);
  t.equal(stage.stat(S.UP_RQ_PER_TRY_TIMEOUT), 0);
  stage.later(20);
  t.equal(stage.stat(S.UP_RQ_PER_TRY_TIMEOUT), 1);
  t.equal(stage.conn(0).peerSees, 'reset');
  stage.later().conn(1).receive(OK);
  t.equal(stage.status(), '200');
  t.equal(stage.log(), '200 - via_upstream 2 127.0.0.1:1');
  rest(t, stage);

  const alone = new Stage({ retry: { perTryTimeoutMs: 100 }, ports: [1] });
  alone.ask().conn(0);
  alone.later(120);
  t.same(alone.answers().map(({ line, body }) => [line.slice(9, 12), body]), [['504', 'upstream request timeout']], 'without anything to retry on');
  t.equal(alone.log(), '504 UT upstream_per_try_timeout 1 127.0.0.1:1');
  rest(t, alone);

  const slow = new Stage({ retry: { on: ['5xx'], perTryTimeoutMs: 100 }, ports: [1] });
  slow.ask().conn(0).receive('HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n');
  slow.later(500).conn(0).receive('ok');
  t.equal(slow.status(), '200', 'an answer that has begun may take its time');
  rest(t, slow);

  const upload = new Stage({ retry: { on: ['5xx'], perTryTimeoutMs: 100 }, ports: [1] });
  upload.caller.receive('POST /x HTTP/1.1\r\nHost: here\r\ncontent-length: 2\r\n\r\n0');
  upload.conn(0);
  upload.later(500);
  t.equal(upload.stat(S.UP_RQ_PER_TRY_TIMEOUT), 0, 'it runs from the end of the request on');
  upload.caller.receive('1');
  upload.later(120);
  t.equal(upload.stat(S.UP_RQ_PER_TRY_TIMEOUT), 1);
  upload.later();
  t.equal(readMessages(upload.conn(1).takeSent().toString('latin1')).messages[0]!.body, '01');
  upload.conn(1).receive(OK);
  rest(t, upload);
});

t.test('per-try idle time-out', async (t) => {
  const stage = new Stage({ retry: { on: ['5xx'], perTryIdleTimeoutMs: 100 }, ports: [1] });
  stage.ask().conn(0);
  stage.later(120);
  t.equal(stage.stat(S.UP_RQ_PER_TRY_IDLE_TIMEOUT), 1);
  stage.later().conn(1).receive('HTTP/1.1 200 OK\r\ncontent-length: 3\r\n\r\n');
  for (const byte of 'ab') {
    stage.later(80);
    stage.conn(1).receive(byte);
  }
  stage.later(80);
  t.equal(stage.caller.peerSees, 'open', 'every byte counts');
  stage.later(40);
  t.equal(stage.caller.peerSees, 'reset');
  t.equal(stage.log(), '200 UT upstream_per_try_idle_timeout 2 127.0.0.1:1');
  rest(t, stage);
});

t.test('previous hosts are not chosen again', async (t) => {
  const stage = new Stage({ retry: { on: ['5xx'], attempts: 2, previousHosts: true, hostSelectionAttempts: 3 } });
  for (let round = 0; round < 20; round++) {
    const from = stage.house.loop.targets.length;
    stage.ask();
    const met = new Set<string>();
    for (let n = 0; n < 3; n++) {
      if (n > 0) stage.later();
      met.add(stage.house.loop.targets.at(-1)!);
      stage.conn(stage.made - 1).receive('HTTP/1.1 503 x\r\nconnection: close\r\ncontent-length: 0\r\n\r\n');
    }
    t.equal(stage.house.loop.targets.length, from + 3);
    t.equal(met.size, 3, 'three tries, three hosts');
    t.equal(stage.status(), '503');
  }
  rest(t, stage);
});

t.test('what the endpoint and the caller are told', async (t) => {
  const stage = new Stage({
    retry: { on: ['5xx'], attempts: 2, perTryTimeoutMs: 400, includeAttemptCount: true, includeAttemptCountInResponse: true, includeIsTimeoutRetry: true },
    forward: { timeoutMs: 1000, rewrite: { ...NO_REWRITE, prefix: '/y', hostFrom: 'upstream' }, requestHeaders: { set: [], add: [['x-added', 'once']], remove: [] } },
    ports: [1, 2],
  });
  stage.ask();
  const heads: Message[] = [];
  const read = (n: number): void => void heads.push(readMessages(stage.conn(n).takeSent().toString('latin1')).messages[0]!);
  read(0);
  stage.conn(0).receive('HTTP/1.1 503 x\r\nconnection: close\r\ncontent-length: 0\r\n\r\n');
  stage.later();
  read(1);
  stage.later(410).later(30);
  for (let n = 0; n < 25 && stage.made < 3; n++) stage.later(10);
  read(2);
  t.same(heads.map(({ line }) => line.split(' ')[1]), ['/yx', '/yx', '/yx'], 'rewritten once');
  const values = (name: string): (string | undefined)[] => heads.map(({ fields }) => one(fields, name));
  t.same(values('x-envoy-attempt-count'), ['1', '2', '3']);
  t.same(values('x-envoy-is-timeout-retry'), [undefined, 'false', 'true']);
  t.same(values('x-added'), ['once', 'once', 'once']);
  t.same(values('x-envoy-original-path'), ['/x', '/x', '/x']);
  const hosts = values('host');
  t.same(hosts, heads.map((_, n) => stage.house.loop.targets[n]), 'each is called by its own name');
  t.not(hosts[0], hosts[1]);
  const expected = values('x-envoy-expected-rq-timeout-ms').map(Number);
  t.same(expected.slice(0, 2), [400, 400]);
  t.ok(expected[2]! <= 330 && expected[2]! > 0, `what is left: ${expected[2]}`);
  stage.conn(2).receive(OK);
  t.equal(one(stage.answers()[0]!.fields, 'x-envoy-attempt-count'), '3');
  rest(t, stage);
});

t.test('an internal caller says by header what it wants; others are not heard', async (t) => {
  const wish = 'x-envoy-retry-on: 5xx,nonsense\r\nx-envoy-max-retries: 2\r\nx-envoy-upstream-rq-timeout-ms: 700\r\nx-envoy-upstream-rq-per-try-timeout-ms: 200\r\n';
  for (const [from, internal] of [['10.1.2.3', true], ['203.0.113.9', false]] as const) {
    const stage = new Stage({ retry: null, from, http: { internalCidrs: ['10.0.0.0/8'] }, ports: [1] });
    stage.ask(wish);
    const sent = readMessages(stage.conn(0).takeSent().toString('latin1')).messages[0]!;
    t.equal(one(sent.fields, 'x-envoy-internal'), internal ? 'true' : undefined, from);
    t.equal(one(sent.fields, 'x-envoy-retry-on'), undefined, 'nobody behind us sees it');
    t.equal(one(sent.fields, 'x-envoy-expected-rq-timeout-ms'), internal ? '200' : '15000');
    stage.conn(0).receive(answer(503));
    t.equal(stage.status(), internal ? '' : '503', from);
    if (internal) {
      stage.later(40).conn(0).receive(answer(503));
      stage.later(90);
      t.equal(stage.later(210).status(), '504', 'its time-out for one try holds');
      t.match(stage.log(), /^504 UT,URX upstream_per_try_timeout 3 |^504 URX,UT upstream_per_try_timeout 3 /);
    }
    rest(t, stage, from);
  }
  const cases: [fields: string, status: number, answerFields: string, expected: number][] = [
    ['x-envoy-retry-on: retriable-status-codes\r\nx-envoy-retriable-status-codes: 418, 419\r\n', 419, '', 1],
    ['x-envoy-retry-on: retriable-status-codes\r\n', 419, '', 0],
    ['x-envoy-retry-on: retriable-headers\r\nx-envoy-retriable-header-names: X-Again,x-b\r\n', 200, 'x-again: 0\r\n', 1],
    ['x-envoy-retry-grpc-on: unavailable\r\n', 200, 'grpc-status: 14\r\n', 1],
    ['x-envoy-retry-grpc-on: 5xx\r\n', 503, '', 0],
    ['x-envoy-max-retries: 3\r\n', 503, '', 0],
    ['x-envoy-retry-on: 5xx\r\nx-envoy-max-retries: 0\r\n', 503, '', 0],
  ];
  for (const [fields, status, answerFields, expected] of cases) {
    const stage = new Stage({ retry: null, from: '10.1.2.3', http: { internalCidrs: ['10.0.0.0/8'] }, ports: [1] });
    stage.ask(fields).conn(0).receive(answer(status, answerFields));
    t.equal(stage.stat(S.UP_RQ_RETRY), expected, fields);
  }
  const alt = new Stage({ retry: null, from: '10.1.2.3', http: { internalCidrs: ['10.0.0.0/8'] }, forward: { timeoutMs: 500 }, ports: [1] });
  alt.ask('x-envoy-upstream-rq-timeout-alt-response: 1\r\n').conn(0);
  t.equal(alt.later(510).status(), '204', 'a time-out that is no error');
  rest(t, alt);
});
