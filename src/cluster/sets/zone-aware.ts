// @hot
// Prefers hosts of the own zone, as far as the other zones do not end up with more than their share (`zone-routing.ts`).
// Worker thread; owned by the first level of a picker. What is known of the local cluster is looked at anew when its hosts
// or their state have changed.

import type { ZoneAwareConfig } from '../../config/cluster-snapshot.ts';
import type { Random } from '../../core/random.ts';
import {
  LB_AT, LB_LOCAL_CLUSTER_NOT_OK, LB_RECALCULATE_ZONE_STRUCTURES, LB_ZONE_CLUSTER_TOO_SMALL, LB_ZONE_NO_CAPACITY_LEFT,
  LB_ZONE_ROUTING_ALL_DIRECTLY, LB_ZONE_ROUTING_CROSS_ZONE, LB_ZONE_ROUTING_SAMPLED,
} from '../../observe/upkeep-stats.ts';
import type { HostTable } from '../../shared/host-table.ts';
import type { Host } from '../host.ts';
import { groupByZone, HostGroup } from './host-group.ts';
import { usablePercent } from './levels.ts';
import { WHOLE, zoneRouting, type ZoneRouting } from './zone-routing.ts';

/** No zone is preferred. */
export const ZONE_ANY = -1;
/** The request is to fail. */
export const ZONE_FAIL = -2;

/** The cluster whose hosts are this process and its likes. */
export interface LocalHosts {
  readonly hosts: readonly Host[];
  /** Its row in the host table. */
  readonly row: number;
}

export interface ZoneTools {
  readonly random: Random;
  readonly hostTable: HostTable;
  readonly cells: Float64Array;
  /** First cell of `cluster.NAME.*`. */
  readonly stats: number;
  readonly panicPercent: number;
  readonly localHosts: () => LocalHosts | undefined;
}

export class ZoneAware {
  private readonly config: ZoneAwareConfig;
  /** By zone, the own one first if it has hosts. */
  private readonly zones: ReadonlyMap<string, HostGroup>;
  private readonly healthy: number;
  private readonly tools: ZoneTools;
  /** null: no zone is preferred. */
  private routing: ZoneRouting | null = null;
  private localPanic = false;
  // What it was made of.
  private hosts: readonly Host[] | null = null;
  private epoch = 0;

  constructor(config: ZoneAwareConfig, zones: ReadonlyMap<string, HostGroup>, tools: ZoneTools) {
    this.config = config;
    this.zones = zones;
    this.tools = tools;
    this.healthy = Array.from(zones.values()).reduce((sum, { healthy }) => sum + healthy.length, 0);
  }

  /** The number of a zone, ZONE_ANY or ZONE_FAIL. */
  choose(): number {
    const { config, tools } = this;
    const local = tools.localHosts();
    if (local === undefined) return ZONE_ANY;
    if (local.hosts !== this.hosts || tools.hostTable.epoch(local.row) !== this.epoch) this.look(local);
    const { routing } = this;
    if (routing === null) return ZONE_ANY;
    if (config.routingEnabledPercent < 100 && tools.random.below(100) >= config.routingEnabledPercent) return ZONE_ANY;
    if (this.localPanic) {
      this.count(LB_LOCAL_CLUSTER_NOT_OK);
      return config.failTrafficOnPanic ? ZONE_FAIL : ZONE_ANY;
    }
    if (routing.kind === 'direct') {
      this.count(LB_ZONE_ROUTING_ALL_DIRECTLY);
      return 0;
    }
    if (tools.random.below(WHOLE) < routing.keep) {
      this.count(LB_ZONE_ROUTING_SAMPLED);
      return 0;
    }
    this.count(LB_ZONE_ROUTING_CROSS_ZONE);
    const { room } = routing;
    const whole = room[room.length - 1]!;
    if (whole === 0) {
      // Shares that were rounded can leave nothing.
      this.count(LB_ZONE_NO_CAPACITY_LEFT);
      return tools.random.below(room.length);
    }
    const at = tools.random.below(whole);
    let zone = 0;
    while (at >= room[zone]!) zone++;
    return zone;
  }

  private look(local: LocalHosts): void {
    const { config, tools } = this;
    this.hosts = local.hosts;
    this.epoch = tools.hostTable.epoch(local.row);
    this.count(LB_RECALCULATE_ZONE_STRUCTURES);
    this.routing = null;
    if (this.zones.size < 2) return;
    const callers = groupByZone(local.hosts, config.zone, tools.hostTable);
    if (callers.size < 2) return;
    if (!callers.has(config.zone)) {
      this.count(LB_LOCAL_CLUSTER_NOT_OK);
      return;
    }
    if (this.healthy < config.minClusterSize) {
      this.count(LB_ZONE_CLUSTER_TOO_SMALL);
      return;
    }
    const names = Array.from(this.zones.keys());
    const all = new HostGroup();
    for (const host of local.hosts) all.add(host, tools.hostTable.flags(host.row));
    this.localPanic = usablePercent(all.counts()) < tools.panicPercent;
    const upstream = names.map((name) => this.zones.get(name)!.healthy.length);
    const there = names.map((name) => callers.get(name)?.healthy.length ?? 0);
    this.routing = zoneRouting(upstream, names[0] === config.zone, there, all.healthy.length);
  }

  private count(what: number): void {
    this.tools.cells[this.tools.stats + LB_AT + what]!++;
  }
}
