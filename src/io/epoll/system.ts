// @hot
// The system calls of the epoll engine, bound once per thread through koffi, and the only place where memory of ours is
// handed to the kernel: every range is checked against its Buffer here. Any thread; loaded on first use, so that a
// machine without koffi can still run the node engine.

import { createRequire } from 'node:module';
import { constants, endianness } from 'node:os';

export const AF_UNIX = 1;
export const AF_INET = 2;
export const AF_INET6 = 10;

export const EPOLLIN = 0x001;
export const EPOLLOUT = 0x004;
export const EPOLLERR = 0x008;
export const EPOLLHUP = 0x010;
export const EPOLLRDHUP = 0x2000;

export const EPOLL_CTL_ADD = 1;
export const EPOLL_CTL_DEL = 2;
export const EPOLL_CTL_MOD = 3;

export const EPERM = 1;
export const ENOENT = 2;
export const EINTR = 4;
export const EBADF = 9;
export const EAGAIN = 11;
export const ENOMEM = 12;
export const EINVAL = 22;
export const ENFILE = 23;
export const EMFILE = 24;
export const EPIPE = 32;
export const ENOTSOCK = 88;
export const EADDRINUSE = 98;
export const ECONNRESET = 104;
export const ENOBUFS = 105;
export const ECONNREFUSED = 111;
export const EINPROGRESS = 115;

export const MSG_PEEK = 0x2;
export const MSG_NOSIGNAL = 0x4000;
export const MSG_MORE = 0x8000;

export const SHUT_WR = 1;

const SOCK_STREAM = 1;
const SOCK_NONBLOCK = 0x800;
const SOCK_CLOEXEC = 0x80000;
const EPOLL_CLOEXEC = 0x80000;
const SOL_SOCKET = 1;
const SO_REUSEADDR = 2;
const SO_ERROR = 4;
const SO_LINGER = 13;
const SO_REUSEPORT = 15;
const IPPROTO_TCP = 6;
const TCP_NODELAY = 1;
const IPPROTO_IPV6 = 41;
const IPV6_V6ONLY = 26;
const F_DUPFD_CLOEXEC = 1030;

/** sockaddr_un is the largest that we use: 110 bytes. */
const SOCKADDR_BYTES = 128;

/** Bytes of `struct epoll_event`: packed on x86-64 only. */
const EVENT_INTS = process.arch === 'x64' ? 3 : 4;
const EVENT_FD = EVENT_INTS - 2;

type Call = (...args: number[]) => number;
type Koffi = {
  load(path: null): { func(signature: string): Call };
  address(buf: Uint8Array): bigint;
  errno(): number;
};

const names = new Map<number, string>();
for (const [name, value] of Object.entries(constants.errno)) if (!names.has(value)) names.set(value, name);
names.set(EAGAIN, 'EAGAIN');

/** `ECONNREFUSED` for 111. */
export function errnoName(errno: number): string {
  return names.get(errno) ?? `E${errno}`;
}

/** An Error in node's own shape: `bind EADDRINUSE 127.0.0.1:80` with `code`, `errno` and `syscall`. */
export function systemError(syscall: string, errno: number, subject: string): NodeJS.ErrnoException {
  const code = errnoName(errno);
  const error: NodeJS.ErrnoException = new Error(`${syscall} ${code} ${subject}`.trim());
  error.code = code;
  error.errno = -errno;
  error.syscall = syscall;
  return error;
}

function checkRange(buf: Uint8Array, start: number, end: number): void {
  if (!(start >= 0 && start <= end && end <= buf.length)) {
    throw new RangeError(`bytes ${start} to ${end} of a buffer of ${buf.length}`);
  }
}

/** A set of events as `epoll_wait` writes them; made once per loop. */
export class EventBatch {
  readonly capacity: number;
  readonly memory: Buffer;
  readonly pointer: number;
  private readonly ints: Int32Array;

  constructor(capacity: number, system: System) {
    this.capacity = capacity;
    this.memory = Buffer.allocUnsafeSlow(capacity * EVENT_INTS * 4);
    this.pointer = system.pointer(this.memory);
    this.ints = new Int32Array(this.memory.buffer, this.memory.byteOffset, capacity * EVENT_INTS);
  }

