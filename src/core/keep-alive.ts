// When to ask the peer of a connection whether it is there, and when nobody is (the times of Envoy's connection_keepalive).
// Worker thread; owned by the connection, down or up, which knows how its protocol asks; only where keep-alive is configured.
//
//   RESTING ──► interval and up to 15 % of it over ──► ASKING ──► the answer ──► RESTING
//                                                        └──► nothing at all for the time-out: silent
// Whatever comes while it asks puts the time-out off: the answer may stand behind much else on a slow network.

import type { Random } from './random.ts';
import { Timer, type TimerSet, type TimerTarget } from './timer.ts';

/** Envoy's interval_jitter: connections that began together must not ask together for ever. */
const JITTER = 0.15;

export interface AliveSettings {
  /** 0: never. */
  readonly keepAliveIntervalMs: number;
  readonly keepAliveTimeoutMs: number;
}

export interface AliveTools {
  readonly timers: TimerSet;
  readonly random: Random;
  /** Monotonic ms. */
  readonly clock: { readonly now: number };
}

export interface AliveOwner {
  askPeer(): void;
  /** Nobody is there: the connection is to be ended, and streams with it. */
  onSilence(): void;
}

export class KeepAlive implements TimerTarget {
  private readonly owner: AliveOwner;
  private readonly settings: AliveSettings;
  private readonly tools: AliveTools;
  private readonly timer: Timer;
  private asking = false;
  private heardAt = 0;

  constructor(owner: AliveOwner, settings: AliveSettings, tools: AliveTools) {
    this.owner = owner;
    this.settings = settings;
    this.tools = tools;
    this.timer = new Timer(this, 0);
    this.rest();
  }

  /** Bytes have come. */
  heard(): void {
    this.heardAt = this.tools.clock.now;
  }

  /** The answer to our question has come. */
  answered(): void {
    if (this.asking) this.rest();
  }

  /** The connection is over. */
  stop(): void {
    this.tools.timers.disarm(this.timer);
  }

  onTimer(): void {
    const { timers, clock } = this.tools;
    const limit = this.settings.keepAliveTimeoutMs;
    if (!this.asking) {
      this.asking = true;
      this.heardAt = clock.now;
      this.owner.askPeer();
      timers.arm(this.timer, limit);
      return;
    }
    const left = this.heardAt + limit - clock.now;
    if (left > 0) timers.arm(this.timer, left);
    else this.owner.onSilence();
  }

  private rest(): void {
    const { timers, random } = this.tools;
    this.asking = false;
    timers.arm(this.timer, this.settings.keepAliveIntervalMs * (1 + JITTER * random.unit()));
  }
}
