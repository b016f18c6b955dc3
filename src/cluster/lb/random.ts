// @hot
// Random: each pick is independent, in proportion to the weights. Worker thread; immutable.

import type { Random } from '../../core/random.ts';
import type { StreamRecord } from '../../core/stream.ts';
import type { Host } from '../host.ts';
import { untriedFrom } from './tried.ts';

export class RandomPicker {
  private readonly hosts: readonly Host[];
  /** Running sums of the weights. */
  private readonly sums: Float64Array;
  private readonly equal: boolean;
  private readonly random: Random;

  constructor(hosts: readonly Host[], weights: ArrayLike<number>, random: Random) {
    this.hosts = hosts;
    this.random = random;
    this.sums = new Float64Array(hosts.length);
    let sum = 0;
    for (let i = 0; i < hosts.length; i++) this.sums[i] = sum += weights[i]!;
    this.equal = hosts.every((_, i) => weights[i] === weights[0]);
  }

  pick(_stream: StreamRecord, tried: readonly Host[]): Host | null {
    const { hosts } = this;
    if (hosts.length === 0) return null;
    const host = hosts[this.draw()]!;
    if (tried.length === 0 || !tried.includes(host)) return host;
    for (let more = 2 * tried.length; more > 0; more--) {
      const other = hosts[this.draw()]!;
      if (!tried.includes(other)) return other;
    }
    return untriedFrom(hosts, this.random.below(hosts.length), tried) ?? host;
  }

  private draw(): number {
    const n = this.hosts.length;
    if (n === 1) return 0;
    if (this.equal) return this.random.below(n);
    const target = this.random.unit() * this.sums[n - 1]!;
    let low = 0;
    let high = n - 1;
    while (low < high) {
      const middle = (low + high) >> 1;
      if (this.sums[middle]! > target) high = middle;
      else low = middle + 1;
    }
    return low;
  }
}
