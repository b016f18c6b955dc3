// Listening sockets made by system calls. Primary thread, and a worker that was given none. The caller owns what it gets.

import { lstatSync, unlinkSync } from 'node:fs';

import type { Address } from '../../core/address.ts';
import { formatAddress } from '../../core/address.ts';
import { familyOf, readSockaddr, writeSockaddr } from './sockaddr.ts';
import { AF_INET6, AF_UNIX, EADDRINUSE, EAGAIN, ECONNREFUSED, EINVAL, systemError } from './system.ts';
import type { System } from './system.ts';

/** The kernel cuts it to net.core.somaxconn. */
export const LISTEN_BACKLOG = 65_535;

/** A listening socket that others may share the port with by SO_REUSEPORT. Throws an Error with `code`. */
export function openListenSocket(system: System, address: Address): number {
  if (address.kind === 'unix') removeStalePath(system, address);
  const fd = bindSocket(system, address, address.kind === 'ip');
  if (system.listen(fd, LISTEN_BACKLOG) >= 0) return fd;
  throw closing(system, fd, 'listen', address);
}

/** Throws EADDRINUSE when somebody listens there already, also where SO_REUSEPORT would let us in beside them. */
export function checkAddressFree(system: System, address: Address): void {
  if (address.kind === 'ip' && address.port !== 0) system.close(bindSocket(system, address, false));
}

/** The address that the socket has got. */
export function addressOf(system: System, fd: number): Address {
  if (system.sockName(fd) < 0) throw systemError('getsockname', system.errno(), '');
  return readSockaddr(system.sockaddr, system.sockaddrLength);
}

/** A socket bound to `address`, not yet listening. */
export function bindSocket(system: System, address: Address, reusePort: boolean): number {
  const length = writeSockaddr(address, system.sockaddr);
  if (length < 0) throw systemError('bind', EINVAL, formatAddress(address));
  const family = familyOf(address);
  const fd = system.socket(family);
  if (fd < 0) throw systemError('socket', system.errno(), formatAddress(address));
  if (family !== AF_UNIX) system.setReuseAddress(fd);
  if (reusePort && system.setReusePort(fd) < 0) throw closing(system, fd, 'setsockopt', address);
  // The IPv6 wildcard takes IPv4 callers too, as with Envoy's ipv4_compat and node's own servers.
  if (family === AF_INET6) system.setIpv6Only(fd, address.kind === 'ip' && address.host !== '::');
  if (system.bind(fd, length) < 0) throw closing(system, fd, 'bind', address);
  return fd;
}

function closing(system: System, fd: number, syscall: string, address: Address): Error {
  const error = systemError(syscall, system.errno(), formatAddress(address));
  system.close(fd);
  return error;
}

/** A socket file outlives its process. One that nobody answers on is removed, one with an owner is an error. */
function removeStalePath(system: System, address: Address & { kind: 'unix' }): void {
  if (address.path.startsWith('@')) return;
  if (!lstatSync(address.path, { throwIfNoEntry: false })?.isSocket()) return;
  const length = writeSockaddr(address, system.sockaddr);
  const fd = length < 0 ? -1 : system.socket(AF_UNIX);
  if (fd < 0) return;
  const errno = system.connect(fd, length) >= 0 ? 0 : system.errno();
  system.close(fd);
  if (errno === ECONNREFUSED) unlinkSync(address.path);
  else if (errno === 0 || errno === EAGAIN) throw systemError('bind', EADDRINUSE, formatAddress(address));
}
