// Limits over real sockets with three workers: what one worker gives out, no other gives out again. Statuses, texts and
// flags were read off Envoy 1.40; x-envoy-ratelimited is what its documents say and its local limit leaves out.

import t, { type Test } from 'tap';

import { waitFor } from '../support/deadline.ts';
import { H2Client } from '../support/h2-client.ts';
import { exchangeOnce, get, request, type Answer } from '../support/raw-client.ts';
import { byteEngines, subjectIsEnvoy, wholeConfig, type Json, type ProxyConfig } from '../support/run-proxy.ts';
import { onEachEngine, simpleConfig, type Stage } from '../support/stage.ts';

t.setTimeout(120_000);

const WORKERS = 3;
const hasUws = await import('uWebSockets.js' as string).then(() => true, () => false);
const limit = (maxTokens: number, more: Json = {}): Json => ({ localRateLimit: { maxTokens, fillInterval: '24h', ...more } });

/** `changed`: what a reload gives one of the routes. */
function configure(stage: Stage, protocols: readonly string[], changed = 5): ProxyConfig {
  const to = (path: string, filters: Json): Json => ({ name: path.slice(1), match: { path }, forward: { cluster: 'app', timeout: '0s' }, filters });
  return simpleConfig(stage, { http: {
    protocols,
    routes: undefined,
    filters: [limit(25, { statPrefix: 'all' })],
    virtualHosts: [{
      name: 'v', domains: ['*'], routes: [
        to('/ten', limit(10)),
        to('/users', { localRateLimit: { descriptors: [{ entries: [{ header: 'x-user' }], maxTokens: 3, fillInterval: '24h' }] } }),
        to('/told', limit(2, { rateLimitHeaders: true })),
        to('/few', { localRateLimit: false, concurrencyLimit: { maxRequests: 3 } }),
        to('/slow', { localRateLimit: false, bandwidthLimit: { requestRate: '400KiB', responseRate: '400KiB' } }),
        to('/failing', { localRateLimit: false, admissionControl: { maxRejectionPercent: 100, successStatuses: ['200'] } }),
        to('/adaptive', { localRateLimit: false, adaptiveConcurrency: { minRtt: { minConcurrency: 2 } } }),
        to('/kept', limit(5)),
        to('/changed', limit(changed)),
        { match: { prefix: '/' }, forward: { cluster: 'app' } },
      ],
    }],
  } });
}

onEachEngine((stage) => configure(stage, ['http1', 'http2']), { workers: WORKERS, crashes: true }, async (t, stage) => {
  await t.test('a hundred requests at once, ten pass', (t) => atOnce(t, stage));
  await t.test('by value', (t) => byValue(t, stage));
  await t.test('over HTTP/2, and for gRPC', (t) => overHttp2(t, stage));
  await t.test('so many at one time', (t) => atOneTime(t, stage, '/few', 3));
  await t.test('as many as a limit begins with that follows latencies', (t) => atOneTime(t, stage, '/adaptive', 2));
  await t.test('while too many fail', (t) => failing(t, stage));
  await t.test('bodies pass slowly, and whole', (t) => slowly(t, stage));
  await t.test('a reload keeps what has not changed', (t) => reloaded(t, stage));
  await t.test('a worker that dies takes no tokens and no places with it', (t) => death(t, stage));
}, subjectIsEnvoy ? [] : byteEngines);

onEachEngine((stage) => configure(stage, ['http1']), { workers: 1 }, async (t, stage) => {
  await t.test('a hundred requests at once, ten pass', (t) => atOnce(t, stage));
  await t.test('so many at one time', (t) => atOneTime(t, stage, '/few', 3));
  await t.test('while too many fail', (t) => failing(t, stage));
  await t.test('bodies pass slowly, and whole', (t) => slowly(t, stage));
}, subjectIsEnvoy || !hasUws ? [] : ['uws']);

/** Each on a connection of its own, so that all workers get some. */
function ask(stage: Stage, path: string, times: number, fields: Record<string, string> = {}): Promise<Answer[]> {
  return Promise.all(Array.from({ length: times }, () => get(stage.address, path, { connection: 'close', ...fields })));
}

