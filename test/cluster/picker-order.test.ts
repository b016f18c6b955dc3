// What all policies have in common: hosts that were tried come last; schedules go on over a change of hosts; peak EWMA.

import t from 'tap';
import type { Picker } from '../../src/cluster/pick.ts';
import type { BalancingPolicy } from '../../src/config/cluster-snapshot.ts';
import { Balance, chiSquare } from './lb-harness.ts';

const POLICIES: readonly BalancingPolicy[] = ['roundRobin', 'leastRequest', 'random', 'ringHash', 'maglev', 'peakEwma'];

for (const policy of POLICIES) {
  for (const weights of [[1, 1, 1, 1, 1, 1], [1, 50, 3, 1, 200, 9], [0.5, 1.25, 3, 0.1, 7.5, 1]]) {
    t.test(`${policy} ${weights}: an untried host while there is one`, async (t) => {
      const balance = new Balance(6);
      const picker = balance.picker({ policy, minRingSize: 64 }, weights);
      for (let set = 0; set < 64; set++) {
        const tried = balance.hosts.filter((_, i) => (set & (1 << i)) !== 0);
        for (let n = 0; n < 30; n++) {
          const picked = balance.pickKey(picker, `${set} ${n}`, tried);
          if (picked < 0 || (tried.length < 6 && tried.includes(balance.hosts[picked]!))) t.fail(`set ${set}: ${picked}`);
        }
      }
      t.pass();
    });
  }
}

t.test('round robin goes on over a change of one host', async (t) => {
  const balance = new Balance(5);
  let picker: Picker = balance.picker({});
  const counts = [0, 0, 0, 0, 0];
  for (let i = 0; i < 4000; i++) {
    // Host 4 flaps with every pick.
    const hosts = i % 2 === 0 ? balance.hosts.slice(0, 4) : balance.hosts;
    picker = balance.picker({}, hosts.map(() => 1), { hosts, before: picker });
    counts[balance.pick(picker)]!++;
  }
  for (const count of counts.slice(0, 4)) t.ok(Math.abs(count - counts[0]!) <= 2, `the others in strict turn: ${counts}`);
});

t.test('weighted round robin: rebuilt with every pick, and still exact', async (t) => {
  const balance = new Balance(3);
  let picker = balance.picker({}, [1, 2, 3]);
  const counts = [0, 0, 0];
  for (let i = 0; i < 6000; i++) {
    picker = balance.picker({}, [1, 2, 3], { before: picker });
    counts[balance.pick(picker)]!++;
  }
  counts.forEach((count, i) => t.ok(Math.abs(count - 1000 * (i + 1)) <= 1, String(counts)));
});

t.test('weighted round robin: the others keep their order when one goes and comes', async (t) => {
  const balance = new Balance(4);
  let picker = balance.picker({}, [1, 2, 3, 4]);
  const counts = [0, 0, 0, 0];
  for (let i = 0; i < 9000; i++) {
    const hosts = i % 30 < 10 ? balance.hosts.slice(0, 3) : balance.hosts;
    if (i % 10 === 0) picker = balance.picker({}, hosts.map((host) => balance.hosts.indexOf(host) + 1), { hosts, before: picker });
    counts[balance.pick(picker)]!++;
  }
  t.ok(Math.abs(counts[1]! / counts[0]! - 2) < 0.1 && Math.abs(counts[2]! / counts[0]! - 3) < 0.15, String(counts));
});

t.test('scaled weights need not be whole', async (t) => {
  for (const policy of ['roundRobin', 'leastRequest', 'random'] as const) {
    const balance = new Balance(3);
    const counts = balance.counts(balance.picker({ policy }, [0.25, 0.5, 1.75]), 10_000);
    [1000, 2000, 7000].forEach((share, i) => t.ok(Math.abs(counts[i]! - share) < 0.1 * share, `${policy}: ${counts}`));
  }
});

t.test('a long cycle is not written down, a short one is, and both are exact', async (t) => {
  const balance = new Balance(3);
  for (const weights of [[7001, 7002, 7003], [3, 4, 5]]) {
    const cycle = weights.reduce((a, b) => a + b);
    const picker = balance.picker({}, weights);
    balance.counts(picker, 3 * cycle + 17);
    t.same(balance.counts(picker, cycle), weights);
    t.same(balance.counts(picker, cycle), weights);
  }
});

t.test('peak EWMA: the faster of two, in proportion to what is under way', async (t) => {
  const balance = new Balance(2);
  const picker = balance.picker({ policy: 'peakEwma' });
  const [fast, slow] = balance.hosts.map((host) => host.latency!);
  const { clock } = balance.tools;
  fast!.note(10, clock.now);
  slow!.note(100, clock.now);
  t.same(balance.counts(picker, 100), [100, 0]);
  for (let i = 0; i < 9; i++) balance.begin(0);
  t.ok(balance.counts(picker, 100).every((count) => count > 20), '10 ms for the tenth, or 100 ms for the first: as good');
  balance.begin(0);
  t.same(balance.counts(picker, 100), [0, 100], 'ten wait at the fast one');
});

t.test('peak EWMA: a peak is seen at once and forgiven by time', async (t) => {
  const balance = new Balance(2);
  const picker = balance.picker({ policy: 'peakEwma' });
  const { clock } = balance.tools;
  const note = (host: number, ms: number): void => balance.hosts[host]!.latency!.note(ms, clock.now);
  note(0, 10);
  note(1, 20);
  t.same(balance.counts(picker, 50), [50, 0]);
  note(0, 200);
  t.same(balance.counts(picker, 50), [0, 50], 'one slow answer');
  for (let s = 0; s < 30; s++) {
    balance.advance(1000);
    note(1, 20);
  }
  t.same(balance.counts(picker, 50), [50, 0], 'after 30 s without a request 200 ms count as 10');
});

t.test('peak EWMA: silent hosts, and weights', async (t) => {
  const balance = new Balance(2);
  const picker = balance.picker({ policy: 'peakEwma' });
  const counts = balance.counts(picker, 4000);
  t.ok(chiSquare(counts, [1, 1]) < 15, `nothing known: ${counts}`);
  balance.begin(0);
  balance.hosts[1]!.latency!.note(60_000, balance.tools.clock.now);
  t.same(balance.counts(picker, 50), [0, 50], 'it has a request and has never answered: the last choice');
  balance.hosts[0]!.latency!.note(100, balance.tools.clock.now);
  balance.hosts[1]!.latency!.note(100, balance.tools.clock.now);
  t.same(balance.counts(balance.picker({ policy: 'peakEwma' }, [1000, 1]), 20), [20, 0], 'a host of a thousand times the weight');
});
