// Starts the workers, brings a configuration to all of them or to none, and replaces those that die.
// Primary thread; owns the worker slots. Two-phase delivery:
//
//   deliver ──► prepare on all ──► all clean? ── yes ──► commit on all ──► done
//                                     └─ no: error, death, silence ──► abandon on all, nothing has changed

import type { OutlierFinding } from '../cluster/outlier-watch.ts';
import type { Address } from '../core/address.ts';
import type { CancelTimer, Timers } from '../core/host-timer.ts';
import type { TimeSource } from '../core/clock.ts';
import { systemTime } from '../core/clock.ts';
import type { Logger } from './log.ts';
import type { ClusterEndpoints, HookAction } from './worker-messages.ts';
import type { Delivery } from './worker-slot.ts';
import { WorkerSlot } from './worker-slot.ts';

/** What a dead worker leaves behind in shared memory (`shared/registry.ts`). */
export interface WorkerMemory {
  readonly breakers: SharedArrayBuffer;
  readonly hosts: SharedArrayBuffer;
  readonly limits: SharedArrayBuffer;
  readonly overloadWords: SharedArrayBuffer;
  stripe(index: number): SharedArrayBuffer;
  /** Gives back what the worker held in the breaker table. */
  giveBack(index: number): void;
  zeroGauges(index: number): void;
  /** The descriptors it had open, which are from now on the caller's to close. */
  takeDescriptors(index: number): readonly number[];
}

export interface SupervisorOptions {
  readonly script: URL;
  readonly engine: 'epoll' | 'node';
  /** One entry per worker: the CPU to pin it to, or null. */
  readonly cpus: readonly (number | null)[];
  readonly memory: WorkerMemory;
  readonly logger: Logger;
  readonly timers: Timers;
  readonly time?: TimeSource;
  closeDescriptors(fds: readonly number[]): void;
  onAccessLog(path: string, bytes: Uint8Array): void;
  onOutlier?(finding: OutlierFinding): void;
  readonly limits?: Partial<SupervisorLimits>;
}

export interface SupervisorLimits {
  /** A thread that has not said `online` by then is ended and counts as dead. */
  readonly onlineTimeoutMs: number;
  /** A worker that has not compiled a configuration by then makes the delivery fail. */
  readonly prepareTimeoutMs: number;
  readonly commitTimeoutMs: number;
  /** How long a worker may take to end by itself before its thread is ended. */
  readonly stopGraceMs: number;
  /** More deaths than `crashes` of one worker within `crashWindowMs` is a crash loop: its return is then delayed, ever longer. */
  readonly crashes: number;
  readonly crashWindowMs: number;
  readonly maxBackOffMs: number;
}

const LIMITS: SupervisorLimits = {
  onlineTimeoutMs: 10_000, // a busy one-core machine needs a second
  prepareTimeoutMs: 30_000, // 10,000 routes with regular expressions compile in about one
  commitTimeoutMs: 30_000,
  stopGraceMs: 2_000,
  crashes: 5,
  crashWindowMs: 10_000,
  maxBackOffMs: 10_000,
};

export interface Delivered {
  /** Each once; none: every worker carries it. */
  readonly errors: readonly string[];
  /** As bound, by listener name. */
  readonly addresses: Readonly<Record<string, Address>>;
}

interface Place {
  readonly slot: WorkerSlot;
  deaths: number[];
  backOff: CancelTimer | null;
}

export class Supervisor {
  private readonly options: SupervisorOptions;
  private readonly limits: SupervisorLimits;
  private readonly time: TimeSource;
  private readonly places: Place[];
  private current: Delivery | null = null;
  private ending = false;
  /** Threads that ended without being asked to, since the start. */
  deaths = 0;
  /** Times a thread was started again. */
  restarts = 0;

  constructor(options: SupervisorOptions) {
    this.options = options;
    this.limits = { ...LIMITS, ...options.limits };
    this.time = options.time ?? systemTime;
    this.places = options.cpus.map((cpu, index) => ({ slot: this.makeSlot(index, cpu), deaths: [], backOff: null }));
  }

  get size(): number {
    return this.places.length;
  }

  /** Workers that carry the current configuration. */
  get carrying(): number {
    const epoch = this.current?.epoch ?? -1;
    return this.places.filter((place) => place.slot.live && place.slot.epoch === epoch).length;
  }

  /** Starts all threads. @returns what went wrong; then nothing runs. */
  async start(): Promise<readonly string[]> {
    const online = await Promise.all(this.places.map((place) => place.slot.launch(this.limits.onlineTimeoutMs)));
    const errors = online.flatMap((ok, index) => (ok ? [] : [`worker ${index} did not start`]));
    if (errors.length > 0) await this.stop();
    return errors;
  }

  /** Brings a configuration to every worker or to none. Not to be called again before it has resolved. */
  async deliver(delivery: Delivery): Promise<Delivered> {
    // Workers that are down or coming back catch up by themselves with whatever is current then.
    const slots = this.places.map((place) => place.slot).filter((slot) => this.current === null || (slot.live && slot.epoch === this.current.epoch));
    const answers = await Promise.all(slots.map((slot) => slot.prepare(delivery, this.limits.prepareTimeoutMs)));
    const errors = new Set<string>();
    answers.forEach((answer, i) => {
      if (typeof answer === 'object') for (const error of answer.errors) errors.add(error);
      else errors.add(`worker ${slots[i]!.index} ${answer === 'silent' ? 'did not answer in time' : 'died while preparing the configuration'}`);
    });
    if (this.ending) errors.add('the proxy is stopping');
    if (errors.size > 0) {
      for (const slot of slots) slot.abandon(delivery.epoch);
      return { errors: [...errors], addresses: {} };
    }
    this.current = delivery;
    // From here on the decision stands: who cannot follow dies, and comes back with the new configuration.
    await Promise.all(slots.map((slot) => slot.commit(delivery.epoch, this.limits.commitTimeoutMs)));
    for (const place of this.places) if (place.backOff !== null) this.retryNow(place); // the new one may be the cure
    return { errors: [], addresses: Object.assign({}, ...answers.map((answer) => (typeof answer === 'object' ? answer.addresses : {}))) as Record<string, Address> };
  }

