// @hot
// Finds the subset that a request asks for, or what it falls back to, and has its picker choose. Worker thread; swapped whole,
// but a subset's own picker is made when the first request asks for it.

import type { SubsetFallback, SubsetsConfig } from '../../config/snapshot.ts';
import { metadataOf, parseSubsetKey, subsetKey } from '../../config/subset-key.ts';
import type { StreamRecord } from '../../core/stream.ts';
import { LB_AT, LB_SUBSETS_FALLBACK, LB_SUBSETS_SELECTED } from '../../observe/upkeep-stats.ts';
import type { Host } from '../host.ts';
import type { Picker } from '../pick.ts';
import type { Group } from './group.ts';

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
    const { byKey, config } = this.subsets;
    const group = byKey.get(key);
    if (group !== undefined) return { picker: this.pickerOf(group), counts: LB_SUBSETS_SELECTED };
    const asked = parseSubsetKey(key);
    const keys = asked.map(([name]) => name);
    const selector = config.selectors.find((one) => one.keys.length === keys.length && one.keys.every((name, i) => name === keys[i]));
    const own = selector?.fallback ?? null;
    if (own === null) return this.fallback(config.fallback, LB_SUBSETS_FALLBACK);
    if (own !== 'keysSubset') return this.fallback(own, -1);
    return this.wayOf(subsetKey(metadataOf(asked, selector!.fallbackKeys)!));
  }

  private fallback(to: SubsetFallback, counts: number): Way {
    if (to === 'none') return NO_WAY;
    return { picker: this.pickerOf(to === 'anyEndpoint' ? this.subsets.any : this.subsets.defaults), counts };
  }

  private pickerOf(group: Group): Picker {
    let picker = this.pickers.get(group);
    if (picker === undefined) this.pickers.set(group, (picker = group.picker()));
    return picker;
  }
}
