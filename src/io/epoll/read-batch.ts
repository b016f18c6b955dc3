// @hot
// What several connections have received, read ahead in one go before any of it is looked at. Worker thread; owned by
// its loop.

import type { Ring } from './ring.ts';
import type { System } from './system.ts';

export const AHEAD_MOST = 32;
/** A read that fills its slot has more behind it: the next is an ordinary one, in the loop's large buffer. */
export const SLOT_BYTES = 8 * 1024;
/** `got` of an event whose connection reads for itself. */
export const NOT_READ = -0x10000;

export class ReadBatch {
  /** Slot i lies here from `i * SLOT_BYTES`. */
  readonly arena: Buffer = Buffer.allocUnsafeSlow(AHEAD_MOST * SLOT_BYTES);
  /** Of each slot: bytes received, 0 at the peer's end, `-errno`, or NOT_READ. */
  readonly got = new Int32Array(AHEAD_MOST);
  private readonly system: System;
  private readonly ring: Ring | null;
  private onRing = 0;

  constructor(system: System, ring: Ring | null) {
    this.system = system;
    this.ring = ring;
  }

  skip(slot: number): void {
    this.got[slot] = NOT_READ;
  }

  /** The result stands in `got` after `finish`. */
  read(slot: number, fd: number): void {
    const start = slot * SLOT_BYTES;
    if (this.ring !== null && this.ring.works) {
      this.ring.recv(slot, fd, this.arena, start, start + SLOT_BYTES);
      this.got[slot] = 0;
      this.onRing++;
      return;
    }
    const got = this.system.recv(fd, this.arena, start, start + SLOT_BYTES, 0);
    this.got[slot] = got < 0 ? -this.system.errno() : got;
  }

  /** Ends the reads of slots 0 … `slots` - 1. */
  finish(slots: number): void {
    const { ring, got } = this;
    if (this.onRing === 0 || ring === null) return;
    this.onRing = 0;
    ring.submit();
    for (let i = 0; i < slots; i++) if (got[i] !== NOT_READ) got[i] = ring.results[i]!;
  }
}
