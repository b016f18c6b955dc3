// Endpoints by name: a changed answer moves traffic within a refresh and drops nothing, a failed look-up changes nothing,
// hosts that stay keep their connections, and neither a dead worker nor a reload forgets what was found.

import t, { type Test } from 'tap';

import { waitFor } from '../support/deadline.ts';
import { DnsServer } from '../support/dns-server.ts';
import { Origin } from '../support/origin.ts';
import { exchangeOnce, get, RawClient, request } from '../support/raw-client.ts';
import { byteEngines, runProxy, subjectIsEnvoy, wholeConfig, type Json, type Proxy, type ProxyConfig, type Subject } from '../support/run-proxy.ts';
import { assertNoStackTrace, assertQuiet } from '../support/stage.ts';

t.setTimeout(110_000);

const WORKERS = 2;
const NAME = 'app.test';
const REFRESH = '100ms';

/** Two origins on one port of two loopback addresses, and a DNS server that says which of them `app.test` is. */
class Scene {
  readonly engine: Subject;
  readonly dns: DnsServer;
  readonly one: Origin;
  readonly two: Origin;
  proxy!: Proxy;

  constructor(engine: Subject, dns: DnsServer, one: Origin, two: Origin) {
    this.engine = engine;
    this.dns = dns;
    this.one = one;
    this.two = two;
  }

  /** The name stands for these from now on. */
  say(...origins: readonly Origin[]): void {
    this.dns.say(NAME, { a: origins.map(({ address }) => address.split(':')[0]!) });
  }

  get endpoint(): string {
    return `${NAME}:${this.one.address.split(':')[1]}`;
  }

  config(cluster: Json = {}, forward: Json = {}): ProxyConfig {
    return {
      listeners: [
        { name: 'main', address: '127.0.0.1:0', http: {
          accessLog: [{ path: '/dev/stdout', format: 'LOG %REQ(:PATH)% %RESPONSE_CODE% %RESPONSE_FLAGS% %UPSTREAM_HOST% %UPSTREAM_HOST_NAME%\n' }],
          routes: [{ match: { prefix: '/' }, forward: { cluster: 'app', ...forward } }],
        } },
        { name: 'raw', address: '127.0.0.1:0', tcp: { cluster: 'app' } },
      ],
      clusters: [{ name: 'app', type: 'strictDns', endpoints: [this.endpoint], dnsRefresh: REFRESH, dnsResolvers: [this.dns.address], ...cluster }],
    };
  }

  stat(name: string): Promise<number> {
    return this.proxy.stat(`cluster.app.${name}`);
  }

  get(target: string): ReturnType<typeof get> {
    return get(this.proxy.listener('main'), target, { connection: 'close' });
  }

  /** Waits until the stat has grown by `by`. */
  async grows(name: string, by = 1): Promise<void> {
    const before = await this.stat(name);
    await waitFor(`${name} to grow by ${by}`, async () => (await this.stat(name)) >= before + by);
  }

  async becomes(name: string, value: number): Promise<void> {
    await this.proxy.statBecomes(`cluster.app.${name}`, value);
  }

  async reload(config: ProxyConfig): Promise<void> {
    const before = await this.proxy.stat('config.update_success');
    this.proxy.writeConfig(wholeConfig(config, this.engine, WORKERS));
    this.proxy.signal('SIGHUP');
    await waitFor('the reload', async () => (await this.proxy.stat('config.update_success')) > before);
  }
}

for (const engine of subjectIsEnvoy ? [] : byteEngines) {
  t.test(engine, async (t) => {
    const scene = (t: Test): Promise<Scene> => setScene(t, engine);
    await t.test('an answer changes under load', async (t) => play(t, await scene(t), {}, moves));
    await t.test('hosts that stay, go and come back', async (t) => play(t, await scene(t), {}, stays));
    await t.test('failures and empty answers', async (t) => play(t, await scene(t), {}, fails));
    await t.test('a logical host', async (t) => play(t, await scene(t), { type: 'logicalDns' }, logical));
    await t.test('a worker that dies, and reloads', async (t) => play(t, await scene(t), {}, survives, { crashes: true }));
    await t.test('a start without an answer', async (t) => startsEmpty(t, await scene(t)));
  });
}

async function setScene(t: Test, engine: Subject): Promise<Scene> {
  const one = await Origin.start();
  const two = await Origin.start({ host: '127.0.0.2', port: Number(one.address.split(':')[1]) });
  t.teardown(() => Promise.all([one.stop(), two.stop()]));
  return new Scene(engine, await DnsServer.start(t), one, two);
}

