// Broken priorities, zones and subsets, and routes that ask for subsets nobody has: one row each.

import t from 'tap';

import { refuses } from './refusals.ts';

const ENDPOINTS = [
  { address: '127.0.0.1:1', zone: 'a', metadata: { version: 'v1', stage: 'prod' } },
  { address: '127.0.0.1:2', zone: 'b', metadata: { version: 'v2' } },
];

/** A cluster with these, that way balanced. */
function cluster(loadBalancing: object, endpoints: readonly unknown[] = ENDPOINTS): object {
  return { name: 'app', endpoints, loadBalancing };
}

refuses(t, '/clusters/0', [
  ['/endpoints', [{ address: '127.0.0.1:1', priority: 129 }], 'out-of-range /0/priority: must be from 0 to 128'],
  ['/endpoints', ['127.0.0.1:1', { address: '127.0.0.1:2', priority: 2 }], 'conflict /1/priority: no endpoint has the priority 1: the levels go from 0 on without a gap'],
  ['/endpoints', [{ address: '127.0.0.1:2', priority: 1 }], 'conflict /0/priority: no endpoint has the priority 0: the levels go from 0 on without a gap'],
  ['/endpoints', [{ address: '127.0.0.1:2', zone: '' }], 'bad-name /0/zone: "" must not be empty'],
  ['/endpoints', [{ address: '127.0.0.1:2', metadata: { version: ['v1'] } }], 'wrong-type /0/metadata/version: must be text or a number or true or false, not a list'],
  ['/endpoints', [{ address: '127.0.0.1:2', metadata: { version: null } }], 'wrong-type /0/metadata/version: must be text or a number or true or false, not null'],
  ['/loadBalancing', { panicPercent: 101 }, 'out-of-range /panicPercent: must be from 0 to 100'],
  ['/loadBalancing', { panicPercent: 0.5 }, 'wrong-type /panicPercent: must be a whole number, not 0.5'],
  ['/loadBalancing', { overprovisioningFactor: 0.9 }, 'out-of-range /overprovisioningFactor: must be from 1 to 100'],
  ['', cluster({ localityWeights: { a: 1 } }), 'conflict /loadBalancing/localityWeights: has no effect without "localityWeighted": true'],
  ['', cluster({ localityWeighted: true }, ['127.0.0.1:1']), 'conflict /loadBalancing/localityWeighted: no endpoint has a zone'],
  ['', cluster({ localityWeighted: true, localityWeights: { A: 1 } }), 'conflict /loadBalancing/localityWeights/A: no endpoint is in the zone "A"; did you mean a?'],
  ['', cluster({ localityWeighted: true, localityWeights: { a: 0, b: 0 } }), 'zero-weight /loadBalancing/localityWeights: the weights of all zones are 0: no host could be chosen'],
  ['', cluster({ localityWeighted: true, localityWeights: { a: -1 } }), 'out-of-range /loadBalancing/localityWeights/a: must be from 0 to 4294967295'],
  ['', cluster({ zoneAware: 1 }),
    'wrong-type /loadBalancing/zoneAware: must be true or false or an object, not 1'],
  ['', cluster({ zoneAware: { routingEnabledPercent: 101 } }),
    'missing-key /loadBalancing/zoneAware: needs the top-level keys "zone" and "localCluster"',
    'out-of-range /loadBalancing/zoneAware/routingEnabledPercent: must be from 0 to 100'],
  ['', cluster({ subsets: [] , subsetFallback: 'anyEndpoint' }), 'conflict /loadBalancing/subsetFallback: has no effect without "subsets"'],
  ['', cluster({ defaultSubset: { version: 'v1' } }), 'conflict /loadBalancing/defaultSubset: has no effect without "subsets"'],
  ['', cluster({ subsets: [[]] }), 'too-few /loadBalancing/subsets/0: must have at least 1 entry'],
  ['', cluster({ subsets: ['version'] }), 'wrong-type /loadBalancing/subsets/0: must be a list or an object, not "version"'],
  ['', cluster({ subsets: [['Version']] }), 'conflict /loadBalancing/subsets/0/0: no endpoint has "Version" in its metadata; did you mean version?'],
  ['', cluster({ subsets: [['version', 'version']] }), 'duplicate-name /loadBalancing/subsets/0/1: "version" is in this list already'],
  ['', cluster({ subsets: [['version', 'stage'], { keys: ['stage', 'version'] }] }), 'duplicate-name /loadBalancing/subsets/1: the same keys stand at /clusters/0/loadBalancing/subsets/0 already'],
  ['', cluster({ subsets: [['version']], subsetFallback: 'keysSubset' }), 'wrong-value /loadBalancing/subsetFallback: "keysSubset" is not one of "none", "anyEndpoint", "defaultSubset"'],
  ['', cluster({ subsets: [['version']], subsetFallback: 'defaultSubset' }), 'missing-key /loadBalancing: the fallback "defaultSubset" needs the key "defaultSubset"'],
  ['', cluster({ subsets: [['version']], defaultSubset: { version: 'v1' } }), 'conflict /loadBalancing/defaultSubset: has no effect without the fallback "defaultSubset"'],
  ['', cluster({ subsets: [['version']], subsetFallback: 'defaultSubset', defaultSubset: { version: 'v9' } }), 'conflict /loadBalancing/defaultSubset: no endpoint has this metadata'],
  ['', cluster({ subsets: [{ keys: ['version'], fallbackKeys: ['stage'] }] }), 'conflict /loadBalancing/subsets/0/fallbackKeys: has no effect without the fallback "keysSubset"'],
  ['', cluster({ subsets: [{ keys: ['version', 'stage'], fallback: 'keysSubset' }] }), 'missing-key /loadBalancing/subsets/0: the fallback "keysSubset" needs the key "fallbackKeys"'],
  ['', cluster({ subsets: [{ keys: ['version', 'stage'], fallback: 'keysSubset', fallbackKeys: ['stage', 'version'] }] }), 'conflict /loadBalancing/subsets/0/fallbackKeys: must be some, but not all, of "keys"'],
  ['', cluster({ subsets: [{ keys: ['version', 'stage'], fallback: 'keysSubset', fallbackKeys: ['zone'] }] }), 'conflict /loadBalancing/subsets/0/fallbackKeys: must be some, but not all, of "keys"'],
  ['', cluster({ subsets: [{ keys: ['version', 'stage'], fallback: 'keysSubset', fallbackKeys: ['version'] }] }), 'conflict /loadBalancing/subsets/0/fallbackKeys: no entry of "subsets" has these keys'],
  ['', { name: 'app', type: 'originalDst', loadBalancing: { subsets: [['version']] } }, 'conflict /loadBalancing: a cluster of the type originalDst chooses nobody: callers bring the address'],
]);

