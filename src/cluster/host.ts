// One endpoint of a cluster as a worker sees it. Worker thread; owned by its Cluster.
// Its row in shared memory is the pool ledger (open, active, pending) and the counters of `/clusters`: this worker writes
// its own stripe, everyone sums over all stripes.

import type { Address } from '../core/address.ts';
import type { HostPlan } from '../shared/plan.ts';
import type { Pool } from './pool.ts';

export class Host {
  readonly address: Address;
  /** As the configuration writes it; with the cluster's name the key that survives a reload. */
  readonly text: string;
  readonly weight: number;
  /** First cell of this host's row in the stripe (`observe/stat-names.ts` HOST_*). */
  readonly cells: number;
  /** Row in the host table. */
  readonly row: number;
  /** Row in the breaker table; -1: it has no limits of its own, and its requests are not counted over all workers. */
  readonly breakers: number;
  /** Connections for requests; null until one is wanted. */
  pool: Pool | null = null;
  /** Plain TCP connections, for CONNECT; null until one is wanted. */
  tunnels: Pool | null = null;
  /** The same for requests of the high priority; null until there is one. */
  highPool: Pool | null = null;
  highTunnels: Pool | null = null;
  /** No connection is kept for it any more. */
  drained = false;

  constructor(address: Address, text: string, weight: number, places: HostPlan) {
    this.address = address;
    this.text = text;
    this.weight = weight;
    this.cells = places.cells;
    this.row = places.row;
    this.breakers = places.breakers;
  }

  /** Takes over the connections of the one that this endpoint was until now. */
  inherit(before: Host): void {
    this.pool = before.pool;
    this.tunnels = before.tunnels;
    this.highPool = before.highPool;
    this.highTunnels = before.highTunnels;
    for (const pool of [this.pool, this.tunnels, this.highPool, this.highTunnels]) if (pool !== null) pool.host = this;
  }
}

/** Idle connections close now, busy ones when their request is over. */
export function drainHost(host: Host): void {
  host.drained = true;
  host.pool?.drain();
  host.tunnels?.drain();
  host.highPool?.drain();
  host.highTunnels?.drain();
}
