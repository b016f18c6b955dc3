// @hot
// An io_uring instance used for one thing: many socket calls in one system call. Worker thread; owned by its loop.
//
// Nothing is left under way: every call is made with MSG_DONTWAIT, so that all of them are over, with their results,
// when `submit` returns. Kernels before 5.6 and many containers have no io_uring; then there is none here either, and the
// same calls are made one by one. Source: io_uring(7), io_uring_setup(2), io_uring_enter(2).

import type { Libc } from './libc.ts';

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
const FOUR_GIB = 0x100000000;

export class Ring {
  readonly fd: number;
  /** Of the calls of the last `submit`, by their slots: bytes or -errno. */
  readonly results = new Int32Array(RING_CALLS);
  private readonly libc: Libc;
  private readonly words: Int32Array;
  private readonly entries: Int32Array;
  private readonly sqTail: number;
  private readonly cqHead: number;
  private readonly cqTail: number;
  private readonly cqes: number;
  private readonly cqMask: number;

  private count = 0;

  private constructor(libc: Libc, fd: number, params: Buffer, rings: ArrayBuffer, entries: ArrayBuffer) {
    this.libc = libc;
    this.fd = fd;
    this.words = new Int32Array(rings);
    this.entries = new Int32Array(entries);
    this.sqTail = params.readUInt32LE(SQ_TAIL) / WORD;
    this.cqHead = params.readUInt32LE(CQ_HEAD) / WORD;
    this.cqTail = params.readUInt32LE(CQ_TAIL) / WORD;
    this.cqes = params.readUInt32LE(CQ_CQES) / WORD;
    this.cqMask = params.readUInt32LE(PARAM_CQ_ENTRIES) - 1;
    const array = params.readUInt32LE(SQ_ARRAY) / WORD;
    for (let i = 0; i < RING_CALLS; i++) this.words[array + i] = i;
  }

  /** Null where the kernel, or who guards it, does not offer io_uring. */
  static open(libc: Libc): Ring | null {
    const params = Buffer.alloc(PARAMS_BYTES);
    const fd = libc.syscall(SYS_IO_URING_SETUP, RING_CALLS, libc.pointer(params), 0, 0, 0, 0);
    if (fd < 0) return null;
    const rings = Math.max(params.readUInt32LE(SQ_ARRAY) + RING_CALLS * WORD, params.readUInt32LE(CQ_CQES) + params.readUInt32LE(PARAM_CQ_ENTRIES) * RESULT_BYTES);
    const single = (params.readUInt32LE(PARAM_FEATURES) & FEAT_SINGLE_MMAP) !== 0 && params.readUInt32LE(PARAM_SQ_ENTRIES) === RING_CALLS;
    const ringsAt = single ? libc.mmap(0, rings, PROT_READ_WRITE, MAP_SHARED | MAP_POPULATE, fd, OFFSET_RINGS) : -1;
    const entriesAt = ringsAt > 0 ? libc.mmap(0, RING_CALLS * ENTRY_WORDS * WORD, PROT_READ_WRITE, MAP_SHARED | MAP_POPULATE, fd, OFFSET_ENTRIES) : -1;
    if (entriesAt <= 0) {
      libc.close(fd);
      return null;
    }
    return new Ring(libc, fd, params, libc.view(ringsAt, rings), libc.view(entriesAt, RING_CALLS * ENTRY_WORDS * WORD));
  }

  recv(slot: number, fd: number, pointer: number, length: number): void {
    this.prepare(OP_RECV, slot, fd, pointer, length, 0);
  }

  send(slot: number, fd: number, pointer: number, length: number, flags: number): void {
    this.prepare(OP_SEND, slot, fd, pointer, length, flags);
  }

  private prepare(op: number, slot: number, fd: number, pointer: number, length: number, flags: number): void {
    const { entries } = this;
    const high = Math.floor(pointer / FOUR_GIB);
    const at = ((this.words[this.sqTail]! + this.count++) & (RING_CALLS - 1)) * ENTRY_WORDS;
    entries[at] = op;
    entries[at + 1] = fd;
    entries[at + 2] = 0;
    entries[at + 3] = 0;
    entries[at + 4] = pointer - high * FOUR_GIB;
    entries[at + 5] = high;
    entries[at + 6] = length;
    entries[at + 7] = flags | MSG_DONTWAIT;
    entries[at + 8] = slot;
    entries[at + 9] = 0;
  }

  submit(): void {
    const { words, sqTail } = this;
    const count = this.count;
    this.count = 0;
    words[sqTail] = (words[sqTail]! + count) | 0;
    let done = 0;
    let tries = 0;
    while (done < count) {
      const n = this.libc.syscall(SYS_IO_URING_ENTER, this.fd, count - done, count - done, ENTER_GETEVENTS, 0, 0);
      if (n > 0) done += n;
      else if (++tries > 1000) throw new Error('io_uring');
    }
    let head = words[this.cqHead]!;
    const tail = words[this.cqTail]!;
    while (head !== tail) {
      const at = this.cqes + (head & this.cqMask) * 4;
      this.results[words[at]!] = words[at + 2]!;
      head = (head + 1) | 0;
    }
    words[this.cqHead] = head;
  }
}