/** Starts the proxy, plays the case, and looks that nothing is left of it. */
async function play(t: Test, scene: Scene, cluster: Json, story: (t: Test, scene: Scene) => Promise<void>, { crashes = false } = {}): Promise<void> {
  scene.say(scene.one);
  scene.proxy = await runProxy(t, scene.config(cluster), { engine: scene.engine, workers: WORKERS });
  await story(t, scene);
  await assertQuiet(t, scene.proxy);
  t.strictSame(await scene.proxy.stop(), { code: 0, signal: null });
  if (!crashes) assertNoStackTrace(t, scene.proxy.run.stderr);
  t.strictSame([scene.one.violations, scene.two.violations], [[], []]);
}

interface Load {
  readonly wrong: string[];
  served: number;
  stop(): Promise<void>;
}

/** Callers that ask one thing after another, each on a connection of its own. */
async function startLoad(scene: Scene, callers: number): Promise<Load> {
  let running = true;
  const wrong: string[] = [];
  const clients = await Promise.all(Array.from({ length: callers }, () => RawClient.connect(scene.proxy.listener('main'))));
  const load: Load = { wrong, served: 0, stop: async () => {
    running = false;
    await all;
  } };
  const all = Promise.all(clients.map(async (client) => {
    while (running) {
      try {
        const { status, text } = await client.exchange(request('GET', '/load'));
        if (status !== 200) wrong.push(`${status} ${text}`);
        load.served++;
      } catch (error) {
        wrong.push((error as Error).message);
        return;
      }
    }
    client.destroy();
  }));
  return load;
}

async function moves(t: Test, scene: Scene): Promise<void> {
  const { one, two } = scene;
  const load = await startLoad(scene, 12);
  for (const [to, from] of [[two, one], [one, two], [two, one]] as const) {
    await waitFor('the load to run', () => load.served > 50);
    const asked = scene.dns.asked.length;
    scene.say(to);
    await waitFor('the old one to be left by all', () => from.open === 0);
    t.ok(scene.dns.asked.length - asked <= 6, `within ${scene.dns.asked.length - asked} questions (two for each look-up)`);
    const before = to.requests.length;
    load.served = 0;
    await waitFor('the new one to carry it all', () => to.requests.length > before + 50);
  }
  await load.stop();
  t.strictSame(load.wrong, [], 'no request was lost');
  t.equal(await scene.stat('membership_change'), 4);
  t.equal(await scene.stat('membership_total'), 1);
}

async function stays(t: Test, scene: Scene): Promise<void> {
  const { one, two } = scene;
  // A caller stays with its worker, so this one's requests go up on one connection to each host.
  const caller = await RawClient.connect(scene.proxy.listener('main'));
  const ask = async (): Promise<number> => (await caller.exchange(request('GET', '/'))).status;
  t.equal(await ask(), 200);
  const opened = one.connections.length;
  const requests = one.requests.length;
  scene.say(one, two);
  await scene.becomes('membership_total', 2);
  for (let n = 0; n < 6; n++) t.equal(await ask(), 200);
  t.equal(one.requests.length, requests + 3, 'half of them each');
  t.equal(one.connections.length, opened, 'on the connection of before');
  const text = (await scene.proxy.page('/clusters')).text;
  for (const { address } of [one, two]) t.match(text, `app::${address}::hostname::${NAME}\n`);
  t.match(text, `app::${one.address}::cx_total::1\n`, 'counted on');
  const { host_statuses: hosts } = (JSON.parse((await scene.proxy.page('/clusters?format=json')).text) as { cluster_statuses: { host_statuses: { hostname: string }[] }[] }).cluster_statuses[0]!;
  t.strictSame(hosts.map(({ hostname }) => hostname), [NAME, NAME]);

  // A request under way on a host that goes is finished there.
  let release = (): void => undefined;
  const gate = new Promise<void>((resolve) => (release = resolve));
  two.on('/slow', async (exchange) => {
    await gate;
    await exchange.reply(200, {}, 'from two');
  });
  one.on('/slow', (exchange) => exchange.reply(200, {}, 'from one'));
  const slow = await RawClient.connect(scene.proxy.listener('main'));
  const waits = await RawClient.connect(scene.proxy.listener('main'));
  for (const client of [slow, waits]) client.write(request('GET', '/slow'));
  const raw = await RawClient.connect(scene.proxy.listener('raw'));
  raw.write(request('GET', '/slow'));
  await waitFor('one at two', () => two.seen('/slow').length > 0);
  scene.say(one);
  await scene.becomes('membership_total', 1);
  t.equal(await ask(), 200);
  t.equal(one.connections.filter((connection) => connection.ended !== null).length, 0, 'one keeps its connections');
  t.ok(two.open > 0, 'two keeps that of the request');
  release();
  for (const client of [slow, waits]) t.match((await client.answer()).text, /^from (?:one|two)$/);
  t.match((await raw.answer()).text, /^from (?:one|two)$/, 'a connection of a TCP listener lives on');
  for (const client of [caller, slow, waits, raw]) client.destroy();
  await waitFor('two to be left', () => two.open === 0);

  scene.say(two, one);
  await scene.becomes('membership_total', 2);
  t.equal((await scene.get('/')).status, 200, 'back again');
  t.equal(await scene.stat('membership_change'), 4);
}

