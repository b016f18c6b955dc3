// gRPC counted per cluster and method. What is expected was read off Envoy 1.40 with the same calls.

import * as grpc from '@grpc/grpc-js';
import t, { type Test } from 'tap';

import { waitFor } from '../support/deadline.ts';
import { GrpcCaller, GrpcServer, METHODS, payload, UNKNOWN_METHOD } from '../support/grpc-peer.ts';
import { request } from '../support/raw-client.ts';
import type { Json, ProxyConfig } from '../support/run-proxy.ts';
import { onEachEngine, simpleConfig, type Stage } from '../support/stage.ts';

t.setTimeout(60_000);

const SERVICE = 'grpc.testing.TestService';
const server = await GrpcServer.start();
t.teardown(() => server.stop());

onEachEngine((stage) => configure(stage, ['UnaryCall', 'FullDuplexCall']), {}, async (t, stage) => {
  await t.test('calls', (t) => calls(t, stage));
  await t.test('names that callers make up', (t) => made(t, stage));
  await t.test('from a browser', (t) => web(t, stage));
  await t.test('replies of our own', (t) => local(t, stage));
  await t.test('a reload keeps what is counted', (t) => reloaded(t, stage));
});

function configure(stage: Stage, methods: readonly string[]): ProxyConfig {
  const routes: Json[] = [
    { match: { prefix: '/direct.S' }, respond: { status: 503, body: 'no' } },
    { match: { prefix: '/none.S' }, forward: { cluster: 'none' } },
    { match: { prefix: '/' }, forward: { cluster: 'calls', timeout: '0s' } },
  ];
  const config = simpleConfig(stage, { http: {
    protocols: ['http1', 'http2'],
    filters: [{ grpcWeb: {} }, { grpcStats: { methods: [...methods.map((method) => `${SERVICE}/${method}`), 'none.S/M', 'direct.S/M'] } }],
    routes,
  } });
  config.clusters = [{ name: 'calls', protocol: 'http2', endpoints: [server.address] }, { name: 'none', endpoints: [] }, { name: 'other', endpoints: [server.address] }];
  return config;
}

async function counted(stage: Stage): Promise<Record<string, number>> {
  const all = [...(await stage.proxy.stats('\\.grpc\\.'))];
  return Object.fromEntries(all.map(([name, count]) => [name.replace(/^cluster\./, '').replace(`${SERVICE}.`, ''), count]));
}

async function becomes(t: Test, stage: Stage, expected: Record<string, number>, why: string): Promise<void> {
  let found: Record<string, number> = {};
  await waitFor(why, async () => JSON.stringify(Object.entries(found = await counted(stage))) === JSON.stringify(Object.entries(expected).sort(([a], [b]) => (a < b ? -1 : 1))), 3000).catch(() => undefined);
  t.strictSame(found, expected, why);
}

const CALLS = {
  'calls.grpc.0': 1, 'calls.grpc.12': 1, 'calls.grpc.success': 1, 'calls.grpc.failure': 1, 'calls.grpc.total': 2,
  'calls.grpc.request_message_count': 2, 'calls.grpc.response_message_count': 1,
  'calls.grpc.FullDuplexCall.0': 1, 'calls.grpc.FullDuplexCall.success': 1, 'calls.grpc.FullDuplexCall.total': 1,
  'calls.grpc.FullDuplexCall.request_message_count': 3, 'calls.grpc.FullDuplexCall.response_message_count': 4,
  'calls.grpc.UnaryCall.0': 2, 'calls.grpc.UnaryCall.5': 1, 'calls.grpc.UnaryCall.success': 2, 'calls.grpc.UnaryCall.failure': 2,
  'calls.grpc.UnaryCall.total': 4, 'calls.grpc.UnaryCall.request_message_count': 4, 'calls.grpc.UnaryCall.response_message_count': 2,
};

