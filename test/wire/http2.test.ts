// HTTP/2 callers over real sockets, with node's own client: what goes through to HTTP/1.1 and back, large bodies past tiny
// windows with flat memory, many streams, resets, and how a drain and a reload part with them.

import { createHash } from 'node:crypto';
import { spawn } from 'node:child_process';

import t, { type Test } from 'tap';

import { waitFor } from '../support/deadline.ts';
import { H2Client, NGHTTP2_CANCEL, NGHTTP2_INTERNAL_ERROR } from '../support/h2-client.ts';
import { value } from '../support/http-message.ts';
import { residentBytes } from '../support/memory.ts';
import { wholeConfig } from '../support/run-proxy.ts';
import { onEachEngine, simpleConfig, type Stage } from '../support/stage.ts';

t.setTimeout(110_000);

const MIB = 1 << 20;
const BLOCK = Buffer.alloc(256 * 1024);
for (let i = 0; i < BLOCK.length; i++) BLOCK[i] = (i * 31 + (i >> 7)) & 255;
const BOTH = ['http1', 'http2'];

onEachEngine((stage) => simpleConfig(stage, { http: { protocols: BOTH, accessLog: [{ path: stage.logPath, format: '%REQ(:PATH)% %PROTOCOL% %RESPONSE_CODE% %RESPONSE_FLAGS% %RESPONSE_CODE_DETAILS%\n' }] } }), { origin: { keepBytes: false } }, async (t, stage) => {
  await t.test('translation', (t) => translation(t, stage));
  await t.test('one port, two protocols', (t) => onePort(t, stage));
  await t.test('a large body up and down', (t) => large(t, stage));
  await t.test('tiny windows', (t) => tiny(t, stage));
  await t.test('many streams', (t) => many(t, stage));
  await t.test('a reader that stops', (t) => stops(t, stage));
  await t.test('resets', (t) => resets(t, stage));
  await t.test('curl and h2load', (t) => programs(t, stage));
  await t.test('a reload leaves streams alone', (t) => reload(t, stage));
});

onEachEngine((stage) => simpleConfig(stage, { http: { protocols: ['http2'] } }), { stopped: true }, async (t, stage) => {
  await t.test('a drain', (t) => drain(t, stage));
});

async function translation(t: Test, stage: Stage): Promise<void> {
  stage.origin.on('/echo', async (exchange) => {
    const { bytes, trailers } = await exchange.body();
    const { head } = exchange;
    await exchange.send(
      'HTTP/1.1 103 Early Hints\r\nLink: </a.css>\r\n\r\n' +
        `HTTP/1.1 201 Created\r\nX-Line: ${head.method} ${head.target}\r\nX-Host: ${value(head, 'host')}\r\nX-Cookie: ${value(head, 'cookie')}\r\n` +
        `X-Trailer: ${trailers.map(([name, text]) => `${name}=${text}`).join()}\r\nTransfer-Encoding: chunked\r\nConnection: X-Gone\r\nX-Gone: 1\r\n\r\n` +
        `${bytes.length.toString(16)}\r\n${bytes.toString('latin1')}\r\n0\r\nX-End: 7\r\n\r\n`,
    );
  });
  const client = await H2Client.open(stage.address);
  const answer = await client.request('/echo?a=b', {
    headers: { ':authority': 'example.com', cookie: ['a=1', 'b=2'] }, body: Buffer.from('hello'), trailers: { 'x-sum': '5' },
  });
  t.equal(answer.status, 201);
  t.strictSame(answer.interim.map((one) => [one[':status'], one['link']]), [[103, '</a.css>']]);
  t.equal(answer.headers['x-line'], 'POST /echo?a=b');
  t.equal(answer.headers['x-host'], 'example.com');
  t.equal(answer.headers['x-cookie'], 'a=1; b=2');
  t.equal(answer.headers['x-trailer'], 'x-sum=5');
  t.equal(answer.headers['x-gone'], undefined);
  t.equal(answer.headers['connection'], undefined);
  t.equal(answer.body.toString(), 'hello');
  t.equal(answer.trailers['x-end'], '7');
  t.match(await stage.logLine('/echo'), /^\/echo\?a=b HTTP\/2 201 - via_upstream$/);
  client.close();
}

