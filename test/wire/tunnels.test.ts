// Upgrades: what is allowed becomes a tunnel on 101 and carries bytes both ways until both have ended; what is not gets
// its answer; bytes that come too early are held, and an answer that nobody asked for opens nothing.

import { once } from 'node:events';

import t, { type Test } from 'tap';

import { sleep, waitFor } from '../support/deadline.ts';
import { value } from '../support/http-message.ts';
import { residentBytes } from '../support/memory.ts';
import type { Exchange } from '../support/origin.ts';
import { type RawClient, request } from '../support/raw-client.ts';
import { subjectIsEnvoy } from '../support/run-proxy.ts';
import { onEachEngine, simpleConfig, type Stage } from '../support/stage.ts';

t.setTimeout(110_000);

const LOG = '%REQ(:PATH)% %RESPONSE_CODE% %RESPONSE_FLAGS% %RESPONSE_CODE_DETAILS% %BYTES_RECEIVED% %BYTES_SENT%\n';
const WEBSOCKET = { Connection: 'Upgrade', Upgrade: 'websocket', 'Sec-WebSocket-Key': 'dGhlIHNhbXBsZSBub25jZQ==', 'Sec-WebSocket-Version': '13' };
const SWITCHING = 'HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n';
const MIB = 1 << 20;

onEachEngine(
  (stage) => simpleConfig(stage, {
    http: {
      upgrades: ['websocket'],
      timeouts: { streamIdle: '30s' },
      accessLog: [{ path: stage.logPath, format: LOG }],
      routes: [
        { match: { prefix: '/none' }, forward: { cluster: 'app', upgrades: [] } },
        { match: { prefix: '/other' }, forward: { cluster: 'app', upgrades: ['Chat/2'] } },
        { match: { prefix: '/idle' }, forward: { cluster: 'app', idleTimeout: '300ms' } },
        { match: { prefix: '/short' }, forward: { cluster: 'app', timeout: '200ms' } },
        { match: { prefix: '/here' }, respond: { status: 200, body: 'here' } },
        { match: { prefix: '/' }, forward: { cluster: 'app' } },
      ],
    },
  }),
  { origin: { keepBytes: false } },
  async (t, stage) => {
    await t.test('a tunnel, head and bytes', (t) => opens(t, stage));
    await t.test('bytes right behind the heads', (t) => behindTheHeads(t, stage));
    await t.test('the caller ends first', (t) => callerFirst(t, stage));
    await t.test('the host ends first', (t) => hostFirst(t, stage));
    await t.test('both end at once', (t) => bothAtOnce(t, stage));
    await t.test('the caller breaks', (t) => callerBreaks(t, stage));
    await t.test('the host breaks', (t) => hostBreaks(t, stage));
    await t.test('refused', (t) => refused(t, stage));
    await t.test('a route of its own', (t) => byRoute(t, stage));
    await t.test('not an upgrade', (t) => noUpgrade(t, stage));
    await t.test('with a body', (t) => withBody(t, stage));
    await t.test('an ordinary answer', (t) => ordinary(t, stage));
    await t.test('a 101 to something else', (t) => somethingElse(t, stage));
    await t.test('a 101 that nobody asked for', (t) => unasked(t, stage));
    await t.test('time-outs', (t) => timeouts(t, stage));
    await t.test('a breaker slot for as long as the tunnel lives', (t) => slots(t, stage));
    await t.test('a hundred megabytes each way', (t) => big(t, stage));
    await t.test('a reader that stops', (t) => stops(t, stage));
  },
  subjectIsEnvoy ? [] : undefined,
);

class Tunnel {
  readonly client: RawClient;
  readonly host: Exchange;
  constructor(client: RawClient, host: Exchange) {
    this.client = client;
    this.host = host;
  }

  async says(bytes: string): Promise<string> {
    this.client.write(bytes);
    return (await this.host.connection.reader.exactly(bytes.length)).toString('latin1');
  }

  async hears(bytes: string): Promise<string> {
    await this.host.send(bytes);
    return (await this.client.reader.exactly(bytes.length)).toString('latin1');
  }
}

