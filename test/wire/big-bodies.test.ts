// A hundred megabytes each way, past a slow reader and into a slow origin: everything arrives, and the proxy's memory
// does not grow with it.

import { createHash } from 'node:crypto';

import t, { type Test } from 'tap';

import { sleep } from '../support/deadline.ts';
import { readBody, framingOf } from '../support/http-message.ts';
import { residentBytes } from '../support/memory.ts';
import { RawClient, request } from '../support/raw-client.ts';
import { onEachEngine, simpleConfig, type Stage } from '../support/stage.ts';

t.setTimeout(110_000);

const MIB = 1 << 20;
const SIZE = 100 * MIB;
/** Kernel buffers are not the proxy's; its own must stay far below what is held back. */
const GROWTH = 64 * MIB;
const BLOCK = Buffer.alloc(256 * 1024);
for (let i = 0; i < BLOCK.length; i++) BLOCK[i] = (i * 31 + (i >> 7)) & 255;
const DIGEST = digestOf(SIZE / BLOCK.length);

onEachEngine((stage) => simpleConfig(stage), { origin: { keepBytes: false } }, async (t, stage) => {
  await warmUp(stage);
  await t.test('down, by length', (t) => down(t, stage, false, 0));
  await t.test('down, chunked', (t) => down(t, stage, true, 0));
  await t.test('down, past a reader that stops', (t) => down(t, stage, false, 400));
  await t.test('up, by length', (t) => up(t, stage, false, 0));
  await t.test('up, chunked', (t) => up(t, stage, true, 0));
  await t.test('up, into an origin that stops', (t) => up(t, stage, false, 400));
  await t.test('both ways at once', (t) => both(t, stage));
});

function digestOf(blocks: number): string {
  const hash = createHash('sha1');
  for (let n = 0; n < blocks; n++) hash.update(BLOCK);
  return hash.digest('hex');
}

/** Buffers that grow once and stay are no leak: the first megabytes are not measured. */
async function warmUp(stage: Stage): Promise<void> {
  stage.origin.on('/warm', async (exchange) => {
    await exchange.body(() => undefined);
    await exchange.send(`HTTP/1.1 200 OK\r\nContent-Length: ${8 * MIB}\r\n\r\n`);
    for (let n = 0; n < 32; n++) await exchange.send(BLOCK);
  });
  await Promise.all(Array.from({ length: 4 }, () => stage.exchange(Buffer.concat([Buffer.from(request('POST', '/warm', { 'Content-Length': String(BLOCK.length) })), BLOCK]))));
}

/** The highest resident size while `work` runs, above the one before it. */
async function growthDuring(stage: Stage, work: () => Promise<void>): Promise<number> {
  const before = residentBytes(stage.proxy.pid);
  let most = before;
  const timer = setInterval(() => (most = Math.max(most, residentBytes(stage.proxy.pid))), 20);
  try {
    await work();
  } finally {
    clearInterval(timer);
  }
  return most - before;
}

async function sendBlocks(send: (bytes: Buffer | string) => Promise<void>, chunked: boolean): Promise<void> {
  for (let n = 0; n < SIZE / BLOCK.length; n++) {
    if (chunked) await send(`${BLOCK.length.toString(16)}\r\n`);
    await send(BLOCK);
    if (chunked) await send('\r\n');
  }
  if (chunked) await send('0\r\n\r\n');
}

async function down(t: Test, stage: Stage, chunked: boolean, pauseMs: number): Promise<void> {
  stage.origin.on('/down', async (exchange) => {
    await exchange.send(`HTTP/1.1 200 OK\r\n${chunked ? 'Transfer-Encoding: chunked' : `Content-Length: ${SIZE}`}\r\n\r\n`);
    await sendBlocks((bytes) => exchange.send(bytes), chunked);
  });
  const client = await RawClient.connect(stage.address);
  const growth = await growthDuring(stage, async () => {
    client.write(request('GET', '/down'));
    const head = await client.head();
    // Not a byte is taken for a while: all that can be in flight fills up.
    if (pauseMs > 0) await sleep(pauseMs);
    const hash = createHash('sha1');
    let size = 0;
    let next = 20 * MIB;
    await readBody(client.reader, head, framingOf(head, { request: false, method: 'GET', status: 200 }), async (bytes) => {
      hash.update(bytes);
      size += bytes.length;
      if (pauseMs > 0 && size > next) {
        next += 20 * MIB;
        await sleep(pauseMs);
      }
    });
    t.equal(size, SIZE, 'all bytes arrive');
    t.equal(hash.digest('hex'), DIGEST, 'unchanged');
  });
  t.ok(growth < GROWTH, `memory grew by ${(growth / MIB).toFixed(1)} MiB`);
  client.destroy();
}

async function up(t: Test, stage: Stage, chunked: boolean, pauseMs: number): Promise<void> {
  let size = 0;
  let digest = '';
  stage.origin.on('/up', async (exchange) => {
    size = 0;
    const hash = createHash('sha1');
    let next = 20 * MIB;
    if (pauseMs > 0) await sleep(pauseMs);
    await exchange.body(async (bytes) => {
      hash.update(bytes);
      size += bytes.length;
      if (pauseMs > 0 && size > next) {
        next += 20 * MIB;
        await sleep(pauseMs);
      }
    });
    digest = hash.digest('hex');
    await exchange.reply(200, {}, 'got it');
  });
  const client = await RawClient.connect(stage.address);
  const growth = await growthDuring(stage, async () => {
    client.write(request('POST', '/up', chunked ? { 'Transfer-Encoding': 'chunked' } : { 'Content-Length': String(SIZE) }));
    await sendBlocks((bytes) => client.send(bytes), chunked);
    t.equal((await client.answer('POST', 30_000)).text, 'got it');
  });
  t.equal(size, SIZE, 'all bytes arrive');
  t.equal(digest, DIGEST, 'unchanged');
  t.ok(growth < GROWTH, `memory grew by ${(growth / MIB).toFixed(1)} MiB`);
  client.destroy();
}

/** The origin sends back what it gets, while it gets it: both directions push against each other. */
async function both(t: Test, stage: Stage): Promise<void> {
  stage.origin.on('/both', async (exchange) => {
    await exchange.send(`HTTP/1.1 200 OK\r\nContent-Length: ${SIZE}\r\n\r\n`);
    await exchange.body((bytes) => exchange.send(bytes));
  });
  const client = await RawClient.connect(stage.address);
  const growth = await growthDuring(stage, async () => {
    client.write(request('POST', '/both', { 'Content-Length': String(SIZE) }));
    const sending = sendBlocks((bytes) => client.send(bytes), false);
    const head = await client.head();
    const hash = createHash('sha1');
    await readBody(client.reader, head, 'length', (bytes) => void hash.update(bytes));
    await sending;
    t.equal(hash.digest('hex'), DIGEST, 'all bytes come back');
  });
  t.ok(growth < GROWTH, `memory grew by ${(growth / MIB).toFixed(1)} MiB`);
  client.destroy();
}
