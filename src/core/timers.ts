// Timers as the primary thread takes them: an interface, so that tests can hand in timers that they turn by hand.
// Nothing is hot there. Workers use io's TimerWheel instead.

import { hostTimeout } from './host-timer.ts';

/** Stops a timer; calling it twice, or after the timer fired, does nothing. */
export type CancelTimer = () => void;

export interface Timers {
  after(delayMs: number, fire: () => void): CancelTimer;
  every(intervalMs: number, fire: () => void): CancelTimer;
}

export const systemTimers: Timers = {
  after(delayMs, fire) {
    const timer = hostTimeout(fire, delayMs);
    return () => timer.cancel();
  },
  every(intervalMs, fire) {
    const timer = setInterval(fire, intervalMs);
    // A repeated look at something never keeps the process alive by itself.
    timer.unref();
    return () => clearInterval(timer);
  },
};
