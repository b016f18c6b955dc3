import { RE2JS } from 're2js';
import t from 'tap';
import type { Snapshot } from '../../src/config/snapshot.ts';
import type { Address } from '../../src/core/address.ts';
import { codeSlot } from '../../src/observe/code-slots.ts';
import { countGrpcStatus, GRPC_REQUEST_MESSAGES, GRPC_RESPONSE_MESSAGES } from '../../src/observe/grpc-stats.ts';
import { record } from '../../src/observe/histogram.ts';
import { SHAPES } from '../../src/observe/shapes.ts';
import * as S from '../../src/observe/stat-names.ts';
import { StatsPages, type StatsQuery } from '../../src/observe/stats-pages.ts';
import type { OwnStat } from '../../src/observe/stats-tree.ts';
import { EJECTIONS_ENFORCED_TOTAL, OUTLIER_AT } from '../../src/observe/upkeep-stats.ts';
import { BreakerTable, RES_CX, RES_PENDING, RES_RETRY, RES_RQ } from '../../src/shared/breaker-table.ts';
import { HOST_DEGRADED, HOST_EXCLUDED, HOST_FAILED_OUTLIER } from '../../src/shared/host-table.ts';
import type { Plan } from '../../src/shared/plan.ts';
import { SharedState } from '../../src/shared/registry.ts';
import { Stripe } from '../../src/shared/stripe.ts';
import { ENVOY_CLUSTER_NAMES, ENVOY_HTTP_NAMES, ENVOY_LISTENER_NAMES, ENVOY_OUTLIER_NAMES } from './envoy-names.ts';
import { outlierConfig } from '../support/outlier.ts';
import { clusterConfig, listenerConfig, snapshot } from '../support/snapshots.ts';

const OWN: readonly OwnStat[] = [
  { name: 'server.uptime', kind: 'gauge', value: 190 },
  { name: 'server.live', kind: 'gauge', value: 1 },
  { name: 'cluster_manager.cluster_added', kind: 'counter', value: 1 },
  { name: 'cluster_manager.cluster_removed', kind: 'counter', value: 0 },
  { name: 'listener_manager.listener_added', kind: 'counter', value: 1 },
];

interface House {
  readonly pages: StatsPages;
  readonly shared: SharedState;
  readonly stripes: readonly Stripe[];
  readonly plan: Plan;
}

function house(config: Snapshot = snapshot({ listeners: [listenerConfig('edge', 19000)], clusters: [clusterConfig('app', [19100, 19101])] }), addresses: Readonly<Record<string, Address>> = {}): House {
  const shared = new SharedState(SHAPES);
  const stripes = [0, 1].map((worker) => new Stripe(shared.stripe(worker)));
  const plan = shared.plan(config, 1);
  shared.commit(1);
  const published = { snapshot: config, plan, addresses };
  return { pages: new StatsPages(() => ({ shared, own: OWN, published })), shared, stripes, plan };
}

const ALL: StatsQuery = { usedOnly: false, matches: null };
const filter = (pattern: string, usedOnly = false): StatsQuery => {
  const regex = RE2JS.compile(pattern);
  return { usedOnly, matches: (name) => regex.matcher(name).find() };
};

