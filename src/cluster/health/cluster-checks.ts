// The health checks of one cluster: what its hosts' sessions share, and which hosts have one. Primary thread; owned by
// HealthChecks. It lives on over reloads as long as the hosts are asked in the same way.

import type { ClusterConfig, HealthCheckConfig } from '../../config/cluster-snapshot.ts';
import type { TimeSource } from '../../core/clock.ts';
import type { Random } from '../../core/random.ts';
import { UP_CX_TOTAL } from '../../observe/stat-names.ts';
import { HEALTH_AT } from '../../observe/upkeep-stats.ts';
import type { Loop } from '../../io/conn.ts';
import type { HostTable } from '../../shared/host-table.ts';
import type { ClusterPlan } from '../../shared/plan.ts';
import { eventLine } from './events.ts';
import type { Gate } from './gate.ts';
import type { HealthBook } from './host-health.ts';
import { HostSession, type SessionTools } from './host-session.ts';
import { makeRecipe, type Recipe } from './recipe.ts';

export interface CheckTools {
  readonly loop: Loop;
  readonly time: TimeSource;
  readonly random: Random;
  readonly table: HostTable;
  /** The primary's own counters. */
  readonly cells: Float64Array;
  /** A counter over all threads. */
  cell(index: number): number;
  /** An ejected host passed its check: who ejects decides what follows. @param cluster @param host rows in the table */
  passed(cluster: number, host: number): void;
  /** A line of an event log. */
  log(path: string, bytes: Uint8Array): void;
}

const CHECKER = { http: 'HTTP', tcp: 'TCP', grpc: 'GRPC' } as const;

export class ClusterChecks {
  /** By row in the host table. */
  readonly sessions = new Map<number, HostSession>();
  readonly key: string;
  /** In the host table. */
  readonly row: number;
  private readonly tools: CheckTools;
  private readonly recipe: Recipe;
  private readonly shared: SessionTools;
  /** Of the host table, when the hosts were last looked at. */
  private epoch = 0;

  /** Throws an Error where the TLS settings cannot be used. */
  constructor(cluster: ClusterConfig, plan: ClusterPlan, tools: CheckTools, gate: Gate) {
    const config = cluster.healthChecks[0]!;
    this.key = keyOf(cluster, plan);
    this.row = plan.row;
    this.tools = tools;
    this.recipe = makeRecipe(cluster, config, tools.loop.clock);
    if (this.recipe.tls !== null) tools.loop.prepareTls(this.recipe.tls);
    const { loop, random, time } = tools;
    this.shared = {
      loop,
      gate,
      random,
      recipe: this.recipe,
      book: this.makeBook(config, plan),
      hasTraffic: () => tools.cell(plan.stats + UP_CX_TOTAL) > 0,
      tell: (address, event) => {
        if (config.eventLog === '') return;
        const line = eventLine({ checker: CHECKER[config.probe.kind], address, cluster: cluster.name }, event, time.wallMs());
        tools.log(config.eventLog, Buffer.from(line, 'utf8'));
      },
    };
  }

  /** Makes sessions for hosts that have none. @returns their rows and them, not started yet */
  add(cluster: ClusterConfig, plan: ClusterPlan): [row: number, session: HostSession][] {
    const added: [number, HostSession][] = [];
    cluster.endpoints.forEach(({ address }, i) => {
      const { row } = plan.hosts[i]!;
      if (this.sessions.has(row)) return;
      const session = new HostSession(address, row, this.shared);
      this.sessions.set(row, session);
      added.push([row, session]);
    });
    return added;
  }

  /** Stops checking a host. */
  remove(row: number): void {
    this.sessions.get(row)?.stop();
    this.sessions.delete(row);
  }

  /** Looks for what workers have found, if anything has changed. */
  notice(): void {
    const epoch = this.tools.table.epoch(this.row);
    if (epoch === this.epoch) return;
    this.epoch = epoch;
    for (const session of this.sessions.values()) session.health.notice();
  }

  close(): void {
    for (const session of this.sessions.values()) session.stop();
    this.sessions.clear();
    if (this.recipe.tls !== null) this.tools.loop.forgetTls(this.recipe.tls);
  }

  private makeBook(config: HealthCheckConfig, plan: ClusterPlan): HealthBook {
    const { table, cells, loop } = this.tools;
    const { healthyThreshold, unhealthyThreshold, alwaysLogFailures } = config;
    const count = (slot: number): void => {
      cells[plan.stats + HEALTH_AT + slot]!++;
    };
    const passed = (host: number): void => this.tools.passed(plan.row, host);
    return { table, row: plan.row, healthyThreshold, unhealthyThreshold, alwaysLogFailures, clock: loop.clock, count, passed };
  }
}

/** Equal where the hosts are asked in the same way. */
export function keyOf(cluster: ClusterConfig, plan: ClusterPlan): string {
  return JSON.stringify([plan.row, cluster.healthChecks, cluster.protocol, cluster.tls?.hash ?? '']);
}
