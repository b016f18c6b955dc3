import t from 'tap';
import { H2_PENDING_SEND_BYTES, H2_STREAMS_ACTIVE } from '../../src/http/h2-limits.ts';
import { CODE_NAMES, codeSlot } from '../../src/observe/code-slots.ts';
import * as G from '../../src/observe/grpc-stats.ts';
import { HISTOGRAM_SLOTS, HISTOGRAM_WORDS, record, slotMiddle, slotOf, slotStart } from '../../src/observe/histogram.ts';
import { BUCKET_BOUNDS, HistogramReader, QUANTILES } from '../../src/observe/quantiles.ts';
import { SHAPES } from '../../src/observe/shapes.ts';
import * as S from '../../src/observe/stat-names.ts';
import * as U from '../../src/observe/upkeep-stats.ts';

const constants = S as unknown as Record<string, unknown>;

/** Envoy's name of a constant's slot: DOWN_CX_TOTAL is downstream_cx_total. */
function spelled(constant: string): string {
  return constant
    .replace(/^HOST_|^HTTP1_/, '')
    .replace(/^LISTENER_(.*)$/, 'DOWNSTREAM_$1')
    .replace(/^UP_FLOW_/, 'UPSTREAM_FLOW_CONTROL_')
    .replace(/^DOWN_FLOW_/, 'DOWNSTREAM_FLOW_CONTROL_')
    .replace(/^UP_RETRY_OR_/, 'RETRY_OR_')
    .replace(/^UP_/, 'UPSTREAM_')
    .replace(/^DOWN_/, 'DOWNSTREAM_')
    .replace(/(FLOW_CONTROL_.*)$/, '$1_TOTAL')
    .toLowerCase();
}

const families: [name: string, list: readonly (readonly [string, S.StatKind])[], belongs: RegExp, offset: number][] = [
  ['CLUSTER_STATS', S.CLUSTER_STATS, /^UP_(?!RQ_TIME$|CX_CONNECT_MS$|CX_LENGTH_MS$)/, 0],
  ['HOST_STATS', S.HOST_STATS, /^HOST_(?!STATS)/, 0],
  ['LISTENER_STATS', S.LISTENER_STATS, /^LISTENER_(?!STATS)/, 0],
  ['HTTP_STATS', S.HTTP_STATS, /^(?:DOWN_(?!RQ_TIME$|CX_LENGTH_MS$)|NO_|RQ_)/, 0],
  ['HTTP1_STATS', S.HTTP1_STATS, /^HTTP1_(?!STATS)/, S.HTTP_STATS.length],
];

for (const [family, list, belongs, offset] of families) {
  t.test(`${family}: constants and names agree, none is missing on either side`, async (t) => {
    const found = Object.entries(constants).filter(([name]) => belongs.test(name));
    t.equal(found.length, list.length);
    for (const [name, slot] of found) t.equal(list[(slot as number) - offset]?.[0], spelled(name), name);
    t.equal(new Set(list.map(([name]) => name)).size, list.length, 'no name twice');
    for (const [name, kind] of list) t.equal(kind, /active$|_pending$/.test(name) ? 'gauge' : 'counter', name);
  });
}

t.test('histograms: constants and names agree', async (t) => {
  t.same([S.UP_RQ_TIME, S.UP_CX_CONNECT_MS, S.UP_CX_LENGTH_MS].map((i) => S.CLUSTER_HISTOGRAMS[i]), ['upstream_rq_time', 'upstream_cx_connect_ms', 'upstream_cx_length_ms']);
  t.same([S.DOWN_RQ_TIME, S.DOWN_CX_LENGTH_MS].map((i) => S.HTTP_HISTOGRAMS[i]), ['downstream_rq_time', 'downstream_cx_length_ms']);
  t.equal(S.CLUSTER_HISTOGRAMS.length, 3);
  t.equal(S.HTTP_HISTOGRAMS.length, 2);
});

