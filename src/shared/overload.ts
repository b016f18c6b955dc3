// @hot
// How far each action against overload goes, from 0 (not at all) to 1. Any thread reads its word plainly, on the road too;
// the primary alone writes (`control/overload.ts`). Also the row in which the connections of all listeners are counted.

/** The breaker row of the process: its connections are those of all callers of all listeners, over all workers. */
export const PROCESS_ROW = 0;

export const STOP_ACCEPTING_REQUESTS = 0;
export const DISABLE_KEEP_ALIVE = 1;
export const CLOSE_IDLE_CONNECTIONS = 2;
export const REDUCE_TIMEOUTS = 3;
export const STOP_ACCEPTING_CONNECTIONS = 4;
export const REJECT_INCOMING_CONNECTIONS = 5;
export type OverloadAction = 0 | 1 | 2 | 3 | 4 | 5;

/** Envoy's names, in the order of the numbers. */
export const OVERLOAD_ACTIONS: readonly string[] = [
  'stop_accepting_requests', 'disable_http_keepalive', 'close_idle_http_connections', 'reduce_timeouts', 'stop_accepting_connections',
  'reject_incoming_connections',
];

/** A level as it stands in its word: whole, so that no reader sees half of one. */
const FULL = 10_000;
/** Idle time-outs that are being reduced: the shortest, in ms, behind the levels. */
const LEAST_IDLE_AT = 6;

/** One cache line. */
export const OVERLOAD_BYTES = 64;

/** Made once per thread over the same buffer. */
export class OverloadState {
  private readonly words: Int32Array;

  constructor(buffer: SharedArrayBuffer) {
    this.words = new Int32Array(buffer);
  }

  /** The action is in force to its full extent. */
  isFull(action: OverloadAction): boolean {
    return this.words[action] === FULL;
  }

  /** Every request is to be answered with 503 at once. */
  get stopsRequests(): boolean {
    return this.words[STOP_ACCEPTING_REQUESTS] === FULL;
  }

  level(action: OverloadAction): number {
    return this.words[action]! / FULL;
  }

  /** @returns an idle time-out as it is now; 0 stays none. Envoy: from its full length down to the shortest, in proportion. */
  idleTimeout(fullMs: number): number {
    return reducedTimeout(fullMs, this.words[LEAST_IDLE_AT]!, this.level(REDUCE_TIMEOUTS));
  }

  // ---- primary ----

  setLevel(action: OverloadAction, level: number): void {
    Atomics.store(this.words, action, Math.round(level * FULL));
  }

  setLeastIdle(ms: number): void {
    Atomics.store(this.words, LEAST_IDLE_AT, ms);
  }
}

/** How far an action goes that begins at one pressure and is complete at another. */
export function levelBetween(pressure: number, from: number, to: number): number {
  if (pressure <= from) return 0;
  return pressure >= to ? 1 : (pressure - from) / (to - from);
}

export function reducedTimeout(fullMs: number, leastMs: number, level: number): number {
  if (fullMs <= leastMs || level <= 0) return fullMs;
  return leastMs + (fullMs - leastMs) * (1 - level);
}
