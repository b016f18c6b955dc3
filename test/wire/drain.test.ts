// SIGTERM: what is queued is still accepted, what is in flight is answered, idle connections close, the process ends with
// exit 0; and the second signal, and the end of patience.

import { once } from 'node:events';

import t, { type Test } from 'tap';

import { sleep, waitFor, within } from '../support/deadline.ts';
import { value } from '../support/http-message.ts';
import { Origin, type Exchange } from '../support/origin.ts';
import { RawClient, request } from '../support/raw-client.ts';
import { byteEngines, runProxy, subjectIsEnvoy, type Proxy, type Subject } from '../support/run-proxy.ts';
import { assertNoStackTrace } from '../support/stage.ts';

t.setTimeout(90_000);

for (const engine of subjectIsEnvoy ? [] : byteEngines) {
  t.test(engine, async (t) => {
    await t.test('in flight, idle, new', (t) => graceful(t, engine));
    await t.test('what waits in the queue is accepted', (t) => queued(t, engine));
    await t.test('a second signal ends it at once', (t) => secondSignal(t, engine));
    await t.test('patience ends', (t) => patience(t, engine));
    await t.test('an idle proxy, by SIGINT', (t) => interrupt(t, engine));
    await t.test('an admin order', (t) => quit(t, engine));
  });
}

interface Scene {
  readonly proxy: Proxy;
  readonly origin: Origin;
  readonly held: Exchange[];
}

async function setScene(t: Test, engine: Subject, drainTimeout = '20s'): Promise<Scene> {
  const held: Exchange[] = [];
  const origin = await Origin.start({
    script: async (exchange) => {
      await exchange.body();
      if (!exchange.head.target.startsWith('/held')) return exchange.reply(200, {}, 'at once');
      held.push(exchange);
      await once(exchange.connection.socket, 'close');
    },
  });
  t.teardown(() => origin.stop());
  const proxy = await runProxy(t, {
    drainTimeout,
    listeners: [{ name: 'main', address: '127.0.0.1:0', http: { routes: [{ match: { prefix: '/' }, forward: { cluster: 'app', timeout: '0s' } }] } }],
    clusters: [{ name: 'app', endpoints: [origin.address] }],
  }, { engine });
  return { proxy, origin, held };
}

async function graceful(t: Test, engine: Subject): Promise<void> {
  const { proxy, origin, held } = await setScene(t, engine);
  const address = proxy.listener();
  const idle = await Promise.all(Array.from({ length: 6 }, () => RawClient.connect(address)));
  for (const client of idle) await client.exchange(request('GET', '/'));
  const silent = await RawClient.connect(address);
  const busy = await Promise.all(Array.from({ length: 6 }, () => RawClient.connect(address)));
  for (const client of busy) client.write(request('GET', '/held'));
  const streaming = await RawClient.connect(address);
  streaming.write(request('GET', '/held/stream'));
  const uploading = await RawClient.connect(address);
  uploading.write(request('POST', '/', { 'Content-Length': '5' }) + 'he');
  await waitFor('seven at the origin', () => held.length === 7 && origin.requests.length === 14);
  const stream = held.find(({ head }) => head.target === '/held/stream') as Exchange;
  await stream.send('HTTP/1.1 200 OK\r\nContent-Length: 8\r\n\r\nhalf');
  t.equal((await streaming.head()).status, 200);

  proxy.signal('SIGTERM');
  for (const client of idle) t.strictSame(await client.ended(), { how: 'fin', rest: '' }, 'an idle connection closes');
  t.equal((await silent.ended()).how, 'fin', 'also one that never spoke');
  await waitFor('the port to be closed', () => RawClient.connect(address).then((client) => (client.destroy(), false), () => true));
  t.equal(proxy.run.exit, null, 'the process waits for those in flight');
  t.equal((await proxy.page('/ready')).status, 503, 'and is not ready any more');
  for (const exchange of held) if (exchange !== stream) void exchange.reply(200, {}, 'in the end');
  for (const client of busy) {
    const answer = await client.answer();
    t.equal(answer.text, 'in the end', 'what was in flight is answered');
    t.equal(value(answer, 'connection'), 'close', 'and told that there will be no more');
    t.equal((await client.ended()).how, 'fin');
  }
  uploading.write('llo');
  t.equal((await uploading.answer('POST')).text, 'at once', 'an upload that had begun is finished');
  t.equal(proxy.run.exit, null);
  await stream.send('half');
  t.equal((await streaming.reader.exactly(8)).toString(), 'halfhalf', 'an answer that had begun is finished');
  t.strictSame(await within('the end', proxy.run.ended), { code: 0, signal: null });
  assertNoStackTrace(t, proxy.run.stderr);
  await waitFor('the upstream connections to be closed', () => origin.open === 0);
}

/** The proxy is stopped while callers connect and ask; SIGTERM finds them in the kernel's queue. */
async function queued(t: Test, engine: Subject): Promise<void> {
  const { proxy } = await setScene(t, engine);
  proxy.signal('SIGSTOP');
  await sleep(50);
  const clients = await Promise.all(Array.from({ length: 40 }, () => RawClient.connect(proxy.listener())));
  for (const client of clients) client.write(request('GET', '/queued'));
  proxy.signal('SIGTERM');
  proxy.signal('SIGCONT');
  const outcomes = await Promise.all(clients.map((client) => client.answer().then(({ text }) => text, (error: Error) => error.message)));
  t.strictSame(outcomes.filter((text) => text !== 'at once'), [], 'forty in the queue, forty answered');
  t.strictSame(await within('the end', proxy.run.ended), { code: 0, signal: null });
}

async function secondSignal(t: Test, engine: Subject): Promise<void> {
  const { proxy, held } = await setScene(t, engine);
  const client = await RawClient.connect(proxy.listener());
  client.write(request('GET', '/held'));
  await waitFor('the request', () => held.length === 1);
  proxy.signal('SIGTERM');
  await sleep(100);
  t.equal(proxy.run.exit, null);
  proxy.signal('SIGTERM');
  await within('the end', proxy.run.ended, 3000);
  t.not((await client.ended()).how, 'local', 'the request is cut');
}

async function patience(t: Test, engine: Subject): Promise<void> {
  const { proxy, held } = await setScene(t, engine, '500ms');
  const client = await RawClient.connect(proxy.listener());
  client.write(request('GET', '/held'));
  await waitFor('the request', () => held.length === 1);
  proxy.signal('SIGTERM');
  await within('the end', proxy.run.ended, 8000);
  t.not((await client.ended()).how, 'local', 'drainTimeout is over: the request is cut');
  assertNoStackTrace(t, proxy.run.stderr);
}

async function interrupt(t: Test, engine: Subject): Promise<void> {
  const { proxy } = await setScene(t, engine);
  proxy.signal('SIGINT');
  t.strictSame(await within('the end', proxy.run.ended, 5000), { code: 0, signal: null });
}

async function quit(t: Test, engine: Subject): Promise<void> {
  const { proxy, held } = await setScene(t, engine);
  const client = await RawClient.connect(proxy.listener());
  client.write(request('GET', '/held'));
  await waitFor('the request', () => held.length === 1);
  const admin = await RawClient.connect(proxy.admin);
  t.equal((await admin.exchange(request('POST', '/quitquitquit', { Connection: 'close' }))).status, 200);
  await (held[0] as Exchange).reply(200, {}, 'still');
  t.equal((await client.answer()).text, 'still');
  t.strictSame(await within('the end', proxy.run.ended), { code: 0, signal: null });
  admin.destroy();
}
