// The host that a session sticks to, by its address. Worker thread; owned by its Cluster, made when a session first asks.

import { formatAddress } from '../core/address.ts';
import { HOST_UNHEALTHY, type HostTable } from '../shared/host-table.ts';
import type { Host } from './host.ts';

export class StickyHosts {
  private readonly byAddress: ReadonlyMap<string, Host>;
  private readonly hostTable: HostTable;

  constructor(hosts: readonly Host[], hostTable: HostTable) {
    this.byAddress = new Map(hosts.map((host) => [formatAddress(host.address), host]));
    this.hostTable = hostTable;
  }

  /** Null where it is gone, or may not be used. */
  find(address: string): Host | null {
    const host = this.byAddress.get(address);
    if (host === undefined || (this.hostTable.flags(host.row) & HOST_UNHEALTHY) !== 0) return null;
    return host;
  }
}
