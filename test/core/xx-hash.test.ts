// xxHash64 against the vectors that its users have agreed on, and against the specification in whole 64-bit numbers.

import t from 'tap';
import { Random } from '../../src/core/random.ts';
import { hashed, xxHash64 } from '../../src/core/xx-hash.ts';

function hashOf(text: string, seed?: number): string {
  xxHash64(text, seed);
  return [hashed.high, hashed.low].map((half) => (half >>> 0).toString(16).padStart(8, '0')).join('');
}

t.test('published vectors', async (t) => {
  t.equal(hashOf(''), 'ef46db3751d8e999');
  t.equal(hashOf('a'), 'd24ec4f1a98c6e5b');
  t.equal(hashOf('abc'), '44bc2cf5ad770999');
  t.equal(hashOf('Nobody inspects the spammish repetition'), 'fbcea83c8a378bf1');
  t.equal(hashOf('xxhash'), '32dd38952c4bc720');
  t.equal(hashOf('xxhash', 20141025), 'b559b98d844e0635');
});

const MASK = (1n << 64n) - 1n;
const [P1, P2, P3, P4, P5] = [0x9e3779b185ebca87n, 0xc2b2ae3d27d4eb4fn, 0x165667b19e3779f9n, 0x85ebca77c2b2ae63n, 0x27d4eb2f165667c5n] as const;
const rotate = (x: bigint, by: bigint): bigint => ((x << by) | (x >> (64n - by))) & MASK;
const round = (acc: bigint, word: bigint): bigint => (rotate((acc + word * P2) & MASK, 31n) * P1) & MASK;

/** The specification, step by step. */
function specified(bytes: Buffer, seed: bigint): string {
  let at = 0;
  let hash = (seed + P5) & MASK;
  if (bytes.length >= 32) {
    let lanes = [(seed + P1 + P2) & MASK, (seed + P2) & MASK, seed, (seed - P1) & MASK];
    for (; at + 32 <= bytes.length; at += 32) lanes = lanes.map((lane, i) => round(lane, bytes.readBigUInt64LE(at + 8 * i)));
    hash = [1n, 7n, 12n, 18n].reduce((sum, by, i) => sum + rotate(lanes[i]!, by), 0n) & MASK;
    for (const lane of lanes) hash = ((hash ^ round(0n, lane)) * P1 + P4) & MASK;
  }
  hash = (hash + BigInt(bytes.length)) & MASK;
  for (; at + 8 <= bytes.length; at += 8) hash = (rotate(hash ^ round(0n, bytes.readBigUInt64LE(at)), 27n) * P1 + P4) & MASK;
  if (at + 4 <= bytes.length) {
    hash = (rotate(hash ^ ((BigInt(bytes.readUInt32LE(at)) * P1) & MASK), 23n) * P2 + P3) & MASK;
    at += 4;
  }
  for (; at < bytes.length; at++) hash = (rotate(hash ^ ((BigInt(bytes[at]!) * P5) & MASK), 11n) * P1) & MASK;
  hash = ((hash ^ (hash >> 33n)) * P2) & MASK;
  hash = ((hash ^ (hash >> 29n)) * P3) & MASK;
  return (hash ^ (hash >> 32n)).toString(16).padStart(16, '0');
}

t.test('every length up to 200, any bytes, both seeds that are used', async (t) => {
  const random = new Random([1, 2, 3, 4]);
  for (let length = 0; length <= 200; length++) {
    const bytes = Buffer.from(Array.from({ length }, () => random.below(256)));
    for (const seed of [0, 1]) {
      if (hashOf(bytes.latin1Slice(), seed) !== specified(bytes, BigInt(seed))) t.fail(`${length} bytes, seed ${seed}: ${bytes.toString('hex')}`);
    }
  }
  t.equal(hashOf('\xff'.repeat(64)), specified(Buffer.alloc(64, 255), 0n), 'bytes above 127');
});
