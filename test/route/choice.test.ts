// Fractions and weights: the right shares, the same answer when asked again, and no choice leaning on another.

import t from 'tap';
import { Random } from '../../src/core/random.ts';
import type { RouteTable } from '../../src/route/match.ts';
import { chooseCluster, clusterFromHeader } from '../../src/route/random-choice.ts';
import { forward, matching, route, streamOf, tableOfRoutes } from './request.ts';

const REQUESTS = 20000;
const ALL = { kind: 'any' } as const;

/** How often each route name is met. */
function meet(table: RouteTable, random: Random): Record<string, number> {
  const counts: Record<string, number> = {};
  const stream = streamOf({});
  for (let i = 0; i < REQUESTS; i++) {
    stream.routeDraw = 0; // as for a new request
    const name = table.match(stream, random)?.name ?? 'none';
    counts[name] = (counts[name] ?? 0) + 1;
  }
  return counts;
}

interface Tally {
  /** How many of `total`; `share` of them are due. */
  count: number;
  share: number;
  total: number;
}

function withinThreeSigma(t: { ok(value: boolean, message: string): unknown }, { count, share, total }: Tally, what: string): void {
  const sigma = Math.sqrt(total * share * (1 - share));
  t.ok(Math.abs(count - total * share) <= 3 * sigma, `${what}: ${count} of ${total}, wanted ${total * share} ± ${3 * sigma}`);
}

t.test('a fraction takes its share', (t) => {
  for (const fraction of [0.001, 0.1, 0.5, 0.999]) {
    const table = tableOfRoutes(route('some', matching(ALL, { fraction })), route('rest', matching(ALL)));
    withinThreeSigma(t, { count: meet(table, new Random([1, 2, 3, 4]))['some'] ?? 0, share: fraction, total: REQUESTS }, `fraction ${fraction}`);
  }
  t.end();
});

t.test('fraction 0 takes nothing, 1 takes all', (t) => {
  const none = tableOfRoutes(route('some', matching(ALL, { fraction: 0 })), route('rest', matching(ALL)));
  t.same(meet(none, new Random([1, 2, 3, 4])), { rest: REQUESTS });
  const all = tableOfRoutes(route('some', matching(ALL, { fraction: 1 })), route('rest', matching(ALL)));
  t.same(meet(all, new Random([1, 2, 3, 4])), { some: REQUESTS });
  t.end();
});

t.test('a second fraction takes its share of what the first has left', (t) => {
  const half = matching(ALL, { fraction: 0.5 });
  const counts = meet(tableOfRoutes(route('one', half), route('two', half), route('rest', matching(ALL))), new Random([9, 8, 7, 6]));
  withinThreeSigma(t, { count: counts['one'] ?? 0, share: 0.5, total: REQUESTS }, 'the first');
  withinThreeSigma(t, { count: counts['two'] ?? 0, share: 0.25, total: REQUESTS }, 'the second');
  t.end();
});

t.test('one request gets one answer, and needs one draw', (t) => {
  const table = tableOfRoutes(route('some', matching(ALL, { fraction: 0.5 }), forward({ clusters: ab(50, 50) })), route('rest', matching(ALL)));
  const random = new Random([1, 2, 3, 4]);
  for (let i = 0; i < 100; i++) {
    const stream = streamOf({});
    const first = table.match(stream, random)!;
    const draw = stream.routeDraw;
    const cluster = chooseCluster(first, stream, random);
    for (let again = 0; again < 5; again++) {
      t.equal(table.match(stream, random), first);
      t.equal(chooseCluster(first, stream, random), cluster);
    }
    t.equal(stream.routeDraw, draw);
    stream.release();
    t.equal(stream.routeDraw, 0, 'the next request draws anew');
  }
  t.end();
});

function ab(a: number, b: number): { name: string; weight: number }[] {
  return [
    { name: 'a', weight: a },
    { name: 'b', weight: b },
  ];
}

function choose(weights: readonly number[], fraction = 1): number[] {
  const clusters = weights.map((weight, k) => ({ name: `c${k}`, weight }));
  const table = tableOfRoutes(route('it', matching(ALL, { fraction }), forward({ clusters })));
  const random = new Random([4, 3, 2, 1]);
  const counts = weights.map(() => 0);
  const stream = streamOf({});
  for (let i = 0; i < REQUESTS; i++) {
    stream.routeDraw = 0;
    const found = table.match(stream, random);
    if (found !== null) counts[chooseCluster(found, stream, random)]!++;
  }
  return counts;
}

t.test('weights take their shares', (t) => {
  for (const weights of [[90, 10], [1, 1, 1], [0, 3, 1], [5, 0, 0, 5], [0.5, 1.5]]) {
    const total = weights.reduce((sum, weight) => sum + weight, 0);
    choose(weights).forEach((count, k) => {
      withinThreeSigma(t, { count, share: weights[k]! / total, total: REQUESTS }, `${weights} at ${k}`);
    });
  }
  t.same(choose([0, 1]), [0, REQUESTS], 'a weight of 0 is never chosen');
  t.same(choose([1, 0]), [REQUESTS, 0]);
  t.same(choose([7]), [REQUESTS]);
  t.end();
});

t.test('weights behind a fraction keep their shares', (t) => {
  const counts = choose([90, 10], 0.1);
  const through = counts[0]! + counts[1]!;
  withinThreeSigma(t, { count: counts[1]!, share: 0.1, total: through }, 'the minor share of those that passed');
  t.end();
});

t.test('a header names the cluster', (t) => {
  const table = tableOfRoutes(route('it', matching(ALL), forward({ clusters: [], clusterHeader: 'x-cluster' })));
  const named = (headers: string[]): string => {
    const stream = streamOf({ headers });
    const found = table.match(stream, new Random([1, 2, 3, 4]))!;
    t.equal(chooseCluster(found, stream, new Random([1, 2, 3, 4])), -1);
    return clusterFromHeader(found, stream);
  };
  t.equal(named(['X-Cluster: up']), 'up');
  t.equal(named(['x-cluster: up', 'x-cluster: other']), 'up', 'the first value, as Envoy');
  t.equal(named([]), '');
  t.equal(named(['x-cluster:']), '');
  t.end();
});
