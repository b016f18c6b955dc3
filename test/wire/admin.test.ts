// The admin pages as an operator and a scraper see them: Envoy's names, and numbers that are right.

import t, { type Test } from 'tap';

import { sleep, waitFor } from '../support/deadline.ts';
import { RawClient, request, exchangeOnce } from '../support/raw-client.ts';
import { onEachEngine, simpleConfig, type Stage } from '../support/stage.ts';

t.setTimeout(60_000);

onEachEngine(
  (stage) => simpleConfig(stage, { http: { routes: [
    { match: { prefix: '/local' }, respond: { status: 200, body: 'l' } },
    { match: { prefix: '/moved' }, redirect: { path: '/there' } },
    { match: { prefix: '/app' }, forward: { cluster: 'app' } },
  ] } }),
  {},
  async (t, stage) => {
    await t.test('state', (t) => state(t, stage));
    await t.test('counters', (t) => counters(t, stage));
    await t.test('gauges', (t) => gauges(t, stage));
    await t.test('connections over the workers', (t) => spread(t, stage));
    await t.test('text, filter, usedonly', (t) => text(t, stage));
    await t.test('prometheus', (t) => prometheus(t, stage));
    await t.test('clusters and listeners', (t) => clusters(t, stage));
    await t.test('pages that change something', (t) => mutations(t, stage));
    await t.test('counters begin again', (t) => reset(t, stage));
  },
);

async function state(t: Test, stage: Stage): Promise<void> {
  const ready = await stage.proxy.page('/ready');
  t.equal(ready.status, 200);
  t.equal(ready.text, 'LIVE\n');
  const info = JSON.parse((await stage.proxy.page('/server_info')).text) as Record<string, unknown>;
  t.equal(info['state'], 'LIVE');
  t.match(info['version'], /\d+\.\d+\.\d+/);
  t.equal((info['command_line_options'] as Record<string, unknown>)['concurrency'], 2);
  t.equal(await stage.proxy.stat('server.live'), 1);
  t.equal(await stage.proxy.stat('server.concurrency'), 2);
  const dump = await stage.proxy.page('/config_dump');
  t.equal(dump.status, 200);
  t.match(JSON.parse(dump.text), { configs: [] });
  t.match(dump.text, stage.origin.address.split(':')[1] as string, 'the dump shows what is in effect');
  t.equal((await stage.proxy.page('/nothing-here')).status, 404);
  t.equal((await stage.proxy.page('/help')).status, 200);
}

