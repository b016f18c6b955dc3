// @hot
// One epoll instance and the batch of events of its last wait. Worker thread; owned by its loop.

import { constants } from 'node:os';

import type { Libc } from './libc.ts';
import { systemError } from './system.ts';

export const EPOLLIN = 0x001;
export const EPOLLOUT = 0x004;
export const EPOLLERR = 0x008;
export const EPOLLHUP = 0x010;
export const EPOLLRDHUP = 0x2000;
/** Edge-triggered: told once for each arrival. */
export const EPOLLET = 1 << 31;

export const EPOLL_CTL_ADD = 1;
export const EPOLL_CTL_DEL = 2;
export const EPOLL_CTL_MOD = 3;

const EPOLL_CLOEXEC = 0x80000;
const EVENTS_PER_WAIT = 512;

/** `struct epoll_event` is packed on x86-64 only; the eight bytes of `data` come last and hold fd and generation. */
const EVENT_INTS = process.arch === 'x64' ? 3 : 4;
const EVENT_FD = EVENT_INTS - 2;
const EVENT_GENERATION = EVENT_INTS - 1;

export class Poller {
  readonly fd: number;
  private readonly libc: Libc;
  private readonly batch: Int32Array;
  private readonly batchPointer: number;
  private readonly event: Int32Array = new Int32Array(Buffer.allocUnsafeSlow(EVENT_INTS * 4).buffer);
  private readonly eventPointer: number;

  constructor(libc: Libc) {
    this.libc = libc;
    this.batch = new Int32Array(Buffer.allocUnsafeSlow(EVENTS_PER_WAIT * EVENT_INTS * 4).buffer);
    this.batchPointer = libc.pointer(Buffer.from(this.batch.buffer));
    this.eventPointer = libc.pointer(Buffer.from(this.event.buffer));
    this.fd = libc.epoll_create1(EPOLL_CLOEXEC);
    if (this.fd < 0) throw systemError('epoll_create1', libc.errno(), '');
  }

  /** Adds, changes or removes a descriptor; its events come back tagged with `generation`. Negative on failure. */
  set(op: number, fd: number, events: number, generation: number): number {
    const event = this.event;
    event[0] = events;
    event[EVENT_FD] = fd;
    event[EVENT_GENERATION] = generation;
    return this.libc.epoll_ctl(this.fd, op, fd, this.eventPointer);
  }

  /** How many events there are now. */
  wait(timeoutMs: number): number {
    const count = this.libc.epoll_wait(this.fd, this.batchPointer, EVENTS_PER_WAIT, timeoutMs);
    if (count >= 0) return count;
    const errno = this.libc.errno();
    if (errno === constants.errno.EINTR) return 0;
    throw systemError('epoll_wait', errno, '');
  }

  /** What happened, of the i-th event. */
  events(i: number): number {
    return this.batch[i * EVENT_INTS]!;
  }

  eventFd(i: number): number {
    return this.batch[i * EVENT_INTS + EVENT_FD]!;
  }

  eventGeneration(i: number): number {
    return this.batch[i * EVENT_INTS + EVENT_GENERATION]!;
  }
}
