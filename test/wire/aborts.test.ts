// Either side goes away at any moment: the other side learns of it, nothing waits for ever, every count comes back.

import t, { type Test } from 'tap';

import { sleep, waitFor } from '../support/deadline.ts';
import type { Exchange } from '../support/origin.ts';
import { RawClient, request } from '../support/raw-client.ts';
import { onEachEngine, simpleConfig, type Stage } from '../support/stage.ts';

t.setTimeout(60_000);

onEachEngine((stage) => simpleConfig(stage), {}, async (t, stage) => {
  await t.test('the caller goes away', (t) => callerGone(t, stage));
  await t.test('the caller goes away while its answer does not fit', (t) => callerGoneUnderPressure(t, stage));
  await t.test('the caller goes away before its head is complete', (t) => callerGoneInHead(t, stage));
  await t.test('the caller goes away while it is queued', (t) => pipelinedGone(t, stage));
  await t.test('the upstream goes away while it is sent to', (t) => upstreamGoneInUpload(t, stage));
  await t.test('the upstream answers, then goes away, while it is sent to', (t) => upstreamDoneInUpload(t, stage));
});

const MOMENTS: Readonly<Record<string, { readonly sent: string; readonly answered: string }>> = {
  'before any answer': { sent: request('GET', '/caller'), answered: '' },
  'in the middle of its upload': { sent: request('POST', '/caller', { 'Content-Length': '1000' }) + 'x'.repeat(10), answered: '' },
  'in the middle of a chunk': { sent: request('POST', '/caller', { 'Transfer-Encoding': 'chunked' }) + 'ff\r\nx', answered: '' },
  'in the middle of its answer': { sent: request('GET', '/caller'), answered: 'HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf' },
  'after an interim answer': { sent: request('POST', '/caller', { Expect: '100-continue', 'Content-Length': '3' }), answered: 'HTTP/1.1 100 Continue\r\n\r\n' },
};

async function callerGone(t: Test, stage: Stage): Promise<void> {
  for (const [moment, { sent, answered }] of Object.entries(MOMENTS)) {
    for (const how of ['reset', 'destroy'] as const) {
      let exchange = null as Exchange | null;
      stage.origin.on('/caller', async (one) => {
        exchange = one;
        if (answered !== '') await one.send(answered);
        await one.closed();
      });
      const client = await stage.connect();
      client.write(sent);
      await waitFor('the request at the origin', () => exchange);
      if (answered !== '') await client.head();
      client[how]();
      t.ok(await (exchange as unknown as Exchange).closed(), `${moment}, ${how}: the upstream connection is closed`);
    }
  }
  await waitFor('ten lines', () => stage.logLines().filter((line) => / DC /.test(line)).length === 10).catch(() => undefined);
  t.strictSame(
    [...new Set(stage.logLines().filter((line) => line.startsWith('/caller ') && (stage.engine !== 'envoy' || !line.includes(' 100 '))).map((line) => line.replace(/ \S+$/, '')))].sort(),
    ['/caller 0 DC downstream_remote_disconnect', '/caller 200 DC downstream_remote_disconnect'],
    'the log says who went away',
  );
  t.ok((await stage.proxy.stat('http.main.downstream_cx_destroy_remote_active_rq')) >= 10);
}

async function callerGoneUnderPressure(t: Test, stage: Stage): Promise<void> {
  let closed: Promise<unknown> = Promise.resolve();
  stage.origin.on('/flood', async (exchange) => {
    closed = exchange.closed();
    await exchange.send('HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n');
    const block = Buffer.from(`10000\r\n${'x'.repeat(0x10000)}\r\n`);
    while (exchange.connection.ended === null && !exchange.connection.socket.destroyed) await Promise.race([exchange.send(block), closed]);
  });
  for (const how of ['reset', 'destroy'] as const) {
    const client = await stage.connect();
    client.write(request('GET', '/flood'));
    await client.head();
    await sleep(150);
    client[how]();
    t.ok(await closed, `${how}: a blocked answer is given up`);
  }
}

async function callerGoneInHead(t: Test, stage: Stage): Promise<void> {
  const before = stage.origin.requests.length;
  for (const bytes of ['', 'GET /par', 'GET /partial HTTP/1.1\r\nHost: a\r\nX-A']) {
    const client = await stage.connect();
    client.write(bytes);
    await sleep(10);
    client.reset();
  }
  await stage.proxy.statBecomes('http.main.downstream_cx_active', 0);
  t.equal(stage.origin.requests.length, before);
}

async function pipelinedGone(t: Test, stage: Stage): Promise<void> {
  if (stage.engine === 'envoy') return; // it reads nothing while requests are queued, so it does not notice
  let exchange = null as Exchange | null;
  stage.origin.on('/first', async (one) => {
    exchange = one;
    await one.closed();
  });
  const client = await stage.connect();
  client.write(request('GET', '/first') + request('GET', '/second'));
  await waitFor('the first request', () => exchange);
  client.reset();
  t.ok(await (exchange as unknown as Exchange).closed());
  await sleep(30);
  t.equal(stage.origin.seen('/second').length, 0, 'what waited behind it is forgotten');
}

async function upstreamGoneInUpload(t: Test, stage: Stage): Promise<void> {
  stage.origin.on('/upload', async (exchange) => {
    await exchange.connection.reader.some();
    exchange.reset();
  });
  const client = await RawClient.connect(stage.address);
  client.write(request('POST', '/upload', { 'Content-Length': '50000000' }));
  const block = Buffer.alloc(1 << 16, 120);
  const timer = setInterval(() => { if (client.socket.writableLength < 1 << 20 && !client.socket.destroyed) client.write(block); }, 1);
  const answer = await client.answer('POST').finally(() => clearInterval(timer));
  t.equal(answer.status, 503);
  t.match(await stage.logLine('/upload '), / 503 UC upstream_reset_before_response_started\{connection_termination/);
  t.not((await client.ended()).how, 'local', 'a connection with half a request on it is closed');
  client.destroy();
}

async function upstreamDoneInUpload(t: Test, stage: Stage): Promise<void> {
  stage.origin.on('/full', async (exchange) => {
    await exchange.connection.reader.some();
    await exchange.send('HTTP/1.1 413 Too Large\r\nConnection: close\r\nContent-Length: 3\r\n\r\nbig');
    exchange.finish();
    await sleep(100);
    exchange.destroy();
  });
  const client = await RawClient.connect(stage.address);
  client.write(request('POST', '/full', { 'Content-Length': '50000000' }));
  const block = Buffer.alloc(1 << 16, 120);
  const timer = setInterval(() => { if (client.socket.writableLength < 1 << 20 && !client.socket.destroyed) client.write(block); }, 1);
  const answer = await client.answer('POST').finally(() => clearInterval(timer));
  t.equal(answer.status, 413, 'the answer arrives although the upload was cut');
  t.equal(answer.text, 'big');
  client.destroy();
}
