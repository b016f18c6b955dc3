// Pickers by hash over a change of hosts: who answers while a table is built, tables that come back, hosts that were tried,
// requests without a hash, bounded loads.

import t from 'tap';
import type { Host } from '../../src/cluster/host.ts';
import type { Picker } from '../../src/cluster/pick.ts';
import { Balance, chiSquare } from './lb-harness.ts';

const KEYS = Array.from({ length: 2000 }, (_, i) => `k${i}`);
const POLICIES = ['ringHash', 'maglev'] as const;

const mapping = (balance: Balance, picker: Picker, tried: readonly Host[] = []): number[] => KEYS.map((key) => balance.pickKey(picker, key, tried));

for (const policy of POLICIES) {
  const config = { policy, minRingSize: 20_000 };

  t.test(`${policy}: without a hash, a random host`, async (t) => {
    const balance = new Balance(4);
    const counts = balance.counts(balance.picker(config), 8000);
    t.ok(chiSquare(counts, counts.map(() => 1)) < 60, String(counts));
  });

  t.test(`${policy}: no host, one host`, async (t) => {
    const balance = new Balance(1);
    t.equal(balance.picker(config, [], { hosts: [] }).pick(balance.stream, []), null);
    t.equal(balance.pickKey(balance.picker(config), 'a'), 0);
    t.equal(balance.pickKey(balance.picker(config), 'a', balance.hosts), 0, 'tried, and there is no other');
  });

  t.test(`${policy}: while the new table is built, the old one serves those who are left`, async (t) => {
    const balance = new Balance(8);
    const whole = balance.picker(config);
    const before = mapping(balance, whole);
    const rest = balance.hosts.slice(0, 7);
    const next = balance.picker(config, rest.map(() => 1), { hosts: rest, before: whole });
    const during = mapping(balance, next);
    t.notOk(during.includes(7), 'nobody goes to the one that is gone');
    t.same(during.filter((_, i) => before[i] !== 7), before.filter((host) => host !== 7), 'all others stay where they were: no time has gone by');
    t.ok(new Set(during.filter((_, i) => before[i] === 7)).size >= 5, 'its keys are spread over the others');
    t.same(mapping(balance, next), during, 'and are sent to the same again');
    for (let turn = 0; turn < 100; turn++) {
      balance.advance(1);
      balance.pickKey(next, 'a');
    }
    t.same(mapping(balance, next), mapping(balance, balance.picker(config, rest.map(() => 1), { hosts: rest })), 'then it is the table of a new start');
  });

  t.test(`${policy}: a table that was there before is there at once`, async (t) => {
    const balance = new Balance(6);
    const whole = balance.picker(config);
    const before = mapping(balance, whole);
    const rest = balance.hosts.slice(1);
    const less = balance.picker(config, rest.map(() => 1), { hosts: rest, before: whole });
    mapping(balance, less);
    const back = balance.picker(config, undefined, { before: less });
    t.same(mapping(balance, back), before);
    const again = balance.picker(config, rest.map(() => 1), { hosts: rest, before: back });
    t.notOk(mapping(balance, again).includes(0));
  });

  t.test(`${policy}: hosts that were tried are walked past, by an order that is the key's own`, async (t) => {
    const balance = new Balance(5);
    const picker = balance.picker(config);
    const first = mapping(balance, picker);
    const second = KEYS.map((key, i) => balance.pickKey(picker, key, [balance.hosts[first[i]!]!]));
    t.notOk(second.some((host, i) => host === first[i]));
    t.same(KEYS.map((key, i) => balance.pickKey(picker, key, [balance.hosts[first[i]!]!])), second, 'the same again');
    t.ok(new Set(second.filter((_, i) => first[i] === 0)).size >= 3, 'not all to one neighbour');
    for (let left = 0; left < 5; left++) {
      const tried = balance.hosts.filter((_, i) => i !== left);
      t.same(new Set(KEYS.slice(0, 300).map((key) => balance.pickKey(picker, key, tried))), new Set([left]), 'four of five tried');
    }
  });

  t.test(`${policy}, bounded: one hot key, and no host above 1.5 times the mean`, async (t) => {
    const balance = new Balance(10);
    const picker = balance.picker({ ...config, hashBalanceFactor: 150 });
    const most: number[] = [];
    for (let n = 1; n <= 500; n++) {
      balance.begin(balance.pickKey(picker, 'hot'));
      const loads = balance.hosts.map((_, i) => balance.active(i));
      most.push(Math.max(...loads) - Math.ceil((1.5 * n) / 10));
    }
    t.ok(Math.max(...most) <= 1, 'never more than a request rounded up above it');
    const loads = balance.hosts.map((_, i) => balance.active(i));
    t.ok(Math.max(...loads) <= 75, `500 requests, mean 50: ${loads}`);
    t.ok(loads.filter((load) => load > 0).length >= 7, 'the overflow goes to several');
    t.equal(loads.indexOf(Math.max(...loads)) >= 0 && balance.active(balance.pickKey(balance.picker(config), 'hot')) >= 74, true, 'its own host is full');
  });

  t.test(`${policy}, bounded: a key goes where it belongs while there is room`, async (t) => {
    const balance = new Balance(6);
    const free = mapping(balance, balance.picker(config));
    t.same(mapping(balance, balance.picker({ ...config, hashBalanceFactor: 125 })), free);
    const heavy = balance.picker({ ...config, hashBalanceFactor: 100 }, [1, 1, 1, 1, 1, 5]);
    for (let n = 0; n < 100; n++) balance.begin(balance.pickKey(heavy, KEYS[n]!));
    const loads = balance.hosts.map((_, i) => balance.active(i));
    t.ok(loads[5]! >= 48 && loads[5]! <= 51 && Math.max(...loads.slice(0, 5)) <= 11, `by weight: ${loads}`);
    const tried = [balance.hosts[0]!, balance.hosts[5]!];
    t.notOk(mapping(balance, heavy, tried).some((host) => host === 0 || host === 5), 'nor do jumps end at hosts that were tried');
  });
}

t.test('a picker does not keep the ones before it alive', async (t) => {
  const balance = new Balance(4);
  let picker = balance.picker({ policy: 'maglev', tableSize: 101 });
  for (let i = 0; i < 10; i++) {
    mapping(balance, picker);
    picker = balance.picker({ policy: 'maglev', tableSize: 101 }, [1, 1, 1, i + 1], { before: picker });
  }
  mapping(balance, picker);
  t.notOk(JSON.stringify(Object.keys(picker)).includes('before'));
  t.ok((picker as unknown as { kept: unknown[] }).kept.length <= 3, 'and not all tables there ever were');
});
