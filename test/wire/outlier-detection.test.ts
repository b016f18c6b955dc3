// Outlier detection over real sockets: failures spread over the workers eject a host once, every worker avoids it from its
// next request on, it comes back after its time; whatever way it fails, and whatever else happens meanwhile.

import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';

import t, { type Test } from 'tap';

import { waitFor } from '../support/deadline.ts';
import { FailingHost } from '../support/failing-host.ts';
import { exchangeOnce, get, request, type Answer, type RawClient } from '../support/raw-client.ts';
import { byteEngines, type Json, type ProxyConfig, subjectIsEnvoy, wholeConfig } from '../support/run-proxy.ts';
import { onEachEngine, type Stage } from '../support/stage.ts';

t.setTimeout(180_000);

const WORKERS = 3;
/** Longer than the test takes: nobody comes back by himself. */
const FOR_GOOD = { baseEjectionTime: '10m' };
const BRIEF = { interval: '100ms', baseEjectionTime: '200ms' };

interface Part {
  readonly hosts: number;
  readonly outlier: Json;
  readonly protocol?: 'http1' | 'http2';
  readonly timeout?: string;
}

/** Cluster by cluster, each behind a path of its name. */
const PARTS: Readonly<Record<string, Part>> = {
  spread1: { hosts: 2, outlier: { ...FOR_GOOD, consecutive5xx: 12 } },
  spread2: { hosts: 2, outlier: { ...FOR_GOOD, consecutive5xx: 12 }, protocol: 'http2' },
  back: { hosts: 2, outlier: { ...BRIEF, consecutive5xx: 2, eventLog: 'events.log' } },
  refused: { hosts: 2, outlier: { ...FOR_GOOD, consecutive5xx: 3 } },
  reset1: { hosts: 2, outlier: { ...FOR_GOOD, consecutiveGatewayFailure: 3 } },
  reset2: { hosts: 2, outlier: { ...FOR_GOOD, consecutiveGatewayFailure: 3 }, protocol: 'http2' },
  hang1: { hosts: 2, outlier: { ...FOR_GOOD, consecutive5xx: 2 }, timeout: '100ms' },
  hang2: { hosts: 2, outlier: { ...FOR_GOOD, consecutive5xx: 2 }, timeout: '100ms', protocol: 'http2' },
  grpc: { hosts: 2, outlier: { ...FOR_GOOD, consecutiveGatewayFailure: 3 }, protocol: 'http2' },
  full: { hosts: 4, outlier: { ...FOR_GOOD, consecutive5xx: 2, maxEjectionPercent: 50 } },
  split: { hosts: 2, outlier: { ...FOR_GOOD, splitExternalLocalOriginErrors: true, consecutive5xx: 0, consecutiveLocalOriginFailure: 2 } },
  rates: { hosts: 2, outlier: { interval: '100ms', ...FOR_GOOD, consecutive5xx: 0, successRate: { minimumHosts: 1, requestVolume: 1, enforcingPercent: 0 }, failurePercentage: { threshold: 80, minimumHosts: 1, requestVolume: 3, enforcingPercent: 100 } } },
  tcp: { hosts: 2, outlier: { ...FOR_GOOD, consecutive5xx: 2 } },
};

const casts = new Map<string, Map<string, FailingHost[]>>();
for (const engine of byteEngines) {
  const cast = new Map<string, FailingHost[]>();
  for (const [name, { hosts, protocol }] of Object.entries(PARTS)) cast.set(name, await Promise.all(Array.from({ length: hosts }, () => FailingHost.start(protocol))));
  casts.set(engine, cast);
}
t.teardown(() => {
  for (const cast of casts.values()) for (const hosts of cast.values()) for (const host of hosts) host.stop();
});

function hostsOf(stage: Stage, name: string): FailingHost[] {
  return casts.get(stage.engine)!.get(name)!;
}

function configOf(stage: Stage, watching: (name: string) => boolean = () => true): ProxyConfig {
  const names = Object.keys(PARTS);
  return {
    listeners: [
      { name: 'main', address: '127.0.0.1:0', http: { routes: names.map((name) => ({ match: { prefix: `/${name}` }, forward: { cluster: name, timeout: PARTS[name]!.timeout ?? '15s' } })) } },
      { name: 'opaque', address: '127.0.0.1:0', tcp: { cluster: 'tcp' } },
    ],
    clusters: names.map((name) => {
      const { outlier, protocol = 'http1' } = PARTS[name]!;
      const eventLog = outlier['eventLog'] === undefined ? {} : { eventLog: join(stage.directory, 'events.log') };
      return { name, protocol, endpoints: hostsOf(stage, name).map(({ address }) => address), ...(watching(name) ? { outlierDetection: { ...outlier, ...eventLog } } : {}) };
    }),
  };
}