t.test('shapes: blocks are as large as what is written to them', async (t) => {
  const upkeep = [U.LB_STATS, U.UPDATE_STATS, U.OUTLIER_STATS, U.HEALTH_STATS, U.RETRY_STATS];
  const starts = [U.LB_AT, U.UPDATE_AT, U.OUTLIER_AT, U.HEALTH_AT, U.RETRY_AT, U.CLUSTER_CELLS];
  upkeep.forEach((list, i) => t.equal(starts[i + 1]! - starts[i]!, list.length, 'families stand back to back'));
  t.equal(U.LB_AT, S.CLUSTER_STATS.length + S.HTTP2_STATS.length + CODE_NAMES.length);
  t.equal(SHAPES.cluster.size, U.CLUSTER_CELLS);
  t.equal(S.HTTP2_AT, S.HTTP1_REQUESTS_REJECTED_WITH_UNDERSCORES_IN_HEADERS + 1);
  t.equal(SHAPES.http.size, S.HTTP2_AT + S.HTTP2_STATS.length);
  t.same(SHAPES.cluster.gauges, [S.UP_CX_ACTIVE, S.UP_RQ_ACTIVE, S.UP_RQ_PENDING_ACTIVE, S.CLUSTER_HTTP2_AT + 16, S.CLUSTER_HTTP2_AT + 17, U.LB_AT + U.LB_SUBSETS_ACTIVE]);
  t.same(SHAPES.host.gauges, [S.HOST_CX_ACTIVE, S.HOST_RQ_ACTIVE, S.HOST_RQ_PENDING]);
  t.same(SHAPES.listener.gauges, [S.LISTENER_CX_ACTIVE]);
  const http2Gauges = [H2_STREAMS_ACTIVE, H2_PENDING_SEND_BYTES].map((stat) => S.HTTP2_AT + stat);
  t.same(SHAPES.http.gauges, [S.DOWN_CX_ACTIVE, S.DOWN_CX_HTTP1_ACTIVE, S.DOWN_RQ_ACTIVE, S.DOWN_CX_HTTP2_ACTIVE, S.DOWN_CX_UPGRADES_ACTIVE, ...http2Gauges]);
});

t.test('upkeep: constants and names agree', async (t) => {
  const constants = U as unknown as Record<string, unknown>;
  const families: [list: readonly (readonly [string, S.StatKind])[], belongs: RegExp, strip: RegExp][] = [
    [U.LB_STATS, /^LB_(?!AT$|STATS$)/, /^/],
    [U.UPDATE_STATS, /^UPDATE_(?!AT$|STATS$)/, /^/],
    [U.HEALTH_STATS, /^HEALTH_(?!AT$|STATS$)/, /^health_/],
  ];
  for (const [list, belongs, strip] of families) {
    const found = Object.entries(constants).filter(([name]) => belongs.test(name));
    t.equal(found.length, list.length);
    for (const [name, slot] of found) t.equal(list[slot as number]?.[0], name.toLowerCase().replace(strip, ''), name);
  }
  t.equal(U.OUTLIER_STATS[U.EJECTIONS_ENFORCED_TOTAL]![0], 'ejections_enforced_total');
  t.equal(U.OUTLIER_STATS[U.EJECTIONS_OVERFLOW]![0], 'ejections_overflow');
  U.OUTLIER_DETECTORS.forEach((name, i) => {
    t.equal(U.OUTLIER_STATS[U.EJECTIONS_DETECTED + i]![0], `ejections_detected_${name}`);
    t.equal(U.OUTLIER_STATS[U.EJECTIONS_ENFORCED + i]![0], `ejections_enforced_${name}`);
  });
  t.equal(U.RETRY_STATS[U.RETRY_CLASSES + 4]![0], 'upstream_rq_5xx');
  t.equal(U.RETRY_STATS[U.RETRY_CODES + codeSlot(503)]![0], 'upstream_rq_503');
});

t.test('gRPC: constants and names agree', async (t) => {
  const slots = [G.GRPC_SUCCESS, G.GRPC_FAILURE, G.GRPC_TOTAL, G.GRPC_REQUEST_MESSAGES, G.GRPC_RESPONSE_MESSAGES];
  t.same(slots.map((slot) => G.GRPC_STATS[slot]![0]), ['success', 'failure', 'total', 'request_message_count', 'response_message_count']);
  const cells = new Float64Array(SHAPES.grpc.size + 2);
  for (let status = -2; status < 200; status++) G.countGrpcStatus(cells, 1, status);
  t.same([...cells], [0, 1, 201, 202, 0, 0, ...Array.from({ length: 17 }, () => 1), 0], 'each code in its own slot, nothing beside the block');
});

t.test('codes: each known one has a slot of its own, all others share one', async (t) => {
  const slots = new Map<number, number[]>();
  for (let status = 0; status < 1000; status++) slots.set(codeSlot(status), [...(slots.get(codeSlot(status)) ?? []), status]);
  for (const [slot, statuses] of slots) {
    if (slot === 0) continue;
    t.same(statuses, [Number(CODE_NAMES[slot])]);
  }
  t.equal(slots.size, CODE_NAMES.length);
  t.equal(CODE_NAMES[codeSlot(200)], '200');
  t.equal(CODE_NAMES[codeSlot(599)], '599');
  for (const odd of [0, 99, 299, 600, 999, 1000, 70_000, -1, NaN]) t.equal(codeSlot(odd), 0, String(odd));
});

