// @hot
// Round robin. Equal weights: a plain rotation; unequal ones: earliest deadline first. While hosts are in slow start their
// weights change all the time, and deadlines follow the weight of the moment. Worker thread.

import type { SlowStartConfig } from '../../config/cluster-snapshot.ts';
import type { StreamRecord } from '../../core/stream.ts';
import type { Host } from '../host.ts';
import type { PickerTools } from '../pick.ts';
import type { Deadlines } from './deadlines.ts';
import { makeDeadlines, makeTurns, placesOf } from './schedule.ts';
import { SlowStart } from './slow-start.ts';
import { untriedFrom } from './tried.ts';
import type { Turns } from './turns.ts';

export class RoundRobinPicker {
  readonly hosts: readonly Host[];
  readonly weights: ArrayLike<number>;
  /** null: all weights are equal. */
  private readonly turns: Turns | null;
  /** Null once all are past slow start. */
  private deadlines: Deadlines | null = null;
  private readonly slowStart: SlowStart | null;
  private next: number;

  constructor(hosts: readonly Host[], weights: ArrayLike<number>, tools: PickerTools, slowStart: SlowStartConfig | null) {
    const { random, clock, hostTable } = tools;
    const before = tools.before instanceof RoundRobinPicker ? tools.before : null;
    this.hosts = hosts;
    this.weights = weights;
    this.next = before === null ? startOf(hosts, tools) : before.nextIn(hosts);
    const equal = hosts.every((_, i) => weights[i] === weights[0]);
    const earlier = before === null || before.turns === null ? null : { hosts: before.hosts, weights: before.weights, schedule: before.turns };
    this.turns = equal ? null : makeTurns(hosts, weights, random, earlier);
    this.slowStart = slowStart === null ? null : new SlowStart(slowStart, hosts, clock, hostTable);
    if (this.slowStart !== null && !this.slowStart.isOver) {
      const started = before === null || before.deadlines === null ? null : { hosts: before.hosts, weights: before.weights, schedule: before.deadlines };
      this.deadlines = makeDeadlines(hosts, weights, random, started);
    }
  }

  pick(_stream: StreamRecord, tried: readonly Host[]): Host | null {
    const { hosts } = this;
    if (hosts.length === 0) return null;
    const host = hosts[this.take()]!;
    if (tried.length === 0 || !tried.includes(host)) return host;
    for (let more = 2 * tried.length; more > 0; more--) {
      const other = hosts[this.take()]!;
      if (!tried.includes(other)) return other;
    }
    return untriedFrom(hosts, this.next, tried) ?? host;
  }

  private take(): number {
    if (this.deadlines !== null) return this.takeSlowly();
    if (this.turns !== null) return this.turns.take();
    const i = this.next;
    this.next = i + 1 >= this.hosts.length ? 0 : i + 1;
    return i;
  }

  private takeSlowly(): number {
    const { deadlines, slowStart } = this;
    const i = deadlines!.next();
    deadlines!.putBack(1 / (this.weights[i]! * slowStart!.factor(this.hosts[i]!)));
    if (slowStart!.isOver) this.deadlines = null;
    return i;
  }

  /** Where a rotation goes on among other hosts: behind those that had their turn. */
  private nextIn(hosts: readonly Host[]): number {
    const places = placesOf(hosts);
    for (let k = 0; k < this.hosts.length; k++) {
      const place = places.get(this.hosts[(this.next + k) % this.hosts.length]!.text);
      if (place !== undefined) return place;
    }
    return 0;
  }
}

function startOf(hosts: readonly Host[], { random }: PickerTools): number {
  return hosts.length > 1 ? random.below(hosts.length) : 0;
}
