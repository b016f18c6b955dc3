// IP literals and CIDR ranges: strict parsing and one canonical text for each (RFC 5952 for IPv6). Any thread; pure.
// Here because `node:net`, which could tell a literal from a name, belongs to `io`, and cannot canonicalise.

/** 4 bytes or 16. */
export type IpBytes = readonly number[];

export interface Cidr {
  readonly bytes: IpBytes;
  readonly bits: number;
}

/** Null for anything but an IPv4 or IPv6 literal. Zone ids (`%eth0`) are not taken. */
export function parseIp(text: string): IpBytes | null {
  return text.includes(':') ? parseIpv6(text) : parseIpv4(text);
}

/** Dotted quad, decimal, no leading zeros (which some systems read as octal). */
function parseIpv4(text: string): IpBytes | null {
  const parts = text.split('.');
  if (parts.length !== 4) return null;
  const bytes = parts.map((part) => (/^(0|[1-9]\d{0,2})$/.test(part) ? Number(part) : 256));
  return bytes.some((byte) => byte > 255) ? null : bytes;
}

function parseIpv6(text: string): IpBytes | null {
  const halves = text.split('::');
  if (halves.length > 2) return null;
  const head = parseGroups(halves[0] ?? '', halves.length === 1);
  if (halves.length === 1) return head?.length === 16 ? head : null;
  const tail = parseGroups(halves[1] ?? '', true);
  if (head === null || tail === null) return null;
  const missing = 16 - head.length - tail.length;
  return missing < 2 ? null : [...head, ...new Array<number>(missing).fill(0), ...tail];
}

/** Colon-separated groups of 16 bits; the last may be a dotted quad where `ends` says that the text ends here. */
function parseGroups(text: string, ends: boolean): IpBytes | null {
  if (text === '') return [];
  const bytes: number[] = [];
  const groups = text.split(':');
  for (const [index, group] of groups.entries()) {
    if (/^[0-9a-fA-F]{1,4}$/.test(group)) {
      const value = Number.parseInt(group, 16);
      bytes.push(value >> 8, value & 0xff);
      continue;
    }
    const quad = ends && index === groups.length - 1 ? parseIpv4(group) : null;
    if (quad === null) return null;
    bytes.push(...quad);
  }
  return bytes;
}

export function formatIp(bytes: IpBytes): string {
  if (bytes.length === 4) return bytes.join('.');
  const groups: number[] = [];
  for (let at = 0; at < 16; at += 2) groups.push(((bytes[at] ?? 0) << 8) | (bytes[at + 1] ?? 0));
  if (isMapped(groups)) return `::ffff:${bytes.slice(12).join('.')}`;
  const [start, length] = longestZeroRun(groups);
  const hex = groups.map((group) => group.toString(16));
  if (length < 2) return hex.join(':');
  return `${hex.slice(0, start).join(':')}::${hex.slice(start + length).join(':')}`;
}

function isMapped(groups: readonly number[]): boolean {
  return groups.slice(0, 5).every((group) => group === 0) && groups[5] === 0xffff;
}

function longestZeroRun(groups: readonly number[]): [start: number, length: number] {
  let best: [number, number] = [0, 0];
  let start = 0;
  for (let at = 0; at <= groups.length; at++) {
    if (at < groups.length && groups[at] === 0) continue;
    if (at - start > best[1]) best = [start, at - start];
    start = at + 1;
  }
  return best;
}

/** `10.0.0.0/8`; bits beyond the prefix are cleared, as Envoy does. */
export function parseCidr(text: string): Cidr | null {
  const match = /^([^/]+)\/(0|[1-9]\d{0,2})$/.exec(text);
  const bytes = match ? parseIp(match[1] ?? '') : null;
  const bits = Number(match?.[2]);
  if (bytes === null || bits > bytes.length * 8) return null;
  return { bytes: bytes.map((byte, index) => byte & prefixMask(bits - index * 8)), bits };
}

function prefixMask(bits: number): number {
  if (bits >= 8) return 0xff;
  return bits <= 0 ? 0 : (0xff << (8 - bits)) & 0xff;
}

export function formatCidr(cidr: Cidr): string {
  return `${formatIp(cidr.bytes)}/${cidr.bits}`;
}