t.test('text: every name once, in order, histograms last, as Envoy writes them', async (t) => {
  const { pages, stripes, plan } = house();
  const { stats, histograms } = plan.clusters['app']!;
  stripes[0]!.cells[stats + S.UP_RQ_TOTAL] = 10;
  stripes[1]!.cells[stats + S.UP_RQ_TOTAL] = 5;
  stripes[1]!.cells[stats + S.CLUSTER_CODES_AT + codeSlot(200)] = 15;
  stripes[0]!.cells[stats + S.UP_RQ_2XX] = 15;
  record(stripes[0]!.buckets, histograms + S.UP_RQ_TIME, 2000);
  const text = pages.text(ALL);
  t.ok(text.endsWith('\n'));
  const lines = text.trimEnd().split('\n');
  const names = lines.map((line) => line.slice(0, line.indexOf(': ')));
  t.equal(new Set(names).size, names.length);
  const firstHistogram = lines.findIndex((line) => /P0\(|No recorded/.test(line));
  for (const part of [names.slice(0, firstHistogram), names.slice(firstHistogram)]) t.same(part, [...part].sort(), 'sorted');
  t.same(lines.filter((line) => /^cluster\.app\.upstream_rq_(2|total|4|time:)/.test(line)), [
    'cluster.app.upstream_rq_200: 15',
    'cluster.app.upstream_rq_2xx: 15',
    'cluster.app.upstream_rq_total: 15',
    `cluster.app.upstream_rq_time:${[0, 25, 50, 75, 90, 95, 99, 99.5, 99.9, 100].map((percent) => ` P${percent}(nan,1.9995)`).join('')}`,
  ]);
  t.match(text, 'cluster.app.upstream_cx_connect_ms: No recorded values\n');
  t.match(text, 'server.live: 1\n');
  t.match(text, 'cluster_manager.cluster_added: 1\n');
  t.notMatch(text, 'upstream_rq_404', 'a code that never was is not there');
  t.notMatch(text, 'upstream_rq_5xx');
});

t.test('text: what Envoy 1.40 shows for the same objects is all there', async (t) => {
  const { pages } = house();
  const text = pages.text(ALL);
  const names = [
    'cluster.app.membership_change: 1', 'cluster.app.membership_total: 2', 'cluster.app.membership_healthy: 2', 'cluster.app.membership_degraded: 0',
    'cluster.app.circuit_breakers.default.cx_open: 0', 'cluster.app.circuit_breakers.default.rq_pending_open: 0',
    'cluster.app.circuit_breakers.default.remaining_cx: 1024', 'cluster.app.circuit_breakers.default.remaining_retries: 3',
    'cluster.app.upstream_cx_active: 0', 'cluster.app.upstream_flow_control_backed_up_total: 0',
    'http.edge.downstream_rq_1xx: 0', 'http.edge.downstream_cx_active: 0', 'http.edge.no_route: 0', 'http.edge.rq_direct_response: 0',
    'http1.dropped_headers_with_underscores: 0',
    'listener.127.0.0.1_19000.downstream_cx_total: 0', 'listener.127.0.0.1_19000.http.edge.downstream_rq_completed: 0',
    'listener.127.0.0.1_19000.worker_0.downstream_cx_active: 0', 'listener.127.0.0.1_19000.worker_1.downstream_cx_total: 0',
    'listener.127.0.0.1_19000.downstream_cx_length_ms: No recorded values', 'server.total_connections: 0',
  ];
  for (const name of names) t.ok(text.includes(`${name}\n`), name);
});

t.test('no name that Envoy does not have, where Envoy has names', async (t) => {
  const { pages, stripes, plan } = house();
  const { stats } = plan.clusters['app']!;
  for (let slot = 0; slot < SHAPES.cluster.size; slot++) stripes[0]!.cells[stats + slot] = 1;
  const envoys: [prefix: string, names: ReadonlySet<string>][] = [
    ['cluster.app.', ENVOY_CLUSTER_NAMES],
    ['http.edge.', ENVOY_HTTP_NAMES],
    ['listener.127.0.0.1_19000.', ENVOY_LISTENER_NAMES],
  ];
  let checked = 0;
  for (const line of pages.text(ALL).trimEnd().split('\n')) {
    const name = line.slice(0, line.indexOf(': '));
    const family = envoys.find(([prefix]) => name.startsWith(prefix));
    if (family === undefined || name.endsWith('.upstream_rq_unknown')) continue;
    const bare = name.slice(family[0].length).replace(/^retry\.(?=upstream_rq_)/, '').replace(/^(upstream_rq_)\d{3}$/, '$1NNN').replace(/^(upstream_rq_)\dxx$/, '$1Nxx')
      .replace(/^worker_\d/, 'worker_N').replace(/^http\.edge/, 'http.PREFIX');
    checked++;
    if (!family[1].has(bare)) t.fail(`Envoy has no ${name}`);
  }
  t.ok(checked > 150);
});

t.test('workers are told apart where Envoy does, and summed elsewhere', async (t) => {
  const { pages, stripes, plan } = house();
  const { listener, http } = plan.listeners['edge']!;
  stripes.forEach(({ cells }, worker) => {
    cells[listener + S.LISTENER_CX_TOTAL] = 12 + 2 * worker;
    cells[listener + S.LISTENER_CX_ACTIVE] = 1;
    cells[http + S.HTTP_STATS.length] = 3;
  });
  t.equal(pages.text(filter('listener.*cx_(total|active)|server.total|http1.drop')), [
    'http1.dropped_headers_with_underscores: 6',
    'listener.127.0.0.1_19000.downstream_cx_active: 2',
    'listener.127.0.0.1_19000.downstream_cx_total: 26',
    'listener.127.0.0.1_19000.worker_0.downstream_cx_active: 1',
    'listener.127.0.0.1_19000.worker_0.downstream_cx_total: 12',
    'listener.127.0.0.1_19000.worker_1.downstream_cx_active: 1',
    'listener.127.0.0.1_19000.worker_1.downstream_cx_total: 14',
    'server.total_connections: 2',
    '',
  ].join('\n'));
});

t.test('listeners on port 0 go by the addresses they got', async (t) => {
  const config = snapshot({ listeners: [listenerConfig('a', 0), listenerConfig('b', 0)], clusters: [] });
  const at = (port: number): Address => ({ kind: 'ip', host: '127.0.0.1', port });
  const { pages, stripes, plan } = house(config, { a: at(40_002), b: at(40_001) });
  stripes[0]!.cells[plan.listeners['a']!.listener + S.LISTENER_CX_TOTAL] = 7;
  t.equal(pages.text(filter('^listener\\.[0-9._]*downstream_cx_total')), [
    'listener.127.0.0.1_40001.downstream_cx_total: 0',
    'listener.127.0.0.1_40002.downstream_cx_total: 7',
    '',
  ].join('\n'));
  const series = pages.prometheus(ALL).split('\n').filter((line) => line.startsWith('envoy_listener')).map((line) => line.slice(0, line.lastIndexOf(' ')));
  t.equal(new Set(series).size, series.length, 'no series twice');
});

t.test('reset: counters are zero, stay used, and count on; the rest is as it was', async (t) => {
  const { pages, stripes, plan } = house();
  const { stats, histograms } = plan.clusters['app']!;
  const { cells, buckets } = stripes[0]!;
  cells[stats + S.UP_RQ_TOTAL] = 5;
  cells[stats + S.UP_CX_ACTIVE] = 2;
  cells[stats + S.CLUSTER_CODES_AT + codeSlot(204)] = 5;
  cells[plan.listeners['edge']!.listener + S.LISTENER_CX_TOTAL] = 3;
  record(buckets, histograms + S.UP_RQ_TIME, 2000);
  const named = (text: string): string[] => text.split('\n').map((line) => line.replace(/: .*/, ''));
  const before = pages.text({ ...ALL, usedOnly: true });
  pages.resetCounters();
  const after = pages.text({ ...ALL, usedOnly: true });
  t.same(named(after), named(before), 'no name comes or goes');
  const lines = (text: string): string[] => text.trimEnd().split('\n').filter((line) => /: [1-9]|P0/.test(line));
  const kept = /_active|remaining|membership_(?:total|healthy)|server\.|P0/;
  t.same(lines(after), lines(before).filter((line) => kept.test(line)), 'gauges and histograms stay');
  cells[stats + S.UP_RQ_TOTAL]!++;
  t.equal(pages.text(filter('app.upstream_rq_total')), 'cluster.app.upstream_rq_total: 1\n');
  t.match(pages.prometheus(filter('rq_total')), 'envoy_cluster_upstream_rq_total{envoy_cluster_name="app"} 1\n');
});

t.test('breakers: open at the limit, what remains only where there is a limit', async (t) => {
  const limits = { maxConnections: 2, maxPendingRequests: 0, maxRequests: 3, maxRetries: 3, high: { maxConnections: 0, maxPendingRequests: 0, maxRequests: 0, maxRetries: 1, retryBudget: { budgetPercent: 50, minConcurrency: 1 } } };
  const { pages, shared, stripes, plan } = house(snapshot({ listeners: [], clusters: [clusterConfig('app', [1], { circuitBreakers: limits })] }));
  const table = new BreakerTable(shared.breakers, stripes[0]!.held);
  const row = plan.clusters['app']!.breakers;
  table.tryAcquire(row, RES_CX);
  table.tryAcquire(row, RES_CX);
  table.tryAcquire(row, RES_RQ);
  t.equal(pages.text(filter('circuit_breakers.default')), [
    'cx_open: 1', 'cx_pool_open: 0', 'remaining_cx: 0', 'remaining_retries: 3', 'remaining_rq: 2', 'rq_open: 0', 'rq_pending_open: 0', 'rq_retry_open: 0', '',
  ].map((line) => (line === '' ? '' : `cluster.app.circuit_breakers.default.${line}`)).join('\n'));
  const high = (...retries: string[]): string => ['cx_open: 0', 'cx_pool_open: 0', retries[0], 'rq_open: 0', 'rq_pending_open: 0', retries[1]].map((line) => `cluster.app.circuit_breakers.high.${line}\n`).join('');
  table.tryAcquire(row + 1, RES_RETRY);
  t.equal(pages.text(filter('circuit_breakers.high')), high('remaining_retries: 0', 'rq_retry_open: 1'), 'a budget of an idle cluster is its minimum');
  for (let i = 0; i < 4; i++) table.tryAcquire(row + 1, RES_RQ);
  for (let i = 0; i < 3; i++) table.tryAcquire(row + 1, RES_PENDING);
  t.equal(pages.text(filter('circuit_breakers.high')), high('remaining_retries: 2', 'rq_retry_open: 0'), 'half of seven, active and waiting');
});

t.test('used only: what was written, and the gauges of what was', async (t) => {
  const { pages, stripes, plan } = house();
  const { stats, histograms } = plan.clusters['app']!;
  stripes[0]!.cells[stats + S.UP_CX_TOTAL] = 1;
  record(stripes[0]!.buckets, histograms + S.UP_CX_CONNECT_MS, 100);
  t.equal(pages.text(filter('^cluster.app.upstream', true)).replaceAll(/P.*/g, 'P'), [
    'cluster.app.upstream_cx_active: 0',
    'cluster.app.upstream_cx_total: 1',
    'cluster.app.upstream_rq_active: 0',
    'cluster.app.upstream_rq_pending_active: 0',
    'cluster.app.upstream_cx_connect_ms: P',
    '',
  ].join('\n'));
  t.notMatch(pages.text({ usedOnly: true, matches: null }), /http\.edge|No recorded|cluster_removed/);
  t.notMatch(pages.prometheus({ usedOnly: true, matches: null }), /upstream_cx_length_ms|cluster_removed/);
  t.equal(pages.text(filter('nothing has this name')), '');
  t.equal(pages.prometheus(filter('nothing has this name')), '');
});

t.test('JSON: the shape of Envoy', async (t) => {
  const { pages, stripes, plan } = house();
  t.equal(pages.json(filter('server.live')), '{"stats":[{"name":"server.live","value":1}]}');
  t.equal(pages.json(filter('^$')), '{"stats":[]}');
  record(stripes[0]!.buckets, plan.clusters['app']!.histograms + S.UP_RQ_TIME, 31);
  const parsed = JSON.parse(pages.json(filter('cluster.app.(upstream_rq_time|upstream_cx_length|membership_total)'))) as { stats: unknown[] };
  t.same(parsed.stats[0], { name: 'cluster.app.membership_total', value: 2 });
  t.same(parsed.stats[1], { name: 'cluster.app.upstream_rq_timeout', value: 0 });
  const ten = (cumulative: number | null): unknown[] => Array.from({ length: 10 }, () => ({ cumulative, interval: null }));
  t.same(parsed.stats[2], {
    histograms: {
      supported_quantiles: [0, 25, 50, 75, 90, 95, 99, 99.5, 99.9, 100],
      computed_quantiles: [
        { name: 'cluster.app.upstream_cx_length_ms', values: ten(null) },
        { name: 'cluster.app.upstream_rq_time', values: ten(0.031) },
      ],
    },
  });
});

// The names and label names of this one were compared with what Envoy 1.40 prints.
t.test('Prometheus: families, labels and buckets', async (t) => {
  const { pages, stripes, plan } = house(snapshot({
    listeners: [listenerConfig('edge', 19000)],
    clusters: [clusterConfig('de.ad', [1]), clusterConfig('app', [19100])],
  }));
  const { stats, histograms } = plan.clusters['app']!;
  const { cells, buckets } = stripes[1]!;
  cells[stats + S.UP_RQ_TOTAL] = 3;
  cells[stats + S.CLUSTER_CODES_AT + codeSlot(200)] = 2;
  cells[stats + S.CLUSTER_CODES_AT + codeSlot(503)] = 1;
  cells[stats + S.CLUSTER_CODES_AT + codeSlot(777)] = 1;
  cells[stats + S.UP_RQ_2XX] = 2;
  cells[plan.listeners['edge']!.http + S.DOWN_RQ_2XX] = 2;
  record(buckets, histograms + S.UP_RQ_TIME, 20);
  record(buckets, histograms + S.UP_RQ_TIME, 7_000_000);
  const out = pages.prometheus(filter('upstream_rq_(200|503|2xx|total|time$|unknown)|downstream_rq_2xx|cx_active|server.live|cluster_added'));
  const bounds: [string, number][] = [
    ['0.5', 1], ['1', 1], ['5', 1], ['10', 1], ['25', 1], ['50', 1], ['100', 1], ['250', 1], ['500', 1], ['1000', 1], ['2500', 1], ['5000', 1],
    ['10000', 2], ['30000', 2], ['60000', 2], ['300000', 2], ['600000', 2], ['1800000', 2], ['3600000', 2], ['+Inf', 2],
  ];
  const histogram = (name: string, counts: (n: number) => number, sum: string): string =>
    bounds.map(([le, n]) => `envoy_cluster_upstream_rq_time_bucket{envoy_cluster_name="${name}",le="${le}"} ${counts(n)}\n`).join('') +
    `envoy_cluster_upstream_rq_time_sum{envoy_cluster_name="${name}"} ${sum}\nenvoy_cluster_upstream_rq_time_count{envoy_cluster_name="${name}"} ${counts(2)}\n`;
  const sum = /_sum\{envoy_cluster_name="app"\} (.*)/.exec(out)![1]!;
  t.ok(Math.abs(Number(sum) - 7000.02) < 7000 / 32);
  t.equal(out, `# TYPE envoy_cluster_manager_cluster_added counter
envoy_cluster_manager_cluster_added{} 1
# TYPE envoy_cluster_upstream_rq counter
envoy_cluster_upstream_rq{envoy_response_code="200",envoy_cluster_name="app"} 2
envoy_cluster_upstream_rq{envoy_response_code="503",envoy_cluster_name="app"} 1
# TYPE envoy_cluster_upstream_rq_total counter
envoy_cluster_upstream_rq_total{envoy_cluster_name="app"} 3
envoy_cluster_upstream_rq_total{envoy_cluster_name="de.ad"} 0
# TYPE envoy_cluster_upstream_rq_unknown counter
envoy_cluster_upstream_rq_unknown{envoy_cluster_name="app"} 1
# TYPE envoy_cluster_upstream_rq_xx counter
envoy_cluster_upstream_rq_xx{envoy_response_code_class="2",envoy_cluster_name="app"} 2
# TYPE envoy_http_downstream_rq_xx counter
envoy_http_downstream_rq_xx{envoy_response_code_class="2",envoy_http_conn_manager_prefix="edge"} 2
# TYPE envoy_listener_http_downstream_rq_xx counter
envoy_listener_http_downstream_rq_xx{envoy_response_code_class="2",envoy_http_conn_manager_prefix="edge",envoy_listener_address="127.0.0.1_19000"} 2
# TYPE envoy_cluster_upstream_cx_active gauge
envoy_cluster_upstream_cx_active{envoy_cluster_name="app"} 0
envoy_cluster_upstream_cx_active{envoy_cluster_name="de.ad"} 0
# TYPE envoy_http_downstream_cx_active gauge
envoy_http_downstream_cx_active{envoy_http_conn_manager_prefix="edge"} 0
# TYPE envoy_listener_downstream_cx_active gauge
envoy_listener_downstream_cx_active{envoy_listener_address="127.0.0.1_19000"} 0
# TYPE envoy_listener_worker_downstream_cx_active gauge
envoy_listener_worker_downstream_cx_active{envoy_worker_id="0",envoy_listener_address="127.0.0.1_19000"} 0
envoy_listener_worker_downstream_cx_active{envoy_worker_id="1",envoy_listener_address="127.0.0.1_19000"} 0
# TYPE envoy_server_live gauge
envoy_server_live{} 1
# TYPE envoy_cluster_upstream_rq_time histogram
${histogram('app', (n) => n, sum)}${histogram('de.ad', () => 0, '0')}`);
});

t.test('Prometheus: the whole page is well formed, each family once, each series once', async (t) => {
  const { pages } = house(snapshot({
    listeners: [listenerConfig('we"ird\\', 1), listenerConfig('[::1]:80', 80, { address: { kind: 'ip', host: '::1', port: 80 } })],
    clusters: [clusterConfig('a:b', [1]), clusterConfig('x{y="z"}\n', [2])],
  }));
  const families = new Set<string>();
  const series = new Set<string>();
  let current = '';
  for (const line of pages.prometheus(ALL).trimEnd().split('\n')) {
    const type = /^# TYPE (envoy_[a-zA-Z0-9_]+) (counter|gauge|histogram)$/.exec(line);
    if (type !== null) {
      current = type[1]!;
      t.notOk(families.has(current), current);
      families.add(current);
      continue;
    }
    const sample = /^([a-zA-Z0-9_]+)\{((?:[a-z_]+="(?:[^"\\\n]|\\["\\n])*",?)*)\} -?[0-9.e+]+$/.exec(line);
    if (sample === null || !sample[1]!.startsWith(current) || series.has(sample[1]! + sample[2]!)) t.fail(line);
    else series.add(sample[1]! + sample[2]!);
  }
  t.ok(series.size > 200);
  t.ok([...series].some((one) => one.includes('envoy_listener_address="[__1]_80"')));
  t.ok([...series].some((one) => one.includes('envoy_cluster_name="a_b"')));
});

t.test('before there is a configuration: what the primary knows itself', async (t) => {
  const shared = new SharedState(SHAPES);
  const pages = new StatsPages(() => ({ shared, own: OWN, published: null }));
  t.equal(pages.text(ALL), [
    'cluster_manager.cluster_added: 1', 'cluster_manager.cluster_removed: 0', 'listener_manager.listener_added: 1', 'server.live: 1', 'server.uptime: 190', '',
  ].join('\n'));
});

t.test('gRPC: per method and for the rest, from the first use on, under Envoy\'s names', async (t) => {
  const { pages, stripes, plan } = house(snapshot({ grpcMethods: { app: ['p.q.S/M'] } }));
  const { grpc } = plan.clusters['app']!;
  t.notMatch(pages.text(ALL), 'grpc');
  for (const status of [0, 5, 16, 17, 99, -1]) countGrpcStatus(stripes[0]!.cells, grpc['p.q.S/M']!, status);
  countGrpcStatus(stripes[1]!.cells, grpc['p.q.S/M']!, 0);
  countGrpcStatus(stripes[1]!.cells, grpc['']!, 0);
  stripes[0]!.cells[grpc['p.q.S/M']! + GRPC_REQUEST_MESSAGES] = 3;
  stripes[0]!.cells[grpc['']! + GRPC_RESPONSE_MESSAGES] = 4;
  t.same(pages.text(filter('grpc')).trimEnd().split('\n'), [
    'cluster.app.grpc.0: 1',
    'cluster.app.grpc.p.q.S.M.0: 2',
    'cluster.app.grpc.p.q.S.M.16: 1',
    'cluster.app.grpc.p.q.S.M.5: 1',
    'cluster.app.grpc.p.q.S.M.failure: 5',
    'cluster.app.grpc.p.q.S.M.request_message_count: 3',
    'cluster.app.grpc.p.q.S.M.success: 2',
    'cluster.app.grpc.p.q.S.M.total: 7',
    'cluster.app.grpc.response_message_count: 4',
    'cluster.app.grpc.success: 1',
    'cluster.app.grpc.total: 1',
  ]);
  const prometheus = pages.prometheus(filter('grpc'));
  t.match(prometheus, /^envoy_cluster_grpc_total\{envoy_grpc_bridge_method="M",envoy_grpc_bridge_service="p\.q\.S",envoy_cluster_name="app"\} 7$/m);
  t.match(prometheus, /^envoy_cluster_grpc_total\{envoy_cluster_name="app"\} 1$/m);
  t.match(prometheus, /^envoy_cluster_grpc_5\{envoy_grpc_bridge_method="M",/m);
  t.equal(prometheus.match(/# TYPE envoy_cluster_grpc_total/g)!.length, 1);
});

t.test('outlier_detection.*: Envoy\'s names, where there is outlier detection; and who is ejected is not healthy', async (t) => {
  const watched = clusterConfig('app', [1, 2, 3], { outlierDetection: outlierConfig() });
  const { pages, shared, stripes, plan } = house(snapshot({ clusters: [watched, clusterConfig('plain', [4])] }));
  const { stats, row, hosts } = plan.clusters['app']!;
  const names = (query: StatsQuery): string[] => pages.text(query).trimEnd().split('\n').map((line) => line.slice(0, line.indexOf(': ')));
  t.same(names(filter('outlier')), ENVOY_OUTLIER_NAMES.map((name) => `cluster.app.${name}`), 'in the order of their names');
  t.same(names(filter('outlier', true)).filter((name) => name !== ''), [], 'none of them used');
  stripes[1]!.cells[stats + OUTLIER_AT + EJECTIONS_ENFORCED_TOTAL]!++;
  shared.ownCells[stats + OUTLIER_AT + EJECTIONS_ENFORCED_TOTAL]! += 2;
  shared.hostTable.tryEject(row, 9);
  shared.hostTable.raise(row, hosts[0]!.row, HOST_FAILED_OUTLIER);
  shared.hostTable.raise(row, hosts[1]!.row, HOST_DEGRADED | HOST_EXCLUDED);
  t.equal(pages.text(filter('outlier.*(enforced_total|active)')), 'cluster.app.outlier_detection.ejections_active: 1\ncluster.app.outlier_detection.ejections_enforced_total: 3\n');
  t.equal(pages.text(filter('app.membership_[dehx]')), ['degraded: 1', 'excluded: 1', 'healthy: 1', ''].map((line) => (line === '' ? '' : `cluster.app.membership_${line}`)).join('\n'));
  t.match(pages.prometheus(filter('ejections_active')), 'envoy_cluster_outlier_detection_ejections_active{envoy_cluster_name="app"} 1');
});
