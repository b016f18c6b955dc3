// 10,000 exact or prefix routes cost at most twice what 10 cost. Sizes take turns batch by batch, so that both see the same
// machine; the ratio is taken pair by pair. A busy machine gets more than one chance, a linear search would need a
// hundred times as long on each.

import t from 'tap';
import { MatchCase } from './match-case.ts';

const ROUNDS = 200;
const CHANCES = 5;

function medianRatio(few: MatchCase, many: MatchCase): number {
  const ratios: number[] = [];
  for (let round = -20; round < ROUNDS; round++) {
    const base = few.measure();
    const ratio = many.measure() / base;
    if (round >= 0) ratios.push(ratio);
  }
  return ratios.sort((a, b) => a - b)[ROUNDS / 2]!;
}

for (const kind of ['path', 'prefix'] as const) {
  t.test(`${kind}: 10,000 routes against 10`, (t) => {
    const few = new MatchCase(kind, 10);
    const many = new MatchCase(kind, 10000);
    t.equal(few.run(5000) + many.run(5000), 0, 'every request meets its route');
    let best = Infinity;
    for (let chance = 0; chance < CHANCES && best > 2; chance++) best = Math.min(best, medianRatio(few, many));
    t.ok(best <= 2, `ratio ${best.toFixed(2)}`);
    t.end();
  });
}