t.test('slots of a histogram: gapless, in order, at most 1/32 wide', async (t) => {
  for (let slot = 0; slot < HISTOGRAM_SLOTS; slot++) {
    const start = slotStart(slot);
    const next = slotStart(slot + 1);
    if (slotOf(start) !== slot || slotOf(next - 1) !== slot || next - start > Math.max(1, start / 32)) t.fail(`slot ${slot}: ${start} to ${next}`);
    const middle = slotMiddle(slot);
    if (middle < start || middle >= next || slotOf(middle) !== slot) t.fail(`middle of slot ${slot}: ${middle}`);
  }
  t.equal(slotOf(2 ** 40 - 1), HISTOGRAM_SLOTS - 1);
  t.equal(slotOf(2 ** 32 - 1) + 1, slotOf(2 ** 32));
  for (const long of [2 ** 40, 1e300, Infinity, NaN]) t.equal(slotOf(long), HISTOGRAM_SLOTS - 1, String(long));
  for (const short of [0, -0, -1, -Infinity, 0.9]) t.equal(slotOf(short), 0, String(short));
  t.equal(slotOf(31.99), 31);
});

t.test('record counts in its own histogram, beyond 2^32', async (t) => {
  const buckets = new Uint32Array(3 * HISTOGRAM_WORDS);
  record(buckets, 1, 5);
  record(buckets, 1, 5.5);
  t.equal(buckets[HISTOGRAM_WORDS + 5], 2);
  t.equal(buckets.reduce((sum, n) => sum + n, 0), 2, 'nowhere else');
  buckets[HISTOGRAM_WORDS + 5] = 2 ** 32 - 1;
  record(buckets, 1, 5);
  t.equal(buckets[HISTOGRAM_WORDS + 5], 0);
  t.equal(buckets[HISTOGRAM_WORDS + HISTOGRAM_SLOTS + 5], 1);
  const figures = new HistogramReader().load((into) => into.forEach((_, i) => (into[i] = buckets[HISTOGRAM_WORDS + i]!)));
  t.equal(figures.count, 2 ** 32);
});

/** Records micros, and reads them as the sum of two workers. */
function read(micros: readonly number[]): { figures: ReturnType<HistogramReader['load']>; quantiles: number[] } {
  const workers = [new Uint32Array(HISTOGRAM_WORDS), new Uint32Array(HISTOGRAM_WORDS)];
  micros.forEach((value, i) => record(workers[i % 2]!, 0, value));
  const reader = new HistogramReader();
  const figures = reader.load((into) => workers.forEach((words) => words.forEach((n, i) => (into[i]! += n))));
  return { figures, quantiles: reader.quantiles() };
}

t.test('percentiles are within 1/32 of the exact ones', async (t) => {
  const micros: number[] = [];
  for (let i = 1; i <= 20_000; i++) micros.push((i * 7919) % 20_011 * 3 + (i % 97 === 0 ? 400_000 : 0) + (i % 1009 === 0 ? 9e9 : 0));
  const sorted = [...micros].sort((a, b) => a - b);
  const { quantiles, figures } = read(micros);
  QUANTILES.forEach((percent, i) => {
    const exact = sorted[Math.max(0, Math.ceil((percent / 100) * sorted.length) - 1)]! / 1000;
    t.ok(Math.abs(quantiles[i]! - exact) <= exact / 32 + 0.001, `P${percent}: ${quantiles[i]} for ${exact}`);
  });
  t.equal(figures.count, 20_000);
  const sum = micros.reduce((total, value) => total + value, 0) / 1000;
  t.ok(Math.abs(figures.sum - sum) < sum / 32);
});

t.test('a single value is all of its percentiles', async (t) => {
  const { quantiles } = read([63_000]);
  t.equal(new Set(quantiles).size, 1);
  t.ok(Math.abs(quantiles[0]! - 63) < 2);
});

t.test('a reader forgets the histogram before', async (t) => {
  const reader = new HistogramReader();
  reader.load((into) => (into[slotOf(50_000)] = 9));
  t.ok(reader.quantiles()[5]! > 40);
  t.equal(reader.load((into) => (into[1] = 1)).count, 1);
  t.equal(reader.quantiles()[9], 0.001);
});

t.test('bucket bounds are cumulative counts', async (t) => {
  const { figures } = read([100, 900, 4000, 4000, 9000, 3_000_000, 7_200_000_000]);
  t.same(Object.fromEntries(figures.buckets.map((n, i) => [BUCKET_BOUNDS[i], n])), {
    0.5: 1, 1: 2, 5: 4, 10: 5, 25: 5, 50: 5, 100: 5, 250: 5, 500: 5, 1000: 5, 2500: 5, 5000: 6, 10000: 6, 30000: 6, 60000: 6,
    300000: 6, 600000: 6, 1800000: 6, 3600000: 6,
  });
  t.equal(figures.count, 7, 'two hours are beyond the last bound');
});
