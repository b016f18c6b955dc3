// @hot
// Small writes of one turn, gathered and sent together. Worker thread; owned by its loop. Between the system calls of a
// turn the processor forgets our code and our tables; a turn that first reads, then thinks, then sends keeps them.

import { copyBytes } from '../../core/bytes.ts';
import type { Ring } from './ring.ts';
import type { EpollConn } from './epoll-conn.ts';
import { MSG_MORE, MSG_NOSIGNAL } from './system.ts';
import type { System } from './system.ts';

/** Writes above this go out at once. */
export const BATCHED_MOST_BYTES = 4 * 1024;
const ENTRIES = 32;
const ARENA_BYTES = ENTRIES * BATCHED_MOST_BYTES;

export class SendBatch {
  /** Whether the loop will flush before it waits. */
  isOpen = false;
  private readonly system: System;
  private readonly arena: Buffer = Buffer.allocUnsafeSlow(ARENA_BYTES);
  private readonly conns: (EpollConn | null)[] = new Array<EpollConn | null>(ENTRIES).fill(null);
  private readonly starts = new Int32Array(ENTRIES + 1);
  private readonly flags = new Int32Array(ENTRIES);
  private count = 0;
  private readonly ring: Ring | null;
  private readonly pointer: number;

  constructor(system: System, ring: Ring | null) {
    this.ring = ring;
    this.pointer = system.libc.pointer(this.arena);
    this.system = system;
  }

  /** Takes a copy of the bytes, to be sent at the end of the turn; false when the caller must send them itself. */
  add(conn: EpollConn, buf: Buffer, start: number, end: number, more: boolean): boolean {
    if (!this.isOpen || end - start > BATCHED_MOST_BYTES) return false;
    let entry = this.count - 1;
    if (entry < 0 || this.conns[entry] !== conn) {
      if (conn.queued) return false;
      if (this.count === ENTRIES) this.flush();
      entry = this.count++;
      this.conns[entry] = conn;
      this.starts[entry + 1] = this.starts[entry]!;
      conn.queued = true;
    }
    const at = this.starts[entry + 1]!;
    if (at + end - start > ARENA_BYTES) return false;
    this.starts[entry + 1] = copyBytes(this.arena, at, buf, start, end);
    this.flags[entry] = more ? MSG_MORE : 0;
    return true;
  }

  /** Sends what is there now. For a connection that is about to be closed. */
  withdraw(_conn: EpollConn): void {
    this.flush();
  }

  flush(): void {
    const { conns, starts, flags, arena, system } = this;
    const count = this.count;
    this.count = 0;
    const ring = count > 1 ? this.ring : null;
    if (ring !== null) {
      for (let i = 0; i < count; i++) ring.send(i, conns[i]!.fd, this.pointer + starts[i]!, starts[i + 1]! - starts[i]!, flags[i]! | MSG_NOSIGNAL);
      ring.submit();
    }
    for (let i = 0; i < count; i++) {
      const conn = conns[i]!;
      conns[i] = null;
      conn.queued = false;
      const start = starts[i]!;
      const end = starts[i + 1]!;
      const sent = ring === null ? system.send(conn.fd, arena, start, end, flags[i]!) : ring.results[i]!;
      if (sent !== end - start) conn.sentLess(arena, start, end, sent < 0 && ring === null ? -system.errno() : sent);
    }
  }
}