/** A host that answers with `answer` and then leaves its end to the test. */
function hostAt(stage: Stage, segment: string, answer: string | null = SWITCHING): Promise<Exchange> {
  return new Promise((resolve) => {
    stage.origin.on(segment, async (exchange) => {
      if (answer !== null) await exchange.send(answer);
      resolve(exchange);
      await once(exchange.connection.socket, 'close');
    });
  });
}

async function open(stage: Stage, segment: string): Promise<Tunnel> {
  const host = hostAt(stage, segment);
  const client = await stage.connect();
  client.write(request('GET', segment, WEBSOCKET));
  const head = await client.head();
  if (head.status !== 101) throw new Error(`${head.status} instead of 101`);
  return new Tunnel(client, await host);
}

async function opens(t: Test, stage: Stage): Promise<void> {
  const before = await stage.proxy.stat('http.main.downstream_cx_upgrades_total');
  const host = hostAt(stage, '/opens');
  const client = await stage.connect();
  client.write(request('GET', '/opens', { ...WEBSOCKET, Connection: 'keep-alive, upgrade, x-named', 'X-Named': '1', 'HTTP2-Settings': 'AAMAAABk' }));
  const head = await client.head();
  t.equal(head.status, 101);
  t.equal(head.reason, 'Switching Protocols');
  t.equal(value(head, 'upgrade'), 'websocket');
  t.match(value(head, 'connection'), /^upgrade$/i);
  t.equal(value(head, 'sec-websocket-accept'), 's3pPLMBiTxaQ9kYGzzhZRbK+xOo=');
  t.notOk(value(head, 'content-length') ?? value(head, 'transfer-encoding'), 'no framing');
  const tunnel = new Tunnel(client, await host);
  const sent = tunnel.host.head;
  t.equal(value(sent, 'upgrade'), 'websocket');
  t.match(value(sent, 'connection'), /^upgrade$/i);
  t.equal(value(sent, 'sec-websocket-key'), WEBSOCKET['Sec-WebSocket-Key']);
  t.notOk(value(sent, 'x-named') ?? value(sent, 'http2-settings'), 'other fields of the hop stay on it');
  t.equal(await tunnel.says('\x81\x85abcd'), '\x81\x85abcd');
  t.equal(await tunnel.hears('\x81\x05hello'), '\x81\x05hello');
  t.equal(await tunnel.says('GET /smuggled HTTP/1.1\r\n\r\n'), 'GET /smuggled HTTP/1.1\r\n\r\n', 'a request inside is bytes');
  t.equal(await tunnel.hears('HTTP/1.1 500 No\r\n\r\n'), 'HTTP/1.1 500 No\r\n\r\n');
  await stage.proxy.statBecomes('http.main.downstream_cx_upgrades_total', before + 1);
  await stage.proxy.statBecomes('http.main.downstream_cx_upgrades_active', 1);
  client.finish();
  tunnel.host.finish();
  t.equal((await client.ended()).how, 'fin');
  t.match(await stage.logLine('/opens '), /^\/opens 101 - via_upstream 32 26$/);
  await stage.proxy.statBecomes('http.main.downstream_cx_upgrades_active', 0);
}

async function behindTheHeads(t: Test, stage: Stage): Promise<void> {
  const host = hostAt(stage, '/behind', null);
  const client = await stage.connect();
  client.write(`${request('GET', '/behind', WEBSOCKET)}early`);
  const exchange = await host;
  client.write(' bird');
  await sleep(30);
  t.equal(exchange.connection.reader.total, Buffer.byteLength(exchange.head.raw, 'latin1'), 'nothing passes before the 101');
  await exchange.send(`${SWITCHING}greetings`);
  t.equal((await client.head()).status, 101);
  t.equal((await client.reader.exactly(9)).toString(), 'greetings');
  t.equal((await exchange.connection.reader.exactly(10)).toString(), 'early bird');
  client.finish();
  exchange.finish();
  t.equal((await client.ended()).how, 'fin');
}

