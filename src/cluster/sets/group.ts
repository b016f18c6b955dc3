// The hosts of a cluster, or of one of its subsets, as one whole: makes a picker of the state they are in now. Worker thread;
// lives as long as its hosts do. What is simple stays simple: where all requests go to one flat list, its picker is the answer.

import type { HostSetsConfig, LoadBalancingConfig } from '../../config/cluster-snapshot.ts';
import { DEFAULTS } from '../../config/defaults.ts';
import type { Host } from '../host.ts';
import { type Picker, type PickerTools, picksByHash } from '../pick.ts';
import { groupByLevel, groupByZone, type HostGroup } from './host-group.ts';
import { type Level, LevelPicker, type Usable } from './level-picker.ts';
import { type LevelLoads, levelLoads } from './levels.ts';
import { Slot, type SlotTools } from './slot.ts';
import { type LocalHosts, ZoneAware } from './zone-aware.ts';
import { effectiveWeight, ZoneSchedule } from './zone-schedule.ts';

/** What a worker lends to the groups of a cluster. */
export interface GroupTools extends PickerTools {
  readonly cells: Float64Array;
  /** First cell of `cluster.NAME.*`. */
  readonly stats: number;
  readonly localHosts: () => LocalHosts | undefined;
}

/** What all groups of a cluster go by. */
export interface GroupRules {
  readonly balancing: LoadBalancingConfig;
  readonly sets: HostSetsConfig;
  /** Priority levels of the cluster; a subset may have hosts in some of them only. */
  readonly levels: number;
}

type State = 'all' | 'healthy' | 'degraded';

export class Group {
  private readonly hosts: readonly Host[];
  private readonly rules: GroupRules;
  private readonly tools: GroupTools;
  private readonly slotTools: SlotTools;
  /** Those of the present picker, so that the next one can go on where they stand. */
  private slots = new Map<string, Slot>();
  private before = new Map<string, Slot>();

  constructor(hosts: readonly Host[], rules: GroupRules, tools: GroupTools, before: Group | undefined) {
    this.hosts = hosts;
    this.rules = rules;
    this.tools = tools;
    this.slotTools = { balancing: rules.balancing, tools };
    if (before !== undefined) this.slots = before.slots;
  }

  /** Of the state the hosts are in now: linear in their number. */
  picker(): Picker {
    const { sets, levels: count } = this.rules;
    this.before = this.slots;
    this.slots = new Map();
    const groups = groupByLevel(this.hosts, count, this.tools.hostTable);
    const loads = levelLoads(groups.map((group) => group.counts()), sets.overprovisioningPercent, sets.panicPercent);
    const picker = this.simple(groups, loads) ?? this.layered(groups, loads);
    this.before = new Map();
    return picker;
  }

  /** All requests go to the healthy hosts of one level, and no zone matters. */
  private simple(groups: readonly HostGroup[], loads: LevelLoads): Picker | null {
    const { localityWeights, zoneAware } = this.rules.sets;
    if (localityWeights !== null || zoneAware !== null) return null;
    const level = loads.healthy.indexOf(100);
    if (level < 0 || loads.panic[level]!) return null;
    return this.slot(`${level} healthy`, groups[level]!.healthy).make();
  }

  private layered(groups: readonly HostGroup[], loads: LevelLoads): Picker {
    const { tools } = this;
    const levels = groups.map((group, i) => this.level(i, group, loads.panic[i]!));
    const failOnPanic = this.rules.sets.zoneAware?.failTrafficOnPanic ?? false;
    const byHash = picksByHash(this.rules.balancing);
    return new LevelPicker(levels, [...loads.healthy, ...loads.degraded], { random: tools.random, cells: tools.cells, stats: tools.stats, byHash, failOnPanic });
  }

  private level(index: number, group: HostGroup, panic: boolean): Level {
    const { localityWeights, zoneAware } = this.rules.sets;
    const zoned = localityWeights !== null || (zoneAware !== null && index === 0);
    const zones = zoned ? groupByZone(group.all, zoneAware?.zone ?? '', this.tools.hostTable) : new Map<string, HostGroup>();
    const usable = (state: State): Usable => this.usable(`${index} ${state}`, group, zones, state);
    const { all } = group;
    return {
      panic,
      all: picksByHash(this.rules.balancing) && localityWeights !== null ? this.folded(`${index} all`, zones, 'all') ?? this.slot(`${index} all`, all) : this.slot(`${index} all`, all),
      healthy: usable('healthy'),
      degraded: usable('degraded'),
      zoneAware: zoneAware !== null && index === 0 ? new ZoneAware(zoneAware, zones, { ...this.tools, panicPercent: this.rules.sets.panicPercent }) : null,
    };
  }

  private usable(name: string, group: HostGroup, zones: ReadonlyMap<string, HostGroup>, state: State): Usable {
    const { localityWeights, overprovisioningPercent } = this.rules.sets;
    const whole = (): Slot => this.slot(name, group[state]);
    const parts = (): Slot[] => [...zones].map(([zone, part]) => this.slot(`${name} ${zone}`, part[state]));
    if (localityWeights === null) return { whole: whole(), zones: parts(), schedule: null };
    if (picksByHash(this.rules.balancing)) return { whole: this.folded(name, zones, state) ?? whole(), zones: [], schedule: null };
    const weights = [...zones].map(([zone, part]) => effectiveWeight(weightOf(zone, localityWeights), part[state].length, part.all.length - part.excluded, overprovisioningPercent));
    const schedule = weights.some((weight) => weight > 0) ? new ZoneSchedule(weights, this.tools.random) : null;
    return { whole: whole(), zones: parts(), schedule };
  }

  /**
   * Policies that look a key up in one table take zones in by the weights of their hosts: each zone has its weight, whatever
   * its hosts add up to and, as in Envoy, however many of them are usable. null: no zone has a weight.
   */
  private folded(name: string, zones: ReadonlyMap<string, HostGroup>, state: State): Slot | null {
    const hosts: Host[] = [];
    const weights: number[] = [];
    for (const [zone, part] of zones) {
      const weight = weightOf(zone, this.rules.sets.localityWeights!);
      if (weight === 0) continue;
      const sum = part[state].reduce((total, host) => total + host.weight, 0);
      for (const host of part[state]) {
        hosts.push(host);
        weights.push((weight * host.weight) / sum);
      }
    }
    return hosts.length === 0 ? null : this.slot(name, hosts, weights);
  }

  private slot(name: string, hosts: readonly Host[], weights: readonly number[] | null = null): Slot {
    const slot = new Slot(hosts, weights, this.slotTools, this.before.get(name));
    this.slots.set(name, slot);
    return slot;
  }
}

function weightOf(zone: string, weights: Readonly<Record<string, number>>): number {
  return Object.hasOwn(weights, zone) ? weights[zone]! : DEFAULTS.zone.weight;
}
