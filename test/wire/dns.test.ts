// Endpoints by name: a changed answer moves traffic within a refresh and drops nothing, and hosts that stay keep their
// connections, whatever becomes of the others.

import t, { type Test } from 'tap';

import { waitFor } from '../support/deadline.ts';
import { NAME, play, setScene, startLoad, type DnsScene } from '../support/dns-scene.ts';
import { RawClient, request } from '../support/raw-client.ts';
import { byteEngines, subjectIsEnvoy } from '../support/run-proxy.ts';

t.setTimeout(110_000);

for (const engine of subjectIsEnvoy ? [] : byteEngines) {
  t.test(engine, async (t) => {
    const scene = (t: Test): Promise<DnsScene> => setScene(t, engine);
    await t.test('an answer changes under load', async (t) => play(t, await scene(t), {}, moves));
    await t.test('answers that change all the time', async (t) => play(t, await scene(t), { dnsRefresh: '10ms' }, flaps));
    await t.test('hosts that stay, go and come back', async (t) => play(t, await scene(t), {}, stays));
  });
}

async function moves(t: Test, scene: DnsScene): Promise<void> {
  const { one, two } = scene;
  const load = await startLoad(scene, 12);
  for (const [to, from] of [[two, one], [one, two], [two, one]] as const) {
    await waitFor('the load to run', () => load.served > 50);
    scene.say(to);
    await waitFor('the old one to be left by all', () => from.open === 0);
    const before = to.requests.length;
    load.served = 0;
    await waitFor('the new one to carry it all', () => to.requests.length > before + 50);
  }
  await load.stop();
  t.strictSame(load.wrong, [], 'no request was lost');
  t.equal(await scene.stat('membership_change'), 4);
  t.equal(await scene.stat('membership_total'), 1);
}

async function flaps(t: Test, scene: DnsScene): Promise<void> {
  const { one, two } = scene;
  const load = await startLoad(scene, 12);
  const changes = await scene.stat('membership_change');
  for (let n = 1; n <= 40; n++) {
    scene.say(...[[two], [one, two], [one], [two, one]][(n - 1) % 4]!);
    await waitFor(`change ${n}`, async () => (await scene.stat('membership_change')) === changes + n);
  }
  await load.stop();
  t.strictSame(load.wrong, [], 'no request was lost');
  t.ok(load.served > 100);
  t.ok(one.requests.length > 20 && two.requests.length > 20, 'both had their share');
  await scene.becomes('membership_total', 2);
}

async function stays(t: Test, scene: DnsScene): Promise<void> {
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
