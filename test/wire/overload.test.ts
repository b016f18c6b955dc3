// The overload manager over real sockets: connections of all listeners and workers counted together, and each action set off
// by a pressure that the test gives, and ended by its going away.

import { createConnection, type Socket } from 'node:net';

import t, { type Test } from 'tap';

import { waitFor } from '../support/deadline.ts';
import { value } from '../support/http-message.ts';
import { exchangeOnce, get, RawClient, request, type Answer } from '../support/raw-client.ts';
import { byteEngines, subjectIsEnvoy } from '../support/run-proxy.ts';
import { onEachEngine, SHORT_LOG, type Stage } from '../support/stage.ts';

t.setTimeout(120_000);

const MOST = 10;

onEachEngine(
  (stage) => {
    const http = { accessLog: [{ path: stage.logPath, format: SHORT_LOG }], routes: [{ match: { prefix: '/' }, forward: { cluster: 'app' } }] };
    return {
      overload: {
        maxConnections: MOST,
        maxHeapSize: '1000GiB',
        interval: '50ms',
        actions: {
          disableKeepAlive: 0.1, closeIdleConnections: 0.85, stopAcceptingRequests: 0.9, rejectIncomingConnections: 0.92, stopAcceptingConnections: 0.95,
          reduceTimeouts: { from: 0.2, to: 0.4, idle: '1ms' },
        },
      },
      listeners: [
        { name: 'main', address: '127.0.0.1:0', http },
        { name: 'other', address: '127.0.0.1:0', http },
        { name: 'raw', address: '127.0.0.1:0', tcp: { cluster: 'app' } },
      ],
      clusters: [{ name: 'app', endpoints: [stage.origin.address] }],
    };
  },
  { workers: 3 },
  async (t, stage) => {
    stage.origin.on('/', (exchange) => exchange.reply(200, {}, 'ok'));
    await t.test('the eleventh connection is refused, whichever listener it comes to', (t) => connections(t, stage));
    await t.test('keep-alive is disabled', (t) => keepAlive(t, stage));
    await t.test('idle connections are closed', (t) => idle(t, stage));
    await t.test('requests are refused', (t) => requests(t, stage));
    await t.test('connections are rejected', (t) => rejected(t, stage));
    await t.test('connections wait in the queue, and are let in afterwards', (t) => waiting(t, stage));
    await t.test('idle time-outs shrink', (t) => reduced(t, stage));
    t.notMatch(stage.proxy.run.stderr, /TypeError|RangeError/);
  },
  subjectIsEnvoy ? [] : byteEngines,
);

/** Says how much of the memory allowed is in use, and waits until every worker may have seen it. */
async function pressure(stage: Stage, share: number, action: string, active: number): Promise<void> {
  await exchangeOnce(stage.proxy.admin, request('POST', `/hooks/pressure?share=${share}`, { Connection: 'close' }));
  await stage.proxy.statBecomes(`overload.envoy.overload_actions.${action}.active`, active);
  await stage.proxy.statBecomes('overload.envoy.resource_monitors.fixed_heap.pressure', Math.floor(share * 100));
}

/** Null when the connection is refused before an answer comes. */
async function ask(address: string): Promise<Answer | null> {
  return get(address, '/').catch(() => null);
}

async function connections(t: Test, stage: Stage): Promise<void> {
  const listeners = ['main', 'other', 'raw'].map((name) => stage.proxy.listener(name));
  const held: RawClient[] = [];
  for (let i = 0; i < MOST; i++) {
    const client = await RawClient.connect(listeners[i % 3]!);
    t.equal((await client.exchange(request('GET', '/'))).status, 200);
    held.push(client);
  }
  for (const address of listeners) t.equal(await ask(address), null, 'no room for one more');
  const overflow = await stage.proxy.stats('downstream_global_cx_overflow');
  t.equal([...overflow.values()].reduce((sum, count) => sum + count, 0), 3);
  t.equal(await stage.proxy.stat('overload.envoy.resource_monitors.global_downstream_max_connections.pressure'), 100);
  t.equal(await stage.proxy.stat('server.live'), 1, 'the admin pages are not among them');
  for (const client of held) t.equal((await client.exchange(request('GET', '/'))).status, 200, 'those that are in are served');
  held.pop()!.destroy();
  await waitFor('one to be let in again', async () => (await ask(listeners[0]!))?.status === 200);

  // A crowd: never more than ten at once.
  for (const client of held) client.destroy();
  await stage.proxy.statBecomes('overload.envoy.resource_monitors.global_downstream_max_connections.pressure', 0);
  const crowd = await Promise.all(Array.from({ length: 60 }, async (_, i) => {
    const client = await RawClient.connect(listeners[i % 3]!).catch(() => null);
    const status = client === null ? 0 : await client.exchange(request('GET', '/')).then((answer) => answer.status, () => 0);
    return { client, status };
  }));
  t.equal(crowd.filter(({ status }) => status === 200).length, MOST, 'exactly ten of sixty');
  for (const { client } of crowd) client?.destroy();
  await stage.proxy.statBecomes('overload.envoy.resource_monitors.global_downstream_max_connections.pressure', 0);
}

