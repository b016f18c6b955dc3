// Checks of subsets, and of the routes that ask for them. Primary thread; pure.

import { DEFAULTS } from '../defaults.ts';
import type { Problem } from '../errors.ts';
import type { Place } from '../place.ts';
import { suggest } from '../suggest.ts';
import type { CheckScope } from './check.ts';
import { conflict } from './choices.ts';

export function checkSubsets(balancing: Place, endpoints: readonly Place[], problems: Problem[]): void {
  const fallback = balancing.at('subsetFallback').value ?? DEFAULTS.loadBalancing.subsetFallback;
  const selectors = selectorsOf(balancing);
  const defaults = balancing.at('defaultSubset');
  const usesDefault = fallback === 'defaultSubset' || selectors.some(({ place }) => place.at('fallback').value === 'defaultSubset');
  if (selectors.length === 0) {
    for (const key of ['subsetFallback', 'defaultSubset']) if (balancing.has(key)) conflict(balancing.at(key), 'has no effect without "subsets"', problems);
    return;
  }
  if (usesDefault && defaults.entries().length === 0) problems.push({ code: 'missing-key', pointer: balancing.pointer, message: 'the fallback "defaultSubset" needs the key "defaultSubset"', wanted: ['defaultSubset'] });
  if (!usesDefault && defaults.exists) conflict(defaults, 'has no effect without the fallback "defaultSubset"', problems);
  const metadata = endpoints.map((endpoint) => endpoint.at('metadata'));
  const values = defaults.entries();
  if (usesDefault && values.length > 0 && !metadata.some((one) => values.every(([key, { value }]) => one.at(key).value === value))) {
    problems.push({ code: 'conflict', pointer: defaults.pointer, message: 'no endpoint has this metadata' });
  }
  const known = new Set(metadata.flatMap((one) => one.entries().map(([key]) => key)));
  const seen = new Map<string, string>();
  for (const selector of selectors) {
    checkSelector(selector, known, problems);
    const id = JSON.stringify([...selector.keys].sort());
    const before = seen.get(id);
    if (before === undefined) seen.set(id, selector.place.pointer);
    else problems.push({ code: 'duplicate-name', pointer: selector.place.pointer, message: `the same keys stand at ${before} already` });
  }
  for (const selector of selectors) checkFallbackKeys(selector, seen, problems);
}

interface Selector {
  readonly place: Place;
  readonly list: Place;
  readonly keys: readonly string[];
}

function selectorsOf(balancing: Place): Selector[] {
  return balancing.at('subsets').items().map((place) => {
    const list = place.isObject() ? place.at('keys') : place;
    return { place, list, keys: list.items().flatMap((item) => item.text() ?? []) };
  });
}

function checkSelector({ list, keys }: Selector, known: ReadonlySet<string>, problems: Problem[]): void {
  for (const item of list.items()) {
    const key = item.text();
    if (key === null) continue;
    if (!known.has(key)) problems.push({ code: 'conflict', pointer: item.pointer, message: `no endpoint has ${JSON.stringify(key)} in its metadata`, ...suggest(key, [...known]) });
    if (keys.indexOf(key) !== keys.lastIndexOf(key) && item.pointer.endsWith(`/${keys.lastIndexOf(key)}`)) {
      problems.push({ code: 'duplicate-name', pointer: item.pointer, message: `${JSON.stringify(key)} is in this list already` });
    }
  }
}

function checkFallbackKeys({ place, keys }: Selector, seen: ReadonlyMap<string, string>, problems: Problem[]): void {
  const given = place.at('fallbackKeys');
  const asks = place.at('fallback').value === 'keysSubset';
  if (!asks) {
    if (given.exists) conflict(given, 'has no effect without the fallback "keysSubset"', problems);
    return;
  }
  const fewer = given.items().flatMap((item) => item.text() ?? []);
  if (!given.exists) {
    problems.push({ code: 'missing-key', pointer: place.pointer, message: 'the fallback "keysSubset" needs the key "fallbackKeys"', wanted: ['fallbackKeys'] });
  } else if (!fewer.every((key) => keys.includes(key)) || new Set(fewer).size >= keys.length) {
    problems.push({ code: 'conflict', pointer: given.pointer, message: 'must be some, but not all, of "keys"' });
  } else if (!seen.has(JSON.stringify([...fewer].sort()))) {
    problems.push({ code: 'conflict', pointer: given.pointer, message: 'no entry of "subsets" has these keys' });
  }
}

/** What a route asks for must be something that its clusters can look up. */
export function checkForwardSubset(forward: Place, { problems, clusters }: CheckScope): void {
  const subset = forward.at('subset');
  const asked = subset.entries().map(([key]) => key).sort();
  if (subset.isObject() && asked.length === 0) problems.push({ code: 'too-few', pointer: subset.pointer, message: 'names no key: leave it out' });
  if (forward.has('clusterHeader') || asked.length === 0) return;
  const places = [forward.at('cluster'), ...forward.at('clusters').items().map((item) => item.at('name'))];
  const known = places.flatMap((place) => clusters.get(place.text() ?? '') ?? []);
  if (known.length === 0) return;
  const lists = known.flatMap((cluster) => selectorsOf(cluster.at('loadBalancing'))).map(({ keys }) => keys);
  const name = known.map((cluster) => JSON.stringify(cluster.at('name').value)).join(', ');
  if (lists.length === 0) {
    conflict(subset, `the cluster ${name} has no "subsets"`, problems);
  } else if (!lists.some((keys) => JSON.stringify([...keys].sort()) === JSON.stringify(asked))) {
    const has = lists.map((keys) => keys.join(', ')).join('; ');
    problems.push({ code: 'conflict', pointer: subset.pointer, message: `asks by ${asked.join(', ')}, which is no entry of "subsets" of the cluster ${name}: there is ${has}` });
  }
}
