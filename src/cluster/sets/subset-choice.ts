// What asking for a subset comes to, by the rules of the cluster: the subset itself, one of fewer keys, or a fallback.
// Any thread; pure; not for the road, which remembers the answers.

import type { Metadata, SubsetFallback, SubsetsConfig } from '../../config/cluster-snapshot.ts';
import { metadataOf, subsetKey } from '../../config/subset-key.ts';

export type SubsetChoice =
  | { readonly kind: 'subset'; readonly metadata: Metadata }
  /** `own`: it is the fallback of the list of keys, not that of the cluster. */
  | { readonly kind: 'fallback'; readonly to: SubsetFallback; readonly own: boolean };

/** @param exists is there a host in the subset of this key (`subsetKey`)? */
export function chooseSubset(config: SubsetsConfig, asked: Metadata | null, exists: (key: string) => boolean): SubsetChoice {
  if (asked === null) return { kind: 'fallback', to: config.fallback, own: false };
  const selector = config.selectors.find(({ keys }) => keys.length === asked.length && keys.every((key, i) => key === asked[i]![0]));
  if (selector !== undefined && exists(subsetKey(asked))) return { kind: 'subset', metadata: asked };
  const own = selector?.fallback ?? null;
  if (own === null) return { kind: 'fallback', to: config.fallback, own: false };
  if (own !== 'keysSubset') return { kind: 'fallback', to: own, own: true };
  // Fewer keys each time: this ends.
  return chooseSubset(config, metadataOf(asked, selector!.fallbackKeys), exists);
}
