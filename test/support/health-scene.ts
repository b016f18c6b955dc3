// Health checks on a loop without sockets, with time turned by hand: the test plays the hosts. Test code only.

import type { ClusterConfig, HealthCheckConfig, HttpProbeConfig } from '../../src/config/cluster-snapshot.ts';
import { type CheckTools, HealthChecks } from '../../src/cluster/health-checks.ts';
import { Random } from '../../src/core/random.ts';
import { UP_CX_TOTAL } from '../../src/observe/stat-names.ts';
import { SHAPES } from '../../src/observe/shapes.ts';
import { HEALTH_AT, HEALTH_STATS } from '../../src/observe/upkeep-stats.ts';
import type { HostTable } from '../../src/shared/host-table.ts';
import { uneject } from '../../src/shared/ejections.ts';
import type { Plan } from '../../src/shared/plan.ts';
import { SharedState } from '../../src/shared/registry.ts';
import type { FakeConn } from './fake-conn.ts';
import { FakeLoop } from './fake-loop.ts';
import { clusterConfig, snapshot } from './snapshots.ts';

export const HTTP_PROBE: HttpProbeConfig = {
  kind: 'http', path: '/healthz', host: '', authority: 'app', method: 'GET', headers: [], expectedStatuses: [{ min: 200, max: 200 }], retriableStatuses: [],
};

export function healthCheck(part: Partial<HealthCheckConfig> = {}): HealthCheckConfig {
  return {
    probe: HTTP_PROBE,
    intervalMs: 5000, timeoutMs: 1000, healthyThreshold: 2, unhealthyThreshold: 3, jitterMs: 0, jitterPercent: 0, initialJitterMs: 0,
    noTrafficIntervalMs: 60_000, noTrafficHealthyIntervalMs: 60_000, unhealthyIntervalMs: 5000, unhealthyEdgeIntervalMs: 5000, healthyEdgeIntervalMs: 5000,
    reuseConnection: true, eventLog: 'events', alwaysLogFailures: false,
    ...part,
  };
}

export function checked(ports: readonly number[], part: Partial<HealthCheckConfig> = {}, cluster: Partial<ClusterConfig> = {}): ClusterConfig {
  return clusterConfig('app', ports, { healthChecks: [healthCheck(part)], ...cluster });
}

export class HealthScene {
  readonly loop = new FakeLoop();
  readonly memory = new SharedState(SHAPES);
  readonly table: HostTable = this.memory.hostTable;
  /** What the event log got: everything but the times and the name of the cluster. */
  readonly events: object[] = [];
  readonly checks: HealthChecks;
  plan!: Plan;
  private epoch = 0;

  constructor(tools: Partial<CheckTools> = {}) {
    const { memory, loop } = this;
    this.checks = new HealthChecks({
      loop,
      time: loop.time,
      random: new Random([1, 2, 3, 4]),
      table: memory.hostTable,
      cells: memory.ownCells,
      cell: (index) => memory.cell(index),
      passed: (cluster, host) => void uneject(memory.hostTable, cluster, host),
      log: (_, bytes) => this.note(Buffer.from(bytes).toString()),
      ...tools,
    });
  }

  /** Begins to bring a configuration in force. @returns whether warming took too long */
  prepare(...clusters: readonly ClusterConfig[]): Promise<boolean> {
    const next = snapshot({ clusters });
    this.plan = this.memory.plan(next, ++this.epoch);
    return this.checks.prepare(next, this.plan);
  }

  commit(): void {
    this.memory.commit(this.epoch);
    this.checks.commit();
  }

  /** Both, with no wait in between. */
  publish(...clusters: readonly ClusterConfig[]): void {
    void this.prepare(...clusters);
    this.commit();
  }

  abandon(): void {
    this.checks.abandon();
    this.memory.abandon(this.epoch);
  }

  /** As if requests had made a connection to it. */
  haveTraffic(cluster = 'app'): void {
    this.memory.ownCells[this.plan.clusters[cluster]!.stats + UP_CX_TOTAL]!++;
  }

  flags(host = 0, cluster = 'app'): number {
    return this.table.flags(this.plan.clusters[cluster]!.hosts[host]!.row);
  }

  row(host = 0, cluster = 'app'): number {
    return this.plan.clusters[cluster]!.hosts[host]!.row;
  }

  /** `health_check.*` that are not zero. */
  stats(cluster = 'app'): Record<string, number> {
    const { stats } = this.plan.clusters[cluster]!;
    const found = HEALTH_STATS.map(([name], slot) => [name, this.memory.counter(stats, HEALTH_AT + slot)] as const);
    return Object.fromEntries(found.filter(([, value]) => value !== 0));
  }

  get conn(): FakeConn {
    return this.loop.connects.at(-1)!;
  }

  get connects(): number {
    return this.loop.connects.length;
  }

  /** The newest connection comes up and is answered. */
  answer(status: number, fields = '', conn = this.conn): void {
    if (conn.state === 'connecting') conn.connectOk();
    conn.takeSent();
    conn.receive(`HTTP/1.1 ${status} Status\r\n${fields}content-length: 2\r\n\r\nok`);
  }

  private note(line: string): void {
    const { timestamp, cluster_name: name, host, ...rest } = JSON.parse(line) as Record<string, unknown>;
    if (typeof timestamp !== 'string' || typeof name !== 'string' || typeof host !== 'object') throw new Error(`no event: ${line}`);
    this.events.push(rest);
  }
}
