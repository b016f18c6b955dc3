// The load of soak.ts, in a thread of its own, without the test framework's hooks around every promise: an origin that
// misbehaves and callers that give up, each as often as its dice say. Test code only.

import { parentPort } from 'node:worker_threads';

import { StreamEnded } from './byte-reader.ts';
import { sleep } from './deadline.ts';
import { value } from './http-message.ts';
import { Origin, type Exchange } from './origin.ts';
import { RawClient, request } from './raw-client.ts';

/** What the callers did and met. */
export interface Tally {
  sent: number;
  answered: number;
  local: number;
  cut: number;
  aborted: number;
  readonly wrong: string[];
}

export interface OriginState {
  readonly open: number;
  readonly violations: readonly string[];
}

export type ToLoad = { readonly type: 'storm'; readonly address: string; readonly requests: number; readonly seed: number } | { readonly type: 'state' };

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

async function storm(address: string, requests: number, seed: number): Promise<Tally> {
  const tally: Tally = { sent: 0, answered: 0, local: 0, cut: 0, aborted: 0, wrong: [] };
  await Promise.all(Array.from({ length: CLIENTS }, async (_, n) => {
    const dice = new Dice(seed + n);
    while (tally.sent < requests) await oneConnection(address, tally, dice);
  }));
  return tally;
}

/** A caller's connection: batches of pipelined requests until something ends it. */
async function oneConnection(address: string, tally: Tally, dice: Dice): Promise<void> {
  const client = await RawClient.connect(address);
  try {
    for (let batches = 1 + dice.below(30); batches > 0; batches--) {
      const ids = Array.from({ length: 1 + dice.below(10) }, () => String(++tally.sent));
      client.write(ids.map((id) => requestFor(id, dice)).join(''));
      const fate = dice.below(40);
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

/** What has ended is forgotten, so that the load's own memory stays small. */
function stateOf(origin: Origin): OriginState {
  origin.requests.length = 0;
  origin.connections.splice(0, Infinity, ...origin.connections.filter(({ ended }) => ended === null));
  return { open: origin.open, violations: origin.violations };
}

const origin = await Origin.start({ script: troubled, keepBytes: false });
parentPort?.on('message', (message: ToLoad) => {
  if (message.type === 'state') parentPort?.postMessage(stateOf(origin));
  else void storm(message.address, message.requests, message.seed).then((tally) => parentPort?.postMessage(tally));
});
parentPort?.postMessage(origin.address);
