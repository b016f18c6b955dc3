import t from 'tap';

import { describeHosts, explainHosts } from '../../src/cluster/explain-hosts.ts';
import type { ClusterConfig, EndpointConfig, HostSetsConfig, Metadata } from '../../src/config/cluster-snapshot.ts';
import { clusterConfig } from '../support/snapshots.ts';

function cluster(places: readonly Partial<EndpointConfig>[], rules: Partial<HostSetsConfig> = {}): ClusterConfig {
  const plain = clusterConfig('app', places.map((_, i) => i + 1));
  return { ...plain, endpoints: plain.endpoints.map((endpoint, i) => ({ ...endpoint, ...places[i] })), hostSets: { ...plain.hostSets, ...rules } };
}

const V1: Metadata = [['version', 'v1']];
const V2: Metadata = [['version', 'v2']];

t.test('all endpoints, by level', async (t) => {
  t.same(describeHosts(explainHosts(cluster([{}, { weight: 3, priority: 1, zone: 'b' }, {}]), null)), [
    'cluster "app" (roundRobin): 3 endpoints',
    '  priority 0: 2 endpoints, 100 % of the requests while all are healthy',
    '    127.0.0.1:1',
    '    127.0.0.1:3',
    '  priority 1: 1 endpoint, as far as those before are not healthy',
    '    127.0.0.1:2, zone b, weight 3',
  ]);
});

t.test('subsets and what they fall back to', async (t) => {
  const selectors = [{ keys: ['version'], fallback: null, fallbackKeys: [] }];
  const places = [{ metadata: V1 }, { metadata: V2, priority: 1 }, { metadata: V1 }];
  const told = (fallback: 'none' | 'anyEndpoint' | 'defaultSubset', asked: Metadata | null): string[] =>
    describeHosts(explainHosts(cluster(places, { subsets: { selectors, fallback, defaultSubset: V2 } }), asked)).filter((line) => !/^ {4}/.test(line));
  t.same(told('none', V1), ['cluster "app" (roundRobin): 2 of 3 endpoints', '  the subset version = "v1"', '  priority 0: 2 endpoints']);
  t.same(told('none', V2), ['cluster "app" (roundRobin): 1 of 3 endpoints', '  the subset version = "v2"', '  priority 1: 1 endpoint']);
  t.same(told('none', [['version', 'v3']]), ['cluster "app" (roundRobin): 0 of 3 endpoints, and the answer is 503', '  there is no subset version = "v3", and there is no fallback']);
  t.same(told('anyEndpoint', null).slice(0, 2), ['cluster "app" (roundRobin): 3 endpoints', '  the route asks for no subset: any endpoint']);
  t.same(told('defaultSubset', null).slice(0, 2), ['cluster "app" (roundRobin): 1 of 3 endpoints', '  the route asks for no subset: the default subset version = "v2"']);
});

t.test('zones: with their weights, or the own one first; long lists are only counted', async (t) => {
  const places = Array.from({ length: 21 }, (_, i) => ({ zone: i < 5 ? 'b' : 'a' }));
  t.same(describeHosts(explainHosts(cluster(places, { localityWeights: { b: 2 } }), null)), [
    'cluster "app" (roundRobin): 21 endpoints', '  priority 0: 21 endpoints', '    zone a: 16 endpoints, weight 1', '    zone b: 5 endpoints, weight 2',
  ]);
  const zoneAware = { zone: 'b', localCluster: 'self', minClusterSize: 6, routingEnabledPercent: 100, failTrafficOnPanic: false };
  const report = explainHosts(cluster(places, { zoneAware }), null);
  t.same(report.levels[0]!.zones, [{ zone: 'b', hosts: 5, weight: null }, { zone: 'a', hosts: 16, weight: null }]);
  t.same(report.levels[0]!.list, []);
  t.same(describeHosts(explainHosts({ ...cluster([]), type: 'originalDst' }, null)), ['cluster "app": the host is where the caller wanted to go before it was redirected']);
});
