// For `nuncio explain`: which hosts of a cluster a request could meet, as the configuration has them, all of them healthy.
// Any thread; pure.

import { DEFAULTS } from '../config/defaults.ts';
import type { ClusterConfig, EndpointConfig, HostSetsConfig, Metadata } from '../config/cluster-snapshot.ts';
import { describeMetadata, hasMetadata, metadataOf, subsetKey } from '../config/subset-key.ts';
import { levelLoads } from './sets/levels.ts';
import { chooseSubset } from './sets/subset-choice.ts';

/** Longer lists are only counted. */
const SHOWN = 20;

export interface HostsReport {
  readonly cluster: string;
  readonly type: string;
  readonly policy: string;
  /** How the hosts below are chosen among all, in a sentence; '' where all may be met. */
  readonly subset: string;
  /** How many the request could meet, and of how many. */
  readonly hosts: number;
  readonly endpoints: number;
  readonly levels: readonly LevelReport[];
}

export interface LevelReport {
  readonly priority: number;
  readonly hosts: number;
  /** Of the requests, while all hosts are healthy. */
  readonly percent: number;
  /** Where zones decide: which, with their weights; the own one first where it is preferred. */
  readonly zones: readonly { readonly zone: string; readonly hosts: number; readonly weight: number | null }[];
  /** Empty where there are more than are worth reading. */
  readonly list: readonly { readonly address: string; readonly weight: number; readonly zone: string }[];
}

export function explainHosts(config: ClusterConfig, asked: Metadata | null): HostsReport {
  const { endpoints, hostSets } = config;
  const { subset, met } = chosen(hostSets, endpoints, asked);
  const count = endpoints.reduce((most, { priority }) => Math.max(most, priority + 1), 1);
  const levels = Array.from({ length: count }, (_, priority) => met.filter((endpoint) => endpoint.priority === priority));
  const loads = levelLoads(levels.map(({ length }) => ({ hosts: length, excluded: 0, healthy: length, degraded: 0 })), hostSets.overprovisioningPercent, hostSets.panicPercent);
  const reports = levels.map((list, priority) => ({
    priority,
    hosts: list.length,
    percent: list.length === 0 ? 0 : loads.healthy[priority]!,
    zones: zonesOf(list, hostSets, priority),
    list: list.length > SHOWN ? [] : list.map(({ text, weight, zone }) => ({ address: text, weight, zone })),
  }));
  return {
    cluster: config.name, type: config.type, policy: config.loadBalancing.policy, subset, hosts: met.length, endpoints: endpoints.length,
    levels: reports.filter(({ hosts }) => hosts > 0),
  };
}

function chosen({ subsets }: HostSetsConfig, endpoints: readonly EndpointConfig[], asked: Metadata | null): { subset: string; met: readonly EndpointConfig[] } {
  if (subsets === null) return { subset: '', met: endpoints };
  const having = (metadata: Metadata): EndpointConfig[] => endpoints.filter((endpoint) => hasMetadata(endpoint.metadata, metadata));
  const known = new Set(endpoints.flatMap(({ metadata }) => subsets.selectors.map(({ keys }) => subsetKey(metadataOf(metadata, keys)))));
  const choice = chooseSubset(subsets, asked, (key) => known.has(key));
  if (choice.kind === 'subset') return { subset: `the subset ${describeMetadata(choice.metadata)}`, met: having(choice.metadata) };
  const why = asked === null ? 'the route asks for no subset' : `there is no subset ${describeMetadata(asked)}`;
  switch (choice.to) {
    case 'none':
      return { subset: `${why}, and there is no fallback`, met: [] };
    case 'anyEndpoint':
      return { subset: `${why}: any endpoint`, met: endpoints };
    case 'defaultSubset':
      return { subset: `${why}: the default subset ${describeMetadata(subsets.defaultSubset)}`, met: having(subsets.defaultSubset) };
  }
}

function zonesOf(list: readonly EndpointConfig[], { localityWeights, zoneAware }: HostSetsConfig, priority: number): LevelReport['zones'] {
  if (localityWeights === null && (zoneAware === null || priority > 0)) return [];
  const names = [...new Set(list.map(({ zone }) => zone))].sort((a, b) => Number(b === zoneAware?.zone) - Number(a === zoneAware?.zone) || (a < b ? -1 : 1));
  return names.map((zone) => ({
    zone,
    hosts: list.filter((endpoint) => endpoint.zone === zone).length,
    weight: localityWeights === null ? null : Object.hasOwn(localityWeights, zone) ? localityWeights[zone]! : DEFAULTS.zone.weight,
  }));
}

/** As text, one line each, without newlines. */
export function describeHosts({ cluster, type, policy, subset, hosts, endpoints, levels }: HostsReport): string[] {
  if (type === 'originalDst') return [`cluster "${cluster}": the host is where the caller wanted to go before it was redirected`];
  const lines = [`cluster "${cluster}" (${policy}): ${hosts === endpoints ? countOf(hosts) : `${hosts} of ${countOf(endpoints)}`}${hosts === 0 ? ', and the answer is 503' : ''}`];
  if (subset !== '') lines.push(`  ${subset}`);
  for (const level of levels) {
    const share = levels.length === 1 ? '' : level.percent > 0 ? `, ${level.percent} % of the requests while all are healthy` : ', as far as those before are not healthy';
    lines.push(`  priority ${level.priority}: ${countOf(level.hosts)}${share}`);
    for (const { zone, hosts: count, weight } of level.zones) lines.push(`    zone ${zone === '' ? '(none)' : zone}: ${countOf(count)}${weight === null ? '' : `, weight ${weight}`}`);
    for (const { address, weight, zone } of level.list) lines.push(`    ${address}${zone === '' ? '' : `, zone ${zone}`}${weight === 1 ? '' : `, weight ${weight}`}`);
  }
  return lines;
}

function countOf(hosts: number): string {
  return hosts === 1 ? '1 endpoint' : `${hosts} endpoints`;
}
