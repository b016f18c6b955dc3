// Upstream connections: kept and used again, last in first out, given up when idle, stale or worn out; the queue before
// them; and round robin and random over several endpoints.

import t, { type Test } from 'tap';

import { BlackHole } from '../support/black-hole.ts';
import { PATIENCE_MS, sleep, waitFor } from '../support/deadline.ts';
import { Origin } from '../support/origin.ts';
import type { RawClient} from '../support/raw-client.ts';
import { get, request } from '../support/raw-client.ts';
import { byteEngines, runProxy, scratchDirectory, type Json, type ProxyConfig, type Subject } from '../support/run-proxy.ts';
import { assertQuiet, assertNoStackTrace, SHORT_LOG, Stage } from '../support/stage.ts';

t.setTimeout(90_000);

interface Scene extends Stage {
  /** One origin per cluster, so that each cluster's connections can be counted by themselves. */
  readonly origins: Readonly<Record<string, Origin>>;
}

const CLUSTERS: Readonly<Record<string, Json>> = {
  plain: {},
  idle: { connections: { idleTimeout: '300ms' } },
  worn: { connections: { maxRequests: 3 } },
  narrow: { circuitBreakers: { maxConnections: 2 } },
  single: { circuitBreakers: { maxConnections: 1 } },
};

for (const engine of byteEngines) {
  t.test(engine, async (t) => {
    const scene = await setScene(t, engine);
    await t.test('a connection is used again', (t) => reuse(t, scene));
    await t.test('the last one back is the first one out', (t) => lastInFirstOut(t, scene));
    await t.test('stale and closing connections', (t) => stale(t, scene));
    await t.test('idle upstream connections', (t) => idleUpstream(t, scene));
    await t.test('idle callers', (t) => idleCallers(t, scene));
    await t.test('a number of requests per connection', (t) => worn(t, scene));
    await t.test('the queue', (t) => queue(t, scene));
    await t.test('one connection for all workers', (t) => shared(t, scene));
    await t.test('a connection that does not come about', (t) => connectTimeout(t, scene));
    await t.test('round robin', (t) => roundRobin(t, scene));
    await t.test('random', (t) => random(t, scene));
    await assertQuiet(t, scene.proxy);
    t.strictSame(await scene.proxy.stop(), { code: 0, signal: null });
    assertNoStackTrace(t, scene.proxy.run.stderr);
    for (const [name, origin] of Object.entries(scene.origins)) t.strictSame(origin.violations, [], name);
  });
}

async function setScene(t: Test, engine: Subject): Promise<Scene> {
  const names = [...Object.keys(CLUSTERS), 'a', 'b', 'c'];
  const origins: Record<string, Origin> = {};
  for (const name of names) {
    const origin = await Origin.start({ script: async (exchange) => {
      await exchange.body();
      await exchange.reply(200, {}, name);
    } });
    t.teardown(() => origin.stop());
    origins[name] = origin;
  }
  const hole = await BlackHole.open();
  t.teardown(() => hole.close());
  const scene = Object.assign(new Stage(engine, origins['plain'] as Origin, scratchDirectory(t)), { origins });
  scene.proxy = await runProxy(t, configure(scene, hole.address), { engine, workers: 2 });
  return scene;
}

function configure(scene: Scene, hole: string): ProxyConfig {
  const at = (name: string): string => (scene.origins[name] as Origin).address;
  const weighted = ['a', 'b', 'c'].map((name, index) => ({ address: at(name), weight: index + 1 }));
  const names = [...Object.keys(CLUSTERS), 'hole', 'weighted', 'random'];
  const http = { accessLog: [{ path: scene.logPath, format: SHORT_LOG }], routes: names.map((cluster) => ({ match: { prefix: `/${cluster}` }, forward: { cluster } })) };
  return {
    listeners: [
      { name: 'main', address: '127.0.0.1:0', http },
      { name: 'impatient', address: '127.0.0.1:0', http: { ...http, timeouts: { idle: '300ms' } } },
    ],
    clusters: [
      ...Object.entries(CLUSTERS).map(([name, own]) => ({ name, endpoints: [at(name)], ...own })),
      { name: 'hole', endpoints: [hole], connectTimeout: '300ms' },
      { name: 'weighted', endpoints: weighted },
      { name: 'random', endpoints: ['a', 'b', 'c'].map(at), loadBalancing: { policy: 'random' } },
    ],
  };
}

