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
