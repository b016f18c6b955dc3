// Which host a request goes to, seen from outside: the same key to the same host whatever the worker, cookies that are made,
// sessions that stick, and a hung host that gets no more requests from any worker.

import { createServer, type Http2Server, type ServerHttp2Session, type ServerHttp2Stream } from 'node:http2';
import { once } from 'node:events';
import type { AddressInfo } from 'node:net';

import t, { type Test } from 'tap';

import { waitFor } from '../support/deadline.ts';
import { value } from '../support/http-message.ts';
import { Origin } from '../support/origin.ts';
import { get, request, type Answer, type RawClient } from '../support/raw-client.ts';
import { byteEngines, runProxy, scratchDirectory, wholeConfig, type Json, type ProxyConfig, type Subject } from '../support/run-proxy.ts';
import { assertNoStackTrace, assertQuiet, SHORT_LOG, Stage } from '../support/stage.ts';

t.setTimeout(90_000);

const WORKERS = 3;

/** One host of a cluster: answers with its name; what is asked below `/hang` waits until it is let go. */
interface Peer {
  readonly address: string;
  readonly name: string;
  /** Requests that have come. */
  readonly seen: string[];
  hangs: boolean;
  letGo(): void;
  stop(): Promise<void> | void;
}

interface Scene extends Stage {
  readonly peers: readonly Peer[];
  readonly protocol: 'http1' | 'http2';
}

for (const engine of byteEngines) {
  for (const protocol of ['http1', 'http2'] as const) {
    t.test(`${engine}, ${protocol} upstream`, async (t) => {
      const scene = await setScene(t, engine, protocol);
      await t.test('the same key, the same host', (t) => sameKey(t, scene));
      await t.test('a cookie that is made', (t) => madeCookie(t, scene));
      await t.test('sessions by cookie', (t) => cookieSession(t, scene));
      await t.test('sessions by header', (t) => headerSession(t, scene));
      await t.test('a hung host', (t) => hungHost(t, scene));
      await t.test('a bound on a hot key', (t) => hotKey(t, scene));
      await t.test('another policy', (t) => otherPolicy(t, scene));
      await assertQuiet(t, scene.proxy);
      t.strictSame(await scene.proxy.stop(), { code: 0, signal: null });
      assertNoStackTrace(t, scene.proxy.run.stderr);
    });
  }
}

async function setScene(t: Test, engine: Subject, protocol: 'http1' | 'http2'): Promise<Scene> {
  const peers = await Promise.all(['a', 'b', 'c', 'd'].map((name) => (protocol === 'http1' ? h1Peer(name) : h2Peer(name))));
  t.teardown(() => Promise.all(peers.map((peer) => peer.stop())));
  const scene = Object.assign(new Stage(engine, null as never, scratchDirectory(t)), { peers, protocol });
  scene.proxy = await runProxy(t, configure(scene), { engine, workers: WORKERS });
  return scene;
}

function configure({ peers, protocol, logPath }: Scene): ProxyConfig {
  const endpoints = peers.map(({ address }) => address);
  const route = (prefix: string, forward: Json): Json => ({ match: { prefix }, forward });
  const cluster = (name: string, loadBalancing: Json): Json => ({ name, endpoints, protocol, loadBalancing });
  return {
    listeners: [{
      name: 'main',
      address: '127.0.0.1:0',
      http: {
        accessLog: [{ path: logPath, format: SHORT_LOG }],
        routes: [
          route('/ring', { cluster: 'ring', hashOn: [{ header: 'x-user' }] }),
          route('/maglev', { cluster: 'maglev', hashOn: [{ header: 'x-user' }] }),
          route('/cookie', { cluster: 'maglev', hashOn: [{ cookie: 'sid', ttl: '1h', path: '/cookie' }] }),
          route('/sticky', { cluster: 'even', stickySession: { cookie: 'host', ttl: '2m', path: '/sticky' } }),
          route('/strict', { cluster: 'even', stickySession: { header: 'x-host', strict: true } }),
          route('/least', { cluster: 'least' }),
          route('/bounded', { cluster: 'bounded', hashOn: [{ header: 'x-user' }] }),
        ],
      },
    }],
    clusters: [
      cluster('ring', { policy: 'ringHash' }),
      cluster('maglev', { policy: 'maglev' }),
      cluster('even', {}),
      cluster('least', { policy: 'leastRequest', choiceCount: 4 }),
      cluster('bounded', { policy: 'ringHash', hashBalanceFactor: 150 }),
    ],
  };
}

