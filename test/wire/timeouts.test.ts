// Each timer on its own: the route's, the stream's on either side, the request's, the head's. All cases run at once.

import t, { type Test } from 'tap';

import { sleep, waitFor } from '../support/deadline.ts';
import { StreamEnded } from '../support/byte-reader.ts';
import { RawClient, request } from '../support/raw-client.ts';
import { onEachEngine, SHORT_LOG, type Stage } from '../support/stage.ts';

t.setTimeout(60_000);

onEachEngine(
  (stage) => {
    const routes = [
      { match: { prefix: '/route-timeout' }, forward: { cluster: 'app', timeout: '400ms' } },
      { match: { prefix: '/no-timeout' }, forward: { cluster: 'app', timeout: '0s', idleTimeout: '0s' } },
      { match: { prefix: '/own-idle' }, forward: { cluster: 'app', timeout: '0s', idleTimeout: '400ms' } },
      { match: { prefix: '/' }, forward: { cluster: 'app', timeout: '0s' } },
    ];
    const listener = (name: string, timeouts: Record<string, string>): Record<string, unknown> => ({
      name, address: '127.0.0.1:0', http: { accessLog: [{ path: stage.logPath, format: SHORT_LOG }], routes, timeouts },
    });
    return {
      listeners: [listener('main', {}), listener('idle', { streamIdle: '400ms' }), listener('whole', { request: '400ms' })],
      clusters: [{ name: 'app', endpoints: [stage.origin.address] }],
    };
  },
  {},
  async (t, stage) => {
    t.jobs = 12;
    await Promise.all([
      t.test('route time-out before the answer', { buffered: true }, (t) => routeBefore(t, stage)),
      t.test('route time-out after the answer has begun', { buffered: true }, (t) => routeAfter(t, stage)),
      t.test('route time-out begins when the request is complete', { buffered: true }, (t) => routeFromEnd(t, stage)),
      t.test('no time-out', { buffered: true }, (t) => none(t, stage)),
      t.test('stream idle: the upstream does not answer', { buffered: true }, (t) => idleUp(t, stage)),
      t.test('stream idle: the upstream stops half-way', { buffered: true }, (t) => idleHalfway(t, stage)),
      t.test('stream idle: the caller stops sending', { buffered: true }, (t) => idleDown(t, stage)),
      t.test('stream idle: a trickle is no idleness', { buffered: true }, (t) => trickle(t, stage)),
      t.test('the route’s own idle time', { buffered: true }, (t) => ownIdle(t, stage)),
      t.test('the whole request', { buffered: true }, (t) => whole(t, stage)),
    ]);
    await counters(t, stage);
  },
);

async function routeBefore(t: Test, stage: Stage): Promise<void> {
  let aborted: unknown = null;
  stage.origin.on('/route-timeout', async (exchange) => {
    await exchange.body();
    aborted = await exchange.closed();
  });
  const client = await RawClient.connect(stage.proxy.listener('main'));
  const answer = await client.exchange(request('POST', '/route-timeout', {}, 'x'));
  t.equal(answer.status, 504);
  t.equal(answer.text, 'upstream request timeout');
  t.match(await stage.logLine('/route-timeout '), /^\/route-timeout 504 UT (upstream_)?response_timeout /);
  await waitFor('the upstream to be given up', () => aborted);
  t.equal((await client.exchange(request('GET', '/after'))).status, 200, 'the caller keeps its connection');
  client.destroy();
}

async function routeAfter(t: Test, stage: Stage): Promise<void> {
  stage.origin.on('/route-timeout-body', async (exchange) => {
    await exchange.send('HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf');
    await exchange.closed();
  });
  const client = await RawClient.connect(stage.proxy.listener('main'));
  const answer = await client.exchange(request('GET', '/route-timeout-body')).catch((error: Error) => error);
  t.ok(answer instanceof StreamEnded, 'the answer is cut, so that the caller notices');
  t.match(await stage.logLine('/route-timeout-body '), / 200 UT (upstream_)?response_timeout /);
  client.destroy();
}

async function routeFromEnd(t: Test, stage: Stage): Promise<void> {
  stage.origin.on('/route-timeout-slow-upload', async (exchange) => {
    await exchange.body();
    await exchange.reply(200, {}, 'in time');
  });
  const client = await RawClient.connect(stage.proxy.listener('main'));
  client.write(request('POST', '/route-timeout-slow-upload', { 'Content-Length': '4' }));
  for (const byte of 'slow') {
    await sleep(200);
    client.write(byte);
  }
  t.equal((await client.answer('POST')).text, 'in time', 'an upload of 800 ms under a time-out of 400 ms');
  client.destroy();
}

