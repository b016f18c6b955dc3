// The overload watch: measures the memory of the process at an interval, and says how far each action against overload goes.
// Primary thread; the only writer of `shared/overload.ts`. Workers act on what they read there.
//
// What is measured is the resident size of the whole process, not the heaps of its threads: one number that holds what
// V8, OpenSSL, buffers and shared memory take together, and the one for which the kernel ends a process.

import type { OverloadConfig } from '../config/snapshot.ts';
import type { CancelTimer, Timers } from '../core/host-timer.ts';
import {
  CLOSE_IDLE_CONNECTIONS, DISABLE_KEEP_ALIVE, levelBetween, OVERLOAD_ACTIONS, REDUCE_TIMEOUTS, REJECT_INCOMING_CONNECTIONS,
  STOP_ACCEPTING_CONNECTIONS, STOP_ACCEPTING_REQUESTS, type OverloadAction, type OverloadState,
} from '../shared/overload.ts';
import type { Logger } from './log.ts';
import type { StatLine } from './server-stats.ts';

export interface OverloadParts {
  readonly timers: Timers;
  readonly logger: Logger;
  /** Bytes. */
  measure(): number;
  /** Connections of all callers, over all workers. */
  connections(): number;
}

/** At which pressure an action begins, and at which it is complete. */
interface Trigger {
  readonly action: OverloadAction;
  readonly from: number;
  readonly to: number;
}

export class OverloadWatch {
  private readonly parts: OverloadParts;
  private readonly state: OverloadState;
  private config: OverloadConfig | null = null;
  private triggers: readonly Trigger[] = [];
  private readonly levels = new Map<OverloadAction, number>();
  private cancel: CancelTimer = () => undefined;
  /** Share of what is allowed. */
  private pressure = 0;
  private failedUpdates = 0;
  /** For tests: in place of what is measured. */
  private injected: number | null = null;

  constructor(state: OverloadState, parts: OverloadParts) {
    this.state = state;
    this.parts = parts;
  }

  /** The configuration in effect. An action that it no longer has ends at once. */
  follow(config: OverloadConfig): void {
    this.config = config;
    this.triggers = triggersOf(config);
    this.state.setLeastIdle(config.actions.reduceTimeouts?.idleMs ?? 0);
    for (const action of [...this.levels.keys()]) if (!this.triggers.some((one) => one.action === action)) this.setLevel(action, 0);
    this.cancel();
    this.cancel = () => undefined;
    if (config.maxHeapBytes === 0) return;
    this.cancel = this.parts.timers.every(config.intervalMs, () => this.update());
    this.update();
  }

  close(): void {
    this.cancel();
  }

  /** For tests; null: what is measured counts again. */
  inject(pressure: number | null): void {
    this.injected = pressure;
    if (this.config !== null && this.config.maxHeapBytes > 0) this.update();
  }

  /** Under Envoy's names; there where something is watched. */
  stats(): StatLine[] {
    const { config } = this;
    const lines: StatLine[] = [];
    const monitor = (name: string, pressure: number): void => {
      lines.push(gauge(`envoy.resource_monitors.${name}.pressure`, percent(pressure)));
    };
    if (config === null) return lines;
    for (const { action } of this.triggers) {
      const name = `envoy.overload_actions.${OVERLOAD_ACTIONS[action]!}`;
      const level = this.levels.get(action) ?? 0;
      lines.push(gauge(`${name}.active`, level === 1 ? 1 : 0), gauge(`${name}.scale_percent`, percent(level)));
    }
    if (config.maxHeapBytes > 0) {
      monitor('fixed_heap', this.pressure);
      lines.push({ name: 'overload.envoy.resource_monitors.fixed_heap.failed_updates', kind: 'counter', value: this.failedUpdates });
    }
    if (config.maxConnections > 0) monitor('global_downstream_max_connections', this.parts.connections() / config.maxConnections);
    return lines;
  }

  private update(): void {
    try {
      this.pressure = this.injected ?? this.parts.measure() / this.config!.maxHeapBytes;
    } catch (error) {
      // What was true last stays so: nobody is turned away, or let in, for want of knowing.
      this.failedUpdates++;
      if (this.failedUpdates === 1) this.parts.logger.unexpected('measuring the memory of the process', error);
      return;
    }
    for (const { action, from, to } of this.triggers) this.setLevel(action, from === to ? Number(this.pressure >= to) : levelBetween(this.pressure, from, to));
  }

  private setLevel(action: OverloadAction, level: number): void {
    const before = this.levels.get(action) ?? 0;
    if (level === before) return;
    this.levels.set(action, level);
    this.state.setLevel(action, level);
    const name = OVERLOAD_ACTIONS[action]!;
    const used = `${percent(this.pressure)} % of the memory allowed is in use`;
    if (before === 0) this.parts.logger.warn(`overload: ${name} begins, ${used}`);
    else if (level === 0) this.parts.logger.warn(`overload: ${name} ends, ${used}`);
  }
}

function triggersOf({ actions }: OverloadConfig): Trigger[] {
  const at: [OverloadAction, number][] = [
    [STOP_ACCEPTING_REQUESTS, actions.stopAcceptingRequests],
    [DISABLE_KEEP_ALIVE, actions.disableKeepAlive],
    [CLOSE_IDLE_CONNECTIONS, actions.closeIdleConnections],
    [STOP_ACCEPTING_CONNECTIONS, actions.stopAcceptingConnections],
    [REJECT_INCOMING_CONNECTIONS, actions.rejectIncomingConnections],
  ];
  const triggers = at.filter(([, threshold]) => threshold > 0).map(([action, threshold]) => ({ action, from: threshold, to: threshold }));
  const { reduceTimeouts } = actions;
  return reduceTimeouts === null ? triggers : [...triggers, { action: REDUCE_TIMEOUTS, from: reduceTimeouts.from, to: reduceTimeouts.to }];
}

/** As Envoy shows shares: whole, rounded down. */
function percent(share: number): number {
  return Math.floor(share * 100 + 1e-9);
}

function gauge(name: string, value: number): StatLine {
  return { name: `overload.${name}`, kind: 'gauge', value };
}
