// @hot
// The circuit-breaker table: Envoy's four limits per row, exact over all workers. Any thread.
// A resource is taken by compare-and-swap against its limit, so no interleaving can exceed it; what a worker holds is
// also written plainly in its own stripe, so that the primary can give it back when the worker dies.

export const RES_CX = 0;
export const RES_PENDING = 1;
export const RES_RQ = 2;
export const RES_RETRY = 3;
export type Resource = 0 | 1 | 2 | 3;

/** Words per row: four counts, four limits, one count of starving waiters, padding to 64 bytes. */
export const BREAKER_ROW = 16;

export interface Breakers {
  /** Takes one of the resource; false when the limit is reached. A limit of 0 is no limit. */
  tryAcquire(row: number, resource: Resource): boolean;
  release(row: number, resource: Resource): void;
  /** How many are held over all workers. */
  count(row: number, resource: Resource): number;
  limit(row: number, resource: Resource): number;
  /** Workers say here that a request waits for a connection that only another worker's idle one can free. */
  addStarving(row: number, delta: 1 | -1): void;
  starving(row: number): number;
}