async function none(t: Test, stage: Stage): Promise<void> {
  stage.origin.on('/no-timeout', async (exchange) => {
    await sleep(1500);
    await exchange.reply(200, {}, 'late');
  });
  for (const listener of ['main', 'idle']) {
    const client = await RawClient.connect(stage.proxy.listener(listener));
    t.equal((await client.exchange(request('GET', '/no-timeout'))).text, 'late', `0s is no limit (${listener})`);
    client.destroy();
  }
}

async function idleUp(t: Test, stage: Stage): Promise<void> {
  stage.origin.on('/idle-up', async (exchange) => {
    await exchange.body();
    await exchange.closed();
  });
  const client = await RawClient.connect(stage.proxy.listener('idle'));
  const answer = await client.exchange(request('GET', '/idle-up'));
  t.equal(answer.status, 504);
  t.equal(answer.text, 'stream timeout');
  t.match(await stage.logLine('/idle-up '), /^\/idle-up 504 SI stream_idle_timeout /);
  client.destroy();
}

async function idleHalfway(t: Test, stage: Stage): Promise<void> {
  stage.origin.on('/idle-half', async (exchange) => {
    await exchange.send('HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf');
    await exchange.closed();
  });
  const client = await RawClient.connect(stage.proxy.listener('idle'));
  const answer = await client.exchange(request('GET', '/idle-half')).catch((error: Error) => error);
  t.ok(answer instanceof StreamEnded, 'the answer is cut');
  t.match(await stage.logLine('/idle-half '), / 200 SI stream_idle_timeout /);
  client.destroy();
}

async function idleDown(t: Test, stage: Stage): Promise<void> {
  let aborted: unknown = null;
  stage.origin.on('/idle-down', async (exchange) => {
    const closed = exchange.closed();
    await exchange.body().catch(() => undefined);
    aborted = await closed;
  });
  const client = await RawClient.connect(stage.proxy.listener('idle'));
  client.write(request('POST', '/idle-down', { 'Content-Length': '10' }) + 'abc');
  const answer = await client.answer('POST');
  t.equal(answer.status, 408);
  t.equal(answer.text, 'stream timeout');
  t.match(await stage.logLine('/idle-down '), /^\/idle-down 408 SI stream_idle_timeout /);
  t.not((await client.ended()).how, 'local', 'its connection cannot be used again');
  await waitFor('the upstream to be given up', () => aborted);
  client.destroy();
}

async function trickle(t: Test, stage: Stage): Promise<void> {
  stage.origin.on('/trickle', async (exchange) => {
    await exchange.send('HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\n');
    for (const byte of 'abcdef') {
      await sleep(150);
      await exchange.send(byte);
    }
  });
  const client = await RawClient.connect(stage.proxy.listener('idle'));
  t.equal((await client.exchange(request('GET', '/trickle'))).text, 'abcdef', '900 ms of answer under 400 ms of idle time');
  client.destroy();
}

async function ownIdle(t: Test, stage: Stage): Promise<void> {
  stage.origin.on('/own-idle', async (exchange) => {
    await exchange.body();
    await exchange.closed();
  });
  const client = await RawClient.connect(stage.proxy.listener('main'));
  t.equal((await client.exchange(request('GET', '/own-idle'))).status, 504);
  t.match(await stage.logLine('/own-idle '), / 504 SI stream_idle_timeout /);
  client.destroy();
}

async function whole(t: Test, stage: Stage): Promise<void> {
  const client = await RawClient.connect(stage.proxy.listener('whole'));
  client.write(request('POST', '/whole', { 'Content-Length': '100' }));
  const timer = setInterval(() => client.write('x'), 100);
  const answer = await client.answer('POST').finally(() => clearInterval(timer));
  t.equal(answer.status, 408);
  t.equal(answer.text, 'request timeout');
  t.match(await stage.logLine('/whole '), /^\/whole 408 - request_overall_timeout /);
  client.destroy();

  stage.origin.on('/whole-answer', async (exchange) => {
    await sleep(900);
    await exchange.reply(200, {}, 'late');
  });
  const waiting = await RawClient.connect(stage.proxy.listener('whole'));
  t.equal((await waiting.exchange(request('GET', '/whole-answer'))).text, 'late', 'the timer is the request’s, not the answer’s');
  waiting.destroy();
}

async function counters(t: Test, stage: Stage): Promise<void> {
  await stage.proxy.statBecomes('cluster.app.upstream_rq_timeout', 2);
  // No answer counts as what the caller was told, one that broke off as what it began with; idle time-outs are not the cluster's.
  t.equal(await stage.proxy.stat('cluster.app.upstream_rq_504'), 1);
  await stage.proxy.statBecomes('http.idle.downstream_rq_idle_timeout', 3);
  await stage.proxy.statBecomes('http.main.downstream_rq_idle_timeout', 1);
  await stage.proxy.statBecomes('http.whole.downstream_rq_timeout', 1);
  t.pass('every timer has its counter');
}
