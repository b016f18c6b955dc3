// The high priority and the limits of single hosts hold exactly over all workers, to hosts of both protocols: what is above
// is answered 503 at once and never reaches a host, the other priority is not touched, and a dead worker gives all back.

import { once } from 'node:events';
import { createServer, type ServerHttp2Session } from 'node:http2';
import type { AddressInfo } from 'node:net';

import t, { type Test } from 'tap';

import { waitFor } from '../support/deadline.ts';
import { value } from '../support/http-message.ts';
import { Origin } from '../support/origin.ts';
import { exchangeOnce, get, request, type Answer } from '../support/raw-client.ts';
import { byteEngines, subjectIsEnvoy } from '../support/run-proxy.ts';
import { onEachEngine, SHORT_LOG, type Stage } from '../support/stage.ts';

t.setTimeout(120_000);

const WORKERS = 4;

/** A host that holds every request until `open`. */
interface Host {
  readonly address: string;
  /** Requests that wait here now. */
  readonly waiting: () => number;
  /** Requests that have ever come. */
  readonly arrived: () => number;
  open(): void;
}

async function http1Host(): Promise<Host> {
  const origin = await Origin.start();
  t.teardown(() => origin.stop());
  const held: (() => void)[] = [];
  let arrived = 0;
  let opened = false;
  for (const segment of ['/low', '/high', '/host', '/again']) {
    origin.on(segment, async (exchange) => {
      arrived++;
      if (opened) return exchange.reply(200, {}, 'through');
      return new Promise<void>((resolve) => {
        const gone = (): void => {
          const i = held.indexOf(answer);
          if (i >= 0) held.splice(i, 1);
          resolve();
        };
        const answer = (): void => void exchange.reply(200, {}, 'through').then(resolve, resolve);
        held.push(answer);
        for (const event of ['end', 'close']) exchange.connection.socket.once(event, gone); // of a worker that died there is but the end
      });
    });
  }
  return {
    address: origin.address,
    waiting: () => held.length,
    arrived: () => arrived,
    open: () => {
      opened = true;
      for (const answer of held.splice(0)) answer();
    },
  };
}

