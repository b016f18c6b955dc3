// @hot
// The system calls of the epoll engine on sockets, and the only place where the memory of others is handed to the kernel:
// every range is checked against its Buffer here. Any thread; one per thread.

import { constants } from 'node:os';

import { loadLibc } from './libc.ts';
import type { Libc } from './libc.ts';

export const AF_UNIX = 1;
export const AF_INET = 2;
export const AF_INET6 = 10;

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
export const EPROTO = 71;
export const ECONNRESET = 104;
export const ENOBUFS = 105;
export const ECONNREFUSED = 111;
export const EINPROGRESS = 115;

export const MSG_PEEK = 0x2;
export const MSG_NOSIGNAL = 0x4000;
export const MSG_MORE = 0x8000;

const SHUT_WR = 1;
const SHUT_RDWR = 2;

const SOCK_STREAM = 1;
const SOCK_NONBLOCK = 0x800;
const SOCK_CLOEXEC = 0x80000;
const SOL_SOCKET = 1;
const SO_REUSEADDR = 2;
const SO_ERROR = 4;
const SO_RCVBUF = 8;
const SO_LINGER = 13;
const SO_ACCEPTCONN = 30;
const SO_REUSEPORT = 15;
const SO_ATTACH_FILTER = 26;
const IPPROTO_IP = 0;
/** <linux/netfilter_ipv4.h>; the same number in its IPv6 twin. */
const SO_ORIGINAL_DST = 80;
const IPPROTO_TCP = 6;
const TCP_NODELAY = 1;
const IPPROTO_IPV6 = 41;
const IPV6_V6ONLY = 26;
const F_DUPFD_CLOEXEC = 1030;

/**
 * A socket filter (classic BPF, <linux/filter.h>) that drops segments with the SYN flag and takes all others: load byte
 * 13 of the TCP header; if bit 1 is set return 0, else return everything.
 */
const DROP_SYN: readonly (readonly [code: number, jumps: number, k: number])[] = [
  [0x30, 0, 13],
  [0x45, 0x0100, 0x02],
  [0x06, 0, 0],
  [0x06, 0, 0xffffffff],
];

/** sockaddr_un is the largest that we use: 110 bytes. */
const SOCKADDR_BYTES = 128;

const names = new Map<number, string>();
for (const [name, value] of Object.entries(constants.errno)) if (!names.has(value)) names.set(value, name);
names.set(EAGAIN, 'EAGAIN'); // the same number as EWOULDBLOCK

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

export class System {
  /** errno of the last call that returned a negative number. */
  readonly errno: () => number;
  readonly libc: Libc;

  /** Where the kernel writes and reads socket addresses and small options. */
  readonly sockaddr: Buffer = Buffer.alloc(SOCKADDR_BYTES);
  /** Length that came with the address in `sockaddr`. */
  sockaddrLength = 0;

  private readonly sockaddrPointer: number;
  private readonly scratch: Buffer = Buffer.alloc(16);
  private readonly scratchPointer: number;

  // The addresses of the buffers sent from most recently; asking koffi costs more than a small send's own overhead.
  private recent0: Uint8Array;
  private recent1: Uint8Array;
  private recent2: Uint8Array;
  private pointer0: number;
  private pointer1: number;
  private pointer2: number;

  constructor(libc: Libc) {
    this.libc = libc;
    this.errno = libc.errno;
    this.sockaddrPointer = this.libc.pointer(this.sockaddr);
    this.scratchPointer = this.libc.pointer(this.scratch);
    this.recent0 = this.recent1 = this.recent2 = this.sockaddr;
    this.pointer0 = this.pointer1 = this.pointer2 = this.sockaddrPointer;
  }

  // ── bytes ──────────────────────────────────────────────────────────────────────────────────────────────────

  /** Bytes sent, or -1 with `errno()`. */
  send(fd: number, buf: Uint8Array, start: number, end: number, flags: number): number {
    checkRange(buf, start, end);
    return this.libc.send(fd, this.recentPointer(buf) + start, end - start, flags | MSG_NOSIGNAL);
  }

  /** Bytes received, 0 at the peer's end, or -1 with `errno()`. */
  recv(fd: number, buf: Uint8Array, start: number, end: number, flags: number): number {
    checkRange(buf, start, end);
    return this.libc.recv(fd, this.recentPointer(buf) + start, end - start, flags);
  }

  /** Where bytes `start … end` of a buffer begin, for what makes its own system calls: OpenSSL, a ring. */
  range(buf: Uint8Array, start: number, end: number): number {
    checkRange(buf, start, end);
    return this.recentPointer(buf) + start;
  }