onEachEngine(
  (stage) => configOf(stage),
  { workers: WORKERS, crashes: true },
  async (t, stage) => {
    for (const name of ['spread1', 'spread2']) await t.test(`failures over all workers, ${name}`, (t) => spread(t, stage, name));
    await t.test('it is back after its time, and its log says so', (t) => comesBack(t, stage));
    await t.test('connections refused', (t) => refused(t, stage));
    for (const name of ['reset1', 'reset2']) await t.test(`connections and streams reset, ${name}`, (t) => fails(t, stage, { name, conduct: 'reset', status: 503, times: 3 }));
    for (const name of ['hang1', 'hang2']) await t.test(`no answer in time, ${name}`, (t) => fails(t, stage, { name, conduct: 'hang', status: 504, times: 2 }));
    await t.test('gRPC answers that say UNAVAILABLE', (t) => fails(t, stage, { name: 'grpc', conduct: 'unavailable', status: 200, times: 3 }));
    await t.test('no more than the limit', (t) => full(t, stage));
    await t.test('local origin by itself', (t) => split(t, stage));
    await t.test('rates of an interval', (t) => rates(t, stage));
    await t.test('TCP', (t) => tcp(t, stage));
    await t.test('a worker that dies', (t) => death(t, stage));
    await t.test('reload', (t) => reload(t, stage));
  },
  subjectIsEnvoy ? [] : byteEngines,
);

/** Connections to many, so that every worker has some: requests go over them one after the other. */
class Callers {
  private next = 0;
  private readonly clients: readonly RawClient[];

  private constructor(clients: readonly RawClient[]) {
    this.clients = clients;
  }

  static async of(t: Test, stage: Stage): Promise<Callers> {
    const clients = await Promise.all(Array.from({ length: 24 }, () => stage.connect('main')));
    t.teardown(() => clients.forEach((client) => client.destroy()));
    return new Callers(clients);
  }

  ask(path: string, fields: Readonly<Record<string, string>> = {}): Promise<Answer> {
    return this.clients[this.next++ % this.clients.length]!.exchange(request('GET', path, fields));
  }

  /** Twice over every connection. @returns the statuses, each once */
  async askAll(path: string, fields: Readonly<Record<string, string>> = {}): Promise<number[]> {
    const statuses = new Set<number>();
    for (let i = 0; i < 2 * this.clients.length; i++) statuses.add((await this.ask(path, fields)).status);
    return [...statuses];
  }

  /** Until it holds. */
  async askUntil(what: string, path: string, holds: (answer: Answer) => boolean | Promise<boolean>): Promise<void> {
    await waitFor(what, async () => holds(await this.ask(path)), 60_000);
  }
}

/** What is not zero of a cluster's outlier detection, without the prefix. */
async function counts(stage: Stage, cluster: string): Promise<Record<string, number>> {
  const stats = await stage.proxy.stats(`^cluster\\.${cluster}\\.outlier_detection\\.`);
  return Object.fromEntries([...stats].filter(([, value]) => value !== 0).map(([name, value]) => [name.replace(/^.*\.ejections_/, ''), value]));
}

async function spread(t: Test, stage: Stage, name: string): Promise<void> {
  const [bad, good] = hostsOf(stage, name) as [FailingHost, FailingHost];
  const callers = await Callers.of(t, stage);
  bad.conduct = 500;
  await callers.askUntil('twelve failures', `/${name}`, () => bad.hits === 12);
  t.same(await callers.askAll(`/${name}`), [200], 'the twelfth is the last that anybody meets');
  t.equal(bad.hits, 12);
  t.ok(bad.connections >= 2, `over ${bad.connections} workers`);
  t.equal(good.connections, WORKERS, 'all workers have found the other one');
  t.equal(await stage.proxy.stat(`cluster.${name}.membership_healthy`), 1);
  t.same(await counts(stage, name), { active: 1, total: 1, enforced_total: 1, consecutive_5xx: 1, detected_consecutive_5xx: 1, enforced_consecutive_5xx: 1 });
}

