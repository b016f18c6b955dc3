// @hot
// Round robin. Equal weights: a plain rotation. Unequal ones: earliest deadline first, so that weights 1:2:3 interleave
// smoothly and every cycle has exactly its shares. Worker thread; the order starts at a random host, so that many workers
// do not all begin with the same one.

import type { Random } from '../../core/random.ts';
import type { StreamRecord } from '../../core/stream.ts';
import type { Host } from '../host.ts';

export class RoundRobinPicker {
  private readonly hosts: readonly Host[];
  private readonly schedule: Schedule | null;
  private next: number;

  constructor(hosts: readonly Host[], weights: ArrayLike<number>, random: Random) {
    this.hosts = hosts;
    this.next = hosts.length > 1 ? random.below(hosts.length) : 0;
    const equal = hosts.every((_, i) => weights[i] === weights[0]);
    this.schedule = equal ? null : new Schedule(weights, random);
  }

  pick(_stream: StreamRecord, _tried: readonly Host[]): Host | null {
    const n = this.hosts.length;
    if (n === 0) return null;
    if (this.schedule !== null) return this.hosts[this.schedule.take()]!;
    const i = this.next;
    this.next = i + 1 === n ? 0 : i + 1;
    return this.hosts[i]!;
  }
}

/**
 * A binary heap of the hosts by deadline: the k-th turn of a host in a cycle is due at k / weight. Ties go to the lower
 * index. Deadlines are compared as fractions and begin anew with each cycle, so that no rounding adds up.
 */
class Schedule {
  private readonly heap: Int32Array;
  private readonly weight: Float64Array;
  /** Which turn of the cycle is each host's next. */
  private readonly turn: Float64Array;
  private readonly cycle: number;
  private left: number;

  constructor(weights: ArrayLike<number>, random: Random) {
    const n = weights.length;
    this.heap = new Int32Array(n);
    this.weight = new Float64Array(n);
    this.turn = new Float64Array(n).fill(1);
    let total = 0;
    for (let i = 0; i < n; i++) {
      this.heap[i] = i;
      this.weight[i] = weights[i]!;
      total += weights[i]!;
    }
    this.cycle = total;
    this.left = total;
    for (let i = (n >> 1) - 1; i >= 0; i--) this.sink(i);
    // Start anywhere in the cycle.
    for (let skip = random.below(Math.min(total, 65536)); skip > 0; skip--) this.take();
  }

  take(): number {
    const host = this.heap[0]!;
    this.turn[host] = this.turn[host]! + 1;
    this.sink(0);
    if (--this.left === 0) {
      // Each host has had its weight in turns and stands one step behind the end, which is the order of the beginning.
      this.left = this.cycle;
      this.turn.fill(1);
    }
    return host;
  }

  private sink(from: number): void {
    const heap = this.heap;
    const n = heap.length;
    let i = from;
    for (;;) {
      let child = 2 * i + 1;
      if (child >= n) return;
      if (child + 1 < n && this.before(heap[child + 1]!, heap[child]!)) child++;
      if (!this.before(heap[child]!, heap[i]!)) return;
      const moved = heap[i]!;
      heap[i] = heap[child]!;
      heap[child] = moved;
      i = child;
    }
  }

  private before(a: number, b: number): boolean {
    const x = this.turn[a]! * this.weight[b]!;
    const y = this.turn[b]! * this.weight[a]!;
    return x < y || (x === y && a < b);
  }
}
