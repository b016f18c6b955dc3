// @hot
// An io_uring instance used for one thing: many socket calls in one system call. Worker thread; owned by its loop.
//
// Nothing is left under way: every call is made with MSG_DONTWAIT, so that all of them are over, with their results,
// when `submit` returns. Kernels before 5.6 and many containers have no io_uring; then there is none here either, and the
// same calls are made one by one. Source: io_uring(7), io_uring_setup(2), io_uring_enter(2).

import type { Libc } from './libc.ts';
import { EAGAIN, EINTR, MSG_NOSIGNAL } from './system.ts';
import type { System } from './system.ts';

/** Calls of one `submit`; a power of two. */
export const RING_CALLS = 32;

const SYS_IO_URING_SETUP = 425;
const SYS_IO_URING_ENTER = 426;
const OP_SEND = 26;
const OP_RECV = 27;
const ENTER_GETEVENTS = 1;
const FEAT_SINGLE_MMAP = 1;
const MAP_SHARED = 1;
const MAP_POPULATE = 0x8000;
const PROT_READ_WRITE = 3;
const OFFSET_RINGS = 0;
const OFFSET_ENTRIES = 0x10000000;
const MSG_DONTWAIT = 0x40;

// Places in `struct io_uring_params`, `io_sqring_offsets` and `io_cqring_offsets`.
const PARAMS_BYTES = 120;
const PARAM_SQ_ENTRIES = 0;
const PARAM_CQ_ENTRIES = 4;
const PARAM_FEATURES = 20;
const SQ_TAIL = 44;
const SQ_ARRAY = 64;
const CQ_HEAD = 80;
const CQ_TAIL = 84;
const CQ_CQES = 100;

const ENTRY_WORDS = 16;
const RESULT_BYTES = 16;
const WORD = 4;
const ENTRIES_BYTES = RING_CALLS * ENTRY_WORDS * WORD;
const FOUR_GIB = 0x100000000;

/** `io_uring_enter` that neither does its work nor says why: far more often than signals can interrupt it. */
const ENTERS_MOST = 1000;

export class Ring {
  readonly fd: number;
  /** Of the calls of the last `submit`, by their slots: bytes or `-errno`. A call that was not made says -EAGAIN. */
  readonly results = new Int32Array(RING_CALLS);
  /** False once the kernel has refused: its users go on without it. */
  works = true;
  private readonly system: System;
  private readonly libc: Libc;
  private readonly words: Int32Array;
  private readonly entries: Int32Array;
  private readonly ringsAt: number;
  private readonly entriesAt: number;
  private readonly sqTail: number;
  private readonly cqHead: number;
  private readonly cqTail: number;
  private readonly cqes: number;
  private readonly cqMask: number;
  private count = 0;

  private constructor(system: System, fd: number, params: Buffer, ringsAt: number, entriesAt: number) {
    this.system = system;
    this.libc = system.libc;
    this.fd = fd;
    this.ringsAt = ringsAt;
    this.entriesAt = entriesAt;
    this.words = new Int32Array(this.libc.view(ringsAt, ringsBytes(params)));
    this.entries = new Int32Array(this.libc.view(entriesAt, ENTRIES_BYTES));
    this.sqTail = params.readUInt32LE(SQ_TAIL) / WORD;
    this.cqHead = params.readUInt32LE(CQ_HEAD) / WORD;
    this.cqTail = params.readUInt32LE(CQ_TAIL) / WORD;
    this.cqes = params.readUInt32LE(CQ_CQES) / WORD;
    this.cqMask = params.readUInt32LE(PARAM_CQ_ENTRIES) - 1;
    const array = params.readUInt32LE(SQ_ARRAY) / WORD;
    for (let i = 0; i < RING_CALLS; i++) this.words[array + i] = i;
  }