async function comesBack(t: Test, stage: Stage): Promise<void> {
  const [bad] = hostsOf(stage, 'back') as [FailingHost];
  const callers = await Callers.of(t, stage);
  for (const round of [1, 2]) {
    bad.conduct = 502;
    await callers.askUntil('its ejection', '/back', async () => (await counts(stage, 'back'))['enforced_total'] === round);
    bad.conduct = 200;
    const before = bad.hits;
    await callers.askUntil('its return', '/back', () => bad.hits > before);
    t.same(await callers.askAll('/back'), [200]);
    await stage.proxy.statBecomes('cluster.back.outlier_detection.ejections_active', 0);
  }
  const path = join(stage.directory, 'events.log');
  const read = (): Record<string, unknown>[] => (existsSync(path) ? readFileSync(path, 'utf8').split('\n').slice(0, -1).map((line) => JSON.parse(line) as Record<string, unknown>) : []);
  await waitFor('two ejections and two returns in the log', () => read().length >= 4);
  const common = { type: 'CONSECUTIVE_5XX', cluster_name: 'back', upstream_url: bad.address };
  t.match(read(), [
    { ...common, action: 'EJECT', num_ejections: 1, enforced: true, eject_consecutive_event: {} },
    { ...common, action: 'UNEJECT', num_ejections: 1, enforced: false },
    { ...common, action: 'EJECT', num_ejections: 2, enforced: true },
    { ...common, action: 'UNEJECT', num_ejections: 2 },
  ]);
  t.equal(read().length, 4);
}

async function refused(t: Test, stage: Stage): Promise<void> {
  const [bad] = hostsOf(stage, 'refused') as [FailingHost];
  const callers = await Callers.of(t, stage);
  bad.stop();
  let failed = 0;
  await callers.askUntil('three failures', '/refused', ({ status, text }) => {
    if (status === 200) return false;
    t.match(text, /remote connection failure/);
    return ++failed === 3;
  });
  t.same(await callers.askAll('/refused'), [200]);
  t.match(await counts(stage, 'refused'), { active: 1, enforced_consecutive_5xx: 1 });
}

async function fails(t: Test, stage: Stage, { name, conduct, status, times }: { name: string; conduct: FailingHost['conduct']; status: number; times: number }): Promise<void> {
  const [bad] = hostsOf(stage, name) as [FailingHost];
  const callers = await Callers.of(t, stage);
  const fields = conduct === 'unavailable' ? { 'content-type': 'application/grpc' } : {};
  bad.conduct = conduct;
  const met = new Set<number>();
  await waitFor(`${times} failures`, async () => {
    met.add((await callers.ask(`/${name}`, fields)).status);
    return bad.hits === times;
  });
  t.ok(met.has(status), `answered ${[...met].join()}`);
  t.same(await callers.askAll(`/${name}`, fields), [200]);
  t.equal(bad.hits, times);
  t.match(await counts(stage, name), { active: 1, enforced_total: 1 });
}

async function full(t: Test, stage: Stage): Promise<void> {
  const hosts = hostsOf(stage, 'full');
  const callers = await Callers.of(t, stage);
  for (const host of hosts) host.conduct = 500;
  await callers.askUntil('two refused ejections', '/full', async () => ((await counts(stage, 'full'))['overflow'] ?? 0) >= 2);
  const found = await counts(stage, 'full');
  t.match(found, { active: 2, enforced_total: 2 });
  t.equal(found['detected_consecutive_5xx'], 2 + found['overflow']!);
  const before = hosts.map(({ hits }) => hits);
  t.same(await callers.askAll('/full'), [500], 'the others are asked on');
  t.equal(hosts.filter(({ hits }, i) => hits > before[i]!).length, 2);
}

async function split(t: Test, stage: Stage): Promise<void> {
  const [bad, good] = hostsOf(stage, 'split') as [FailingHost, FailingHost];
  const callers = await Callers.of(t, stage);
  good.conduct = 500;
  bad.stop();
  let failed = 0;
  await callers.askUntil('two failures', '/split', ({ status }) => status === 503 && ++failed === 2);
  t.same(await callers.askAll('/split'), [500], 'what a host answers ejects nobody here');
  const found = await counts(stage, 'split');
  t.match(found, { active: 1, enforced_total: 1, enforced_consecutive_local_origin_failure: 1 });
  t.equal(found['detected_consecutive_5xx'], undefined);
}

