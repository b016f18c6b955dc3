// Sets of address ranges. Any thread; immutable. `node:net`'s BlockList does the arithmetic.

import { BlockList, isIP } from 'node:net';

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
    const slash = text.indexOf('/');
    const address = slash < 0 ? text : text.slice(0, slash);
    const family = isIP(address);
    const length = text.slice(slash + 1);
    const bits = slash < 0 ? (family === 6 ? 128 : 32) : /^\d{1,3}$/.test(length) ? Number(length) : NaN; // '' is no length
    if (family === 0 || !Number.isInteger(bits) || bits < 0 || bits > (family === 6 ? 128 : 32)) {
      throw new RangeError(`"${text}" is not an address range`);
    }
    list.addSubnet(address, bits, family === 6 ? 'ipv6' : 'ipv4');
  }
  return new CidrSet(list);
}