async function fails(t: Test, scene: Scene): Promise<void> {
  const ok = async (why: string): Promise<void> => {
    for (let n = 0; n < 6; n++) t.equal((await scene.get('/')).status, 200, why);
  };
  await ok('at first');
  t.equal(await scene.stat('update_failure'), 0);
  for (const said of ['NXDOMAIN', 'SERVFAIL'] as const) {
    scene.dns.say(NAME, said);
    await scene.grows('update_failure', 3);
    await ok(`in spite of ${said}`);
  }
  t.match(scene.proxy.run.stderr, /warn +cluster "app": looking up "app.test" failed \(ENOTFOUND\): the endpoints stay as they are\n/);
  t.equal(scene.proxy.run.stderr.split('looking up').length, 2, 'which is said once');
  t.equal(await scene.stat('membership_change'), 1);
  t.equal(await scene.stat('update_empty'), 0);

  scene.dns.say(NAME, {});
  await scene.becomes('membership_total', 0);
  t.equal(await scene.stat('update_empty'), 1);
  t.match(scene.proxy.run.stderr, /"app.test" is found again\n[^]*warn +cluster "app": "app.test" has no address any more\n/);
  const { status, text } = await scene.get('/nobody');
  t.strictSame([status, text], [503, 'no healthy upstream']);
  await waitFor('its line', () => scene.proxy.run.stdout.includes('LOG /nobody 503 UH - -\n'));
  scene.say(scene.one);
  await scene.becomes('membership_total', 1);
  await ok('again');
  const before = await scene.stat('update_no_rebuild');
  await scene.grows('update_attempt', 2);
  t.ok((await scene.stat('update_no_rebuild')) > before);
  t.equal(await scene.stat('membership_change'), 3);
}

async function logical(t: Test, scene: Scene): Promise<void> {
  const { one, two } = scene;
  const caller = await RawClient.connect(scene.proxy.listener('main'));
  t.equal((await caller.exchange(request('GET', '/a'))).status, 200);
  t.equal(one.open, 1);
  scene.say(two, one);
  await scene.becomes('membership_change', 2);
  t.equal(await scene.stat('membership_total'), 1, 'one host, wherever it is');
  const before = one.requests.length;
  for (let n = 0; n < 3; n++) t.equal((await caller.exchange(request('GET', '/b'))).status, 200);
  t.equal(one.requests.length, before + 3, 'the connection of before goes on');
  await waitFor('its lines', () => scene.proxy.run.stdout.includes(`LOG /b 200 - ${one.address} ${NAME}\n`));
  t.match((await scene.proxy.page('/clusters')).text, `app::${two.address}::hostname::${NAME}\n`);

  // New ones go to the new address: held at the origin, no connection is free for the next request.
  let release = (): void => undefined;
  const gate = new Promise<void>((resolve) => (release = resolve));
  for (const origin of [one, two]) {
    origin.on('/held', async (exchange) => {
      await gate;
      await exchange.reply(200, {}, origin.address);
    });
  }
  const callers = await Promise.all(Array.from({ length: 6 }, () => RawClient.connect(scene.proxy.listener('main'))));
  for (const client of callers) client.write(request('GET', '/held'));
  await waitFor('all of them', () => one.seen('/held').length + two.seen('/held').length === 6);
  t.ok(one.seen('/held').length <= 1, 'but for the one connection there was');
  t.equal(one.connections.length, 1);
  release();
  for (const client of callers) t.equal((await client.answer()).status, 200);
  await waitFor('their lines', () => scene.proxy.run.stdout.includes(`LOG /held 200 - ${two.address} ${NAME}\n`));
  const raw = await RawClient.connect(scene.proxy.listener('raw'));
  t.equal((await raw.exchange(request('GET', '/held'))).text, two.address, 'TCP too');

  // Like a failure, an answer without address changes nothing here.
  scene.dns.say(NAME, {});
  await scene.grows('update_failure', 2);
  t.equal((await scene.get('/c')).status, 200);
  for (const client of [caller, raw, ...callers]) client.destroy();
}

