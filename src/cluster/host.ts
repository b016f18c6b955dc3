// One endpoint of a cluster as a worker sees it. Worker thread; owned by its Cluster.
// Its row in shared memory is the pool ledger (open, active, pending) and the counters of `/clusters`: this worker writes
// its own stripe, everyone sums over all stripes.

import type { EndpointConfig, Metadata } from '../config/cluster-snapshot.ts';
import { type Address, formatAddress } from '../core/address.ts';
import type { HostPlan } from '../shared/plan.ts';
import type { Latency } from './lb/peak-ewma.ts';
import type { Pool } from './pool.ts';

export class Host {
  readonly address: Address;
  /** As the configuration writes it, or as it was looked up (strictDns); with the cluster's name the key that survives a reload. */
  readonly text: string;
  readonly weight: number;
  /** As logs show it: `text`, or the address that was found for its name. */
  shown: string;
  /** The name that was looked up; ''. */
  hostname = '';
  /** First cell of this host's row in the stripe (`observe/stat-names.ts` HOST_*). */
  readonly cells: number;
  /** Row in the host table. */
  readonly row: number;
  /** Row in the breaker table; -1: it has no limits of its own, and its requests are not counted over all workers. */
  readonly breakers: number;
  /** Where the policy asks for it: how long its answers take. */
  latency: Latency | null = null;
  /** What groups it (`host-sets.ts`). */
  priority = 0;
  zone = '';
  metadata: Metadata = [];
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
    this.shown = text;
    this.cells = places.cells;
    this.row = places.row;
    this.breakers = places.breakers;
  }

  /** What a request that goes on under its host's own name is sent to. */
  get authority(): string {
    return this.hostname === '' ? this.text : this.hostname;
  }

  /** Its address was found under this name. */
  foundAs(hostname: string): void {
    this.shown = formatAddress(this.address);
    this.hostname = hostname;
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

/** Tells a host where it belongs. */
export function placeHost(host: Host, { priority, zone, metadata }: EndpointConfig): void {
  host.priority = priority;
  host.zone = zone;
  host.metadata = metadata;
}

/** Idle connections close now, busy ones when their request is over. */
export function drainHost(host: Host): void {
  host.drained = true;
  host.pool?.drain();
  host.tunnels?.drain();
  host.highPool?.drain();
  host.highTunnels?.drain();
}