async function http2Host(): Promise<Host> {
  const server = createServer();
  const sessions = new Set<ServerHttp2Session>();
  const held = new Set<() => void>();
  let arrived = 0;
  let opened = false;
  server.on('session', (session) => {
    sessions.add(session);
    session.on('close', () => sessions.delete(session));
    session.on('error', () => undefined);
  });
  server.on('stream', (stream) => {
    const answer = (): void => {
      if (stream.destroyed) return;
      stream.respond({ ':status': 200, 'content-length': '7' });
      stream.end('through');
    };
    arrived++;
    stream.on('error', () => undefined);
    stream.on('close', () => held.delete(answer));
    if (opened) answer();
    else held.add(answer);
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  t.teardown(() => {
    server.close();
    for (const session of sessions) session.destroy();
  });
  return {
    address: `127.0.0.1:${(server.address() as AddressInfo).port}`,
    waiting: () => held.size,
    arrived: () => arrived,
    open: () => {
      opened = true;
      for (const answer of [...held]) answer();
    },
  };
}

const cast: { protocol: 'http1' | 'http2'; engine: (typeof byteEngines)[number]; hosts: readonly [Host, ...Host[]] }[] = [];
for (const engine of subjectIsEnvoy ? [] : byteEngines) {
  // One host for both priorities, so that what reaches it can be counted; and three that share the load.
  cast.push({ protocol: 'http1', engine, hosts: [await http1Host(), await http1Host(), await http1Host(), await http1Host()] });
  cast.push({ protocol: 'http2', engine, hosts: [await http2Host(), await http2Host(), await http2Host(), await http2Host()] });
}

for (const { protocol, engine, hosts } of cast) {
  const [first, ...others] = hosts.map(({ address }) => address);
  const breakers = { maxRequests: 10, maxConnections: 0, maxPendingRequests: 0, high: { maxRequests: 6, maxConnections: 0, maxPendingRequests: 0 } };
  const perHost = { maxRequests: 0, maxConnections: 0, maxPendingRequests: 0, perHost: { maxRequests: 4 } };
  onEachEngine(
    (stage) => ({
      listeners: [{
        name: 'main', address: '127.0.0.1:0',
        http: {
          accessLog: [{ path: stage.logPath, format: SHORT_LOG }],
          routes: [
            { match: { prefix: '/low' }, forward: { cluster: 'both', timeout: '0s' } },
            { match: { prefix: '/high' }, forward: { cluster: 'both', timeout: '0s', priority: 'high' } },
            { match: { prefix: '/host' }, forward: { cluster: 'hosts', timeout: '0s' } },
          ],
        },
      }],
      clusters: [
        { name: 'both', protocol, endpoints: [first], circuitBreakers: breakers },
        { name: 'hosts', protocol, endpoints: others, circuitBreakers: perHost },
      ],
    }),
    { workers: WORKERS, crashes: true },
    async (t, stage) => {
      await t.test(`${protocol}: both priorities at once`, (t) => priorities(t, stage, hosts[0]));
      await t.test(`${protocol}: full hosts are passed over`, (t) => fullHosts(t, stage, hosts.slice(1)));
    },
    [engine],
  );
}

function many(stage: Stage, count: number, path: string): Promise<Answer>[] {
  return Array.from({ length: count }, (_, n) => get(stage.address, `${path}?${n}`));
}

function refused(answers: readonly Promise<Answer>[]): () => number {
  let count = 0;
  for (const answer of answers) void answer.then(({ status }) => { if (status === 503) count++; }, () => undefined);
  return () => count;
}

async function priorities(t: Test, stage: Stage, host: Host): Promise<void> {
  const low = many(stage, 50, '/low');
  const high = many(stage, 50, '/high');
  const lowRefused = refused(low);
  const highRefused = refused(high);
  await waitFor('forty and forty-four refusals', () => lowRefused() === 40 && highRefused() === 44 && host.waiting() === 16).catch((error: Error) => {
    throw new Error(`${error.message}: ${lowRefused()} and ${highRefused()} refused, ${host.waiting()} at the host`);
  });
  t.equal(host.arrived(), 16, 'ten and six reach the host, and not one more');
  for (const priority of ['default', 'high']) t.equal(await stage.proxy.stat(`cluster.both.circuit_breakers.${priority}.rq_open`), 1, priority);
  t.equal(await stage.proxy.stat('cluster.both.circuit_breakers.high.remaining_rq'), 0);
  host.open();
  const answers = await Promise.all(high);
  t.equal(answers.filter(({ status }) => status === 200).length, 6);
  t.equal((await Promise.all(low)).filter(({ status }) => status === 200).length, 10);
  for (const answer of answers.filter(({ status }) => status === 503).slice(0, 2)) {
    t.equal(value(answer, 'x-envoy-overloaded'), 'true');
    t.equal(answer.text, 'upstream connect error or disconnect/reset before headers. reset reason: overflow');
  }
  await waitFor('the log', () => stage.logLines().filter((line) => line.startsWith('/high') && line.includes(' 503 UO upstream_reset_before_response_started{overflow} ')).length === 44);
  for (const priority of ['default', 'high']) await stage.proxy.statBecomes(`cluster.both.circuit_breakers.${priority}.rq_open`, 0);
  t.equal(await stage.proxy.stat('cluster.both.circuit_breakers.high.remaining_rq'), 6);
}

async function fullHosts(t: Test, stage: Stage, hosts: readonly Host[]): Promise<void> {
  const waiting = (): number[] => hosts.map((host) => host.waiting());
  const all: Promise<Answer>[] = [];
  // One after the other: with two at once the last place of a host may be promised to both.
  const fill = async (upTo: number): Promise<void> => {
    while (waiting().reduce((sum, count) => sum + count, 0) < upTo) {
      const before = waiting().reduce((sum, count) => sum + count, 0);
      all.push(...many(stage, 1, '/host'));
      all.at(-1)!.catch(() => undefined);
      await waitFor('it to arrive', () => waiting().reduce((sum, count) => sum + count, 0) > before);
    }
  };
  await fill(12);
  t.same(waiting(), [4, 4, 4], 'each host has its four, whichever worker sent them');
  t.equal((await get(stage.address, '/host')).status, 503, 'and nobody takes one more');

  const deaths = await stage.proxy.stat('server.worker_deaths');
  await exchangeOnce(stage.proxy.admin, request('POST', '/hooks/worker?index=1&action=exit', { Connection: 'close' }));
  await waitFor('its death to be known', async () => (await stage.proxy.stat('server.worker_deaths')) === deaths + 1);
  await waitFor('a new worker', async () => (await stage.proxy.stat('server.workers_live')) === WORKERS);
  await waitFor('the hosts to know', async () => (await stage.proxy.stat('cluster.hosts.upstream_rq_active')) === waiting().reduce((sum, count) => sum + count, 0));
  await fill(12);
  t.same(waiting(), [4, 4, 4], 'exactly what the dead one held is free again');
  t.equal((await get(stage.address, '/host')).status, 503);

  // In a crowd no host is ever above its limit.
  const crowd = many(stage, 60, '/host');
  const over = refused(crowd);
  await waitFor('sixty refusals', () => over() === 60);
  t.same(waiting(), [4, 4, 4]);
  for (const host of hosts) host.open();
  await Promise.all(crowd);
  const through = (await Promise.allSettled(all)).filter((one) => one.status === 'fulfilled' && one.value.status === 200).length;
  t.equal(through, 12, 'all that waited are answered');
  t.equal((await get(stage.address, '/host')).status, 200);
}
