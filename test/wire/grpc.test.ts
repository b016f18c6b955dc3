// gRPC: answers of the proxy's own in gRPC's words, deadlines, and the status of a call in log lines, whatever the hop
// speaks. What is expected here of local replies and time-outs was read off Envoy 1.40.

import { once } from 'node:events';

import t, { type Test } from 'tap';

import { value } from '../support/http-message.ts';
import { request } from '../support/raw-client.ts';
import { subjectIsEnvoy } from '../support/run-proxy.ts';
import { onEachEngine, simpleConfig, type Stage } from '../support/stage.ts';

t.setTimeout(60_000);

const LOG = '%REQ(:PATH)% %RESPONSE_CODE% %GRPC_STATUS% %GRPC_STATUS(SNAKE_STRING)% %GRPC_STATUS_NUMBER% %RESPONSE_FLAGS% %RESPONSE_CODE_DETAILS%\n';
const MESSAGE = '\0\0\0\0\0';
const TYPE = { 'Content-Type': 'application/grpc+proto', TE: 'trailers' };

onEachEngine(
  (stage) => {
    const config = simpleConfig(stage, {
      http: {
        accessLog: [{ path: stage.logPath, format: LOG }],
        routes: [
          { match: { prefix: '/empty.S' }, forward: { cluster: 'empty' } },
          { match: { prefix: '/short.S' }, forward: { cluster: 'app', timeout: '200ms' } },
          { match: { prefix: '/capped.S' }, forward: { cluster: 'app', grpcTimeoutHeaderMax: '250ms' } },
          { match: { prefix: '/heeded.S' }, forward: { cluster: 'app', timeout: '100ms', grpcTimeoutHeaderMax: '0s' } },
          { match: { prefix: '/direct.S' }, respond: { status: 418, body: 'a %body\né' } },
          { match: { pathSeparatedPrefix: '/app.S' }, forward: { cluster: 'app' } },
        ],
      },
    });
    config.clusters.push({ name: 'empty', endpoints: [] });
    return config;
  },
  {},
  async (t, stage) => {
    stage.origin.on('/silent', async (exchange) => void (await once(exchange.connection.socket, 'close')));
    await t.test('local replies', (t) => localReplies(t, stage));
    await t.test('only calls are answered so', (t) => notCalls(t, stage));
    await t.test('deadlines', (t) => deadlines(t, stage));
    await t.test('the status of an answer', (t) => statuses(t, stage));
  },
  subjectIsEnvoy ? [] : undefined,
);

function call(stage: Stage, path: string, fields: Record<string, string> = {}): ReturnType<Stage['exchange']> {
  return stage.exchange(request('POST', path, { ...TYPE, ...fields }, MESSAGE));
}

async function localReplies(t: Test, stage: Stage): Promise<void> {
  for (const [path, status, message, log] of [
    ['/none.S/M', '12', undefined, /^\/none\.S\/M 200 Unimplemented UNIMPLEMENTED 12 NR route_not_found$/],
    ['/empty.S/M', '14', 'no healthy upstream', /^\/empty\.S\/M 200 Unavailable UNAVAILABLE 14 UH no_healthy_upstream$/],
    ['/direct.S/M', '2', 'a %25body%0A%C3%A9', /^\/direct\.S\/M 200 Unknown UNKNOWN 2 - direct_response$/],
  ] as const) {
    const answer = await call(stage, path);
    t.equal(answer.status, 200, path);
    t.equal(value(answer, 'content-type'), 'application/grpc');
    t.equal(value(answer, 'grpc-status'), status);
    t.equal(value(answer, 'grpc-message'), message);
    t.equal(answer.text, '');
    t.match(await stage.logLine(`${path} `), log);
  }
}

async function notCalls(t: Test, stage: Stage): Promise<void> {
  for (const type of ['application/grpc-web', 'application/grpcx', 'application/json', 'text/application/grpc']) {
    const answer = await stage.exchange(request('POST', '/none.S/N', { 'Content-Type': type }, MESSAGE));
    t.equal(answer.status, 404, type);
    t.equal(value(answer, 'grpc-status'), undefined);
  }
  for (const type of ['application/grpc', 'application/grpc;charset=utf-8']) {
    t.equal((await stage.exchange(request('POST', '/none.S/N', { 'Content-Type': type }, MESSAGE))).status, 200, type);
  }
  t.match(await stage.logLine('/none.S/N 404'), /^\/none\.S\/N 404 - - - NR route_not_found$/);
}