  /**
   * Endpoints of the current configuration are other ones: `delivery` is that configuration with them. Resolves when every
   * worker that carries it has taken them up, or died. Not to be called during `deliver`, nor again before it has resolved.
   */
  async changeEndpoints(delivery: Delivery, change: number, clusters: readonly ClusterEndpoints[]): Promise<void> {
    this.current = delivery; // who is preparing the earlier one is made to prepare this
    const told = this.places.map((place) => place.slot).filter((slot) => slot.live && slot.toldEpoch === delivery.epoch);
    await Promise.all(told.map((slot) => slot.tellEndpoints(change, clusters, this.limits.commitTimeoutMs)));
  }

  /** Stops accepting everywhere and waits until nothing is in flight, at most `timeoutMs`. Dead workers are not replaced from here on. */
  async drain(timeoutMs: number): Promise<void> {
    this.end();
    await Promise.all(
      this.places.map(async ({ slot }) => {
        const answered = await slot.drain(timeoutMs, this.limits.stopGraceMs);
        if (!answered) this.options.logger.warn(`worker ${slot.index} did not drain in time`);
      }),
    );
  }

  async stop(): Promise<void> {
    this.end();
    await Promise.all(this.places.map((place) => place.slot.stop(this.limits.stopGraceMs)));
  }

  /** New keys for session tickets. A worker that comes online later gets them with its configuration. */
  tellTicketKeys(keys: readonly Uint8Array[]): void {
    for (const place of this.places) place.slot.tellTicketKeys(keys);
  }

  /** For tests. */
  hook(index: number, action: HookAction): void {
    this.places[index]?.slot.hook(action);
  }

  private end(): void {
    this.ending = true;
    for (const place of this.places) {
      place.backOff?.();
      place.backOff = null;
    }
  }

  private makeSlot(index: number, cpu: number | null): WorkerSlot {
    const { script, engine, memory, logger, timers } = this.options;
    return new WorkerSlot({
      script,
      start: { index, cpu, engine, stripe: memory.stripe(index), breakers: memory.breakers, hosts: memory.hosts, limits: memory.limits, overload: memory.overloadWords },
      logger,
      timers,
      graceMs: this.limits.stopGraceMs,
      events: {
        onDeath: (slot, cause) => this.onDeath(slot, cause),
        onAccessLog: (path, bytes) => this.options.onAccessLog(path, bytes),
        onOutlier: (finding) => this.options.onOutlier?.(finding),
      },
    });
  }

  private onDeath(slot: WorkerSlot, cause: string): void {
    const { memory, logger } = this.options;
    memory.giveBack(slot.index);
    memory.zeroGauges(slot.index);
    this.options.closeDescriptors(memory.takeDescriptors(slot.index));
    this.deaths++;
    logger.error(`worker ${slot.index} died: ${cause}`);
    if (this.ending || this.current === null) return; // at start a death is the end: `start` or `deliver` reports it
    const place = this.places[slot.index]!;
    const delayMs = this.delayAfterDeath(place);
    if (delayMs === 0) {
      void this.replace(place);
      return;
    }
    logger.error(`worker ${slot.index} keeps dying (${place.deaths.length} times lately): it is started again in ${delayMs / 1000} s`);
    place.backOff = this.options.timers.after(delayMs, () => this.retryNow(place));
  }

  /** 0 for an occasional death; in a crash loop 1 s, 2 s, 4 s … */
  private delayAfterDeath(place: Place): number {
    const now = this.time.monotonicMs();
    const longest = this.limits.crashWindowMs + this.limits.maxBackOffMs;
    place.deaths = place.deaths.filter((at) => now - at < longest);
    place.deaths.push(now);
    const excess = place.deaths.length - this.limits.crashes;
    return excess <= 0 ? 0 : Math.min(1000 * 2 ** (excess - 1), this.limits.maxBackOffMs);
  }

  private retryNow(place: Place): void {
    place.backOff?.();
    place.backOff = null;
    if (!this.ending) void this.replace(place);
  }

  private async replace(place: Place): Promise<void> {
    const { slot } = place;
    const { logger } = this.options;
    this.restarts++;
    if (!(await slot.launch(this.limits.onlineTimeoutMs))) return; // its death has been reported and brings us back here
    // A delivery may be decided while this worker prepares the older one: go on until it carries the current one.
    while (!this.ending && slot.live && slot.epoch !== this.current!.epoch) {
      const delivery = this.current!;
      const prepared = await slot.prepare(delivery, this.limits.prepareTimeoutMs);
      if (prepared === 'dead') return; // its death starts this anew
      if (prepared === 'silent' || prepared.errors.length > 0) {
        slot.kill(prepared === 'silent' ? 'did not prepare its configuration in time' : prepared.errors.join('; '));
        return;
      }
      if (delivery !== this.current) {
        slot.abandon(delivery.epoch); // its endpoints are not the current ones any more
        continue;
      }
      if (!(await slot.commit(delivery.epoch, this.limits.commitTimeoutMs))) return;
    }
    if (slot.live && !this.ending) logger.info(`worker ${slot.index} was replaced`);
  }
}
