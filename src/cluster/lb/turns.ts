// @hot
// Earliest deadline first for weights that stay as they are: the k-th turn of a host in a cycle is due at k / weight, so
// that weights 1:2:3 interleave smoothly and every cycle has exactly its shares. Worker thread; owned by one picker.
// Deadlines begin anew with each cycle, so that no rounding adds up; equal fractions are equal numbers, and of those the
// lower place comes first. A cycle that is not too long is written down as it goes by: from then on it is read.

import { Deadlines } from './deadlines.ts';

/** 64 KiB of places. */
const LONGEST_SCORE = 16_384;

export class Turns {
  private readonly weights: Float64Array;
  private readonly cycle: number;
  /** Turns left in this cycle. */
  private left: number;
  /** Turns that each host has had in this cycle. Not kept up where the score is read. */
  private done: Float64Array;
  private deadlines: Deadlines;
  /** The places of one whole cycle; null: too long. */
  private readonly score: Int32Array | null;
  private isWritten = false;
  /** The cycle under way is not whole: it is not written down. */
  private partial: boolean;

  /** @param weights whole numbers; @param done how many turns of the cycle each host has had already */
  constructor(weights: Float64Array, done: Float64Array) {
    this.weights = weights;
    this.cycle = weights.reduce((sum, weight) => sum + weight, 0);
    this.left = this.cycle - done.reduce((sum, turns) => sum + turns, 0);
    this.done = this.left > 0 ? done : new Float64Array(weights.length);
    this.partial = this.left > 0 && this.left < this.cycle;
    if (this.left <= 0) this.left = this.cycle;
    this.score = this.cycle <= LONGEST_SCORE ? new Int32Array(this.cycle) : null;
    this.deadlines = this.order();
  }

  take(): number {
    const { score } = this;
    if (this.isWritten) {
      const place = score![this.cycle - this.left]!;
      if (--this.left === 0) this.left = this.cycle;
      return place;
    }
    const place = this.deadlines.next();
    const turns = this.done[place]! + 1;
    this.done[place] = turns;
    this.deadlines.putBackAt((turns + 1) / this.weights[place]!);
    if (score !== null && !this.partial) score[this.cycle - this.left] = place;
    if (--this.left === 0) this.endCycle();
    return place;
  }

  /** Which part of its share of this cycle each host has had, by place. */
  progress(): Float64Array {
    const { score, weights } = this;
    let { done } = this;
    if (this.isWritten) {
      done = new Float64Array(weights.length);
      for (let turn = 0; turn < this.cycle - this.left; turn++) done[score![turn]!] = done[score![turn]!]! + 1;
    }
    return done.map((turns, place) => turns / weights[place]!);
  }

  /** Which part of the cycle is over. */
  get cycleProgress(): number {
    return 1 - this.left / this.cycle;
  }

  /** Each host has had its weight in turns. */
  private endCycle(): void {
    this.left = this.cycle;
    this.isWritten = this.score !== null && !this.partial;
    this.partial = false;
    this.done.fill(0);
    if (!this.isWritten) this.deadlines = this.order();
  }

  private order(): Deadlines {
    return new Deadlines(this.weights.map((weight, place) => (this.done[place]! + 1) / weight));
  }
}
