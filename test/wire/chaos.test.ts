// Twenty upstreams that fall sick and recover at random under load, four of them at any time: no request is lost that a
// well one could have answered within the retry policy, and at the end every gauge is at zero. HTTP/1.1 and HTTP/2, both
// engines, two workers. `--minutes 1` goes on for a minute each; the figures stand in the last comment of each case.

import { Agent, request } from 'node:http';

import t, { type Test } from 'tap';

import { sleep, waitFor } from '../support/deadline.ts';
import { MoodyHost, type Mood } from '../support/moody-host.ts';
import { dialOptions } from '../support/raw-client.ts';
import { byteEngines, runProxy, scratchDirectory, type ProxyConfig, type Subject } from '../support/run-proxy.ts';
import { assertQuiet } from '../support/stage.ts';

const at = process.argv.indexOf('--minutes');
const minutes = at < 0 ? 0 : Number(process.argv[at + 1]);
const HOSTS = 20;
const SICK = 4;
const CALLERS = 24;
/** How often one recovers and another falls sick; of the short form, how many times. */
const TURN_MS = 150;
const TURNS = 30;
const SICKNESSES: readonly Mood[] = ['failing', 'hung', 'breaking', 'gone', 'slow'];
const GAUGE = /(upstream_(cx|rq)_active|rq_pending_active|downstream_rq_active|rq_retry_open|ejections_active)$/;

t.setTimeout((minutes * 5 + 3) * 60_000);

interface Tally {
  asked: number;
  answered: number;
  readonly lost: string[];
}

function config(hosts: readonly MoodyHost[], http2: boolean): ProxyConfig {
  return {
    listeners: [{
      name: 'main',
      address: '127.0.0.1:0',
      http: {
        routes: [{
          match: { prefix: '/' },
          forward: {
            cluster: 'app',
            timeout: '60s',
            retry: {
              on: ['5xx', 'reset', 'connect-failure', 'refused-stream'], attempts: 12, perTryTimeout: '400ms', previousHosts: true,
              backOff: { base: '2ms', max: '20ms' },
            },
          },
        }],
      },
    }],
    clusters: [{
      name: 'app',
      endpoints: hosts.map(({ address }) => address),
      protocol: http2 ? 'http2' : 'http1',
      loadBalancing: { policy: 'leastRequest' },
      connectTimeout: '1s',
      circuitBreakers: { maxRetries: 1000 },
      healthChecks: [{ http: { path: '/health' }, interval: '200ms', timeout: '150ms', unhealthyThreshold: 2, healthyThreshold: 1, noTrafficInterval: '200ms' }],
      outlierDetection: { interval: '200ms', baseEjectionTime: '200ms', maxEjectionPercent: 50, consecutive5xx: 3 },
    }],
  };
}

for (const engine of byteEngines) {
  for (const http2 of [false, true]) {
    t.test(`${engine}, ${http2 ? 'HTTP/2' : 'HTTP/1.1'} upstreams`, (t) => chaos(t, engine, http2));
  }
}

async function chaos(t: Test, engine: Subject, http2: boolean): Promise<void> {
  const hosts = await Promise.all(Array.from({ length: HOSTS }, () => MoodyHost.start(http2)));
  t.teardown(() => Promise.all(hosts.map((host) => host.close())));
  scratchDirectory(t);
  const proxy = await runProxy(t, config(hosts, http2), { engine, workers: 2 });
  const agent = new Agent({ keepAlive: true, maxSockets: CALLERS });
  t.teardown(() => agent.destroy());
  const tally: Tally = { asked: 0, answered: 0, lost: [] };
  let over = false;
  const callers = Array.from({ length: CALLERS }, async () => {
    while (!over) await ask(dialOptions(proxy.listener()), agent, tally);
  });
  await fallSickAndRecover(hosts);
  over = true;
  await Promise.all(callers);
  t.strictSame(tally.lost.slice(0, 5), [], `${tally.lost.length} of ${tally.asked} requests were lost`);
  t.equal(tally.answered, tally.asked);
  t.ok(tally.asked > CALLERS * 10, 'there was load');
  for (const host of hosts) await host.become('well');
  await assertGaugesAtRest(t, proxy);
  const stats = await proxy.stats();
  const retries = stats.get('cluster.app.upstream_rq_retry') ?? 0;
  t.ok(retries > 0, 'some had to be tried again');
  t.ok((stats.get('cluster.app.outlier_detection.ejections_enforced_total') ?? 0) > 0, 'some hosts were ejected');
  t.ok((stats.get('cluster.app.health_check.failure') ?? 0) > 0, 'some failed their health checks');
  t.comment(`${tally.asked} requests, ${retries} retries, ${stats.get('cluster.app.outlier_detection.ejections_enforced_total')} ejections, `
    + `${stats.get('cluster.app.health_check.failure')} failed checks; ${hosts.filter(({ answered }) => answered > 0).length} hosts answered`);
}

/** Never more than SICK at a time: a host recovers before the next falls. */
async function fallSickAndRecover(hosts: readonly MoodyHost[]): Promise<void> {
  const until = Date.now() + minutes * 60_000;
  for (let turn = 0; minutes > 0 ? Date.now() < until : turn < TURNS; turn++) {
    const sick = hosts.filter(({ mood }) => mood !== 'well');
    if (sick.length >= SICK) await one(sick).become('well');
    await one(hosts.filter(({ mood }) => mood === 'well')).become(one(SICKNESSES));
    await sleep(TURN_MS);
  }
}

function one<T>(list: readonly T[]): T {
  return list[Math.floor(Math.random() * list.length)]!;
}

/** One request, with a body or without; resolves when it is answered or lost. */
function ask(to: object, agent: Agent, tally: Tally): Promise<void> {
  const id = String(++tally.asked);
  const body = tally.asked % 3 === 0 ? 'b'.repeat(tally.asked % 5000) : '';
  return new Promise((resolve) => {
    const lose = (why: string): void => {
      tally.lost.push(`${id}: ${why}`);
      resolve();
    };
    const outgoing = request({ ...to, agent, method: body === '' ? 'GET' : 'POST', path: '/', headers: { 'x-id': id, ...(body === '' ? {} : { 'content-length': body.length }) } }, (answer) => {
      const chunks: Buffer[] = [];
      answer.on('data', (chunk: Buffer) => chunks.push(chunk));
      answer.on('error', (error) => lose(error.message));
      answer.on('end', () => {
        const text = Buffer.concat(chunks).toString('latin1');
        if (answer.statusCode !== 200 || text !== `${id} ${body}`) return lose(`${answer.statusCode} ${text.slice(0, 120)}`);
        tally.answered++;
        resolve();
      });
    });
    outgoing.on('error', (error) => lose(error.message));
    outgoing.end(body);
  });
}

/** Idle connections may stay; what counts requests, retries and ejected hosts may not. */
async function assertGaugesAtRest(t: Test, proxy: Awaited<ReturnType<typeof runProxy>>): Promise<void> {
  await assertQuiet(t, proxy, /cx_active|cx_http1_active/);
  let busy: [string, number][] = [];
  await waitFor('every host to be back and every gauge at zero', async () => {
    busy = [...(await proxy.stats())].filter(([name, value]) => GAUGE.test(name) && !name.includes('cx_active') && value !== 0);
    return busy.length === 0;
  }).catch(() => undefined);
  t.strictSame(busy, []);
}
