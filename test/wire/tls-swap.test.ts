// Keys and certificates replaced over and over under load, on both engines: no request fails, every generation is served,
// half-written pairs leave the one before in use, and nothing stays behind. `--minutes 1` swaps for a minute instead of
// a few times; the figures stand in the last comment of each engine.

import { once } from 'node:events';
import { writeFileSync } from 'node:fs';
import { Agent, createServer as createHttpsServer, request } from 'node:https';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { connect, type TLSSocket } from 'node:tls';

import t, { type Test } from 'tap';

import { makeCertificate, type Made } from '../support/certificates.ts';
import { waitFor, within } from '../support/deadline.ts';
import { openDescriptors, residentBytes } from '../support/memory.ts';
import { onEachEngine, type Stage } from '../support/stage.ts';
import { dialOptions } from '../support/raw-client.ts';
import type { ProxyConfig } from '../support/run-proxy.ts';

const at = process.argv.indexOf('--minutes');
const minutes = at < 0 ? 0 : Number(process.argv[at + 1]);
/** Of the short form; the first ones are for what grows once. */
const SWAPS = 9;
const WARM_UP = 3;
const WORKERS = 2;
const MIB = 1 << 20;
/**
 * What garbage and heap steps may differ by. On the node engine V8 collects contexts and sockets when it likes, and memory
 * levels off after about eighty swaps; that none is held there is for `test/io/tls-conn.test.ts` to say.
 */
const GROWTH = { epoll: 32 * MIB, node: 96 * MIB };

t.setTimeout((minutes * 3 + 2) * 60_000);

const authority = makeCertificate({ commonName: 'Swap CA', authority: true });
const other = makeCertificate({ names: ['b.test'], issuer: authority });

function generation(number: number): Made {
  return makeCertificate({ names: ['a.test', `generation-${number}.test`], issuer: authority });
}

const upstream = createHttpsServer({ cert: other.cert, key: other.key, ca: authority.cert, requestCert: true, rejectUnauthorized: true }, (_incoming, answer) => {
  answer.end('over TLS');
});
await new Promise<void>((resolve) => upstream.listen(0, '127.0.0.1', resolve));
upstream.unref();

/** The pair is the listener's, and what we show to the host behind: both sides make new contexts of it. */
function config(stage: Stage): ProxyConfig {
  const put = (name: string, text: string): string => {
    writeFileSync(join(stage.directory, name), text);
    return join(stage.directory, name);
  };
  const first = generation(0);
  const pair = { cert: put('pair.pem', first.cert), key: put('pair.key', first.key) };
  return {
    watch: true,
    listeners: [{
      name: 'main',
      address: '127.0.0.1:0',
      tls: { certificates: [pair, { cert: put('other.pem', other.cert), key: put('other.key', other.key) }], alpn: ['http/1.1'] },
      http: { routes: [{ match: { prefix: '/secure' }, forward: { cluster: 'secure' } }, { match: { prefix: '/' }, forward: { cluster: 'app' } }] },
    }],
    clusters: [
      { name: 'app', endpoints: [stage.origin.address] },
      { name: 'secure', endpoints: [`127.0.0.1:${(upstream.address() as AddressInfo).port}`], tls: { ...pair, ca: put('ca.pem', authority.cert), serverName: 'b.test' } },
    ],
  } as unknown as ProxyConfig;
}

/** Callers that ask without a pause: some on connections they keep, some on a new one each time. */
class Load {
  readonly failures: string[] = [];
  readonly generations = new Set<number>();
  kept = 0;
  fresh = 0;
  private stopped = false;
  private readonly stage: Stage;
  private readonly agents = [0, 1, 2].map(() => new Agent({ keepAlive: true, maxSockets: 1 }));
  private readonly loops: Promise<void>[];

  constructor(stage: Stage) {
    this.stage = stage;
    const kept = this.agents.map((agent) => this.loop(async (path) => {
      await this.ask(path, agent);
      this.kept++;
    }));
    const fresh = [0, 1].map(() => this.loop(async (path) => {
      await this.ask(path, new Agent());
      this.fresh++;
    }));
    this.loops = [...kept, ...fresh];
  }

  async stop(): Promise<void> {
    this.stopped = true;
    await Promise.all(this.loops);
    for (const agent of this.agents) agent.destroy();
  }

  private async loop(ask: (path: string) => Promise<void>): Promise<void> {
    for (let i = 0; !this.stopped; i++) {
      await ask(i % 2 === 0 ? '/plain' : '/secure').catch((error: Error) => this.failures.push(error.message));
    }
  }

  private ask(path: string, agent: Agent): Promise<void> {
    return within(`GET ${path}`, new Promise((resolve, reject) => {
      const asked = request({ ...dialOptions(this.stage.address), path, agent, ca: authority.cert, servername: 'a.test', headers: { host: 'a.test' } }, (answer) => {
        if (answer.statusCode !== 200) this.failures.push(`${path}: ${answer.statusCode}`);
        answer.resume();
        answer.on('end', resolve);
        answer.on('error', reject);
      });
      asked.on('socket', (socket) => {
        if (!asked.reusedSocket) socket.once('secureConnect', () => this.generations.add(generationOf(socket as TLSSocket)));
      });
      asked.on('error', reject);
      asked.end();
    }));
  }
}

