// `IP:port`, `[v6]:port`, `name:port`, `unix:/path` and `unix:@name` → an address. Any thread; pure.

import type { Address } from '../core/address.ts';
import { formatIp, parseIp } from './ip.ts';

/** sun_path holds 108 bytes with its closing NUL (unix(7)). */
const MAX_UNIX_PATH_BYTES = 107;
const MAX_PORT = 65_535;
/** RFC 1035 section 2.3.4: 255 octets with the lengths of the labels and the root. */
const MAX_NAME_LENGTH = 253;
const HOST_NAME = /^(?:(?!-)[A-Za-z0-9_-]{1,63}(?<!-)\.)*(?!-)[A-Za-z0-9_-]{1,63}(?<!-)\.?$/;

/** What is wrong with an address to listen on, or null. Port 0 asks the system for a free one. */
export function explainListenAddress(text: string): string | null {
  return explainAddress(text, 0, 'a listener takes an IP address: 0.0.0.0 is every IPv4 interface, [::] every IPv6 one, 127.0.0.1 this machine only');
}

/** What is wrong with the address of an endpoint, a name among them, or null. */
export function explainEndpointAddress(text: string): string | null {
  return explainNamedAddress(text) ?? (endpointName(text) === '' ? explainStaticAddress(text) : null);
}

/** What is wrong with the address of an endpoint that is not looked up, or null. */
export function explainStaticAddress(text: string): string | null {
  return explainAddress(text, 1, 'a static endpoint takes an IP address; "type": "strictDns" looks names up');
}

/** What is wrong with the address of a DNS server, or null. The port may be left out. */
export function explainResolverAddress(text: string): string | null {
  if (parseIp(text) !== null) return null;
  if (text.startsWith('unix:')) return 'must be an IP address, with or without port';
  return explainAddress(text, 1, 'a DNS server is found by its IP address');
}

/** The host name of `name:port`; '' for what is no name. */
export function endpointName(text: string): string {
  if (text.startsWith('unix:') || text.includes('/')) return '';
  const { host, port } = splitHostPort(text);
  return port !== null && isHostName(host) ? host : '';
}

/** Letters, digits, - and _ between dots; a last label of digits would be an address that went wrong (RFC 3696 section 2). */
function isHostName(host: string): boolean {
  return host.length <= MAX_NAME_LENGTH && HOST_NAME.test(host) && !/(?:^|\.)\d+\.?$/.test(host);
}

function explainNamedAddress(text: string): string | null {
  const name = endpointName(text);
  return name === '' ? null : explainPort(text.slice(name.length + 1), 1);
}

function explainAddress(text: string, minPort: number, advice: string): string | null {
  if (text.startsWith('unix:')) return explainUnixPath(text.slice('unix:'.length));
  if (text.includes('/')) return 'must be an address only, "IP:port", without scheme or path';
  const { host, port } = splitHostPort(text);
  if (port === null) return explainMissingPort(text);
  if (host === '') return `has no host; ${advice}`;
  const brackets = host.startsWith('[');
  const bytes = parseIp(brackets ? host.slice(1, -1) : host);
  if (bytes === null) return explainHost(host, port, advice);
  if (brackets !== (bytes.length === 16)) return brackets ? 'must not put an IPv4 address in brackets' : `must put the IPv6 address in brackets: "[${host}]:${port}"`;
  return explainPort(port, minPort);
}

function explainMissingPort(text: string): string {
  const bytes = parseIp(text);
  if (bytes === null) return 'must be "IP:port", "[v6]:port" or "unix:/path"';
  return `has no port: write "${bytes.length === 16 ? `[${text}]` : text}:8080"`;
}

function explainHost(host: string, port: string, advice: string): string {
  if (host.toLowerCase() === 'localhost') return `is a name; write "127.0.0.1:${port}" (or "[::1]:${port}"): ${advice}`;
  if (host.includes('%')) return 'must not have a zone id';
  return /^[\d.]+$|^\[/.test(host) || host.includes(':') ? `holds no valid IP address: ${host}` : `is a host name; ${advice}`;
}

function explainPort(port: string, minPort: number): string | null {
  const valid = /^\d{1,5}$/.test(port) && Number(port) >= minPort && Number(port) <= MAX_PORT;
  return valid ? null : `must have a port from ${minPort} to ${MAX_PORT}`;
}

function explainUnixPath(path: string): string | null {
  if (path === '' || path === '@') return 'names no socket: write "unix:/path" or "unix:@name"';
  if (!path.startsWith('/') && !path.startsWith('@')) return `must be an absolute path, "unix:/${path}", or an abstract name, "unix:@${path}"`;
   
  if (/[\0-\x1F\x7F]/.test(path)) return 'must not hold control characters';
  return Buffer.byteLength(path) > MAX_UNIX_PATH_BYTES ? `is longer than ${MAX_UNIX_PATH_BYTES} bytes, the system's limit for sockets` : null;
}

/** @param text an address that one of the `explain…` functions found nothing wrong with. IPs come out in canonical form, names as they are. */
export function parseAddress(text: string): Address {
  if (text.startsWith('unix:')) return { kind: 'unix', path: text.slice('unix:'.length) };
  const { host, port } = splitHostPort(text);
  const bytes = parseIp(host.replace(/^\[|\]$/g, ''));
  return { kind: 'ip', host: bytes ? formatIp(bytes) : host, port: Number(port) };
}

/** The port is what follows the last colon outside brackets; null when there is none. */
function splitHostPort(text: string): { host: string; port: string | null } {
  const colon = text.lastIndexOf(':');
  if (colon === -1 || text.endsWith(']') || parseIp(text) !== null) return { host: text, port: null };
  return { host: text.slice(0, colon), port: text.slice(colon + 1) };
}
