// @hot
// Slow start: a host that is new, or healthy again, counts for less than its weight until the window is over. Worker thread.
// Envoy's formula: weight x max(minimum, (age / window) ^ (1 / aggression)), where age is at least a millisecond.

import type { SlowStartConfig } from '../../config/cluster-snapshot.ts';
import type { Clock } from '../../core/clock.ts';
import type { HostTable } from '../../shared/host-table.ts';
import type { Host } from '../host.ts';

export class SlowStart {
  private readonly windowMs: number;
  private readonly exponent: number;
  private readonly least: number;
  private readonly clock: Clock;
  private readonly hostTable: HostTable;
  /** When the last of the hosts is past its window, as far as was known when this was made; monotonic ms. */
  readonly over: number;

  constructor(config: SlowStartConfig, hosts: readonly Host[], clock: Clock, hostTable: HostTable) {
    this.windowMs = config.windowMs;
    this.exponent = 1 / config.aggression;
    this.least = config.minWeightPercent / 100;
    this.clock = clock;
    this.hostTable = hostTable;
    let over = 0;
    for (const host of hosts) over = Math.max(over, hostTable.joinedAt(host.row) + config.windowMs);
    this.over = over;
  }

  get isOver(): boolean {
    return this.clock.now >= this.over;
  }

  /** From the minimum to 1. */
  factor(host: Host): number {
    const age = this.clock.now - this.hostTable.joinedAt(host.row);
    if (age >= this.windowMs) return 1;
    const part = Math.max(1, age) / this.windowMs;
    return Math.max(this.least, this.exponent === 1 ? part : Math.pow(part, this.exponent));
  }
}