async function reuse(t: Test, scene: Scene): Promise<void> {
  const origin = scene.origins['plain'] as Origin;
  const client = await scene.connect('main');
  for (let n = 0; n < 20; n++) await client.exchange(request('GET', '/plain'));
  t.equal(origin.connections.length, 1, 'twenty requests of one caller, one upstream connection');
  client.destroy();
  for (let n = 0; n < 20; n++) await get(scene.proxy.listener('main'), '/plain');
  t.ok(origin.connections.length <= 2, `twenty callers, one after the other: one per worker (${origin.connections.length})`);
  t.equal(origin.requests.length, 40);
}

async function lastInFirstOut(t: Test, scene: Scene): Promise<void> {
  const origin = scene.origins['plain'] as Origin;
  const clients = await Promise.all(Array.from({ length: 16 }, () => scene.connect('main')));
  let release = (): void => undefined;
  const gate = new Promise<void>((resolve) => (release = resolve));
  origin.on('/plain-held', async (exchange) => {
    await gate;
    await exchange.reply(200);
  });
  for (const client of clients) client.write(request('GET', '/plain-held'));
  await waitFor('all to wait at the origin', () => origin.seen('/plain-held').length === 16);
  release();
  for (const client of clients) await client.answer();
  t.ok(origin.open >= 16, 'sixteen connections are open and idle');

  const used = new Set<number>();
  origin.on('/plain-lifo', async (exchange) => {
    used.add(exchange.connection.number);
    await exchange.reply(200);
  });
  const [client] = clients as [RawClient];
  for (let n = 0; n < 10; n++) await client.exchange(request('GET', '/plain-lifo'));
  t.equal(used.size, 1, 'ten requests in a row go over the same one of them');
  for (const one of clients) one.destroy();
}

async function stale(t: Test, scene: Scene): Promise<void> {
  const origin = scene.origins['plain'] as Origin;
  const client = await scene.connect('main');
  for (const how of ['finish', 'reset'] as const) {
    origin.on('/plain-stale', async (exchange) => {
      await exchange.reply(200, {}, 'last');
      await sleep(20);
      exchange[how]();
    });
    t.equal((await client.exchange(request('GET', '/plain-stale'))).text, 'last');
    await sleep(80);
    t.equal((await client.exchange(request('GET', '/plain'))).status, 200, `after the origin's ${how} a fresh connection serves`);
  }

  const used: number[] = [];
  const record = (bytes: string) => async (exchange: { connection: { number: number }; send(bytes: string): Promise<void> }): Promise<void> => {
    used.push(exchange.connection.number);
    await exchange.send(bytes);
  };
  origin.on('/plain-says-close', record('HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\nok'));
  origin.on('/plain-old', record('HTTP/1.0 200 OK\r\nContent-Length: 2\r\n\r\nok'));
  for (const path of ['/plain-says-close', '/plain-old']) {
    used.length = 0;
    t.equal((await client.exchange(request('GET', path))).text, 'ok');
    t.equal((await client.exchange(request('GET', path))).text, 'ok');
    t.equal(new Set(used).size, 2, `${path}: not used again, though the origin left it open`);
  }
  client.destroy();
}

async function idleUpstream(t: Test, scene: Scene): Promise<void> {
  const origin = scene.origins['idle'] as Origin;
  const client = await scene.connect('main');
  t.equal((await client.exchange(request('GET', '/idle'))).text, 'idle');
  t.equal(origin.open, 1);
  await waitFor('the idle connection to be closed', () => origin.open === 0);
  t.equal(origin.connections[0]?.ended, 'fin', 'politely');
  await scene.proxy.statBecomes('cluster.idle.upstream_cx_idle_timeout', 1);

  origin.on('/idle-busy', async (exchange) => {
    await sleep(800);
    await exchange.reply(200, {}, 'late');
  });
  t.equal((await client.exchange(request('GET', '/idle-busy'))).text, 'late', 'a connection with a request is not idle');
  client.destroy();
}

async function idleCallers(t: Test, scene: Scene): Promise<void> {
  const client = await scene.connect('impatient');
  t.equal((await client.exchange(request('GET', '/plain'))).status, 200);
  t.strictSame(await client.ended(), { how: 'fin', rest: '' }, 'an idle caller is let go, without a word');
  client.destroy();
  const silent = await scene.connect('impatient');
  t.strictSame(await silent.ended(), { how: 'fin', rest: '' }, 'one that never spoke too');
  silent.destroy();
  await waitFor('the counter', async () => (await scene.proxy.stat('http.impatient.downstream_cx_idle_timeout')) === 2);

  (scene.origins['plain'] as Origin).on('/plain-slow', async (exchange) => {
    await sleep(900);
    await exchange.reply(200, {}, 'late');
  });
  const waiting = await scene.connect('impatient');
  t.equal((await waiting.exchange(request('GET', '/plain-slow'))).text, 'late', 'one that waits for its answer is not idle');
  waiting.destroy();
}

