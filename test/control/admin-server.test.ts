// The pages' texts are held against what Envoy 1.40 printed for the same configuration (`test/golden/envoy-admin/`).

import { existsSync, linkSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import t from 'tap';
import { HOST_DEGRADED, HOST_EXCLUDED, HOST_FAILED_ACTIVE, HOST_FAILED_OUTLIER, HOST_PENDING_ACTIVE } from '../../src/shared/host-table.ts';
import type { AdminView, StatsQuery } from '../../src/control/admin-server.ts';
import { AdminServer } from '../../src/control/admin-server.ts';
import type { OutlierFigures } from '../../src/control/outlier/outlier-detection.ts';
import type { LogLevel, Snapshot } from '../../src/config/snapshot.ts';
import type { Address } from '../../src/core/address.ts';
import { CertificateFacts } from '../../src/security/certificate-facts.ts';
import { HOST_CX_CONNECT_FAIL, HOST_CX_TOTAL, HOST_RQ_ERROR } from '../../src/observe/stat-names.ts';
import { ask } from '../support/ask.ts';
import { LogProbe } from '../support/log-probe.ts';
import { clusterConfig, listenerConfig, snapshot } from '../support/snapshots.ts';

/** Where the one host's row begins. */
const ROW = 500;

class FakeView implements AdminView {
  version = '0.1.0';
  configPath = 'e.json';
  state: AdminView['state'] = 'LIVE';
  workers = 2;
  engine = 'epoll';
  uptimeMs = 4999;
  certificates = new CertificateFacts({ listeners: [], clusters: [] });
  logLevel: LogLevel = 'info';
  book: string[] = [];
  flags: Record<number, number> = {};
  published: AdminView['published'];
  constructor(config: Snapshot = snapshot()) {
    this.published = {
      snapshot: config,
      document: { listeners: ['as written'] },
      plan: { epoch: 1, clusters: { app: { stats: 0, ssl: 0, grpc: {}, histograms: 0, breakers: 0, row: 0, hosts: [{ cells: ROW, row: 1, breakers: -1 }] } }, listeners: {}, limits: {} },
      addresses: {},
      publishedAt: Date.UTC(2026, 0, 2, 3, 4, 5, 678),
    };
  }
  engineOf(): { engine: string; why: string } {
    return { engine: 'epoll', why: '' };
  }
  cell(index: number): number {
    return [HOST_CX_TOTAL, HOST_CX_CONNECT_FAIL, HOST_RQ_ERROR].includes(index - ROW) ? 1 : 0;
  }
  rates: readonly [external: number, local: number] = [-1, -1];
  figures: OutlierFigures | null = null;
  successRate(cluster: string, host: number, local: boolean): number {
    return cluster === 'app' && host === 1 ? this.rates[local ? 1 : 0] : -1;
  }
  outlierFigures(): OutlierFigures | null {
    return this.figures;
  }
  hostFlags(row: number): number {
    return this.flags[row] ?? 0;
  }
  failHealthCheck(fail: boolean): void {
    this.book.push(`fail ${fail}`);
  }
  drainListeners(): void {
    this.book.push('drain');
  }
  async reopenLogs(): Promise<void> {
    this.book.push('reopen');
  }
  quit(): void {
    this.book.push('quit');
  }
}

function compile(pattern: string): (text: string) => boolean {
  const regex = new RegExp(pattern);
  return (text) => regex.test(text);
}

async function setUp(test: { teardown(after: () => unknown): unknown }, view = new FakeView(), address: Address = { kind: 'ip', host: '127.0.0.1', port: 0 }) {
  const log = new LogProbe();
  const print = (form: string) => (query: StatsQuery) => `${form} ${query.usedOnly} ${query.matches?.('abc') ?? 'all'}\n`;
  const server = new AdminServer({ view, compile, logger: log.logger, stats: { text: print('text'), json: print('json'), prometheus: print('prometheus'), resetCounters: () => void view.book.push('reset') } });
  const at = await server.listen(address);
  test.teardown(() => server.close());
  return { view, log, at, server, get: (path: string) => ask(at, path), post: (path: string, body = '') => ask(at, path, 'POST', body) };
}

function golden(name: string): string {
  return readFileSync(new URL(`../../../test/golden/envoy-admin/${name}`, import.meta.url), 'utf8');
}

t.test('/clusters says what Envoy says', async (t) => {
  const { get } = await setUp(t);
  t.equal((await get('/clusters')).body, golden('clusters.txt'));
});

t.test('/clusters as JSON', async (t) => {
  const { get } = await setUp(t);
  const reply = await get('/clusters?format=json');
  t.equal(reply.headers['content-type'], 'application/json');
  t.equal(reply.body, golden('clusters.json'), 'key by key, in order');
});

t.test('/clusters shows what outlier detection has found, as Envoy writes it', async (t) => {
  const view = new FakeView();
  view.rates = [88.88888888888889, -1];
  view.figures = { external: { average: 800 / 9, threshold: 100 / 3 }, local: { average: -1, threshold: -1 } };
  const { get } = await setUp(t, view);
  const lines = (await get('/clusters')).body.split('\n');
  t.same(lines.slice(1, 5), [
    'app::outlier::success_rate_average::88.8889', 'app::outlier::success_rate_ejection_threshold::33.3333',
    'app::outlier::local_origin_success_rate_average::-1', 'app::outlier::local_origin_success_rate_ejection_threshold::-1',
  ]);
  t.ok(lines.includes('app::127.0.0.1:13000::success_rate::88.88888888888889'));
  t.ok(lines.includes('app::127.0.0.1:13000::local_origin_success_rate::-1'));
  const [status] = (JSON.parse((await get('/clusters?format=json')).body) as { cluster_statuses: Record<string, unknown>[] }).cluster_statuses;
  t.same(Object.keys(status!).slice(0, 3), ['name', 'success_rate_ejection_threshold', 'host_statuses']);
  t.same(status!['success_rate_ejection_threshold'], { value: 100 / 3 });
  const [host] = status!['host_statuses'] as Record<string, unknown>[];
  t.same(host!['success_rate'], { value: 88.88888888888889 });
  t.notOk('local_origin_success_rate' in host!);
  view.rates = [-1, 0];
  t.match((await get('/clusters')).body, 'app::127.0.0.1:13000::local_origin_success_rate::0\n');
});

t.test('/clusters can be filtered, and shows an unlimited breaker as the largest number', async (t) => {
  const view = new FakeView(
    snapshot({ clusters: ['app', 'b', 'shop'].map((name) => clusterConfig(name, [], { circuitBreakers: { maxConnections: 0, maxPendingRequests: 1, maxRequests: 2, maxRetries: 3, high: { maxConnections: 7, maxPendingRequests: 1, maxRequests: 1, maxRetries: 0, retryBudget: { budgetPercent: 20, minConcurrency: 4 } } } })) }),
  );
  const { get } = await setUp(t, view);
  const { body } = await get('/clusters?filter=p$');
  t.match(body, 'app::default_priority::max_connections::4294967295\napp::default_priority::max_pending_requests::1\n');
  t.match(body, 'app::high_priority::max_connections::7\n');
  t.match(body, 'app::high_priority::max_retries::4\n', 'a retry budget says what it always allows');
  t.match(body, 'shop::');
  t.notMatch(body, /^b::/m);
  const bad = await get('/clusters?filter=(');
  t.same([bad.status, bad.body], [400, 'Invalid re2 regex']);
});

t.test('/clusters: what is wrong with a host, where it belongs; by priority', async (t) => {
  const [first, second] = clusterConfig('app', [13_000, 13_001]).endpoints;
  const view = new FakeView(snapshot({ clusters: [clusterConfig('app', [], { endpoints: [{ ...first!, priority: 1, zone: 'b' }, second!] })] }));
  view.published = { ...view.published!, plan: { ...view.published!.plan, clusters: { app: { ...view.published!.plan.clusters['app']!, hosts: [{ cells: ROW, row: 1, breakers: -1 }, { cells: ROW, row: 2, breakers: -1 }] } } } };
  view.flags = { 1: HOST_FAILED_ACTIVE | HOST_EXCLUDED | HOST_DEGRADED, 2: HOST_FAILED_OUTLIER | HOST_PENDING_ACTIVE };
  const { get } = await setUp(t, view);
  const shown = (await get('/clusters')).body.split('\n').filter((line) => /::(health_flags|zone|priority)::/.test(line));
  // Names and order are those of Envoy 1.40.
  t.same(shown, [
    'app::127.0.0.1:13001::health_flags::/failed_outlier_check/pending_active_hc',
    'app::127.0.0.1:13001::zone::',
    'app::127.0.0.1:13001::priority::0',
    'app::127.0.0.1:13000::health_flags::/failed_active_hc/degraded_active_hc/excluded_via_immediate_hc_fail',
    'app::127.0.0.1:13000::zone::b',
    'app::127.0.0.1:13000::priority::1',
  ]);
  const { cluster_statuses: [{ host_statuses: hosts }] } = JSON.parse((await get('/clusters?format=json')).body) as { cluster_statuses: [{ host_statuses: Record<string, unknown>[] }] };
  t.equal(JSON.stringify(hosts[0]!['health_status']), '{"failed_outlier_check":true,"eds_health_status":"HEALTHY","pending_active_hc":true}');
  t.equal(JSON.stringify(hosts[1]!['health_status']), '{"failed_active_health_check":true,"eds_health_status":"HEALTHY","failed_active_degraded_check":true,"excluded_via_immediate_hc_fail":true}');
  t.match(JSON.stringify(hosts[1]), '"weight":1,"priority":1,"locality":{"zone":"b"}');
  t.notOk('priority' in hosts[0]!);
});

t.test('/listeners in both forms, unix sockets too', async (t) => {
  const { get } = await setUp(t);
  t.equal((await get('/listeners')).body, golden('listeners.txt'));
  t.equal((await get('/listeners?format=json')).body, golden('listeners.json'));
  const view = new FakeView(snapshot({ listeners: [listenerConfig('any', 0), listenerConfig('local', 0, { address: { kind: 'unix', path: '/run/n.sock' } }), listenerConfig('six', 1, { address: { kind: 'ip', host: '::1', port: 443 } })] }));
  view.published = { ...view.published!, addresses: { any: { kind: 'ip', host: '127.0.0.1', port: 41_000 } } };
  const other = await setUp(t, view);
  t.equal((await other.get('/listeners')).body, 'any::127.0.0.1:41000\nlocal::/run/n.sock\nsix::[::1]:443\n');
  t.match(JSON.parse((await other.get('/listeners?format=json')).body), {
    listener_statuses: [{}, { name: 'local', local_address: { pipe: { path: '/run/n.sock' } } }, { local_address: { socket_address: { address: '::1', port_value: 443 } } }],
  });
});

t.test('/ready', async (t) => {
  const { get, view } = await setUp(t);
  const live = await get('/ready');
  t.same([live.status, live.body], [200, 'LIVE\n']);
  t.match(live.headers, { 'content-type': 'text/plain; charset=UTF-8', 'cache-control': 'no-cache, max-age=0', 'x-content-type-options': 'nosniff', server: 'nuncio' });
  for (const state of ['PRE_INITIALIZING', 'INITIALIZING', 'DRAINING'] as const) {
    view.state = state;
    const reply = await get('/ready?x=1');
    t.same([reply.status, reply.body], [503, `${state}\n`]);
  }
});

t.test('/server_info has Envoy\'s keys', async (t) => {
  const { get } = await setUp(t);
  const info = JSON.parse((await get('/server_info')).body) as Record<string, unknown>;
  t.match(info, {
    version: '0.1.0',
    state: 'LIVE',
    uptime_current_epoch: '4s',
    uptime_all_epochs: '4s',
    hot_restart_version: String,
    command_line_options: { concurrency: 2, config_path: 'e.json', log_level: 'info', drain_time: '1s', mode: 'Serve' },
    node: { id: '', cluster: '', user_agent_name: 'nuncio', user_agent_build_version: { version: { major_number: 0, minor_number: 1, patch: 0 } } },
  });
});

t.test('/memory has Envoy\'s keys, with 64-bit numbers as strings', async (t) => {
  const { get } = await setUp(t);
  const memory = JSON.parse((await get('/memory')).body) as Record<string, string>;
  t.same(Object.keys(memory), ['allocated', 'heap_size', 'pageheap_unmapped', 'pageheap_free', 'total_thread_cache', 'total_physical_bytes']);
  for (const value of Object.values(memory)) t.match(value, /^[0-9]+$/);
});

t.test('/config_dump', async (t) => {
  const { get } = await setUp(t);
  const dump = JSON.parse((await get('/config_dump')).body) as { configs: Record<string, unknown>[] };
  t.match(dump.configs, [
    { '@type': /BootstrapConfigDump$/, version_info: '0123456789abcdef', bootstrap: { listeners: ['as written'] } },
    { '@type': /ClustersConfigDump$/, static_clusters: [{ cluster: { name: 'app' }, last_updated: '2026-01-02T03:04:05.678Z' }] },
    { '@type': /ListenersConfigDump$/, static_listeners: [{ listener: { name: 'edge' } }] },
    { '@type': /RoutesConfigDump$/, static_route_configs: [{ route_config: { name: 'edge', virtual_hosts: [] } }] },
  ]);
  t.same(JSON.parse((await get('/config_dump?resource=static_clusters&name_regex=^no')).body), { configs: [] });
  t.match(JSON.parse((await get('/config_dump?resource=static_listeners')).body), { configs: [{ listener: { name: 'edge' } }] });
  for (const name of ['x', 'version_info', '__proto__', 'toString']) {
    const missing = await get(`/config_dump?resource=${name}`);
    t.same([missing.status, missing.body], [404, `${name} not found in config dump`]);
  }
  t.equal((await get('/config_dump?name_regex=(')).status, 400);
});

t.test('/stats passes its parameters on', async (t) => {
  const { get } = await setUp(t);
  t.equal((await get('/stats')).body, 'text false all\n');
  t.equal((await get('/stats?usedonly&filter=b')).body, 'text true true\n');
  const json = await get('/stats?format=json&filter=x');
  t.same([json.headers['content-type'], json.body], ['application/json', 'json false false\n']);
  t.equal((await get('/stats?format=prometheus')).body, 'prometheus false all\n');
  t.equal((await get('/stats/prometheus?usedonly=')).body, 'prometheus true all\n');
  const format = await get('/stats?format=bad');
  t.same([format.status, format.body], [400, 'usage: /stats?format=(json|prometheus|text)\n\n']);
  const filter = await get('/stats?filter=(');
  t.equal(filter.status, 400);
  t.match(filter.body, /^Invalid re2 regex: /);
});

t.test('what changes something is POST only', async (t) => {
  const { get, post, at, view } = await setUp(t);
  const actions = ['/quitquitquit', '/drain_listeners', '/healthcheck/fail', '/healthcheck/ok', '/reopen_logs', '/reset_counters', '/logging'];
  for (const path of actions) {
    const refused = await get(path);
    t.same([refused.status, refused.body], [405, 'Method GET not allowed, POST required.']);
  }
  t.equal((await ask(at, '/quitquitquit', 'DELETE')).body, 'Method DELETE not allowed, POST required.');
  t.same(view.book, []);
  for (const path of actions.slice(0, 6)) {
    const reply = await post(path);
    t.same([reply.status, reply.body], [200, 'OK\n']);
  }
  t.same(view.book, ['quit', 'drain', 'fail true', 'fail false', 'reopen', 'reset']);
});

t.test('/logging', async (t) => {
  const { post, view } = await setUp(t);
  t.equal((await post('/logging')).body, 'active loggers:\n  nuncio: info\n');
  t.equal((await post('/logging?level=warning')).body, 'active loggers:\n  nuncio: warn\n');
  t.equal(view.logLevel, 'warn');
  const level = await post('/logging?level=loud');
  t.equal(level.status, 400);
  t.match(level.body, /^error: unknown logger level\n\nusage: /);
  const name = await post('/logging?router=debug');
  t.equal(name.status, 400);
  t.match(name.body, /^error: unknown logger name\n\nusage: /);
  t.equal(view.logLevel, 'warn');
});

t.test('help, home page, unknown paths', async (t) => {
  const { get } = await setUp(t);
  const help = (await get('/help')).body;
  t.match(help, /^admin commands are:\n {2}\/: Admin home page\n {2}\/certs: print certs on machine\n {2}\/clusters: upstream cluster status\n {6}filter: Regular expression/);
  t.match(help, /\n {2}\/quitquitquit \(POST\): exit the server\n/);
  for (const path of ['/nosuch', '/ready/', '//', '/stats/x', '/%2e%2e/etc/passwd']) {
    const reply = await get(path);
    t.same([reply.status, reply.body], [404, `invalid path. ${help}`]);
  }
  const home = await get('/');
  t.equal(home.headers['content-type'], 'text/html; charset=UTF-8');
  for (const path of help.matchAll(/^ {2}\/([a-z_/]+)(?: \(POST\))?:/gm)) t.match(home.body, new RegExp(`(href|action)="${path[1]}"`));
});

t.test('every page answers HEAD without a body, and a page that is not there too', async (t) => {
  const { at } = await setUp(t);
  for (const [path, status] of [['/ready', 200], ['/clusters', 200], ['/logging', 405], ['/nosuch', 404]] as const) {
    const reply = await ask(at, path, 'HEAD');
    t.same([reply.status, reply.body], [status, '']);
    t.ok(Number(reply.headers['content-length']) > 0);
  }
});

t.test('a page that fails tells the log, not the caller', async (t) => {
  const view = new FakeView();
  Object.defineProperty(view, 'state', { get: () => { throw new Error('secret'); } });
  const { get, log } = await setUp(t, view);
  const reply = await get('/ready');
  t.same([reply.status, reply.body], [500, 'internal error; see the log\n']);
  t.ok(log.has(/admin page \/ready: secret/));
});

t.test('too much of anything is refused', async (t) => {
  const { post, get, view } = await setUp(t);
  t.equal((await post('/quitquitquit', 'x'.repeat(100_000))).status, 413);
  t.same(view.book, []);
  t.equal((await get(`/stats?filter=${'x'.repeat(20_000)}`)).status, 431);
  t.equal((await post('/healthcheck/ok', 'x'.repeat(1000))).status, 200);
});

t.test('on a unix socket; a file that a crash left behind is replaced, a living one is not', async (t) => {
  const dir = mkdtempSync(join(tmpdir(), 'nuncio-admin-'));
  t.teardown(() => rmSync(dir, { recursive: true }));
  const path = join(dir, 'admin.sock');
  const address: Address = { kind: 'unix', path };
  const first = await setUp(t, new FakeView(), address);
  t.equal((await first.get('/ready')).body, 'LIVE\n');
  await t.rejects(setUp(t, new FakeView(), address), { code: 'EADDRINUSE' });
  linkSync(path, `${path}.left`);
  await first.server.close();
  t.notOk(existsSync(path), 'it removes its own');
  const second = await setUp(t, new FakeView(), { kind: 'unix', path: `${path}.left` });
  t.equal((await second.get('/ready')).body, 'LIVE\n');
});

t.test('an address in use is an error with its code', async (t) => {
  const { at } = await setUp(t);
  await t.rejects(setUp(t, new FakeView(), at), { code: 'EADDRINUSE' });
});
