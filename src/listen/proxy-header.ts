// The PROXY protocol, versions 1 and 2, as a listener receives it. Any thread; pure. Source: haproxy's
// proxy-protocol.txt, 2020/03/05. Strict: what breaks a rule is refused, and what may still become a header is waited for.

import { formatIp, parseIp } from '../config/ip.ts';
import { crc32c } from './crc32c.ts';

/** The bytes so far begin a header. */
export const PROXY_MORE = -1;
/** They do not begin one. */
export const PROXY_NONE = -2;
export const PROXY_BAD_V1 = -3;
export const PROXY_BAD_V2 = -4;

export interface ProxyTlv {
  readonly type: number;
  readonly value: Buffer;
}

/** What a whole header says. */
export interface ProxyHeader {
  version: 1 | 2;
  /** Nothing is told of the caller (UNKNOWN, LOCAL, UNSPEC): the connection's own addresses stand. */
  own: boolean;
  /** Numeric IPs, or paths with port 0. */
  sourceAddress: string;
  sourcePort: number;
  destinationAddress: string;
  destinationPort: number;
  tlvs: readonly ProxyTlv[];
}

const V1_START = Buffer.from('PROXY ', 'latin1');
/** Section 2.1: the longest line with its CRLF. */
const V1_MOST_BYTES = 107;
const V2_START = Buffer.from('\r\n\r\n\0\r\nQUIT\n', 'latin1');
const V2_HEAD_BYTES = 16;
const CR = 13;
const LF = 10;
const PORT = /^(?:0|[1-9]\d{0,4})$/;

const NO_TLVS: readonly ProxyTlv[] = [];
const TLV_CRC32C = 0x03;
const UNIX_PATH_BYTES = 108;

export function blankProxyHeader(): ProxyHeader {
  return { version: 1, own: true, sourceAddress: '', sourcePort: 0, destinationAddress: '', destinationPort: 0, tlvs: NO_TLVS };
}

/** @returns the length of the header, with what it says in `into`; or one of the negative answers above. */
export function parseProxyHeader(buf: Buffer, start: number, end: number, into: ProxyHeader): number {
  if (start === end) return PROXY_MORE;
  const first = buf[start] === V1_START[0] ? V1_START : V2_START;
  const length = Math.min(first.length, end - start);
  if (first.compare(buf, start, start + length, 0, length) !== 0) return PROXY_NONE;
  if (length < first.length) return PROXY_MORE;
  into.own = true;
  into.tlvs = NO_TLVS;
  into.version = first === V1_START ? 1 : 2;
  return into.version === 1 ? parseLine(buf, start, end, into) : parseBinary(buf, start, end, into);
}

// ---- version 1: one line of text ----

function parseLine(buf: Buffer, start: number, end: number, into: ProxyHeader): number {
  const most = Math.min(end, start + V1_MOST_BYTES);
  let at = start + V1_START.length;
  while (at < most && buf[at] !== CR && buf[at] !== LF) at++;
  if (at === most || at + 1 === most) {
    if (at < most && buf[at] === LF) return PROXY_BAD_V1;
    return most === start + V1_MOST_BYTES ? PROXY_BAD_V1 : PROXY_MORE;
  }
  if (buf[at] !== CR || buf[at + 1] !== LF) return PROXY_BAD_V1;
  const line = buf.latin1Slice(start + V1_START.length, at);
  if (line !== 'UNKNOWN' && !line.startsWith('UNKNOWN ') && !parseWords(line.split(' '), into)) return PROXY_BAD_V1;
  return at + 2 - start;
}

function parseWords(words: readonly string[], into: ProxyHeader): boolean {
  if (words.length !== 5) return false;
  const [family = '', source = '', destination = '', sourcePort = '', destinationPort = ''] = words;
  const size = family === 'TCP4' ? 4 : family === 'TCP6' ? 16 : 0;
  const from = parseIp(source);
  const to = parseIp(destination);
  if (size === 0 || from === null || to === null || from.length !== size || to.length !== size) return false;
  if (!PORT.test(sourcePort) || !PORT.test(destinationPort)) return false;
  into.own = false;
  into.sourceAddress = unmapped(formatIp(from));
  into.sourcePort = Number(sourcePort);
  into.destinationAddress = unmapped(formatIp(to));
  into.destinationPort = Number(destinationPort);
  return into.sourcePort <= 0xffff && into.destinationPort <= 0xffff;
}

