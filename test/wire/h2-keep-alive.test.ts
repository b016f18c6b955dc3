// PING keep-alive over real sockets, towards hosts and callers: who answers is kept, who has fallen silent is given up with
// all that was under way there.

import { once } from 'node:events';
import { connect as connectHttp2, createServer as createHttp2, type ServerHttp2Session } from 'node:http2';
import { connect, createServer, type AddressInfo, type Server, type Socket } from 'node:net';

import t, { type Test } from 'tap';

import { waitFor, within } from '../support/deadline.ts';
import { ACK, data, END_HEADERS, type Frame, FrameLog, headers, hello, PREFACE, settings, settingsAck, T } from '../support/h2-bytes.ts';
import { subjectIsEnvoy } from '../support/run-proxy.ts';
import { onEachEngine, simpleConfig, type Stage } from '../support/stage.ts';

t.setTimeout(60_000);

const KEEP_ALIVE = { keepAliveInterval: '100ms', keepAliveTimeout: '300ms' };

async function start(server: Server): Promise<string> {
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  t.teardown(() => server.close());
  return `127.0.0.1:${(server.address() as AddressInfo).port}`;
}

/** Connections of a host that is there. */
const sessions: { session: ServerHttp2Session; pings: number }[] = [];
const alive = createHttp2().on('session', (session) => {
  const entry = { session, pings: 0 };
  sessions.push(entry);
  session.on('ping', () => entry.pings++);
}).on('stream', (stream) => {
  stream.respond({ ':status': 200 });
  stream.end('here');
});

/** One that says its settings, begins the answers to paths that end in /half, and is never heard of again. */
const silent: { socket: Socket; pings: number; requests: number; end: string }[] = [];
const dead = createServer((socket) => {
  const entry = { socket, pings: 0, requests: 0, end: 'open' };
  const log = new FrameLog();
  let skip = PREFACE.length;
  silent.push(entry);
  socket.on('error', () => undefined);
  socket.on('close', (broken) => (entry.end = broken ? 'reset' : 'closed'));
  socket.on('data', (bytes: Buffer) => {
    const from = Math.min(skip, bytes.length);
    skip -= from;
    for (const frame of log.add(bytes.subarray(from))) take(entry, frame);
  });
  socket.write(Buffer.concat([settings(), settingsAck()]));
});

function take(entry: (typeof silent)[number], { type, flags, id, fields }: Frame): void {
  if (type === T.PING && (flags & ACK) === 0) entry.pings++;
  if (type !== T.HEADERS) return;
  entry.requests++;
  if (!fields.some(([name, value]) => name === ':path' && value.endsWith('/half'))) return;
  entry.socket.write(Buffer.concat([headers(id, [[':status', '200'], ['content-length', '9']], END_HEADERS), data(id, 'half', false)]));
}

const addresses = { alive: await start(alive), dead: await start(dead) };

onEachEngine(
  (stage) => {
    sessions.length = silent.length = 0;
    const base = simpleConfig(stage, { http: { protocols: ['http1', 'http2'], http2: KEEP_ALIVE, routes: [
      { match: { prefix: '/dead' }, forward: { cluster: 'dead' } },
      { match: { prefix: '/' }, forward: { cluster: 'alive' } },
    ] } });
    return { ...base, clusters: (['alive', 'dead'] as const).map((name) => ({ name, protocol: 'http2', endpoints: [addresses[name]], http2: KEEP_ALIVE })) };
  },
  { workers: 1 }, // so that all requests share one connection
  async (t, stage) => {
    await t.test('a host that answers keeps its connection', (t) => kept(t, stage));
    await t.test('a host that falls silent', (t) => givenUp(t, stage));
    await t.test('half an answer', (t) => half(t, stage));
    await t.test('a caller that answers, one that does not', (t) => callers(t, stage));
  },
  subjectIsEnvoy ? [] : undefined,
);

async function kept(t: Test, stage: Stage): Promise<void> {
  t.equal((await stage.get('/')).text, 'here');
  const [first] = sessions;
  await waitFor('four PINGs', () => first!.pings >= 4);
  t.equal((await stage.get('/')).text, 'here');
  t.equal(sessions.length, 1, 'on the same connection');
  t.equal(await stage.proxy.stat('cluster.alive.http2.keepalive_timeout'), 0);
}

async function givenUp(t: Test, stage: Stage): Promise<void> {
  const answers = await Promise.all(Array.from({ length: 10 }, (_, i) => stage.get(`/dead/${i}`)));
  for (const { status, text } of answers) {
    t.equal(status, 503);
    t.equal(text, 'upstream connect error or disconnect/reset before headers. reset reason: connection termination');
  }
  t.match(await stage.logLine('/dead/9'), '/dead/9 503 UC upstream_reset_before_response_started{connection_termination}');
  await waitFor('the connections to close', () => silent.every(({ end }) => end !== 'open'));
  t.equal(silent.reduce((sum, { requests }) => sum + requests, 0), 10);
  for (const { pings } of silent) t.equal(pings, 1, 'asked once');
  const stat = (name: string): Promise<number> => stage.proxy.stat(`cluster.dead.${name}`);
  await waitFor('the gauges to return to zero', async () => (await stat('upstream_cx_active')) === 0 && (await stat('upstream_rq_active')) === 0);
  t.equal(await stat('http2.keepalive_timeout'), silent.length);
  t.equal(await stat('upstream_cx_destroy_local_with_active_rq'), silent.length);
  t.equal(await stat('http2.streams_active'), 0);
}

async function half(t: Test, stage: Stage): Promise<void> {
  const answer = await stage.get('/dead/half').then(() => 'whole', (error: Error) => error.message);
  t.not(answer, 'whole', 'the caller is not told that this was all');
  t.match(await stage.logLine('/dead/half'), '/dead/half 200 UC ');
}

async function callers(t: Test, stage: Stage): Promise<void> {
  const client = connectHttp2(`http://${stage.address}`);
  client.on('error', () => undefined);
  t.teardown(() => client.destroy());
  let pings = 0;
  client.on('ping', () => pings++);
  const [host, port] = stage.address.split(':');
  const mute = connect(Number(port), host!);
  mute.on('error', () => undefined);
  t.teardown(() => mute.destroy());
  mute.resume().write(hello());
  await within('the mute one to be let go', new Promise((resolve) => mute.once('close', resolve)));
  await waitFor('four PINGs', () => pings >= 4);
  t.notOk(client.closed);
  client.close();
  await stage.proxy.statBecomes('http2.keepalive_timeout', 1);
}