async function h1Peer(name: string): Promise<Peer> {
  const waiting: (() => void)[] = [];
  const seen: string[] = [];
  const origin = await Origin.start({ script: async (exchange) => {
    await exchange.body();
    seen.push(exchange.head.target);
    if (peer.hangs) await new Promise<void>((resolve) => waiting.push(resolve));
    await exchange.reply(200, {}, name);
  } });
  const peer: Peer = { address: origin.address, name, seen, hangs: false, letGo: () => letGo(peer, waiting), stop: () => origin.stop() };
  return peer;
}

async function h2Peer(name: string): Promise<Peer> {
  const waiting: (() => void)[] = [];
  const seen: string[] = [];
  const sessions = new Set<ServerHttp2Session>();
  const server: Http2Server = createServer();
  server.on('session', (session) => {
    sessions.add(session);
    session.on('error', () => undefined);
  });
  server.on('stream', (stream: ServerHttp2Stream, headers) => {
    seen.push(String(headers[':path']));
    stream.on('error', () => undefined);
    const answer = (): void => {
      stream.respond({ ':status': 200 });
      stream.end(name);
    };
    if (peer.hangs) waiting.push(answer);
    else answer();
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const stop = (): void => {
    server.close();
    for (const session of sessions) session.destroy();
  };
  const peer: Peer = { address: `127.0.0.1:${(server.address() as AddressInfo).port}`, name, seen, hangs: false, letGo: () => letGo(peer, waiting), stop };
  return peer;
}

function letGo(peer: Peer, waiting: (() => void)[]): void {
  peer.hangs = false;
  for (const resume of waiting.splice(0)) resume();
}

/** On a connection of its own, which any of the workers may take. */
const ask = (scene: Scene, target: string, fields: Readonly<Record<string, string>> = {}): Promise<Answer> => get(scene.proxy.listener('main'), target, fields);

async function sameKey(t: Test, scene: Scene): Promise<void> {
  for (const way of ['/ring', '/maglev']) {
    const hosts = new Map<string, Set<string>>();
    for (let round = 0; round < 6; round++) {
      await Promise.all(Array.from({ length: 24 }, async (_, i) => {
        const user = `user-${i}`;
        const { text } = await ask(scene, way, { 'x-user': user });
        hosts.set(user, (hosts.get(user) ?? new Set()).add(text));
      }));
    }
    t.ok([...hosts.values()].every((names) => names.size === 1), `${way}: six times each over ${WORKERS} workers, always one host`);
    t.ok(new Set([...hosts.values()].flatMap((names) => [...names])).size >= 3, 'and not all of them the same');
  }
  const stats = await scene.proxy.stats();
  t.equal(stats.get('cluster.ring.ring_hash_lb.size'), 1024, 'not once per worker');
  t.equal(stats.get('cluster.maglev.maglev_lb.min_entries_per_host'), 16_384);
  t.equal(stats.get('cluster.maglev.maglev_lb.max_entries_per_host'), 16_385);
}

async function madeCookie(t: Test, scene: Scene): Promise<void> {
  const first = await ask(scene, '/cookie');
  const cookie = value(first, 'set-cookie') ?? '';
  t.match(cookie, /^sid="[0-9a-f]{16}"; Max-Age=3600; Path=\/cookie; HttpOnly$/);
  const pair = cookie.slice(0, cookie.indexOf(';'));
  for (let n = 0; n < 12; n++) {
    const again = await ask(scene, '/cookie', { cookie: pair });
    t.equal(again.text, first.text, 'with it, the same host');
    t.equal(value(again, 'set-cookie'), undefined, 'and no second one');
  }
  const client = await scene.connect('main');
  const one = await client.exchange(request('GET', '/cookie'));
  const two = await client.exchange(request('GET', '/cookie'));
  t.equal(value(two, 'set-cookie'), value(one, 'set-cookie'), 'one connection, one cookie');
  client.destroy();
}

async function cookieSession(t: Test, scene: Scene): Promise<void> {
  const first = await ask(scene, '/sticky');
  const cookie = value(first, 'set-cookie') ?? '';
  t.match(cookie, /^host="[A-Za-z0-9+/=]+"; Max-Age=120; Path=\/sticky; HttpOnly$/);
  const pair = cookie.slice(0, cookie.indexOf(';'));
  for (let n = 0; n < 12; n++) {
    const again = await ask(scene, '/sticky', { cookie: pair });
    t.equal(again.text, first.text);
    t.equal(value(again, 'set-cookie'), undefined);
  }
  const gone = await ask(scene, '/sticky', { cookie: `host="${Buffer.from('127.0.0.1:1').toString('base64')}"` });
  t.equal(gone.status, 200, 'a host that is not there: another one');
  t.match(value(gone, 'set-cookie') ?? '', /^host="/, 'which is named now');
}

async function headerSession(t: Test, scene: Scene): Promise<void> {
  const first = await ask(scene, '/strict');
  const named = value(first, 'x-host') ?? '';
  t.equal(Buffer.from(named, 'base64').toString(), scene.peers.find(({ name }) => name === first.text)?.address);
  for (let n = 0; n < 8; n++) t.equal((await ask(scene, '/strict', { 'x-host': named })).text, first.text);
  const gone = await ask(scene, '/strict?gone', { 'x-host': Buffer.from('127.0.0.1:1').toString('base64') });
  t.equal(gone.status, 503);
  t.equal(gone.text, 'no healthy upstream');
  t.match(await scene.logLine('/strict?gone'), / 503 UH no_healthy_upstream -$/);
}

/** Each worker alone would have nothing against the host: it is the requests of the others that it holds. */
async function hungHost(t: Test, scene: Scene): Promise<void> {
  const hung = scene.peers[0]!;
  hung.hangs = true;
  const clients: RawClient[] = [];
  const before = hung.seen.length;
  // As long as all hold the same, it may get one.
  for (let n = 0; hung.seen.length === before && n < 200; n++) {
    const client = await scene.connect('main');
    clients.push(client);
    client.write(request('GET', '/least/a'));
    await Promise.race([client.answer().then(() => undefined, () => undefined), waitFor('the hung host', () => hung.seen.length > before)]);
  }
  t.equal(hung.seen.length, before + 1, 'it holds one request');
  const names = new Set<string>();
  for (let n = 0; n < 60; n++) names.add((await ask(scene, '/least/b')).text);
  t.equal(hung.seen.length, before + 1, 'sixty connections later, over all workers, it has got no other');
  t.same([...names].sort(), ['b', 'c', 'd']);
  hung.letGo();
  await waitFor('the log line of the request that hung', () => scene.logLines().some((line) => line.startsWith('/least/a') && line.includes(hung.address)));
  for (const client of clients) client.destroy();
  await waitFor('it to be sent requests again', async () => {
    await ask(scene, '/least/c');
    return hung.seen.length > before + 1;
  });
}

async function hotKey(t: Test, scene: Scene): Promise<void> {
  for (const peer of scene.peers) peer.hangs = true;
  const before = scene.peers.map(({ seen }) => seen.length);
  const clients: RawClient[] = [];
  const held = (): number[] => scene.peers.map(({ seen }, i) => seen.length - before[i]!);
  for (let n = 1; n <= 16; n++) {
    const client = await scene.connect('main');
    clients.push(client);
    client.write(request('GET', '/bounded', { 'x-user': 'hot' }));
    await waitFor(`request ${n} to arrive`, () => held().reduce((a, b) => a + b) === n);
  }
  t.ok(Math.max(...held()) <= 6, `16 requests of one key, a bound of 1.5 times the mean: ${held()}`);
  t.ok(held().filter((count) => count > 0).length >= 3, 'the others have taken what was too much');
  for (const peer of scene.peers) peer.letGo();
  for (const client of clients) {
    t.equal((await client.answer()).status, 200);
    client.destroy();
  }
}

/** What requests took of a host under one policy, they give back there under the next: counted over all workers, or not. */
async function otherPolicy(t: Test, scene: Scene): Promise<void> {
  const config = configure(scene);
  const hold = async (target: string): Promise<RawClient> => {
    const before = scene.peers.reduce((sum, { seen }) => sum + seen.length, 0);
    const client = await scene.connect('main');
    client.write(request('GET', target));
    await waitFor('the request to arrive', () => scene.peers.reduce((sum, { seen }) => sum + seen.length, 0) > before);
    return client;
  };
  for (const policies of [{ even: 'leastRequest', least: 'roundRobin' }, { even: 'roundRobin', least: 'leastRequest' }] as Record<string, string>[]) {
    for (const peer of scene.peers) peer.hangs = true;
    const clients = [await hold('/sticky/held'), await hold('/least/held')];
    const clusters = config.clusters!.map((cluster) => ({ ...cluster, loadBalancing: policies[String(cluster['name'])] === undefined ? cluster['loadBalancing'] : { policy: policies[String(cluster['name'])] } }));
    const before = await scene.proxy.stat('config.update_success');
    scene.proxy.writeConfig(wholeConfig({ ...config, clusters } as ProxyConfig, scene.engine, WORKERS));
    scene.proxy.signal('SIGHUP');
    await waitFor('the new configuration', async () => (await scene.proxy.stat('config.update_success')) > before);
    for (const peer of scene.peers) peer.letGo();
    for (const client of clients) {
      t.equal((await client.answer()).status, 200, 'a request under way is finished');
      client.destroy();
    }
    for (let n = 0; n < 12; n++) t.equal((await ask(scene, n % 2 === 0 ? '/sticky' : '/least')).status, 200);
  }
}
