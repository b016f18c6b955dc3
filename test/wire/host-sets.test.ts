// Subsets, priority levels, panic and zones over real sockets, two workers: what one thread says of a host holds at the
// next pick of every worker. Hosts are marked by a page for tests, as a health check or outlier detection would.

import t, { type Test } from 'tap';

import { HOST_DEGRADED, HOST_FAILED_ACTIVE, HOST_FAILED_OUTLIER } from '../../src/shared/host-table.ts';
import { Origin } from '../support/origin.ts';
import { exchangeOnce, get, request } from '../support/raw-client.ts';
import { byteEngines, runProxy, scratchDirectory, subjectIsEnvoy, type Json, type ProxyConfig, type Subject } from '../support/run-proxy.ts';
import { assertNoStackTrace, assertQuiet, Stage } from '../support/stage.ts';

t.setTimeout(120_000);

const NAMES = ['a', 'b', 'c', 'd'] as const;
type Name = (typeof NAMES)[number];

interface Scene extends Stage {
  readonly origins: Readonly<Record<Name, Origin>>;
}

for (const engine of subjectIsEnvoy ? [] : byteEngines) {
  t.test(engine, async (t) => {
    const scene = await setScene(t, engine);
    await t.test('subsets', (t) => subsets(t, scene));
    await t.test('levels', (t) => levels(t, scene));
    await t.test('zones', (t) => zones(t, scene));
    await t.test('/clusters and /stats', (t) => pages(t, scene));
    await assertQuiet(t, scene.proxy);
    t.strictSame(await scene.proxy.stop(), { code: 0, signal: null });
    assertNoStackTrace(t, scene.proxy.run.stderr);
    for (const name of NAMES) t.strictSame(scene.origins[name].violations, [], name);
  });
}

async function setScene(t: Test, engine: Subject): Promise<Scene> {
  const origins = {} as Record<Name, Origin>;
  for (const name of NAMES) {
    origins[name] = await Origin.start({ script: async (exchange) => {
      await exchange.body();
      await exchange.reply(200, {}, name);
    } });
    t.teardown(() => origins[name].stop());
  }
  const scene = Object.assign(new Stage(engine, origins.a, scratchDirectory(t)), { origins });
  scene.proxy = await runProxy(t, configure(scene), { engine, workers: 2, env: { NUNCIO_TEST_HOOKS: '1', NUNCIO_ZONE: 'here' } });
  return scene;
}

function configure({ origins }: Scene): ProxyConfig {
  const at = (name: Name, more: Json = {}): Json => ({ address: origins[name].address, ...more });
  const version = (name: Name, value: string): Json => at(name, { metadata: { version: value } });
  const zoned = [at('a', { zone: 'here' }), at('b', { zone: 'here' }), at('c', { zone: 'there' }), at('d', { zone: 'there' })];
  const route = (prefix: string, forward: Json): Json => ({ match: { prefix }, forward });
  return {
    localCluster: 'self',
    listeners: [{ name: 'main', address: '127.0.0.1:0', http: { routes: [
      route('/v1', { cluster: 'versions', subset: { version: 'v1' } }),
      route('/v2', { cluster: 'versions', subset: { version: 'v2' } }),
      route('/v9', { cluster: 'versions', subset: { version: 'v9' } }),
      route('/strict', { cluster: 'strict' }),
      route('/levels', { cluster: 'levels' }),
      route('/weighted', { cluster: 'weighted' }),
      route('/near', { cluster: 'near' }),
    ] } }],
    clusters: [
      { name: 'versions', endpoints: [version('a', 'v1'), version('b', 'v2'), version('c', 'v2'), at('d')], loadBalancing: { subsets: [['version']], subsetFallback: 'defaultSubset', defaultSubset: { version: 'v1' } } },
      { name: 'strict', endpoints: [version('a', 'v1')], loadBalancing: { subsets: [['version']] } },
      { name: 'levels', endpoints: [at('d', { priority: 1 }), at('a'), at('b'), at('c', { priority: 1 })] },
      { name: 'weighted', endpoints: zoned, loadBalancing: { localityWeighted: true, localityWeights: { here: 3 } } },
      { name: 'near', endpoints: zoned, loadBalancing: { zoneAware: { minClusterSize: 2 } } },
      { name: 'self', endpoints: [at('a', { zone: 'here' }), at('b', { zone: 'there' })] },
    ],
  };
}

/** Who answers so many requests, each on a connection of its own, so that both workers are asked. */
async function answers(scene: Scene, path: string, count = 40): Promise<Record<string, number>> {
  const found: Record<string, number> = {};
  for (let n = 0; n < count; n += 8) {
    const batch = await Promise.all(Array.from({ length: 8 }, () => get(scene.address, path, { connection: 'close' })));
    for (const { status, text } of batch) {
      const who = status === 200 ? text : String(status);
      found[who] = (found[who] ?? 0) + 1;
    }
  }
  return found;
}

