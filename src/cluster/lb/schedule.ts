// How schedules begin: anywhere, so that many workers do not all start with the same host; and how they go on over a change
// of the hosts, so that one whose state flaps does not begin again with every change. Worker thread; not on the road.

import type { Random } from '../../core/random.ts';
import type { Host } from '../host.ts';
import { Deadlines } from './deadlines.ts';
import { Turns } from './turns.ts';

/** A schedule and whom its places stand for. */
export interface Earlier<T> {
  readonly hosts: readonly Host[];
  readonly weights: ArrayLike<number>;
  readonly schedule: T;
}

export function makeTurns(hosts: readonly Host[], weights: ArrayLike<number>, random: Random, before: Earlier<Turns> | null): Turns {
  const start = before === null ? random.unit() : before.schedule.cycleProgress;
  const places = before === null ? null : placesOf(before.hosts);
  const progress = before === null ? null : before.schedule.progress();
  const whole = wholeNumbers(weights);
  const done = whole.map((weight, i) => {
    const place = places?.get(hosts[i]!.text);
    return Math.min(weight, Math.floor((place === undefined ? start : progress![place]!) * weight + 1e-9));
  });
  return new Turns(whole, done);
}

export function makeDeadlines(hosts: readonly Host[], weights: ArrayLike<number>, random: Random, before: Earlier<Deadlines> | null): Deadlines {
  const places = before === null ? null : placesOf(before.hosts);
  const waits = before === null ? null : before.schedule.waits();
  const due = Float64Array.from(weights, (weight, i) => {
    const place = places?.get(hosts[i]!.text);
    return place === undefined ? random.unit() / weight : waits![place]! * (before!.weights[place]! / weight);
  });
  return new Deadlines(due);
}

export function placesOf(hosts: readonly Host[]): Map<string, number> {
  return new Map(hosts.map((host, i) => [host.text, i]));
}

/** Scaled weights need not be whole; a thousandth of the least one is as fine as anybody will see. */
function wholeNumbers(weights: ArrayLike<number>): Float64Array {
  const all = Float64Array.from(weights);
  if (!all.every(Number.isInteger)) {
    const least = all.reduce((low, weight) => Math.min(low, weight));
    return all.map((weight) => Math.round((weight * 1000) / least));
  }
  const common = all.reduce(commonDivisor);
  return all.map((weight) => weight / common);
}

function commonDivisor(a: number, b: number): number {
  let x = a;
  let y = b;
  while (y !== 0) [x, y] = [y, x % y];
  return x;
}
