// @hot
// One flat list of hosts and its picker, which is made when the first request comes this way. Worker thread; owned by one
// group, immutable but for that.

import type { LoadBalancingConfig } from '../../config/cluster-snapshot.ts';
import type { StreamRecord } from '../../core/stream.ts';
import type { Host } from '../host.ts';
import { makePicker, type Picker, type PickerTools } from '../pick.ts';

export interface SlotTools {
  readonly balancing: LoadBalancingConfig;
  readonly tools: PickerTools;
}

export class Slot implements Picker {
  readonly hosts: readonly Host[];
  private readonly weights: ArrayLike<number> | null;
  private readonly made: SlotTools;
  private picker: Picker | null = null;
  /** Of the same list as it was before. */
  private before: Picker | null;

  /** @param weights null: those of the hosts. */
  constructor(hosts: readonly Host[], weights: ArrayLike<number> | null, made: SlotTools, before: Slot | undefined) {
    this.hosts = hosts;
    this.weights = weights;
    this.made = made;
    this.before = before === undefined ? null : (before.picker ?? before.before);
  }

  pick(stream: StreamRecord, tried: readonly Host[]): Host | null {
    return (this.picker ?? this.make()).pick(stream, tried);
  }

  make(): Picker {
    const { hosts, weights, made } = this;
    const given = weights ?? hosts.map(({ weight }) => weight);
    this.picker = makePicker(made.balancing, hosts, given, Object.assign({}, made.tools, { before: this.before }));
    this.before = null;
    return this.picker;
  }
}