async function onePort(t: Test, stage: Stage): Promise<void> {
  stage.origin.on('/both', (exchange) => exchange.reply(200, {}, 'x'));
  t.equal((await stage.get('/both')).status, 200);
  const client = await H2Client.open(stage.address);
  t.equal((await client.request('/both')).status, 200);
  client.close();
  const stats = await stage.proxy.stats();
  const named = (name: string): number => [...stats].filter(([key]) => key.startsWith('http.main') && key.endsWith(name)).reduce((sum, [, n]) => sum + n, 0);
  t.ok(named('downstream_rq_http2_total') >= 2);
  t.ok(named('downstream_rq_http1_total') >= 1);
}

function digest(blocks: number): string {
  const hash = createHash('sha1');
  for (let n = 0; n < blocks; n++) hash.update(BLOCK);
  return hash.digest('hex');
}

async function large(t: Test, stage: Stage): Promise<void> {
  const blocks = 240; // 60 MiB
  stage.origin.on('/down', async (exchange) => {
    await exchange.send(`HTTP/1.1 200 OK\r\nContent-Length: ${blocks * BLOCK.length}\r\n\r\n`);
    for (let n = 0; n < blocks; n++) await exchange.send(BLOCK);
  });
  stage.origin.on('/up', async (exchange) => {
    const hash = createHash('sha1');
    await exchange.body((bytes) => void hash.update(bytes));
    await exchange.reply(200, {}, hash.digest('hex'));
  });
  const client = await H2Client.open(stage.address);
  await client.request('/up', { body: BLOCK });
  const before = residentBytes(stage.proxy.pid);
  const hash = createHash('sha1');
  const down = await client.request('/down', { onBytes: (bytes) => hash.update(bytes) });
  t.equal(down.code, 0);
  t.equal(hash.digest('hex'), digest(blocks));
  const up = await client.request('/up', { body: Array.from({ length: blocks }, () => BLOCK) });
  t.equal(up.body.toString(), digest(blocks));
  t.ok(residentBytes(stage.proxy.pid) - before < 48 * MIB, 'memory does not grow with the bodies');
  client.close();
}

async function tiny(t: Test, stage: Stage): Promise<void> {
  stage.origin.on('/little', (exchange) => exchange.reply(200, {}, BLOCK.subarray(0, 3000).toString('latin1')));
  const client = await H2Client.open(stage.address, { settings: { initialWindowSize: 7 } });
  const answers = await Promise.all([1, 2, 3].map(() => client.request('/little')));
  for (const answer of answers) t.ok(answer.body.equals(BLOCK.subarray(0, 3000)));
  client.close();
}

async function many(t: Test, stage: Stage): Promise<void> {
  stage.origin.on('/n', (exchange) => exchange.reply(200, {}, exchange.head.target));
  const clients = await Promise.all(Array.from({ length: 4 }, () => H2Client.open(stage.address)));
  for (let round = 0; round < 3; round++) {
    const asked = clients.flatMap((client, c) => Array.from({ length: 100 }, async (_, n) => {
      const path = `/n/${round}/${c}/${n}`;
      return (await client.request(path)).body.toString() === path;
    }));
    t.ok((await Promise.all(asked)).every(Boolean), 'everybody gets their own answer');
  }
  for (const client of clients) client.close();
}

async function stops(t: Test, stage: Stage): Promise<void> {
  let sent = 0;
  let over = false;
  stage.origin.on('/flood', async (exchange) => {
    await exchange.send('HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n');
    while (!over && exchange.connection.ended === null) {
      await exchange.send(`${BLOCK.length.toString(16)}\r\n`);
      await exchange.send(BLOCK);
      await exchange.send('\r\n');
      sent += BLOCK.length;
    }
  });
  const client = await H2Client.open(stage.address);
  const stream = client.session.request({ ':path': '/flood' });
  stream.on('error', () => undefined);
  stream.pause();
  let last = -1;
  await waitFor('the origin to be held up', () => {
    const same = sent === last && sent > 0;
    last = sent;
    return same;
  });
  t.ok(sent < 24 * MIB, `${sent} bytes for a reader that reads none`);
  stage.origin.on('/meanwhile', (exchange) => exchange.reply(200, {}, 'x'));
  t.equal((await client.request('/meanwhile')).status, 200, 'other streams go on');
  stream.close(NGHTTP2_CANCEL);
  over = true;
  await waitFor('the stream to end', () => stream.closed);
  client.close();
}

