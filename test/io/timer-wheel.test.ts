// The timer wheel under a clock moved by hand.

import t from 'tap';

import { Clock } from '../../src/core/clock.ts';
import { Random } from '../../src/core/random.ts';
import { Timer } from '../../src/core/timer.ts';
import { TimerWheel } from '../../src/io/timer-wheel.ts';

const TICK = 10;

class Bench {
  time: number;
  readonly clock: Clock;
  readonly wheel: TimerWheel;
  readonly fired: number[] = [];
  onFire: ((kind: number) => void) | null = null;

  constructor(time = 1000) {
    this.time = time;
    this.clock = new Clock({ monotonicMs: () => this.time, wallMs: () => 0 });
    this.wheel = new TimerWheel(this.clock);
  }

  timer(kind = 0): Timer {
    return new Timer(this, kind);
  }

  onTimer(kind: number): void {
    this.fired.push(kind);
    this.onFire?.(kind);
  }

  /** Moves the clock and lets the wheel catch up. */
  to(time: number): void {
    this.time = time;
    this.clock.refresh();
    this.wheel.advance(this.clock.now);
  }
}

t.test('fires once, never early, at most one bucket late', async (t) => {
  for (const delay of [0, 0.4, 1, 9.9, 10, 11, 2559, 2560, 2561, 5000, 655_350, 655_360, 700_000, 7_200_000]) {
    for (const start of [1000, 1000.3, 1009.99, 123_456.7, 655_355]) {
      const bench = new Bench(start);
      bench.wheel.arm(bench.timer(), delay);
      bench.to(start + delay - 0.01);
      t.same(bench.fired, [], `${delay} from ${start}: not early`);
      bench.to(start + delay + TICK);
      t.same(bench.fired, [0], `${delay} from ${start}: in time`);
      bench.to(start + delay + 10_000_000);
      t.same(bench.fired, [0], 'once');
      t.equal(bench.wheel.size, 0);
    }
  }
});

t.test('the same when the clock creeps', async (t) => {
  const bench = new Bench();
  const due = [3, 15, 2555, 2570, 5130, 660_000];
  due.forEach((delay, i) => bench.wheel.arm(bench.timer(i), delay));
  const seen = new Map<number, number>();
  bench.onFire = (kind) => seen.set(kind, bench.time - 1000);
  for (let time = 1000; time < 662_000; time += 7) bench.to(time);
  due.forEach((delay, i) => {
    const at = seen.get(i) ?? NaN;
    t.ok(at >= delay && at < delay + TICK + 7, `${delay} fired at ${at}`);
  });
});

t.test('disarm, and re-arm to later and to earlier', async (t) => {
  const bench = new Bench();
  const timer = bench.timer();
  bench.wheel.disarm(timer);
  bench.wheel.arm(timer, 100);
  t.equal(timer.deadline, 1100);
  bench.wheel.disarm(timer);
  bench.wheel.disarm(timer);
  t.equal(timer.deadline, 0);
  t.equal(bench.wheel.size, 0);
  bench.to(2000);
  t.same(bench.fired, []);

  bench.wheel.arm(timer, 100);
  bench.wheel.arm(timer, 500);
  bench.wheel.arm(timer, 10_000);
  t.equal(bench.wheel.size, 1);
  bench.to(11_999);
  t.same(bench.fired, []);
  bench.to(12_010);
  t.same(bench.fired, [0]);

  bench.wheel.arm(timer, 10_000);
  bench.wheel.arm(timer, 50);
  bench.to(12_070);
  t.same(bench.fired, [0, 0]);
  bench.to(40_000);
  t.same(bench.fired, [0, 0]);
});

t.test('a timer may arm and disarm any timer while it fires', async (t) => {
  const bench = new Bench();
  const [a, b, c, again] = [bench.timer(1), bench.timer(2), bench.timer(3), bench.timer(4)] as const;
  for (const timer of [a, b, c]) bench.wheel.arm(timer, 50);
  bench.wheel.arm(again, 50);
  let repeats = 0;
  bench.onFire = (kind) => {
    if (kind === 1) {
      bench.wheel.disarm(b); // due in this very bucket
      bench.wheel.arm(c, 200); // also, pushed away
      bench.wheel.disarm(a); // itself
    }
    if (kind === 4 && ++repeats < 3) bench.wheel.arm(again, 0);
  };
  bench.to(1050);
  t.same(bench.fired, [1, 4]);
  bench.to(1060);
  bench.to(1070);
  t.same(bench.fired, [1, 4, 4, 4]);
  bench.to(1300);
  t.same(bench.fired, [1, 4, 4, 4, 3]);
  t.equal(bench.wheel.size, 0);
});

