// The door to the system's timers for the primary thread, where nothing is hot. Workers use io's TimerWheel instead.
// Tests hand in timers that they turn by hand.

/** Stops a timer; calling it twice, or after the timer fired, does nothing. */
export type CancelTimer = () => void;

export interface Timers {
  after(delayMs: number, fire: () => void): CancelTimer;
  every(intervalMs: number, fire: () => void): CancelTimer;
}

export const systemTimers: Timers = {
  after(delayMs, fire) {
    const timer = setTimeout(fire, delayMs);
    return () => clearTimeout(timer);
  },
  every(intervalMs, fire) {
    const timer = setInterval(fire, intervalMs);
    // A repeated look at something never keeps the process alive by itself.
    timer.unref();
    return () => clearInterval(timer);
  },
};