async function worn(t: Test, scene: Scene): Promise<void> {
  const origin = scene.origins['worn'] as Origin;
  const client = await scene.connect('main');
  for (let n = 0; n < 9; n++) t.equal((await client.exchange(request('GET', '/worn'))).status, 200);
  t.strictSame(origin.connections.map(({ requests }) => requests), [3, 3, 3], 'three requests each, then a new one');
  await waitFor('the worn connections to be closed', () => origin.open === 0);
  await waitFor('the counter', async () => (await scene.proxy.stat('cluster.worn.upstream_cx_max_requests')) === 3);
  client.destroy();
}

async function queue(t: Test, scene: Scene): Promise<void> {
  if (scene.engine === 'envoy') return; // Envoy lets every worker have one connection at least
  const origin = scene.origins['narrow'] as Origin;
  let most = 0;
  origin.on('/narrow', async (exchange) => {
    most = Math.max(most, origin.open);
    await sleep(10);
    await exchange.reply(200, {}, 'served');
  });
  const answers = await Promise.all(Array.from({ length: 40 }, () => get(scene.proxy.listener('main'), '/narrow')));
  t.ok(answers.every(({ text }) => text === 'served'), 'forty callers, all answered');
  t.ok(most <= 2, `over two connections at the most (${most})`);
  t.ok((await scene.proxy.stat('cluster.narrow.upstream_rq_pending_total')) >= 38);
  await scene.proxy.statBecomes('cluster.narrow.upstream_rq_pending_active', 0);
}

/** A worker that holds the only connection idle must not starve the others. */
async function shared(t: Test, scene: Scene): Promise<void> {
  if (scene.engine === 'envoy') return;
  const origin = scene.origins['single'] as Origin;
  const clients = await Promise.all(Array.from({ length: 8 }, () => scene.connect('main')));
  const started = performance.now();
  for (let round = 0; round < 3; round++) {
    for (const client of clients) t.equal((await client.exchange(request('GET', '/single'))).status, 200);
  }
  t.ok(performance.now() - started < PATIENCE_MS, 'no one starves');
  t.ok(origin.open <= 1);
  for (const client of clients) client.destroy();
}

async function connectTimeout(t: Test, scene: Scene): Promise<void> {
  const answer = await get(scene.proxy.listener('main'), '/hole');
  t.equal(answer.status, 503);
  t.match(answer.text, /^upstream connect error or disconnect\/reset before headers\. reset reason: connection timeout/);
  t.match(await scene.logLine('/hole '), / 503 UF upstream_reset_before_response_started\{connection_timeout/);
  await scene.proxy.statBecomes('cluster.hole.upstream_cx_connect_timeout', 1);
  await scene.proxy.statBecomes('cluster.hole.upstream_cx_connect_fail', 1);
  t.equal(await scene.proxy.stat('cluster.hole.upstream_rq_503'), 1, 'no answer counts as what the caller was told');
  t.equal(await scene.proxy.stat('cluster.hole.upstream_rq_5xx'), 1);
  t.equal(await scene.proxy.stat('cluster.hole.upstream_rq_completed'), 1);
}

async function roundRobin(t: Test, scene: Scene): Promise<void> {
  const client = await scene.connect('main');
  const count: Record<string, number> = { a: 0, b: 0, c: 0 };
  for (let n = 0; n < 60; n++) count[(await client.exchange(request('GET', '/weighted'))).text]!++;
  client.destroy();
  for (const [index, name] of ['a', 'b', 'c'].entries()) {
    t.ok(Math.abs((count[name] as number) - 10 * (index + 1)) <= 1, `weight ${index + 1}: ${count[name]} of 60`);
  }
}

async function random(t: Test, scene: Scene): Promise<void> {
  const client = await scene.connect('main');
  const count: Record<string, number> = { a: 0, b: 0, c: 0 };
  for (let n = 0; n < 300; n++) count[(await client.exchange(request('GET', '/random'))).text]!++;
  client.destroy();
  // 300 draws at a third: standard deviation 8.2; six of them each way.
  for (const name of ['a', 'b', 'c']) t.ok(Math.abs((count[name] as number) - 100) < 50, `${name}: ${count[name]} of 300`);
}
