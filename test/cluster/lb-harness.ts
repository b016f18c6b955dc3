// Hosts, weights and a clock for tests of the balancing algorithms: everything they read is at hand. Test code only.

import { Host } from '../../src/cluster/host.ts';
import { Latency } from '../../src/cluster/lb/peak-ewma.ts';
import { makePicker, type Picker, type PickerTools } from '../../src/cluster/pick.ts';
import type { LoadBalancingConfig } from '../../src/config/cluster-snapshot.ts';
import { Clock } from '../../src/core/clock.ts';
import { Random } from '../../src/core/random.ts';
import { hashed, xxHash64 } from '../../src/core/xx-hash.ts';
import { BREAKER_ROW, BreakerTable, HELD_ROW, RES_RQ } from '../../src/shared/breaker-table.ts';
import { HOST_ROW, HostTable } from '../../src/shared/host-table.ts';
import { LoneStream } from '../route/request.ts';
import { ManualTime } from '../support/manual-time.ts';
import { balancing } from '../support/snapshots.ts';

const ROWS = 2100;
const CLUSTER_ROW = 0;
const FIRST_HOST_ROW = 2;
const NONE: readonly Host[] = [];

export class Balance {
  readonly time = new ManualTime();
  readonly tools: PickerTools;
  readonly stream = new LoneStream();
  readonly hosts: Host[];
  private readonly table: BreakerTable;

  /** `names` stand for addresses where they hold a port. */
  constructor(hosts: number | readonly string[], seed = 1) {
    this.table = new BreakerTable(new SharedArrayBuffer(ROWS * BREAKER_ROW * 4), new Int32Array(ROWS * HELD_ROW));
    this.tools = {
      random: new Random([seed, Math.imul(seed, 0x9e3779b1), ~seed, 7]),
      clock: new Clock(this.time),
      hostTable: new HostTable(new SharedArrayBuffer(ROWS * HOST_ROW * 4)),
      breakers: this.table,
      breakerRow: CLUSTER_ROW,
    };
    const names = typeof hosts === 'number' ? Array.from({ length: hosts }, (_, i) => `10.0.${i >> 8}.${i & 255}:80`) : hosts;
    this.hosts = names.map((name, i) => {
      const colon = name.lastIndexOf(':');
      const address = { kind: 'ip', host: name.slice(0, colon), port: Number(name.slice(colon + 1)) } as const;
      const host = new Host(address, name, 1, { cells: 0, row: FIRST_HOST_ROW + i, breakers: FIRST_HOST_ROW + i });
      host.latency = new Latency();
      return host;
    });
  }

  picker(config: Partial<LoadBalancingConfig>, weights: readonly number[] = this.hosts.map(() => 1), { hosts = this.hosts, before = null }: { hosts?: readonly Host[]; before?: Picker | null } = {}): Picker {
    return makePicker(balancing(config), hosts, weights, { ...this.tools, before });
  }

  /** The place of the host that is picked; -1: none. */
  pick(picker: Picker, tried: readonly Host[] = NONE): number {
    const host = picker.pick(this.stream, tried);
    return host === null ? -1 : this.hosts.indexOf(host);
  }

  pickKey(picker: Picker, key: string, tried: readonly Host[] = NONE): number {
    xxHash64(key);
    this.stream.hashHigh = hashed.high;
    this.stream.hashLow = hashed.low;
    this.stream.isHashed = true;
    return this.pick(picker, tried);
  }

  /** How often each host is picked. */
  counts(picker: Picker, picks: number): number[] {
    const counts = this.hosts.map(() => 0);
    for (let i = 0; i < picks; i++) counts[this.pick(picker)]!++;
    return counts;
  }

  /** A request begins at a host, on whatever worker. */
  begin(host: number): void {
    this.table.tryAcquire(CLUSTER_ROW, RES_RQ);
    this.table.tryAcquire(FIRST_HOST_ROW + host, RES_RQ);
  }

  end(host: number): void {
    this.table.release(CLUSTER_ROW, RES_RQ);
    this.table.release(FIRST_HOST_ROW + host, RES_RQ);
  }

  active(host: number): number {
    return this.table.count(FIRST_HOST_ROW + host, RES_RQ);
  }

  advance(ms: number): void {
    this.time.advance(ms);
    this.tools.clock.refresh();
  }

  joins(host: number): void {
    this.tools.hostTable.setJoinedAt(FIRST_HOST_ROW + host, this.time.monotonicMs());
  }
}

/** Pearson's statistic. */
export function chiSquare(counts: readonly number[], weights: readonly number[]): number {
  const n = counts.reduce((a, b) => a + b);
  const sum = weights.reduce((a, b) => a + b);
  return counts.reduce((all, count, i) => all + (count - (n * weights[i]!) / sum) ** 2 / ((n * weights[i]!) / sum), 0);
}
