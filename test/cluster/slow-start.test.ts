// Slow start: the share of a new host on Envoy's curve, by virtual time.

import t from 'tap';
import { Balance } from './lb-harness.ts';

const SLOW = { windowMs: 60_000, aggression: 1, minWeightPercent: 10 };

/** The part of its full share that host 2 gets at this moment, beside two old ones. */
function part(balance: Balance, picker: ReturnType<Balance['picker']>, weight = 1): number {
  balance.counts(picker, 300); // what was due by the weights of before
  const counts = balance.counts(picker, 6000);
  return counts[2]! / weight / ((counts[0]! + counts[1]!) / 2);
}

function scene(hosts = 3): Balance {
  const balance = new Balance(hosts);
  for (let i = 0; i < hosts; i++) balance.joins(i);
  balance.advance(600_000);
  balance.joins(hosts - 1);
  return balance;
}

for (const policy of ['roundRobin', 'leastRequest'] as const) {
  t.test(`${policy}: 60 s, a straight line`, async (t) => {
    const balance = scene();
    const picker = balance.picker({ policy, slowStart: SLOW });
    let age = 0;
    for (const [seconds, expected] of [[0, 0.1], [3, 0.1], [6, 0.1], [15, 0.25], [30, 0.5], [45, 0.75], [60, 1], [90, 1]] as const) {
      balance.advance(seconds * 1000 - age);
      age = seconds * 1000;
      const found = part(balance, picker);
      t.ok(Math.abs(found - expected) <= 0.1 * expected, `after ${seconds} s: ${found.toFixed(3)} of its share, ${expected} by the curve`);
    }
  });
}

t.test('aggression, and another minimum', async (t) => {
  for (const [aggression, expected] of [[2, 0.5], [0.5, 0.0625]] as const) {
    const balance = scene();
    const picker = balance.picker({ slowStart: { windowMs: 60_000, aggression, minWeightPercent: 1 } });
    balance.advance(15_000);
    const found = part(balance, picker);
    t.ok(Math.abs(found - expected) <= 0.1 * expected, `(1/4) ^ (1/${aggression}): ${found.toFixed(3)}`);
  }
});

t.test('weights count too', async (t) => {
  const balance = scene();
  const picker = balance.picker({ slowStart: SLOW }, [1, 1, 4]);
  balance.advance(30_000);
  const found = part(balance, picker, 4);
  t.ok(Math.abs(found - 0.5) <= 0.05, found.toFixed(3));
});

t.test('when all are past it: a strict rotation again, of the same picker', async (t) => {
  const balance = scene();
  const picker = balance.picker({ slowStart: SLOW });
  balance.counts(picker, 100);
  balance.advance(60_000);
  balance.pick(picker);
  t.same(balance.counts(picker, 3000), [1000, 1000, 1000]);
});

t.test('all new at once: even shares', async (t) => {
  const balance = new Balance(4);
  for (let i = 0; i < 4; i++) balance.joins(i);
  const picker = balance.picker({ slowStart: SLOW });
  for (const count of balance.counts(picker, 4000)) t.ok(Math.abs(count - 1000) <= 2);
});

t.test('a change of the hosts does not give the new one another start', async (t) => {
  const balance = scene();
  let picker = balance.picker({ slowStart: SLOW });
  balance.advance(15_000);
  const counts = [0, 0, 0];
  for (let i = 0; i < 3000; i++) {
    if (i % 5 === 0) picker = balance.picker({ slowStart: SLOW }, undefined, { before: picker });
    counts[balance.pick(picker)]!++;
  }
  const found = counts[2]! / ((counts[0]! + counts[1]!) / 2);
  t.ok(Math.abs(found - 0.25) <= 0.03, `rebuilt every five picks: ${found.toFixed(3)}`);
});
