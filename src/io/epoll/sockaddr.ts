// Socket addresses as the kernel wants and gives them, little-endian Linux. Worker and primary; no state.

import { isIPv4, isIPv6 } from 'node:net';
import { networkInterfaces } from 'node:os';

import type { Address } from '../../core/address.ts';
import { AF_INET, AF_INET6, AF_UNIX } from './system.ts';

/** sun_path holds 108 bytes, the last of which we keep for the NUL. */
const UNIX_PATH_MAX = 107;

export function familyOf(address: Address): number {
  if (address.kind === 'unix') return AF_UNIX;
  return address.host.includes(':') ? AF_INET6 : AF_INET;
}

/** Writes `address` into `out` and returns its length, or -1 when it is not one. */
export function writeSockaddr(address: Address, out: Buffer): number {
  out.writeUInt16LE(familyOf(address), 0);
  if (address.kind === 'unix') return writeUnix(address.path, out);
  if (address.port < 0 || address.port > 65535) return -1;
  out.writeUInt16BE(address.port, 2);
  if (isIPv4(address.host)) {
    writeIpv4(address.host, out, 4);
    return 16;
  }
  return isIPv6(address.host) ? writeIpv6(address.host, out) : -1;
}

function writeUnix(path: string, out: Buffer): number {
  const bytes = Buffer.from(path, 'utf8');
  if (bytes.length === 0 || bytes.length > UNIX_PATH_MAX) return -1;
  bytes.copy(out, 2);
  if (path.startsWith('@')) {
    out[2] = 0; // abstract: the length counts, there is no NUL at the end
    return 2 + bytes.length;
  }
  out[2 + bytes.length] = 0;
  return 3 + bytes.length;
}

function writeIpv4(host: string, out: Buffer, at: number): void {
  let i = at;
  for (const part of host.split('.')) out[i++] = Number(part);
}

function writeIpv6(text: string, out: Buffer): number {
  const [host = '', zone = ''] = text.split('%');
  out.fill(0, 4, 28);
  const [left = '', right] = host.split('::');
  const head = ipv6Bytes(left);
  const tail = right === undefined ? [] : ipv6Bytes(right);
  for (let i = 0; i < head.length; i++) out[8 + i] = head[i]!;
  for (let i = 0; i < tail.length; i++) out[24 - tail.length + i] = tail[i]!;
  if (zone !== '') out.writeUInt32LE(scopeId(zone), 24);
  return 28;
}

/** The bytes of `1:ab:10.0.0.1`; the text is known to be valid. */
function ipv6Bytes(text: string): number[] {
  const bytes: number[] = [];
  if (text === '') return bytes;
  for (const group of text.split(':')) {
    if (group.includes('.')) {
      for (const part of group.split('.')) bytes.push(Number(part));
    } else {
      const value = parseInt(group, 16);
      bytes.push(value >> 8, value & 255);
    }
  }
  return bytes;
}

function scopeId(zone: string): number {
  if (/^\d+$/.test(zone)) return Number(zone);
  for (const entry of networkInterfaces()[zone] ?? []) if (entry.family === 'IPv6') return entry.scopeid;
  return 0;
}

/** The address in the first `length` bytes of `from`. A v4-mapped IPv6 address is given as the IPv4 that it is. */
export function readSockaddr(from: Buffer, length: number): Address {
  const family = length >= 2 ? from.readUInt16LE(0) : AF_UNIX;
  if (family === AF_INET) return { kind: 'ip', host: ipv4Text(from.readInt32BE(4)), port: from.readUInt16BE(2) };
  if (family === AF_INET6) return { kind: 'ip', host: readIpv6(from), port: from.readUInt16BE(2) };
  return { kind: 'unix', path: readUnix(from, length) };
}

function readUnix(from: Buffer, length: number): string {
  if (length <= 2) return '';
  if (from[2] === 0) return `@${from.toString('utf8', 3, length)}`;
  const nul = from.indexOf(0, 2);
  return from.toString('utf8', 2, nul >= 0 && nul < length ? nul : length);
}

/** `127.0.0.1` for 0x7f000001. */
export function ipv4Text(ip: number): string {
  return `${ip >>> 24}.${(ip >>> 16) & 255}.${(ip >>> 8) & 255}.${ip & 255}`;
}

/** The IPv4 address inside a v4-mapped sockaddr_in6 (RFC 4291 section 2.5.5.2), and whether it is one. */
export function isMappedIpv4(from: Buffer): boolean {
  for (let i = 8; i < 18; i++) if (from[i] !== 0) return false;
  return from[18] === 0xff && from[19] === 0xff;
}

function readIpv6(from: Buffer): string {
  if (isMappedIpv4(from)) return ipv4Text(from.readInt32BE(20));
  const text = ipv6Text(from, 8);
  const scope = from.readUInt32LE(24);
  return scope === 0 ? text : `${text}%${scopeName(scope)}`;
}

/** RFC 5952: lower case, no leading zeros, the longest run of two or more zero groups as `::`. */
function ipv6Text(from: Buffer, at: number): string {
  const groups: number[] = [];
  for (let i = 0; i < 8; i++) groups.push(from.readUInt16BE(at + i * 2));
  let bestAt = -1;
  let bestLength = 1;
  for (let i = 0; i < 8; i++) {
    let j = i;
    while (j < 8 && groups[j] === 0) j++;
    if (j - i > bestLength) {
      bestAt = i;
      bestLength = j - i;
    }
    if (j > i) i = j;
  }
  const hex = groups.map((group) => group.toString(16));
  if (bestAt < 0) return hex.join(':');
  return `${hex.slice(0, bestAt).join(':')}::${hex.slice(bestAt + bestLength).join(':')}`;
}

function scopeName(scope: number): string {
  for (const [name, entries] of Object.entries(networkInterfaces())) {
    for (const entry of entries ?? []) if (entry.family === 'IPv6' && entry.scopeid === scope) return name;
  }
  return String(scope);
}
