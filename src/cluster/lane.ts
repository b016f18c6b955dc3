// One priority of a cluster as a worker carries it: its row in the breaker table, and who waits while that is used up.
// Worker thread; owned by its Cluster. As in Envoy, each priority has connections of its own, so that what has filled one
// row never holds up the other.

import type { Cluster } from './cluster.ts';
import type { Host } from './host.ts';
import type { Pool } from './pool.ts';
import { Scarcity } from './scarcity.ts';

export class Lane {
  readonly cluster: Cluster;
  readonly isHigh: boolean;
  /** Row in the breaker table. */
  readonly row: number;
  /** That of the other priority. */
  readonly otherRow: number;
  readonly scarcity: Scarcity;

  constructor(cluster: Cluster, isHigh: boolean) {
    this.cluster = cluster;
    this.isHigh = isHigh;
    this.row = cluster.breakerRow + (isHigh ? 1 : 0);
    this.otherRow = cluster.breakerRow + (isHigh ? 0 : 1);
    this.scarcity = new Scarcity(this);
  }

  /** This priority's connections to a host; null: there have been none yet. */
  poolOf(host: Host): Pool | null {
    return this.isHigh ? host.highPool : host.pool;
  }
}
