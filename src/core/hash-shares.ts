// How many entries each host gets in a ring or a maglev table, by Envoy's way of counting. Any thread: the primary shows
// them (`ring_hash_lb.*`, `maglev_lb.*`) without building what the workers have built. Pure.

export interface RingShares {
  readonly size: number;
  readonly shares: Float64Array;
}

/**
 * The least of the hosts gets a whole number of entries, so that the ring has at least `min`; beyond `max` all get fewer.
 * @param weights that add up to 1
 */
export function ringShares(weights: Float64Array, min: number, max: number): RingShares {
  const shares = new Float64Array(weights.length);
  const least = weights.reduce((low, weight) => Math.min(low, weight), 1);
  const scale = Math.min(Math.ceil(least * min) / least, max);
  let current = 0;
  let target = 0;
  for (let i = 0; i < weights.length; i++) {
    target += scale * weights[i]!;
    const share = Math.max(0, Math.ceil(target - current));
    shares[i] = share;
    current += share;
  }
  return { size: Math.ceil(scale), shares };
}

/** By the turns that hosts take: where each of them puts itself does not matter. @param weights that add up to 1 */
export function maglevShares(names: readonly string[], weights: Float64Array, tableSize: number): Float64Array {
  const order = byName(names);
  const shares = new Float64Array(names.length);
  const target = new Float64Array(names.length);
  const greatest = weights.reduce((most, weight) => Math.max(most, weight), 0);
  let left = order.length === 0 ? 0 : tableSize;
  for (let iteration = 1; left > 0; iteration++) {
    for (const host of order) {
      if (left === 0 || iteration * weights[host]! < target[host]!) continue;
      target[host] = target[host]! + greatest;
      shares[host] = shares[host]! + 1;
      left--;
    }
  }
  return shares;
}

/** Places in the order of names by their bytes. */
export function byName(names: readonly string[]): number[] {
  return names.map((_, i) => i).sort((a, b) => (names[a]! < names[b]! ? -1 : names[a]! > names[b]! ? 1 : 0));
}

/** Weights that add up to 1, as Envoy computes them: the same doubles give the same tables. */
export function normalized(weights: ArrayLike<number>): Float64Array {
  let sum = 0;
  for (let i = 0; i < weights.length; i++) sum += weights[i]!;
  return Float64Array.from(weights, (weight) => weight / sum);
}
