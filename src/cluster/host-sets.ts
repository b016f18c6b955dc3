// How the hosts of a cluster are grouped before its policy picks among them: by what they have in their metadata (subsets),
// priority level, state and zone. Worker thread; owned by a Cluster, made anew when its hosts change. `picker` makes an
// immutable Picker of the state the hosts are in now; the road calls nothing else.
//
//   subset → level, by load → healthy | degraded | all (panic) → zone → flat picker of the policy

import type { ClusterConfig, SubsetsConfig } from '../config/cluster-snapshot.ts';
import { hasMetadata, metadataOf, subsetKey } from '../config/subset-key.ts';
import { LB_AT, LB_SUBSETS_ACTIVE, LB_SUBSETS_CREATED, LB_SUBSETS_REMOVED } from '../observe/upkeep-stats.ts';
import type { Host } from './host.ts';
import type { Picker } from './pick.ts';
import { Group, type GroupRules, type GroupTools } from './sets/group.ts';
import { SubsetPicker, type Subsets } from './sets/subset-picker.ts';

export class HostSets {
  private readonly tools: GroupTools;
  private readonly whole: Group;
  /** null: there are none. */
  private readonly subsets: Subsets | null;

  /** @param before what they were: counts what is new and gone, and goes on where it stood. */
  constructor(config: Pick<ClusterConfig, 'loadBalancing' | 'hostSets'>, hosts: readonly Host[], tools: GroupTools, before: HostSets | null) {
    const { loadBalancing: balancing, hostSets: sets } = config;
    this.tools = tools;
    const levels = hosts.reduce((most, { priority }) => Math.max(most, priority + 1), 1);
    const rules = { balancing, sets, levels };
    this.whole = new Group(hosts, rules, tools, before?.whole);
    this.subsets = sets.subsets === null ? null : this.makeSubsets(sets.subsets, hosts, rules, before?.subsets ?? null);
    this.countSubsets(before?.subsets?.byKey ?? new Map(), this.subsets?.byKey ?? new Map());
  }

  picker(): Picker {
    return this.subsets === null ? this.whole.picker() : new SubsetPicker(this.subsets, this.tools.cells, this.tools.stats);
  }

  /** The cluster is no more. */
  drain(): void {
    this.countSubsets(this.subsets?.byKey ?? new Map(), new Map());
  }

  private makeSubsets(config: SubsetsConfig, hosts: readonly Host[], rules: GroupRules, before: Subsets | null): Subsets {
    const members = new Map<string, Host[]>();
    for (const host of hosts) {
      for (const { keys } of config.selectors) {
        const metadata = metadataOf(host.metadata, keys);
        if (metadata === null) continue;
        const key = subsetKey(metadata);
        const list = members.get(key);
        if (list === undefined) members.set(key, [host]);
        else list.push(host);
      }
    }
    const byKey = new Map([...members].map(([key, list]) => [key, new Group(list, rules, this.tools, before?.byKey.get(key))]));
    const defaults = hosts.filter((host) => hasMetadata(host.metadata, config.defaultSubset));
    return { config, byKey, any: this.whole, defaults: new Group(defaults, rules, this.tools, before?.defaults) };
  }

  /** As in Envoy every worker has its own, and counts it. */
  private countSubsets(before: ReadonlyMap<string, Group>, after: ReadonlyMap<string, Group>): void {
    const { cells, stats } = this.tools;
    const created = [...after.keys()].filter((key) => !before.has(key)).length;
    const removed = [...before.keys()].filter((key) => !after.has(key)).length;
    cells[stats + LB_AT + LB_SUBSETS_CREATED]! += created;
    cells[stats + LB_AT + LB_SUBSETS_REMOVED]! += removed;
    cells[stats + LB_AT + LB_SUBSETS_ACTIVE]! += created - removed;
  }
}