async function keepAlive(t: Test, stage: Stage): Promise<void> {
  const client = await stage.connect('main');
  t.equal(value(await client.exchange(request('GET', '/')), 'connection'), undefined);
  await pressure(stage, 0.15, 'disable_http_keepalive', 1);
  t.equal(value(await client.exchange(request('GET', '/')), 'connection'), 'close');
  await waitFor('its end', () => client.reader.ending === 'fin');
  t.equal(await stage.proxy.stat('http.main.downstream_cx_overload_disable_keepalive'), 1);
  client.destroy();
  await pressure(stage, 0, 'disable_http_keepalive', 0);
  t.equal(value((await ask(stage.address))!, 'connection'), undefined);
}

async function idle(t: Test, stage: Stage): Promise<void> {
  const clients = await Promise.all(Array.from({ length: 6 }, () => stage.connect('main')));
  for (const client of clients) await client.exchange(request('GET', '/'));
  await pressure(stage, 0.85, 'close_idle_http_connections', 1);
  await waitFor('all to be closed', () => clients.every(({ reader }) => reader.ending !== null));
  await pressure(stage, 0, 'close_idle_http_connections', 0);
  for (const client of clients) client.destroy();
  t.ok((await stage.proxy.stat('http.main.downstream_cx_idle_timeout')) >= 6);
}

async function requests(t: Test, stage: Stage): Promise<void> {
  await pressure(stage, 0.9, 'stop_accepting_requests', 1);
  for (let i = 0; i < 6; i++) {
    const answer = (await ask(stage.address))!;
    t.equal(`${answer.status} ${answer.text}`, '503 envoy overloaded');
  }
  await stage.logLine('/ 503 OM overload -');
  t.equal(await stage.proxy.stat('http.main.downstream_rq_overload_close'), 6);
  await pressure(stage, 0, 'stop_accepting_requests', 0);
  t.equal((await ask(stage.address))!.status, 200);
}

async function waiting(t: Test, stage: Stage): Promise<void> {
  const before = await stage.proxy.stat('http.main.downstream_cx_total');
  await pressure(stage, 0.95, 'stop_accepting_connections', 1);
  // A worker looks at its next tick: those that come before that are still served, or told to wait with 503.
  const sockets: Socket[] = [];
  let unanswered = 0;
  await waitFor('nobody to be accepted any more', async () => {
    const address = new URL(`http://${stage.address}`);
    const round = await Promise.all(Array.from({ length: 6 }, () => new Promise<boolean>((resolve) => {
      const socket = createConnection(Number(address.port), address.hostname, () => socket.write(request('GET', '/', { Connection: 'close' })));
      socket.setTimeout(300, () => resolve(false));
      socket.on('data', () => resolve(true));
      socket.on('error', () => resolve(true));
      sockets.push(socket);
    })));
    unanswered = round.filter((answered) => !answered).length;
    return unanswered === 6;
  });
  const counted = await stage.proxy.stat('http.main.downstream_cx_total');
  await pressure(stage, 0, 'stop_accepting_connections', 0);
  const late = sockets.slice(-6);
  await waitFor('those that waited to be accepted', async () => (await stage.proxy.stat('http.main.downstream_cx_total')) >= counted + 6).catch((error: Error) => {
    throw new Error(`${error.message}: ${before}, ${counted}`);
  });
  t.ok(late.every((socket) => !socket.destroyed || socket.bytesRead > 0), 'none of them was refused');
  await waitFor('their answers', () => late.every((socket) => socket.bytesRead > 0));
  for (const socket of sockets) socket.destroy();
  t.equal((await ask(stage.proxy.listener('other')))!.status, 200);
}

async function rejected(t: Test, stage: Stage): Promise<void> {
  await pressure(stage, 0.92, 'reject_incoming_connections', 1);
  for (const name of ['main', 'other', 'raw']) t.equal(await ask(stage.proxy.listener(name)), null, name);
  const counted = [...(await stage.proxy.stats('downstream_cx_overload_reject')).values()].reduce((sum, count) => sum + count, 0);
  t.ok(counted >= 3, `each is counted (${counted})`);
  await pressure(stage, 0, 'reject_incoming_connections', 0);
  t.equal((await ask(stage.address))!.status, 200);
}

async function reduced(t: Test, stage: Stage): Promise<void> {
  const client = await stage.connect('main');
  await client.exchange(request('GET', '/'));
  await pressure(stage, 0.4, 'reduce_timeouts', 1);
  await waitFor('an hour to be over', () => client.reader.ending === 'fin');
  client.destroy();
  await pressure(stage, 0.3, 'reduce_timeouts', 0);
  t.equal(await stage.proxy.stat('overload.envoy.overload_actions.reduce_timeouts.scale_percent'), 50);
  await pressure(stage, 0, 'reduce_timeouts', 0);
}