async function deadlines(t: Test, stage: Stage): Promise<void> {
  const hang = async (exchange: { connection: { socket: import('node:net').Socket } }): Promise<void> => void (await once(exchange.connection.socket, 'close'));
  for (const segment of ['/short.S', '/capped.S', '/heeded.S']) stage.origin.on(segment, hang);

  const short = await call(stage, '/short.S/M', { 'grpc-timeout': '1m' });
  t.equal(value(short, 'grpc-status'), '14', 'the route\'s own time-out');
  t.equal(value(short, 'grpc-message'), 'upstream request timeout');
  t.equal(value(stage.origin.seen('/short.S')[0]!, 'grpc-timeout'), '1m', 'unless told so the header is passed on, and nothing else');

  const before = await stage.proxy.stat('http.main.downstream_rq_max_duration_reached');
  const capped = await call(stage, '/capped.S/M', { 'grpc-timeout': '10S' });
  t.equal(value(capped, 'grpc-status'), '4');
  t.equal(value(capped, 'grpc-message'), 'downstream duration timeout');
  const seen = stage.origin.seen('/capped.S')[0]!;
  t.equal(value(seen, 'grpc-timeout'), '250m', 'the upstream is told what holds');
  t.equal(value(seen, 'x-envoy-expected-rq-timeout-ms'), undefined);
  t.match(await stage.logLine('/capped.S/M '), /^\/capped\.S\/M 200 DeadlineExceeded DEADLINE_EXCEEDED 4 - max_duration_timeout$/);
  await call(stage, '/capped.S/Absent');
  t.equal(value(stage.origin.seen('/capped.S/Absent')[0]!, 'grpc-timeout'), '250m');
  await call(stage, '/capped.S/Less', { 'grpc-timeout': '150m' });
  t.equal(value(stage.origin.seen('/capped.S/Less')[0]!, 'grpc-timeout'), '150m');
  await stage.proxy.statBecomes('http.main.downstream_rq_max_duration_reached', before + 3);

  for (const timeout of ['300m', '300000u']) t.equal(value(await call(stage, '/heeded.S/M', { 'grpc-timeout': timeout }), 'grpc-status'), '4', timeout);
  // It runs from the first byte of the call on, also while the caller still sends.
  const client = await stage.connect();
  client.write(request('POST', '/heeded.S/Stream', { ...TYPE, 'grpc-timeout': '200m', 'Transfer-Encoding': 'chunked' }));
  client.write('5\r\n\0\0\0\0\0\r\n');
  t.equal(value(await client.head(), 'grpc-status'), '4');
  client.destroy();
}

async function statuses(t: Test, stage: Stage): Promise<void> {
  stage.origin.on('/app.S', async (exchange) => {
    await exchange.body();
    const kind = exchange.head.target.split('/')[2];
    if (kind === 'Trailers') await exchange.send('HTTP/1.1 200 OK\r\ncontent-type: application/grpc\r\ntransfer-encoding: chunked\r\n\r\n5\r\n\0\0\0\0\0\r\n0\r\ngrpc-status: 5\r\ngrpc-message: gone\r\n\r\n');
    else if (kind === 'Only') await exchange.send('HTTP/1.1 200 OK\r\ncontent-type: application/grpc\r\ngrpc-status: 0\r\ncontent-length: 0\r\n\r\n');
    else if (kind === 'Odd') await exchange.send('HTTP/1.1 200 OK\r\ncontent-type: application/grpc\r\ngrpc-status: 99\r\ncontent-length: 0\r\n\r\n');
    else await exchange.send('HTTP/1.1 503 No\r\ncontent-length: 2\r\n\r\nno');
  });
  const answer = await call(stage, '/app.S/Trailers');
  t.strictSame(answer.trailers, [['grpc-status', '5'], ['grpc-message', 'gone']]);
  t.equal((await call(stage, '/app.S/Bad')).status, 503, 'an upstream\'s answer is its own');
  await call(stage, '/app.S/Only');
  await call(stage, '/app.S/Odd');
  t.match(await stage.logLine('/app.S/Trailers '), /200 NotFound NOT_FOUND 5 - via_upstream$/);
  t.match(await stage.logLine('/app.S/Only '), /200 OK OK 0 - via_upstream$/);
  t.match(await stage.logLine('/app.S/Odd '), /200 99 99 99 - via_upstream$/);
  t.match(await stage.logLine('/app.S/Bad '), /503 Unavailable UNAVAILABLE 14 - via_upstream$/);
}
