// How much of a zone's requests may stay in it so that all zones of the cluster are evenly loaded, by Envoy's rules
// (https://www.envoyproxy.io/docs/envoy/latest/intro/arch_overview/upstream/load_balancing/zone_aware). Any thread; pure.
//
// Callers are taken to send from each zone in proportion to the hosts of the local cluster there. A zone with a larger share of
// the callers than of the hosts keeps what its hosts can take; the rest goes to zones with room, in proportion to it.

/** A hundredth of a percent, as Envoy counts. */
export const WHOLE = 10_000;

export type ZoneRouting =
  | { readonly kind: 'direct' }
  /** `keep` of WHOLE stay; `room`: running sums of what each zone has to give. */
  | { readonly kind: 'residual'; readonly keep: number; readonly room: readonly number[] };

/**
 * @param upstream healthy hosts of the cluster by zone; the own zone is the first, if `ownFirst`.
 * @param local healthy hosts of the local cluster in the same zones.
 * @param localTotal healthy hosts of the local cluster in all zones.
 */
export function zoneRouting(upstream: readonly number[], ownFirst: boolean, local: readonly number[], localTotal: number): ZoneRouting {
  const total = upstream.reduce((sum, count) => sum + count, 0);
  const here = upstream.map((count) => percentage(count, total));
  // Of a zone without hosts it does not matter how many call from there.
  const callers = local.map((count, i) => (upstream[i] === 0 ? 0 : percentage(count, localTotal)));
  if (ownFirst && here[0]! > 0 && here[0]! >= callers[0]!) return { kind: 'direct' };
  const keep = ownFirst && callers[0]! > 0 ? Math.floor((here[0]! * WHOLE) / callers[0]!) : 0;
  let sum = 0;
  const room = here.map((share, i) => {
    if (i > 0 || !ownFirst) sum += Math.max(0, share - callers[i]!);
    return sum;
  });
  return { kind: 'residual', keep, room };
}

function percentage(count: number, total: number): number {
  return total === 0 ? 0 : Math.floor((WHOLE * count) / total);
}
