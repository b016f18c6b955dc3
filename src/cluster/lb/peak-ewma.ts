// @hot
// Peak EWMA: of two random hosts the one where a request would wait less. Worker thread.
//
//   cost    = latency × (requests + 1) / weight
//   latency = exponentially decaying mean of the times to the first byte of answers, by tau = 10 s, that jumps to a
//             slower answer at once: a host that gets slow is seen at its first slow answer, and forgiven little by little,
//             also while it gets no requests
//
// A host that has never answered counts as if it took 10 ms while it has no request; once it has some and still no answer,
// it is the last choice. Numbers as in Envoy's peak_ewma and Linkerd. Requests are those of all workers; latencies are what
// this worker has seen.

import type { Clock } from '../../core/clock.ts';
import type { Random } from '../../core/random.ts';
import type { StreamRecord } from '../../core/stream.ts';
import type { Breakers } from '../../shared/breaker-table.ts';
import type { Host } from '../host.ts';
import type { PickerTools } from '../pick.ts';
import { activeRequests } from './active.ts';
import { untriedFrom } from './tried.ts';

const TAU_MS = 10_000;
const UNKNOWN_MS = 10;
const UNANSWERED = 1_000_000;

/** Of one host; lives as long as it is in the cluster. */
export class Latency {
  private ms = -1;
  private at = 0;

  /** An answer began so many milliseconds after its request had gone. */
  note(ms: number, now: number): void {
    const mean = this.ms < 0 ? ms : this.ms * Math.exp((this.at - now) / TAU_MS) + ms * (1 - Math.exp((this.at - now) / TAU_MS));
    this.ms = ms > this.ms ? ms : mean;
    this.at = now;
  }

  /** What one more request would cost, weight aside. */
  cost(active: number, now: number): number {
    if (this.ms < 0) return active === 0 ? UNKNOWN_MS : UNANSWERED + active;
    return this.ms * Math.exp((this.at - now) / TAU_MS) * (active + 1);
  }
}

export class PeakEwmaPicker {
  private readonly hosts: readonly Host[];
  private readonly weights: ArrayLike<number>;
  private readonly random: Random;
  private readonly breakers: Breakers;
  private readonly clock: Clock;

  constructor(hosts: readonly Host[], weights: ArrayLike<number>, { random, breakers, clock }: PickerTools) {
    this.hosts = hosts;
    this.weights = weights;
    this.random = random;
    this.breakers = breakers;
    this.clock = clock;
  }

  pick(_stream: StreamRecord, tried: readonly Host[]): Host | null {
    const { hosts } = this;
    const n = hosts.length;
    if (n <= 1) return n === 0 ? null : hosts[0]!;
    const a = this.random.below(n);
    let b = this.random.below(n - 1);
    if (b >= a) b++;
    const better = this.cost(b) < this.cost(a) ? b : a;
    if (tried.length === 0 || !tried.includes(hosts[better]!)) return hosts[better]!;
    const other = hosts[better === a ? b : a]!;
    return tried.includes(other) ? (untriedFrom(hosts, a, tried) ?? hosts[better]!) : other;
  }

  private cost(i: number): number {
    const host = this.hosts[i]!;
    return host.latency!.cost(activeRequests(host, this.breakers), this.clock.now) / this.weights[i]!;
  }
}
