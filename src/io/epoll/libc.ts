// The C library's functions that the epoll engine uses, bound through koffi: the only file that knows koffi. Bound once
// per thread, on first use, so that a machine without koffi can still run the node engine. Pointers are plain numbers;
// `system.ts` and `poller.ts` alone make them, and check every range.

import { createRequire } from 'node:module';

type Call = (...args: number[]) => number;

interface Koffi {
  load(path: null): { func(signature: string): Call };
  address(buf: Uint8Array): bigint;
  view(pointer: bigint, length: number): ArrayBuffer;
  errno(): number;
}

/** The numbers in our system-call constants hold for these; others (MIPS, SPARC, …) have their own. */
const ARCHITECTURES = ['x64', 'arm64', 'riscv64'];

export interface Libc {
  /** Where a Buffer lies. The caller keeps it alive as long as it uses the number. */
  pointer(buf: Uint8Array): number;
  /** errno of the last call that returned a negative number. */
  errno(): number;
  socket(family: number, type: number, protocol: number): number;
  bind(fd: number, address: number, length: number): number;
  listen(fd: number, backlog: number): number;
  accept4(fd: number, address: number, length: number, flags: number): number;
  connect(fd: number, address: number, length: number): number;
  setsockopt(...fdLevelOptionValueLength: number[]): number;
  getsockopt(...fdLevelOptionValueLength: number[]): number;
  getsockname(fd: number, address: number, length: number): number;
  shutdown(fd: number, how: number): number;
  close(fd: number): number;
  recv(fd: number, buf: number, length: number, flags: number): number;
  send(fd: number, buf: number, length: number, flags: number): number;
  fcntl(fd: number, command: number, argument: number): number;
  socketpair(family: number, type: number, protocol: number, fds: number): number;
  sched_getaffinity(pid: number, length: number, set: number): number;
  sched_setaffinity(pid: number, length: number, set: number): number;
  /** The memory of a mapping, which must outlive every use of it. */
  view(pointer: number, length: number): ArrayBuffer;
  syscall(...numberAndArguments: number[]): number;
  munmap(address: number, length: number): number;
  mmap(...addressLengthProtectionFlagsFdOffset: number[]): number;
  epoll_create1(flags: number): number;
  epoll_ctl(epfd: number, op: number, fd: number, event: number): number;
  epoll_wait(epfd: number, events: number, capacity: number, timeoutMs: number): number;
}

let loaded: Libc | string | null = null;

/** The C library of this thread, or a text that says why there is none. */
export function loadLibc(): Libc | string {
  loaded ??= bindLibc();
  return loaded;
}

function bindLibc(): Libc | string {
  if (process.platform !== 'linux') return `the epoll engine needs Linux, this is ${process.platform}`;
  if (!ARCHITECTURES.includes(process.arch)) return `the epoll engine does not know ${process.arch}`;
  try {
    return bound(createRequire(import.meta.url)('koffi') as Koffi);
  } catch (error) {
    return `koffi does not load: ${error instanceof Error ? error.message.split('\n', 1)[0] : String(error)}`;
  }
}

function bound(koffi: Koffi): Libc {
  // The node executable is linked to the C library, whichever it is (glibc, musl).
  const lib = koffi.load(null);
  return {
    pointer: (buf) => Number(koffi.address(buf)),
    errno: koffi.errno,
    socket: lib.func('int socket(int, int, int)'),
    bind: lib.func('int bind(int, uintptr_t, uint32_t)'),
    listen: lib.func('int listen(int, int)'),
    accept4: lib.func('int accept4(int, uintptr_t, uintptr_t, int)'),
    connect: lib.func('int connect(int, uintptr_t, uint32_t)'),
    setsockopt: lib.func('int setsockopt(int, int, int, uintptr_t, uint32_t)'),
    getsockopt: lib.func('int getsockopt(int, int, int, uintptr_t, uintptr_t)'),
    getsockname: lib.func('int getsockname(int, uintptr_t, uintptr_t)'),
    shutdown: lib.func('int shutdown(int, int)'),
    close: lib.func('int close(int)'),
    recv: lib.func('int64 recv(int, uintptr_t, size_t, int)'),
    send: lib.func('int64 send(int, uintptr_t, size_t, int)'),
    fcntl: lib.func('int fcntl(int, int, int)'),
    socketpair: lib.func('int socketpair(int, int, int, uintptr_t)'),
    sched_getaffinity: lib.func('int sched_getaffinity(int, size_t, uintptr_t)'),
    sched_setaffinity: lib.func('int sched_setaffinity(int, size_t, uintptr_t)'),
    view: (pointer, length) => koffi.view(BigInt(pointer), length),
    syscall: lib.func('long syscall(long, long, uintptr_t, long, long, long, long)'),
    mmap: lib.func('intptr_t mmap(uintptr_t, size_t, int, int, int, int64)'),
    munmap: lib.func('int munmap(uintptr_t, size_t)'),
    epoll_create1: lib.func('int epoll_create1(int)'),
    epoll_ctl: lib.func('int epoll_ctl(int, int, int, uintptr_t)'),
    epoll_wait: lib.func('int epoll_wait(int, uintptr_t, int, int)'),
  };
}
