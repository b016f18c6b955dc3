import { readFileSync } from 'node:fs';
import t from 'tap';
import { DescriptorBits } from '../../src/shared/descriptors.ts';
import { layoutTable } from '../../src/shared/layout.ts';
import { Stripe, STRIPE_BYTES, STRIPE_FD_WORDS, STRIPE_REGIONS } from '../../src/shared/stripe.ts';

t.test('the layout is the one everybody knows', async (t) => {
  t.equal(layoutTable(), `stripe (one per worker)        153223296 bytes
  unused               0             128
  cells              128        16777216
  buckets       16777344       134217728
  held         150995072         2097152
  fds          153092224          131072
breakers (one for all)           4194304 bytes
  65536 rows of 64 bytes: 4 counts, 4 limits, starving waiters
  held: 65536 rows of 32 bytes: 4 counts, starving waiters
hosts (one for all)              8388608 bytes
  131072 rows of 64 bytes: flags, failures in a row, ejections, times; of a cluster: epoch, ejected hosts
limits (one for all)             8388608 bytes
  token buckets of 64 bytes, windows, latencies: as each limit needs
`);
});

t.test('regions stand back to back, and a stripe sees each where it is', async (t) => {
  let end = 0;
  for (const [name, at, bytes] of STRIPE_REGIONS) {
    t.equal(at, end, name);
    end = at + bytes;
  }
  t.equal(end, STRIPE_BYTES);
  const stripe = new Stripe(new SharedArrayBuffer(STRIPE_BYTES));
  const views: Record<string, ArrayBufferView> = { cells: stripe.cells, buckets: stripe.buckets, held: stripe.held, fds: stripe.fds };
  for (const [name, at, bytes] of STRIPE_REGIONS.slice(1)) {
    t.equal(views[name]!.byteOffset, at);
    t.equal(views[name]!.byteLength, bytes);
  }
});

const residentKb = (): number => Number(/VmRSS:\s+(\d+)/.exec(readFileSync('/proc/self/status', 'utf8'))![1]);

t.test('64 stripes can be had, and cost memory only where they are touched', { skip: process.platform !== 'linux' && 'reads /proc' }, async (t) => {
  const before = residentKb();
  const stripes = Array.from({ length: 64 }, () => new Stripe(new SharedArrayBuffer(STRIPE_BYTES)));
  const reserved = residentKb() - before;
  t.ok(reserved < 32_768, `reserved 64 of ${STRIPE_BYTES} bytes: ${reserved} kB resident`);
  for (const { cells, buckets, held } of stripes) {
    cells[0] = 1;
    buckets[0] = 1;
    held[0] = 1;
  }
  const touched = residentKb() - before;
  t.ok(touched < reserved + 64 * 3 * 4 + 16_384, `one word of three regions touched in each: ${touched} kB resident`);
  for (let i = 0; i < 4 * 1024 * 1024; i++) stripes[5]!.buckets[i] = 1;
  t.ok(residentKb() - before >= 16_000, 'the measure does see memory that is used');
});

t.test('descriptors: open ones are found, closed ones are not, taking them empties the list', async (t) => {
  const words = new Stripe(new SharedArrayBuffer(STRIPE_BYTES)).fds;
  const bits = new DescriptorBits(words);
  const last = STRIPE_FD_WORDS * 32 - 1;
  for (const fd of [0, 3, 31, 32, 63, 64, 1000, last]) bits.opened(fd);
  bits.closed(32);
  bits.closed(5);
  bits.opened(last + 1);
  bits.closed(last + 1);
  t.same(new DescriptorBits(words).take(), [0, 3, 31, 63, 64, 1000, last]);
  t.same(bits.take(), []);
});
