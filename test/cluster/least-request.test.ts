// Least request: choices by the requests of all workers, deadlines where weights differ.

import t from 'tap';
import { Balance, chiSquare } from './lb-harness.ts';

t.test('a host that hangs gets no new request once it holds the most', async (t) => {
  for (const hosts of [2, 3, 10]) {
    for (const choiceCount of [2, 3, 5]) {
      const balance = new Balance(hosts);
      const picker = balance.picker({ policy: 'leastRequest', choiceCount });
      balance.begin(0);
      const counts = balance.counts(picker, 3000);
      t.equal(counts[0], 0, `${hosts} hosts, ${choiceCount} choices`);
      t.ok(chiSquare(counts.slice(1), counts.slice(1).map(() => 1)) < 40, String(counts));
    }
  }
});

t.test('it is sent requests again when others hold more', async (t) => {
  const balance = new Balance(3);
  const picker = balance.picker({ policy: 'leastRequest', choiceCount: 3 });
  for (let i = 0; i < 5; i++) balance.begin(0);
  for (let i = 0; i < 30; i++) balance.begin(balance.pick(picker));
  t.same([0, 1, 2].map((host) => balance.active(host)).sort(), [11, 12, 12], 'the best of all hosts: level');
});

t.test('two choices: loads stay close together', async (t) => {
  const balance = new Balance(50);
  const picker = balance.picker({ policy: 'leastRequest' });
  for (let i = 0; i < 5000; i++) balance.begin(balance.pick(picker));
  const loads = balance.hosts.map((_, i) => balance.active(i));
  t.ok(Math.max(...loads) - Math.min(...loads) <= 12, `${Math.min(...loads)} to ${Math.max(...loads)}; random ones would be 70 apart`);
});

t.test('equal loads: uniform', async (t) => {
  for (const choiceCount of [2, 4]) {
    const balance = new Balance(6);
    const counts = balance.counts(balance.picker({ policy: 'leastRequest', choiceCount }), 12_000);
    t.ok(chiSquare(counts, counts.map(() => 1)) < 26, String(counts));
  }
});

t.test('weights: shares as round robin while nobody is busy', async (t) => {
  const balance = new Balance(3);
  const counts = balance.counts(balance.picker({ policy: 'leastRequest' }, [1, 2, 3]), 6000);
  counts.forEach((count, i) => t.ok(Math.abs(count - 1000 * (i + 1)) <= 2, String(counts)));
});

t.test('weights: a host counts for weight / (requests + 1) ^ bias', async (t) => {
  for (const [activeRequestBias, share] of [[0, 2], [0.5, 1], [1, 0.5], [2, 0.125]] as const) {
    const balance = new Balance(2);
    for (let i = 0; i < 3; i++) balance.begin(1);
    const [light, heavy] = balance.counts(balance.picker({ policy: 'leastRequest', activeRequestBias }, [1, 2]), 9000);
    t.ok(Math.abs(heavy! / light! - share) < 0.01 * share, `bias ${activeRequestBias}: ${heavy}/${light}`);
  }
});

t.test('weights: a hung host comes to a stop', async (t) => {
  const balance = new Balance(3);
  const picker = balance.picker({ policy: 'leastRequest' }, [1, 2, 4]);
  for (let i = 0; i < 10_000; i++) {
    const host = balance.pick(picker);
    balance.begin(host);
    if (host !== 2) balance.end(host);
  }
  t.ok(balance.active(2) < 250, `the heaviest hangs: ${balance.active(2)} of 10000`);
});

t.test('untried hosts come first, the idle ones among them', async (t) => {
  const balance = new Balance(4);
  for (const weights of [[1, 1, 1, 1], [1, 2, 3, 1000]]) {
    const picker = balance.picker({ policy: 'leastRequest' }, weights);
    const [a, b, c, d] = balance.hosts as [never, never, never, never];
    for (let i = 0; i < 200; i++) {
      if (balance.pick(picker, [b, c, d]) !== 0) t.fail('three of four tried');
      if (balance.pick(picker, [a, b, c]) !== 3) t.fail('the other three tried');
      if (balance.pick(picker, [a, b, c, d]) < 0) t.fail('all tried');
    }
  }
  const picker = balance.picker({ policy: 'leastRequest' });
  balance.begin(1);
  for (let i = 0; i < 200; i++) if (balance.pick(picker, [balance.hosts[0]!, balance.hosts[2]!]) !== 3) t.fail('the busier one was picked');
  t.pass();
});
