// The gRPC interop cases that @grpc/grpc-js can play, with its client before and its server behind the proxy, in the clear
// and over TLS on either side. The cases and their sizes are those of the gRPC project's interop-test-descriptions.

import { writeFileSync } from 'node:fs';
import { join } from 'node:path';

import * as grpc from '@grpc/grpc-js';
import t, { type Test } from 'tap';

import { makeCertificate } from '../support/certificates.ts';
import { waitFor } from '../support/deadline.ts';
import { ECHO_INITIAL, ECHO_TRAILING, GrpcCaller, GrpcServer, type LiveCall, METHODS, payload, UNKNOWN_METHOD, UNKNOWN_SERVICE } from '../support/grpc-peer.ts';
import type { Json, Proxy, ProxyConfig } from '../support/run-proxy.ts';
import { onEachEngine, type Stage } from '../support/stage.ts';

t.setTimeout(120_000);

const { UnaryCall, EmptyCall, StreamingInputCall, StreamingOutputCall, FullDuplexCall } = METHODS;
const { cert, key } = makeCertificate({ names: ['localhost', '127.0.0.1'] });
const servers = {
  clear: await GrpcServer.start(),
  tls: await GrpcServer.start(grpc.ServerCredentials.createSsl(null, [{ private_key: Buffer.from(key), cert_chain: Buffer.from(cert) }])),
};
t.teardown(() => Object.values(servers).forEach((server) => server.stop()));

type Hop = keyof typeof servers;
const HOPS: readonly Hop[] = ['clear', 'tls'];
const REQUEST_SIZES = [27182, 8, 1828, 45904];
const RESPONSE_SIZES = [31415, 9, 2653, 58979];

interface Scene {
  readonly dial: (options?: grpc.ClientOptions) => GrpcCaller;
  readonly caller: GrpcCaller;
  readonly server: GrpcServer;
  readonly outward: Hop;
  readonly proxy: Proxy;
}

onEachEngine((stage) => configure(stage), {}, async (t, stage) => {
  for (const inward of HOPS) {
    for (const outward of HOPS) {
      await t.test(`${inward} in, ${outward} out`, async (t) => {
        const credentials = inward === 'clear' ? grpc.credentials.createInsecure() : grpc.credentials.createSsl(Buffer.from(cert));
        const dial = (options?: grpc.ClientOptions): GrpcCaller => {
          const caller = new GrpcCaller(stage.proxy.listener(`${inward}-${outward}`), credentials, options);
          t.teardown(() => caller.close());
          return caller;
        };
        const scene = { dial, caller: dial(), server: servers[outward], outward, proxy: stage.proxy };
        for (const play of CASES) await t.test(play.name, (t) => play(t, scene));
      });
    }
  }
  await t.test('what was counted', async (t) => {
    for (const outward of HOPS) t.equal(await stage.proxy.stat(`cluster.${outward}.upstream_cx_http1_total`), 0);
  });
});

function configure(stage: Stage): ProxyConfig {
  const put = (name: string, text: string): string => {
    writeFileSync(join(stage.directory, name), text);
    return join(stage.directory, name);
  };
  const pair = { cert: put('edge.pem', cert), key: put('edge.key', key) };
  const listeners = HOPS.flatMap((inward) => HOPS.map((outward): Json => ({
    name: `${inward}-${outward}`,
    address: '127.0.0.1:0',
    ...(inward === 'tls' ? { tls: { certificates: [pair] } } : {}),
    http: { protocols: ['http2'], routes: [{ match: { prefix: '/' }, forward: { cluster: outward, timeout: '0s' } }] },
  })));
  const cluster = (name: Hop, over: Json = {}): Json => ({ name, protocol: 'http2', endpoints: [servers[name].address], ...over });
  return { listeners, clusters: [cluster('clear'), cluster('tls', { tls: { ca: pair.cert, serverName: 'localhost' } })] };
}

const CASES: readonly ((t: Test, scene: Scene) => Promise<void>)[] = [
  empty_unary, large_unary, compressed_unary, client_streaming, server_streaming, ping_pong, empty_stream, status_code_and_message,
  special_status_message, unimplemented_method, unimplemented_service, custom_metadata, cancel_after_begin,
  cancel_after_first_response, timeout_on_sleeping_server, concurrent_large_unary, large_messages, slow_reader,
];

