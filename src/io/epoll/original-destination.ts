// Where a connection was going before a NAT rule (iptables REDIRECT, DNAT) sent it here. Worker thread; no state.

import type { Address } from '../../core/address.ts';
import { readSockaddr } from './sockaddr.ts';
import type { System } from './system.ts';

/**
 * Null where nothing was redirected. Connection tracking knows other connections as well and answers with the socket's
 * own address: going there would be coming back here, without end.
 */
export function originalDestination(system: System, fd: number): Address | null {
  if (fd < 0 || system.sockName(fd) < 0) return null;
  const own = readSockaddr(system.sockaddr, system.sockaddrLength);
  if (own.kind !== 'ip' || system.originalName(fd, own.host.includes(':')) < 0) return null;
  const wanted = readSockaddr(system.sockaddr, system.sockaddrLength);
  if (wanted.kind !== 'ip' || (wanted.host === own.host && wanted.port === own.port)) return null;
  return wanted;
}
