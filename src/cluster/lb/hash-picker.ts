// @hot
// Hosts by the hash of the request, over a ring or a maglev table; without a hash, by a random one. Worker thread.
//
// A table is built on the first pick that needs it. When hosts change, the one before serves on, leaving out hosts that
// are gone, while the new one is built in slices: at most SLICE steps per millisecond gone by, which is about a quarter of
// that time, so that no turn of the loop is held up. The last tables are kept: hosts whose state flaps find theirs again.

import type { LoadBalancingConfig } from '../../config/cluster-snapshot.ts';
import { formatAddress } from '../../core/address.ts';
import type { Clock } from '../../core/clock.ts';
import type { Random } from '../../core/random.ts';
import type { StreamRecord } from '../../core/stream.ts';
import type { Host } from '../host.ts';
import type { PickerTools } from '../pick.ts';
import { BoundedLoad } from './bounded-load.ts';
import type { HashTable } from './hash-table.ts';
import { Maglev } from './maglev.ts';
import { Ring } from './ring.ts';

/** A quarter of a millisecond, half of one on a slow machine. */
const SLICE = 20_000;
/** Of one pick, however long ago the last was. */
const MAX_SLICES = 8;
const KEPT_TABLES = 3;

export class HashPicker {
  private readonly config: LoadBalancingConfig;
  private readonly hosts: readonly Host[];
  private readonly weights: ArrayLike<number>;
  private readonly random: Random;
  private readonly clock: Clock;
  private readonly bound: BoundedLoad | null;
  /** The table for these hosts, once it is built. */
  private ready: HashTable | null = null;
  /** The same while it is built; null before the first pick. */
  private next: HashTable | null = null;
  /** Serves until then; null: there is none. */
  private old: HashTable | null;
  /** Places of the old table's hosts among these; -1: gone. */
  private oldPlaces: Int32Array | null = null;
  /** Of these hosts and of others before, the newest first; shared with the pickers that follow. */
  private readonly kept: HashTable[];
  private builtAt: number;

  constructor(config: LoadBalancingConfig, hosts: readonly Host[], weights: ArrayLike<number>, tools: PickerTools) {
    const before = tools.before instanceof HashPicker ? tools.before : null;
    this.config = config;
    this.hosts = hosts;
    this.weights = weights;
    this.random = tools.random;
    this.clock = tools.clock;
    this.bound = config.hashBalanceFactor === 0 ? null : new BoundedLoad(config.hashBalanceFactor, hosts, weights, tools);
    this.kept = before === null ? [] : before.kept;
    this.old = before === null ? null : (before.ready ?? before.old);
    this.builtAt = tools.clock.now;
  }

  pick(stream: StreamRecord, tried: readonly Host[]): Host | null {
    if (this.hosts.length === 0) return null;
    let high = stream.hashHigh;
    let low = stream.hashLow;
    if (!stream.isHashed) {
      high = this.random.int32();
      low = this.random.int32();
    }
    if (this.ready === null) this.prepare();
    const { ready } = this;
    const place = ready !== null && tried.length === 0 ? ready.find(high, low, 0) : this.walk(high, low, tried);
    if (this.bound === null) return this.hosts[place]!;
    return this.hosts[this.bound.choose(place, high, low, tried)]!;
  }

  /** From entry to entry, in an order that is the hash's own, to a host that is still here and has not been tried. */
  private walk(high: number, low: number, tried: readonly Host[]): number {
    const { hosts } = this;
    const table = this.ready ?? this.old!;
    const limit = 16 + 4 * tried.length;
    for (let attempt = 0; attempt < limit; attempt++) {
      const found = table.find(high, low, attempt);
      const place = table === this.ready ? found : this.oldPlaces![found]!;
      if (place >= 0 && !tried.includes(hosts[place]!)) return place;
    }
    // Hardly ever: one after the other.
    const first = (low >>> 0) % hosts.length;
    const looks = Math.min(hosts.length, tried.length + 1);
    for (let k = 0; k < looks; k++) {
      const place = (first + k) % hosts.length;
      if (!tried.includes(hosts[place]!)) return place;
    }
    return first;
  }

  /** The table is looked for among those kept, begun, or built on. */
  private prepare(): void {
    const table = (this.next ??= this.begin());
    const since = this.clock.now - this.builtAt;
    if (this.old === null) table.build(Infinity);
    else if (since >= 1 && !table.isReady) table.build(SLICE * Math.min(MAX_SLICES, Math.floor(since)));
    this.builtAt = this.clock.now;
    if (!table.isReady) return;
    this.ready = table;
    this.next = null;
    this.old = null;
    this.oldPlaces = null;
  }

  private begin(): HashTable {
    const { config, hosts, weights, kept, old } = this;
    const names = hosts.map((host) => formatAddress(host.address));
    const key = keyOf(config, names, weights);
    const table = kept.find((one) => one.key === key) ?? makeTable(config, key, names, weights);
    if (old !== null) this.oldPlaces = placesIn(names, old.names);
    this.keep(table);
    return table;
  }

  private keep(table: HashTable): void {
    const { kept } = this;
    const at = kept.indexOf(table);
    if (at >= 0) kept.splice(at, 1);
    kept.unshift(table);
    if (kept.length > KEPT_TABLES) kept.pop();
  }
}

function makeTable(config: LoadBalancingConfig, key: string, names: readonly string[], weights: ArrayLike<number>): HashTable {
  return config.policy === 'maglev' ? new Maglev(key, names, weights, config.tableSize) : new Ring(key, names, weights, config);
}

function keyOf(config: LoadBalancingConfig, names: readonly string[], weights: ArrayLike<number>): string {
  const sizes = config.policy === 'maglev' ? `maglev ${config.tableSize}` : `ring ${config.minRingSize} ${config.maxRingSize}`;
  return `${sizes} ${names.map((name, i) => `${name}*${weights[i]!}`).join(' ')}`;
}

function placesIn(names: readonly string[], old: readonly string[]): Int32Array {
  const places = new Map(names.map((name, i) => [name, i]));
  return Int32Array.from(old, (name) => places.get(name) ?? -1);
}