async function callerFirst(t: Test, stage: Stage): Promise<void> {
  const tunnel = await open(stage, '/caller-first');
  tunnel.client.write('last words');
  tunnel.client.finish();
  const heard = await tunnel.host.connection.reader.toEnd();
  t.equal(heard.rest.toString(), 'last words');
  t.equal(heard.how, 'fin', 'the end arrives, and the other direction stays');
  t.equal(await tunnel.hears('a long answer'), 'a long answer');
  tunnel.host.finish();
  t.equal((await tunnel.client.ended()).how, 'fin');
  t.match(await stage.logLine('/caller-first '), /^\/caller-first 101 - via_upstream 10 13$/);
}

async function hostFirst(t: Test, stage: Stage): Promise<void> {
  const tunnel = await open(stage, '/host-first');
  await tunnel.host.send('goodbye');
  tunnel.host.finish();
  const heard = await tunnel.client.ended();
  t.strictSame(heard, { how: 'fin', rest: 'goodbye' });
  t.equal(await tunnel.says('one more thing'), 'one more thing');
  t.equal(await stage.proxy.stat('cluster.app.upstream_rq_active'), 1, 'still a request');
  tunnel.client.finish();
  t.equal((await tunnel.host.connection.reader.toEnd()).how, 'fin');
  t.match(await stage.logLine('/host-first '), /^\/host-first 101 - via_upstream 14 7$/);
}

async function bothAtOnce(t: Test, stage: Stage): Promise<void> {
  const tunnel = await open(stage, '/both');
  tunnel.client.write('x'.repeat(1000));
  tunnel.client.finish();
  void tunnel.host.send('y'.repeat(1000));
  tunnel.host.finish();
  t.equal((await tunnel.client.ended()).rest, 'y'.repeat(1000));
  t.equal((await tunnel.host.connection.reader.toEnd()).rest.toString(), 'x'.repeat(1000));
  t.match(await stage.logLine('/both '), /^\/both 101 - via_upstream 1000 1000$/);
}

async function callerBreaks(t: Test, stage: Stage): Promise<void> {
  const tunnel = await open(stage, '/caller-breaks');
  await tunnel.says('x');
  tunnel.client.reset();
  t.equal(await tunnel.host.closed(), 'reset');
  t.match(await stage.logLine('/caller-breaks '), /^\/caller-breaks 101 DC downstream_remote_disconnect 1 0$/);
}

async function hostBreaks(t: Test, stage: Stage): Promise<void> {
  const tunnel = await open(stage, '/host-breaks');
  await tunnel.hears('x');
  tunnel.host.reset();
  t.equal((await tunnel.client.ended()).how, 'reset');
  t.match(await stage.logLine('/host-breaks '), /^\/host-breaks 101 UC upstream_reset_after_response_started\{connection_termination\} 0 1$/);
}

async function refused(t: Test, stage: Stage): Promise<void> {
  for (const [path, upgrade] of [['/refused', 'irc'], ['/refused', 'websocket, h2c'], ['/none', 'websocket'], ['/other', 'websocket']] as const) {
    const before = await stage.proxy.stat('http.main.downstream_rq_ws_on_non_ws_route');
    const answer = await stage.exchange(request('GET', path, { ...WEBSOCKET, Upgrade: upgrade }));
    t.equal(answer.status, 403, `${upgrade} on ${path}`);
    await stage.proxy.statBecomes('http.main.downstream_rq_ws_on_non_ws_route', before + 1);
  }
  const two = request('GET', '/refused', WEBSOCKET).replace('\r\n\r\n', '\r\nUpgrade: h2c\r\n\r\n');
  t.equal((await stage.exchange(two)).status, 403, 'two fields are a list');
  t.match(await stage.logLine('/refused '), /^\/refused 403 - upgrade_failed 0 0$/);
  t.strictSame(stage.origin.seen('/refused'), []);
}

