// The PROXY protocol header that tells a host who called: versions 1 and 2 (haproxy's proxy-protocol.txt). Any thread; pure.

import type { ClusterConfig } from '../config/cluster-snapshot.ts';
import { parseIp, type IpBytes } from '../config/ip.ts';

export type ProxyVersion = NonNullable<ClusterConfig['proxyProtocol']>;

/** Addresses as a connection tells them: numeric IPs, or paths of unix sockets. */
export interface Ends {
  readonly remoteAddress: string;
  readonly remotePort: number;
  readonly localAddress: string;
  readonly localPort: number;
}

const SIGNATURE = Buffer.from('\r\n\r\n\0\r\nQUIT\n', 'latin1');
const PROXY = 0x21;
const TCP4 = 0x11;
const TCP6 = 0x21;
const UNSPEC = 0x00;
const MAPPED: IpBytes = [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff];

export function proxyHeader(version: ProxyVersion, ends: Ends): Buffer {
  const source = parseIp(withoutZone(ends.remoteAddress));
  const destination = parseIp(withoutZone(ends.localAddress));
  if (version === 'v1') return Buffer.from(line(source, destination, ends), 'latin1');
  if (source === null || destination === null) return binary(UNSPEC, Buffer.alloc(0));
  const both = source.length === destination.length;
  const ports = Buffer.alloc(4);
  ports.writeUInt16BE(ends.remotePort, 0);
  ports.writeUInt16BE(ends.localPort, 2);
  const from = both ? source : mapped(source);
  const to = both ? destination : mapped(destination);
  return binary(from.length === 4 ? TCP4 : TCP6, Buffer.concat([Buffer.from(from), Buffer.from(to), ports]));
}

/** Version 1 knows no unix sockets and no mixed families: then the caller stays unknown. */
function line(source: IpBytes | null, destination: IpBytes | null, ends: Ends): string {
  if (source === null || destination === null || source.length !== destination.length) return 'PROXY UNKNOWN\r\n';
  const family = source.length === 4 ? 'TCP4' : 'TCP6';
  return `PROXY ${family} ${withoutZone(ends.remoteAddress)} ${withoutZone(ends.localAddress)} ${ends.remotePort} ${ends.localPort}\r\n`;
}

function binary(family: number, rest: Buffer): Buffer {
  const head = Buffer.from([PROXY, family, 0, rest.length]);
  return Buffer.concat([SIGNATURE, head, rest]);
}

function mapped(ip: IpBytes): IpBytes {
  return ip.length === 16 ? ip : [...MAPPED, ...ip];
}

function withoutZone(address: string): string {
  const zone = address.indexOf('%');
  return zone < 0 ? address : address.slice(0, zone);
}