async function survives(t: Test, scene: Scene): Promise<void> {
  const { one, two, proxy } = scene;
  scene.say(one, two);
  await scene.becomes('membership_total', 2);
  scene.dns.say(NAME, 'SERVFAIL');
  await scene.grows('update_failure', 1);
  for (const index of [0, 1]) {
    const deaths = await proxy.stat('server.worker_deaths');
    await exchangeOnce(proxy.admin, request('POST', `/hooks/worker?index=${index}&action=throw`, { Connection: 'close' }));
    await waitFor('its death', async () => (await proxy.stat('server.worker_deaths')) === deaths + 1);
    await waitFor('its replacement', async () => (await proxy.stat('server.workers_live')) === WORKERS);
  }
  const served = async (origin: Origin): Promise<void> => {
    const before = origin.requests.length;
    for (let n = 0; n < 20; n++) t.equal((await scene.get('/')).status, 200);
    t.ok(origin.requests.length > before, `${origin.address} is known`);
  };
  await served(one);
  await served(two);

  // A change after that reaches them as well.
  scene.say(two);
  await scene.becomes('membership_total', 1);
  const before = one.requests.length;
  await served(two);
  t.equal(one.requests.length, before);

  // Over reloads: another route, another limit of the cluster, another weight. Nobody could be asked anew.
  const caller = await RawClient.connect(proxy.listener('main'));
  t.equal((await caller.exchange(request('GET', '/'))).status, 200);
  scene.dns.say(NAME, 'SERVFAIL');
  await scene.grows('update_failure', 1);
  const opened = two.connections.length;
  const changes = [
    scene.config({}, { rewrite: { hostFrom: 'upstream' } }),
    scene.config({ circuitBreakers: { maxRequests: 7 } }),
    scene.config({ endpoints: [{ address: scene.endpoint, weight: 2 }], dnsRefresh: '50ms' }),
  ];
  for (const config of changes) {
    await scene.reload(config);
    t.equal((await caller.exchange(request('GET', '/'))).status, 200);
    t.equal(await scene.stat('membership_total'), 1);
  }
  t.equal(two.connections.length, opened, 'and not a connection more');
  t.match(two.requests.at(-3)!.raw, /\r\nhost: app\.test\r\n/i, 'the host of the upstream is the name');
  t.match((await proxy.page('/clusters')).text, `app::${two.address}::weight::2\n`);
  caller.destroy();

  // And the look-ups go on.
  scene.say(one);
  await waitFor('the move', async () => (await proxy.page('/clusters')).text.includes(`app::${one.address}::`));
  t.equal((await scene.get('/')).status, 200);
  // A name that the new configuration does not have is asked for no more.
  await scene.reload({ ...scene.config(), clusters: [{ name: 'app', endpoints: [one.address] }] });
  const asked = scene.dns.asked.length;
  for (let n = 0; n < 10; n++) t.equal((await scene.get('/')).status, 200);
  t.ok(scene.dns.asked.length <= asked + 2, 'but for what was under way');
}

async function startsEmpty(t: Test, scene: Scene): Promise<void> {
  scene.dns.say(NAME, 'NXDOMAIN');
  scene.proxy = await runProxy(t, scene.config({ dnsFailureRefresh: { base: '20ms', max: '100ms' } }), { engine: scene.engine, workers: WORKERS });
  t.equal((await scene.get('/')).status, 503);
  t.match(scene.proxy.run.stderr, /warn +cluster "app": looking up "app.test" failed \(ENOTFOUND\): it has no endpoints\n/);
  t.equal(await scene.stat('membership_change'), 0);
  const { configs } = JSON.parse((await scene.proxy.page('/config_dump?resource=static_clusters')).text) as { configs: { cluster: { endpoints: unknown[]; dns: { targets: { text: string }[] } } }[] };
  t.strictSame([configs[0]!.cluster.endpoints, configs[0]!.cluster.dns.targets.map(({ text }) => text)], [[], [scene.endpoint]]);
  scene.say(scene.one);
  await scene.becomes('membership_healthy', 1);
  for (let n = 0; n < 10; n++) t.equal((await scene.get('/')).status, 200);
  t.equal(await scene.stat('membership_change'), 1);
  await assertQuiet(t, scene.proxy);
  t.strictSame(await scene.proxy.stop(), { code: 0, signal: null });
  assertNoStackTrace(t, scene.proxy.run.stderr);
}