const ZONED = { name: 'app', endpoints: ENDPOINTS };
const LOCAL = { name: 'self', endpoints: ENDPOINTS };

/** The right document with these clusters, and this at its top. */
function document(clusters: readonly object[], top: object = {}): object {
  return { ...top, clusters, listeners: [{ address: '127.0.0.1:8080', http: { routes: [{ match: { prefix: '/' }, forward: { cluster: 'app' } }] } }] };
}

refuses(t, '', [
  ['', document([ZONED], { zone: 'a', localCluster: 'sel' }), 'unknown-cluster /localCluster: there is no cluster "sel"'],
  ['', document([ZONED, { ...LOCAL, endpoints: ['127.0.0.1:1', { address: '127.0.0.1:2', priority: 1 }] }], { zone: 'a', localCluster: 'self' }), 'conflict /clusters/1/endpoints/1/priority: the local cluster has one priority level'],
  ['', document([{ ...ZONED, loadBalancing: { zoneAware: true, localityWeighted: true } }, LOCAL], { zone: 'a', localCluster: 'self' }),
    'conflict /clusters/0/loadBalancing/zoneAware: does not go with "localityWeighted": one of them says how much each zone gets'],
  ['', document([{ ...ZONED, loadBalancing: { zoneAware: true, policy: 'maglev' } }, LOCAL], { zone: 'a', localCluster: 'self' }),
    'conflict /clusters/0/loadBalancing/zoneAware: does not go with the policy "maglev": a key must lead to one host wherever it is asked for'],
  ['', document([{ ...ZONED, loadBalancing: { zoneAware: false } }]), ],
  ['', document([{ ...ZONED, loadBalancing: { zoneAware: {} } }, LOCAL], { zone: 'a', localCluster: 'self' })],
]);

const SUBSETS = { name: 'app', endpoints: ENDPOINTS, loadBalancing: { subsets: [['version'], ['stage', 'version']] } };
const PLAIN = { name: 'plain', endpoints: ENDPOINTS };

function routed(forward: object): object {
  return { clusters: [SUBSETS, PLAIN], listeners: [{ address: '127.0.0.1:8080', http: { routes: [{ match: { prefix: '/' }, forward }] } }] };
}

const AT = '/listeners/0/http/routes/0/forward/subset';

refuses(t, '', [
  ['', routed({ cluster: 'app', subset: { version: 'v7' } })],
  ['', routed({ cluster: 'app', subset: { version: 'v1', stage: 'prod' } })],
  ['', routed({ cluster: 'app', subset: {} }), `too-few ${AT}: names no key: leave it out`],
  ['', routed({ cluster: 'app', subset: { stage: 'prod' } }), `conflict ${AT}: asks by stage, which is no entry of "subsets" of the cluster "app": there is version; stage, version`],
  ['', routed({ cluster: 'plain', subset: { version: 'v1' } }), `conflict ${AT}: the cluster "plain" has no "subsets"`],
  ['', routed({ clusters: [{ name: 'plain' }, { name: 'app' }], subset: { version: 'v1' } })],
  ['', routed({ clusterHeader: 'x-cluster', subset: { nothing: 'known' } })],
]);
