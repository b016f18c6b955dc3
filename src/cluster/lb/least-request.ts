// @hot
// Least request. Equal weights: of some random hosts the one with the fewest requests. Unequal ones, or hosts in slow start:
// earliest deadline first, where a host counts for weight / (requests + 1) ^ bias when it is put back, as in Envoy.
// Worker thread. Requests are those of all workers, out of the breaker table.
//
// Where Envoy draws its choices with repetition, these are all different hosts: the one that holds the most requests, a hung
// one, gets none as long as another one holds fewer.

import type { LoadBalancingConfig } from '../../config/cluster-snapshot.ts';
import type { Random } from '../../core/random.ts';
import type { StreamRecord } from '../../core/stream.ts';
import { RES_RQ, type Breakers } from '../../shared/breaker-table.ts';
import type { Host } from '../host.ts';
import type { PickerTools } from '../pick.ts';
import { activeRequests } from './active.ts';
import type { Deadlines } from './deadlines.ts';
import { makeDeadlines } from './schedule.ts';
import { SlowStart } from './slow-start.ts';
import { untriedFrom } from './tried.ts';

export class LeastRequestPicker {
  readonly hosts: readonly Host[];
  readonly weights: ArrayLike<number>;
  private readonly equal: boolean;
  private readonly choices: number;
  private readonly bias: number;
  private readonly random: Random;
  private readonly breakers: Breakers;
  /** Of each host in the breaker table: choosing looks at no Host but the chosen one. */
  private readonly rows: Int32Array;
  private readonly slowStart: SlowStart | null;
  /** Null where choices are drawn. */
  private deadlines: Deadlines | null = null;
  /** The places drawn for one pick. */
  private readonly drawn: Int32Array;

  constructor(config: LoadBalancingConfig, hosts: readonly Host[], weights: ArrayLike<number>, tools: PickerTools) {
    const { random, breakers, clock, hostTable } = tools;
    this.hosts = hosts;
    this.weights = weights;
    this.random = random;
    this.breakers = breakers;
    this.bias = config.activeRequestBias;
    this.choices = Math.min(config.choiceCount, hosts.length);
    this.drawn = new Int32Array(this.choices);
    this.rows = Int32Array.from(hosts, (host) => host.breakers);
    this.equal = hosts.every((_, i) => weights[i] === weights[0]);
    this.slowStart = config.slowStart === null ? null : new SlowStart(config.slowStart, hosts, clock, hostTable);
    if (!this.equal || (this.slowStart !== null && !this.slowStart.isOver)) {
      const before = tools.before instanceof LeastRequestPicker ? tools.before : null;
      const earlier = before === null || before.deadlines === null ? null : { hosts: before.hosts, weights: before.weights, schedule: before.deadlines };
      this.deadlines = makeDeadlines(hosts, weights, random, earlier);
    }
  }

  pick(_stream: StreamRecord, tried: readonly Host[]): Host | null {
    const { hosts } = this;
    if (hosts.length <= 1) return hosts.length === 0 ? null : hosts[0]!;
    if (this.deadlines !== null) return this.pickDue(tried);
    if (tried.length > 0) return this.pickUntried(tried);
    return hosts[this.choices === 2 ? this.lesserOfTwo() : this.least()]!;
  }

  private lesserOfTwo(): number {
    const n = this.hosts.length;
    const a = this.random.below(n);
    let b = this.random.below(n - 1);
    if (b >= a) b++;
    return this.active(b) < this.active(a) ? b : a;
  }

  /** Of several different ones (Floyd's way to draw them). */
  private least(): number {
    const { drawn, choices } = this;
    const n = this.hosts.length;
    let best = -1;
    let fewest = Infinity;
    let equals = 0;
    for (let k = 0; k < choices; k++) {
      const last = n - choices + k;
      let place = this.random.below(last + 1);
      if (isAmong(drawn, k, place)) place = last;
      drawn[k] = place;
      const active = this.active(place);
      if (active > fewest) continue;
      // Floyd's order is not random: each of those that are equal is as likely as the others.
      equals = active < fewest ? 1 : equals + 1;
      if (equals > 1 && this.random.below(equals) !== 0) continue;
      best = place;
      fewest = active;
    }
    return best;
  }

  /** The better of as many untried ones as are looked at otherwise. */
  private pickUntried(tried: readonly Host[]): Host {
    const { hosts } = this;
    const n = hosts.length;
    let best: Host | null = null;
    let fewest = Infinity;
    let place = this.random.below(n);
    for (let looks = Math.min(n, tried.length + this.choices); looks > 0; looks--) {
      const host = hosts[place]!;
      place = place + 1 === n ? 0 : place + 1;
      if (tried.includes(host)) continue;
      const active = activeRequests(host, this.breakers);
      if (active >= fewest) continue;
      best = host;
      fewest = active;
    }
    return best ?? hosts[this.lesserOfTwo()]!;
  }

  private pickDue(tried: readonly Host[]): Host {
    const { hosts } = this;
    let i = this.takeDue();
    if (tried.length === 0 || !tried.includes(hosts[i]!)) return hosts[i]!;
    for (let more = 2 * tried.length; more > 0; more--) {
      i = this.takeDue();
      if (!tried.includes(hosts[i]!)) return hosts[i]!;
    }
    return untriedFrom(hosts, i, tried) ?? hosts[i]!;
  }

  private takeDue(): number {
    const { deadlines, slowStart } = this;
    const i = deadlines!.next();
    const load = this.active(i) + 1;
    let weight = this.weights[i]! / (this.bias === 1 ? load : Math.pow(load, this.bias));
    if (slowStart !== null) {
      weight *= slowStart.factor(this.hosts[i]!);
      if (this.equal && slowStart.isOver) this.deadlines = null;
    }
    deadlines!.putBack(1 / weight);
    return i;
  }

  private active(i: number): number {
    const row = this.rows[i]!;
    return row < 0 ? 0 : this.breakers.count(row, RES_RQ);
  }
}

function isAmong(drawn: Int32Array, count: number, place: number): boolean {
  for (let i = 0; i < count; i++) if (drawn[i] === place) return true;
  return false;
}
