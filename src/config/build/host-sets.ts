// Priorities, zones and subsets → snapshot form. Primary thread; pure.

import { DEFAULTS } from '../defaults.ts';
import type { HostSetsDocument, MetadataDocument, SubsetDocument } from '../document.ts';
import type { HostSetsConfig, Metadata, SubsetSelector, SubsetsConfig, ZoneAwareConfig } from '../cluster-snapshot.ts';

/** Where this process runs, as the top of the document says. */
export interface OwnPlace {
  readonly zone: string;
  readonly localCluster: string;
}

export function buildHostSets(given: HostSetsDocument, place: OwnPlace): HostSetsConfig {
  const defaults = DEFAULTS.loadBalancing;
  const weighted = given.localityWeighted ?? defaults.localityWeighted;
  return {
    panicPercent: given.panicPercent ?? defaults.panicPercent,
    overprovisioningPercent: Math.round((given.overprovisioningFactor ?? defaults.overprovisioningFactor) * 100),
    localityWeights: weighted ? (given.localityWeights ?? {}) : null,
    zoneAware: buildZoneAware(given.zoneAware ?? defaults.zoneAware, place),
    subsets: buildSubsets(given),
  };
}

function buildZoneAware(given: NonNullable<HostSetsDocument['zoneAware']>, place: OwnPlace): ZoneAwareConfig | null {
  if (given === false) return null;
  const { minClusterSize, routingEnabledPercent, failTrafficOnPanic } = DEFAULTS.zoneAware;
  return { ...place, minClusterSize, routingEnabledPercent, failTrafficOnPanic, ...(given === true ? {} : given) };
}

function buildSubsets(given: HostSetsDocument): SubsetsConfig | null {
  const selectors: readonly (string[] | SubsetDocument)[] = given.subsets ?? DEFAULTS.loadBalancing.subsets;
  if (selectors.length === 0) return null;
  return {
    selectors: selectors.map(buildSelector),
    fallback: given.subsetFallback ?? DEFAULTS.loadBalancing.subsetFallback,
    defaultSubset: buildMetadata(given.defaultSubset ?? {}),
  };
}

function buildSelector(given: string[] | SubsetDocument): SubsetSelector {
  if (Array.isArray(given)) return { keys: [...given].sort(), fallback: null, fallbackKeys: [] };
  return { keys: [...given.keys].sort(), fallback: given.fallback ?? null, fallbackKeys: [...(given.fallbackKeys ?? [])].sort() };
}

export function buildMetadata(given: MetadataDocument): Metadata {
  return Object.entries(given).sort(([a], [b]) => (a < b ? -1 : 1));
}
