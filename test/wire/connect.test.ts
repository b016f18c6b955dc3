// CONNECT: where a route matches it, the caller gets a TCP connection to a host of its cluster, and nobody else; where
// none does, it is answered as any request without a route.

import { once } from 'node:events';

import t, { type Test } from 'tap';

import { value } from '../support/http-message.ts';
import { RawClient, request } from '../support/raw-client.ts';
import { subjectIsEnvoy } from '../support/run-proxy.ts';
import { onEachEngine, simpleConfig, type Stage } from '../support/stage.ts';

t.setTimeout(60_000);

const LOG = '%REQ(:METHOD)% %REQ(:AUTHORITY)% %RESPONSE_CODE% %RESPONSE_FLAGS% %RESPONSE_CODE_DETAILS% %BYTES_RECEIVED% %BYTES_SENT% %UPSTREAM_HOST%\n';

onEachEngine(
  (stage) => {
    const base = simpleConfig(stage, { http: { accessLog: [{ path: stage.logPath, format: LOG }] } });
    const http = (base.listeners[0] as { http: Record<string, unknown> }).http;
    delete http['routes'];
    http['virtualHosts'] = [
      { domains: ['tunnel.test', '*.tunnel.test:443'], routes: [{ name: 'in', match: { connect: true }, forward: { cluster: 'app' } }, { match: { prefix: '/' }, forward: { cluster: 'app' } }] },
      { domains: ['dead.test:443'], routes: [{ match: { connect: true }, forward: { cluster: 'dead' } }] },
      { domains: ['no.test:443'], routes: [{ match: { connect: true }, respond: { status: 405, body: 'never' } }] },
      { domains: ['*'], routes: [{ match: { prefix: '/' }, forward: { cluster: 'app' } }] },
    ];
    base.clusters.push({ name: 'dead', endpoints: ['127.0.0.1:1'] });
    return base;
  },
  {},
  async (t, stage) => {
    await t.test('a tunnel to a host of the cluster', (t) => opens(t, stage));
    await t.test('bytes right behind the head', (t) => eager(t, stage));
    await t.test('half-close', (t) => halfClose(t, stage));
    await t.test('the two kinds of connections stay apart', (t) => apart(t, stage));
    await t.test('refused', (t) => refused(t, stage));
    await t.test('a host that is not there', (t) => dead(t, stage));
    await t.test('breaks', (t) => breaks(t, stage));
  },
  subjectIsEnvoy ? [] : undefined,
);

const CONNECT = 'CONNECT a.tunnel.test:443 HTTP/1.1\r\nHost: a.tunnel.test:443\r\n\r\n';

async function opens(t: Test, stage: Stage): Promise<void> {
  const client = await stage.connect();
  client.write(CONNECT);
  const head = await client.head();
  t.equal(head.status, 200);
  t.equal(head.reason, 'OK');
  for (const name of ['content-length', 'transfer-encoding', 'connection']) t.equal(value(head, name), undefined, `no ${name}`);
  for (const path of ['/inside', '/inside-again']) {
    const answer = await client.exchange(request('GET', path));
    t.equal(answer.text, `GET ${path} 0`, 'a request inside reaches the host as it is');
  }
  const seen = stage.origin.seen('/inside')[0]!;
  t.equal(value(seen, 'x-forwarded-for'), undefined, 'untouched');
  await stage.proxy.statBecomes('cluster.app.upstream_cx_http1_total', 0);
  await stage.proxy.statBecomes('cluster.app.upstream_rq_active', 1);
  client.finish();
  t.equal((await client.ended()).how, 'fin');
  t.match(await stage.logLine('CONNECT a.tunnel.test'), /^CONNECT a\.tunnel\.test:443 200 - via_upstream \d+ \d+ 127\.0\.0\.1:\d+$/);
}

async function eager(t: Test, stage: Stage): Promise<void> {
  const client = await stage.connect();
  client.write(`${CONNECT}${request('GET', '/eager')}`);
  t.equal((await client.head()).status, 200);
  t.equal((await client.answer()).text, 'GET /eager 0');
  client.finish();
  await client.ended();
}

async function halfClose(t: Test, stage: Stage): Promise<void> {
  stage.origin.on('/half', async (exchange) => {
    await exchange.body();
    const rest = await exchange.connection.reader.toEnd();
    await exchange.reply(200, {}, `after your ${rest.how}`);
    exchange.finish();
  });
  const client = await stage.connect();
  client.write(CONNECT);
  await client.head();
  client.write(request('GET', '/half'));
  client.finish();
  t.equal((await client.answer()).text, 'after your fin');
  t.equal((await client.ended()).how, 'fin');
}

async function apart(t: Test, stage: Stage): Promise<void> {
  const plain = await stage.connect();
  t.equal((await plain.exchange(request('GET', '/one', { Host: 'tunnel.test' }))).status, 200);
  const idle = stage.origin.connections.at(-1)!;
  const client = await stage.connect();
  client.write(CONNECT);
  await client.head();
  await client.exchange(request('GET', '/two'));
  t.not(stage.origin.connections.at(-1), idle, 'a pooled connection is no tunnel');
  client.finish();
  await client.ended();
  t.equal((await plain.exchange(request('GET', '/three', { Host: 'tunnel.test' }))).status, 200);
  plain.destroy();
}

async function refused(t: Test, stage: Stage): Promise<void> {
  t.equal((await stage.exchange('CONNECT other.test:443 HTTP/1.1\r\nHost: other.test:443\r\n\r\n')).status, 404, 'no route');
  const never = await stage.exchange('CONNECT no.test:443 HTTP/1.1\r\nHost: no.test:443\r\n\r\n');
  t.strictSame([never.status, never.text], [405, 'never'], 'a route that answers');
  t.equal((await stage.exchange(request('GET', '/', { Host: 'dead.test:443' }))).status, 404, 'a match by connect takes nothing else');
  t.equal((await stage.exchange('CONNECT a.tunnel.test:443 HTTP/1.1\r\nHost: a.tunnel.test:443\r\nContent-Length: 3\r\n\r\nabc')).status, 400, 'no body');
}

async function dead(t: Test, stage: Stage): Promise<void> {
  const client = await stage.connect();
  client.write('CONNECT dead.test:443 HTTP/1.1\r\nHost: dead.test:443\r\n\r\n');
  const answer = await client.answer('GET');
  t.equal(answer.status, 503);
  t.match(answer.text, /reset reason: remote connection failure/);
  t.equal((await client.exchange(request('GET', '/', { Host: 'tunnel.test' }))).status, 200, 'the connection lives on');
  client.destroy();
}

async function breaks(t: Test, stage: Stage): Promise<void> {
  let host: { closed(): Promise<string>; reset(): void } | undefined;
  stage.origin.on('/breaks', async (exchange) => {
    await exchange.send('HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n');
    host = exchange;
    await once(exchange.connection.socket, 'close');
  });
  for (const who of ['caller', 'host'] as const) {
    const client = await RawClient.connect(stage.address);
    client.write(CONNECT);
    await client.head();
    client.write(request('GET', '/breaks'));
    await client.head();
    if (who === 'caller') {
      client.reset();
      t.equal(await host!.closed(), 'reset');
    } else {
      host!.reset();
      t.equal((await client.ended()).how, 'reset');
    }
  }
}
