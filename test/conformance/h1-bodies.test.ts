// Every body vector whole, at every split in two and byte by byte.

import t from 'tap';
import { BODY_VECTORS } from './h1-body-vectors.ts';
import { findBodySplitFault, readBody } from '../http/body-harness.ts';
import { toInput } from '../http/head-harness.ts';

for (const [title, kind, length, text, expected] of BODY_VECTORS) {
  const { bytes, decidedAt } = toInput(text);
  const whole = readBody(kind, length, bytes, []);
  const all = { ...whole, rest: whole.used < 0 ? '' : bytes.latin1Slice(whole.used) };
  const asked = Object.fromEntries(Object.keys(expected).map((key) => [key, all[key as keyof typeof all]]));
  t.strictSame(asked, expected, title);
  t.equal(findBodySplitFault(kind, length, bytes), '', `split: ${title}`);
  if (decidedAt < 0) continue;
  const drip = readBody(kind, length, bytes, Array.from({ length: bytes.length }, (_, i) => i + 1));
  t.equal(drip.offered, Math.max(1, decidedAt), `answered in time: ${title}`);
}
