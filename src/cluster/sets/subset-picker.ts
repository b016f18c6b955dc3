// @hot
// Finds the subset that a request asks for, or what it falls back to, and has its picker choose. Worker thread; swapped whole,
// but a subset's own picker is made when the first request asks for it.

import type { SubsetsConfig } from '../../config/cluster-snapshot.ts';
import { parseSubsetKey, subsetKey } from '../../config/subset-key.ts';
import type { StreamRecord } from '../../core/stream.ts';
import { LB_AT, LB_SUBSETS_FALLBACK, LB_SUBSETS_SELECTED } from '../../observe/upkeep-stats.ts';
import type { Host } from '../host.ts';
import type { Picker } from '../pick.ts';
import type { Group } from './group.ts';
import { chooseSubset } from './subset-choice.ts';

/** What asking for one key comes to. */
interface Way {
  /** null: no host may be used. */
  readonly picker: Picker | null;
  /** What is counted: LB_SUBSETS_SELECTED always, LB_SUBSETS_FALLBACK where there was a host; -1: nothing. */
  readonly counts: number;
}

/** The groups of a cluster that has subsets. */
export interface Subsets {
  readonly config: SubsetsConfig;
  readonly byKey: ReadonlyMap<string, Group>;
  readonly any: Group;
  readonly defaults: Group;
}

const NO_WAY: Way = { picker: null, counts: -1 };

export class SubsetPicker implements Picker {
  private readonly subsets: Subsets;
  private readonly cells: Float64Array;
  /** First cell of `cluster.NAME.lb_*`. */
  private readonly stats: number;
  private readonly ways = new Map<string, Way>();
  private readonly pickers = new Map<Group, Picker>();

  constructor(subsets: Subsets, cells: Float64Array, stats: number) {
    this.subsets = subsets;
    this.cells = cells;
    this.stats = stats + LB_AT;
  }

  pick(stream: StreamRecord, tried: readonly Host[]): Host | null {
    const way = this.ways.get(stream.subset) ?? this.find(stream.subset);
    if (way.picker === null) return null;
    if (way.counts === LB_SUBSETS_SELECTED) this.cells[this.stats + LB_SUBSETS_SELECTED]!++;
    const host = way.picker.pick(stream, tried);
    if (host !== null && way.counts === LB_SUBSETS_FALLBACK) this.cells[this.stats + LB_SUBSETS_FALLBACK]!++;
    return host;
  }

  private find(key: string): Way {
    const way = this.wayOf(key);
    this.ways.set(key, way);
    return way;
  }

  private wayOf(key: string): Way {
    const { byKey, config, any, defaults } = this.subsets;
    const choice = chooseSubset(config, parseSubsetKey(key), (one) => byKey.has(one));
    if (choice.kind === 'subset') return { picker: this.pickerOf(byKey.get(subsetKey(choice.metadata))!), counts: LB_SUBSETS_SELECTED };
    if (choice.to === 'none') return NO_WAY;
    // As in Envoy a fallback of a list of keys is not counted.
    return { picker: this.pickerOf(choice.to === 'anyEndpoint' ? any : defaults), counts: choice.own ? -1 : LB_SUBSETS_FALLBACK };
  }

  private pickerOf(group: Group): Picker {
    let picker = this.pickers.get(group);
    if (picker === undefined) this.pickers.set(group, (picker = group.picker()));
    return picker;
  }
}
