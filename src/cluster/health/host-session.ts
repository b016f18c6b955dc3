// The checks of one host, one after another: when the next is due, how long it may take. Primary thread; owned by its
// ClusterChecks.
//
//   (initial jitter) ──► QUEUED (at the gate) ──► ASKING ──verdict or time-out──► WAITING (interval) ──► QUEUED ──► …

import type { HealthCheckConfig } from '../../config/cluster-snapshot.ts';
import type { Address } from '../../core/address.ts';
import type { Random } from '../../core/random.ts';
import { Timer, type TimerTarget } from '../../core/timer.ts';
import { HEALTH_ATTEMPT } from '../../observe/upkeep-stats.ts';
import type { GateGuest } from './gate.ts';
import { CHANGE_PENDING, type Change, type HealthBook, HostHealth } from './host-health.ts';
import type { HealthEvent } from './events.ts';
import { Probe, type ProbeOwner, type ProbeTools } from './probe.ts';
import type { Recipe } from './recipe.ts';
import { TIMED_OUT, type Verdict } from './verdict.ts';

const WAITING = 0;
const QUEUED = 1;
const ASKING = 2;
const STOPPED = 3;

/** What the sessions of a cluster share. */
export interface SessionTools extends ProbeTools {
  readonly book: HealthBook;
  readonly recipe: Recipe;
  readonly random: Random;
  /** The cluster has had a connection. */
  hasTraffic(): boolean;
  tell(address: Address, event: HealthEvent): void;
}

export class HostSession implements GateGuest, ProbeOwner, TimerTarget {
  readonly health: HostHealth;
  private readonly tools: SessionTools;
  private readonly probe: Probe;
  private readonly timer: Timer = new Timer(this, 0);
  private state = WAITING;
  /** Called once, when the first check is over or never will be. */
  private onFirst: (() => void) | null = null;

  constructor(address: Address, row: number, tools: SessionTools) {
    this.tools = tools;
    this.health = new HostHealth(tools.book, row, (event) => tools.tell(address, event));
    this.probe = new Probe(this, address, tools.recipe, tools);
  }

  start(onFirst: () => void): void {
    const { initialJitterMs } = this.tools.recipe.config;
    this.onFirst = onFirst;
    if (initialJitterMs === 0) this.queue();
    else this.arm(this.tools.random.unit() * initialJitterMs);
  }

  stop(): void {
    const { gate, loop } = this.tools;
    const { state } = this;
    if (state === STOPPED) return;
    this.state = STOPPED;
    loop.timers.disarm(this.timer);
    this.probe.cancel();
    if (state === ASKING) gate.leave();
    this.firstIsOver();
  }

  /** From the gate. */
  run(): boolean {
    if (this.state !== QUEUED) return false;
    this.state = ASKING;
    this.tools.book.count(HEALTH_ATTEMPT);
    this.arm(this.tools.recipe.config.timeoutMs);
    this.probe.ask();
    return true;
  }

  onTimer(): void {
    if (this.state === WAITING) {
      this.queue();
    } else if (this.state === ASKING) {
      this.probe.cancel();
      this.judged(TIMED_OUT);
    }
  }

  judged(verdict: Verdict): void {
    if (this.state !== ASKING) return;
    const { gate, loop, recipe } = this.tools;
    this.state = WAITING;
    loop.timers.disarm(this.timer);
    const change = this.health.judge(verdict);
    this.arm(this.withJitter(intervalAfter(recipe.config, verdict.healthy, change, this.tools.hasTraffic())));
    gate.leave();
    this.firstIsOver();
  }

  private queue(): void {
    this.state = QUEUED;
    this.tools.gate.enter(this);
  }

  private arm(ms: number): void {
    this.tools.loop.timers.arm(this.timer, Math.max(1, ms));
  }

  private withJitter(ms: number): number {
    const { jitterMs, jitterPercent } = this.tools.recipe.config;
    return ms + this.tools.random.unit() * (jitterMs + (ms * jitterPercent) / 100);
  }

  private firstIsOver(): void {
    const { onFirst } = this;
    this.onFirst = null;
    onFirst?.();
  }
}

/** As Envoy chooses: slow without traffic; by what the check said, and whether it is about to change something. */
export function intervalAfter(config: HealthCheckConfig, healthy: boolean, change: Change, traffic: boolean): number {
  const pending = change === CHANGE_PENDING;
  if (!traffic) return healthy && !pending ? config.noTrafficHealthyIntervalMs : config.noTrafficIntervalMs;
  if (healthy) return pending ? config.healthyEdgeIntervalMs : config.intervalMs;
  return pending ? config.unhealthyEdgeIntervalMs : config.unhealthyIntervalMs;
}