async function empty_unary(t: Test, { caller }: Scene): Promise<void> {
  const { code, messages, initial, trailing } = await caller.call(EmptyCall);
  t.equal(code, 0);
  t.strictSame(messages, [{}]);
  for (const metadata of [initial!, trailing]) t.strictSame(Object.keys(metadata.getMap()).filter((name) => name.startsWith('grpc-')), []);
}

async function large_unary(t: Test, { caller }: Scene): Promise<void> {
  const { code, messages } = await caller.call(UnaryCall, { sizes: [314159], payload: payload(271828) });
  t.equal(code, 0);
  t.equal(messages.length, 1);
  t.equal(messages[0]!.total, 271828);
  t.ok(messages[0]!.payload!.equals(payload(314159)));
}

/** What the two agree on for the coding of messages passes through untouched. */
async function compressed_unary(t: Test, { dial }: Scene): Promise<void> {
  const { code, messages } = await dial({ 'grpc.default_compression_algorithm': grpc.compressionAlgorithms.gzip }).call(UnaryCall, { sizes: [314159], payload: payload(271828) });
  t.equal(code, 0);
  t.equal(messages[0]!.total, 271828);
  t.ok(messages[0]!.payload!.equals(payload(314159)));
}

async function client_streaming(t: Test, { caller }: Scene): Promise<void> {
  const { code, messages } = await caller.call(StreamingInputCall, REQUEST_SIZES.map((size) => ({ payload: payload(size) })));
  t.equal(code, 0);
  t.strictSame(messages.map(({ total }) => total), [74922]);
}

async function server_streaming(t: Test, { caller }: Scene): Promise<void> {
  const { code, messages } = await caller.call(StreamingOutputCall, { sizes: RESPONSE_SIZES });
  t.equal(code, 0);
  t.strictSame(messages.map((message) => message.payload!.length), RESPONSE_SIZES);
  messages.forEach((message, i) => t.ok(message.payload!.equals(payload(RESPONSE_SIZES[i]!))));
}

async function ping_pong(t: Test, { caller }: Scene): Promise<void> {
  const live = caller.open(FullDuplexCall);
  for (const [i, size] of RESPONSE_SIZES.entries()) {
    live.send({ sizes: [size], payload: payload(REQUEST_SIZES[i]!) });
    t.ok((await live.next())!.payload!.equals(payload(size)), 'each is answered before the next is asked');
  }
  live.end();
  const { code, messages } = await live.outcome;
  t.equal(code, 0);
  t.equal(messages.length, 4);
}

async function empty_stream(t: Test, { caller }: Scene): Promise<void> {
  const { code, messages } = await caller.call(FullDuplexCall, []);
  t.equal(code, 0);
  t.strictSame(messages, []);
}

async function status_code_and_message(t: Test, { caller }: Scene): Promise<void> {
  const status = { code: 2, message: 'test status message' };
  for (const method of [UnaryCall, FullDuplexCall]) {
    const { code, details, messages } = await caller.call(method, { status });
    t.equal(code, 2);
    t.equal(details, status.message);
    t.strictSame(messages, []);
  }
}

async function special_status_message(t: Test, { caller }: Scene): Promise<void> {
  const message = '\t\ntest with whitespace\r\nand Unicode BMP ☺ and non-BMP 😈\t\n';
  const { code, details } = await caller.call(UnaryCall, { status: { code: 2, message } });
  t.equal(code, 2);
  t.equal(details, message);
}

async function unimplemented_method(t: Test, { caller }: Scene): Promise<void> {
  t.equal((await caller.call(UNKNOWN_METHOD)).code, grpc.status.UNIMPLEMENTED);
}

async function unimplemented_service(t: Test, { caller }: Scene): Promise<void> {
  t.equal((await caller.call(UNKNOWN_SERVICE)).code, grpc.status.UNIMPLEMENTED);
}

