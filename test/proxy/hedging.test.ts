// Tries that race, and requests that are repeated because no host has seen them. Time is turned by hand.

import t from 'tap';

import type { RetryConfig } from '../../src/config/snapshot.ts';
import * as S from '../../src/observe/stat-names.ts';
import { answer, OK, rest, RetryStage as Stage } from '../support/retry-stage.ts';

t.test('hedging: the slow try and the next race, and the first good answer wins', async (t) => {
  const hedged = (part: Partial<RetryConfig> = {}): Stage => {
    const stage = new Stage({ retry: { on: ['5xx'], perTryTimeoutMs: 100, ...part }, forward: { hedgeOnPerTryTimeout: true, timeoutMs: 1000 }, ports: [1] });
    stage.ask('', 'GET').conn(0);
    stage.later(120).later(40);
    t.equal(stage.stat(S.UP_RQ_RETRY), 1);
    t.equal(stage.made, 2, 'another try is made');
    t.equal(stage.conn(0).peerSees, 'open', 'and the slow one goes on');
    t.equal(stage.stat(S.UP_RQ_PER_TRY_TIMEOUT), 0, 'as in Envoy, nothing has timed out');
    return stage;
  };
  const text = (stage: Stage): string => stage.answers().map(({ body }) => body).join();

  const second = hedged();
  second.conn(1).receive(answer(200, '', 'second'));
  t.equal(text(second), 'second');
  t.equal(second.conn(0).peerSees, 'reset', 'the other is let go');
  t.equal(second.log(), '200 - via_upstream 2 127.0.0.1:1');
  rest(t, second);

  const first = hedged();
  first.conn(1);
  first.conn(0).receive('HTTP/1.1 200 OK\r\ncontent-le', 'ngth: 5\r\n\r\nfir');
  first.conn(0).receive('st');
  t.equal(text(first), 'first');
  t.equal(first.conn(1).peerSees, 'reset');
  t.equal(first.stat(S.UP_RQ_RETRY_SUCCESS), 0);
  rest(t, first);

  const waiting = hedged();
  waiting.conn(0).receive(answer(200, '', 'first'));
  t.equal(text(waiting), 'first', 'the other still waits for its connection');
  waiting.conn(1);
  rest(t, waiting);

  const bad = hedged();
  bad.conn(1);
  bad.conn(0).receive(answer(503, '', 'bad'));
  t.equal(text(bad), '', 'a bad answer waits for a better one');
  bad.conn(1).receive(answer(200, '', 'good'));
  t.equal(text(bad), 'good');
  rest(t, bad);

  const twice = hedged();
  twice.conn(1).receive(answer(503, '', 'bad'));
  t.equal(text(twice), '', 'no retry is left, but the slow one is still out');
  twice.conn(0).receive(answer(200, '', 'good'));
  t.equal(text(twice), 'good');
  t.equal(twice.log(), '200 URX via_upstream 2 127.0.0.1:1');
  rest(t, twice);

  const both = hedged();
  both.conn(1).receive(answer(503, '', 'bad'));
  both.conn(0).receive(answer(502, '', 'worse'));
  t.equal(text(both), 'worse', 'the last one stands');
  rest(t, both);

  const broken = hedged();
  broken.conn(0).breakOff();
  t.equal(text(broken), '');
  broken.conn(1).breakOff();
  t.match(text(broken), /^upstream connect error/);
  rest(t, broken);

  const late = hedged();
  late.conn(1);
  late.later(1000);
  t.equal(text(late), 'upstream request timeout');
  t.equal(late.stat(S.UP_RQ_TIMEOUT), 2, 'both have timed out');
  t.same([late.conn(0).peerSees, late.conn(1).peerSees], ['reset', 'reset']);
  rest(t, late);

  const gone = hedged();
  gone.conn(1);
  gone.caller.breakOff();
  t.same([gone.conn(0).peerSees, gone.conn(1).peerSees], ['reset', 'reset'], 'the caller is gone');
  rest(t, gone);

  const answered = new Stage({ retry: { on: ['5xx'], perTryTimeoutMs: 100, backOff: { baseMs: 500, maxMs: 500 } }, forward: { hedgeOnPerTryTimeout: true }, ports: [1] });
  answered.ask().conn(0);
  answered.later(110).conn(0).receive(OK);
  t.equal(answered.status(), '200', 'before the other begins');
  t.equal(answered.later(1000).made, 1, 'which it does not');
  rest(t, answered);
});

t.test('what no host has seen is repeated without a policy', async (t) => {
  const stage = new Stage({ retry: null, ports: [1] });
  const warm = (): void => {
    stage.ask().conn(stage.made - 1).receive(OK);
    stage.caller.takeSent();
    stage.conn(stage.made - 1).takeSent();
  };
  warm();
  stage.ask();
  const stale = stage.conn(0);
  stale.end();
  t.equal(stage.made, 2, 'the pooled connection was stale: at once on another');
  t.equal(stage.status(), '');
  stage.conn(1).receive(OK);
  t.equal(stage.status(), '200');
  t.equal(stage.stat(S.UP_RQ_RETRY), 0, 'nobody\'s policy');

  stage.ask('content-length: 3\r\n', 'PUT', 'abc');
  stage.conn(1).takeSent();
  stage.conn(1).breakOff();
  t.match(stage.conn(2).sentText, /\r\n\r\nabc$/, 'with its body');
  stage.conn(2).receive(OK);
  stage.caller.takeSent();
  stage.ask('content-length: 3\r\n', 'POST', 'abc');
  stage.conn(2).breakOff();
  t.equal(stage.status('POST'), '503', 'a POST may have had its effect');

  warm();
  const fresh = stage.made - 1;
  stage.ask('content-length: 20000\r\n', 'PUT', 'x'.repeat(20_000));
  stage.conn(fresh).breakOff();
  t.equal(stage.status('PUT'), '503', 'more of a body than is kept');

  const first = new Stage({ retry: null, ports: [1] });
  first.ask().conn(0).end();
  t.equal(first.status(), '503', 'a fresh connection is not stale');
  const begun = new Stage({ retry: null, ports: [1] });
  begun.ask().conn(0).receive(OK);
  begun.caller.takeSent();
  begun.ask().conn(0).receive('HTTP/1.1 20');
  begun.conn(0).end();
  t.equal(begun.status(), '502', 'nor one that has begun to answer');
  rest(t, stage);

  const many = new Stage({ retry: null, ports: [1], http: { accessLog: [] } });
  const callers = Array.from({ length: 6 }, () => many.another());
  for (const caller of callers) caller.receive('GET / HTTP/1.1\r\nHost: here\r\n\r\n');
  for (let n = 0; n < 6; n++) many.conn(n);
  for (let n = 0; n < 6; n++) many.conn(n).receive(OK);
  many.ask();
  for (let n = 0; n < 6; n++) {
    const busy = many.house.loop.connects.find((conn) => conn.state === 'open' && conn.peekSent().toString('latin1').includes('GET /x'));
    busy?.end();
    if (n >= 1) many.later(10);
  }
  t.equal(many.status(), '503', 'but not for ever');
  rest(t, many);
});
