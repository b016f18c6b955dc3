// Tunnels that callers open over HTTP/2: extended CONNECT (RFC 8441) becomes an Upgrade to the host, plain CONNECT a TCP
// connection to it; END_STREAM is the half-close.

import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { connect, constants, type ClientHttp2Session, type ClientHttp2Stream, type IncomingHttpHeaders } from 'node:http2';

import t, { type Test } from 'tap';

import { within } from '../support/deadline.ts';
import { value } from '../support/http-message.ts';
import type { Exchange } from '../support/origin.ts';
import { request } from '../support/raw-client.ts';
import { subjectIsEnvoy } from '../support/run-proxy.ts';
import { onEachEngine, simpleConfig, type Stage } from '../support/stage.ts';

t.setTimeout(60_000);

const LOG = '%REQ(:PATH)% %PROTOCOL% %RESPONSE_CODE% %RESPONSE_FLAGS% %RESPONSE_CODE_DETAILS% %BYTES_RECEIVED% %BYTES_SENT%\n';

onEachEngine(
  (stage) => simpleConfig(stage, {
    http: {
      protocols: ['http1', 'http2'],
      upgrades: ['websocket'],
      accessLog: [{ path: stage.logPath, format: LOG }],
      routes: [{ match: { connect: true }, forward: { cluster: 'app' } }, { match: { prefix: '/' }, forward: { cluster: 'app' } }],
    },
  }),
  {},
  async (t, stage) => {
    await t.test('WebSocket', (t) => webSocket(t, stage));
    await t.test('the host ends first', (t) => hostFirst(t, stage));
    await t.test('bytes before the answer', (t) => early(t, stage));
    await t.test('a wrong Accept', (t) => wrongAccept(t, stage));
    await t.test('refused and ordinary answers', (t) => ordinary(t, stage));
    await t.test('resets', (t) => resets(t, stage));
    await t.test('plain CONNECT', (t) => plain(t, stage));
    await t.test('many on one connection', (t) => many(t, stage));
  },
  subjectIsEnvoy ? [] : undefined,
);

async function session(t: Test, stage: Stage): Promise<ClientHttp2Session> {
  const client = connect(`http://${stage.address}`);
  client.on('error', () => undefined);
  t.teardown(() => client.destroy());
  await within('SETTINGS', once(client, 'remoteSettings'));
  return client;
}

function open(client: ClientHttp2Session, path: string, protocol = 'websocket'): ClientHttp2Stream {
  return client.request(
    { ':method': 'CONNECT', ':protocol': protocol, ':scheme': 'http', ':path': path, ':authority': 'test.local', 'sec-websocket-version': '13' },
    { endStream: false },
  );
}

async function head(stream: ClientHttp2Stream): Promise<IncomingHttpHeaders> {
  return ((await within('the answer', once(stream, 'response'))) as [IncomingHttpHeaders])[0];
}

async function exactly(stream: ClientHttp2Stream, bytes: number): Promise<string> {
  for (;;) {
    const found = stream.read(bytes) as Buffer | null;
    if (found !== null) return found.toString('latin1');
    await within('bytes', once(stream, 'readable'));
  }
}

async function whole(stream: ClientHttp2Stream): Promise<string> {
  let text = '';
  for await (const bytes of stream) text += (bytes as Buffer).toString('latin1');
  return text;
}

function acceptFor(exchange: Exchange): string {
  return createHash('sha1').update(`${value(exchange.head, 'sec-websocket-key')}258EAFA5-E914-47DA-95CA-C5AB0DC85B11`).digest('base64');
}

function hostAt(stage: Stage, segment: string): Promise<Exchange> {
  return new Promise((resolve) => {
    stage.origin.on(segment, async (exchange) => {
      resolve(exchange);
      await once(exchange.connection.socket, 'close');
    });
  });
}

function switching(exchange: Exchange, accept = acceptFor(exchange)): Promise<void> {
  return exchange.send(`HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: ${accept}\r\nSec-WebSocket-Protocol: chat\r\n\r\n`);
}

async function webSocket(t: Test, stage: Stage): Promise<void> {
  const client = await session(t, stage);
  t.equal(client.remoteSettings.enableConnectProtocol, true);
  const host = hostAt(stage, '/ws');
  const stream = open(client, '/ws');
  const exchange = await host;
  t.equal(exchange.head.method, 'GET');
  t.equal(value(exchange.head, 'upgrade'), 'websocket');
  t.match(value(exchange.head, 'connection'), /^upgrade$/i);
  t.equal(value(exchange.head, 'host'), 'test.local');
  t.equal(Buffer.from(value(exchange.head, 'sec-websocket-key') ?? '', 'base64').length, 16);
  for (const name of ['content-length', 'transfer-encoding']) t.equal(value(exchange.head, name), undefined);
  await switching(exchange);
  const answer = await head(stream);
  t.equal(answer[':status'], 200);
  t.equal(answer['sec-websocket-protocol'], 'chat');
  t.notOk(answer['sec-websocket-accept'] ?? answer.upgrade ?? answer.connection, 'nothing of the hop behind');
  stream.write('hello');
  t.equal((await exchange.connection.reader.exactly(5)).toString(), 'hello');
  await exchange.send('welcome');
  t.equal(await exactly(stream, 7), 'welcome');
  stream.end('bye');
  const heard = await exchange.connection.reader.toEnd();
  t.strictSame([heard.how, heard.rest.toString()], ['fin', 'bye'], 'END_STREAM is the half-close');
  await exchange.send('and more');
  exchange.finish();
  t.equal(await whole(stream), 'and more');
  t.equal(stream.rstCode, constants.NGHTTP2_NO_ERROR);
  t.match(await stage.logLine('/ws '), /^\/ws HTTP\/2 101 - via_upstream 8 15$/);
  await stage.proxy.statBecomes('http.main.downstream_cx_upgrades_active', 0);
  client.close();
}

