// A hundred thousand requests with random aborts from both sides: every answer belongs to its request, every gauge returns
// to zero, no descriptor is left, memory stays flat. Then the idle proxy must be idle. Test code only: each engine has its
// own test file, because this takes half a minute.

import { once } from 'node:events';
import { Worker } from 'node:worker_threads';

import t, { type Test } from 'tap';

import { sleep, waitFor } from './deadline.ts';
import { cpuMs, openDescriptors, residentBytes } from './memory.ts';
import { RawClient } from './raw-client.ts';
import { byteEngines, runProxy, type Proxy, type Subject } from './run-proxy.ts';
import type { OriginState, Tally, ToLoad } from './soak-load.ts';
import { assertNoStackTrace, assertQuiet } from './stage.ts';

t.setTimeout(115_000);

const MIB = 1 << 20;
const REQUESTS = 100_000;

class Load {
  address = '';
  private readonly worker = new Worker(new URL('./soak-load.js', import.meta.url));

  static async start(t: Test): Promise<Load> {
    const load = new Load();
    t.teardown(() => load.worker.terminate());
    [load.address] = (await once(load.worker, 'message')) as [string];
    return load;
  }

  storm(address: string, requests: number, seed: number): Promise<Tally> {
    return this.ask({ type: 'storm', address, requests, seed });
  }

  state(): Promise<OriginState> {
    return this.ask({ type: 'state' });
  }

  private async ask<T>(message: ToLoad): Promise<T> {
    this.worker.postMessage(message);
    const [answer] = (await once(this.worker, 'message')) as [T];
    return answer;
  }
}

async function soak(t: Test, engine: Subject): Promise<void> {
  const load = await Load.start(t);
  const proxy = await runProxy(t, {
    listeners: [{ name: 'main', address: '127.0.0.1:0', http: { routes: [{ match: { prefix: '/' }, forward: { cluster: 'app' } }] } }],
    clusters: [{ name: 'app', endpoints: [load.address], circuitBreakers: { maxConnections: 0, maxRequests: 0, maxPendingRequests: 0 } }],
  }, { engine });
  await load.storm(proxy.listener(), 20_000, 1);
  await calm(proxy);
  const descriptors = await ownDescriptors(proxy);
  const half = await load.storm(proxy.listener(), REQUESTS / 2, 1000);
  await calm(proxy);
  const middle = residentBytes(proxy.pid);
  const whole = await load.storm(proxy.listener(), REQUESTS / 2, 2000);
  await calm(proxy);

  for (const tally of [half, whole]) {
    t.strictSame(tally.wrong.slice(0, 5), [], 'every answer belongs to its request');
    t.ok(tally.answered > tally.sent * 0.7, `${tally.sent} sent, ${tally.answered} answered by the origin, ${tally.local} by the proxy, ${tally.cut} cut, ${tally.aborted} given up`);
    t.ok(tally.local > 100 && tally.cut > 100 && tally.aborted > 100, 'there was trouble of every kind');
  }
  const growth = residentBytes(proxy.pid) - middle;
  t.ok(growth < 48 * MIB, `the second half needed ${(growth / MIB).toFixed(1)} MiB more`);
  await waitFor('no descriptor to be left', async () => (await ownDescriptors(proxy)) <= descriptors);
  await waitFor('the ledger to agree with the origin', async () => (await proxy.stat('cluster.app.upstream_cx_active')) === (await load.state()).open);
  t.strictSame((await load.state()).violations, [], 'the origin was sent nothing malformed');
  await idle(t, proxy);
  await assertQuiet(t, proxy);
  t.strictSame(await proxy.stop(), { code: 0, signal: null });
  assertNoStackTrace(t, proxy.run.stderr);
}

async function calm(proxy: Proxy): Promise<void> {
  for (const name of ['cluster.app.upstream_rq_active', 'http.main.downstream_rq_active', 'http.main.downstream_cx_active']) await proxy.statBecomes(name, 0);
}

/** All but the idle upstream connections, which may stay. */
async function ownDescriptors(proxy: Proxy): Promise<number> {
  return openDescriptors(proxy.pid) - (await proxy.stat('cluster.app.upstream_cx_active'));
}

/** Nothing to do: next to no CPU. Five per cent would be far too much and still pass; a loop that spins takes a hundred. */
async function idle(t: Test, proxy: Proxy): Promise<void> {
  const clients = await Promise.all(Array.from({ length: 200 }, () => RawClient.connect(proxy.listener())));
  await sleep(300);
  const before = cpuMs(proxy.pid);
  await sleep(2000);
  const used = cpuMs(proxy.pid) - before;
  t.ok(used <= 100, `${used} ms of CPU in two idle seconds with two hundred connections`);
  for (const client of clients) client.destroy();
}

/** The whole of a test file. */
export function soakOn(engine: Subject): void {
  if (byteEngines.includes(engine)) t.test(engine, (t) => soak(t, engine));
  else t.pass(`${engine} is not asked for, or not to be had here`);
}
