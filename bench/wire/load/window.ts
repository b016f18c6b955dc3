// One window of load by a generator of our own: counts and times, and prints the result as the others do.

import { percentile } from '../statistics.ts';

export class LoadWindow {
  private readonly latenciesMs: number[] = [];
  private readonly errors: Record<string, number> = {};
  private readonly startedMs = performance.now();
  private readonly endMs: number;

  constructor(seconds: number) {
    this.endMs = this.startedMs + seconds * 1000;
  }

  get isOpen(): boolean {
    return performance.now() < this.endMs;
  }

  done(sinceMs: number): void {
    this.latenciesMs.push(performance.now() - sinceMs);
  }

  failed(kind: string): void {
    this.errors[kind] = (this.errors[kind] ?? 0) + 1;
  }

  print(): void {
    const durationUs = (performance.now() - this.startedMs) * 1000;
    const sorted = Float64Array.from(this.latenciesMs).sort();
    const us = (share: number): number => percentile(sorted, share) * 1000;
    const times = { p50Us: us(0.5), p99Us: us(0.99), p999Us: us(0.999) };
    console.log(`RESULT ${JSON.stringify({ requests: sorted.length, durationUs, ...times, errors: this.errors })}`);
  }
}
