import t from 'tap';
import { Host } from '../../src/cluster/host.ts';
import { makePicker, type Picker, type PickerTools } from '../../src/cluster/pick.ts';
import type { BalancingPolicy } from '../../src/config/cluster-snapshot.ts';
import { Clock } from '../../src/core/clock.ts';
import { Random } from '../../src/core/random.ts';
import { BREAKER_ROW, BreakerTable, HELD_ROW } from '../../src/shared/breaker-table.ts';
import { HOST_ROW, HostTable } from '../../src/shared/host-table.ts';
import { balancing } from '../support/snapshots.ts';
import { LoneStream } from '../route/request.ts';

const stream = new LoneStream();
const tools: PickerTools = {
  random: new Random([1, 2, 3, 4]),
  clock: new Clock(),
  hostTable: new HostTable(new SharedArrayBuffer(64 * HOST_ROW * 4)),
  breakers: new BreakerTable(new SharedArrayBuffer(64 * BREAKER_ROW * 4), new Int32Array(64 * HELD_ROW)),
  breakerRow: 0,
};

function hostsOf(weights: readonly number[]): Host[] {
  return weights.map((weight, i) => new Host({ kind: 'ip', host: '127.0.0.1', port: i }, `h${i}`, weight, { cells: 0, row: 0, breakers: -1 }));
}

function pickerOf(policy: BalancingPolicy, weights: readonly number[], seed = 1): { next(): number; picker: Picker } {
  const hosts = hostsOf(weights);
  const picker = makePicker(balancing({ policy }), hosts, weights, { ...tools, random: new Random([seed, Math.imul(seed, 0x9e3779b1), ~seed, 7]) });
  return { picker, next: () => hosts.indexOf(picker.pick(stream, [])!) };
}

function countsOf(picks: readonly number[], hosts: number): number[] {
  const counts = new Array<number>(hosts).fill(0);
  for (const pick of picks) counts[pick]!++;
  return counts;
}

const take = (next: () => number, count: number): number[] => Array.from({ length: count }, next);

t.test('no host: nobody is picked; one host: always that one', async (t) => {
  for (const policy of ['roundRobin', 'random'] as const) {
    t.equal(pickerOf(policy, []).picker.pick(stream, []), null);
    t.same(new Set(take(pickerOf(policy, [7]).next, 50)), new Set([0]));
  }
});

t.test('round robin, equal weights: strict rotation, from a random place', async (t) => {
  const starts = new Set<number>();
  for (let seed = 1; seed < 60; seed++) {
    const picks = take(pickerOf('roundRobin', [5, 5, 5, 5], seed).next, 40);
    starts.add(picks[0]!);
    picks.forEach((pick, i) => i > 0 && pick !== (picks[i - 1]! + 1) % 4 && t.fail(`seed ${seed}: ${pick} after ${picks[i - 1]}`));
  }
  t.same([...starts].sort(), [0, 1, 2, 3], 'workers do not all begin with the same host');
});

t.test('round robin 1:2:3: every cycle has exactly its shares, wherever it is cut', async (t) => {
  for (const seed of [1, 2, 3, 4, 5, 6, 7]) {
    const { next } = pickerOf('roundRobin', [1, 2, 3], seed);
    const picks = take(next, 6000);
    t.same(countsOf(picks, 3), [1000, 2000, 3000]);
    const off = picks.findIndex((_, i) => i + 6 <= picks.length && String(countsOf(picks.slice(i, i + 6), 3)) !== '1,2,3');
    t.equal(off, -1, `seed ${seed}: any six in a row`);
  }
});

t.test('round robin keeps its shares after a very long time', async (t) => {
  const weights = [1, 2, 3, 7, 100];
  const cycle = 113;
  const { next } = pickerOf('roundRobin', weights);
  for (let i = 0; i < 3_000_000; i++) next();
  for (let round = 0; round < 3; round++) t.same(countsOf(take(next, cycle), 5), weights);
});

t.test('round robin interleaves: a heavy host does not get its whole share in a row', async (t) => {
  const runs: number[] = [];
  const picks = take(pickerOf('roundRobin', [2, 3]).next, 500);
  let run = 0;
  picks.forEach((pick, i) => {
    run = i > 0 && pick === picks[i - 1] ? run + 1 : 1;
    runs.push(run);
  });
  t.equal(Math.max(...runs), 2);
});

t.test('round robin with many and with extreme weights', async (t) => {
  const weights = Array.from({ length: 97 }, (_, i) => (i % 13) + 1);
  const total = weights.reduce((a, b) => a + b);
  t.same(countsOf(take(pickerOf('roundRobin', weights).next, total * 3), 97), weights.map((w) => w * 3));
  const light = take(pickerOf('roundRobin', [1, 4_294_967_295]).next, 10_000).filter((pick) => pick === 0).length;
  t.ok(light <= 1, `the light one was picked ${light} times`);
  const ties = take(pickerOf('roundRobin', [2, 2, 1]).next, 5000);
  t.same(countsOf(ties, 3), [2000, 2000, 1000], 'hosts that are due at the same moment all come');
});

/** Pearson's statistic; the bounds used below are the 99.99 % points. */
function chiSquare(counts: readonly number[], weights: readonly number[]): number {
  const n = counts.reduce((a, b) => a + b);
  const sum = weights.reduce((a, b) => a + b);
  return counts.reduce((all, count, i) => all + (count - (n * weights[i]!) / sum) ** 2 / ((n * weights[i]!) / sum), 0);
}

t.test('random: in proportion, equal and weighted', async (t) => {
  const cases: [weights: number[], bound: number][] = [
    [[1, 1, 1, 1], 21.1],
    [[1, 2, 3], 18.4],
    [[1, 1000], 15.1],
    [Array.from({ length: 20 }, (_, i) => i + 1), 51],
  ];
  for (const [weights, bound] of cases) {
    const counts = countsOf(take(pickerOf('random', weights).next, 60_000), weights.length);
    const x = chiSquare(counts, weights);
    t.ok(x < bound, `${weights}: ${counts} (${x.toFixed(1)})`);
    t.ok(x > 0, 'and not because it rotates');
  }
});

t.test('random: one pick says nothing about the next', async (t) => {
  const picks = take(pickerOf('random', [1, 1, 1]).next, 30_000);
  const pairs = countsOf(picks.slice(1).map((pick, i) => picks[i]! * 3 + pick), 9);
  t.ok(chiSquare(pairs, new Array<number>(9).fill(1)) < 32, String(pairs));
});
