// What a gRPC caller sees when something goes wrong on the way: deadlines, hosts that are down, full breakers, GOAWAY,
// answers that break off in the middle of a message, and a proxy that is told to stop. Caller and server are @grpc/grpc-js.

import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { constants, createServer as createHttp2, type Http2Server, type ServerHttp2Stream } from 'node:http2';
import { createServer, type AddressInfo, type Socket } from 'node:net';

import * as grpc from '@grpc/grpc-js';
import t, { type Test } from 'tap';

import { waitFor, within } from '../support/deadline.ts';
import { GrpcCaller, GrpcServer, METHODS, type Outcome, payload } from '../support/grpc-peer.ts';
import type { Json } from '../support/run-proxy.ts';
import { onEachEngine, simpleConfig, type Stage } from '../support/stage.ts';

t.setTimeout(120_000);

const { UnaryCall, EmptyCall, FullDuplexCall, StreamingInputCall } = METHODS;
const LOG = '%REQ(:PATH)% %REQ(X-CASE)% %GRPC_STATUS_NUMBER% %GRPC_STATUS% %RESPONSE_FLAGS% %RESPONSE_CODE_DETAILS%\n';

const server = await GrpcServer.start();
/** Sends every connection away after a moment, and lets what runs on it finish. */
const restless = await GrpcServer.start(undefined, { 'grpc.max_connection_age_ms': 200, 'grpc.max_connection_age_grace_ms': 20_000 });
/** Calls that `breaking` has refused, each once. */
const refusals = new Set<string>();
/** Begins an answer, and ends it as its path says. */
const breaking = await startBreaking();
const closedPort = await unusedPort();
t.teardown(() => {
  server.stop();
  restless.stop();
  breaking.close();
});

const HOSTS = { app: server.address, restless: restless.address, breaking: addressOf(breaking), down: closedPort, narrow: server.address };

onEachEngine((stage) => {
  const cases = (name: string): Json => ({ match: { prefix: '/', headers: { 'x-cluster': name } }, forward: { cluster: name, timeout: '0s' } });
  const config = simpleConfig(stage, { http: {
    protocols: ['http2'],
    accessLog: [{ path: stage.logPath, format: LOG }],
    routes: [
      { match: { prefix: '/', headers: { 'x-cluster': 'capped' } }, forward: { cluster: 'app', grpcTimeoutHeaderMax: '150ms' } },
      { match: { prefix: '/', headers: { 'x-cluster': 'heeded' } }, forward: { cluster: 'app', grpcTimeoutHeaderMax: '0s' } },
      ...Object.keys(HOSTS).map(cases),
    ],
  } });
  config.clusters = Object.entries(HOSTS).map(([name, address]) => ({
    name, protocol: 'http2', endpoints: [address], ...(name === 'narrow' ? { circuitBreakers: { maxRequests: 1 } } : {}),
  }));
  return config;
}, { workers: 2, stopped: true }, async (t, stage) => {
  const cases = [capped, heeded, down, overflow, goaway, refused, shutdown, ...HALVES.map((half) => named(half, (t: Test, stage: Stage) => halfMessage(t, stage, half))), drain];
  for (const play of cases) await t.test(play.name, (t) => play(t, stage));
});

function named<F extends (...parts: never[]) => unknown>(name: string, play: F): F {
  return Object.defineProperty(play, 'name', { value: name });
}

function dial(t: Test, stage: Stage): GrpcCaller {
  const caller = new GrpcCaller(stage.address);
  t.teardown(() => caller.close());
  return caller;
}

function to(cluster: string): grpc.Metadata {
  const metadata = new grpc.Metadata();
  metadata.set('x-cluster', cluster);
  metadata.set('x-case', cluster);
  return metadata;
}

/** The proxy's own reply, long before the caller's clock would say the same. */
async function capped(t: Test, stage: Stage): Promise<void> {
  const live = dial(t, stage).open(FullDuplexCall, to('capped'));
  live.send({ sizes: [] });
  const { code, details, messages } = await live.outcome;
  t.equal(code, grpc.status.DEADLINE_EXCEEDED);
  t.equal(details, 'downstream duration timeout');
  t.strictSame(messages, []);
  t.match(await stage.logLine(' capped '), / DeadlineExceeded - max_duration_timeout$/);
  t.match(server.seen.at(-1)!.get('x-case'), ['capped']);
  await waitFor('the server to be told', () => server.open === 0);
}