async function hostFirst(t: Test, stage: Stage): Promise<void> {
  const client = await session(t, stage);
  const host = hostAt(stage, '/first');
  const stream = open(client, '/first');
  const exchange = await host;
  await switching(exchange);
  await head(stream);
  await exchange.send('the end');
  exchange.finish();
  t.equal(await whole(stream), 'the end');
  stream.write('not yet');
  t.equal((await exchange.connection.reader.exactly(7)).toString(), 'not yet', 'the other direction stays');
  stream.end();
  t.equal((await exchange.connection.reader.toEnd()).how, 'fin');
  t.match(await stage.logLine('/first '), /^\/first HTTP\/2 101 - via_upstream 7 7$/);
  client.close();
}

async function early(t: Test, stage: Stage): Promise<void> {
  const client = await session(t, stage);
  const host = hostAt(stage, '/early');
  const stream = open(client, '/early');
  stream.write('GET /smuggled HTTP/1.1\r\nHost: x\r\n\r\n');
  const exchange = await host;
  await new Promise((resolve) => client.ping(() => resolve(undefined)));
  t.equal(exchange.connection.reader.total, Buffer.byteLength(exchange.head.raw, 'latin1'), 'held until the 101');
  await switching(exchange);
  await head(stream);
  t.match((await exchange.connection.reader.exactly(35)).toString(), /^GET \/smuggled/);
  stream.close();
  await exchange.closed();
  client.close();
}

async function wrongAccept(t: Test, stage: Stage): Promise<void> {
  const client = await session(t, stage);
  const host = hostAt(stage, '/wrong');
  const stream = open(client, '/wrong');
  await switching(await host, 'bm9ib2R5IGNoZWNrcyB0aGlz');
  t.equal((await head(stream))[':status'], 502);
  stream.resume();
  client.close();
}

async function ordinary(t: Test, stage: Stage): Promise<void> {
  const client = await session(t, stage);
  for (const protocol of ['chat', 'h2c']) {
    const refused = open(client, '/refused', protocol);
    t.equal((await head(refused))[':status'], 403, protocol);
    refused.resume();
  }
  stage.origin.on('/no', (exchange) => exchange.reply(426, {}, 'no'));
  const stream = open(client, '/no');
  stream.on('error', () => undefined);
  t.equal((await head(stream))[':status'], 426);
  stream.write('GET /smuggled HTTP/1.1\r\nHost: x\r\n\r\n');
  stream.resume();
  await new Promise((resolve) => client.ping(() => resolve(undefined)));
  t.equal((await stage.get('/plain')).text, 'GET /plain 0');
  t.strictSame(stage.origin.seen('/smuggled'), [], 'what was meant for the tunnel goes nowhere');
  client.close();
}

async function resets(t: Test, stage: Stage): Promise<void> {
  const client = await session(t, stage);
  let host = hostAt(stage, '/reset');
  let stream = open(client, '/reset');
  await switching(await host);
  await head(stream);
  stream.close(constants.NGHTTP2_CANCEL);
  // Node's client sends END_STREAM before its RST_STREAM: either may be what the host sees first.
  t.ok(await (await host).closed());
  t.match(await stage.logLine('/reset '), /^\/reset HTTP\/2 101 DC http2\.remote_reset /);
  host = hostAt(stage, '/reset');
  stream = open(client, '/reset');
  stream.on('error', () => undefined);
  await switching(await host);
  await head(stream);
  (await host).reset();
  await within('RST_STREAM', new Promise((resolve) => stream.once('close', resolve)));
  t.not(stream.rstCode, constants.NGHTTP2_NO_ERROR);
  client.close();
}

async function plain(t: Test, stage: Stage): Promise<void> {
  const client = await session(t, stage);
  const stream = client.request({ ':method': 'CONNECT', ':authority': 'elsewhere.test:443' }, { endStream: false });
  t.equal((await head(stream))[':status'], 200);
  stream.write(request('GET', '/inside'));
  t.match(await exactly(stream, 15), /^HTTP\/1\.1 200/);
  stream.end();
  t.match(await whole(stream), /GET \/inside 0$/);
  client.close();
}

async function many(t: Test, stage: Stage): Promise<void> {
  const client = await session(t, stage);
  stage.origin.on('/echo', async (exchange) => {
    await switching(exchange);
    for (let bytes = await exchange.connection.reader.some(); bytes !== null; bytes = await exchange.connection.reader.some()) await exchange.send(bytes);
    exchange.finish();
  });
  const results = await Promise.all(Array.from({ length: 20 }, async (_, n) => {
    const stream = open(client, '/echo');
    await head(stream);
    const text = `${n}-`.repeat(50_000);
    stream.end(text, 'latin1');
    return (await whole(stream)) === text;
  }));
  t.ok(results.every((same) => same), 'nothing is mixed');
  client.close();
}
