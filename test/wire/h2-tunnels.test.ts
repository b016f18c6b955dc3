// Tunnels to hosts that speak HTTP/2: extended CONNECT (RFC 8441) for upgrades, CONNECT for CONNECT, whichever protocol the
// caller speaks; END_STREAM is the half-close, RST_STREAM the break.

import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { connect, constants, type ClientHttp2Session, type ClientHttp2Stream, type IncomingHttpHeaders } from 'node:http2';

import t, { type Test } from 'tap';

import { within } from '../support/deadline.ts';
import { value } from '../support/http-message.ts';
import { type RawClient, request } from '../support/raw-client.ts';
import { subjectIsEnvoy } from '../support/run-proxy.ts';
import { onEachEngine, simpleConfig, type Stage } from '../support/stage.ts';
import { exactly, whole } from '../support/stream-ends.ts';
import { type Arrival, TunnelHost } from '../support/tunnel-host.ts';

t.setTimeout(120_000);

const LOG = '%REQ(:PATH)% %PROTOCOL% %RESPONSE_CODE% %RESPONSE_FLAGS% %RESPONSE_CODE_DETAILS% %BYTES_RECEIVED% %BYTES_SENT% %UPSTREAM_PROTOCOL%\n';
const KEY = 'dGhlIHNhbXBsZSBub25jZQ==';
const ACCEPT = createHash('sha1').update(`${KEY}258EAFA5-E914-47DA-95CA-C5AB0DC85B11`).digest('base64');
const WEBSOCKET = { Connection: 'Upgrade', Upgrade: 'WebSocket', 'Sec-WebSocket-Key': KEY, 'Sec-WebSocket-Version': '13', 'Sec-WebSocket-Protocol': 'chat' };
const CONNECT = 'CONNECT far.test:443 HTTP/1.1\r\nHost: far.test:443\r\nX-Own: 1\r\n\r\n';

const host = await new TunnelHost(true).start();
const plainHost = await new TunnelHost(false).start();
t.teardown(() => {
  host.stop();
  plainHost.stop();
});

