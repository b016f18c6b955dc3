// The connections of one worker to one host whose TLS asks for the host of each request: a pool per name, because a
// connection that was made for one name must not carry requests for another. Worker thread; owned by its Host.

import { isIP } from 'node:net';

import { fault } from '../core/fault.ts';
import type { Stream } from '../core/stream.ts';
import * as S from '../observe/stat-names.ts';
import type { Cluster } from './cluster.ts';
import type { Host } from './host.ts';
import type { Pool } from './pool.ts';

/** Names come from callers. Beyond this many at one time requests for others are turned away. */
const NAMES_MOST = 1000;
const OVERFLOW = fault('overflow', 'local', 'never', 'overflow');

export interface NamedPool extends Pool {
  /** Something is under way here: a request, or a connection for one. */
  readonly isBusy: boolean;
}

export class NamedPools implements Pool {
  private readonly cluster: Cluster;
  private current: Host;
  private readonly pools = new Map<string, NamedPool>();
  private readonly make: (host: Host, name: string) => NamedPool;
  private draining = false;

  constructor(cluster: Cluster, host: Host, make: (host: Host, name: string) => NamedPool) {
    this.cluster = cluster;
    this.current = host;
    this.make = make;
  }

  get host(): Host {
    return this.current;
  }

  set host(host: Host) {
    this.current = host;
    for (const pool of this.pools.values()) pool.host = host;
  }

  acquire(stream: Stream): void {
    const name = serverNameOf(stream);
    let pool = this.pools.get(name);
    if (pool === undefined) {
      if (this.pools.size >= NAMES_MOST && !this.forgetOne()) {
        this.cluster.tools.cells[this.cluster.stats + S.UP_RQ_PENDING_OVERFLOW]!++;
        stream.upFailed(OVERFLOW);
        return;
      }
      pool = this.make(this.current, name);
      this.pools.set(name, pool);
      if (this.draining) pool.drain();
    }
    pool.acquire(stream);
  }

  cancel(stream: Stream): void {
    this.pools.get(serverNameOf(stream))?.cancel(stream);
  }

  get needsConnection(): boolean {
    for (const pool of this.pools.values()) if (pool.needsConnection) return true;
    return false;
  }

  connectOne(): boolean {
    for (const pool of this.pools.values()) if (!pool.connectOne()) return false;
    return true;
  }

  drain(): void {
    this.draining = true;
    for (const pool of this.pools.values()) pool.drain();
  }

  closeOldestIdle(): boolean {
    for (const pool of this.pools.values()) if (pool.closeOldestIdle()) return true;
    return false;
  }

  /** Makes room for a name by letting go one that has no connection, or only idle ones. */
  private forgetOne(): boolean {
    for (const [name, pool] of this.pools) {
      if (pool.isBusy) continue;
      pool.drain();
      this.pools.delete(name);
      return true;
    }
    return false;
  }
}

/** The host that the request names upstream, without its port; '' for an address, which SNI cannot carry. */
function serverNameOf(stream: Stream): string {
  const authority = stream.upstreamAuthority === '' ? stream.authority : stream.upstreamAuthority;
  const colon = authority.lastIndexOf(':');
  const host = colon < 0 || authority.endsWith(']') ? authority : authority.slice(0, colon);
  return host.startsWith('[') || isIP(host) !== 0 ? '' : host.toLowerCase();
}
