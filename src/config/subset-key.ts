// What a subset goes by: one text for its keys and values, so that the road compares nothing else. Any thread; pure.

import type { Metadata } from './cluster-snapshot.ts';

/** `metadata` is sorted by key. '' for none. */
export function subsetKey(metadata: Metadata | null): string {
  return metadata === null ? '' : JSON.stringify(metadata);
}

export function parseSubsetKey(key: string): Metadata | null {
  return key === '' ? null : (JSON.parse(key) as Metadata);
}

/** The part of `metadata` with these keys (sorted), or null where one is not there. */
export function metadataOf(metadata: Metadata, keys: readonly string[]): Metadata | null {
  const part = metadata.filter(([key]) => keys.includes(key));
  return part.length === keys.length ? part : null;
}

/** Is all of `wanted` in there, with the same values? */
export function hasMetadata(metadata: Metadata, wanted: Metadata): boolean {
  return wanted.every(([key, value]) => metadata.some((pair) => pair[0] === key && pair[1] === value));
}

/** For people. */
export function describeMetadata(metadata: Metadata): string {
  return metadata.map(([key, value]) => `${key} = ${JSON.stringify(value)}`).join(', ');
}