async function byRoute(t: Test, stage: Stage): Promise<void> {
  const host = hostAt(stage, '/other', 'HTTP/1.1 101 Ok\r\nConnection: upgrade\r\nupgrade: CHAT/2\r\n\r\n');
  const client = await stage.connect();
  client.write(request('GET', '/other', { Connection: 'upgrade', Upgrade: 'chat/2' }));
  t.equal((await client.head()).status, 101, 'names are compared without case');
  const tunnel = new Tunnel(client, await host);
  t.equal(await tunnel.says('hi'), 'hi');
  client.finish();
  tunnel.host.finish();
  await client.ended();
  t.equal((await stage.exchange(request('GET', '/here', WEBSOCKET))).text, 'here', 'a route that answers by itself');
}

async function noUpgrade(t: Test, stage: Stage): Promise<void> {
  t.equal((await stage.get('/plain', { ...WEBSOCKET, Connection: 'keep-alive' })).status, 200, 'Connection does not name it');
  t.equal(value(stage.origin.seen('/plain')[0]!, 'upgrade'), undefined);
  t.equal((await stage.get('/h2c', { Connection: 'Upgrade, HTTP2-Settings', Upgrade: 'h2c', 'HTTP2-Settings': 'AAMAAABk' })).status, 200, 'h2c is an offer');
  t.equal(value(stage.origin.seen('/h2c')[0]!, 'upgrade'), undefined);
}

async function withBody(t: Test, stage: Stage): Promise<void> {
  const length = await stage.exchange(`${request('GET', '/body', { ...WEBSOCKET, 'Content-Length': '5' })}hello`);
  t.equal(length.status, 400);
  const chunked = await stage.exchange(`${request('GET', '/body', { ...WEBSOCKET, 'Transfer-Encoding': 'chunked' })}0\r\n\r\n`);
  t.equal(chunked.status, 400);
  t.strictSame(stage.origin.seen('/body'), [], 'neither reaches the host');
  t.match(await stage.logLine('/body '), /^\/body 400 DPE http1.body_disallowed/);
}

async function ordinary(t: Test, stage: Stage): Promise<void> {
  stage.origin.on('/ordinary', (exchange) => exchange.reply(426, { 'sec-websocket-version': '13' }, 'no'));
  const client = await stage.connect();
  const before = stage.origin.connections.length;
  const answers: number[] = [];
  for (let n = 0; n < 3; n++) {
    client.write(request('GET', '/ordinary', WEBSOCKET));
    const answer = await client.answer();
    answers.push(answer.status);
    t.equal(answer.text, 'no');
  }
  t.strictSame(answers, [426, 426, 426], 'the connection lives on');
  t.ok(stage.origin.connections.length - before <= 1, 'the host\'s too');
  client.write(`${request('GET', '/ordinary', WEBSOCKET)}${request('GET', '/plain-behind')}`);
  t.equal((await client.answer()).status, 426);
  t.equal((await client.answer()).text, 'GET /plain-behind 0', 'what came behind was a request after all');
  client.destroy();
  await stage.proxy.statBecomes('http.main.downstream_cx_upgrades_active', 0);
}

async function somethingElse(t: Test, stage: Stage): Promise<void> {
  for (const fields of ['Upgrade: h2c\r\nConnection: Upgrade\r\n', 'Connection: Upgrade\r\n', 'Upgrade: websocket\r\n', 'Upgrade: websocket, h2c\r\nConnection: Upgrade\r\n']) {
    const host = hostAt(stage, '/else', `HTTP/1.1 101 Switching\r\n${fields}\r\n`);
    t.equal((await stage.exchange(request('GET', '/else', WEBSOCKET))).status, 502, fields);
    t.equal(await (await host).closed(), 'reset');
  }
  t.match(await stage.logLine('/else '), /^\/else 502 UPE upstream_reset_before_response_started\{protocol_error\}/);
}

async function unasked(t: Test, stage: Stage): Promise<void> {
  for (const fields of [{}, { Connection: 'Upgrade, HTTP2-Settings', Upgrade: 'h2c' }]) {
    const host = hostAt(stage, '/unasked', 'HTTP/1.1 101 Switching\r\nUpgrade: h2c\r\nConnection: Upgrade\r\n\r\n');
    t.equal((await stage.get('/unasked', fields)).status, 502);
    t.equal(await (await host).closed(), 'reset');
  }
}