function passed(answers: readonly Answer[]): number {
  return answers.filter(({ status }) => status === 200).length;
}

function field(answer: Answer, name: string): string | undefined {
  return answer.fields.find(([key]) => key.toLowerCase() === name)?.[1];
}

async function atOnce(t: Test, stage: Stage): Promise<void> {
  const answers = await ask(stage, '/ten', 100);
  t.equal(passed(answers), 10);
  const refused = answers.filter(({ status }) => status === 429);
  t.equal(refused.length, 90);
  t.ok(refused.every(({ text }) => text === 'local_rate_limited'));
  t.ok(refused.every((answer) => field(answer, 'x-envoy-ratelimited') === 'true'));
  await waitFor('the log', () => stage.logLines().filter((line) => /\bRL\b.*local_rate_limited/.test(line)).length === 90);
  const stats = await stage.proxy.stats('main\\.v\\.ten\\.http_local_rate_limit');
  t.same(Object.fromEntries([...stats].map(([name, value]) => [name.split('.').at(-1), value])), { enabled: 100, enforced: 90, ok: 10, rate_limited: 90 });
  t.equal(passed(await ask(stage, '/', 60)), 25, 'the listener\'s limit, for all routes without their own');
  t.equal(await stage.proxy.stat('all.http_local_rate_limit.enforced'), 35);
  t.match((await stage.proxy.page('/stats/prometheus')).text, /^envoy_http_local_rate_limit_ok\{envoy_local_http_ratelimit_prefix="all"\} 25$/m);
}

async function byValue(t: Test, stage: Stage): Promise<void> {
  for (const user of ['ann', 'bob']) t.equal(passed(await ask(stage, '/users', 20, { 'x-user': user })), 3, user);
  t.equal(passed(await ask(stage, '/users', 20)), 20, 'no header, no limit');
}

async function overHttp2(t: Test, stage: Stage): Promise<void> {
  const clients = await Promise.all(Array.from({ length: 6 }, () => H2Client.open(stage.address)));
  const told = await Promise.all(clients.map((client) => client.request('/told')));
  t.equal(told.filter(({ status }) => status === 200).length, 2);
  t.equal(told.filter(({ status }) => status === 429).length, 4);
  t.same(told.map(({ headers }) => headers['x-ratelimit-limit']), new Array(6).fill('2'));
  t.same(told.filter(({ status }) => status === 429).map(({ headers }) => headers['x-ratelimit-remaining']), new Array(4).fill('0'));
  const call = await clients[0]!.request('/told', { headers: { 'content-type': 'application/grpc', te: 'trailers' }, body: Buffer.alloc(5) });
  t.equal(call.status, 200);
  t.equal(call.headers['grpc-status'], '14');
  t.equal(call.headers['grpc-message'], 'local_rate_limited');
  for (const client of clients) client.close();
}

async function atOneTime(t: Test, stage: Stage, path: string, most: number): Promise<void> {
  const arrived = stage.origin.seen(path).length;
  let release = (): void => undefined;
  const gate = new Promise<void>((resolve) => (release = resolve));
  stage.origin.on(path, async (exchange) => {
    await gate;
    await exchange.reply(200, {}, 'ok');
  });
  const refused: Answer[] = [];
  const answers = Array.from({ length: 20 }, async () => {
    const answer = await get(stage.address, path, { connection: 'close' });
    if (answer.status !== 200) refused.push(answer);
    return answer;
  });
  await waitFor('all others to be refused', () => refused.length === 20 - most);
  t.ok(refused.every(({ status, text }) => status === 503 && text === 'reached concurrency limit'));
  await waitFor('those to arrive that may', () => stage.origin.seen(path).length - arrived === most);
  release();
  t.equal(passed(await Promise.all(answers)), most);
  await waitFor('room again', async () => (await get(stage.address, path, { connection: 'close' })).status === 200);
}

