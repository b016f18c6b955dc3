// Sets of address ranges. Any thread; immutable. `node:net`'s BlockList does the arithmetic.

import { BlockList, isIP } from 'node:net';

const RANGE = /^([^/]+)(?:\/(\d{1,3}))?$/;

export class CidrSet {
  private readonly list: BlockList;

  constructor(list: BlockList) {
    this.list = list;
  }

  contains(address: string): boolean {
    const family = isIP(address);
    return family !== 0 && this.list.check(address, family === 6 ? 'ipv6' : 'ipv4');
  }
}

/** An IPv4 or IPv6 literal, without port or brackets. */
export function isAddress(text: string): boolean {
  return isIP(text) !== 0;
}

/** `10.0.0.0/8`, `2001:db8::/32`, or a single address. Throws a RangeError that names the text. */
export function compileCidrs(texts: readonly string[]): CidrSet {
  const list = new BlockList();
  for (const text of texts) {
    const [, address = '', length] = RANGE.exec(text) ?? [];
    const family = isIP(address);
    const whole = family === 6 ? 128 : 32;
    const bits = length === undefined ? whole : Number(length);
    if (family === 0 || bits > whole) throw new RangeError(`"${text}" is not an address range`);
    list.addSubnet(address, bits, family === 6 ? 'ipv6' : 'ipv4');
  }
  return new CidrSet(list);
}
