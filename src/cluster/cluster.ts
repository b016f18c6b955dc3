// One cluster as a worker carries it: hosts, picker, pools, and what it may take from the breaker table. Worker thread.
// A cluster whose content hash did not change survives a reload with its pools; a changed one keeps the pools of the
// hosts that stayed, and a removed one drains.

import type { ClusterConfig } from '../config/snapshot.ts';
import type { OutBuffer } from '../core/out-buffer.ts';
import type { Random } from '../core/random.ts';
import type { Clock } from '../core/clock.ts';
import type { Loop } from '../io/conn.ts';
import type { TimerTarget } from '../core/timer.ts';
import { Timer } from '../core/timer.ts';
import { RES_CX, type Breakers } from '../shared/breaker-table.ts';
import type { ClusterPlan } from '../shared/plan.ts';
import { Host } from './host.ts';
import { H1Pool } from './h1-pool.ts';
import { makePicker, type Picker } from './pick.ts';

/** What a worker lends to its clusters. */
export interface ClusterTools {
  readonly loop: Loop;
  readonly clock: Clock;
  readonly cells: Float64Array;
  readonly buckets: Uint32Array;
  readonly breakers: Breakers;
  readonly random: Random;
  readonly out: OutBuffer;
}

/** How often a worker looks whether another one has freed a connection that its own requests wait for. */
const STARVING_TICK_MS = 10;

export class Cluster implements TimerTarget {
  readonly name: string;
  readonly tools: ClusterTools;
  config: ClusterConfig;
  /** First cell of `cluster.NAME.*`. */
  readonly stats: number;
  readonly histograms: number;
  readonly breakerRow: number;
  hosts: readonly Host[] = [];
  picker: Picker;
  /** Pools with requests that wait for a connection while the limit is used up. */
  private readonly starving: H1Pool[] = [];
  private readonly starvingTimer: Timer;

  constructor(config: ClusterConfig, plan: ClusterPlan, tools: ClusterTools) {
    this.name = config.name;
    this.config = config;
    this.tools = tools;
    this.stats = plan.stats;
    this.histograms = plan.histograms;
    this.breakerRow = plan.breakers;
    this.starvingTimer = new Timer(this, 0);
    this.picker = makePicker('roundRobin', [], tools.random);
    this.update(config, plan);
  }

  /** Takes a changed configuration over; hosts that stayed keep their pools. */
  update(config: ClusterConfig, plan: ClusterPlan): void {
    const before = new Map(this.hosts.map((host) => [host.text, host]));
    const hosts: Host[] = [];
    config.endpoints.forEach((endpoint, i) => {
      const old = before.get(endpoint.text);
      const host = new Host(endpoint.address, endpoint.text, endpoint.weight, plan.hosts[i]!);
      if (old !== undefined && old.pool !== null) {
        before.delete(endpoint.text);
        host.pool = old.pool;
        host.pool.host = host;
      } else {
        host.pool = new H1Pool(this, host);
      }
      hosts.push(host);
    });
    this.config = config;
    this.hosts = hosts;
    this.picker = makePicker(config.loadBalancing.policy, hosts, this.tools.random);
    for (const gone of before.values()) gone.pool?.drain();
  }

  /** The cluster is no longer configured: idle connections close now, busy ones when their request is over. */
  drain(): void {
    for (const host of this.hosts) host.pool?.drain();
  }

  /** Makes room for one connection by closing an idle one of another host; true when there was one. */
  freeIdleConnection(except: H1Pool): boolean {
    for (const host of this.hosts) {
      if (host.pool !== null && host.pool !== except && host.pool.closeOldestIdle()) return true;
    }
    return false;
  }

  /** `pool` has waiters and may not connect: it is tried again when a connection is given back here or elsewhere. */
  starve(pool: H1Pool): void {
    if (this.starving.includes(pool)) return;
    this.starving.push(pool);
    this.tools.breakers.addStarving(this.breakerRow, 1);
    if (this.starving.length === 1) this.tools.loop.timers.arm(this.starvingTimer, STARVING_TICK_MS);
  }

  /** The pool has no more waiters, or got its connection. */
  feed(pool: H1Pool): void {
    const i = this.starving.indexOf(pool);
    if (i < 0) return;
    this.starving.splice(i, 1);
    this.tools.breakers.addStarving(this.breakerRow, -1);
    if (this.starving.length === 0) this.tools.loop.timers.disarm(this.starvingTimer);
  }

  /** Does somebody, here or in another worker, wait for a connection that an idle one would free? */
  get someoneStarves(): boolean {
    return this.tools.breakers.starving(this.breakerRow) > 0;
  }

  /** A connection was given back: the pools that starve here go first. */
  connectionFreed(): void {
    if (this.starving.length > 0) this.starving[0]!.connectForWaiters();
  }

  onTimer(): void {
    if (this.starving.length === 0) return;
    for (const pool of this.starving.slice()) pool.connectForWaiters();
    if (this.starving.length > 0) this.tools.loop.timers.arm(this.starvingTimer, STARVING_TICK_MS);
  }

  /** Closes idle connections that somebody in another worker starves for. Called on a slow tick by the worker. */
  yieldIdle(): void {
    if (this.starving.length > 0 || !this.someoneStarves) return;
    for (const host of this.hosts) if (host.pool?.closeOldestIdle() === true) return;
  }

  openConnections(): number {
    return this.tools.breakers.count(this.breakerRow, RES_CX);
  }
}