async function resets(t: Test, stage: Stage): Promise<void> {
  let gone = false;
  stage.origin.on('/hang', async (exchange) => {
    await waitFor('the upstream connection to be dropped', () => exchange.connection.ended !== null);
    gone = true;
  });
  stage.origin.on('/cut', async (exchange) => {
    await exchange.send('HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nabc');
    exchange.reset();
  });
  const client = await H2Client.open(stage.address);
  const stream = client.session.request({ ':path': '/hang' });
  stream.on('error', () => undefined);
  await waitFor('the request to arrive', () => stage.origin.connections.some((one) => one.ended === null && one.requests > 0));
  stream.close(NGHTTP2_CANCEL);
  await waitFor('the origin to see it', () => gone);
  const cut = await client.request('/cut');
  t.equal(cut.code, NGHTTP2_INTERNAL_ERROR);
  t.match(await stage.logLine('/cut'), /HTTP\/2 200 U[CR]/);
  client.close();
}

/** What a program prints; null where it is not installed. */
function run(command: string, ...args: string[]): Promise<string | null> {
  return new Promise((resolve) => {
    const child = spawn(command, args, { stdio: ['ignore', 'pipe', 'pipe'] });
    let text = '';
    for (const stream of [child.stdout, child.stderr]) stream.on('data', (bytes: Buffer) => (text += bytes.toString()));
    child.on('error', () => resolve(null));
    child.on('close', () => resolve(text));
  });
}

async function programs(t: Test, stage: Stage): Promise<void> {
  stage.origin.on('/program', (exchange) => exchange.reply(200, {}, 'hello'));
  const curl = await run('curl', '-sS', '--http2-prior-knowledge', '-w', ' %{http_version} %{http_code}', `http://${stage.address}/program`);
  if (curl === null || /is unknown|not support/i.test(curl)) t.comment('skipped: no curl with HTTP/2 here');
  else t.equal(curl, 'hello 2 200');
  const load = await run('h2load', '-n', '500', '-c', '4', '-m', '32', `http://${stage.address}/program`);
  if (load === null) t.comment('skipped: h2load (package nghttp2-client) is not here');
  else t.match(load, /500 succeeded, 0 failed, 0 errored/);
  t.pass('done');
}

async function reload(t: Test, stage: Stage): Promise<void> {
  let finish = (): void => undefined;
  stage.origin.on('/long', async (exchange) => {
    await exchange.send('HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nabc');
    await new Promise<void>((resolve) => (finish = resolve));
    await exchange.send('def');
  });
  stage.origin.on('/again', (exchange) => exchange.reply(200, {}, 'x'));
  const client = await H2Client.open(stage.address);
  const long = client.request('/long');
  await waitFor('the answer to begin', () => stage.origin.connections.some((one) => one.ended === null && one.requests > 0));
  stage.proxy.writeConfig(wholeConfig(simpleConfig(stage, { http: { protocols: BOTH, serverName: 'renamed' } }), stage.engine, 2));
  stage.proxy.signal('SIGHUP');
  // The same connection meets the new rules.
  await waitFor('the reload', async () => (await client.request('/again')).headers['server'] === 'renamed');
  finish();
  t.equal((await long).body.toString(), 'abcdef');
  t.strictSame(client.goaways, []);
  client.close();
}

async function drain(t: Test, stage: Stage): Promise<void> {
  let finish = (): void => undefined;
  stage.origin.on('/long', async (exchange) => {
    await exchange.send('HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nabc');
    await new Promise<void>((resolve) => (finish = resolve));
    await exchange.send('def');
  });
  const client = await H2Client.open(stage.address);
  const idle = await H2Client.open(stage.address);
  const long = client.request('/long');
  await waitFor('the answer to begin', () => stage.origin.connections.length > 0);
  const ended = stage.proxy.stop();
  await waitFor('GOAWAY, twice', () => client.goaways.length === 2);
  t.strictSame(client.goaways, [`${0x7fffffff} 0`, '1 0']);
  finish();
  const answer = await long;
  t.equal(answer.body.toString(), 'abcdef', 'what is under way is completed');
  await waitFor('both connections to end', () => client.closed && idle.closed);
  t.strictSame(await ended, { code: 0, signal: null });
}
