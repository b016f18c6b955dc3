// The keys of TLS session tickets for listeners that have none of their own: random, the same in all workers, and changed
// now and then, so that a stolen key opens little. Primary thread; owns the keys. They are never written anywhere.

import { randomBytes } from 'node:crypto';
import type { CancelTimer, Timers } from '../core/host-timer.ts';

/** Name, HMAC key, AES key. */
const KEY_BYTES = 80;
const ROTATE_MS = 12 * 3_600_000;
/** The first makes tickets; with the older ones a ticket stays good for at least a day. */
const KEYS = 3;

export class TicketKeys {
  private keys: readonly Buffer[] = [randomBytes(KEY_BYTES)];
  private readonly cancel: CancelTimer;

  /** `onRotate`: to tell the workers. */
  constructor(timers: Timers, onRotate: (keys: readonly Buffer[]) => void) {
    this.cancel = timers.every(ROTATE_MS, () => {
      this.keys = [randomBytes(KEY_BYTES), ...this.keys].slice(0, KEYS);
      onRotate(this.keys);
    });
  }

  /** The newest first. */
  get current(): readonly Buffer[] {
    return this.keys;
  }

  close(): void {
    this.cancel();
  }
}
