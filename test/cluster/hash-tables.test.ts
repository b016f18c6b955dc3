// Ring and maglev: the same tables as Envoy's for the same hosts, and what consistent hashing is for.

import t from 'tap';
import { Maglev } from '../../src/cluster/lb/maglev.ts';
import { Ring } from '../../src/cluster/lb/ring.ts';
import { maglevShares, ringShares } from '../../src/core/hash-shares.ts';
import { hashed, xxHash64 } from '../../src/core/xx-hash.ts';
import { Balance } from './lb-harness.ts';

/** What Envoy 1.40 answered: the requests `key-0` … `key-199` (hash_policy on a header that holds the key) to three hosts of the weights 1, 2, 3. */
const ENVOY_HOSTS = ['127.0.0.1:29101', '127.0.0.1:29102', '127.0.0.1:29103'];
const ENVOY = {
  ringHash: '22222202211111112222221110212122222011200212212220221001201222112112110220121120112011110211212021212111222211021201102222011121222011022212222212212221220110121111021111222122211212220012202010221212',
  maglev: '11222121202112220212000001112221212122222122122101221120002220100112221211202222000121221111212110002202112211022211211012120212222220021220121122011022222222222110221221011021122220020210200221212222',
} as const;

for (const policy of ['ringHash', 'maglev'] as const) {
  t.test(`${policy}: every key to the host that Envoy sends it to`, async (t) => {
    const balance = new Balance(ENVOY_HOSTS);
    const picker = balance.picker({ policy }, [1, 2, 3]);
    t.equal(Array.from({ length: 200 }, (_, i) => balance.pickKey(picker, `key-${i}`)).join(''), ENVOY[policy]);
  });
}

t.test('the ring: sizes and shares as Envoy counts them', async (t) => {
  const even = (n: number): Float64Array => new Float64Array(n).fill(1 / n);
  t.same(ringShares(Float64Array.of(1 / 6, 2 / 6, 3 / 6), 1024, 8_388_608), { size: 1026, shares: Float64Array.of(171, 342, 513) }, 'as Envoy 1.40 shows it');
  t.same(ringShares(even(4), 1, 6).shares, Float64Array.of(1, 1, 1, 1));
  t.same(ringShares(even(4), 6, 6).shares, Float64Array.of(2, 1, 2, 1), 'six for four: in turn');
  t.same(ringShares(even(10), 1024, 8_388_608).size, 1030, 'each the same');
  t.same(ringShares(even(1000), 1024, 1024).size, 1024);
});

t.test('the ring: sorted, and every hash finds the first entry at it or behind it', async (t) => {
  const names = Array.from({ length: 7 }, (_, i) => `10.0.0.${i}:80`);
  const ring = new Ring('', names, names.map((_, i) => i + 1), { minRingSize: 500, maxRingSize: 1000 });
  while (!ring.build(37));
  const entries: { hash: bigint; place: number }[] = [];
  const { shares } = ringShares(Float64Array.from(names, (_, i) => (i + 1) / 28), 500, 1000);
  names.forEach((name, place) => {
    for (let i = 0; i < shares[place]!; i++) {
      xxHash64(`${name}_${i}`);
      entries.push({ hash: (BigInt(hashed.high >>> 0) << 32n) | BigInt(hashed.low >>> 0), place });
    }
  });
  entries.sort((a, b) => (a.hash < b.hash ? -1 : 1));
  const find = (hash: bigint): number => (entries.find((entry) => entry.hash >= hash) ?? entries[0]!).place;
  let wrong = 0;
  for (let i = 0; i < 3000; i++) {
    xxHash64(`k${i}`);
    if (ring.find(hashed.high, hashed.low, 0) !== find((BigInt(hashed.high >>> 0) << 32n) | BigInt(hashed.low >>> 0))) wrong++;
  }
  for (const { hash } of entries) {
    for (const near of [hash - 1n, hash, hash + 1n]) {
      if (ring.find(Number(near >> 32n) | 0, Number(near & 0xffffffffn) | 0, 0) !== find(near)) wrong++;
    }
  }
  if (ring.find(-1, -1, 0) !== find((1n << 64n) - 1n) || ring.find(0, 0, 0) !== find(0n)) wrong++;
  t.equal(wrong, 0);
});