  events(i: number): number {
    return this.ints[i * EVENT_INTS]!;
  }

  fd(i: number): number {
    return this.ints[i * EVENT_INTS + EVENT_FD]!;
  }

  generation(i: number): number {
    return this.ints[i * EVENT_INTS + EVENT_FD + 1]!;
  }
}

export class System {
  /** errno of the last call that returned a negative number. */
  readonly errno: () => number;

  /** Where the kernel writes and reads socket addresses and small options. */
  readonly sockaddr: Buffer = Buffer.alloc(SOCKADDR_BYTES);
  /** Length that came with the address in `sockaddr`. */
  sockaddrLength = 0;

  private readonly koffi: Koffi;
  private readonly sockaddrPointer: number;
  private readonly scratch: Buffer = Buffer.alloc(16);
  private readonly scratchPointer: number;
  private readonly event: Int32Array;
  private readonly eventPointer: number;

  // The addresses of the buffers sent from most recently; asking koffi costs more than a small send's own overhead.
  private recent0: Uint8Array;
  private recent1: Uint8Array;
  private recent2: Uint8Array;
  private pointer0: number;
  private pointer1: number;
  private pointer2: number;

  private readonly sysSocket: Call;
  private readonly sysBind: Call;
  private readonly sysListen: Call;
  private readonly sysAccept: Call;
  private readonly sysConnect: Call;
  private readonly sysSetOption: Call;
  private readonly sysGetOption: Call;
  private readonly sysPeerName: Call;
  private readonly sysSockName: Call;
  private readonly sysShutdown: Call;
  private readonly sysClose: Call;
  private readonly sysRecv: Call;
  private readonly sysSend: Call;
  private readonly sysFcntl: Call;
  private readonly sysSocketPair: Call;
  private readonly sysGetAffinity: Call;
  private readonly sysSetAffinity: Call;
  private readonly sysEpollCreate: Call;
  private readonly sysEpollControl: Call;
  private readonly sysEpollWait: Call;

  constructor(koffi: Koffi) {
    // The node executable is linked to the C library, whichever it is (glibc, musl).
    const libc = koffi.load(null);
    this.koffi = koffi;
    this.errno = koffi.errno;
    this.sysSocket = libc.func('int socket(int, int, int)');
    this.sysBind = libc.func('int bind(int, uintptr_t, uint32_t)');
    this.sysListen = libc.func('int listen(int, int)');
    this.sysAccept = libc.func('int accept4(int, uintptr_t, uintptr_t, int)');
    this.sysConnect = libc.func('int connect(int, uintptr_t, uint32_t)');
    this.sysSetOption = libc.func('int setsockopt(int, int, int, uintptr_t, uint32_t)');
    this.sysGetOption = libc.func('int getsockopt(int, int, int, uintptr_t, uintptr_t)');
    this.sysPeerName = libc.func('int getpeername(int, uintptr_t, uintptr_t)');
    this.sysSockName = libc.func('int getsockname(int, uintptr_t, uintptr_t)');
    this.sysShutdown = libc.func('int shutdown(int, int)');
    this.sysClose = libc.func('int close(int)');
    this.sysRecv = libc.func('int64 recv(int, uintptr_t, size_t, int)');
    this.sysSend = libc.func('int64 send(int, uintptr_t, size_t, int)');
    this.sysFcntl = libc.func('int fcntl(int, int, int)');
    this.sysSocketPair = libc.func('int socketpair(int, int, int, uintptr_t)');
    this.sysGetAffinity = libc.func('int sched_getaffinity(int, size_t, uintptr_t)');
    this.sysSetAffinity = libc.func('int sched_setaffinity(int, size_t, uintptr_t)');
    this.sysEpollCreate = libc.func('int epoll_create1(int)');
    this.sysEpollControl = libc.func('int epoll_ctl(int, int, int, uintptr_t)');
    this.sysEpollWait = libc.func('int epoll_wait(int, uintptr_t, int, int)');

    const event = Buffer.alloc(16);
    this.event = new Int32Array(event.buffer, event.byteOffset, 4);
    this.eventPointer = this.pointer(event);
    this.sockaddrPointer = this.pointer(this.sockaddr);
    this.scratchPointer = this.pointer(this.scratch);
    this.recent0 = this.recent1 = this.recent2 = this.sockaddr;
    this.pointer0 = this.pointer1 = this.pointer2 = this.sockaddrPointer;
  }