async function custom_metadata(t: Test, { caller, server }: Scene): Promise<void> {
  const binary = [Buffer.from([0xab, 0xab, 0xab]), Buffer.from(Array.from({ length: 256 }, (_, i) => i))];
  const metadata = new grpc.Metadata();
  metadata.set(ECHO_INITIAL, 'test_initial_metadata_value');
  for (const value of binary) metadata.add(ECHO_TRAILING, value);
  for (const method of [UnaryCall, FullDuplexCall]) {
    const { code, initial, trailing } = await caller.call(method, { sizes: [314159], payload: payload(271828) }, metadata);
    t.equal(code, 0);
    t.strictSame(initial!.get(ECHO_INITIAL), ['test_initial_metadata_value']);
    t.strictSame(trailing.get(ECHO_TRAILING), binary, 'binary values keep their bytes and their order');
    t.strictSame(server.seen.at(-1)!.get(ECHO_TRAILING), binary);
  }
}

async function cancel_after_begin(t: Test, scene: Scene): Promise<void> {
  const live = scene.caller.open(StreamingInputCall);
  await waitFor('the call to reach the server', () => scene.server.open === 1);
  await cancel(t, scene, live);
}

async function cancel_after_first_response(t: Test, scene: Scene): Promise<void> {
  const live = scene.caller.open(FullDuplexCall);
  live.send({ sizes: [31415], payload: payload(27182) });
  t.equal((await live.next())!.payload!.length, 31415);
  await cancel(t, scene, live);
}

async function cancel(t: Test, { server, proxy, outward }: Scene, live: LiveCall): Promise<void> {
  const resets = `cluster.${outward}.http2.tx_reset`;
  const before = await proxy.stat(resets);
  live.stream.cancel();
  t.equal((await live.outcome).code, grpc.status.CANCELLED);
  await waitFor('the server to hear of it', () => server.open === 0);
  await proxy.statBecomes(resets, before + 1);
}

async function timeout_on_sleeping_server(t: Test, { caller, server }: Scene): Promise<void> {
  const live = caller.open(FullDuplexCall, new grpc.Metadata(), { deadline: Date.now() + 1 });
  live.send({ payload: payload(27182) });
  t.equal((await live.outcome).code, grpc.status.DEADLINE_EXCEEDED);
  await waitFor('the server to have given it up', () => server.open === 0);
}

/** Hundreds of calls at once: each gets its own answer. */
async function concurrent_large_unary(t: Test, { caller }: Scene): Promise<void> {
  const sizes = Array.from({ length: 300 }, (_, i) => 1 + ((i * 7919) % 5000));
  const outcomes = await Promise.all(sizes.map((size) => caller.call(UnaryCall, { sizes: [size], payload: payload(5001 - size) })));
  const wrong = outcomes.filter(({ code, messages }, i) => code !== 0 || messages[0]!.total !== 5001 - sizes[i]! || !messages[0]!.payload!.equals(payload(sizes[i]!)));
  t.equal(wrong.length, 0);
}

/** Many times the window of a stream and of a connection, both ways at once. */
async function large_messages(t: Test, { caller }: Scene): Promise<void> {
  const size = 4 << 20;
  const calls = Array.from({ length: 4 }, (_, i) => caller.call(FullDuplexCall, [{ sizes: [size + i], payload: payload(size) }, { sizes: [size - i], payload: payload(size) }]));
  for (const [i, { code, messages }] of (await Promise.all(calls)).entries()) {
    t.equal(code, 0);
    t.ok(messages[0]!.payload!.equals(payload(size + i)));
    t.ok(messages[1]!.payload!.equals(payload(size - i)));
  }
}

/** A caller who does not read holds back his own stream and nobody else's. */
async function slow_reader(t: Test, { caller, server }: Scene): Promise<void> {
  const sizes = Array.from({ length: 64 }, () => 1 << 18);
  const live = caller.open(StreamingOutputCall);
  live.stream.pause();
  live.send({ sizes });
  live.end();
  await waitFor('the call to reach the server', () => server.open === 1);
  for (let i = 0; i < 20; i++) t.equal((await caller.call(UnaryCall, { sizes: [i] })).code, 0);
  t.equal(server.open, 1, 'what is not read waits at its source');
  live.stream.resume();
  const { code, messages } = await live.outcome;
  t.equal(code, 0);
  t.ok(messages.length === 64 && messages.every((message) => message.payload!.equals(payload(1 << 18))));
}
