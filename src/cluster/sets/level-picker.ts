// @hot
// Chooses a priority level, by load; in it the healthy hosts, the degraded ones or, in panic, all; in them a zone, where
// zones matter; and has the flat picker of that list choose the host. Worker thread; immutable, swapped whole.

import type { Random } from '../../core/random.ts';
import type { StreamRecord } from '../../core/stream.ts';
import { LB_AT, LB_HEALTHY_PANIC } from '../../observe/upkeep-stats.ts';
import type { Host } from '../host.ts';
import type { Picker } from '../pick.ts';
import type { Slot } from './slot.ts';
import { ZONE_ANY, ZONE_FAIL, type ZoneAware } from './zone-aware.ts';
import type { ZoneSchedule } from './zone-schedule.ts';

/** One level's hosts of one state: all of them, and each zone's; the latter are there where zones matter. */
export interface Usable {
  readonly whole: Slot;
  readonly zones: readonly Slot[];
  /** null: zones have no weights. */
  readonly schedule: ZoneSchedule | null;
}

export interface Level {
  readonly panic: boolean;
  readonly all: Slot;
  readonly healthy: Usable;
  readonly degraded: Usable;
  /** null: no zone is preferred. */
  readonly zoneAware: ZoneAware | null;
}

export interface LevelTools {
  readonly random: Random;
  readonly cells: Float64Array;
  /** First cell of `cluster.NAME.*`. */
  readonly stats: number;
  /** A request with a hash goes to the level that its hash says, so that it comes back to the same host. */
  readonly byHash: boolean;
  /** Panic is no reason to use hosts that are not healthy. */
  readonly failOnPanic: boolean;
}

export class LevelPicker implements Picker {
  private readonly levels: readonly Level[];
  /** Running sums of the loads in percent: the healthy hosts of each level, then the degraded ones. */
  private readonly ends: Uint8Array;
  /** The place in `ends` that has it all; -1: there are several. */
  private readonly only: number;
  private readonly tools: LevelTools;

  constructor(levels: readonly Level[], loads: readonly number[], tools: LevelTools) {
    this.levels = levels;
    this.ends = new Uint8Array(loads.length);
    let sum = 0;
    for (let i = 0; i < loads.length; i++) this.ends[i] = sum += loads[i]!;
    this.only = loads.indexOf(100);
    this.tools = tools;
  }

  pick(stream: StreamRecord, tried: readonly Host[]): Host | null {
    const { levels, tools } = this;
    const place = this.only >= 0 ? this.only : this.draw(stream);
    const isDegraded = place >= levels.length;
    const level = levels[isDegraded ? place - levels.length : place]!;
    if (level.panic) {
      tools.cells[tools.stats + LB_AT + LB_HEALTHY_PANIC]!++;
      return tools.failOnPanic ? null : level.all.pick(stream, tried);
    }
    const usable = isDegraded ? level.degraded : level.healthy;
    if (usable.schedule !== null) return usable.zones[usable.schedule.take()]!.pick(stream, tried);
    if (level.zoneAware === null) return usable.whole.pick(stream, tried);
    const zone = level.zoneAware.choose();
    if (zone === ZONE_FAIL) return null;
    // A zone can be chosen that has no host in this state: its degraded ones, say.
    if (zone === ZONE_ANY || usable.zones[zone]!.hosts.length === 0) return usable.whole.pick(stream, tried);
    return usable.zones[zone]!.pick(stream, tried);
  }

  private draw(stream: StreamRecord): number {
    const { ends } = this;
    const at = this.tools.byHash && stream.isHashed ? hundredth(stream.hashHigh, stream.hashLow) : this.tools.random.below(100);
    let place = 0;
    while (at >= ends[place]!) place++;
    return place;
  }
}

/** The remainder by 100 of 64 bits: 2^32 leaves 96. */
function hundredth(high: number, low: number): number {
  return (((high >>> 0) % 100) * 96 + ((low >>> 0) % 100)) % 100;
}
