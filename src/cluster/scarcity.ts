// Who waits for a connection while the cluster's limit is used up, and who makes room. Worker thread; owned by its Lane.
// The limit holds over all hosts and workers, so a pool may find it used up by others: it gets what becomes free here in
// turn, looks at every tick for what another worker has given back, and makes those with idle connections close them.
// A pool that is never idle gives a connection up now and then, so that nobody waits for ever.

import type { Random } from '../core/random.ts';
import { Timer, type TimerTarget } from '../core/timer.ts';
import { RES_CX } from '../shared/breaker-table.ts';
import type { Lane } from './lane.ts';
import type { Pool } from './pool.ts';

/** How often a worker looks whether another one has freed a connection. */
const TICK_MS = 10;
/** How often a busy pool gives a connection to others that wait: rare enough that reconnecting costs little. */
const SHARE_MS = 50;
/** How long nobody here takes a connection that was given up for another worker: it has looked twice by then. */
const REST_MS = 2 * TICK_MS;

export class Scarcity implements TimerTarget {
  private readonly lane: Lane;
  private readonly random: Random;
  /** Pools of this worker with requests that wait for a connection they may not open. */
  private readonly starving: Pool[] = [];
  private readonly timer: Timer;
  /** When a busy pool here last gave one up, or one that starved got one. */
  private sharedAt = 0;
  /** When one was last left to another worker. */
  private leftAt = -Infinity;

  constructor(lane: Lane) {
    this.lane = lane;
    this.random = lane.cluster.tools.random;
    this.timer = new Timer(this, 0);
  }

  /** One connection of the limit. */
  take(): boolean {
    const { breakers, clock } = this.lane.cluster.tools;
    return clock.now >= this.leftAt + REST_MS && breakers.tryAcquire(this.lane.row, RES_CX);
  }

  /** `pool` may not open the connection that one more of its requests needs. */
  enter(pool: Pool): void {
    const { loop } = this.lane.cluster.tools;
    if (!this.starving.includes(pool)) {
      this.starving.push(pool);
      this.countStarving(pool, 1);
      if (this.starving.length === 1) loop.timers.arm(this.timer, TICK_MS);
    }
    this.makeRoom(pool);
  }

  /** `pool` has no request left that waits without a connection on its way. */
  leave(pool: Pool): void {
    const { loop } = this.lane.cluster.tools;
    const i = this.starving.indexOf(pool);
    if (i < 0) return;
    this.starving.splice(i, 1);
    this.countStarving(pool, -1);
    if (this.starving.length === 0) loop.timers.disarm(this.timer);
  }

  /** A connection was given back: those who wait here get it in turn, unless it is left to another worker. */
  freed(): void {
    if (this.leavesToOthers()) return;
    for (let left = this.starving.length; left > 0; left--) {
      const pool = this.starving[0]!;
      if (!this.serve(pool)) return;
    }
  }

  /** Shall `pool` close the connection that has just become free? `wanted`: a request of its own waits for it. */
  mustGiveUp(pool: Pool, wanted: boolean): boolean {
    const { breakers, clock } = this.lane.cluster.tools;
    const all = breakers.starving(this.lane.row);
    if (all === 0 || (all === 1 && this.starving[0] === pool)) return false;
    if (!wanted) return true;
    if (clock.now < this.sharedAt + SHARE_MS) return false;
    this.sharedAt = clock.now;
    this.putLast(pool);
    return true;
  }

  /** Closes an idle connection that somebody in another worker waits for. Called on a slow tick. */
  yieldIdle(): void {
    const { breakers } = this.lane.cluster.tools;
    if (this.starving.length === 0 && breakers.starving(this.lane.row) > 0) this.makeRoom(null);
  }

  onTimer(): void {
    for (let left = this.starving.length; left > 0; left--) {
      const pool = this.starving[0]!;
      if (this.serve(pool)) continue;
      this.putLast(pool);
      this.makeRoom(pool);
    }
    if (this.starving.length > 0) this.lane.cluster.tools.loop.timers.arm(this.timer, TICK_MS);
  }

  /** Opens one connection for a pool that starves, which is the last in turn afterwards; false when there is none to be had. */
  private serve(pool: Pool): boolean {
    if (!pool.connectOne()) return false;
    this.sharedAt = this.lane.cluster.tools.clock.now;
    if (pool.needsConnection) this.putLast(pool);
    else this.leave(pool);
    return true;
  }

  /** Others that starve get their part of what becomes free here, though it takes them a tick to notice. */
  private leavesToOthers(): boolean {
    const { breakers, clock } = this.lane.cluster.tools;
    const all = breakers.starving(this.lane.row);
    const elsewhere = all - this.starving.length;
    if (elsewhere <= 0 || clock.now < this.leftAt + SHARE_MS || this.random.below(all) >= elsewhere) return false;
    this.leftAt = clock.now;
    return true;
  }

  /** Closes one idle connection, if there is one, of any pool but this; `freed` follows at the end of the turn. */
  private makeRoom(pool: Pool | null): void {
    for (const host of this.lane.cluster.hosts) {
      const other = this.lane.poolOf(host);
      if (other !== null && other !== pool && other.closeOldestIdle()) return;
    }
  }

  /** Where hosts have limits of their own, the connection that is missed may lie idle in the other priority. */
  private countStarving(pool: Pool, change: 1 | -1): void {
    const { breakers } = this.lane.cluster.tools;
    breakers.addStarving(this.lane.row, change);
    if (pool.host.breakers >= 0) breakers.addStarving(this.lane.otherRow, change);
  }

  private putLast(pool: Pool): void {
    const i = this.starving.indexOf(pool);
    if (i < 0) return;
    this.starving.splice(i, 1);
    this.starving.push(pool);
  }
}
