// TimerWheel: what one request costs in timers, and a turn of the loop without any that is due.

import { Clock } from '../../../src/core/clock.ts';
import { Timer } from '../../../src/core/timer.ts';
import { TimerWheel } from '../../../src/io/timer-wheel.ts';
import { measure } from '../../measure.ts';

let time = 1000;
let fired = 0;
const clock = new Clock({ monotonicMs: () => time, wallMs: () => 0 });
const wheel = new TimerWheel(clock);
const target = { onTimer: () => void fired++ };
const timers = Array.from({ length: 20_000 }, (_, kind) => new Timer(target, kind));

/** Moves the clock by 20 µs, as a busy turn does. */
function turn(): void {
  time += 0.02;
  clock.refresh();
  wheel.advance(clock.now);
}

for (const timer of timers) wheel.arm(timer, 60_000); // 20,000 idle connections stand in it all the time
const few = Array.from({ length: 64 }, (_, kind) => new Timer(target, kind));

measure('arm 15 s and disarm', (times) => {
  for (let i = 0; i < times; i++) {
    const timer = few[i & 63]!;
    wheel.arm(timer, 15_000);
    wheel.disarm(timer);
  }
});

measure('push an armed timer further away', (times) => {
  for (let i = 0; i < times; i++) wheel.arm(timers[i % 20_000]!, 60_000);
});

measure('pull an armed timer nearer', (times) => {
  for (let i = 0; i < times; i++) {
    const timer = few[i & 63]!;
    wheel.arm(timer, 15_000 - (i & 8191));
    if ((i & 63) === 63) wheel.disarm(timer);
  }
});

measure('a turn with nothing due', (times) => {
  for (let i = 0; i < times; i++) turn();
});

measure('nextDeadline', (times) => {
  for (let i = 0; i < times; i++) if (wheel.nextDeadline() === 0) fired++;
});

measure('arm 5 ms and fire', (times) => {
  for (let i = 0; i < times; i++) {
    wheel.arm(few[i & 63]!, 5);
    if ((i & 63) === 63) {
      time += 20;
      clock.refresh();
      wheel.advance(clock.now);
    }
  }
});

if (fired < 0) console.log(fired);