async function failing(t: Test, stage: Stage): Promise<void> {
  stage.origin.on('/failing', (exchange) => exchange.reply(500));
  const statuses = (await Promise.all(Array.from({ length: 10 }, () => ask(stage, '/failing', 20)))).flat().map(({ status }) => status);
  // With n failures p = n / (n + 1): the more fail, the fewer are let through.
  const more = (await ask(stage, '/failing', 100)).map(({ status }) => status);
  const denied = [...statuses, ...more].filter((status) => status === 503).length;
  t.ok(denied > 50, `${denied} of 300 refused`);
  t.ok(more.filter((status) => status === 503).length > 60);
  const stats = await stage.proxy.stats('admission_control');
  t.equal(stats.get('http.main.v.failing.admission_control.rq_rejected'), denied);
  t.equal(stats.get('http.main.v.failing.admission_control.rq_failure'), 300 - denied);
  await waitFor('the log', () => stage.logLines().some((line) => line.includes('denied_by_admission_control')));
}

/** Nothing is said about how long it took: only that bytes were held, and came as they were sent. */
async function slowly(t: Test, stage: Stage): Promise<void> {
  const body = Buffer.alloc(300_000, 'abcdefg');
  stage.origin.on('/slow', async (exchange) => {
    const { bytes } = await exchange.body();
    await exchange.send(`HTTP/1.1 200 OK\r\ncontent-length: ${bytes.length}\r\n\r\n`);
    await exchange.send(bytes);
  });
  const answer = await exchangeOnce(stage.address, request('POST', '/slow', { connection: 'close' }, body.toString()), { method: 'POST' });
  t.equal(answer.status, 200);
  t.ok(answer.bytes.equals(body));
  const stat = async (name: string): Promise<number> => stage.proxy.stat(`main.v.slow.http_bandwidth_limit.${name}`);
  t.ok((await stat('request_enforced')) > 2);
  t.ok((await stat('response_enforced')) > 2);
  t.equal(await stat('request_allowed_total_size'), 300_000);
  t.equal(await stat('response_allowed_total_size'), 300_000);
  await stage.proxy.statBecomes('main.v.slow.http_bandwidth_limit.response_pending', 0);
}

async function reloaded(t: Test, stage: Stage): Promise<void> {
  for (const path of ['/kept', '/changed']) t.equal(passed(await ask(stage, path, 20)), 5, path);
  const before = await stage.proxy.stat('config.update_success');
  stage.proxy.writeConfig(wholeConfig(configure(stage, ['http1', 'http2'], 7), stage.engine, WORKERS));
  stage.proxy.signal('SIGHUP');
  await stage.proxy.statBecomes('config.update_success', before + 1);
  t.equal(passed(await ask(stage, '/kept', 20)), 0, 'the same limit, as empty as before');
  t.equal(passed(await ask(stage, '/changed', 20)), 7, 'another limit');
}

async function death(t: Test, stage: Stage): Promise<void> {
  let release = (): void => undefined;
  const gate = new Promise<void>((resolve) => (release = resolve));
  stage.origin.on('/few', async (exchange) => {
    await gate;
    await exchange.reply(200, {}, 'ok');
  });
  const held = Array.from({ length: 3 }, () => get(stage.address, '/few', { connection: 'close' }).catch(() => null));
  await waitFor('the limit to be reached', async () => (await stage.proxy.stat('http.main.v.few.concurrency_limit.rq_active')) === 3);
  const deaths = await stage.proxy.stat('server.worker_deaths');
  for (let index = 0; index < WORKERS; index++) {
    await exchangeOnce(stage.proxy.admin, request('POST', `/hooks/worker?index=${index}&action=throw`, { Connection: 'close' }));
  }
  await stage.proxy.statBecomes('server.worker_deaths', deaths + WORKERS);
  await Promise.all(held);
  release();
  await waitFor('its places to be free', async () => {
    const answers = await Promise.all(Array.from({ length: 3 }, () => get(stage.address, '/few', { connection: 'close' }).catch(() => null)));
    return answers.every((answer) => answer?.status === 200);
  });
  await stage.proxy.statBecomes('http.main.v.few.concurrency_limit.rq_active', 0);
  t.equal(passed(await ask(stage, '/ten', 20)), 0, 'no tokens have come from nowhere');
}
