// The schema of what groups a cluster's hosts before a policy picks among them: priorities, zones, subsets.
// Primary thread; constants only.

import { DEFAULTS } from '../defaults.ts';
import { MAX_OVERPROVISIONING, MAX_PRIORITY, MAX_WEIGHT } from '../limits.ts';
import { choice, described, dictionary, either, flag, integer, list, object, text } from './parts.ts';
import type { Schema } from './parts.ts';

type Properties = Readonly<Record<string, Schema>>;

/** What a set of hosts without the wanted values falls back to. */
export const FALLBACKS = ['none', 'anyEndpoint', 'defaultSubset'] as const;
const SELECTOR_FALLBACKS = [...FALLBACKS, 'keysSubset'] as const;

function metadata(description: string): Schema {
  const value: Schema = { description: 'Text, a number, true or false.', type: ['string', 'number', 'boolean'] };
  return dictionary(description, 'name', value);
}

/** Keys of an endpoint. */
export function endpointGroups(): Properties {
  const defaults = DEFAULTS.endpoint;
  return {
    priority: integer('0 is used first; the next level takes over as far as the hosts of a level are not healthy.', { minimum: 0, maximum: MAX_PRIORITY }, { default: defaults.priority }),
    zone: text('The zone it stands in. Default: none.', 'name', { examples: ['eu-west-1a'] }),
    metadata: metadata('Facts about it that subsets are made of.'),
  };
}

/** Keys of `loadBalancing`. */
export function hostSets(): Properties {
  const defaults = DEFAULTS.loadBalancing;
  const zoneAware = object('zoneAware', {
    minClusterSize: integer('With fewer healthy hosts than this no zone is preferred.', { minimum: 0, maximum: MAX_WEIGHT }, { default: DEFAULTS.zoneAware.minClusterSize }),
    routingEnabledPercent: integer('For what share of the requests the own zone is preferred.', { minimum: 0, maximum: 100 }, { default: DEFAULTS.zoneAware.routingEnabledPercent }),
    failTrafficOnPanic: flag('In panic fail requests instead of spreading them over hosts that are not healthy.', { default: DEFAULTS.zoneAware.failTrafficOnPanic }),
  });
  const keys = list('The keys that a subset has one value of each of.', text('A key of the metadata of endpoints.', 'name'), { minItems: 1 });
  const selector = object('subset', {
    keys,
    fallback: choice('What a request gets that asks by these keys for values no host has; keysSubset asks again by fewer keys. Default: subsetFallback.', SELECTOR_FALLBACKS),
    fallbackKeys: list('Of keysSubset: the keys that are left. Default: none.', text('A key.', 'name'), { minItems: 1 }),
  }, ['keys']);
  return {
    panicPercent: integer('With a smaller share of usable hosts than this, requests go to all hosts of the level, whatever their health; 0: never.', { minimum: 0, maximum: 100 }, { default: defaults.panicPercent }),
    overprovisioningFactor: {
      description: 'How much more than its share the rest of a level or zone may carry before requests go elsewhere: with 1.4, until 71 % of it are healthy.',
      type: 'number', minimum: 1, maximum: MAX_OVERPROVISIONING, default: defaults.overprovisioningFactor,
    },
    localityWeighted: flag('Spread requests over zones first, by their weights and health, then over the hosts of the zone.', { default: defaults.localityWeighted }),
    localityWeights: dictionary('Weights of zones, for localityWeighted; a zone that is not named has 1, one with 0 gets nothing.', 'name', integer('Its share, in proportion to the other zones.', { minimum: 0, maximum: MAX_WEIGHT })),
    zoneAware: either('Prefer hosts of the own zone, as far as the zones stay evenly loaded: compares with where the hosts of the cluster "localCluster" are. Needs the top-level zone and localCluster.', [
      flag('true: with the defaults of the object.'),
      zoneAware,
    ], { default: defaults.zoneAware }),
    subsets: list('By which keys of their metadata routes may choose among hosts ("subset" of forward).', either('A list of keys, or an object with a fallback of its own.', [keys, selector]), { default: defaults.subsets }),
    subsetFallback: choice('What a request gets that asks for no subset, or for one that has no host.', FALLBACKS, { default: defaults.subsetFallback }),
    defaultSubset: metadata('Of the fallback defaultSubset: what its hosts have in their metadata.'),
  };
}

/** Of `forward`. */
export function forwardSubset(): Schema {
  return described('Choose among the hosts that have these values in their metadata; the keys are those of one entry of the cluster\'s "subsets".', metadata(''));
}

/** Keys at the top. */
export function ownPlace(): Properties {
  return {
    zone: text('The zone that this process runs in, for zoneAware. NUNCIO_ZONE overrides it. Default: none.', 'name', { examples: ['${ZONE}'] }),
    localCluster: text('The cluster whose endpoints are this process and its likes, for zoneAware. Default: none.', 'name'),
  };
}