function generationOf(socket: TLSSocket): number {
  return Number(/generation-(\d+)/.exec(socket.getPeerCertificate().subjectaltname ?? '')?.[1] ?? -1);
}

async function servedNow(stage: Stage): Promise<number> {
  const socket = connect({ ...dialOptions(stage.address), ca: authority.cert, servername: 'a.test' });
  await within('a handshake', once(socket, 'secureConnect'));
  const served = generationOf(socket);
  socket.destroy();
  return served;
}

/** Key first: it does not belong to the certificate. Then a certificate of which the end is missing. */
async function swap(t: Test, stage: Stage, load: Load, number: number): Promise<void> {
  const next = generation(number);
  const write = async (name: string, text: string, refused: boolean): Promise<void> => {
    const before = await stage.proxy.stat('config.update_rejected');
    writeFileSync(join(stage.directory, name), text);
    if (!refused) return;
    await waitFor(`${name} to be refused`, async () => (await stage.proxy.stat('config.update_rejected')) > before);
    const served = await servedNow(stage);
    if (served !== number - 1) t.fail(`generation ${served} is served while ${name} of ${number} is half-written`);
  };
  await write('pair.key', next.key, true);
  await write('pair.pem', next.cert.slice(0, next.cert.length / 2), true);
  await write('pair.pem', next.cert, false);
  await waitFor(`generation ${number}`, () => load.generations.has(number));
}

interface Held {
  readonly contexts: number;
  readonly connections: number;
}

/** What all workers together have of OpenSSL's. */
async function heldInOpenSsl(stage: Stage): Promise<Held> {
  const held = { contexts: 0, connections: 0 };
  for (let worker = 0; worker < WORKERS; worker++) {
    const lines = (): RegExpMatchArray[] => [...(stage.proxy.run.stderr + stage.proxy.run.stdout).matchAll(new RegExp(`worker ${worker}: OpenSSL: (\\d+) contexts, (\\d+) connections`, 'g'))];
    const before = lines().length;
    await fetch(`http://${stage.proxy.admin}/hooks/worker?index=${worker}&action=openssl`, { method: 'POST' });
    await waitFor('a census', () => lines().length > before);
    const [, contexts, connections] = lines().at(-1)!;
    held.contexts += Number(contexts);
    held.connections += Number(connections);
  }
  return held;
}

const openBehind = async (stage: Stage): Promise<number> => (await stage.proxy.stat('cluster.app.upstream_cx_active')) + (await stage.proxy.stat('cluster.secure.upstream_cx_active'));

onEachEngine(config, { workers: WORKERS }, async (t, stage) => {
  const { proxy } = stage;
  await servedNow(stage); // every worker has made what it makes once
  await proxy.statBecomes('http.main.downstream_cx_active', 0);
  const base = await heldInOpenSsl(stage);
  const descriptors = openDescriptors(proxy.pid) - (await openBehind(stage));
  if (stage.engine === 'epoll') t.same(base, { contexts: 3 * WORKERS, connections: 0 }, 'two certificates in, one out');

  const load = new Load(stage);
  const begun = performance.now();
  const until = begun + minutes * 60_000;
  const isSettled = (): boolean => (minutes === 0 ? swaps >= WARM_UP : performance.now() - begun > minutes * 30_000);
  let swaps = 0;
  let settled = 0;
  while (swaps < SWAPS || performance.now() < until) {
    await swap(t, stage, load, ++swaps);
    if (settled === 0 && isSettled()) settled = residentBytes(proxy.pid);
  }
  await load.stop();

  t.same(load.failures, [], 'no request fails');
  t.same([...load.generations].sort((a, b) => a - b), Array.from({ length: swaps + 1 }, (_, i) => i), 'every generation is served');
  t.ok(load.kept > 3 * swaps && load.fresh > swaps, 'both kinds of connections were busy');
  await proxy.statBecomes('http.main.downstream_cx_active', 0);
  if (stage.engine === 'epoll') {
    await waitFor('OpenSSL to have as much as before', async () => {
      const { contexts, connections } = await heldInOpenSsl(stage);
      return contexts === base.contexts && connections === (await proxy.stat('cluster.secure.upstream_cx_active'));
    });
  }
  await waitFor('the descriptors to be as many as before', async () => openDescriptors(proxy.pid) - (await openBehind(stage)) <= descriptors);
  const growth = residentBytes(proxy.pid) - settled;
  t.ok(growth < GROWTH[stage.engine as keyof typeof GROWTH], `memory grew by ${growth} bytes`);
  t.match(proxy.run.stderr + proxy.run.stdout, /the private key does not belong to the certificate/);
  t.comment(`${swaps} swaps and ${2 * swaps} half-written pairs under ${load.kept} requests on kept and ${load.fresh} on new connections; memory grew by ${(growth / MIB).toFixed(1)} MiB to ${Math.round(residentBytes(proxy.pid) / MIB)} since it had settled`);
});

process.on('beforeExit', () => upstream.close());
