// How much of the load each priority level carries, by Envoy's rules
// (https://www.envoyproxy.io/docs/envoy/latest/intro/arch_overview/upstream/load_balancing/priority): whole percents,
// rounded down at each step, so that every proxy of a mesh comes to the same numbers. Any thread; pure.

/** Hosts of one level. */
export interface LevelCounts {
  readonly hosts: number;
  /** Those that nobody counts on yet, or any more. */
  readonly excluded: number;
  readonly healthy: number;
  readonly degraded: number;
}

/** By level, in percent; together 100. */
export interface LevelLoads {
  readonly healthy: readonly number[];
  readonly degraded: readonly number[];
  /** Its requests go to all its hosts, whatever their health. */
  readonly panic: readonly boolean[];
}

/** At least one level. `overprovisioning` 140: a level is whole as long as 71 % of it are. `panicPercent` 0: no panic. */
export function levelLoads(levels: readonly LevelCounts[], overprovisioning: number, panicPercent: number): LevelLoads {
  const healthy = levels.map((level) => availability(level.healthy, level, overprovisioning));
  const degraded = levels.map((level) => availability(level.degraded, level, overprovisioning));
  const total = Math.min(100, sum(healthy) + sum(degraded));
  const panic = levels.map((level) => total < 100 && usablePercent(level) < panicPercent);
  if (panic.every(Boolean)) return { healthy: byHostCount(levels), degraded: levels.map(() => 0), panic };
  // Nobody is usable, and that is no reason to use the others.
  if (total === 0) return { healthy: levels.map((_, i) => (i === 0 ? 100 : 0)), degraded: levels.map(() => 0), panic };
  const first = share(healthy, total, 100);
  const second = share(degraded, total, 100 - sum(first));
  // What rounding has left goes to the first level that has anybody.
  const rest = 100 - sum(first) - sum(second);
  const better = healthy.findIndex((value) => value > 0);
  if (better >= 0) first[better]! += rest;
  else second[degraded.findIndex((value) => value > 0)]! += rest;
  return { healthy: first, degraded: second, panic };
}

/** Of so many hosts of a level, panic sets in below `panicPercent`. */
export function usablePercent({ hosts, excluded, healthy, degraded }: LevelCounts): number {
  const counted = hosts - excluded;
  return counted <= 0 ? 0 : (100 * healthy) / counted + (100 * degraded) / counted;
}

function availability(usable: number, { hosts, excluded }: LevelCounts, overprovisioning: number): number {
  const counted = hosts - excluded;
  return counted <= 0 ? 0 : Math.min(100, Math.floor((overprovisioning * usable) / counted));
}

function share(available: readonly number[], total: number, load: number): number[] {
  let left = load;
  return available.map((value) => {
    const part = Math.min(left, Math.floor((value * 100) / total));
    left -= part;
    return part;
  });
}

/** All levels are in panic: each gets its share of the hosts. */
function byHostCount(levels: readonly LevelCounts[]): number[] {
  const hosts = sum(levels.map((level) => level.hosts));
  if (hosts === 0) return levels.map((_, i) => (i === 0 ? 100 : 0));
  const parts = levels.map((level) => Math.floor((100 * level.hosts) / hosts));
  parts[levels.findIndex((level) => level.hosts > 0)]! += 100 - sum(parts);
  return parts;
}

function sum(values: readonly number[]): number {
  return values.reduce((total, value) => total + value, 0);
}