  /** Where a Buffer lies. The caller keeps the Buffer alive as long as it uses the number. */
  pointer(buf: Uint8Array): number {
    return Number(this.koffi.address(buf));
  }

  // ── bytes ──────────────────────────────────────────────────────────────────────────────────────────────────

  /** Bytes sent, or -1 with `errno()`. */
  send(fd: number, buf: Uint8Array, start: number, end: number, flags: number): number {
    checkRange(buf, start, end);
    return this.sysSend(fd, this.recentPointer(buf) + start, end - start, flags | MSG_NOSIGNAL);
  }

  /** Bytes received, 0 at the peer's end, or -1 with `errno()`. */
  recv(fd: number, buf: Uint8Array, end: number, flags: number): number {
    checkRange(buf, 0, end);
    return this.sysRecv(fd, this.recentPointer(buf), end, flags);
  }

  private recentPointer(buf: Uint8Array): number {
    if (buf === this.recent0) return this.pointer0;
    if (buf === this.recent1) return this.pointer1;
    if (buf === this.recent2) return this.pointer2;
    const pointer = this.pointer(buf);
    this.recent2 = this.recent1;
    this.pointer2 = this.pointer1;
    this.recent1 = this.recent0;
    this.pointer1 = this.pointer0;
    this.recent0 = buf;
    this.pointer0 = pointer;
    return pointer;
  }

  // ── sockets ────────────────────────────────────────────────────────────────────────────────────────────────

  /** A non-blocking stream socket, or -1. */
  socket(family: number): number {
    return this.sysSocket(family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  }

  /** Binds to the first `length` bytes of `sockaddr`. */
  bind(fd: number, length: number): number {
    checkRange(this.sockaddr, 0, length);
    return this.sysBind(fd, this.sockaddrPointer, length);
  }

  listen(fd: number, backlog: number): number {
    return this.sysListen(fd, backlog);
  }

  /** The new descriptor with its peer in `sockaddr`, or -1. */
  accept(fd: number): number {
    this.scratch.writeUInt32LE(SOCKADDR_BYTES, 0);
    const got = this.sysAccept(fd, this.sockaddrPointer, this.scratchPointer, SOCK_NONBLOCK | SOCK_CLOEXEC);
    if (got >= 0) this.sockaddrLength = Math.min(this.scratch.readUInt32LE(0), SOCKADDR_BYTES);
    return got;
  }

  /** Connects to the first `length` bytes of `sockaddr`. */
  connect(fd: number, length: number): number {
    checkRange(this.sockaddr, 0, length);
    return this.sysConnect(fd, this.sockaddrPointer, length);
  }

  /** Puts the peer's address into `sockaddr`. */
  peerName(fd: number): number {
    return this.nameInto(this.sysPeerName, fd);
  }

  /** Puts the socket's own address into `sockaddr`. */
  sockName(fd: number): number {
    return this.nameInto(this.sysSockName, fd);
  }

  private nameInto(call: Call, fd: number): number {
    this.scratch.writeUInt32LE(SOCKADDR_BYTES, 0);
    const rc = call(fd, this.sockaddrPointer, this.scratchPointer);
    this.sockaddrLength = rc < 0 ? 0 : Math.min(this.scratch.readUInt32LE(0), SOCKADDR_BYTES);
    return rc;
  }

  /** The pending error of a socket, which this clears. */
  takeError(fd: number): number {
    this.scratch.writeInt32LE(0, 0);
    this.scratch.writeUInt32LE(4, 8);
    const rc = this.sysGetOption(fd, SOL_SOCKET, SO_ERROR, this.scratchPointer, this.scratchPointer + 8);
    return rc < 0 ? this.errno() : this.scratch.readInt32LE(0);
  }

  setNoDelay(fd: number): number {
    return this.setInt(fd, IPPROTO_TCP, TCP_NODELAY, 1);
  }

  setReuseAddress(fd: number): number {
    return this.setInt(fd, SOL_SOCKET, SO_REUSEADDR, 1);
  }

  setReusePort(fd: number): number {
    return this.setInt(fd, SOL_SOCKET, SO_REUSEPORT, 1);
  }

  setIpv6Only(fd: number, on: boolean): number {
    return this.setInt(fd, IPPROTO_IPV6, IPV6_V6ONLY, on ? 1 : 0);
  }

  /** Lets the next `close` send a RST. */
  setLingerZero(fd: number): number {
    this.scratch.writeInt32LE(1, 0);
    this.scratch.writeInt32LE(0, 4);
    return this.sysSetOption(fd, SOL_SOCKET, SO_LINGER, this.scratchPointer, 8);
  }

  private setInt(fd: number, level: number, option: number, value: number): number {
    this.scratch.writeInt32LE(value, 0);
    return this.sysSetOption(fd, level, option, this.scratchPointer, 4);
  }

  shutdownWrite(fd: number): number {
    return this.sysShutdown(fd, SHUT_WR);
  }

  close(fd: number): number {
    return this.sysClose(fd);
  }

  duplicate(fd: number): number {
    return this.sysFcntl(fd, F_DUPFD_CLOEXEC, 3);
  }

  /** Two connected unix sockets, or null. */
  socketPair(): [number, number] | null {
    const rc = this.sysSocketPair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, this.scratchPointer);
    return rc < 0 ? null : [this.scratch.readInt32LE(0), this.scratch.readInt32LE(4)];
  }

