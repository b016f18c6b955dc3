// Choosing a host. A Balancer lives as long as its cluster and publishes immutable Pickers; the road only ever calls
// `picker.pick`, and a change of the hosts swaps the picker whole. Worker thread.

import type { Random } from '../core/random.ts';
import type { StreamRecord } from '../core/stream.ts';
import type { Host } from './host.ts';
import { RandomPicker } from './lb/random.ts';
import { RoundRobinPicker } from './lb/round-robin.ts';

export interface Picker {
  /** A host for this request, or null when none may be used. `tried` holds the hosts that earlier attempts met. */
  pick(stream: StreamRecord, tried: readonly Host[]): Host | null;
}

export type PolicyName = 'roundRobin' | 'random';

export function makePicker(policy: PolicyName, hosts: readonly Host[], random: Random): Picker {
  switch (policy) {
    case 'random':
      return new RandomPicker(hosts, random);
    case 'roundRobin':
      return new RoundRobinPicker(hosts, random);
  }
}