// ---- version 2: binary ----

function parseBinary(buf: Buffer, start: number, end: number, into: ProxyHeader): number {
  if (end - start < V2_HEAD_BYTES) return end - start > 12 && buf[start + 12]! >> 4 !== 2 ? PROXY_BAD_V2 : PROXY_MORE;
  const command = buf[start + 12]!;
  const length = V2_HEAD_BYTES + buf.readUInt16BE(start + 14);
  if (command !== 0x20 && command !== 0x21) return PROXY_BAD_V2;
  const addressBytes = command === 0x20 ? 0 : addressLength(buf[start + 13]!);
  if (addressBytes < 0 || V2_HEAD_BYTES + addressBytes > length) return PROXY_BAD_V2;
  if (end - start < length) return PROXY_MORE;
  // Section 2.2: what follows LOCAL is skipped unread.
  if (command === 0x20) return length;
  if (addressBytes > 0) readAddresses(buf, start + V2_HEAD_BYTES, addressBytes, into);
  const tlvs = readTlvs(buf, start, start + V2_HEAD_BYTES + addressBytes, start + length);
  if (tlvs === null) return PROXY_BAD_V2;
  into.tlvs = tlvs;
  return length;
}

/** By family and transport; -1 for datagrams and for what the specification does not know. */
function addressLength(family: number): number {
  switch (family) {
    case 0x00:
      return 0;
    case 0x11:
      return 12;
    case 0x21:
      return 36;
    case 0x31:
      return 2 * UNIX_PATH_BYTES;
    default:
      return -1;
  }
}

function readAddresses(buf: Buffer, at: number, length: number, into: ProxyHeader): void {
  into.own = false;
  if (length === 2 * UNIX_PATH_BYTES) {
    into.sourceAddress = readPath(buf, at);
    into.destinationAddress = readPath(buf, at + UNIX_PATH_BYTES);
    into.sourcePort = 0;
    into.destinationPort = 0;
    return;
  }
  const size = length === 12 ? 4 : 16;
  into.sourceAddress = readIp(buf, at, size);
  into.destinationAddress = readIp(buf, at + size, size);
  into.sourcePort = buf.readUInt16BE(at + 2 * size);
  into.destinationPort = buf.readUInt16BE(at + 2 * size + 2);
}

function readIp(buf: Buffer, at: number, size: number): string {
  return unmapped(formatIp([...buf.subarray(at, at + size)]));
}

/** A v4-mapped address is the IPv4 that it is, as everywhere else. */
function unmapped(address: string): string {
  return address.startsWith('::ffff:') && address.includes('.') ? address.slice(7) : address;
}

/** As `sun_path`: up to a NUL; one that begins with a NUL is an abstract name. */
function readPath(buf: Buffer, at: number): string {
  const whole = buf.subarray(at, at + UNIX_PATH_BYTES);
  const from = whole[0] === 0 ? 1 : 0;
  const nul = whole.indexOf(0, from);
  const name = whole.toString('utf8', from, nul < 0 ? UNIX_PATH_BYTES : nul);
  return from === 1 && name !== '' ? `@${name}` : name;
}

/** Null where one reaches beyond the header, or the checksum is wrong. */
function readTlvs(buf: Buffer, start: number, from: number, end: number): ProxyTlv[] | null {
  const tlvs: ProxyTlv[] = [];
  let at = from;
  let checked = false;
  while (at < end) {
    if (at + 3 > end) return null;
    const type = buf[at]!;
    const next = at + 3 + buf.readUInt16BE(at + 1);
    if (next > end) return null;
    if (type === TLV_CRC32C) {
      if (checked || next - at !== 7 || !hasChecksum(buf, start, at + 3, end)) return null;
      checked = true;
    }
    tlvs.push({ type, value: Buffer.from(buf.subarray(at + 3, next)) });
    at = next;
  }
  return tlvs;
}

/** The sum is over the whole header, with zeros where it stands itself (section 2.2.3). */
function hasChecksum(buf: Buffer, start: number, at: number, end: number): boolean {
  const copy = Buffer.from(buf.subarray(start, end));
  copy.fill(0, at - start, at - start + 4);
  return crc32c(copy) === buf.readUInt32BE(at);
}