  private recentPointer(buf: Uint8Array): number {
    if (buf === this.recent0) return this.pointer0;
    if (buf === this.recent1) return this.pointer1;
    if (buf === this.recent2) return this.pointer2;
    const pointer = this.libc.pointer(buf);
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
    return this.libc.socket(family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  }

  /** Binds to the first `length` bytes of `sockaddr`. */
  bind(fd: number, length: number): number {
    checkRange(this.sockaddr, 0, length);
    return this.libc.bind(fd, this.sockaddrPointer, length);
  }

  listen(fd: number, backlog: number): number {
    return this.libc.listen(fd, backlog);
  }

  /** The new descriptor with its peer in `sockaddr`, or -1. */
  accept(fd: number): number {
    this.scratch.writeUInt32LE(SOCKADDR_BYTES, 0);
    const got = this.libc.accept4(fd, this.sockaddrPointer, this.scratchPointer, SOCK_NONBLOCK | SOCK_CLOEXEC);
    if (got >= 0) this.sockaddrLength = Math.min(this.scratch.readUInt32LE(0), SOCKADDR_BYTES);
    return got;
  }

  /** Connects to the first `length` bytes of `sockaddr`. */
  connect(fd: number, length: number): number {
    checkRange(this.sockaddr, 0, length);
    return this.libc.connect(fd, this.sockaddrPointer, length);
  }

  /** Puts the socket's own address into `sockaddr`. */
  sockName(fd: number): number {
    this.scratch.writeUInt32LE(SOCKADDR_BYTES, 0);
    const rc = this.libc.getsockname(fd, this.sockaddrPointer, this.scratchPointer);
    this.sockaddrLength = rc < 0 ? 0 : Math.min(this.scratch.readUInt32LE(0), SOCKADDR_BYTES);
    return rc;
  }

  /** Puts the address that the peer of a redirected connection asked for into `sockaddr`. Negative where nothing was redirected. */
  originalName(fd: number, ipv6: boolean): number {
    this.scratch.writeUInt32LE(SOCKADDR_BYTES, 0);
    const rc = this.libc.getsockopt(fd, ipv6 ? IPPROTO_IPV6 : IPPROTO_IP, SO_ORIGINAL_DST, this.sockaddrPointer, this.scratchPointer);
    this.sockaddrLength = rc < 0 ? 0 : Math.min(this.scratch.readUInt32LE(0), SOCKADDR_BYTES);
    return rc;
  }

  /** The pending error of a socket, which this clears. */
  takeError(fd: number): number {
    const rc = this.getInt(fd, SO_ERROR);
    return rc < 0 ? this.errno() : this.scratch.readInt32LE(0);
  }

  isListening(fd: number): boolean {
    return this.getInt(fd, SO_ACCEPTCONN) >= 0 && this.scratch.readInt32LE(0) === 1;
  }

  /** The kernel takes twice as many bytes of its own memory. A listening socket hands it on to what it accepts. */
  setReceiveBuffer(fd: number, bytes: number): number {
    return this.setInt(fd, SOL_SOCKET, SO_RCVBUF, bytes);
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
    return this.libc.setsockopt(fd, SOL_SOCKET, SO_LINGER, this.scratchPointer, 8);
  }

  /** The value stands in `scratch`. */
  private getInt(fd: number, option: number): number {
    this.scratch.writeInt32LE(0, 0);
    this.scratch.writeUInt32LE(4, 8);
    return this.libc.getsockopt(fd, SOL_SOCKET, option, this.scratchPointer, this.scratchPointer + 8);
  }

  private setInt(fd: number, level: number, option: number, value: number): number {
    this.scratch.writeInt32LE(value, 0);
    return this.libc.setsockopt(fd, level, option, this.scratchPointer, 4);
  }

  /**
   * Keeps new handshakes out of a listening socket, while those under way may still complete. Callers that are dropped
   * try again after a second, and meet whoever listens then.
   */
  dropNewHandshakes(fd: number): number {
    const program = Buffer.alloc(DROP_SYN.length * 8);
    for (const [i, [code, jumps, k]] of DROP_SYN.entries()) {
      program.writeUInt16LE(code, i * 8);
      program.writeUInt16LE(jumps, i * 8 + 2);
      program.writeUInt32LE(k, i * 8 + 4);
    }
    this.scratch.writeUInt32LE(DROP_SYN.length, 0);
    this.scratch.writeUInt32LE(0, 4);
    this.scratch.writeBigUInt64LE(BigInt(this.libc.pointer(program)), 8);
    return this.libc.setsockopt(fd, SOL_SOCKET, SO_ATTACH_FILTER, this.scratchPointer, 16);
  }

  /** A listening socket refuses from now on, whoever else has a descriptor of it. */
  refuseConnections(fd: number): number {
    return this.libc.shutdown(fd, SHUT_RDWR);
  }

  shutdownWrite(fd: number): number {
    return this.libc.shutdown(fd, SHUT_WR);
  }

  close(fd: number): number {
    return this.libc.close(fd);
  }

  duplicate(fd: number): number {
    return this.libc.fcntl(fd, F_DUPFD_CLOEXEC, 3);
  }

  /** Two connected unix sockets, or null. */
  socketPair(): [number, number] | null {
    const rc = this.libc.socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, this.scratchPointer);
    return rc < 0 ? null : [this.scratch.readInt32LE(0), this.scratch.readInt32LE(4)];
  }

  // ── CPUs of the calling thread (pid 0 means that thread, not the process) ──────────────────────────────────

  getAffinity(set: Buffer): number {
    return this.libc.sched_getaffinity(0, set.length, this.libc.pointer(set));
  }

  setAffinity(set: Buffer): number {
    return this.libc.sched_setaffinity(0, set.length, this.libc.pointer(set));
  }
}

let loaded: System | string | null = null;

/** The system of this thread, or a text that says why there is none. */
export function loadSystem(): System | string {
  loaded ??= bindSystem();
  return loaded;
}

function bindSystem(): System | string {
  const libc = loadLibc();
  return typeof libc === 'string' ? libc : new System(libc);
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

/** Lets a listening socket refuse whoever comes, also where others have descriptors of it. */
export function refuseConnections(fd: number): void {
  requireSystem().refuseConnections(fd);
}