t.test('arming with 0 from a firing timer does not hold the turn', async (t) => {
  const bench = new Bench();
  const timer = bench.timer();
  bench.onFire = () => bench.wheel.arm(timer, 0);
  bench.wheel.arm(timer, 0);
  bench.to(1010);
  t.same(bench.fired, [0]);
});

t.test('an exception loses no other timer', async (t) => {
  const bench = new Bench();
  for (const kind of [1, 2, 3]) bench.wheel.arm(bench.timer(kind), 50);
  bench.onFire = (kind) => {
    if (kind === 1) throw new Error('mine');
  };
  t.throws(() => bench.to(1060), { message: 'mine' });
  t.same(bench.fired, [1]);
  t.ok(bench.wheel.nextDeadline() <= bench.time, 'wants to go on at once');
  bench.to(1060);
  t.same(bench.fired, [1, 2, 3]);
});

t.test('a long sleep skips nothing', async (t) => {
  const bench = new Bench();
  for (let i = 0; i < 100; i++) bench.wheel.arm(bench.timer(i), i * 100_000);
  bench.to(20_000_000);
  t.same(bench.fired, Array.from({ length: 100 }, (_, i) => i));
});

t.test('nextDeadline bounds the sleep: never after the first timer', async (t) => {
  const bench = new Bench(777);
  t.equal(bench.wheel.nextDeadline(), Infinity);
  const timer = bench.timer();
  for (const delay of [0, 5, 100, 2500, 2560, 3000, 100_000, 3_600_000]) {
    bench.wheel.arm(timer, delay);
    let wakes = 0;
    // Sleeping exactly as long as allowed must fire it in time, and in few steps.
    while (timer.deadline !== 0 && wakes < 2000) {
      const next = bench.wheel.nextDeadline();
      t.ok(next > bench.time - TICK || next === 0, 'forward');
      bench.to(Math.max(next, bench.time));
      wakes++;
    }
    t.ok(wakes <= 3 + delay / 2560, `${delay} ms in ${wakes} wakes`);
    t.equal(bench.wheel.nextDeadline(), Infinity);
  }
  t.equal(bench.fired.length, 8);
});

t.test('a disarmed timer does not wake anybody', async (t) => {
  const bench = new Bench(1000);
  const [near, far] = [bench.timer(), bench.timer()];
  bench.wheel.arm(near, 50);
  bench.wheel.arm(far, 1000);
  bench.wheel.disarm(near);
  t.ok(bench.wheel.nextDeadline() > 1500);
});

t.test('random arming, pushing and disarming agrees with a plain list', async (t) => {
  const random = new Random([1, 2, 3, 4]);
  const bench = new Bench(5);
  const timers = Array.from({ length: 200 }, (_, kind) => bench.timer(kind));
  const expected = new Map<number, number>();
  let wrong = 0;
  bench.onFire = (kind) => {
    const due = expected.get(kind);
    if (due === undefined || due > bench.time || bench.time - due > TICK + 40) wrong++;
    expected.delete(kind);
  };
  for (let step = 0; step < 100_000; step++) {
    const kind = random.below(timers.length);
    if (random.below(4) === 0) {
      bench.wheel.disarm(timers[kind]!);
      expected.delete(kind);
    } else {
      const delay = random.below(10) === 0 ? random.below(2_000_000) : random.below(6000);
      bench.wheel.arm(timers[kind]!, delay);
      expected.set(kind, bench.time + delay);
    }
    bench.to(bench.time + random.below(41));
    if (bench.wheel.size !== expected.size) wrong++;
  }
  t.equal(wrong, 0);
  bench.to(bench.time + 3_000_000);
  t.equal(expected.size, 0);
});

t.end();