async function rates(t: Test, stage: Stage): Promise<void> {
  const [bad, good] = hostsOf(stage, 'rates') as [FailingHost, FailingHost];
  const callers = await Callers.of(t, stage);
  const line = new RegExp(`^rates::${good.address}::success_rate::100$`, 'm');
  await callers.askUntil('a success rate on the page', '/rates', async () => line.test((await stage.proxy.page('/clusters')).text));
  t.match((await stage.proxy.page('/clusters')).text, /^rates::outlier::success_rate_average::/m);
  t.notMatch((await stage.proxy.page('/clusters')).text, /^rates::[^\n]*::local_origin_success_rate::[^-]/m);
  t.same((await counts(stage, 'rates'))['active'], undefined);
  bad.conduct = 500;
  await callers.askUntil('its ejection', '/rates', async () => (await counts(stage, 'rates'))['enforced_failure_percentage'] === 1);
  const before = bad.hits;
  t.same(await callers.askAll('/rates'), [200]);
  t.equal(bad.hits, before);
  t.match(await counts(stage, 'rates'), { active: 1, enforced_total: 1 });
}

async function tcp(t: Test, stage: Stage): Promise<void> {
  const [bad] = hostsOf(stage, 'tcp') as [FailingHost];
  bad.stop();
  const ask = async (): Promise<number> => get(stage.proxy.listener('opaque'), '/', { connection: 'close' }).then(({ status }) => status, () => 0);
  await waitFor('its ejection', async () => (await ask(), (await counts(stage, 'tcp'))['enforced_total'] === 1));
  t.same(await Promise.all(Array.from({ length: 30 }, ask)), Array.from({ length: 30 }, () => 200));
  t.match(await counts(stage, 'tcp'), { active: 1, enforced_consecutive_5xx: 1 });
}

async function death(t: Test, stage: Stage): Promise<void> {
  const [bad] = hostsOf(stage, 'spread1') as [FailingHost];
  const before = bad.hits;
  for (let index = 0; index < WORKERS; index++) {
    const deaths = await stage.proxy.stat('server.worker_deaths');
    await exchangeOnce(stage.proxy.admin, request('POST', `/hooks/worker?index=${index}&action=exit`, { Connection: 'close' }));
    await waitFor('its death and its successor', async () => (await stage.proxy.stat('server.worker_deaths')) === deaths + 1 && (await stage.proxy.stat('server.workers_live')) === WORKERS);
  }
  const callers = await Callers.of(t, stage);
  t.same(await callers.askAll('/spread1'), [200], 'none of the old workers is there, and what they found is');
  t.equal(bad.hits, before);
  t.match(await counts(stage, 'spread1'), { active: 1, enforced_total: 1 });
}

async function reload(t: Test, stage: Stage): Promise<void> {
  const take = async (config: ProxyConfig): Promise<void> => {
    const before = await stage.proxy.stat('config.update_success');
    stage.proxy.writeConfig(wholeConfig(config, stage.engine, WORKERS));
    stage.proxy.signal('SIGHUP');
    await waitFor('the new configuration', async () => (await stage.proxy.stat('config.update_success')) === before + 1);
  };
  const [bad1, , bad2] = [...hostsOf(stage, 'spread1'), ...hostsOf(stage, 'spread2')] as [FailingHost, FailingHost, FailingHost];
  const before = bad2.hits;
  bad1.conduct = 200;
  await take(configOf(stage, (name) => name !== 'spread1'));
  const callers = await Callers.of(t, stage);
  t.same(await callers.askAll('/spread2'), [200]);
  t.equal(bad2.hits, before, 'a cluster that has not changed keeps its ejections');
  t.match(await counts(stage, 'spread2'), { active: 1 });
  t.same(await counts(stage, 'spread1'), {}, 'without outlier detection there is nothing to show');
  const hits = bad1.hits;
  await callers.askUntil('the one that is ejected no more', '/spread1', () => bad1.hits > hits);
  await take(configOf(stage));
  t.equal((await counts(stage, 'spread1'))['active'], undefined, 'and none of it comes back with it');
}
