// What a subset goes by: one text for its keys and values, so that the road compares nothing else. Any thread; pure.

import type { Metadata } from './snapshot.ts';

/** The same for the same keys and values, whatever their types look like as text. `metadata` is sorted by key. */
export function subsetKey(metadata: Metadata): string {
  return JSON.stringify(metadata);
}

/** The part of `metadata` with these keys (sorted), or null where one is not there. */
export function metadataOf(metadata: Metadata, keys: readonly string[]): Metadata | null {
  const part = metadata.filter(([key]) => keys.includes(key));
  return part.length === keys.length ? part : null;
}
