// @hot
// Consistent hashing with bounded loads (https://arxiv.org/abs/1608.01350): a host that has its share of the requests, and
// `hashBalanceFactor` per cent of it, gets no more; the next one is found by jumps that are the hash's own
// (https://arxiv.org/abs/1908.08762), so that the overflow of one host does not all fall on its neighbour. Worker thread.
//
// Where Envoy compares the requests that a host has with its slots, this counts the coming one too: no host ever exceeds
// its bound, which is rounded up to a whole request. Requests are those of all workers.

import { normalized } from '../../core/hash-shares.ts';
import { RES_RQ, type Breakers } from '../../shared/breaker-table.ts';
import type { Host } from '../host.ts';
import type { PickerTools } from '../pick.ts';
import { activeRequests } from './active.ts';

export class BoundedLoad {
  private readonly factor: number;
  private readonly hosts: readonly Host[];
  private readonly shares: Float64Array;
  private readonly breakers: Breakers;
  /** The cluster's. */
  private readonly row: number;
  /** All slots of the cluster, for the pick under way. */
  private slots = 0;

  constructor(factor: number, hosts: readonly Host[], weights: ArrayLike<number>, { breakers, breakerRow }: PickerTools) {
    this.factor = factor;
    this.hosts = hosts;
    this.shares = normalized(weights);
    this.breakers = breakers;
    this.row = breakerRow;
  }

  /** `place`, or another one where that is full; the one with the most room where all are. Never one that was tried, while there is another. */
  choose(place: number, high: number, low: number, tried: readonly Host[]): number {
    const { hosts, breakers, row } = this;
    const n = hosts.length;
    this.slots = Math.floor(((breakers.count(row, RES_RQ) + breakers.count(row + 1, RES_RQ) + 1) * this.factor + 99) / 100);
    let least = this.load(place);
    if (least <= 1) return place;
    let best = place;
    // Any step that has no divisor in common with n meets every host once.
    let step = n > 1 ? 1 + ((high >>> 0) % (n - 1)) : 1;
    while (divisor(step, n) !== 1) step = step + 1 >= n ? 1 : step + 1;
    let at = (low >>> 0) % n;
    for (let k = 0; k < n; k++) {
      at += step;
      if (at >= n) at -= n;
      if (at === place || tried.includes(hosts[at]!)) continue;
      const load = this.load(at);
      if (load <= 1) return at;
      if (load >= least) continue;
      best = at;
      least = load;
    }
    return best;
  }

  /** With the coming request, in parts of what the host may have. */
  private load(place: number): number {
    const most = Math.max(1, Math.ceil(this.slots * this.shares[place]!));
    return (activeRequests(this.hosts[place]!, this.breakers) + 1) / most;
  }
}

function divisor(a: number, b: number): number {
  let x = a;
  let y = b;
  while (y !== 0) {
    const rest = x % y;
    x = y;
    y = rest;
  }
  return x;
}
