import t from 'tap';
import { Random } from '../../src/core/random.ts';
import { textOf } from '../../src/http/text-cache.ts';

t.test('the string is that of the bytes, whatever was asked for before', async (t) => {
  const random = new Random([1, 2, 3, 4]);
  const buf = Buffer.alloc(400);
  let wrong = 0;
  for (let round = 0; round < 20_000; round++) {
    // Few lengths and few letters, so that most texts meet another one in their slot.
    const length = (random.int32() >>> 0) % (round % 10 === 0 ? 90 : 6);
    const start = (random.int32() >>> 0) % 300;
    for (let i = 0; i < length; i++) buf[start + i] = round % 3 === 0 ? (random.int32() >>> 0) & 255 : 97 + ((random.int32() >>> 0) & 1);
    if (textOf(buf, start, start + length) !== buf.latin1Slice(start, start + length)) wrong++;
  }
  t.equal(wrong, 0);
});

t.test('long texts and empty ones are right as well', async (t) => {
  const buf = Buffer.from(`${'p'.repeat(300)}\xff`, 'latin1');
  t.equal(textOf(buf, 0, 301), `${'p'.repeat(300)}\xff`);
  t.equal(textOf(buf, 5, 5), '');
  t.equal(textOf(buf, 300, 301), '\xff');
});
