import t from 'tap';
import { CASES, IDLE_CASES, caseNamed } from '../../bench/wire/cases.ts';
import { caseReport, failureLines, idleReport } from '../../bench/wire/report.ts';
import type { Round } from '../../bench/wire/rounds.ts';
import { median, percentile, spread } from '../../bench/wire/statistics.ts';

const round = (requestsPerSecond: number, cpuUsPerRequest: number | null): Round => ({
  requestsPerSecond, cpuUsPerRequest, systemShare: 0.5, p50Us: 1000, p99Us: 2000, p999Us: 30_000, peakBytes: 2 ** 20, errors: 1,
});

/** The cells of a contender's row. */
function cells(page: string, name: string): string[] {
  const line = page.split('\n').find((one) => one.startsWith(`| ${name} `)) ?? '';
  return line.split('|').slice(1, -1).map((cell) => cell.trim());
}

t.test('ratios are taken pair by pair, then summed up', async (t) => {
  const page = caseReport({
    name: 'some', title: 'thing', load: 'wrk', failures: {},
    rounds: { ours: [round(200, 10), round(100, 30), round(300, 20)], nginx: [round(100, 20), round(100, 20), round(100, 20)] },
  });
  t.match(page, '### some: thing; load by wrk\n');
  t.same(cells(page, 'ours'), [
    'ours', '200', '20.0 (10.0+10.0)', '1.00', '2.00', '30.0', '1', '1.00 **2.00** 3.00', '0.50 **1.00** 1.50', '3',
  ]);
  t.same(cells(page, 'nginx').slice(7, 9), ['–', '–'], 'the reference is not compared with itself');
});

t.test('without a reference or without /proc there are no ratios', async (t) => {
  const result = { name: 'some', title: 'thing', load: 'h2load', failures: { nginx: 'built without http_v2' } };
  t.same(cells(caseReport({ ...result, rounds: { ours: [round(200, 10)] } }), 'ours').slice(7, 9), ['–', '–']);
  const blind = caseReport({ ...result, rounds: { ours: [round(200, null)], nginx: [round(100, null)] } });
  t.same(cells(blind, 'ours').slice(7, 9), ['2.00 **2.00** 2.00', '–']);
  t.match(blind, '- Without figures: nginx (built without http_v2)');
});

t.test('one line for each reason', async (t) => {
  t.equal(failureLines({}), '');
  t.equal(failureLines({ a: 'no', b: 'broken\nand more', c: 'no' }), '\n- Without figures: a, c (no)\n- Without figures: b (broken)');
});

t.test('memory of idle connections beside the reference', async (t) => {
  const rounds = (...bytes: number[]) => bytes.map((bytesPerConnection) => ({ bytesPerConnection, baseBytes: 2 ** 21 }));
  const page = idleReport({
    name: 'idle-tls', title: 'idle TLS connections', connections: 2000, failures: {},
    rounds: { ours: rounds(12_000, 15_000, 18_000), nginx: rounds(10_000, 11_000, 9000) },
  });
  t.match(page, '### idle-tls: 2,000 idle TLS connections\n');
  t.same(cells(page, 'ours'), ['ours', '12,000', '15,000', '18,000', '1.50', '2']);
});

t.test('statistics', async (t) => {
  t.equal(median([3, 1, 2]), 2);
  t.equal(median([4, 1, 2, 3]), 2.5);
  t.equal(spread([]), null);
  t.same(spread([2, 9, 4]), { min: 2, median: 4, max: 9 });
  t.equal(percentile([], 0.5), 0);
  t.equal(percentile([7], 0), 7);
  t.equal(percentile([1, 2, 3, 4], 0.5), 2);
  t.equal(percentile([1, 2, 3, 4], 0.51), 3);
  t.equal(percentile([1, 2, 3, 4], 1), 4);
});

t.test('every case can be asked for by its own name', async (t) => {
  const names = [...CASES, ...IDLE_CASES].map((one) => one.name);
  t.equal(new Set(names).size, names.length);
  for (const wire of CASES) t.equal(caseNamed(wire.name), wire);
  for (const idle of IDLE_CASES) t.equal(caseNamed(idle.busy).road, idle.road, `${idle.name} is warmed up on its own road`);
  t.throws(() => caseNamed('small-65'), { message: 'no case small-65' });
});
