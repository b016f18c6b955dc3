// Listening sockets of the primary: one per worker on the same port, so that the kernel spreads the connections and a
// dead worker's queue waits for the next. Primary thread, but for the last function; the caller closes what it got.

import { readdirSync, unlinkSync } from 'node:fs';

import type { Address } from '../core/address.ts';
import { formatAddress } from '../core/address.ts';
import { addressOf, bindSocket, checkAddressFree, openListenSocket } from './epoll/listen-fd.ts';
import { readSockaddr } from './epoll/sockaddr.ts';
import { loadSystem, systemError } from './epoll/system.ts';
import type { System } from './epoll/system.ts';

export interface ListenSockets {
  /** One per worker; all -1 where there are no system calls: each worker then binds by itself through node. */
  readonly fds: readonly number[];
  /** With the real port where 0 was asked for. */
  readonly address: Address;
}

/**
 * Throws an Error with `code` (`EADDRINUSE`, `EACCES`, …) whose message names the address.
 * @param beside our own process listens there too, by an engine that binds by itself, and will stop.
 */
export function openListenSockets(address: Address, count: number, beside = false): ListenSockets {
  const system = loadSystem();
  if (typeof system === 'string') return { fds: new Array<number>(count).fill(-1), address };
  const fds: number[] = [];
  try {
    if (!beside) checkAddressFree(system, address);
    fds.push(openListenSocket(system, address));
    const actual = addressOf(system, fds[0]!);
    while (fds.length < count) fds.push(oneMore(system, fds[0]!, actual));
    return { fds, address: actual };
  } catch (error) {
    for (const fd of fds) system.close(fd);
    throw error;
  }
}

/**
 * Holds an address for workers that bind it by themselves: one port for all of them where 0 was asked for, and nobody
 * else's as long as it is held. Nothing is accepted on it. The rest as above.
 * @returns one descriptor, or none where there are no system calls and for a unix socket, which cannot be bound twice.
 */
export function holdAddress(address: Address, beside = false): ListenSockets {
  const system = loadSystem();
  if (typeof system === 'string') return { fds: [], address };
  if (address.kind === 'ip') {
    if (!beside) checkAddressFree(system, address);
    const fd = bindSocket(system, address, true);
    return { fds: [fd], address: addressOf(system, fd) };
  }
  system.close(openListenSocket(system, address)); // it can be had
  removeSocketFile(address);
  return { fds: [], address };
}

/** A unix socket cannot be bound twice: its workers accept from the same queue. */
function oneMore(system: System, first: number, address: Address): number {
  if (address.kind === 'ip') return openListenSocket(system, address);
  const fd = system.duplicate(first);
  if (fd < 0) throw systemError('dup', system.errno(), formatAddress(address));
  return fd;
}

/** More descriptors for the same sockets and their queues, for a listener that takes over another one's address. Throws as above. */
export function duplicateListenSockets({ fds, address }: ListenSockets): ListenSockets {
  const system = loadSystem();
  if (typeof system === 'string') return { fds, address };
  const copies: number[] = [];
  for (const fd of fds) {
    const copy = system.duplicate(fd);
    if (copy < 0) {
      const error = systemError('dup', system.errno(), formatAddress(address));
      for (const made of copies) system.close(made);
      throw error;
    }
    copies.push(copy);
  }
  return { fds: copies, address };
}

/** Closes one of them. What still waits in its queue is reset by the kernel. */
export function closeListenSocket(fd: number): void {
  const system = loadSystem();
  if (fd >= 0 && typeof system !== 'string') system.close(fd);
}

/** Removes the file of a unix socket after its last descriptor has been closed. */
export function removeSocketFile(address: Address): void {
  if (address.kind !== 'unix' || address.path.startsWith('@')) return;
  try {
    unlinkSync(address.path);
  } catch {
    // removed by somebody else, or no longer ours to remove
  }
}

/** Closes what a dead worker's ledger still lists. Its peers see the connections end. */
export function closeDescriptors(fds: readonly number[]): void {
  const system = loadSystem();
  if (typeof system === 'string') return;
  for (const fd of fds) system.close(fd);
}

/**
 * Bounds what the kernel keeps for each connection that is accepted from now on at a port of this process: for a library
 * that opens its sockets by itself and lets nobody at them. Worker thread. Does nothing where there are no system calls.
 */
export function boundReceiveBuffers(port: number, bytes: number): void {
  const system = loadSystem();
  if (typeof system === 'string') return;
  for (const name of descriptorsOf()) {
    const fd = Number(name);
    // Other threads open and close theirs meanwhile.
    if (!system.isListening(fd) || system.sockName(fd) < 0) continue;
    const address = readSockaddr(system.sockaddr, system.sockaddrLength);
    if (address.kind === 'ip' && address.port === port) system.setReceiveBuffer(fd, bytes);
  }
}

function descriptorsOf(): readonly string[] {
  try {
    return readdirSync('/proc/self/fd');
  } catch {
    return []; // no /proc here
  }
}
