// @hot
// What all threads know of every endpoint: whether it may be used, since when, and what its last answers were like.
// Any thread: the primary checks and sweeps, workers report what they met; whoever changes a host's state raises its
// cluster's epoch, and every worker sees that at its next pick. Rows belong to clusters or to hosts (`shared/registry.ts`).
//
//   row of a cluster: epoch, ejected hosts
//   row of a host:    flags, consecutive failures by kind, how often ejected; (float64) ejected at, joined at

/** Words per row: 64 bytes, one cache line. */
export const HOST_ROW = 16;
export const HOST_ROWS = 1 << 17;
export const HOST_BYTES = HOST_ROWS * HOST_ROW * 4;

// Flags of a host. `/clusters` calls them by Envoy's names.
/** An active health check has failed, or none has succeeded yet. */
export const HOST_FAILED_ACTIVE = 1;
/** Ejected by outlier detection. */
export const HOST_FAILED_OUTLIER = 2;
/** Its answer to a health check said so: used when no better one is left. */
export const HOST_DEGRADED = 4;
/** Not checked yet. */
export const HOST_PENDING_ACTIVE = 8;
/** It said `x-envoy-immediate-health-check-fail`. */
export const HOST_EXCLUDED = 16;

/** With any of these a host gets requests in panic only. */
export const HOST_UNHEALTHY: number = HOST_FAILED_ACTIVE | HOST_FAILED_OUTLIER;

// Words of a host's row that are counted by several threads.
export const CONSECUTIVE_5XX = 1;
export const CONSECUTIVE_GATEWAY = 2;
export const CONSECUTIVE_LOCAL = 3;
/** How many times its ejections have grown; outlier detection counts it down in quiet times. */
export const EJECTION_TIMES = 4;
export type HostCount = 1 | 2 | 3 | 4;

// Float64 numbers of a row begin at word 8.
const TIMES_AT = 4;
const EJECTED_AT = 0;
const JOINED_AT = 1;

// Words of a cluster's row.
const EPOCH = 0;
const EJECTED = 1;

/** Made once per thread over the same buffer. */
export class HostTable {
  private readonly words: Int32Array;
  private readonly times: Float64Array;

  constructor(buffer: SharedArrayBuffer) {
    this.words = new Int32Array(buffer);
    this.times = new Float64Array(buffer);
  }

  // ---- hosts ----

  flags(host: number): number {
    return this.words[host * HOST_ROW]!;
  }

  /** Sets flags. @returns whether one of them is new; then the cluster has a new epoch. */
  raise(cluster: number, host: number, flags: number): boolean {
    const before = Atomics.or(this.words, host * HOST_ROW, flags);
    if ((before & flags) === flags) return false;
    this.changed(cluster);
    return true;
  }

  /** Clears flags. @returns whether one of them was set; then the cluster has a new epoch. */
  lower(cluster: number, host: number, flags: number): boolean {
    const before = Atomics.and(this.words, host * HOST_ROW, ~flags);
    if ((before & flags) === 0) return false;
    this.changed(cluster);
    return true;
  }

  /** Counts one more. @returns the new count. */
  count(host: number, what: HostCount): number {
    return Atomics.add(this.words, host * HOST_ROW + what, 1) + 1;
  }

  /** One fewer. The primary alone calls this, of what is above zero. */
  uncount(host: number, what: HostCount): void {
    Atomics.sub(this.words, host * HOST_ROW + what, 1);
  }

  counted(host: number, what: HostCount): number {
    return this.words[host * HOST_ROW + what]!;
  }

  /** A plain look first: on the road this is called for every good answer, and nearly always there is nothing to do. */
  setCount(host: number, what: HostCount, value: number): void {
    const at = host * HOST_ROW + what;
    if (this.words[at] !== value) Atomics.store(this.words, at, value);
  }

  /** Of several threads that count up to `limit` or beyond at one time, one takes the count: true for it, and the next begins at zero. */
  takeCount(host: number, what: HostCount, limit: number): boolean {
    return Atomics.exchange(this.words, host * HOST_ROW + what, 0) >= limit;
  }

  /** When it was ejected last, monotonic ms as every thread counts them. Whoever ejects writes it first. */
  ejectedAt(host: number): number {
    return this.times[(host * HOST_ROW) / 2 + TIMES_AT + EJECTED_AT]!;
  }

  setEjectedAt(host: number, now: number): void {
    this.times[(host * HOST_ROW) / 2 + TIMES_AT + EJECTED_AT] = now;
  }

  /** Since when it takes requests: it joined the cluster, or became healthy after that. Monotonic ms. */
  joinedAt(host: number): number {
    return this.times[(host * HOST_ROW) / 2 + TIMES_AT + JOINED_AT]!;
  }

  /** The primary alone calls this. */
  setJoinedAt(host: number, now: number): void {
    this.times[(host * HOST_ROW) / 2 + TIMES_AT + JOINED_AT] = now;
  }

  // ---- clusters ----

  /** Another number than before: the state of one of its hosts has changed. */
  epoch(cluster: number): number {
    return this.words[cluster * HOST_ROW + EPOCH]!;
  }

  changed(cluster: number): void {
    Atomics.add(this.words, cluster * HOST_ROW + EPOCH, 1);
  }

  /** One more ejected host, unless there are `limit` already; exact, whoever else ejects. */
  tryEject(cluster: number, limit: number): boolean {
    const at = cluster * HOST_ROW + EJECTED;
    let count = Atomics.load(this.words, at);
    while (count < limit) {
      const seen = Atomics.compareExchange(this.words, at, count, count + 1);
      if (seen === count) return true;
      count = seen;
    }
    return false;
  }

  /** One fewer: it is back, or gone. */
  returned(cluster: number): void {
    Atomics.sub(this.words, cluster * HOST_ROW + EJECTED, 1);
  }

  ejected(cluster: number): number {
    return this.words[cluster * HOST_ROW + EJECTED]!;
  }

  // ---- primary ----

  /** A row is given to somebody new. */
  clear(row: number): void {
    for (let word = 0; word < HOST_ROW; word++) Atomics.store(this.words, row * HOST_ROW + word, 0);
  }
}
