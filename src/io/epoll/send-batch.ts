// @hot
// Small writes of one turn, gathered and sent together. Worker thread; owned by its loop. Between the system calls of a
// turn the processor forgets our code and our tables; a turn that first reads, then thinks, then sends keeps them.
//
// Order holds because a connection has at most one entry, which only its own next write extends: any other write of
// its own, and its every way to end, flushes first.

import { copyBytes } from '../../core/bytes.ts';
import type { EpollConn } from './epoll-conn.ts';
import type { Ring } from './ring.ts';
import { MSG_MORE } from './system.ts';
import type { System } from './system.ts';

/** Writes above this go out at once: copying them would cost more than it saves. */
export const BATCHED_MOST_BYTES = 4 * 1024;
const ENTRIES = 32;
const ARENA_BYTES = ENTRIES * BATCHED_MOST_BYTES;

export class SendBatch {
  private readonly system: System;
  private readonly ring: Ring | null;
  private readonly arena: Buffer = Buffer.allocUnsafeSlow(ARENA_BYTES);
  private readonly conns: (EpollConn | null)[] = new Array<EpollConn | null>(ENTRIES).fill(null);
  /** Entry i lies in the arena from `starts[i]` to `starts[i + 1]`. */
  private readonly starts = new Int32Array(ENTRIES + 1);
  private readonly flags = new Int32Array(ENTRIES);
  private count = 0;
  private isOpen = false;

  constructor(system: System, ring: Ring | null) {
    this.system = system;
    this.ring = ring;
  }

  /** From here to `endTurn` small writes wait for each other. */
  beginTurn(): void {
    this.isOpen = true;
  }

  endTurn(): void {
    this.isOpen = false;
    this.flush();
  }

  /** Takes a copy of the bytes; false when the caller must send them itself, after a flush if it is `queued`. */
  add(conn: EpollConn, buf: Buffer, start: number, end: number, more: boolean): boolean {
    const length = end - start;
    if (!this.isOpen || length > BATCHED_MOST_BYTES) return false;
    const last = this.count - 1;
    const fits = this.starts[this.count]! + length <= ARENA_BYTES;
    if (last >= 0 && this.conns[last] === conn) {
      if (!fits) return false;
    } else {
      if (conn.queued) return false;
      if (!fits || this.count === ENTRIES) this.flush();
      this.conns[this.count++] = conn;
      this.starts[this.count] = this.starts[this.count - 1]!;
      conn.queued = true;
    }
    const entry = this.count - 1;
    this.starts[this.count] = copyBytes(this.arena, this.starts[this.count]!, buf, start, end);
    this.flags[entry] = more ? MSG_MORE : 0;
    return true;
  }

  /** Sends all that stands here. No owner is called from it. */
  flush(): void {
    const count = this.count;
    if (count === 0) return;
    this.count = 0;
    const { conns, starts, arena } = this;
    const ring = count > 1 ? this.sendByRing(count) : null;
    for (let i = 0; i < count; i++) {
      const conn = conns[i]!;
      const start = starts[i]!;
      const end = starts[i + 1]!;
      conns[i] = null;
      conn.queued = false;
      const sent = ring === null ? this.send(conn.fd, start, end, this.flags[i]!) : ring.results[i]!;
      if (sent !== end - start) conn.sentLess(arena, start, end, sent);
    }
  }

  /** Bytes sent, or `-errno`. */
  private send(fd: number, start: number, end: number, flags: number): number {
    const sent = this.system.send(fd, this.arena, start, end, flags);
    return sent < 0 ? -this.system.errno() : sent;
  }

  /** The ring with the results, or null where it cannot be had. */
  private sendByRing(count: number): Ring | null {
    const { ring, conns, starts } = this;
    if (ring === null || !ring.works) return null;
    for (let i = 0; i < count; i++) ring.send(i, conns[i]!.fd, this.arena, starts[i]!, starts[i + 1]!, this.flags[i]!);
    ring.submit();
    return ring;
  }
}