  /** Null where the kernel, or who guards it, does not offer io_uring. */
  static open(system: System): Ring | null {
    const { libc } = system;
    const params = Buffer.alloc(PARAMS_BYTES);
    const fd = libc.syscall(SYS_IO_URING_SETUP, RING_CALLS, libc.pointer(params), 0, 0, 0, 0);
    if (fd < 0) return null;
    const single = (params.readUInt32LE(PARAM_FEATURES) & FEAT_SINGLE_MMAP) !== 0 && params.readUInt32LE(PARAM_SQ_ENTRIES) === RING_CALLS;
    const ringsAt = single ? map(libc, fd, ringsBytes(params), OFFSET_RINGS) : -1;
    const entriesAt = ringsAt > 0 ? map(libc, fd, ENTRIES_BYTES, OFFSET_ENTRIES) : -1;
    if (entriesAt > 0) return new Ring(system, fd, params, ringsAt, entriesAt);
    if (ringsAt > 0) libc.munmap(ringsAt, ringsBytes(params));
    libc.close(fd);
    return null;
  }

  /** Nothing of it may be used afterwards; who asks `works` does not. */
  close(): void {
    this.works = false;
    this.libc.munmap(this.ringsAt, this.words.byteLength);
    this.libc.munmap(this.entriesAt, ENTRIES_BYTES);
    this.libc.close(this.fd);
  }

  recv(slot: number, fd: number, buf: Buffer, start: number, end: number): void {
    this.prepare(OP_RECV, slot, fd, buf, start, end, 0);
  }

  send(slot: number, fd: number, buf: Buffer, start: number, end: number, flags: number): void {
    this.prepare(OP_SEND, slot, fd, buf, start, end, flags | MSG_NOSIGNAL);
  }

  private prepare(op: number, slot: number, fd: number, buf: Buffer, start: number, end: number, flags: number): void {
    const { entries } = this;
    const pointer = this.system.range(buf, start, end);
    const high = Math.floor(pointer / FOUR_GIB);
    const at = ((this.words[this.sqTail]! + this.count++) & (RING_CALLS - 1)) * ENTRY_WORDS;
    entries[at] = op;
    entries[at + 1] = fd;
    entries[at + 4] = pointer - high * FOUR_GIB;
    entries[at + 5] = high;
    entries[at + 6] = end - start;
    entries[at + 7] = flags | MSG_DONTWAIT;
    entries[at + 8] = slot;
  }

  /** Makes all that was prepared, at most RING_CALLS. */
  submit(): void {
    const { words, sqTail, results } = this;
    const count = this.count;
    this.count = 0;
    words[sqTail] = (words[sqTail]! + count) | 0;
    const made = this.enter(count);
    if (made < count) results.fill(-EAGAIN);
    // The kernel looks at the tail only when it is entered: what it did not take is taken back.
    words[sqTail] = (words[sqTail]! - (count - made)) | 0;
    let head = words[this.cqHead]!;
    const tail = words[this.cqTail]!;
    // A call that is still under way could send its bytes after we have sent them again.
    if (((tail - head) | 0) !== made) throw new Error(`io_uring made ${made} calls and ended ${(tail - head) | 0}`);
    while (head !== tail) {
      const at = this.cqes + (head & this.cqMask) * (RESULT_BYTES / WORD);
      results[words[at]!] = words[at + 2]!;
      head = (head + 1) | 0;
    }
    words[this.cqHead] = head;
  }

  /** How many of the calls the kernel took. */
  private enter(count: number): number {
    let made = 0;
    for (let tries = 0; made < count && tries < ENTERS_MOST; tries++) {
      const n = this.libc.syscall(SYS_IO_URING_ENTER, this.fd, count - made, count - made, ENTER_GETEVENTS, 0, 0);
      if (n > 0) made += n;
      else if (n === 0 || this.libc.errno() !== EINTR) break;
    }
    if (made < count) this.works = false;
    return made;
  }
}

function ringsBytes(params: Buffer): number {
  const calls = params.readUInt32LE(SQ_ARRAY) + RING_CALLS * WORD;
  const results = params.readUInt32LE(CQ_CQES) + params.readUInt32LE(PARAM_CQ_ENTRIES) * RESULT_BYTES;
  return Math.max(calls, results);
}

/** Where the mapping lies, or a negative number. */
function map(libc: Libc, fd: number, bytes: number, offset: number): number {
  return libc.mmap(0, bytes, PROT_READ_WRITE, MAP_SHARED | MAP_POPULATE, fd, offset);
}
