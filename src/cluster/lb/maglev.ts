// @hot
// Maglev (Eisenbud et al., NSDI 2016, listing 1), as Envoy builds it: hosts, in the order of their addresses, take turns to
// put themselves on the next free entry of their own permutation of the table; one of half the greatest weight every other
// time. Worker thread.

import { byName, normalized } from '../../core/hash-shares.ts';
import { hashed, xxHash64 } from '../../core/xx-hash.ts';
import { HashTable } from './hash-table.ts';

const TWO_32 = 4294967296;

export class Maglev extends HashTable {
  private readonly size: number;
  /** 2^32 modulo the size. */
  private readonly fold: number;
  /** Place of the host + 1; 0: free. */
  private readonly table: Uint16Array | Int32Array;
  // While it is built: by turn.
  private readonly order: readonly number[];
  private readonly weights: Float64Array;
  private readonly target: Float64Array;
  private readonly greatest: number;
  private readonly skip: Int32Array;
  private readonly at: Int32Array;
  private iteration = 1;
  private turn = 0;
  private filled = 0;

  constructor(key: string, names: readonly string[], weights: ArrayLike<number>, tableSize: number) {
    super(key, names);
    const n = names.length;
    this.size = tableSize;
    this.fold = TWO_32 % tableSize;
    this.table = n < 65_535 ? new Uint16Array(tableSize) : new Int32Array(tableSize);
    this.order = byName(names);
    const shares = normalized(weights);
    this.weights = Float64Array.from(this.order, (host) => shares[host]!);
    this.greatest = this.weights.reduce((most, weight) => Math.max(most, weight), 0);
    this.target = new Float64Array(n);
    this.at = new Int32Array(n);
    this.skip = new Int32Array(n);
    this.order.forEach((host, i) => this.prepare(i, names[host]!));
  }

  build(steps: number): boolean {
    const { order, weights, target, greatest, size } = this;
    const n = order.length;
    let left = steps;
    while (this.filled < size) {
      if (left <= 0) return false;
      const i = this.turn;
      left--;
      if (this.iteration * weights[i]! >= target[i]!) {
        target[i] = target[i]! + greatest;
        left -= this.put(i);
        this.filled++;
      }
      if (++this.turn === n) {
        this.turn = 0;
        this.iteration++;
      }
    }
    return (this.isReady = true);
  }

  find(high: number, low: number, attempt: number): number {
    // Envoy's other hash for another attempt: most of its bits differ.
    const h = attempt === 0 ? high >>> 0 : ~high >>> 0;
    const l = attempt === 0 ? low >>> 0 : (low ^ -attempt) >>> 0;
    return this.table[remainder((h % this.size) * this.fold + l, this.size)]! - 1;
  }

  /** @returns over how many entries that were taken it went */
  private put(i: number): number {
    const { table, size } = this;
    const skip = this.skip[i]!;
    let at = this.at[i]!;
    let passed = 0;
    while (table[at] !== 0) {
      at += skip;
      if (at >= size) at -= size;
      passed++;
    }
    table[at] = this.order[i]! + 1;
    at += skip;
    this.at[i] = at >= size ? at - size : at;
    return passed;
  }

  private prepare(i: number, name: string): void {
    xxHash64(name);
    this.at[i] = modulo(hashed.high, hashed.low, this.size);
    xxHash64(name, 1);
    this.skip[i] = modulo(hashed.high, hashed.low, this.size - 1) + 1;
  }
}

/** A 64-bit number, in two halves, modulo one below 2^23. */
function modulo(high: number, low: number, by: number): number {
  return remainder(((high >>> 0) % by) * (TWO_32 % by) + (low >>> 0), by);
}

/** For whole numbers below 2^52; quicker than `%`, which leaves the machine's code for doubles. */
function remainder(value: number, by: number): number {
  const rest = value - Math.floor(value / by) * by;
  return rest >= by ? rest - by : rest < 0 ? rest + by : rest;
}
