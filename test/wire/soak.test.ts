// A hundred thousand requests over both engines' life, with random aborts from both sides: every answer belongs to its
// request, every gauge returns to zero, no descriptor is left, memory stays flat. Then the idle proxy must be idle.

import t, { type Test } from 'tap';

import { StreamEnded } from '../support/byte-reader.ts';
import { sleep, waitFor } from '../support/deadline.ts';
import { value } from '../support/http-message.ts';
import { cpuMs, openDescriptors, residentBytes } from '../support/memory.ts';
import type { Exchange } from '../support/origin.ts';
import { RawClient, request } from '../support/raw-client.ts';
import { subjectIsEnvoy } from '../support/run-proxy.ts';
import { onEachEngine, simpleConfig, type Stage } from '../support/stage.ts';

t.setTimeout(115_000);

const MIB = 1 << 20;
const REQUESTS = 100_000;
const CLIENTS = 48;

/** A generator of its own, so that a run can be repeated. */
class Dice {
  private seed: number;

  constructor(seed: number) {
    this.seed = seed;
  }

  below(limit: number): number {
    this.seed = (this.seed * 1103515245 + 12345) & 0x7fffffff;
    return (this.seed >>> 8) % limit;
  }
}

const originDice = new Dice(7);

/** Of a hundred requests, nine meet trouble. */
async function troubled(exchange: Exchange): Promise<void> {
  const throwOf = originDice.below(100);
  const id = value(exchange.head, 'x-id') as string;
  if (throwOf === 0) return exchange.reset();
  if (throwOf === 1) return exchange.finish();
  if (throwOf === 2) {
    await exchange.send('HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf');
    return exchange.reset();
  }
  if (throwOf === 3) {
    await exchange.send('HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n');
    return exchange.finish();
  }
  if (throwOf === 4) return exchange.send('HTTP/1.1 2x0 NO\r\n\r\n');
  if (throwOf === 5) await sleep(5);
  await exchange.body();
  if (throwOf === 6) return exchange.send(`HTTP/1.1 200 OK\r\n\r\n${id}`).then(() => exchange.finish());
  if (throwOf === 7) return exchange.send(`HTTP/1.1 200 OK\r\nContent-Length: ${id.length}\r\n\r\n${id}junk`);
  if (throwOf === 8) return exchange.send(`HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n${id.length.toString(16)}\r\n${id}\r\n0\r\n\r\n`);
  await exchange.reply(200, {}, id);
  if (throwOf === 9) exchange.finish();
}

/** What the callers did and met. */
class Tally {
  sent = 0;
  answered = 0;
  local = 0;
  cut = 0;
  aborted = 0;
  readonly wrong: string[] = [];
}

onEachEngine(
  (stage) => simpleConfig(stage, { http: { accessLog: [] }, cluster: { circuitBreakers: { maxConnections: 0, maxRequests: 0, maxPendingRequests: 0 } } }),
  { origin: { script: troubled, keepBytes: false } },
  async (t, stage) => {
    await t.test('a hundred thousand requests', (t) => soak(t, stage));
    await t.test('idle', (t) => idle(t, stage));
  },
  subjectIsEnvoy ? [] : undefined,
);

async function soak(t: Test, stage: Stage): Promise<void> {
  await storm(stage, 5000, 1);
  await calm(stage);
  const descriptors = openDescriptors(stage.proxy.pid) - (await stage.proxy.stat('cluster.app.upstream_cx_active'));
  const half = await storm(stage, REQUESTS / 2, 1000);
  await calm(stage);
  const middle = residentBytes(stage.proxy.pid);
  const whole = await storm(stage, REQUESTS / 2, 2000);
  await calm(stage);

  for (const tally of [half, whole]) {
    t.strictSame(tally.wrong.slice(0, 5), [], 'every answer belongs to its request');
    t.ok(tally.answered > tally.sent * 0.7, `${tally.sent} sent, ${tally.answered} answered by the origin, ${tally.local} by the proxy, ${tally.cut} cut, ${tally.aborted} given up`);
    t.ok(tally.local > 100 && tally.cut > 100 && tally.aborted > 100, 'there was trouble of every kind');
  }
  const growth = residentBytes(stage.proxy.pid) - middle;
  t.ok(growth < 24 * MIB, `the second half needed ${(growth / MIB).toFixed(1)} MiB more`);
  await waitFor('no descriptor to be left', async () => openDescriptors(stage.proxy.pid) - (await stage.proxy.stat('cluster.app.upstream_cx_active')) <= descriptors);
  const gauges = await stage.proxy.stats('_active$|active_rq$|pending_active$');
  t.equal(gauges.get('cluster.app.upstream_rq_active'), 0);
  t.equal(gauges.get('http.main.downstream_rq_active'), 0);
  t.equal(gauges.get('http.main.downstream_cx_active'), 0);
  await waitFor('the ledger to agree with the origin', async () => (await stage.proxy.stat('cluster.app.upstream_cx_active')) === stage.origin.open);
  t.strictSame(stage.origin.violations, [], 'the origin was sent nothing malformed');
}

