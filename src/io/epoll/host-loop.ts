// Finds the epoll descriptor of libuv, the loop of node itself, for this thread: it is put inside ours, so that a
// thread blocked in our epoll_wait wakes for messages, DNS and everything else that node does. Any thread; no state.
//
// libuv does not tell its descriptor. A socket that node watches for us is the marker: the kernel lists the watched
// descriptors of every epoll instance in /proc/self/fdinfo.

import { readdirSync, readFileSync, readlinkSync } from 'node:fs';
import { Socket } from 'node:net';

import type { System } from './system.ts';

/** libuv registers a new watcher when it polls next; a few rounds are plenty. */
const ROUNDS = 5;

/** Calls `found` with the descriptor, or with -1 where it cannot be had (no /proc). */
export function findHostEpoll(system: System, found: (fd: number) => void): void {
  const pair = system.socketPair();
  if (pair === null) {
    found(-1);
    return;
  }
  const [marker, other] = pair;
  const socket = new Socket({ fd: marker, readable: true, writable: false });
  socket.on('error', () => undefined);
  socket.resume();
  let rounds = 0;
  const look = (): void => {
    const fd = watcherOf(marker);
    if (fd < 0 && ++rounds < ROUNDS) {
      setImmediate(look);
      return;
    }
    socket.destroy();
    system.close(other);
    found(fd);
  };
  setImmediate(look);
}

export const HOST_QUIET = 0;
/** A timer is armed; when it is due nobody tells. */
export const HOST_TIMERS = 1;
/** Somebody waits in setImmediate. */
export const HOST_IMMEDIATES = 2;

/** What node has before it that no descriptor tells of. A third of a microsecond: for before blocking. */
export function hostDue(): number {
  const active = process.getActiveResourcesInfo();
  if (active.includes('Immediate')) return HOST_IMMEDIATES;
  return active.includes('Timeout') ? HOST_TIMERS : HOST_QUIET;
}

/** The epoll instance that watches `fd`, or -1. */
function watcherOf(fd: number): number {
  const line = new RegExp(`^tfd:\\s+${fd}\\s`, 'm');
  for (const name of entriesOf('/proc/self/fd')) {
    try {
      if (readlinkSync(`/proc/self/fd/${name}`) !== 'anon_inode:[eventpoll]') continue;
      if (line.test(readFileSync(`/proc/self/fdinfo/${name}`, 'latin1'))) return Number(name);
    } catch {
      // closed by another thread in the meantime
    }
  }
  return -1;
}

function entriesOf(directory: string): string[] {
  try {
    return readdirSync(directory);
  } catch {
    return [];
  }
}
