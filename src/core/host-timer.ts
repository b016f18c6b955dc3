// The door to node's own timers: for the node engine's wheel and for rooms on the primary. Any thread. On the road of a
// request timers come from io's TimerWheel instead.

export interface HostTimer {
  cancel(): void;
}

/** Calls `fn` once after `delayMs`. */
export function hostTimeout(fn: () => void, delayMs: number): HostTimer {
  const handle = setTimeout(fn, delayMs);
  return { cancel: () => clearTimeout(handle) };
}

/** Stops a timer; calling it twice, or after the timer fired, does nothing. */
export type CancelTimer = () => void;

/** Timers as the primary takes them: handed in, so that tests can turn them by hand. */
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