/** A known number of requests of each kind, spread over connections and so over workers. */
async function counters(t: Test, stage: Stage): Promise<void> {
  const before = await stage.proxy.stats();
  stage.origin.on('/app-404', (exchange) => exchange.reply(404));
  stage.origin.on('/app-500', (exchange) => exchange.reply(500));
  stage.origin.on('/app-302', (exchange) => exchange.reply(302));
  const plan = ['/app', '/app', '/app', '/app', '/app', '/app', '/app', '/app-404', '/app-404', '/app-500', '/app-302', '/local', '/local', '/moved', '/none', '/none', '/none'];
  const clients = await Promise.all(Array.from({ length: 5 }, () => RawClient.connect(stage.address)));
  for (const [n, path] of plan.entries()) await (clients[n % 5] as RawClient).exchange(request('POST', path, {}, path.startsWith('/app') ? 'ten bytes.' : ''));
  for (const client of clients) client.destroy();
  const expected: Readonly<Record<string, number>> = {
    'cluster.app.upstream_rq_total': 11,
    'cluster.app.upstream_rq_completed': 11,
    'cluster.app.upstream_rq_200': 7,
    'cluster.app.upstream_rq_2xx': 7,
    'cluster.app.upstream_rq_302': 1,
    'cluster.app.upstream_rq_3xx': 1,
    'cluster.app.upstream_rq_404': 2,
    'cluster.app.upstream_rq_4xx': 2,
    'cluster.app.upstream_rq_500': 1,
    'cluster.app.upstream_rq_5xx': 1,
    'http.main.downstream_cx_total': 5,
    'http.main.downstream_cx_http1_total': 5,
    'http.main.downstream_cx_destroy': 5,
    'http.main.downstream_cx_destroy_remote': 5,
    'http.main.downstream_rq_total': 17,
    'http.main.downstream_rq_http1_total': 17,
    'http.main.downstream_rq_completed': 17,
    'http.main.downstream_rq_2xx': 9,
    'http.main.downstream_rq_3xx': 2,
    'http.main.downstream_rq_4xx': 5,
    'http.main.downstream_rq_5xx': 1,
    'http.main.no_route': 3,
    'http.main.rq_total': 17,
  };
  const grown = async (): Promise<Record<string, number>> => {
    const now = await stage.proxy.stats();
    return Object.fromEntries(Object.keys(expected).map((name) => [name, (now.get(name) ?? Number.NaN) - (before.get(name) ?? 0)]));
  };
  let last: Record<string, number> = {};
  await waitFor('the counters', async () => JSON.stringify(last = await grown()) === JSON.stringify(expected), 3000).catch(() => undefined);
  t.strictSame(last, expected);
  const now = await stage.proxy.stats();
  // Envoy 1.40 counts a redirect as a direct response.
  t.equal((now.get('http.main.rq_direct_response') ?? 0) + (now.get('http.main.rq_redirect') ?? 0), 3);
  const up = (now.get('cluster.app.upstream_cx_tx_bytes_total') ?? 0) - (before.get('cluster.app.upstream_cx_tx_bytes_total') ?? 0);
  t.ok(up > 11 * 100, `bytes are counted (${up})`);
  t.ok((now.get('http.main.downstream_cx_rx_bytes_total') ?? 0) > 17 * 40, 'both ways');
}

async function gauges(t: Test, stage: Stage): Promise<void> {
  let release = (): void => undefined;
  const gate = new Promise<void>((resolve) => (release = resolve));
  stage.origin.on('/app-held', async (exchange) => {
    await gate;
    await exchange.reply(200);
  });
  const clients = await Promise.all(Array.from({ length: 6 }, () => RawClient.connect(stage.address)));
  for (const client of clients) client.write(request('GET', '/app-held'));
  await stage.proxy.statBecomes('cluster.app.upstream_rq_active', 6);
  await stage.proxy.statBecomes('http.main.downstream_rq_active', 6);
  await stage.proxy.statBecomes('http.main.downstream_cx_active', 6);
  await stage.proxy.statBecomes('http.main.downstream_cx_http1_active', 6);
  t.ok((await stage.proxy.stat('cluster.app.upstream_cx_active')) >= 6);
  t.match((await stage.proxy.page('/clusters')).text, `app::${stage.origin.address}::rq_active::6`);
  release();
  for (const client of clients) await client.answer();
  for (const client of clients) client.destroy();
  await stage.proxy.statBecomes('cluster.app.upstream_rq_active', 0);
  await stage.proxy.statBecomes('http.main.downstream_cx_active', 0);
  t.pass('up and down again');
}

/** SO_REUSEPORT spreads connections: every worker gets some. */
async function spread(t: Test, stage: Stage): Promise<void> {
  const clients = await Promise.all(Array.from({ length: 64 }, () => RawClient.connect(stage.address)));
  await stage.proxy.statBecomes('http.main.downstream_cx_active', 64);
  const perWorker = [...(await stage.proxy.stats('^listener\\.127\\.0\\.0\\.1_\\d+\\.worker_\\d+\\.downstream_cx_active$')).values()];
  t.equal(perWorker.length, 2, 'each worker has its gauge');
  t.equal(perWorker.reduce((sum, count) => sum + count, 0), 64);
  // Fair coins: fewer than eight of 64 on one side is six standard deviations off.
  t.ok(perWorker.every((count) => count >= 8), `64 connections over two workers: ${perWorker.join(' and ')}`);
  for (const client of clients) client.destroy();
}

