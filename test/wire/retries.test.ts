// What is tried again, over real sockets and with two workers: hosts that are down, hang, reset, answer 503 or refuse streams,
// over HTTP/1.1 and HTTP/2; bodies that go up again byte for byte; tries that race; what callers may ask for; and the counts.

import { createHash, randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { constants, createServer as createHttp2, type Http2Server, type ServerHttp2Stream, type IncomingHttpHeaders } from 'node:http2';
import { createServer, type AddressInfo } from 'node:net';

import t, { type Test } from 'tap';

import { value } from '../support/http-message.ts';
import { Origin, type Exchange } from '../support/origin.ts';
import { request, type Answer } from '../support/raw-client.ts';
import type { Json } from '../support/run-proxy.ts';
import { onEachEngine, type Stage } from '../support/stage.ts';

t.setTimeout(120_000);

const LOG = '%REQ(:PATH)% %RESPONSE_CODE% %RESPONSE_FLAGS% %RESPONSE_CODE_DETAILS% %UPSTREAM_REQUEST_ATTEMPT_COUNT%\n';
const LIMIT = 65_536;

/** How often each request, by its target, has come; over both kinds of hosts. */
const times = new Map<string, number>();
const down = await closedPort();
const sick = await Origin.start({ script: async (exchange) => {
  await exchange.body();
  count(`sick ${exchange.head.target}`);
  await exchange.reply(503, {}, 'sick');
} });
const hung = await Origin.start({ script: async (exchange) => {
  count(`hung ${exchange.head.target}`);
  await exchange.closed(60_000);
} });
const modern = await startModern();
t.teardown(async () => {
  modern.close();
  await Promise.all([sick.stop(), hung.stop()]);
});

function count(target: string): number {
  const n = (times.get(target) ?? 0) + 1;
  times.set(target, n);
  return n;
}

onEachEngine((stage) => {
  const origin = stage.origin.address;
  const h2 = `127.0.0.1:${(modern.address() as AddressInfo).port}`;
  const anything: Json = { on: ['5xx', 'reset', 'connect-failure', 'refused-stream'], backOff: { base: '1ms' } };
  const routes: readonly (readonly [path: string, cluster: string, forward: Json])[] = [
    ['/twice', 'twice', { retry: { ...anything, attempts: 2 } }],
    ['/modern', 'modern', { retry: { ...anything, attempts: 2, maxReplayBodySize: LIMIT } }],
    ['/exhausted', 'sick', { retry: { ...anything, attempts: 2 } }],
    ['/down', 'halfdown', { retry: { ...anything, attempts: 1, previousHosts: true, hostSelectionAttempts: 5 } }],
    ['/alldown', 'alldown', { retry: { ...anything, attempts: 2 } }],
    ['/reset', 'app', { retry: anything }],
    ['/hang', 'halfhung', { retry: { ...anything, perTryTimeout: '100ms', previousHosts: true, hostSelectionAttempts: 5 } }],
    ['/patient', 'hung', { timeout: '400ms', retry: { ...anything, attempts: 100, perTryTimeout: '50ms' } }],
    ['/others', 'halfsick', { retry: { ...anything, attempts: 2, previousHosts: true, hostSelectionAttempts: 10 } }],
    ['/upload', 'uploads', { retry: { ...anything, maxReplayBodySize: LIMIT } }],
    ['/hedge', 'halfhung', { retry: { ...anything, perTryTimeout: '50ms', previousHosts: true, hostSelectionAttempts: 5 }, hedge: { onPerTryTimeout: true } }],
    ['/later', 'asking', { retry: { ...anything, respectRetryAfter: true } }],
    ['/stale', 'stale', {}],
    ['/plain', 'app', {}],
  ];
  const clusters: Readonly<Record<string, readonly string[]>> = {
    app: [origin], twice: [origin], uploads: [origin], asking: [origin], stale: [origin], sick: [sick.address], hung: [hung.address],
    halfdown: [origin, down], alldown: [down], halfhung: [origin, hung.address], halfsick: [origin, sick.address],
  };
  return {
    listeners: [{
      name: 'main', address: '127.0.0.1:0',
      http: {
        internalCidrs: ['127.0.0.0/8'], accessLog: [{ path: stage.logPath, format: LOG }],
        routes: routes.map(([prefix, cluster, forward]) => ({ match: { prefix }, forward: { cluster, ...forward } })),
      },
    }],
    clusters: [
      ...Object.entries(clusters).map(([name, endpoints]) => ({ name, endpoints, circuitBreakers: { maxRetries: 50 } })),
      { name: 'modern', protocol: 'http2', endpoints: [h2], circuitBreakers: { maxRetries: 50 } },
    ],
  };
}, { workers: 2 }, async (t, stage) => {
  times.clear();
  const cases = [counted, modernToo, exhausted, hostDown, allDown, reset, perTry, throughout, otherHosts, replay, replayModern, hedged, retryAfter, asked, stale, gauges];
  for (const play of cases) await t.test(play.name, (t) => play(t, stage));
});

/** A host that speaks HTTP/2: `/modern/HOW/…` fails twice in its way, and then tells the hash of the body. */
async function startModern(): Promise<Http2Server> {
  const server = createHttp2((_, response) => response.end()).listen(0, '127.0.0.1');
  server.removeAllListeners('request');
  server.on('stream', (stream: ServerHttp2Stream, headers: IncomingHttpHeaders) => {
    const path = String(headers[':path']);
    const how = path.split('/')[2]!;
    const often = count(path);
    stream.on('error', () => undefined);
    if (often <= 2 && how === 'refuse') return stream.close(constants.NGHTTP2_REFUSED_STREAM);
    if (often <= 2 && how === 'cancel') return stream.close(constants.NGHTTP2_CANCEL);
    if (often <= 2 && how === 'die') return stream.session!.destroy();
    const hash = createHash('sha256');
    let trailers = '';
    stream.on('data', (bytes: Buffer) => void hash.update(bytes));
    stream.on('trailers', (fields: IncomingHttpHeaders) => (trailers = String(fields['x-end'])));
    stream.on('end', () => {
      if (stream.destroyed) return;
      stream.respond({ ':status': often <= 2 ? 503 : 200, 'x-trailers': trailers });
      stream.end(often <= 2 ? 'not yet' : hash.digest('hex'));
    });
    return undefined;
  });
  await once(server, 'listening');
  return server;
}

async function closedPort(): Promise<string> {
  const probe = createServer().listen(0, '127.0.0.1');
  await once(probe, 'listening');
  const address = `127.0.0.1:${(probe.address() as AddressInfo).port}`;
  probe.close();
  await once(probe, 'close');
  return address;
}

const stat = (stage: Stage, name: string): Promise<number> => stage.proxy.stat(`cluster.${name}`);

/** 503, 503, 200, as FACTS has it. */
async function counted(t: Test, stage: Stage): Promise<void> {
  stage.origin.on('/twice', async (exchange) => {
    await exchange.body();
    await exchange.reply(count(exchange.head.target) <= 2 ? 503 : 200, {}, 'an answer');
  });
  t.equal((await stage.get('/twice')).status, 200);
  await stage.proxy.statBecomes('cluster.twice.upstream_rq_retry', 2);
  const counts: Readonly<Record<string, number>> = {
    'retry.upstream_rq_503': 2, 'retry.upstream_rq_5xx': 2, 'retry.upstream_rq_completed': 2, upstream_rq_503: 0, upstream_rq_200: 1, upstream_rq_2xx: 1, upstream_rq_completed: 1,
    upstream_rq_total: 3, upstream_rq_retry_success: 1, upstream_rq_retry_limit_exceeded: 0, upstream_rq_retry_overflow: 0, upstream_rq_retry_backoff_exponential: 2, upstream_cx_total: 1,
  };
  for (const [name, count] of Object.entries(counts)) t.equal(await stat(stage, `twice.${name}`), count, name);
  t.equal(await stage.logLine('/twice'), '/twice 200 - via_upstream 3');
}

async function modernToo(t: Test, stage: Stage): Promise<void> {
  for (const how of ['refuse', 'cancel', 'die', '503']) t.equal((await stage.get(`/modern/${how}/get`)).status, 200, how);
  await stage.proxy.statBecomes('cluster.modern.upstream_rq_retry', 8);
  t.equal(await stat(stage, 'modern.retry.upstream_rq_503'), 2);
}

async function exhausted(t: Test, stage: Stage): Promise<void> {
  const answer = await stage.get('/exhausted');
  t.same([answer.status, answer.text], [503, 'sick'], 'the last answer');
  t.equal(await stage.logLine('/exhausted'), '/exhausted 503 URX via_upstream 3');
  t.equal(times.get('sick /exhausted'), 3);
}

async function hostDown(t: Test, stage: Stage): Promise<void> {
  const answers = await Promise.all(Array.from({ length: 40 }, (_, n) => stage.get(`/down?${n}`)));
  t.same(new Set(answers.map(({ status }) => status)), new Set([200]), 'one of two hosts is down, and nobody notices');
  t.ok((await stat(stage, 'halfdown.upstream_rq_retry')) >= 10);
}

async function allDown(t: Test, stage: Stage): Promise<void> {
  t.equal((await stage.get('/alldown')).status, 503);
  t.equal(await stage.logLine('/alldown'), '/alldown 503 UF,URX upstream_reset_before_response_started{remote_connection_failure|delayed_connect_error:_Connection_refused} 3');
}

async function reset(t: Test, stage: Stage): Promise<void> {
  stage.origin.on('/reset', async (exchange) => {
    if (count(exchange.head.target) === 1) return exchange.reset();
    await exchange.body();
    return exchange.reply(200);
  });
  for (const method of ['GET', 'POST']) t.equal((await stage.exchange(request(method, `/reset/${method}`))).status, 200, method);
}

async function perTry(t: Test, stage: Stage): Promise<void> {
  const answers = await Promise.all(Array.from({ length: 10 }, (_, n) => stage.get(`/hang?${n}`)));
  t.same(new Set(answers.map(({ status }) => status)), new Set([200]), 'one of two hosts hangs');
  t.ok((await stat(stage, 'halfhung.upstream_rq_per_try_timeout')) >= 1);
}

async function throughout(t: Test, stage: Stage): Promise<void> {
  const answer = await stage.get('/patient');
  t.same([answer.status, answer.text], [504, 'upstream request timeout']);
  t.match(await stage.logLine('/patient'), /^\/patient 504 UT(,URX)? (response_timeout|upstream_per_try_timeout) /);
}

async function otherHosts(t: Test, stage: Stage): Promise<void> {
  const answers = await Promise.all(Array.from({ length: 30 }, (_, n) => stage.get(`/others?${n}`)));
  t.same(new Set(answers.map(({ status }) => status)), new Set([200]));
  t.ok([...times].every(([target, often]) => !target.startsWith('sick /others') || often === 1), 'no request meets the sick host twice');
}

const hashOf = (bytes: Buffer | string): string => createHash('sha256').update(bytes).digest('hex');

async function upload(stage: Stage, target: string, body: Buffer, chunked: boolean): Promise<Answer> {
  const client = await stage.connect();
  const text = body.toString('latin1');
  const half = text.length >> 1;
  const chunk = (part: string): string => (part === '' ? '' : `${part.length.toString(16)}\r\n${part}\r\n`);
  const bytes = chunked
    ? `${request('POST', target, { 'transfer-encoding': 'chunked' })}${chunk(text.slice(0, half))}${chunk(text.slice(half))}0\r\nx-end: yes\r\n\r\n`
    : request('POST', target, {}, text);
  try {
    return await client.exchange(Buffer.from(bytes, 'latin1'), 'POST');
  } finally {
    client.destroy();
  }
}

/** The first try takes all of it and resets; the second must get the same bytes. */
async function replay(t: Test, stage: Stage): Promise<void> {
  stage.origin.on('/upload', async (exchange: Exchange) => {
    const body = await exchange.body();
    if (count(exchange.head.target) === 1) return exchange.reset();
    return exchange.reply(200, { 'x-trailers': body.trailers.map(([, text]) => text).join() }, hashOf(body.bytes));
  });
  for (const size of [1, 5000, LIMIT - 1, LIMIT]) {
    for (const chunked of [false, true]) {
      const body = randomBytes(size);
      const answer = await upload(stage, `/upload/${size}/${chunked}`, body, chunked);
      t.same([answer.status, answer.text, value(answer, 'x-trailers') ?? ''], [200, hashOf(body), chunked ? 'yes' : ''], `${size} bytes, ${chunked ? 'chunked' : 'of known length'}`);
    }
  }
  t.equal(await stat(stage, 'uploads.retry_or_shadow_abandoned'), 0);
  for (const chunked of [false, true]) {
    t.equal((await upload(stage, `/upload/large/${chunked}`, randomBytes(LIMIT + 1), chunked)).status, 503, 'one byte more is not kept');
  }
  t.equal(await stat(stage, 'uploads.retry_or_shadow_abandoned'), 2, 'and that is said');
}

async function replayModern(t: Test, stage: Stage): Promise<void> {
  for (const how of ['refuse', 'cancel', 'die', '503']) {
    for (const size of [10, LIMIT]) {
      const body = randomBytes(size);
      const answer = await upload(stage, `/modern/${how}/${size}`, body, true);
      t.same([answer.status, answer.text, value(answer, 'x-trailers')], [200, hashOf(body), 'yes'], `${how}, ${size} bytes`);
    }
  }
}

async function hedged(t: Test, stage: Stage): Promise<void> {
  const answers = await Promise.all(Array.from({ length: 10 }, (_, n) => stage.get(`/hedge?${n}`)));
  t.same(new Set(answers.map(({ status }) => status)), new Set([200]), 'the hung host loses every race');
  const raced = [...times].filter(([target]) => target.startsWith('hung /hedge'));
  t.ok(raced.length > 0 && raced.every(([, often]) => often === 1));
}

async function retryAfter(t: Test, stage: Stage): Promise<void> {
  stage.origin.on('/later', async (exchange) => {
    await exchange.body();
    if (count(exchange.head.target) === 1) return exchange.reply(503, { 'retry-after': '1' });
    return exchange.reply(200);
  });
  t.equal((await stage.get('/later')).status, 200);
  t.equal(await stat(stage, 'asking.upstream_rq_retry_backoff_ratelimited'), 1);
  t.equal(await stat(stage, 'asking.upstream_rq_retry_backoff_exponential'), 0);
}

async function asked(t: Test, stage: Stage): Promise<void> {
  stage.origin.on('/plain', async (exchange) => {
    await exchange.body();
    await exchange.reply(count(exchange.head.target) <= 1 ? 503 : 200, {}, exchange.head.raw);
  });
  t.equal((await stage.get('/plain/1')).status, 503, 'no policy');
  const answer = await stage.get('/plain/2', { 'x-envoy-retry-on': '5xx', 'x-envoy-upstream-rq-per-try-timeout-ms': '5000' });
  t.equal(answer.status, 200, 'an internal caller asks for it');
  t.notMatch(answer.text, /retry-on|per-try/i);
  t.match(answer.text, /x-envoy-expected-rq-timeout-ms: 5000/i);
  const far = await stage.get('/plain/3', { 'x-envoy-retry-on': '5xx', 'x-forwarded-for': '127.0.0.9' });
  t.equal(far.status, 503, 'who comes through a proxy is not internal');
}

/** Every connection dies with its second request, before a byte of the answer. */
async function stale(t: Test, stage: Stage): Promise<void> {
  const used = new Set<number>();
  stage.origin.on('/stale', async (exchange) => {
    const { number } = exchange.connection;
    if (used.has(number)) return exchange.destroy();
    used.add(number);
    await exchange.body();
    return exchange.reply(200, {}, exchange.head.method);
  });
  const client = await stage.connect();
  for (const method of ['GET', 'GET', 'PUT', 'GET', 'DELETE', 'GET']) {
    const answer = await client.exchange(request(method, '/stale', {}, method === 'PUT' ? 'body' : ''), method);
    t.same([answer.status, answer.text], [200, method], 'on another connection, and nobody notices');
  }
  const answer = await client.exchange(request('POST', '/stale', {}, 'body'), 'POST');
  t.equal(answer.status, 503, 'a POST may have had its effect');
  client.destroy();
  t.equal(await stat(stage, 'stale.upstream_rq_retry'), 0);
}

async function gauges(t: Test, stage: Stage): Promise<void> {
  const names = ['twice', 'modern', 'sick', 'halfdown', 'alldown', 'app', 'halfhung', 'hung', 'halfsick', 'uploads', 'asking'];
  for (const name of names) await stage.proxy.statBecomes(`cluster.${name}.circuit_breakers.default.remaining_retries`, 50);
  t.pass('every retry has been given back');
}