async function who(scene: Scene, path: string): Promise<string> {
  return Object.keys(await answers(scene, path)).sort().join('');
}

async function mark(scene: Scene, cluster: string, name: Name, flags: number): Promise<void> {
  const query = new URLSearchParams({ cluster, endpoint: scene.origins[name].address, flags: String(flags) });
  const { status } = await exchangeOnce(scene.proxy.admin, request('POST', `/hooks/host?${query}`, { Connection: 'close' }));
  if (status !== 200) throw new Error(`the host was not marked: ${status}`);
}

async function subsets(t: Test, scene: Scene): Promise<void> {
  t.equal(await who(scene, '/v1'), 'a');
  t.equal(await who(scene, '/v2'), 'bc');
  t.equal(await who(scene, '/v9'), 'a', 'the default subset');
  t.equal(await scene.proxy.stat('cluster.versions.lb_subsets_selected'), 80);
  t.equal(await scene.proxy.stat('cluster.versions.lb_subsets_fallback'), 40);
  t.equal(await scene.proxy.stat('cluster.versions.lb_subsets_active'), 4, 'two, in each of two workers');
  await mark(scene, 'versions', 'b', HOST_FAILED_ACTIVE);
  t.equal(await who(scene, '/v2'), 'c', 'a subset has its own health');
  await mark(scene, 'versions', 'b', 0);
  t.equal(await who(scene, '/strict'), '503', 'nothing is asked for, and there is no fallback');
  t.equal(await scene.proxy.stat('cluster.strict.upstream_cx_none_healthy'), 40);
}

async function levels(t: Test, scene: Scene): Promise<void> {
  t.equal(await who(scene, '/levels'), 'ab');
  await mark(scene, 'levels', 'a', HOST_FAILED_ACTIVE);
  await mark(scene, 'levels', 'b', HOST_FAILED_OUTLIER);
  t.equal(await who(scene, '/levels'), 'cd', 'the next level takes it all, in every worker');
  await mark(scene, 'levels', 'a', HOST_DEGRADED);
  t.equal(await who(scene, '/levels'), 'cd', 'a degraded host is for when there is no better one');
  for (const name of ['c', 'd'] as const) await mark(scene, 'levels', name, HOST_FAILED_ACTIVE);
  t.equal(await scene.proxy.stat('cluster.levels.membership_healthy'), 0);
  t.equal(await scene.proxy.stat('cluster.levels.membership_degraded'), 1);
  t.equal(await scene.proxy.stat('cluster.levels.lb_healthy_panic'), 0);
  t.equal(await who(scene, '/levels'), 'a', 'half of the first level is degraded, the second has nobody: it is used');
  await mark(scene, 'levels', 'a', HOST_FAILED_ACTIVE);
  t.equal(await who(scene, '/levels'), 'abcd', 'nobody is left: all are tried');
  t.ok((await scene.proxy.stat('cluster.levels.lb_healthy_panic')) >= 40);
  for (const name of NAMES) await mark(scene, 'levels', name, 0);
  t.equal(await who(scene, '/levels'), 'ab', 'and back');
  t.equal(await scene.proxy.stat('cluster.levels.membership_healthy'), 4);
}

async function zones(t: Test, scene: Scene): Promise<void> {
  const found = await answers(scene, '/weighted', 80);
  const here = (found['a'] ?? 0) + (found['b'] ?? 0);
  t.ok(here >= 57 && here <= 63, `three of four: ${JSON.stringify(found)}`);
  t.equal(await who(scene, '/near'), 'ab', 'as many callers as hosts in each zone: all stay');
  t.equal(await scene.proxy.stat('cluster.near.lb_zone_routing_all_directly'), 40);
  // Who comes from there is gone: this zone has all callers, and half of the hosts.
  await mark(scene, 'self', 'b', HOST_FAILED_ACTIVE);
  t.equal(await who(scene, '/near'), 'abcd');
  t.ok((await scene.proxy.stat('cluster.near.lb_zone_routing_cross_zone')) > 0);
  await mark(scene, 'self', 'b', 0);
}

async function pages(t: Test, scene: Scene): Promise<void> {
  const { address } = scene.origins.c;
  await mark(scene, 'levels', 'c', HOST_FAILED_ACTIVE | HOST_FAILED_OUTLIER);
  const lines = (await scene.proxy.page('/clusters?filter=levels')).text.split('\n').filter((line) => line.startsWith(`levels::${address}`));
  t.ok(lines.includes(`levels::${address}::health_flags::/failed_active_hc/failed_outlier_check`), lines.join('\n'));
  t.ok(lines.includes(`levels::${address}::priority::1`));
  t.match((await scene.proxy.page('/clusters?filter=near')).text, `near::${address}::zone::there`);
  await mark(scene, 'levels', 'c', 0);
}