async function text(t: Test, stage: Stage): Promise<void> {
  stage.origin.on('/app-slow', async (exchange) => {
    await sleep(60);
    await exchange.reply(200);
  });
  for (let n = 0; n < 4; n++) await stage.get('/app-slow');
  if (stage.engine === 'envoy') await sleep(6000); // its histograms are merged every five seconds
  const all = (await stage.proxy.page('/stats')).text;
  t.match(all, /^cluster\.app\.upstream_rq_total: \d+$/m);
  t.match(all, /^http\.main\.downstream_rq_total: \d+$/m);
  t.match(all, /^listener\.127\.0\.0\.1_\d+\.downstream_cx_total: \d+$/m, 'listeners go by their address, with _ for :');
  t.match(all, /^server\.live: 1$/m);
  const histogram = /^cluster\.app\.upstream_rq_time: (P0\(.*\) P25\(.*\) P50\(.*\) P75\(.*\) P90\(.*\) P95\(.*\) P99\(.*\) P99\.5\(.*\) P99\.9\(.*\) P100\((?:nan|[0-9.]+),([0-9.]+)\))$/m.exec(all);
  t.ok(Number(histogram?.[2]) >= 55 && Number(histogram?.[2]) < 10_000, `milliseconds by percentile: ${histogram?.[1]}`);
  t.match(all, /^http\.main\.downstream_rq_time: P0\(/m, 'listeners have theirs');
  const filtered = (await stage.proxy.page('/stats?filter=%5Ecluster%5C.app%5C.upstream_rq_2')).text.trimEnd().split('\n');
  t.ok(filtered.length >= 2 && filtered.every((line) => line.startsWith('cluster.app.upstream_rq_2')), filtered.join(' '));
  const used = (await stage.proxy.page('/stats?usedonly')).text;
  t.notMatch(used, /upstream_cx_connect_timeout/);
  t.match(used, /upstream_rq_total/);
  t.equal((await stage.proxy.page('/stats?filter=%28')).status, 400, 'a broken expression is refused');
  const bomb = performance.now();
  await stage.proxy.page(`/stats?filter=${encodeURIComponent('(a|aa)+$'.repeat(8))}`);
  t.ok(performance.now() - bomb < 5000, 'an expensive one runs in linear time');
}

async function prometheus(t: Test, stage: Stage): Promise<void> {
  const page = await stage.proxy.page('/stats/prometheus');
  t.equal(page.status, 200);
  const typed = new Set<string>();
  for (const line of page.text.trimEnd().split('\n')) {
    const type = /^# TYPE (\S+) (counter|gauge|histogram|summary)$/.exec(line);
    if (type !== null) {
      if (typed.has(type[1] as string)) t.fail(`${type[1]} is typed twice`);
      typed.add(type[1] as string);
      continue;
    }
    if (line.startsWith('#') || line === '') continue;
    const sample = /^([a-zA-Z_:][a-zA-Z0-9_:]*)(\{(?:[a-zA-Z_][a-zA-Z0-9_]*="(?:[^"\\\n]|\\.)*",?)*\})? (-?[0-9.e+]+|NaN|[+-]Inf)$/.exec(line);
    if (sample === null) t.fail(`not a sample: ${line}`);
    else if (!typed.has(sample[1] as string) && !typed.has((sample[1] as string).replace(/_(bucket|sum|count)$/, ''))) t.fail(`no type before ${line}`);
  }
  t.match(page.text, /^envoy_cluster_upstream_rq\{(?=[^}]*envoy_cluster_name="app")(?=[^}]*envoy_response_code="200")[^}]*\} \d+$/m);
  t.match(page.text, /^envoy_cluster_upstream_rq_xx\{(?=[^}]*envoy_cluster_name="app")(?=[^}]*envoy_response_code_class="2")[^}]*\} \d+$/m);
  t.match(page.text, /^envoy_cluster_upstream_rq_total\{envoy_cluster_name="app"\} \d+$/m);
  t.match(page.text, /^envoy_http_downstream_rq_total\{envoy_http_conn_manager_prefix="main"\} \d+$/m);
  t.match(page.text, /^envoy_cluster_upstream_rq_time_bucket\{envoy_cluster_name="app",le="\+Inf"\} \d+$/m);
  t.match(page.text, /^envoy_cluster_upstream_rq_time_count\{envoy_cluster_name="app"\} \d+$/m);
}

