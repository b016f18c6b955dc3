// Choosing a host. A Picker is immutable and swapped whole when the hosts, their weights or their state change; the road
// only ever calls `picker.pick`. Here is the way from a policy and a flat list of usable hosts to a Picker; how hosts are
// grouped (priorities, localities, subsets) is none of its business. Worker thread.

import type { LoadBalancingConfig } from '../config/cluster-snapshot.ts';
import type { Clock } from '../core/clock.ts';
import type { Random } from '../core/random.ts';
import type { StreamRecord } from '../core/stream.ts';
import type { Breakers } from '../shared/breaker-table.ts';
import type { HostTable } from '../shared/host-table.ts';
import type { Host } from './host.ts';
import { HashPicker } from './lb/hash-picker.ts';
import { LeastRequestPicker } from './lb/least-request.ts';
import { PeakEwmaPicker } from './lb/peak-ewma.ts';
import { RandomPicker } from './lb/random.ts';
import { RoundRobinPicker } from './lb/round-robin.ts';

export interface Picker {
  /**
   * A host for this request, or null when none may be used. `tried` holds the hosts that earlier attempts met: none of them
   * is given while there is another one.
   */
  pick(stream: StreamRecord, tried: readonly Host[]): Host | null;
}

/** What a worker lends to its pickers. */
export interface PickerTools {
  readonly random: Random;
  readonly clock: Clock;
  readonly hostTable: HostTable;
  readonly breakers: Breakers;
  /** The cluster's row in the breaker table: its active requests, for bounded loads. */
  readonly breakerRow: number;
  /** The picker of the same group that this one replaces, if there was one: order and tables go on where they can. */
  readonly before?: Picker | null;
}

/** A key leads to one host wherever it is asked for: hashes of requests are looked up in one table. */
export function picksByHash({ policy }: LoadBalancingConfig): boolean {
  return policy === 'ringHash' || policy === 'maglev';
}

/** @param weights as many as hosts, all above 0: what they count for here and now, which may be other than `host.weight`. */
export function makePicker(config: LoadBalancingConfig, hosts: readonly Host[], weights: ArrayLike<number>, tools: PickerTools): Picker {
  switch (config.policy) {
    case 'roundRobin':
      return new RoundRobinPicker(hosts, weights, tools, config.slowStart);
    case 'leastRequest':
      return new LeastRequestPicker(config, hosts, weights, tools);
    case 'random':
      return new RandomPicker(hosts, weights, tools.random);
    case 'ringHash':
    case 'maglev':
      return new HashPicker(config, hosts, weights, tools);
    case 'peakEwma':
      return new PeakEwmaPicker(hosts, weights, tools);
  }
}