async function timeouts(t: Test, stage: Stage): Promise<void> {
  const idle = await open(stage, '/idle');
  t.equal(await idle.says('x'), 'x');
  t.equal((await idle.client.ended()).how, 'reset', 'silence ends it');
  t.match(await stage.logLine('/idle '), /^\/idle 101 SI stream_idle_timeout 1 0$/);
  const silent = hostAt(stage, '/short', null);
  t.equal((await stage.exchange(request('GET', '/short', WEBSOCKET))).status, 504, "the route's time-out holds until the 101");
  await (await silent).closed();
  const tunnel = await open(stage, '/short');
  await sleep(500);
  t.equal(await tunnel.hears('still here'), 'still here', 'and not behind it');
  tunnel.client.reset();
  await tunnel.host.closed();
}

async function slots(t: Test, stage: Stage): Promise<void> {
  const tunnels = await Promise.all(['/slot-a', '/slot-b', '/slot-c'].map((segment) => open(stage, segment)));
  await stage.proxy.statBecomes('cluster.app.upstream_rq_active', 3);
  await stage.proxy.statBecomes('http.main.downstream_cx_upgrades_active', 3);
  t.equal(await stage.proxy.stat('cluster.app.upstream_rq_active'), 3);
  for (const tunnel of tunnels) {
    tunnel.client.finish();
    tunnel.host.finish();
    await tunnel.client.ended();
  }
  await stage.proxy.statBecomes('cluster.app.upstream_rq_active', 0);
  await stage.proxy.statBecomes('http.main.downstream_cx_upgrades_active', 0);
}

async function big(t: Test, stage: Stage): Promise<void> {
  const tunnel = await open(stage, '/big');
  const block = Buffer.alloc(256 * 1024, 'abcdefg');
  const rounds = 100 * 4;
  const before = residentBytes(stage.proxy.pid);
  let most = before;
  const timer = setInterval(() => (most = Math.max(most, residentBytes(stage.proxy.pid))), 20);
  const [up, down] = await Promise.all([count(tunnel.host.connection.reader), count(tunnel.client.reader), pump(), pumpBack()]);
  clearInterval(timer);
  t.equal(up, rounds * block.length);
  t.equal(down, rounds * block.length);
  t.ok(most - before < 48 * MIB, `memory grew by ${((most - before) / MIB).toFixed(1)} MiB`);

  async function pump(): Promise<void> {
    for (let n = 0; n < rounds; n++) await tunnel.client.send(block);
    tunnel.client.finish();
  }

  async function pumpBack(): Promise<void> {
    for (let n = 0; n < rounds; n++) await tunnel.host.send(block);
    tunnel.host.finish();
  }
}

async function count(reader: RawClient['reader']): Promise<number> {
  let total = 0;
  for (let bytes = await reader.some(); bytes !== null; bytes = await reader.some()) total += bytes.length;
  return total;
}

/** Back-pressure: what the caller does not read, the host cannot send without end. */
async function stops(t: Test, stage: Stage): Promise<void> {
  const tunnel = await open(stage, '/stops');
  const block = Buffer.alloc(MIB, 'z');
  const before = await stage.proxy.stat('cluster.app.upstream_flow_control_paused_reading_total');
  tunnel.client.socket.pause();
  let sent = 0;
  const sending = (async () => {
    for (; sent < 64; sent++) await tunnel.host.send(block);
    tunnel.host.finish();
  })();
  await waitFor('the host to be paused', async () => (await stage.proxy.stat('cluster.app.upstream_flow_control_paused_reading_total')) > before);
  t.ok(sent < 64, 'not everything has gone');
  tunnel.client.socket.resume();
  t.equal(await count(tunnel.client.reader), 64 * MIB);
  await sending;
  tunnel.client.finish();
  t.equal((await tunnel.host.connection.reader.toEnd()).how, 'fin');
}