async function clusters(t: Test, stage: Stage): Promise<void> {
  const page = (await stage.proxy.page('/clusters')).text;
  const host = `app::${stage.origin.address}`;
  for (const key of ['cx_active', 'cx_connect_fail', 'cx_total', 'rq_active', 'rq_error', 'rq_success', 'rq_timeout', 'rq_total', 'weight']) {
    t.match(page, new RegExp(`^${host}::${key}::\\d+$`, 'm'), key);
  }
  t.match(page, new RegExp(`^${host}::health_flags::healthy$`, 'm'));
  t.match(page, /^app::default_priority::max_connections::1024$/m);
  const parsed = JSON.parse((await stage.proxy.page('/clusters?format=json')).text) as { cluster_statuses: { name: string }[] };
  t.equal(parsed.cluster_statuses[0]?.name, 'app');
  t.equal((await stage.proxy.page('/listeners')).text, `main::${stage.address}\n`);
}

/** Under load: what is counted before and after the reset is all that was sent, over both workers. */
async function reset(t: Test, stage: Stage): Promise<void> {
  const total = 'cluster.app.upstream_rq_total';
  const before = await stage.proxy.stat(total);
  const hosts = (await stage.proxy.page('/clusters')).text;
  t.ok(before > 0);
  const clients = await Promise.all(Array.from({ length: 4 }, () => RawClient.connect(stage.address)));
  const send = async (client: RawClient): Promise<void> => {
    for (let i = 0; i < 25; i++) await client.exchange(request('POST', '/app', {}, 'ten bytes.'));
  };
  await Promise.all(clients.map(send));
  t.equal(await stage.proxy.stat(total), before + 100);
  const answer = await exchangeOnce(stage.proxy.admin, request('POST', '/reset_counters', { Connection: 'close', 'Content-Length': '0' }));
  t.equal(answer.status, 200);
  t.equal(answer.text, 'OK\n');
  t.equal(await stage.proxy.stat(total), 0);
  t.equal(await stage.proxy.stat('cluster.app.upstream_rq_200'), 0, 'a name that came with its first use stays');
  t.ok((await stage.proxy.stat('cluster.app.upstream_cx_active')) > 0, 'gauges stay');
  const shown = /rq_total::(\d+)/;
  t.equal(Number(shown.exec((await stage.proxy.page('/clusters')).text)?.[1]), Number(shown.exec(hosts)?.[1]) + 100, 'hosts count on');
  await Promise.all(clients.map(send));
  for (const client of clients) client.destroy();
  t.equal(await stage.proxy.stat(total), 100);
}

async function mutations(t: Test, stage: Stage): Promise<void> {
  for (const path of ['/quitquitquit', '/healthcheck/fail', '/healthcheck/ok', '/drain_listeners', '/reopen_logs', '/reset_counters', '/logging?level=debug']) {
    const answer = await stage.proxy.page(path);
    t.ok(answer.status === 405 || answer.status === 400, `a GET of ${path} is refused (${answer.status})`);
  }
  t.equal((await stage.get('/app')).status, 200, 'and did nothing');
  const post = (path: string): Promise<{ status: number }> => exchangeOnce(stage.proxy.admin, request('POST', path, { Connection: 'close', 'Content-Length': '0' }));
  t.equal((await post('/healthcheck/fail')).status, 200);
  t.equal((await stage.proxy.page('/ready')).status, 503, 'not ready on request');
  t.equal((await stage.get('/app')).status, 200, 'while traffic goes on');
  t.equal((await post('/healthcheck/ok')).status, 200);
  t.equal((await stage.proxy.page('/ready')).status, 200);
}
