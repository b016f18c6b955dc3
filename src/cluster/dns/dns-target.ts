// One name of one cluster: asked for, and asked for again when its time has come. Primary thread; owned by a DnsCluster.
//
//   asking ──► answered ──► pause: refresh, or the answer's time to live; and jitter
//     ▲   └──► failed ────► pause: refresh, or a random part of base, 2·base, 4·base … max (Envoy: full jitter)
//     └──────────────┘
//
// What has been found stays until another answer comes.

import type { DnsConfig, EndpointConfig } from '../../config/cluster-snapshot.ts';
import { MAX_DURATION_MS } from '../../config/units.ts';
import type { CancelTimer, Timers } from '../../core/host-timer.ts';
import type { Random } from '../../core/random.ts';
import type { Answer, FoundAddress, LookUp } from './look-up.ts';

/** What discovery lends to its clusters and names. */
export interface DnsTools {
  readonly lookUp: LookUp;
  readonly timers: Timers;
  readonly random: Random;
  info(text: string): void;
  warn(text: string): void;
}

export interface TargetOwner {
  readonly tools: DnsTools;
  readonly dns: DnsConfig;
  /** How a message begins. */
  readonly title: string;
  /** Only the first address is taken, and an answer without any is a failure. */
  readonly logical: boolean;
  targetAsks(): void;
  targetFound(): void;
  targetFailed(): void;
}

export class DnsTarget {
  /** As written. */
  readonly endpoint: EndpointConfig;
  /** In the order of the last good answer. */
  addresses: readonly string[];
  /** Whether a first answer has come, good or bad. */
  settled: boolean;
  private readonly owner: TargetOwner;
  private cancelTimer: CancelTimer = () => undefined;
  private failures = 0;
  private stopped = false;
  private readonly waiting: (() => void)[] = [];

  /** @param known what an earlier configuration has found. */
  constructor(owner: TargetOwner, endpoint: EndpointConfig, known: readonly string[] | null) {
    this.owner = owner;
    this.endpoint = endpoint;
    this.addresses = known ?? [];
    this.settled = known !== null || endpoint.hostname === '';
  }

  start(): void {
    if (this.endpoint.hostname !== '') void this.ask();
  }

  stop(): void {
    this.stopped = true;
    this.cancelTimer();
    this.settle();
  }

  /** Resolves when a first answer has come, good or bad. */
  firstAnswer(): Promise<void> {
    return this.settled ? Promise.resolve() : new Promise((resolve) => this.waiting.push(resolve));
  }

  private async ask(): Promise<void> {
    const { owner } = this;
    owner.targetAsks();
    const { lookupFamily: family, resolvers } = owner.dns;
    const answer = await owner.tools.lookUp.ask({ name: this.endpoint.hostname, family, resolvers });
    if (this.stopped) return;
    const delayMs = answer.kind === 'failed' || (owner.logical && answer.addresses.length === 0) ? this.failed(answer) : this.found(answer.addresses);
    this.settle();
    this.cancelTimer = owner.tools.timers.after(Math.min(delayMs, MAX_DURATION_MS), () => void this.ask());
  }

  /** @returns the pause until the next question. */
  private found(addresses: readonly FoundAddress[]): number {
    const { owner } = this;
    const { hostname } = this.endpoint;
    if (this.failures > 0) owner.tools.info(`${owner.title}: "${hostname}" is found again`);
    this.failures = 0;
    if (addresses.length === 0 && this.addresses.length > 0) owner.tools.warn(`${owner.title}: "${hostname}" has no address any more`);
    this.addresses = addresses.map(({ host }) => host);
    owner.targetFound();
    const { refreshMs, jitterMs, respectTtl } = owner.dns;
    const lives = (owner.logical ? addresses.slice(0, 1) : addresses).map(({ ttlMs }) => ttlMs);
    const ttlMs = Math.min(...lives);
    const pauseMs = respectTtl && lives.length > 0 && ttlMs > 0 ? ttlMs : refreshMs;
    return pauseMs + Math.floor(owner.tools.random.unit() * jitterMs);
  }

  /** @returns the pause until the next question. */
  private failed(answer: Answer): number {
    const { owner } = this;
    const { failureRefresh, refreshMs } = owner.dns;
    owner.targetFailed();
    if (this.failures === 0) {
      const why = answer.kind === 'failed' ? answer.why : 'it has no address';
      owner.tools.warn(`${owner.title}: looking up "${this.endpoint.hostname}" failed (${why}): ${this.addresses.length > 0 ? 'the endpoints stay as they are' : 'it has no endpoints'}`);
    }
    this.failures++;
    if (failureRefresh === null) return refreshMs;
    const { baseMs, maxMs } = failureRefresh;
    return Math.floor(owner.tools.random.unit() * Math.min(baseMs * 2 ** (this.failures - 1), maxMs));
  }

  private settle(): void {
    this.settled = true;
    for (const resolve of this.waiting.splice(0)) resolve();
  }
}
