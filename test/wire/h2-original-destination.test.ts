// Original destinations whose hosts speak HTTP/2, always or by ALPN: each caller's requests go where it wanted to go, and
// callers with one aim share connections. Here a PROXY protocol header says where that is; redirected sockets are the
// matter of original-destination.test.ts.

import { once } from 'node:events';
import { connect as connectHttp2, createSecureServer, createServer, type ClientHttp2Session, type ServerHttp2Stream } from 'node:http2';
import { createServer as createHttp1 } from 'node:http';
import { createServer as createHttps } from 'node:https';
import { connect, createServer as createTcp, type AddressInfo, type Server, type Socket } from 'node:net';
import type { IncomingHttpHeaders } from 'node:http2';

import t, { type Test } from 'tap';

import { makeCertificate } from '../support/certificates.ts';
import { waitFor, within } from '../support/deadline.ts';
import { subjectIsEnvoy } from '../support/run-proxy.ts';
import { onEachEngine, simpleConfig, type Stage } from '../support/stage.ts';
import { exactly, whole } from '../support/stream-ends.ts';
import { TunnelHost } from '../support/tunnel-host.ts';

t.setTimeout(60_000);

const WAYS = ['plain', 'auto', 'tls', 'autotls'] as const;

async function start<T extends Server>(server: T): Promise<string> {
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  t.teardown(() => server.close());
  return `127.0.0.1:${(server.address() as AddressInfo).port}`;
}

const { cert, key } = makeCertificate();
const say = (name: string) => (stream: ServerHttp2Stream, headers: IncomingHttpHeaders): void => {
  stream.respond({ ':status': 200 });
  stream.end(`${name} ${headers[':path']}`);
};
/** Who answers, by where the caller wants to go. */
const places = {
  one: await start(createServer().on('stream', say('one'))),
  two: await start(createServer().on('stream', say('two'))),
  old: await start(createHttp1((request, response) => response.end(`old ${request.url}`))),
  tls2: await start(createSecureServer({ cert, key }).on('stream', say('tls2'))),
  tls1: await start(createHttps({ cert, key }, (request, response) => response.end(`tls1 ${request.url}`))),
  echo: await start(createTcp({ allowHalfOpen: true }, (socket) => socket.pipe(socket))),
};
const tunnels = await new TunnelHost(true).start();
t.teardown(() => tunnels.stop());

onEachEngine(
  (stage) => {
    const base = simpleConfig(stage, { http: {
      protocols: ['http1', 'http2'],
      upgrades: ['websocket'],
      routes: [
        { match: { connect: true, headers: { 'x-auto': 'yes' } }, forward: { cluster: 'auto' } },
        { match: { connect: true }, forward: { cluster: 'plain' } },
        ...WAYS.map((name) => ({ match: { prefix: `/${name}/` }, forward: { cluster: name } })),
      ],
    } });
    base.listeners[0]!['proxyProtocol'] = true;
    const tls = { serverName: 'localhost', insecureSkipVerify: true };
    const cluster = (name: string, protocol: string, more: object): Record<string, unknown> => ({ name, protocol, type: 'originalDst', ...more });
    return { ...base, clusters: [cluster('plain', 'http2', {}), cluster('auto', 'auto', {}), cluster('tls', 'http2', { tls }), cluster('autotls', 'auto', { tls })] };
  },
  {},
  async (t, stage) => {
    await t.test('HTTP/1.1 callers', (t) => http1Callers(t, stage));
    await t.test('HTTP/2 callers', (t) => http2Callers(t, stage));
    await t.test('one aim, few connections', (t) => shared(t, stage));
    await t.test('nowhere to go', (t) => nowhere(t, stage));
    await t.test('a host that speaks something else', (t) => otherTongue(t, stage));
    await t.test('tunnels', (t) => throughTunnels(t, stage));
  },
  subjectIsEnvoy ? [] : undefined,
);

/** A connection that says it wanted to go to `aim`. */
async function sent(t: Test, stage: Stage, aim: string | null): Promise<Socket> {
  const [host, port] = stage.address.split(':');
  const socket = connect(Number(port), host!);
  socket.on('error', () => undefined);
  t.teardown(() => socket.destroy());
  await within('a connection', once(socket, 'connect'));
  socket.write(aim === null ? 'PROXY UNKNOWN\r\n' : `PROXY TCP4 127.0.0.1 127.0.0.1 40000 ${aim.slice(aim.indexOf(':') + 1)}\r\n`);
  return socket;
}

/** One HTTP/1.1 request: status and body. */
async function ask(t: Test, stage: Stage, aim: string | null, path: string): Promise<string> {
  const socket = await sent(t, stage, aim);
  let text = '';
  socket.on('data', (bytes: Buffer) => (text += bytes.toString()));
  socket.write(`GET ${path} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n`);
  await within('the end', once(socket, 'close'));
  const body = text.slice(text.indexOf('\r\n\r\n') + 4).replace(/^[0-9a-f]+\r\n(.*)\r\n0\r\n\r\n$/, '$1');
  return `${text.slice(9, 12)} ${body}`;
}