t.test('maglev: 1:2 over 65,537 are 21,846 and 43,691 entries', async (t) => {
  const table = new Maglev('', ['a:1', 'b:1'], [1, 2], 65_537);
  t.ok(table.build(Infinity));
  const counts = [0, 0];
  for (let i = 0; i < 65_537; i++) counts[table.find(0, i, 0)]!++;
  t.same(counts, [21_846, 43_691]);
  t.same(maglevShares(['a:1', 'b:1'], Float64Array.of(1 / 3, 2 / 3), 65_537), Float64Array.of(21_846, 43_691), 'what stats show');
});

t.test('maglev: shares are exact, whatever the order of the hosts', async (t) => {
  const names = ['d:1', 'b:1', 'a:1', 'c:1', 'e:1'];
  for (const weights of [[1, 1, 1, 1, 1], [1, 2, 3, 4, 5], [1, 1000, 1, 1, 7]]) {
    const sum = weights.reduce((a, b) => a + b);
    const table = new Maglev('', names, weights, 65_537);
    table.build(Infinity);
    const counts = names.map(() => 0);
    for (let i = 0; i < 65_537; i++) counts[table.find(0, i, 0)]!++;
    t.same(Float64Array.from(counts), maglevShares(names, Float64Array.from(weights, (weight) => weight / sum), 65_537));
    counts.forEach((count, i) => t.ok(Math.abs(count - (65_537 * weights[i]!) / sum) <= 5, `${weights}: ${counts}`));
  }
  const turned = new Maglev('', [...names].reverse(), names.map(() => 1), 65_537);
  const straight = new Maglev('', names, names.map(() => 1), 65_537);
  turned.build(Infinity);
  straight.build(Infinity);
  let moved = 0;
  for (let i = 0; i < 65_537; i++) if (turned.find(0, i, 0) !== 4 - straight.find(0, i, 0)) moved++;
  t.equal(moved, 0, 'the order in which hosts are listed moves no key');
});

t.test('maglev: 64-bit hashes modulo the size', async (t) => {
  const names = Array.from({ length: 11 }, (_, i) => `h${i}:1`);
  for (const size of [11, 65_537, 5_000_011]) {
    const table = new Maglev('', names, names.map(() => 1), size);
    table.build(Infinity);
    for (let i = 0; i < 500; i++) {
      xxHash64(`k${i}`);
      const { high, low } = hashed;
      const rest = Number(((BigInt(high >>> 0) << 32n) | BigInt(low >>> 0)) % BigInt(size));
      if (table.find(high, low, 0) !== table.find(0, rest, 0)) t.fail(`size ${size}, key ${i}`);
    }
  }
  t.pass();
});

// The ring of nine is filled up to its least size again: each of them gets a ninth more entries, and keys with them (as in Envoy).
for (const [policy, most] of [['ringHash', 1], ['maglev', 0.3]] as const) {
  t.test(`${policy}: when one of ten hosts goes, its keys move, and hardly any others`, async (t) => {
    const balance = new Balance(10);
    const whole = balance.picker({ policy, minRingSize: 10_000 });
    const nine = balance.hosts.filter((_, i) => i !== 4);
    const less = balance.picker({ policy, minRingSize: 10_000 }, nine.map(() => 1), { hosts: nine });
    let its = 0;
    let others = 0;
    for (let i = 0; i < 10_000; i++) {
      const before = balance.pickKey(whole, `k${i}`);
      const after = balance.pickKey(less, `k${i}`);
      if (before === 4) its++;
      else if (before !== after) others++;
      if (after === 4) t.fail('a host that is gone');
    }
    t.ok(Math.abs(its - 1000) < 250, `about a tenth of the keys were its: ${its}`);
    t.ok(others < most * 1000, `${others} others moved`);
  });
}

t.test('keys are spread by weight', async (t) => {
  for (const policy of ['ringHash', 'maglev'] as const) {
    const balance = new Balance(3);
    const picker = balance.picker({ policy, minRingSize: 30_000 }, [1, 2, 3]);
    const counts = [0, 0, 0];
    for (let i = 0; i < 12_000; i++) counts[balance.pickKey(picker, `user-${i}`)]!++;
    counts.forEach((count, i) => t.ok(Math.abs(count - 2000 * (i + 1)) < 250, `${policy}: ${counts}`));
  }
});
