// What is refused of `loadBalancing`, `hashOn` and `stickySession`.

import t from 'tap';
import { refuses } from './refusals.ts';

const CLUSTER = '/clusters/0/loadBalancing';
const FORWARD = '/listeners/0/http/virtualHosts/0/routes/0/forward';

t.test('balancing: sizes that cannot be', async (t) => {
  refuses(t, CLUSTER, [
    ['', { policy: 'maglev', tableSize: 65_536 }, 'out-of-range /tableSize: 65536 is not prime: the next prime is 65537'],
    ['', { policy: 'maglev', tableSize: 1 }, 'out-of-range /tableSize: must be from 2 to 5000011'],
    ['', { policy: 'maglev', tableSize: 5_000_012 }, 'out-of-range /tableSize: must be from 2 to 5000011'],
    ['', { policy: 'maglev', tableSize: 2 }],
    ['', { policy: 'maglev', tableSize: 5_000_011 }],
    ['', { policy: 'ringHash', minRingSize: 10, maxRingSize: 9 }, 'out-of-range /minRingSize: 10 is above maxRingSize, which is 9'],
    ['', { policy: 'ringHash', maxRingSize: 1000 }, 'out-of-range /maxRingSize: 1000 is below minRingSize, which is 1024'],
    ['', { policy: 'ringHash', minRingSize: 8_388_609 }, 'out-of-range /minRingSize: must be from 1 to 8388608'],
    ['', { policy: 'ringHash', minRingSize: 9, maxRingSize: 9 }],
    ['', { policy: 'ringHash', hashBalanceFactor: 99 }, 'out-of-range /hashBalanceFactor: 99 is below the mean itself: from 100 on, or 0 for no bound'],
    ['', { policy: 'maglev', hashBalanceFactor: 100 }],
    ['', { policy: 'leastRequest', choiceCount: 1 }, 'out-of-range /choiceCount: must be from 2 to 64'],
    ['', { policy: 'leastRequest', activeRequestBias: -1 }, 'out-of-range /activeRequestBias: must be at least 0'],
    ['', { policy: 'leastRequest', activeRequestBias: 0.5 }],
  ]);
});

t.test('a table needs an entry for every endpoint', async (t) => {
  const endpoints = ['127.0.0.1:1', '127.0.0.1:2', '127.0.0.1:3'];
  refuses(t, '/clusters/0', [
    ['', { name: 'app', endpoints, loadBalancing: { policy: 'maglev', tableSize: 2 } }, 'out-of-range /loadBalancing/tableSize: 2 entries are not enough for 3 endpoints'],
    ['', { name: 'app', endpoints, loadBalancing: { policy: 'maglev', tableSize: 3 } }],
  ]);
});

t.test('balancing: keys that the policy does not look at', async (t) => {
  refuses(t, CLUSTER, [
    ['', { tableSize: 65_537 }, 'conflict /tableSize: the policy roundRobin does not look at it: it is for maglev'],
    ['', { policy: 'random', choiceCount: 2 }, 'conflict /choiceCount: the policy random does not look at it: it is for leastRequest'],
    ['', { policy: 'maglev', minRingSize: 5 }, 'conflict /minRingSize: the policy maglev does not look at it: it is for ringHash'],
    ['', { policy: 'peakEwma', hashBalanceFactor: 150 }, 'conflict /hashBalanceFactor: the policy peakEwma does not look at it: it is for ringHash and maglev'],
    ['', { policy: 'ringHash', slowStart: { window: '1s' } }, 'conflict /slowStart: the policy ringHash does not look at it: it is for roundRobin and leastRequest'],
  ]);
});

t.test('slow start', async (t) => {
  refuses(t, CLUSTER, [
    ['', { slowStart: {} }, 'missing-key /slowStart: slow start needs the key "window"'],
    ['', { slowStart: { window: '0s' } }, 'out-of-range /slowStart/window: must be longer than 0: leave "slowStart" away to turn it off'],
    ['', { slowStart: { window: '1s', aggression: 0 } }, 'out-of-range /slowStart/aggression: must be more than 0'],
    ['', { slowStart: { window: '1s', minWeightPercent: 101 } }, 'out-of-range /slowStart/minWeightPercent: must be from 0 to 100'],
    ['', { policy: 'leastRequest', slowStart: { window: '1s', aggression: 0.5, minWeightPercent: 0 } }],
  ]);
});