async function calls(t: Test, stage: Stage): Promise<void> {
  const caller = new GrpcCaller(stage.address);
  t.strictSame(await counted(stage), {}, 'nothing is there before its first use');
  const { UnaryCall, FullDuplexCall, EmptyCall } = METHODS;
  t.equal((await caller.call(UnaryCall, { sizes: [10] })).code, 0);
  t.equal((await caller.call(UnaryCall, { sizes: [300_000], payload: payload(200_000) })).code, 0, 'a message over many frames is one');
  for (const code of [5, 99]) t.equal((await caller.call(UnaryCall, { status: { code, message: 'x' } })).code, code);
  t.equal((await caller.call(FullDuplexCall, [{ sizes: [10, 0] }, { sizes: [3] }])).code, 0);
  t.equal((await caller.call(EmptyCall)).code, 0);
  t.equal((await caller.call(UNKNOWN_METHOD)).code, grpc.status.UNIMPLEMENTED);
  const live = caller.open(FullDuplexCall);
  live.send({ sizes: [4] });
  await live.next();
  await becomes(t, stage, CALLS, 'messages count as they pass; a call without a status does not');
  live.stream.cancel();
  t.equal((await live.outcome).code, grpc.status.CANCELLED);
  await becomes(t, stage, CALLS, 'also when it is given up');
  caller.close();
}

async function made(t: Test, stage: Stage): Promise<void> {
  const caller = new GrpcCaller(stage.address);
  const before = await counted(stage);
  for (const path of ['/made.Up/M', `/${SERVICE}/UnaryCall/`, `/${SERVICE}/UnaryCall?a`, `//${SERVICE}/UnaryCall`, '/constructor', `/${SERVICE}/unarycall`]) {
    await caller.call({ ...UNKNOWN_METHOD, path });
  }
  const after = await counted(stage);
  t.strictSame(Object.keys(after), Object.keys(before), 'are counted under no name of their own');
  t.equal(after['calls.grpc.total'], before['calls.grpc.total']! + 6);
  caller.close();
}

/** Behind grpcWeb a browser's call is a call like any other. */
async function web(t: Test, stage: Stage): Promise<void> {
  const before = await counted(stage);
  const body = Buffer.alloc(5).toString('base64');
  const answer = await stage.exchange(request('POST', `/${SERVICE}/UnaryCall`, { 'Content-Type': 'application/grpc-web-text+proto' }, body));
  t.equal(answer.status, 200);
  const after = await counted(stage);
  for (const name of ['0', 'success', 'total', 'request_message_count', 'response_message_count']) {
    t.equal(after[`calls.grpc.UnaryCall.${name}`], before[`calls.grpc.UnaryCall.${name}`]! + 1, name);
  }
  t.equal((await stage.exchange(request('POST', `/${SERVICE}/UnaryCall`, { 'Content-Type': 'application/json' }, '\0\0\0\0\0'))).status, 415, 'what is no call');
  t.strictSame(await counted(stage), after, 'is not counted');
}

async function local(t: Test, stage: Stage): Promise<void> {
  const caller = new GrpcCaller(stage.address);
  t.equal((await caller.call({ ...UNKNOWN_METHOD, path: '/none.S/M' })).code, grpc.status.UNAVAILABLE);
  t.equal((await caller.call({ ...UNKNOWN_METHOD, path: '/direct.S/M' })).code, grpc.status.UNAVAILABLE);
  await waitFor('the reply to be counted', async () => (await counted(stage))['none.grpc.none.S.M.14'] === 1);
  const found = await counted(stage);
  t.equal(found['none.grpc.none.S.M.failure'], 1);
  t.equal(found['none.grpc.none.S.M.total'], 1);
  t.notOk(Object.keys(found).some((name) => name.includes('direct')), 'a call that no cluster gets is not counted');
  caller.close();
}

async function reloaded(t: Test, stage: Stage): Promise<void> {
  const before = await counted(stage);
  const { wholeConfig } = await import('../support/run-proxy.ts');
  stage.proxy.writeConfig(wholeConfig(configure(stage, ['EmptyCall', 'UnaryCall']), stage.engine, 2));
  const updates = await stage.proxy.stat('config.update_success');
  stage.proxy.signal('SIGHUP');
  await stage.proxy.statBecomes('config.update_success', updates + 1);
  const caller = new GrpcCaller(stage.address);
  t.equal((await caller.call(METHODS.EmptyCall)).code, 0);
  t.equal((await caller.call(METHODS.UnaryCall, { sizes: [1] })).code, 0);
  await waitFor('both to be counted', async () => (await counted(stage))['calls.grpc.EmptyCall.total'] === 1);
  t.equal((await counted(stage))['calls.grpc.UnaryCall.total'], before['calls.grpc.UnaryCall.total']! + 1);
  caller.close();
}
