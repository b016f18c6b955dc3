// What outlives a tunnel and what it outlives: reloads leave it alone, a drain waits for it until its patience ends,
// a breaker counts it for as long as it lives.

import { once } from 'node:events';

import t, { type Test } from 'tap';

import { waitFor, within } from '../support/deadline.ts';
import { Origin, type Exchange } from '../support/origin.ts';
import { exchangeOnce, RawClient, request } from '../support/raw-client.ts';
import { byteEngines, runProxy, subjectIsEnvoy, wholeConfig, type Json, type Proxy, type ProxyConfig, type Subject } from '../support/run-proxy.ts';

t.setTimeout(60_000);

const WEBSOCKET = { Connection: 'Upgrade', Upgrade: 'websocket' };
const SWITCHING = 'HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n';

for (const engine of subjectIsEnvoy ? [] : byteEngines) {
  t.test(engine, async (t) => {
    await t.test('reloads', (t) => reloads(t, engine));
    await t.test('a drain that ends with the tunnel', (t) => drains(t, engine));
    await t.test('a drain whose patience ends', (t) => patience(t, engine));
    await t.test('a breaker', (t) => breaker(t, engine));
  });
}

class Scene {
  readonly proxy: Proxy;
  readonly hosts: Exchange[];
  constructor(proxy: Proxy, hosts: Exchange[]) {
    this.proxy = proxy;
    this.hosts = hosts;
  }

  async open(): Promise<{ client: RawClient; host: Exchange }> {
    const client = await RawClient.connect(this.proxy.listener());
    const before = this.hosts.length;
    client.write(request('GET', '/ws', WEBSOCKET));
    const { status } = await client.head();
    if (status !== 101) throw new Error(`${status}`);
    return { client, host: await waitFor('the host', () => this.hosts[before]) };
  }
}

function config(endpoint: string, upgrades: string[], more: Json = {}, cluster: Json = {}): ProxyConfig {
  return {
    listeners: [{ name: 'main', address: '127.0.0.1:0', http: { upgrades, routes: [{ match: { prefix: '/' }, forward: { cluster: 'app' } }] } }],
    clusters: [{ name: 'app', endpoints: [endpoint], ...cluster }],
    ...more,
  };
}

async function setScene(t: Test, engine: Subject, more: Json = {}, cluster: Json = {}): Promise<{ scene: Scene; origin: Origin }> {
  const hosts: Exchange[] = [];
  const origin = await Origin.start({
    script: async (exchange) => {
      if (exchange.head.target !== '/ws') return exchange.reply(200, {}, 'plain');
      await exchange.send(SWITCHING);
      hosts.push(exchange);
      await once(exchange.connection.socket, 'close');
    },
  });
  t.teardown(() => origin.stop());
  const proxy = await runProxy(t, config(origin.address, ['websocket'], more, cluster), { engine });
  return { scene: new Scene(proxy, hosts), origin };
}

async function both(t: Test, client: RawClient, host: Exchange, what: string): Promise<void> {
  client.write(what);
  t.equal((await host.connection.reader.exactly(what.length)).toString(), what);
  await host.send(what);
  t.equal((await client.reader.exactly(what.length)).toString(), what);
}

async function reloads(t: Test, engine: Subject): Promise<void> {
  const { scene, origin } = await setScene(t, engine);
  const { proxy } = scene;
  const { client, host } = await scene.open();
  await both(t, client, host, 'before');
  const elsewhere = await Origin.start({});
  t.teardown(() => elsewhere.stop());
  const changes = [config(origin.address, []), config(elsewhere.address, []), { ...config(elsewhere.address, []), listeners: [{ name: 'other', address: '127.0.0.1:0', http: { routes: [{ match: { prefix: '/' }, forward: { cluster: 'app' } }] } }] }];
  for (const [index, change] of changes.entries()) {
    proxy.writeConfig(wholeConfig(change, engine, 2));
    proxy.signal('SIGHUP');
    await proxy.statBecomes('config.update_success', index + 1);
    await both(t, client, host, `change ${index}`);
    if (index === 0) t.equal((await exchangeOnce(proxy.listener(), request('GET', '/ws', WEBSOCKET))).status, 403, 'new ones meet the new rules');
  }
  client.finish();
  t.equal((await host.connection.reader.toEnd()).how, 'fin');
  host.finish();
  t.equal((await client.ended()).how, 'fin');
  t.strictSame(await proxy.stop(), { code: 0, signal: null });
}

async function drains(t: Test, engine: Subject): Promise<void> {
  const { scene } = await setScene(t, engine, { drainTimeout: '30s' });
  const { proxy } = scene;
  const { client, host } = await scene.open();
  const idle = await RawClient.connect(proxy.listener());
  await idle.exchange(request('GET', '/'));
  proxy.signal('SIGTERM');
  t.equal((await idle.ended()).how, 'fin', 'the drain has begun');
  await both(t, client, host, 'draining');
  t.equal(proxy.run.exit, null);
  client.finish();
  host.finish();
  t.equal((await client.ended()).how, 'fin');
  t.strictSame(await within('the proxy to end', proxy.run.ended), { code: 0, signal: null });
}

async function patience(t: Test, engine: Subject): Promise<void> {
  const { scene } = await setScene(t, engine, { drainTimeout: '700ms' });
  const { client, host } = await scene.open();
  scene.proxy.signal('SIGTERM');
  t.equal((await client.ended()).how, 'reset');
  await host.closed();
  t.strictSame(await within('the proxy to end', scene.proxy.run.ended), { code: 0, signal: null });
}

async function breaker(t: Test, engine: Subject): Promise<void> {
  const { scene } = await setScene(t, engine, {}, { circuitBreakers: { maxRequests: 2 } });
  const { proxy } = scene;
  const first = await scene.open();
  const second = await scene.open();
  await first.host.send('x');
  await first.client.reader.exactly(1);
  t.equal((await exchangeOnce(proxy.listener(), request('GET', '/'))).status, 503, 'the tunnels hold both places');
  first.host.finish();
  await first.client.ended();
  t.equal((await exchangeOnce(proxy.listener(), request('GET', '/'))).status, 503, 'a half-closed one, too');
  first.client.finish();
  await first.host.closed();
  await proxy.statBecomes('cluster.app.upstream_rq_active', 1);
  t.equal((await exchangeOnce(proxy.listener(), request('GET', '/'))).status, 200);
  second.client.reset();
  await second.host.closed();
  t.strictSame(await proxy.stop(), { code: 0, signal: null });
}
