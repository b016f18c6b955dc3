import t from 'tap';
import { FieldBlock } from '../../src/core/field-block.ts';
import { Head } from '../../src/core/head.ts';
import { formatAddress } from '../../src/core/address.ts';
import { copyBytes, writeText } from '../../src/core/bytes.ts';
import { Clock } from '../../src/core/clock.ts';
import { FLAG_DC, FLAG_NAMES, FLAG_SI, FLAG_UC, formatFlags } from '../../src/core/flags.ts';
import { OutBuffer, type OutHolder } from '../../src/core/out-buffer.ts';
import { Random } from '../../src/core/random.ts';
import { RingQueue } from '../../src/core/ring-queue.ts';
import { ManualTime } from '../support/manual-time.ts';

t.test('addresses as text', async (t) => {
  t.equal(formatAddress({ kind: 'ip', host: '192.0.2.1', port: 80 }), '192.0.2.1:80');
  t.equal(formatAddress({ kind: 'ip', host: '2001:db8::1', port: 80 }), '[2001:db8::1]:80');
  t.equal(formatAddress({ kind: 'unix', path: '@abstract' }), 'unix:@abstract');
});

t.test('flags in Envoy\'s order, short and long', async (t) => {
  t.equal(formatFlags(0), '-');
  t.equal(formatFlags(FLAG_SI | FLAG_UC | FLAG_DC), 'DC,UC,SI');
  t.equal(formatFlags(FLAG_DC, true), 'DownstreamConnectionTermination');
  t.equal(new Set(FLAG_NAMES.map(([short]) => short)).size, FLAG_NAMES.length);
});

t.test('copies of every length, at every place', async (t) => {
  const source = Buffer.from(Array.from({ length: 300 }, (_, i) => i & 255));
  for (const at of [0, 1, 5]) {
    for (let length = 0; length < 120; length++) {
      const target = Buffer.alloc(200, 0xff);
      const end = copyBytes(target, at, source, 7, 7 + length);
      if (end !== at + length) t.fail(`length ${length} ends at ${end}`);
      const wanted = Buffer.concat([Buffer.alloc(at, 0xff), source.subarray(7, 7 + length), Buffer.alloc(200 - at - length, 0xff)]);
      if (!target.equals(wanted)) t.fail(`length ${length} at ${at}`);
    }
  }
  for (let length = 0; length < 60; length++) {
    const text = 'a\xe9\xff'.repeat(20).slice(0, length);
    const target = Buffer.alloc(100, 0);
    const end = writeText(target, 3, text);
    if (end !== 3 + length || target.toString('latin1', 3, end) !== text || target[end] !== 0 || target[2] !== 0) t.fail(`text of ${length}`);
  }
  t.pass();
});

t.test('RingQueue against an array, in random steps', async (t) => {
  const random = new Random([1, 2, 3, 4]);
  const queue = new RingQueue<number>();
  const model: number[] = [];
  for (let i = 0; i < 20_000; i++) {
    const step = random.below(10);
    // It fills and empties in turn, so that it grows and wraps around.
    if (step < (i % 4000 < 2000 ? 6 : 3)) {
      queue.push(i);
      model.push(i);
    } else if (step < 9) {
      if (queue.shift() !== model.shift()) t.fail(`shift at ${i}`);
    } else {
      const item = model.length === 0 ? -1 : model[random.below(model.length)]!;
      const at = model.indexOf(item);
      if (at >= 0) model.splice(at, 1);
      if (queue.remove(item) !== at >= 0) t.fail(`remove at ${i}`);
    }
    if (queue.length !== model.length) t.fail(`length at ${i}`);
  }
  while (model.length > 0) if (queue.shift() !== model.shift()) t.fail('the rest');
  t.equal(queue.shift(), undefined);
  t.equal(queue.remove(5), false);
});

t.test('Random: seeded, in range, even', async (t) => {
  const take = (seed: readonly [number, number, number, number]): number[] => {
    const random = new Random(seed);
    return Array.from({ length: 8 }, () => random.int32());
  };
  t.same(take([1, 2, 3, 4]), take([1, 2, 3, 4]));
  t.notSame(take([1, 2, 3, 4]), take([1, 2, 3, 6]));
  t.notSame(take([0, 0, 0, 0]), new Array(8).fill(0));
  t.not(new Random().int32(), new Random().int32());
  const random = new Random([1, 2, 3, 4]);
  for (const bound of [1, 2, 7, 1000, 0x7fffffff]) {
    for (let i = 0; i < 2000; i++) {
      const value = random.below(bound);
      if (!Number.isInteger(value) || value < 0 || value >= bound) t.fail(`${value} below ${bound}`);
    }
  }
  const counts = new Array<number>(10).fill(0);
  for (let i = 0; i < 100_000; i++) counts[Math.floor(random.unit() * 10)]!++;
  t.ok(counts.every((count) => count > 9500 && count < 10_500), String(counts));
});

t.test('Clock: the same time within a turn', async (t) => {
  const time = new ManualTime();
  const clock = new Clock(time);
  const [now, wall] = [clock.now, clock.wall()];
  time.advance(5);
  t.same([clock.now, clock.wall()], [now, wall]);
  clock.refresh();
  t.same([clock.now, clock.wall()], [now + 5, wall + 5]);
});

class Holder implements OutHolder {
  readonly written: string[] = [];
  private readonly out: OutBuffer;
  private held = 0;

  constructor(out: OutBuffer) {
    this.out = out;
  }

  leave(text: string): void {
    this.out.claim(this, this.held + text.length);
    this.held = writeText(this.out.buf, this.held, text);
    this.out.hold(this);
  }

  flushHeld(): void {
    this.written.push(this.out.buf.latin1Slice(0, this.held));
    this.held = 0;
  }
}

t.test('OutBuffer: two writers\' bytes never meet', async (t) => {
  const out = new OutBuffer();
  const [a, b] = [new Holder(out), new Holder(out)];
  a.leave('one ');
  a.leave('two');
  b.leave('other');
  t.same([a.written, b.written], [['one two'], []], 'whoever holds is flushed by the next');
  a.leave('three');
  t.same(b.written, ['other']);
  out.flush();
  out.flush();
  t.same([a.written, b.written], [['one two', 'three'], ['other']], 'once');
});

t.test('OutBuffer: what was left survives its growth', async (t) => {
  const out = new OutBuffer();
  const a = new Holder(out);
  a.leave('begin ');
  a.leave('x'.repeat(1_000_000));
  out.flush();
  t.equal(a.written[0], 'begin ' + 'x'.repeat(1_000_000));
});

t.test('ready lines are fields like others to whoever asks', async (t) => {
  const head = new Head();
  head.addBlock(new FieldBlock(['x-a', '1', 'x-b', 'two words']));
  head.add('x-c', '3');
  t.equal(head.get('x-b'), 'two words');
  t.equal(head.get('x-missing'), undefined);
  t.equal(head.readyValue('x-a'), '1');
  head.set('x-a', '2');
  t.equal(head.get('x-a'), '2');
  t.same(head.added, ['x-c', '3', 'x-b', 'two words', 'x-a', '2']);
  t.equal(head.blockCount, 0);
  head.reset();
  t.same(head.added, []);
});
