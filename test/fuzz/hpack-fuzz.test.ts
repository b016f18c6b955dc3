// HPACK under random input: round trips of random fields with tables that change size, and blocks of random and of damaged
// bytes, which may be refused but do no harm.

import t from 'tap';
import { HpackDecoder } from '../../src/http/hpack-decoder.ts';
import { HpackEncoder } from '../../src/http/hpack-encoder.ts';
import { decodeBlock, tableOf } from '../http/hpack-harness.ts';

/** A small generator, so that a failure can be repeated. */
function numbers(seed: number): (below: number) => number {
  let state = seed;
  return (below) => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return Math.floor((state / 2 ** 32) * below);
  };
}

const ROUNDS = Number(process.env['FUZZ_ROUNDS'] ?? 300);
const NAMES = ['accept', 'x-a', 'x-b', 'cookie', 'date', 'content-length', 'via', 'x-long-name-of-a-field', 'te'];
const out = Buffer.alloc(1 << 17);

t.test('round trips', async (t) => {
  for (let seed = 1; seed <= ROUNDS; seed++) {
    const below = numbers(seed);
    const encoder = new HpackEncoder(below(3) === 0 ? below(5000) : 4096);
    const decoder = new HpackDecoder(4096);
    let fault = '';
    for (let n = 0; n < 30 && fault === ''; n++) {
      if (below(8) === 0) {
        const size = below(5000);
        encoder.setMaxTableSize(size);
        if (size < 4096) decoder.setMaxTableSize(4096);
      }
      let at = encoder.begin(out, 0);
      const expected: string[] = [];
      for (let left = below(12); left > 0; left--) {
        const name = below(10) === 0 ? `x-${below(1000)}` : NAMES[below(NAMES.length)]!;
        const value = below(3) === 0 ? String.fromCharCode(...Array.from({ length: below(60) }, () => below(256))) : `value ${below(5)}`.repeat(1 + below(4));
        const never = name === 'cookie' ? ' (never)' : '';
        expected.push(`${name}: ${value}${never}`);
        at = encoder.text(out, at, name, value);
      }
      const found = decodeBlock(decoder, out.subarray(0, at));
      if (JSON.stringify(found) !== JSON.stringify(expected)) fault = `seed ${seed}, block ${n}: ${JSON.stringify(found)} for ${JSON.stringify(expected)}`;
    }
    if (fault !== '') t.fail(fault);
  }
  t.pass(`${ROUNDS} connections`);
});

t.test('random and damaged blocks', async (t) => {
  let refused = 0;
  let taken = 0;
  for (let seed = 1; seed <= ROUNDS * 10; seed++) {
    const below = numbers(seed);
    const decoder = new HpackDecoder(below(2) === 0 ? 4096 : 200);
    for (let n = 0; n < 10; n++) {
      const block = Buffer.from(Array.from({ length: below(80) }, () => (below(3) === 0 ? 0x40 + below(0x40) : below(256))));
      const found = decodeBlock(decoder, block);
      if (typeof found === 'number') {
        refused++;
        if (found > -1 || found < -5) t.fail(`seed ${seed}: code ${found}`);
        break;
      }
      taken++;
      const size = tableOf(decoder).reduce((sum, entry) => sum + entry.length - 2 + 32, 0);
      if (size > 4096) t.fail(`seed ${seed}: a table of ${size}`);
    }
  }
  t.ok(refused > 0 && taken > 0, `${refused} refused, ${taken} taken`);
});