  // ── CPUs of the calling thread (pid 0 means that thread, not the process) ──────────────────────────────────

  getAffinity(set: Buffer): number {
    return this.sysGetAffinity(0, set.length, this.pointer(set));
  }

  setAffinity(set: Buffer): number {
    return this.sysSetAffinity(0, set.length, this.pointer(set));
  }

  // ── epoll ──────────────────────────────────────────────────────────────────────────────────────────────────

  epollCreate(): number {
    return this.sysEpollCreate(EPOLL_CLOEXEC);
  }

  /** Adds or changes a descriptor; its events come back tagged with `generation`. */
  epollSet(epfd: number, op: number, fd: number, events: number, generation: number): number {
    const event = this.event;
    event[0] = events;
    event[EVENT_FD] = fd;
    event[EVENT_FD + 1] = generation;
    return this.sysEpollControl(epfd, op, fd, this.eventPointer);
  }

  epollWait(epfd: number, batch: EventBatch, timeoutMs: number): number {
    return this.sysEpollWait(epfd, batch.pointer, batch.capacity, timeoutMs);
  }
}

let loaded: System | string | null = null;

/** The system of this thread, or a text that says why there is none. */
export function loadSystem(): System | string {
  loaded ??= bindSystem();
  return loaded;
}

function bindSystem(): System | string {
  if (process.platform !== 'linux') return `the epoll engine needs Linux, this is ${process.platform}`;
  if (endianness() !== 'LE') return 'the epoll engine needs a little-endian machine';
  try {
    return new System(createRequire(import.meta.url)('koffi') as Koffi);
  } catch (error) {
    return `koffi does not load: ${error instanceof Error ? error.message.split('\n', 1)[0] : String(error)}`;
  }
}

/** The system of this thread where the caller knows that it is there. */
export function requireSystem(): System {
  const system = loadSystem();
  if (typeof system === 'string') throw new Error(system);
  return system;
}

/** A second descriptor of the same socket, for code that closes the one it is given. */
export function duplicateFd(fd: number): number {
  const system = requireSystem();
  const copy = system.duplicate(fd);
  if (copy < 0) throw systemError('dup', system.errno(), `of descriptor ${fd}`);
  return copy;
}
