// @hot
// Which zone is next where zones have weights: earliest deadline first, so that every stretch of picks has its shares.
// Worker thread; owned by one level of a picker. Zones are few: a look at each is quicker than a heap.

import type { Random } from '../../core/random.ts';

export class ZoneSchedule {
  private readonly weights: readonly number[];
  private readonly due: Float64Array;

  /** @param weights one at least is above 0; zones with 0 are never next. */
  constructor(weights: readonly number[], random: Random) {
    this.weights = weights;
    this.due = new Float64Array(weights.length);
    // Workers begin at different places.
    for (let i = 0; i < weights.length; i++) this.due[i] = weights[i]! > 0 ? (1 - random.unit()) / weights[i]! : Infinity;
  }

  take(): number {
    const { due } = this;
    let next = 0;
    for (let i = 1; i < due.length; i++) if (due[i]! < due[next]!) next = i;
    // Times are told from the last one, so that no rounding adds up.
    const now = due[next]!;
    for (let i = 0; i < due.length; i++) due[i] = due[i]! - now;
    due[next] = 1 / this.weights[next]!;
    return next;
  }
}

/** What a zone counts for: its weight, as far as `usable` of its `counted` hosts can carry it. */
export function effectiveWeight(weight: number, usable: number, counted: number, overprovisioning: number): number {
  return counted <= 0 ? 0 : weight * Math.min(1, (overprovisioning / 100) * (usable / counted));
}