/** After the answer has begun the stream can only be reset: the caller must not take it for complete. */
async function heeded(t: Test, stage: Stage): Promise<void> {
  const live = dial(t, stage).open(FullDuplexCall, to('heeded'), { deadline: Date.now() + 400 });
  live.send({ sizes: [10] });
  t.equal((await live.next())!.payload!.length, 10);
  const { code, messages } = await live.outcome;
  t.not(code, 0);
  t.equal(messages.length, 1);
  await waitFor('the server to be told', () => server.open === 0);
}

async function down(t: Test, stage: Stage): Promise<void> {
  const { code, details } = await dial(t, stage).call(UnaryCall, {}, to('down'));
  t.equal(code, grpc.status.UNAVAILABLE);
  t.match(details, /^upstream connect error or disconnect\/reset before headers\. reset reason: remote connection failure/);
  t.match(await stage.logLine(' down '), / Unavailable UF upstream_reset_before_response_started\{remote_connection_failure/);
}

async function overflow(t: Test, stage: Stage): Promise<void> {
  const caller = dial(t, stage);
  const first = caller.open(FullDuplexCall, to('narrow'));
  first.send({ sizes: [1] });
  await first.next();
  const { code, details } = await caller.call(UnaryCall, {}, to('narrow'));
  t.equal(code, grpc.status.UNAVAILABLE);
  t.match(details, /reset reason: overflow/);
  t.match(await stage.logLine(' narrow '), / Unavailable UO upstream_reset_before_response_started\{overflow\}$/);
  first.end();
  t.equal((await first.outcome).code, 0, 'the one before is not disturbed');
  t.equal((await caller.call(UnaryCall, {}, to('narrow'))).code, 0, 'and after it there is room');
}

/** GOAWAY upon GOAWAY: what runs is finished, what comes goes elsewhere, nobody notices. */
async function goaway(t: Test, stage: Stage): Promise<void> {
  const caller = dial(t, stage);
  const long = caller.open(FullDuplexCall, to('restless'));
  const opened = await stage.proxy.stat('cluster.restless.upstream_cx_http2_total');
  const codes = new Set<number>();
  let calls = 0;
  await waitFor('several connections', async () => {
    long.send({ sizes: [1000 + calls] });
    const all = await Promise.all(Array.from({ length: 4 }, () => caller.call(UnaryCall, { sizes: [calls] }, to('restless'))));
    for (const { code } of all) codes.add(code);
    if ((await long.next())?.payload?.length !== 1000 + calls++) throw new Error('the long call has lost a message');
    return (await stage.proxy.stat('cluster.restless.upstream_cx_http2_total')) - opened >= 4;
  });
  long.end();
  t.equal((await long.outcome).code, 0);
  t.strictSame([...codes], [0]);
  t.equal((await long.outcome).messages.length, calls);
}

/** A host may refuse a call after its messages have gone: they are sent again. What is too large for that is refused. */
async function refused(t: Test, stage: Stage): Promise<void> {
  const caller = dial(t, stage);
  refusals.clear();
  const ask = async (how: string, sizes: readonly number[]): Promise<Outcome> => {
    const metadata = to('breaking');
    metadata.set('x-how', how);
    const live = caller.open(StreamingInputCall, metadata);
    for (const size of sizes) {
      live.send({ payload: payload(size) });
      if (how.includes('early')) await waitFor('the refusal', () => refusals.has(how));
    }
    live.end();
    return live.outcome;
  };
  for (const sizes of [[], [0], [5000], [900, 800, 700]]) {
    const taken = await ask(`taken-${sizes.join()}`, sizes);
    t.equal(taken.trailing.get('x-digest').length, 1);
    for (const how of sizes.length > 1 ? ['refused', 'refused-early'] : ['refused']) {
      const again = await ask(`${how}-${sizes.join()}`, sizes);
      t.equal(again.code, 0, again.details);
      t.strictSame(again.trailing.get('x-digest'), taken.trailing.get('x-digest'), 'the same bytes, once');
    }
  }
  const large = await ask('refused-large', [20_000]);
  t.equal(large.code, grpc.status.UNAVAILABLE);
  t.match(large.details, /reset reason: remote refused stream reset/);
}

/** The server's connection is torn in the middle of calls. */
async function shutdown(t: Test, stage: Stage): Promise<void> {
  const caller = dial(t, stage);
  const live = caller.open(FullDuplexCall, to('restless'));
  live.send({ sizes: [5] });
  await live.next();
  const before = caller.open(StreamingInputCall, to('restless'));
  before.send({ payload: payload(1000) });
  await waitFor('both to be there', () => restless.open === 2);
  (restless.server as unknown as { sessions: Map<{ destroy(): void }, unknown> }).sessions.forEach((_, session) => session.destroy());
  t.not((await live.outcome).code, 0, 'broken off after its answer began');
  t.equal((await before.outcome).code, grpc.status.UNAVAILABLE, 'broken off before');
  t.equal((await caller.call(EmptyCall, {}, to('restless'))).code, 0, 'the next one finds a new connection');
}

/** How an answer of two messages ends in the middle of the second. */
const HALVES = ['reset', 'cut', 'no status'] as const;

async function halfMessage(t: Test, stage: Stage, how: (typeof HALVES)[number]): Promise<void> {
  const metadata = to('breaking');
  metadata.set('x-how', how);
  const { code, messages } = await dial(t, stage).call(UnaryCall, {}, metadata);
  t.not(code, 0, `${code}`);
  t.equal(messages.length, 1, 'the whole message, not the half one');
}

async function drain(t: Test, stage: Stage): Promise<void> {
  const caller = dial(t, stage);
  const live = caller.open(FullDuplexCall, to('app'));
  live.send({ sizes: [7] });
  await live.next();
  stage.proxy.signal('SIGTERM');
  await waitFor('the proxy to stop accepting', async () => (await stage.proxy.page('/ready')).status === 503);
  for (const size of [100_000, 1, 70_000]) {
    live.send({ sizes: [size] });
    t.ok((await live.next())!.payload!.equals(payload(size)), 'a stream that runs goes on');
  }
  const late = await new GrpcCaller(stage.address).call(EmptyCall, {}, to('app'));
  t.equal(late.code, grpc.status.UNAVAILABLE);
  t.equal(stage.proxy.run.exit, null);
  live.end();
  t.equal((await live.outcome).code, 0, 'to its end');
  t.strictSame(await within('the end', stage.proxy.run.ended), { code: 0, signal: null });
}

function addressOf(server: { address(): unknown }): string {
  return `127.0.0.1:${(server.address() as AddressInfo).port}`;
}

async function unusedPort(): Promise<string> {
  const probe = createServer().listen(0, '127.0.0.1');
  await once(probe, 'listening');
  const address = addressOf(probe);
  probe.close();
  await once(probe, 'close');
  return address;
}

async function startBreaking(): Promise<Http2Server> {
  const made = createHttp2();
  const sockets = new Set<Socket>();
  made.on('connection', (socket: Socket) => sockets.add(socket));
  made.on('stream', (stream: ServerHttp2Stream, headers) => {
    stream.on('error', () => undefined);
    const how = String(headers['x-how']);
    if (how.startsWith('refused') && !refusals.has(how)) {
      refusals.add(how);
      stream.resume();
      void once(stream, how.includes('early') ? 'data' : 'end').then(() => stream.close(constants.NGHTTP2_REFUSED_STREAM));
      return;
    }
    if (how.startsWith('refused') || how.startsWith('taken')) {
      void digest(stream);
      return;
    }
    stream.respond({ ':status': 200, 'content-type': 'application/grpc' });
    const whole = Buffer.from([0, 0, 0, 0, 0]);
    const half = Buffer.concat([Buffer.from([0, 0, 0, 1, 0]), payload(100)]);
    stream.write(Buffer.concat([whole, half]), () => {
      if (how === 'reset') stream.close(constants.NGHTTP2_INTERNAL_ERROR);
      else if (how === 'cut') sockets.forEach((socket) => socket.destroy());
      else stream.end();
    });
  });
  made.listen(0, '127.0.0.1');
  await once(made, 'listening');
  return made;
}

/** Answers with what was received. */
async function digest(stream: ServerHttp2Stream): Promise<void> {
  const hash = createHash('sha256');
  for await (const chunk of stream) hash.update(chunk as Buffer);
  stream.respond({ ':status': 200, 'content-type': 'application/grpc' }, { waitForTrailers: true });
  stream.on('wantTrailers', () => stream.sendTrailers({ 'grpc-status': '0', 'x-digest': hash.digest('hex') }));
  stream.end(Buffer.alloc(5));
}