async function session(t: Test, stage: Stage, aim: string | null): Promise<ClientHttp2Session> {
  const socket = await sent(t, stage, aim);
  const client = connectHttp2('http://a', { createConnection: () => socket });
  client.on('error', () => undefined);
  t.teardown(() => client.destroy());
  await within('SETTINGS', once(client, 'remoteSettings'));
  return client;
}

/** One request on a session: status and body. */
async function ask2(client: ClientHttp2Session, path: string): Promise<string> {
  const stream = client.request({ ':path': path });
  const [headers] = (await within('the answer', once(stream, 'response'))) as [IncomingHttpHeaders];
  return `${headers[':status']} ${await whole(stream)}`;
}

const ANSWERS: readonly (readonly [aim: keyof typeof places, way: (typeof WAYS)[number]])[] = [
  ['one', 'plain'], ['two', 'plain'], ['old', 'auto'], ['tls2', 'tls'], ['tls2', 'autotls'], ['tls1', 'autotls'],
];

async function http1Callers(t: Test, stage: Stage): Promise<void> {
  for (const [aim, way] of ANSWERS) t.equal(await ask(t, stage, places[aim], `/${way}/x`), `200 ${aim} /${way}/x`);
  t.equal(await stage.logLine(places.one), `/plain/x 200 - via_upstream ${places.one}`, 'the log tells which');
}

async function http2Callers(t: Test, stage: Stage): Promise<void> {
  const clients = await Promise.all(ANSWERS.map(([aim]) => session(t, stage, places[aim])));
  const asked: Promise<void>[] = [];
  for (let i = 0; i < 20; i++) {
    ANSWERS.forEach(([aim, way], k) => asked.push(ask2(clients[k]!, `/${way}/${i}`).then((answer) => void t.equal(answer, `200 ${aim} /${way}/${i}`))));
  }
  await Promise.all(asked);
  for (const client of clients) client.close();
}

async function shared(t: Test, stage: Stage): Promise<void> {
  const total = (): Promise<number> => stage.proxy.stat('cluster.plain.upstream_cx_total');
  t.ok((await total()) <= 4, 'two places, two workers');
  t.equal(await stage.proxy.stat('cluster.plain.upstream_cx_http2_total'), await total());
  t.equal(await stage.proxy.stat('cluster.auto.upstream_cx_http2_total'), 0, 'without TLS there is no ALPN');
}

async function nowhere(t: Test, stage: Stage): Promise<void> {
  for (const way of WAYS) t.equal(await ask(t, stage, null, `/${way}/none`), '503 no healthy upstream', way);
  const client = await session(t, stage, null);
  for (const way of WAYS) t.equal(await ask2(client, `/${way}/none`), '503 no healthy upstream', way);
  client.close();
  const dead = createTcp();
  const address = await start(dead);
  await new Promise((resolve) => dead.close(resolve));
  const lost = await session(t, stage, address);
  for (const way of WAYS) t.match(await ask2(lost, `/${way}/dead`), '503 upstream connect error', way);
  lost.close();
}

/** A host that was found by its address alone may not speak what the cluster's hosts do. */
async function otherTongue(t: Test, stage: Stage): Promise<void> {
  t.match(await ask(t, stage, places.old, '/plain/tongue'), /^50[23] upstream connect error/);
  t.match(await ask(t, stage, places.tls1, '/tls/tongue'), /^503 upstream connect error/);
  t.match(await stage.logLine('/tls/tongue'), /503 UF .*TLS_error.*h2|503 UF .*TLS_error.*no_application_protocol/i);
  t.match(await ask(t, stage, places.one, '/autotls/tongue'), /^503 upstream connect error/);
  t.match(await stage.logLine('/autotls/tongue'), /503 UF .*TLS_error/);
  t.equal(await ask(t, stage, places.one, '/plain/after'), '200 one /plain/after', 'others are not harmed');
}

async function throughTunnels(t: Test, stage: Stage): Promise<void> {
  const client = await session(t, stage, tunnels.address);
  const arrival = tunnels.next('/plain/ws');
  const stream = client.request({ ':method': 'CONNECT', ':protocol': 'websocket', ':scheme': 'http', ':path': '/plain/ws', ':authority': 'a' }, { endStream: false });
  const far = await arrival;
  far.stream.respond({ ':status': 200 });
  stream.write('up');
  t.equal(await exactly(far.stream, 2), 'up');
  far.stream.end('down');
  stream.end();
  t.equal(await whole(stream), 'down');
  const asked = tunnels.next('far:1');
  const plain = client.request({ ':method': 'CONNECT', ':authority': 'far:1' }, { endStream: false });
  const there = await asked;
  there.stream.respond({ ':status': 200 });
  there.stream.end('behind CONNECT');
  plain.end();
  t.equal(await whole(plain), 'behind CONNECT');
  client.close();
  // To hosts that may speak anything the bytes go as they are.
  const raw = await session(t, stage, places.echo);
  const echo = raw.request({ ':method': 'CONNECT', ':authority': 'far:2', 'x-auto': 'yes' }, { endStream: false });
  echo.end('straight');
  t.equal(await whole(echo), 'straight');
  raw.close();
  await waitFor('the tunnels to end', async () => (await stage.proxy.stat('cluster.plain.upstream_rq_active')) === 0);
}
