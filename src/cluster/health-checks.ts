// Active health checks of all clusters: once per process, on the primary; workers read the results in the host table.
// Primary thread; owned by the root, called by control around each publication.
//
//   prepare (new hosts are checked) ─┬─ commit: those that are gone are checked no more
//                                    └─ abandon: the new ones are not
// What is new gets no requests before its first check is over: a publication waits for that, up to a bound.

import type { Snapshot } from '../config/snapshot.ts';
import { Timer, type TimerTarget } from '../core/timer.ts';
import type { Plan } from '../shared/plan.ts';
import { type CheckTools, ClusterChecks, keyOf } from './health/cluster-checks.ts';
import { Gate } from './health/gate.ts';
import type { HostSession } from './health/host-session.ts';

export type { CheckTools } from './health/cluster-checks.ts';

/** How long a publication waits for first checks. Envoy has no bound; but hosts that are checked late are no reason never to start. */
const WARMING_MS = 30_000;
/** How often the primary looks for hosts that told a worker that they fail: for the log and the thresholds; workers know at once. */
const NOTICE_MS = 500;

const WARMED = 0;
const NOTICE = 1;

/** What a publication has begun. */
interface Step {
  readonly plan: Plan;
  readonly clusters: Map<string, ClusterChecks>;
  readonly added: [checks: ClusterChecks, row: number, session: HostSession][];
  /** Rows whose hosts take requests already. */
  readonly used: ReadonlySet<number>;
}

export class HealthChecks implements TimerTarget {
  private readonly tools: CheckTools;
  private readonly gate: Gate;
  private readonly warming: Timer = new Timer(this, WARMED);
  private readonly noticing: Timer = new Timer(this, NOTICE);
  private current = new Map<string, ClusterChecks>();
  private plan: Plan | null = null;
  private step: Step | null = null;
  private onWarm: ((late: boolean) => void) | null = null;
  private closed = false;

  constructor(tools: CheckTools) {
    this.tools = tools;
    this.gate = new Gate((fn) => tools.loop.atTurnEnd(fn));
  }

  /**
   * Begins to check what this configuration has and the current one has not. Throws where it cannot; then nothing has begun.
   * @returns when each new host has been checked once; whether the time for that was over first
   */
  prepare(snapshot: Snapshot, plan: Plan): Promise<boolean> {
    const step: Step = { plan, clusters: new Map(), added: [], used: this.usedRows(snapshot) };
    this.step = step;
    try {
      this.collect(snapshot, step);
    } catch (error) {
      this.abandon();
      throw error;
    }
    // What nobody knows anything of gets no requests until it is checked; what takes some already goes on until a check fails.
    for (const [, row, session] of step.added) if (!step.used.has(row)) session.health.begin();
    return this.warm(step.added.map(([, , session]) => session));
  }

  commit(): void {
    const { step } = this;
    if (step === null) return;
    this.step = null;
    for (const [name, checks] of this.current) {
      const next = step.clusters.get(name);
      const kept = new Set(step.plan.clusters[name]?.hosts.map(({ row }) => row));
      for (const [row, session] of checks.sessions) {
        if (next === checks && kept.has(row)) continue;
        checks.remove(row);
        if (next?.sessions.has(row) !== true) session.health.forget();
      }
      if (next !== checks) checks.close();
    }
    this.current = step.clusters;
    this.plan = step.plan;
    if (this.current.size > 0 && !this.closed) this.tools.loop.timers.arm(this.noticing, NOTICE_MS);
  }

  abandon(): void {
    const { step } = this;
    if (step === null) return;
    this.step = null;
    for (const [checks, row, session] of step.added) {
      checks.remove(row);
      if (![...this.current.values()].some(({ sessions }) => sessions.has(row))) session.health.forget();
    }
    for (const [name, checks] of step.clusters) if (this.current.get(name) !== checks) checks.close();
  }

  close(): void {
    this.closed = true;
    this.abandon();
    for (const checks of this.current.values()) checks.close();
    this.current.clear();
    this.tools.loop.timers.disarm(this.noticing);
    this.warmed(false);
    this.tools.loop.stop();
  }

  onTimer(kind: number): void {
    if (kind === WARMED) {
      this.warmed(true);
      return;
    }
    for (const checks of this.current.values()) checks.notice();
    if (this.current.size > 0) this.tools.loop.timers.arm(this.noticing, NOTICE_MS);
  }

  // ---- inside ----

  private collect(snapshot: Snapshot, step: Step): void {
    for (const cluster of snapshot.clusters) {
      if (cluster.healthChecks.length === 0) continue;
      const places = step.plan.clusters[cluster.name]!;
      const old = this.current.get(cluster.name);
      const checks = old?.key === keyOf(cluster, places) ? old : new ClusterChecks(cluster, places, this.tools, this.gate);
      step.clusters.set(cluster.name, checks);
      for (const [row, session] of checks.add(cluster, places)) step.added.push([checks, row, session]);
    }
  }

  private usedRows(next: Snapshot): Set<number> {
    const rows = new Set<number>();
    if (next.clusters.every(({ healthChecks }) => healthChecks.length === 0)) return rows;
    for (const { hosts } of Object.values(this.plan?.clusters ?? {})) for (const { row } of hosts) rows.add(row);
    return rows;
  }

  private warm(sessions: readonly HostSession[]): Promise<boolean> {
    if (sessions.length === 0 || this.closed) return Promise.resolve(false);
    return new Promise((resolve) => {
      let left = sessions.length;
      this.onWarm = resolve;
      this.tools.loop.timers.arm(this.warming, WARMING_MS);
      for (const session of sessions) session.start(() => --left === 0 && this.onWarm === resolve && this.warmed(false));
    });
  }

  private warmed(late: boolean): void {
    const { onWarm } = this;
    this.onWarm = null;
    this.tools.loop.timers.disarm(this.warming);
    onWarm?.(late);
  }
}
