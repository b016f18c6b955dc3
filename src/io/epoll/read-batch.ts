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
  readonly arena: Buffer = Buffer.allocUnsafeSlow(AHEAD_MOST * SLOT_BYTES);
  /** Bytes received, 0 at the peer's end, `-errno`, or NOT_READ. */
  readonly got = new Int32Array(AHEAD_MOST);
  private readonly system: System;

  private readonly ring: Ring | null;
  private readonly pointer: number;
  private count = 0;

  constructor(system: System, ring: Ring | null) {
    this.system = system;
    this.ring = ring;
    this.pointer = system.libc.pointer(this.arena);
  }

  read(slot: number, fd: number): void {
    if (this.ring !== null) {
      this.ring.recv(slot, fd, this.pointer + slot * SLOT_BYTES, SLOT_BYTES);
      this.count++;
      this.got[slot] = 0;
      return;
    }
    const got = this.system.recvAt(fd, this.arena, slot * SLOT_BYTES, SLOT_BYTES);
    this.got[slot] = got < 0 ? -this.system.errno() : got;
  }

  finish(n: number): void {
    if (this.count === 0 || this.ring === null) return;
    this.ring.submit();
    this.count = 0;
    for (let i = 0; i < n; i++) if (this.got[i] !== NOT_READ) this.got[i] = this.ring.results[i]!;
  }
}
