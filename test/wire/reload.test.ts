// A new configuration while traffic goes on: a good one takes effect without dropping a request, a bad one changes
// nothing; what did not change keeps its connections, what went away drains.

import { mkdirSync, renameSync, symlinkSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { once } from 'node:events';
import { join } from 'node:path';

import t, { type Test } from 'tap';

import { waitFor } from '../support/deadline.ts';
import { echoHead, Origin } from '../support/origin.ts';
import { exchangeOnce, get, RawClient, request } from '../support/raw-client.ts';
import { byteEngines, runProxy, scratchDirectory, subjectIsEnvoy, wholeConfig, type Json, type Proxy, type ProxyConfig, type Subject } from '../support/run-proxy.ts';
import { assertNoStackTrace, assertQuiet } from '../support/stage.ts';

t.setTimeout(110_000);

const WORKERS = 2;

/** The language's own parts of a document, so that each test changes only what it is about. */
function config(clusters: Readonly<Record<string, string>>, routes: readonly Json[], more: readonly Json[] = []): ProxyConfig {
  return {
    listeners: [{ name: 'main', address: '127.0.0.1:0', http: { routes } }, ...more],
    clusters: Object.entries(clusters).map(([name, endpoint]) => ({ name, endpoints: [endpoint] })),
  };
}

const toApp: Json = { match: { prefix: '/app' }, forward: { cluster: 'app' } };
const says = (body: string): Json => ({ match: { prefix: '/says' }, respond: { status: 200, body } });

class Reloading {
  readonly proxy: Proxy;
  readonly engine: Subject;

  constructor(proxy: Proxy, engine: Subject) {
    this.proxy = proxy;
    this.engine = engine;
  }

  write(document: ProxyConfig | string): void {
    this.proxy.writeConfig(typeof document === 'string' ? document : wholeConfig(document, this.engine, WORKERS));
  }

  /** Writes, sends SIGHUP, and waits until it has been taken or refused. */
  async reload(document: ProxyConfig | string): Promise<'applied' | 'rejected'> {
    const before = await this.counts();
    this.write(document);
    this.proxy.signal('SIGHUP');
    const after = await waitFor('the reload', async () => {
      const now = await this.counts();
      return now.success + now.rejected > before.success + before.rejected ? now : null;
    });
    return after.rejected > before.rejected ? 'rejected' : 'applied';
  }

  async counts(): Promise<{ success: number; rejected: number }> {
    const stats = await this.proxy.stats('^config\\.');
    return { success: stats.get('config.update_success') ?? 0, rejected: stats.get('config.update_rejected') ?? 0 };
  }
}

for (const engine of subjectIsEnvoy ? [] : byteEngines) {
  t.test(engine, async (t) => {
    await t.test('a hundred reloads under load', (t) => underLoad(t, engine));
    await t.test('what changes and what stays', (t) => changes(t, engine));
    await t.test('bad files', (t) => badFiles(t, engine));
    await t.test('the file is watched', (t) => watched(t, engine));
  });
}

async function originOf(t: Test, script = echoHead): Promise<Origin> {
  const origin = await Origin.start({ script });
  t.teardown(() => origin.stop());
  return origin;
}

async function start(t: Test, engine: Subject, document: ProxyConfig): Promise<Reloading> {
  return new Reloading(await runProxy(t, document, { engine, workers: WORKERS }), engine);
}

async function close(t: Test, { proxy }: Reloading): Promise<void> {
  await assertQuiet(t, proxy);
  t.strictSame(await proxy.stop(), { code: 0, signal: null });
  assertNoStackTrace(t, proxy.run.stderr);
}

async function underLoad(t: Test, engine: Subject): Promise<void> {
  const origin = await originOf(t, async (exchange) => {
    const { bytes } = await exchange.body();
    await exchange.reply(200, {}, `fine ${bytes.length}`);
  });
  const version = (n: number): ProxyConfig => config(
    { app: origin.address, ...(n % 3 === 0 ? { other: origin.address } : {}) },
    [says(String(n)), toApp],
    n % 5 === 0 ? [{ name: 'extra', address: '127.0.0.1:0', http: { routes: [toApp] } }] : [],
  );
  const reloading = await start(t, engine, version(0));
  const address = reloading.proxy.listener('main');
  let running = true;
  let served = 0;
  const failures: string[] = [];
  const check = (status: number, text: string): void => {
    served++;
    if (status !== 200 || text !== 'fine 5') failures.push(`${status} ${text}`);
  };
  const kept = Array.from({ length: 4 }, async () => {
    const client = await RawClient.connect(address);
    while (running) {
      const { status, text } = await client.exchange(request('POST', '/app', {}, 'hello'));
      check(status, text);
    }
    client.destroy();
  });
  const fresh = Array.from({ length: 4 }, async () => {
    while (running) {
      const { status, text } = await exchangeOnce(address, request('POST', '/app', {}, 'hello'));
      check(status, text);
    }
  });
  const load = [...kept, ...fresh].map((one) => one.catch((error: Error) => void failures.push(error.message)));

  const before = served;
  for (let n = 1; n <= 100; n++) {
    if ((await reloading.reload(version(n))) !== 'applied') failures.push(`reload ${n} was rejected`);
    const said = (await get(address, '/says')).text;
    if (said !== String(n)) failures.push(`after reload ${n} the answer is ${said}`);
  }
  running = false;
  await Promise.all(load);
  t.strictSame(failures, [], `a hundred reloads, ${served - before} requests, none dropped`);
  t.ok(served - before > 500, 'there was a load');
  t.strictSame(origin.violations, []);
  await close(t, reloading);
}

async function changes(t: Test, engine: Subject): Promise<void> {
  const first = await originOf(t);
  const second = await originOf(t);
  const steady = await originOf(t);
  const toSteady: Json = { match: { prefix: '/steady' }, forward: { cluster: 'steady' } };
  const side: Json = { name: 'side', address: '127.0.0.1:0', http: { routes: [toSteady, toApp] } };
  const reloading = await start(t, engine, config({ app: first.address, steady: steady.address }, [says('one'), toApp, toSteady], [side]));
  const { proxy } = reloading;
  const main = await RawClient.connect(proxy.listener('main'));
  const held = await RawClient.connect(proxy.listener('side'));
  const idle = await RawClient.connect(proxy.listener('side'));
  const address = proxy.listener('side');
  let release = (): void => undefined;
  const gate = new Promise<void>((resolve) => (release = resolve));
  first.on('/app-held', async (exchange) => {
    await gate;
    await exchange.reply(200, {}, 'from the first');
  });
  await main.exchange(request('GET', '/steady'));
  await main.exchange(request('GET', '/app'));
  await idle.exchange(request('GET', '/steady'));
  held.write(request('GET', '/app-held'));
  await waitFor('the held request', () => first.seen('/app-held').length === 1);
  const steadyBefore = steady.connections.length;

  // The cluster's endpoint changes and the second listener goes.
  t.equal(await reloading.reload(config({ app: second.address, steady: steady.address }, [says('two'), toApp, toSteady])), 'applied');
  t.equal((await main.exchange(request('GET', '/says'))).text, 'two', 'a connection that was there before meets the new routes');
  t.equal((await main.exchange(request('GET', '/app'))).status, 200);
  t.equal(second.requests.length, 1, 'and the new endpoint');
  await main.exchange(request('GET', '/steady'));
  t.equal(steady.connections.length, steadyBefore, 'a cluster that did not change keeps its connections');
  t.equal((await idle.ended()).how, 'fin', 'an idle caller of the listener that went is let go');
  await waitFor('the old port to be closed', () => RawClient.connect(address).then((client) => (client.destroy(), false), () => true));
  release();
  const last = await held.answer();
  t.equal(last.text, 'from the first', 'the request under way is answered, by the cluster as it was');
  t.equal((await held.ended()).how, 'fin', 'then its connection ends');
  await waitFor('the old endpoint to be let go', () => first.open === 0);
  for (const client of [main, held, idle]) client.destroy();

  // A listener comes.
  t.equal(await reloading.reload(config({ app: second.address }, [says('three')], [{ name: 'late', address: '127.0.0.1:0', http: { routes: [toApp] } }])), 'applied');
  const late = /^late::(\S+)$/m.exec((await proxy.page('/listeners')).text)?.[1] as string;
  for (let n = 0; n < 8; n++) t.equal((await get(late, '/app')).status, 200, 'a listener that came answers on every worker');
  t.equal((await get(proxy.listener('main'), '/says')).text, 'three');
  t.equal((await get(proxy.listener('main'), '/steady')).status, 404);
  await waitFor('the removed cluster to be let go', () => steady.open === 0);
  const stats = await proxy.stats('^(cluster\\.steady|listener_manager|cluster_manager)');
  t.equal(stats.get('listener_manager.listener_removed'), 1);
  t.equal(stats.get('cluster_manager.cluster_removed'), 1);
  t.equal(stats.get('cluster.steady.upstream_rq_total'), undefined, 'its stats are gone');
  await close(t, reloading);
}

async function badFiles(t: Test, engine: Subject): Promise<void> {
  const origin = await originOf(t);
  const good = config({ app: origin.address }, [says('good'), toApp]);
  const reloading = await start(t, engine, good);
  const { proxy } = reloading;
  const client = await RawClient.connect(proxy.listener('main'));
  await client.exchange(request('GET', '/app'));
  const taken = createServer().listen(0, '127.0.0.1');
  t.teardown(() => taken.close());
  await once(taken, 'listening');
  const port = (taken.address() as { port: number }).port;
  const bad: readonly (readonly [name: string, document: ProxyConfig | string, report: RegExp])[] = [
    ['no JSON', '{ "listeners": [', /proxy\.json:1/],
    ['an unknown key', config({ app: origin.address }, [{ match: { prefix: '/' }, forwrd: { cluster: 'app' } }]), /\/listeners\/0\/http\/routes\/0.*forwrd/],
    ['an unknown cluster', config({ app: origin.address }, [{ match: { prefix: '/' }, forward: { cluster: 'ap' } }]), /"ap"/],
    ['a port in use', config({ app: origin.address }, [says('bad')], [{ name: 'clash', address: `127.0.0.1:${port}`, http: { routes: [says('bad')] } }]), new RegExp(`127\\.0\\.0\\.1:${port}`)],
    ['an empty file', '', /./],
  ];
  for (const [name, document, report] of bad) {
    const from = proxy.run.stderr.length;
    t.equal(await reloading.reload(document), 'rejected', `${name} is refused`);
    // The report and the count reach us by different pipes.
    await waitFor(`the report of ${name}`, () => report.test(proxy.run.stderr.slice(from))).catch(() => undefined);
    t.match(proxy.run.stderr.slice(from), report, `${name}: and reported`);
    t.equal((await client.exchange(request('GET', '/says'))).text, 'good', `${name}: the old one stays in effect`);
    t.equal((await get(proxy.listener('main'), '/says')).text, 'good');
  }
  t.equal((await reloading.counts()).rejected, bad.length, 'each is counted');
  t.equal(origin.connections.length, 1);
  t.equal(await reloading.reload(config({ app: origin.address }, [says('better'), toApp])), 'applied', 'a good one is taken after that');
  t.equal((await client.exchange(request('GET', '/says'))).text, 'better');
  client.destroy();
  await close(t, reloading);
}

/** As Kubernetes does it: the file is a link into `..data`, which is a link that is swapped whole. */
async function watched(t: Test, engine: Subject): Promise<void> {
  const directory = scratchDirectory(t);
  const document = (body: string): string => JSON.stringify(wholeConfig({ ...config({}, [says(body)]), watch: true }, engine, WORKERS));
  const volume = (name: string, body: string): void => {
    mkdirSync(join(directory, name));
    writeFileSync(join(directory, name, 'proxy.json'), document(body));
  };
  volume('..v1', 'one');
  symlinkSync('..v1', join(directory, '..data'));
  symlinkSync('..data/proxy.json', join(directory, 'proxy.json'));
  const path = join(directory, 'proxy.json');
  // The run writes its own document through the link, which leaves the links as they are.
  const proxy = await runProxy(t, { ...config({}, [says('one')]), watch: true }, { engine, workers: WORKERS, configPath: path });
  const becomes = (body: string): Promise<unknown> => waitFor(`the answer to become ${body}`, async () => (await get(proxy.listener('main'), '/says')).text === body);
  await becomes('one');

  volume('..v2', 'two');
  symlinkSync('..v2', join(directory, '..new'));
  renameSync(join(directory, '..new'), join(directory, '..data'));
  await becomes('two');
  t.pass('a swapped link');
  writeFileSync(join(directory, '..v2', 'proxy.json'), document('three'));
  await becomes('three');
  t.pass('a file written in place');
  writeFileSync(`${path}.tmp`, document('four'));
  renameSync(`${path}.tmp`, path);
  await becomes('four');
  t.pass('a file renamed over');
  writeFileSync(path, '{ half a file');
  await waitFor('the refusal', async () => (await proxy.stat('config.update_rejected')) >= 1);
  await becomes('four');
  writeFileSync(path, document('five'));
  await becomes('five');
  t.strictSame(await proxy.stop(), { code: 0, signal: null });
}
