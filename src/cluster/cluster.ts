// One cluster as a worker carries it: hosts, picker, pools, and what it may take from the breaker table. Worker thread.
// A cluster whose content hash did not change survives a reload with its pools; a changed one keeps the pools of the
// hosts that stayed, and a removed one drains.

import type { ClusterConfig } from '../config/snapshot.ts';
import type { OutBuffer } from '../core/out-buffer.ts';
import type { Random } from '../core/random.ts';
import type { Clock } from '../core/clock.ts';
import type { Loop } from '../io/conn.ts';
import { RES_CX, type Breakers } from '../shared/breaker-table.ts';
import type { ClusterPlan } from '../shared/plan.ts';
import { Host } from './host.ts';
import { H1Pool } from './h1-pool.ts';
import { H2Pool } from './h2-pool.ts';
import { OriginalDestinations } from './original-destinations.ts';
import { makePicker, type Picker } from './pick.ts';
import { Scarcity } from './scarcity.ts';

/** What a worker lends to its clusters. */
export interface ClusterTools {
  readonly loop: Loop;
  readonly clock: Clock;
  readonly cells: Float64Array;
  readonly buckets: Uint32Array;
  readonly breakers: Breakers;
  readonly random: Random;
  readonly out: OutBuffer;
}

export class Cluster {
  readonly name: string;
  readonly tools: ClusterTools;
  config: ClusterConfig;
  /** First cell of `cluster.NAME.*`. */
  readonly stats: number;
  readonly histograms: number;
  readonly breakerRow: number;
  hosts: readonly Host[] = [];
  picker: Picker;
  readonly scarcity: Scarcity;
  /** Of the type originalDst: the hosts that callers bring. */
  private original: OriginalDestinations | null = null;

  constructor(config: ClusterConfig, plan: ClusterPlan, tools: ClusterTools) {
    this.name = config.name;
    this.config = config;
    this.tools = tools;
    this.stats = plan.stats;
    this.histograms = plan.histograms;
    this.breakerRow = plan.breakers;
    this.scarcity = new Scarcity(this);
    this.picker = makePicker('roundRobin', [], tools.random);
    this.update(config, plan);
  }

  /** Takes a changed configuration over; hosts that stayed keep their pools, unless another protocol is spoken now. */
  update(config: ClusterConfig, plan: ClusterPlan): void {
    const sameWay = config.protocol === this.config.protocol && config.proxyProtocol === this.config.proxyProtocol;
    const before = new Map(this.hosts.map((host) => [host.text, host]));
    const hosts: Host[] = [];
    config.endpoints.forEach((endpoint, i) => {
      const old = before.get(endpoint.text);
      const host = new Host(endpoint.address, endpoint.text, endpoint.weight, plan.hosts[i]!);
      // A connection that told its host of a caller is that caller's, one that did not is nobody's: they do not mix.
      if (sameWay && old !== undefined && old.pool !== null) {
        before.delete(endpoint.text);
        host.pool = old.pool;
        host.pool.host = host;
        host.tunnels = old.tunnels;
        if (host.tunnels !== null) host.tunnels.host = host;
      } else {
        host.pool = this.makePool(config, host);
      }
      hosts.push(host);
    });
    const original = config.type === 'originalDst' ? new OriginalDestinations(this, plan.hosts[0]!) : null;
    this.original?.drain();
    this.original = original;
    this.config = config;
    this.hosts = hosts;
    this.picker = original ?? makePicker(config.loadBalancing.policy, hosts, this.tools.random);
    for (const gone of before.values()) drainHost(gone);
  }

  /** The cluster is no longer configured: idle connections close now, busy ones when their request is over. */
  drain(): void {
    for (const host of this.hosts) drainHost(host);
    this.original?.drain();
  }

  /** Connections that carry a tunnel's bytes from the first on, whatever protocol the cluster speaks otherwise. */
  tunnelsTo(host: Host): Pool {
    return (host.tunnels ??= new H1Pool(this, host, true));
  }

  /** The connections for requests, as the cluster's protocol asks for. */
  makePool(config: ClusterConfig, host: Host): Pool {
    return config.protocol === 'http2' ? new H2Pool(this, host) : new H1Pool(this, host);
  }

  openConnections(): number {
    return this.tools.breakers.count(this.breakerRow, RES_CX);
  }
}

function drainHost(host: Host): void {
  host.pool?.drain();
  host.tunnels?.drain();
}
