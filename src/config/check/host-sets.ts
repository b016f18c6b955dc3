// Checks of priorities, zones and of where this process runs. Primary thread; pure.

import { DEFAULTS } from '../defaults.ts';
import type { Problem } from '../errors.ts';
import type { Place } from '../place.ts';
import { suggest } from '../suggest.ts';
import { checkClusterName } from './actions.ts';
import type { CheckScope } from './check.ts';
import { conflict } from './choices.ts';
import { checkSubsets } from './subsets.ts';

/** Policies that build one table over all zones. */
const TABLES: readonly unknown[] = ['ringHash', 'maglev'];

export function checkHostSets(cluster: Place, { problems, root }: CheckScope): void {
  const balancing = cluster.at('loadBalancing');
  const endpoints = cluster.at('endpoints').items().filter((endpoint) => endpoint.isObject());
  checkPriorities(cluster.at('endpoints'), problems);
  if (cluster.at('type').value === 'originalDst') return; // it takes no `loadBalancing` at all
  checkLocalities(balancing, endpoints, problems);
  checkZoneAware(balancing, root, problems);
  checkSubsets(balancing, endpoints, problems);
}

/** Envoy's document wants them without a gap, too; a level without hosts would only pass everything on. */
function checkPriorities(endpoints: Place, problems: Problem[]): void {
  const levels = new Set(endpoints.items().map((endpoint) => endpoint.at('priority').number() ?? DEFAULTS.endpoint.priority));
  let next = 0;
  while (levels.has(next)) next++;
  if (next >= levels.size) return;
  const beyond = endpoints.items().find((endpoint) => (endpoint.at('priority').number() ?? DEFAULTS.endpoint.priority) > next);
  if (beyond === undefined) return;
  const place = beyond.isObject() ? beyond.at('priority') : beyond;
  problems.push({ code: 'conflict', pointer: place.pointer, message: `no endpoint has the priority ${next}: the levels go from 0 on without a gap` });
}

function checkLocalities(balancing: Place, endpoints: readonly Place[], problems: Problem[]): void {
  const weighted = balancing.at('localityWeighted').value === true;
  const weights = balancing.at('localityWeights');
  const zones = textsOf(endpoints, 'zone');
  if (weights.exists && !weighted) conflict(weights, 'has no effect without "localityWeighted": true', problems);
  if (!weighted) return;
  if (zones.size === 0) conflict(balancing.at('localityWeighted'), 'no endpoint has a zone', problems);
  for (const [zone, place] of weights.entries()) {
    if (zones.has(zone)) continue;
    problems.push({ code: 'conflict', pointer: place.pointer, atKey: true, message: `no endpoint is in the zone ${JSON.stringify(zone)}`, ...suggest(zone, [...zones]) });
  }
  const given = [...zones].map((zone) => weights.at(zone).number() ?? DEFAULTS.zone.weight);
  if (given.length > 0 && given.every((weight) => weight === 0)) {
    problems.push({ code: 'zero-weight', pointer: weights.pointer, message: 'the weights of all zones are 0: no host could be chosen' });
  }
}

function checkZoneAware(balancing: Place, root: Place, problems: Problem[]): void {
  const zoneAware = balancing.at('zoneAware');
  if (!zoneAware.exists || zoneAware.value === false) return;
  if (balancing.at('localityWeighted').value === true) conflict(zoneAware, 'does not go with "localityWeighted": one of them says how much each zone gets', problems);
  if (TABLES.includes(balancing.at('policy').value)) conflict(zoneAware, `does not go with the policy ${JSON.stringify(balancing.at('policy').value)}: a key must lead to one host wherever it is asked for`, problems);
  const missing = ['zone', 'localCluster'].filter((key) => !root.has(key)).map((key) => JSON.stringify(key));
  if (missing.length > 0) problems.push({ code: 'missing-key', pointer: zoneAware.pointer, message: `needs the top-level ${missing.length === 1 ? 'key' : 'keys'} ${missing.join(' and ')}` });
}

export function checkOwnPlace(scope: CheckScope): void {
  const { root, problems } = scope;
  const local = root.at('localCluster');
  checkClusterName(local, scope);
  for (const endpoint of scope.clusters.get(local.text() ?? '')?.at('endpoints').items() ?? []) {
    if ((endpoint.at('priority').number() ?? 0) === 0) continue;
    problems.push({ code: 'conflict', pointer: endpoint.at('priority').pointer, message: 'the local cluster has one priority level' });
    return;
  }
}

function textsOf(places: readonly Place[], key: string): Set<string> {
  return new Set(places.flatMap((place) => place.at(key).text() ?? []));
}