async function calm(stage: Stage): Promise<void> {
  for (const name of ['cluster.app.upstream_rq_active', 'http.main.downstream_rq_active', 'http.main.downstream_cx_active']) await stage.proxy.statBecomes(name, 0);
  stage.origin.requests.length = 0;
  stage.origin.connections.splice(0, Infinity, ...stage.origin.connections.filter(({ ended }) => ended === null));
}

async function storm(stage: Stage, requests: number, seed: number): Promise<Tally> {
  const tally = new Tally();
  await Promise.all(Array.from({ length: CLIENTS }, async (_, n) => {
    const dice = new Dice(seed + n);
    while (tally.sent < requests) await oneConnection(stage, tally, dice);
  }));
  return tally;
}

/** A caller's connection: batches of pipelined requests until something ends it. */
async function oneConnection(stage: Stage, tally: Tally, dice: Dice): Promise<void> {
  const client = await RawClient.connect(stage.address);
  try {
    for (let batches = 1 + dice.below(30); batches > 0; batches--) {
      const ids = Array.from({ length: 1 + dice.below(6) }, () => String(++tally.sent));
      client.write(ids.map((id) => requestFor(id, dice)).join(''));
      const fate = dice.below(60);
      if (fate < 3) {
        await giveUp(client, fate, dice);
        tally.aborted++;
        return;
      }
      for (const id of ids) await expectAnswer(client, tally, id);
    }
  } catch (error) {
    if (!(error instanceof StreamEnded)) throw error;
    tally.cut++;
  } finally {
    client.destroy();
  }
}

function requestFor(id: string, dice: Dice): string {
  const kind = dice.below(4);
  if (kind === 0) return request('POST', '/soak', { 'X-Id': id }, 'b'.repeat(1 + dice.below(2000)));
  if (kind === 1) return `${request('POST', '/soak', { 'X-Id': id, 'Transfer-Encoding': 'chunked' })}4\r\nbody\r\n0\r\n\r\n`;
  return request('GET', '/soak', { 'X-Id': id });
}

async function giveUp(client: RawClient, fate: number, dice: Dice): Promise<void> {
  if (dice.below(2) === 0) await sleep(dice.below(5));
  if (fate === 1) client.write(request('POST', '/soak', { 'X-Id': '0', 'Content-Length': '100' }) + 'half');
  if (fate === 0) client.destroy();
  else client.reset();
}

async function expectAnswer(client: RawClient, tally: Tally, id: string): Promise<void> {
  const { status, text } = await client.answer('POST');
  if (status === 200 && text === id) tally.answered++;
  else if (status === 502 || status === 503) tally.local++;
  else tally.wrong.push(`${id}: ${status} ${text}`);
}

/** Nothing to do: next to no CPU. Ten per cent of one CPU would be ten times too much, and still pass; a loop that spins takes a hundred. */
async function idle(t: Test, stage: Stage): Promise<void> {
  const clients = await Promise.all(Array.from({ length: 200 }, () => RawClient.connect(stage.address)));
  await sleep(300);
  const before = cpuMs(stage.proxy.pid);
  await sleep(2000);
  const used = cpuMs(stage.proxy.pid) - before;
  t.ok(used <= 200, `${used} ms of CPU in two idle seconds with two hundred connections`);
  for (const client of clients) client.destroy();
}