t.test('what is chosen by nobody, or by no hash', async (t) => {
  refuses(t, '/clusters/0', [
    ['', { name: 'app', type: 'originalDst', loadBalancing: { policy: 'random' } }, 'conflict /loadBalancing: a cluster of the type originalDst chooses nobody: callers bring the address'],
  ]);
  refuses(t, FORWARD, [
    ['', { cluster: 'app', hashOn: [{ header: 'x-a' }] }, 'conflict /hashOn: no cluster of this route looks at hashes: one needs the policy ringHash or maglev'],
    ['', { clusters: [{ name: 'app' }, { name: 'api' }], hashOn: [{ header: 'x-a' }] }, 'conflict /hashOn: no cluster of this route looks at hashes: one needs the policy ringHash or maglev'],
    ['', { clusterHeader: 'x-cluster', hashOn: [{ header: 'x-a' }] }],
  ]);
});

t.test('hashOn: one source each', async (t) => {
  refuses(t, FORWARD, [
    ['', { clusterHeader: 'x-cluster', hashOn: [{}] }, 'one-of /hashOn/0: hashOn needs one of header, cookie, sourceIp, query'],
    ['', { clusterHeader: 'x-cluster', hashOn: [{ header: 'x-a', query: 'b' }] }, 'one-of /hashOn/0/query: hashOn takes only one of header, cookie, sourceIp, query, but has header and query'],
    ['', { clusterHeader: 'x-cluster', hashOn: [{ sourceIp: false }] }, 'conflict /hashOn/0/sourceIp: hashes nothing: leave the entry away'],
    ['', { clusterHeader: 'x-cluster', hashOn: [{ header: ':path' }, { cookie: 'sid', ttl: '0s', path: '/a', attributes: { SameSite: 'Lax' } }, { sourceIp: true, terminal: true }] }],
    ['', { clusterHeader: 'x-cluster', hashOn: [{ header: 'x a' }] }, 'bad-header-name /hashOn/0/header: "x a" is not the name of a header'],
  ]);
});

t.test('hashOn: a cookie that is made', async (t) => {
  refuses(t, FORWARD, [
    ['', { clusterHeader: 'x-cluster', hashOn: [{ header: 'x-a', ttl: '1s' }] }, 'conflict /hashOn/0/ttl: belongs to "cookie"'],
    ['', { clusterHeader: 'x-cluster', hashOn: [{ cookie: 'sid', path: '/' }] }, 'conflict /hashOn/0/path: is for the cookie that clients get, and without "ttl" they get none'],
    ['', { clusterHeader: 'x-cluster', hashOn: [{ cookie: 'sid', ttl: '1500ms' }] }, 'out-of-range /hashOn/0/ttl: is finer than a second, as cookies count'],
    ['', { clusterHeader: 'x-cluster', hashOn: [{ cookie: 'sid', ttl: '1s', path: '/a;b' }] }, 'bad-header-value /hashOn/0/path: must not hold a semicolon: it ends an attribute of a cookie'],
    ['', { clusterHeader: 'x-cluster', hashOn: [{ cookie: 'sid', ttl: '1s', attributes: { a: 'b; c' } }] }, 'bad-header-value /hashOn/0/attributes/a: must not hold a semicolon: it ends an attribute of a cookie'],
  ]);
});

t.test('sticky sessions', async (t) => {
  refuses(t, `${FORWARD}/stickySession`, [
    ['', {}, 'one-of: stickySession needs one of cookie, header'],
    ['', { cookie: 'a', header: 'b' }, 'one-of /header: stickySession takes only one of cookie, header, but has cookie and header'],
    ['', { header: 'x-host', ttl: '1h' }, 'conflict /ttl: belongs to "cookie"'],
    ['', { header: 'x-host', path: '/' }, 'conflict /path: belongs to "cookie"'],
    ['', { cookie: 'a', ttl: '1h', path: '/', strict: true }],
  ]);
});
