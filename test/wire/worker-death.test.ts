// A worker that dies loses its own requests and nothing else: the others go on, what it held in shared limits comes back,
// gauges tell the truth, and another one takes its place.

import t, { type Test } from 'tap';

import { waitFor } from '../support/deadline.ts';
import { exchangeOnce, get, RawClient, request } from '../support/raw-client.ts';
import { subjectIsEnvoy, byteEngines } from '../support/run-proxy.ts';
import { onEachEngine, type Stage } from '../support/stage.ts';

t.setTimeout(90_000);

const WORKERS = 3;

onEachEngine(
  (stage) => ({
    listeners: [{ name: 'main', address: '127.0.0.1:0', maxConnections: 40, http: { routes: [
      { match: { prefix: '/limited' }, forward: { cluster: 'limited', timeout: '0s' } },
      { match: { prefix: '/' }, forward: { cluster: 'free' } },
    ] } }],
    clusters: [
      { name: 'limited', endpoints: [stage.origin.address], circuitBreakers: { maxRequests: 12, maxConnections: 0, maxPendingRequests: 0 } },
      { name: 'free', endpoints: [stage.origin.address] },
    ],
  }),
  { workers: WORKERS, crashes: true },
  async (t, stage) => {
    for (const action of ['throw', 'exit'] as const) await t.test(action, (t) => death(t, stage, action));
    await t.test('again and again', (t) => loop(t, stage));
    t.notMatch(stage.proxy.run.stderr, /Segmentation|Abort/);
  },
  subjectIsEnvoy ? [] : byteEngines,
);

async function kill(stage: Stage, index: number, action: 'throw' | 'exit'): Promise<void> {
  await exchangeOnce(stage.proxy.admin, request('POST', `/hooks/worker?index=${index}&action=${action}`, { Connection: 'close' }));
}

async function death(t: Test, stage: Stage, action: 'throw' | 'exit'): Promise<void> {
  let arrived = 0;
  let release = (): void => undefined;
  const gate = new Promise<void>((resolve) => (release = resolve));
  stage.origin.on('/limited', async (exchange) => {
    arrived++;
    await gate;
    await exchange.reply(200, {}, 'ok');
  });
  const deathsBefore = await stage.proxy.stat('server.worker_deaths');
  const clients = await Promise.all(Array.from({ length: 12 }, () => RawClient.connect(stage.proxy.listener())));
  for (const client of clients) client.write(request('GET', '/limited'));
  await waitFor('twelve at the origin', () => arrived === 12);
  t.equal((await get(stage.proxy.listener(), '/limited')).status, 503, 'the limit is used up');

  await kill(stage, 1, action);
  await waitFor('its death to be known', async () => (await stage.proxy.stat('server.worker_deaths')) === deathsBefore + 1);
  const lost = clients.filter(({ reader }) => reader.ending !== null);
  const alive = (): RawClient[] => clients.filter(({ reader }) => reader.ending === null);
  await waitFor('a new worker, within a second or so', async () => (await stage.proxy.stat('server.workers_live')) === WORKERS, 3000);
  await waitFor('the gauges to tell the truth', async () => {
    const active = await stage.proxy.stat('cluster.limited.upstream_rq_active');
    return active === alive().length && (await stage.proxy.stat('http.main.downstream_cx_active')) === active;
  }).catch(async (error: Error) => {
    throw new Error(`${error.message}: ${alive().length} alive, ${lost.length} lost, ${JSON.stringify([...(await stage.proxy.stats('_active$'))])}`);
  });
  t.ok(alive().length < 12 || lost.length === 0, `${12 - alive().length} of twelve were lost with it`);
  // Its connections are gone from the ledger as well.
  await waitFor('the ledger to agree with the origin', async () => (await stage.proxy.stat('cluster.limited.upstream_cx_active')) + (await stage.proxy.stat('cluster.free.upstream_cx_active')) === stage.origin.open);


  // Exactly what the dead one held is free again.
  const free = 12 - alive().length;
  arrived = 0;
  const next = await Promise.all(Array.from({ length: free }, () => RawClient.connect(stage.proxy.listener())));
  for (const client of next) client.write(request('GET', '/limited'));
  await waitFor(`${free} more at the origin`, () => arrived === free);
  t.equal((await get(stage.proxy.listener(), '/limited')).status, 503, 'and not one more');
  const everyone = [...alive(), ...next];
  t.equal(everyone.length, 12);
  release();
  for (const client of everyone) t.equal((await client.answer()).text, 'ok', 'the requests of the others are answered');
  for (const client of [...clients, ...next]) client.destroy();
  for (let n = 0; n < 20; n++) t.equal((await get(stage.proxy.listener(), '/after')).status, 200, 'new callers are served by all');
  await stage.proxy.statBecomes('cluster.limited.upstream_rq_active', 0);
}

/** Each worker dies in turn, under load: only connections that lived on it break, and the proxy stays. */
async function loop(t: Test, stage: Stage): Promise<void> {
  let running = true;
  let served = 0;
  let broken = 0;
  const wrong: string[] = [];
  const load = Array.from({ length: 6 }, async () => {
    while (running) {
      const client = await RawClient.connect(stage.proxy.listener()).catch(() => null);
      if (client === null) {
        broken++;
        continue;
      }
      try {
        while (running) {
          const { status, text } = await client.exchange(request('GET', '/load'));
          served++;
          if (status !== 200) wrong.push(`${status} ${text}`);
        }
      } catch {
        broken++;
      }
      client.destroy();
    }
  });
  for (let n = 0; n < 6; n++) {
    const before = await stage.proxy.stat('server.worker_deaths');
    await kill(stage, n % WORKERS, n % 2 === 0 ? 'throw' : 'exit');
    await waitFor('its death', async () => (await stage.proxy.stat('server.worker_deaths')) === before + 1);
    await waitFor('its replacement', async () => (await stage.proxy.stat('server.workers_live')) === WORKERS);
  }
  running = false;
  await Promise.all(load);
  t.strictSame(wrong, [], `${served} answers, none wrong`);
  t.ok(broken <= 6 * 6, `${broken} connections broke over six deaths`);
  t.ok(served > 100);
}
