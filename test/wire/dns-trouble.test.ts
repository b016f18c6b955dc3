// Endpoints by name when things go wrong: look-ups that fail, hosts that move, workers that die, reloads, a start without an
// answer. What was found stays.

import t, { type Test } from 'tap';

import { waitFor } from '../support/deadline.ts';
import { NAME, play, setScene, WORKERS, type DnsScene } from '../support/dns-scene.ts';
import type { Origin } from '../support/origin.ts';
import { exchangeOnce, RawClient, request } from '../support/raw-client.ts';
import { byteEngines, runProxy, subjectIsEnvoy } from '../support/run-proxy.ts';
import { assertNoStackTrace, assertQuiet } from '../support/stage.ts';

t.setTimeout(110_000);

for (const engine of subjectIsEnvoy ? [] : byteEngines) {
  t.test(engine, async (t) => {
    const scene = (t: Test): Promise<DnsScene> => setScene(t, engine);
    await t.test('failures and empty answers', async (t) => play(t, await scene(t), {}, fails));
    await t.test('a logical host', async (t) => play(t, await scene(t), { type: 'logicalDns' }, logical));
    await t.test('a worker that dies, and reloads', async (t) => play(t, await scene(t), {}, survives, { crashes: true }));
    await t.test('a start without an answer', async (t) => startsEmpty(t, await scene(t)));
  });
}

async function fails(t: Test, scene: DnsScene): Promise<void> {
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

async function logical(t: Test, scene: DnsScene): Promise<void> {
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

async function survives(t: Test, scene: DnsScene): Promise<void> {
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

async function startsEmpty(t: Test, scene: DnsScene): Promise<void> {
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