onEachEngine(
  (stage) => {
    const base = simpleConfig(stage, {
      http: {
        protocols: ['http1', 'http2'],
        upgrades: ['websocket', 'chat/2'],
        accessLog: [{ path: stage.logPath, format: LOG }],
        routes: [
          { match: { connect: true }, forward: { cluster: 'app' } },
          { match: { prefix: '/no' }, forward: { cluster: 'no' } },
          { match: { prefix: '/idle' }, forward: { cluster: 'app', idleTimeout: '300ms' } },
          { match: { prefix: '/' }, forward: { cluster: 'app' } },
        ],
      },
    });
    return { ...base, clusters: [
      { name: 'app', protocol: 'http2', endpoints: [host.address] },
      { name: 'no', protocol: 'http2', endpoints: [plainHost.address] },
    ] };
  },
  {},
  async (t, stage) => {
    await t.test('WebSocket over HTTP/2', (t) => overHttp2(t, stage));
    await t.test('WebSocket over HTTP/1.1', (t) => overHttp1(t, stage));
    await t.test('another protocol', (t) => otherProtocol(t, stage));
    await t.test('bytes before the answer', (t) => early(t, stage));
    await t.test('the host ends first', (t) => hostFirst(t, stage));
    await t.test('the host ends with its head', (t) => endsAtOnce(t, stage));
    await t.test('plain CONNECT', (t) => plain(t, stage));
    await t.test('ordinary answers', (t) => ordinary(t, stage));
    await t.test('a host that takes no extended CONNECT', (t) => notEnabled(t, stage));
    await t.test('the caller breaks', (t) => callerBreaks(t, stage));
    await t.test('the host breaks', (t) => hostBreaks(t, stage));
    await t.test('trailers have no place in a tunnel', (t) => trailers(t, stage));
    await t.test('silence', (t) => idle(t, stage));
    await t.test('GOAWAY leaves open tunnels alone', (t) => goaway(t, stage));
    await t.test('many at once', (t) => many(t, stage));
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

function open(client: ClientHttp2Session, path: string, more: Record<string, string> = {}): ClientHttp2Stream {
  const stream = client.request(
    { ':method': 'CONNECT', ':protocol': 'websocket', ':scheme': 'http', ':path': path, ':authority': 'test.local', 'sec-websocket-version': '13', ...more },
    { endStream: false },
  );
  stream.on('error', () => undefined);
  return stream;
}

async function head(stream: ClientHttp2Stream): Promise<IncomingHttpHeaders> {
  return ((await within('the answer', once(stream, 'response'))) as [IncomingHttpHeaders])[0];
}

/** The host's code of the reset, once the stream is gone. */
async function codeOf({ stream }: Arrival): Promise<number | undefined> {
  if (!stream.closed) await within('the stream to close', new Promise((resolve) => stream.once('close', resolve)));
  return stream.rstCode;
}

/** A tunnel of an HTTP/2 caller. */
async function tunnel2(client: ClientHttp2Session, path: string): Promise<{ caller: ClientHttp2Stream; far: Arrival }> {
  const arrival = host.next(path);
  const caller = open(client, path);
  const far = await arrival;
  far.stream.respond({ ':status': 200 });
  await head(caller);
  return { caller, far };
}

/** A tunnel of an HTTP/1.1 caller. */
async function tunnel1(stage: Stage, path: string): Promise<{ caller: RawClient; far: Arrival }> {
  const arrival = host.next(path);
  const caller = await stage.connect();
  caller.write(request('GET', path, WEBSOCKET));
  const far = await arrival;
  far.stream.respond({ ':status': 200 });
  if ((await caller.head()).status !== 101) throw new Error('no 101');
  return { caller, far };
}

async function overHttp2(t: Test, stage: Stage): Promise<void> {
  const client = await session(t, stage);
  const arrival = host.next('/ws?q=1');
  const caller = open(client, '/ws?q=1', { 'sec-websocket-protocol': 'chat' });
  const { headers, stream } = await arrival;
  t.match(headers, { ':method': 'CONNECT', ':protocol': 'websocket', ':scheme': 'http', ':path': '/ws?q=1', ':authority': 'test.local', 'sec-websocket-protocol': 'chat' });
  for (const name of ['upgrade', 'connection', 'host', 'content-length', 'sec-websocket-key']) t.notOk(name in headers, `no ${name}`);
  stream.respond({ ':status': 200, 'sec-websocket-protocol': 'chat' });
  const answer = await head(caller);
  t.equal(answer[':status'], 200);
  t.equal(answer['sec-websocket-protocol'], 'chat');
  for (const name of ['upgrade', 'connection', 'sec-websocket-accept']) t.notOk(name in answer, `no ${name}`);
  caller.write('hello');
  t.equal(await exactly(stream, 5), 'hello');
  stream.write('welcome');
  t.equal(await exactly(caller, 7), 'welcome');
  caller.end('bye');
  t.equal(await whole(stream), 'bye', 'END_STREAM is the half-close');
  stream.end('and more');
  t.equal(await whole(caller), 'and more', 'the other direction went on');
  t.equal(caller.rstCode, constants.NGHTTP2_NO_ERROR);
  t.match(await stage.logLine('/ws?q=1 '), /^\/ws\?q=1 HTTP\/2 101 - via_upstream 8 15 HTTP\/2$/);
  await stage.proxy.statBecomes('http.main.downstream_cx_upgrades_active', 0);
  await stage.proxy.statBecomes('cluster.app.upstream_rq_active', 0);
  client.close();
}

async function overHttp1(t: Test, stage: Stage): Promise<void> {
  const arrival = host.next('/h1');
  const caller = await stage.connect();
  caller.write(request('GET', '/h1', { ...WEBSOCKET, 'Content-Length': '0' }));
  const { headers, stream } = await arrival;
  t.match(headers, { ':method': 'CONNECT', ':protocol': 'websocket', ':scheme': 'http', ':path': '/h1', ':authority': 'test.local', 'sec-websocket-protocol': 'chat' });
  for (const name of ['upgrade', 'connection', 'host', 'content-length']) t.notOk(name in headers, `no ${name}`);
  stream.respond({ ':status': 200, 'sec-websocket-protocol': 'chat', 'content-length': '5' });
  const answer = await caller.head();
  t.strictSame([answer.status, answer.reason], [101, 'Switching Protocols']);
  t.equal(value(answer, 'upgrade'), 'websocket');
  t.match(value(answer, 'connection'), /^upgrade$/i);
  t.equal(value(answer, 'sec-websocket-accept'), ACCEPT, 'proved to the caller, though its host was never asked');
  t.equal(value(answer, 'sec-websocket-protocol'), 'chat');
  t.notOk(value(answer, 'content-length') ?? value(answer, 'transfer-encoding'), 'no framing');
  caller.write('GET /smuggled HTTP/1.1\r\n\r\n');
  t.equal(await exactly(stream, 26), 'GET /smuggled HTTP/1.1\r\n\r\n', 'a request inside is bytes');
  stream.write('HTTP/1.1 500 No\r\n\r\n');
  t.equal((await caller.reader.exactly(19)).toString(), 'HTTP/1.1 500 No\r\n\r\n');
  caller.finish();
  t.equal(await whole(stream), '', 'FIN is END_STREAM');
  stream.end('later');
  t.strictSame(await caller.ended(), { how: 'fin', rest: 'later' });
  t.match(await stage.logLine('/h1 '), /^\/h1 HTTP\/1\.1 101 - via_upstream 26 24 HTTP\/2$/);
}

async function otherProtocol(t: Test, stage: Stage): Promise<void> {
  const arrival = host.next('/chat');
  const caller = await stage.connect();
  caller.write(request('GET', '/chat', { Connection: 'upgrade', Upgrade: 'Chat/2' }));
  const { headers, stream } = await arrival;
  t.equal(headers[':protocol'], 'chat/2');
  stream.respond({ ':status': 200 });
  const answer = await caller.head();
  t.equal(value(answer, 'upgrade'), 'chat/2');
  t.equal(value(answer, 'sec-websocket-accept'), undefined, 'nothing of WebSocket');
  caller.finish();
  stream.end();
  t.equal((await caller.ended()).how, 'fin');
}

async function early(t: Test, stage: Stage): Promise<void> {
  const arrival = host.next('/early');
  const caller = await stage.connect();
  caller.write(`${request('GET', '/early', WEBSOCKET)}early`);
  const { stream, session: far } = await arrival;
  await new Promise((resolve) => far.ping(() => resolve(undefined)));
  t.equal(stream.read(), null, 'held until the answer');
  stream.respond({ ':status': 200 });
  t.equal((await caller.head()).status, 101);
  t.equal(await exactly(stream, 5), 'early');
  caller.reset();
  await new Promise((resolve) => stream.once('close', resolve));
  // All of it, and its end, before the answer.
  const client = await session(t, stage);
  const second = host.next('/early-end');
  const ended = open(client, '/early-end');
  ended.end('everything');
  const late = await second;
  await new Promise((resolve) => client.ping(() => resolve(undefined)));
  late.stream.respond({ ':status': 200 });
  await head(ended);
  t.equal(await whole(late.stream), 'everything');
  late.stream.end('heard');
  t.equal(await whole(ended), 'heard');
  client.close();
}

async function hostFirst(t: Test, stage: Stage): Promise<void> {
  const client = await session(t, stage);
  const two = await tunnel2(client, '/first-2');
  two.far.stream.end('the end');
  t.equal(await whole(two.caller), 'the end');
  two.caller.write('not yet');
  t.equal(await exactly(two.far.stream, 7), 'not yet', 'the other direction stays');
  t.equal(await stage.proxy.stat('cluster.app.upstream_rq_active'), 1, 'still a request');
  two.caller.end();
  t.equal(await whole(two.far.stream), '');
  t.match(await stage.logLine('/first-2 '), /^\/first-2 HTTP\/2 101 - via_upstream 7 7 HTTP\/2$/);
  client.close();
  const one = await tunnel1(stage, '/first-1');
  one.far.stream.end('goodbye');
  t.strictSame(await one.caller.ended(), { how: 'fin', rest: 'goodbye' });
  one.caller.write('one more thing');
  t.equal(await exactly(one.far.stream, 14), 'one more thing');
  one.caller.finish();
  t.equal(await whole(one.far.stream), '');
  t.match(await stage.logLine('/first-1 '), /^\/first-1 HTTP\/1\.1 101 - via_upstream 14 7 HTTP\/2$/);
}

async function endsAtOnce(t: Test, stage: Stage): Promise<void> {
  const client = await session(t, stage);
  for (const callerToo of [false, true]) {
    const arrival = host.next('/at-once');
    const caller = open(client, '/at-once');
    if (callerToo) caller.end('before');
    const { stream } = await arrival;
    await new Promise((resolve) => client.ping(() => resolve(undefined)));
    stream.respond({ ':status': 200 }, { endStream: true });
    t.equal((await head(caller))[':status'], 200);
    t.equal(await whole(caller), '');
    if (!callerToo) caller.end('behind');
    t.equal(await whole(stream), callerToo ? 'before' : 'behind');
    await stage.proxy.statBecomes('cluster.app.upstream_rq_active', 0);
  }
  client.close();
}

async function plain(t: Test, stage: Stage): Promise<void> {
  const client = await session(t, stage);
  let arrival = host.next('elsewhere.test:443');
  const two = client.request({ ':method': 'CONNECT', ':authority': 'elsewhere.test:443', 'x-own': '1' }, { endStream: false });
  let far = await arrival;
  t.match(far.headers, { ':method': 'CONNECT', ':authority': 'elsewhere.test:443', 'x-own': '1' });
  for (const name of [':scheme', ':path', ':protocol']) t.notOk(name in far.headers, `no ${name}`);
  far.stream.respond({ ':status': 200 });
  t.equal((await head(two))[':status'], 200);
  two.end('up');
  t.equal(await whole(far.stream), 'up');
  far.stream.end('down');
  t.equal(await whole(two), 'down');
  client.close();
  arrival = host.next('far.test:443');
  const one = await stage.connect();
  one.write(`${CONNECT}eager`);
  far = await arrival;
  t.match(far.headers, { ':method': 'CONNECT', ':authority': 'far.test:443', 'x-own': '1' });
  for (const name of [':scheme', ':path', ':protocol', 'host']) t.notOk(name in far.headers, `no ${name}`);
  far.stream.respond({ ':status': 200, 'content-length': '3' });
  const answer = await one.head();
  t.strictSame([answer.status, answer.reason], [200, 'OK']);
  for (const name of ['content-length', 'transfer-encoding', 'connection', 'upgrade']) t.equal(value(answer, name), undefined, `no ${name}`);
  t.equal(await exactly(far.stream, 5), 'eager');
  far.stream.end('there');
  t.strictSame(await one.ended(), { how: 'fin', rest: 'there' });
  one.finish();
  t.equal(await whole(far.stream), '');
  await stage.proxy.statBecomes('cluster.app.upstream_cx_http1_total', 0);
  // A host may refuse.
  arrival = host.next('far.test:443');
  const refused = await stage.connect();
  refused.write(CONNECT);
  (await arrival).stream.respond({ ':status': 403 }, { endStream: true });
  t.equal((await refused.head()).status, 403);
  refused.destroy();
}

async function ordinary(t: Test, stage: Stage): Promise<void> {
  const caller = await stage.connect();
  for (const body of ['no', '']) {
    const arrival = host.next('/ordinary');
    caller.write(request('GET', '/ordinary', WEBSOCKET));
    const { stream } = await arrival;
    stream.respond({ ':status': 426, 'content-length': String(body.length) });
    stream.end(body);
    const answer = await caller.answer();
    t.strictSame([answer.status, answer.text], [426, body]);
  }
  t.equal((await caller.exchange(request('GET', '/after'))).text, 'plain /after', 'the connection lives on');
  const arrival = host.next('/ordinary');
  caller.write(`${request('GET', '/ordinary', WEBSOCKET)}${request('GET', '/behind')}`);
  (await arrival).stream.respond({ ':status': 403 }, { endStream: true });
  t.equal((await caller.answer()).status, 403);
  t.equal((await caller.answer()).text, 'plain /behind', 'what came behind was a request after all');
  caller.destroy();
  const client = await session(t, stage);
  const second = host.next('/ordinary');
  const two = open(client, '/ordinary');
  two.write('GET /smuggled HTTP/1.1\r\n\r\n');
  (await second).stream.respond({ ':status': 403 });
  t.equal((await head(two))[':status'], 403);
  await second.then(({ stream }) => stream.end());
  two.resume();
  t.equal((await stage.get('/later')).text, 'plain /later');
  t.notMatch(host.seen.join(), /smuggled/, 'what was meant for the tunnel goes nowhere');
  client.close();
  await stage.proxy.statBecomes('http.main.downstream_cx_upgrades_active', 0);
}

async function notEnabled(t: Test, stage: Stage): Promise<void> {
  const caller = await stage.connect();
  const words = 'upstream does not accept extended CONNECT';
  for (let n = 0; n < 2; n++) {
    const answer = await caller.exchange(request('GET', '/no/1', WEBSOCKET));
    t.strictSame([answer.status, answer.text], [502, words]);
  }
  t.equal((await caller.exchange(request('GET', '/no/plain'))).text, 'plain /no/plain', 'and requests go on there');
  caller.destroy();
  t.match(await stage.logLine('/no/1 '), /^\/no\/1 HTTP\/1\.1 502 UPE extended_connect_not_enabled 0 41/);
  const client = await session(t, stage);
  const two = open(client, '/no/2');
  t.equal((await head(two))[':status'], 502);
  t.equal(await whole(two), words);
  t.strictSame(plainHost.seen.filter((one) => one.startsWith('CONNECT')), [], 'nothing of it was sent');
  client.close();
}

async function callerBreaks(t: Test, stage: Stage): Promise<void> {
  const client = await session(t, stage);
  const two = await tunnel2(client, '/caller-2');
  two.caller.destroy();
  t.equal(await codeOf(two.far), constants.NGHTTP2_CANCEL);
  t.match(await stage.logLine('/caller-2 '), /^\/caller-2 HTTP\/2 101 DC http2\.remote_reset /);
  client.close();
  const one = await tunnel1(stage, '/caller-1');
  one.caller.reset();
  t.equal(await codeOf(one.far), constants.NGHTTP2_CANCEL);
  t.match(await stage.logLine('/caller-1 '), /^\/caller-1 HTTP\/1\.1 101 DC downstream_remote_disconnect /);
}

async function hostBreaks(t: Test, stage: Stage): Promise<void> {
  const client = await session(t, stage);
  const two = await tunnel2(client, '/host-2');
  two.far.stream.close(constants.NGHTTP2_INTERNAL_ERROR);
  await within('RST_STREAM', new Promise((resolve) => two.caller.once('close', resolve)));
  t.equal(two.caller.rstCode, constants.NGHTTP2_CANCEL);
  t.match(await stage.logLine('/host-2 '), /^\/host-2 HTTP\/2 101 UR upstream_reset_after_response_started\{remote_reset\} /);
  const arrival = host.next('broken.test:443');
  const plainTunnel = client.request({ ':method': 'CONNECT', ':authority': 'broken.test:443' }, { endStream: false });
  plainTunnel.on('error', () => undefined);
  const { stream } = await arrival;
  stream.respond({ ':status': 200 });
  await head(plainTunnel);
  stream.close(constants.NGHTTP2_CANCEL);
  await within('RST_STREAM', new Promise((resolve) => plainTunnel.once('close', resolve)));
  t.equal(plainTunnel.rstCode, constants.NGHTTP2_CONNECT_ERROR);
  client.close();
  const one = await tunnel1(stage, '/host-1');
  one.far.session.destroy();
  t.equal((await one.caller.ended()).how, 'reset');
  t.match(await stage.logLine('/host-1 '), /^\/host-1 HTTP\/1\.1 101 UC upstream_reset_after_response_started\{connection_termination\} /);
}

async function trailers(t: Test, stage: Stage): Promise<void> {
  const client = await session(t, stage);
  const arrival = host.next('/trailers');
  const caller = open(client, '/trailers');
  const { stream } = await arrival;
  stream.on('wantTrailers', () => stream.sendTrailers({ 'x-late': '1' }));
  stream.respond({ ':status': 200 }, { waitForTrailers: true });
  await head(caller);
  stream.end('bytes');
  await within('RST_STREAM', new Promise((resolve) => caller.once('close', resolve)));
  t.equal(caller.rstCode, constants.NGHTTP2_CANCEL);
  t.match(await stage.logLine('/trailers '), /101 UPE upstream_reset_after_response_started\{protocol_error\}/);
  client.close();
}

async function idle(t: Test, stage: Stage): Promise<void> {
  const one = await tunnel1(stage, '/idle');
  one.caller.write('x');
  t.equal(await exactly(one.far.stream, 1), 'x');
  t.equal((await one.caller.ended()).how, 'reset', 'silence ends it');
  t.equal(await codeOf(one.far), constants.NGHTTP2_CANCEL);
  t.match(await stage.logLine('/idle '), /^\/idle HTTP\/1\.1 101 SI stream_idle_timeout 1 0 /);
  await stage.proxy.statBecomes('cluster.app.upstream_rq_active', 0);
}

async function goaway(t: Test, stage: Stage): Promise<void> {
  const closed = await stage.proxy.stat('cluster.app.upstream_cx_destroy_local');
  const one = await tunnel1(stage, '/goaway');
  one.far.session.goaway(constants.NGHTTP2_NO_ERROR, one.far.stream.id ?? 0);
  await new Promise((resolve) => one.far.session.ping(() => resolve(undefined)));
  one.caller.write('still');
  t.equal(await exactly(one.far.stream, 5), 'still');
  const next = await tunnel1(stage, '/next');
  t.not(next.far.session, one.far.session, 'new ones get another connection');
  one.far.stream.write('here');
  t.equal((await one.caller.reader.exactly(4)).toString(), 'here');
  for (const { caller, far } of [one, next]) {
    caller.finish();
    t.equal(await whole(far.stream), '');
    far.stream.end();
    t.equal((await caller.ended()).how, 'fin');
  }
  await stage.proxy.statBecomes('cluster.app.upstream_cx_destroy_local', closed + 1);
}

async function many(t: Test, stage: Stage): Promise<void> {
  const client = await session(t, stage);
  const overTwo = Array.from({ length: 20 }, async (_, n) => {
    const stream = open(client, `/echo-${n}`);
    await head(stream);
    const text = `${n}-`.repeat(100_000);
    stream.end(text, 'latin1');
    return (await whole(stream)) === text;
  });
  const overOne = Array.from({ length: 20 }, async (_, n) => {
    const caller = await stage.connect();
    caller.write(request('GET', `/echo-h1-${n}`, WEBSOCKET));
    await caller.head();
    const text = `${n}+`.repeat(100_000);
    caller.write(text);
    caller.finish();
    return (await caller.ended(60_000)).rest === text;
  });
  t.ok((await Promise.all([...overTwo, ...overOne])).every((same) => same), 'nothing is mixed, nothing is lost');
  client.close();
}
