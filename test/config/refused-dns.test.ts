// Broken discovery: names where none are looked up, and look-ups that cannot be.

import t from 'tap';

import { refuses } from './refusals.ts';

const strict = (part: object): object => ({ name: 'app', type: 'strictDns', endpoints: ['a.test:1'], ...part });
const logical = (part: object): object => ({ name: 'app', type: 'logicalDns', endpoints: ['a.test:1'], ...part });
const fixed = (part: object): object => ({ name: 'app', endpoints: ['127.0.0.1:1'], ...part });
const advice = 'a static endpoint takes an IP address; "type": "strictDns" looks names up';

t.test('endpoints', (t) => {
  refuses(t, '/clusters/0', [
    ['', strict({ endpoints: ['a.test:1', 'a-b.c_d.:65535', { address: 'localhost:80', weight: 2 }, '127.0.0.1:1', '[::1]:1', 'xn--bcher-kva.example:1'] })],
    ['', logical({})],
    ['', fixed({ endpoints: ['a.test:1'] }), `bad-endpoint-address /endpoints/0: "a.test:1" is a host name; ${advice}`],
    ['', fixed({ type: 'static', endpoints: [{ address: 'a.test:1' }] }), `bad-endpoint-address /endpoints/0/address: "a.test:1" is a host name; ${advice}`],
    ['', strict({ endpoints: undefined }), 'missing-key: cluster needs the key "endpoints"'],
    ['', strict({ endpoints: ['a.test'] }), 'bad-endpoint-address /endpoints/0: "a.test" must be "IP:port", "[v6]:port" or "unix:/path"'],
    ['', strict({ endpoints: ['a.test:0'] }), 'bad-endpoint-address /endpoints/0: "a.test:0" must have a port from 1 to 65535'],
    ['', strict({ endpoints: ['a.test:65536'] }), 'bad-endpoint-address /endpoints/0: "a.test:65536" must have a port from 1 to 65535'],
    ['', strict({ endpoints: ['256.0.0.1:1'] }), 'bad-endpoint-address /endpoints/0: "256.0.0.1:1" holds no valid IP address: 256.0.0.1'],
    ['', strict({ endpoints: ['-a.test:1'] }), `bad-endpoint-address /endpoints/0: "-a.test:1" is a host name; ${advice}`],
    ['', strict({ endpoints: [`${'a'.repeat(64)}.test:1`] }), `bad-endpoint-address /endpoints/0: "${'a'.repeat(64)}.test:1" is a host name; ${advice}`],
    ['', strict({ endpoints: ['a.test:1', 'a.test:1'] }), 'duplicate-address /endpoints/1: the endpoint "a.test:1" is taken already by /clusters/0/endpoints/0'],
    ['', logical({ endpoints: ['a.test:1', 'b.test:1'] }), 'conflict /endpoints: a cluster of the type logicalDns takes one endpoint; "strictDns" takes several'],
  ]);
  t.end();
});

t.test('how names are looked up', (t) => {
  const elsewhere = (key: string): string => `conflict /${key}: nothing is looked up here: "${key}" needs the type "strictDns" or "logicalDns"`;
  refuses(t, '/clusters/0', [
    ['', strict({ dnsRefresh: '1ms', dnsJitter: '0s', dnsFailureRefresh: { base: '1s', max: '1s' }, respectDnsTtl: true, dnsLookupFamily: 'all', dnsResolvers: ['1.1.1.1', '1.1.1.1:53', '::1', '[::1]:53'] })],
    ['', fixed({ dnsRefresh: '5s', respectDnsTtl: false }), elsewhere('dnsRefresh'), elsewhere('respectDnsTtl')],
    ['', { name: 'app', type: 'originalDst', dnsJitter: '5s', dnsFailureRefresh: { base: '1s' } }, elsewhere('dnsFailureRefresh'), elsewhere('dnsJitter')],
    ['', fixed({ type: 'static', dnsLookupFamily: 'all', dnsResolvers: ['1.1.1.1'] }), elsewhere('dnsLookupFamily'), elsewhere('dnsResolvers')],
    ['', strict({ dnsRefresh: '0s' }), 'out-of-range /dnsRefresh: must be longer than 0s: the name would be asked for without a pause'],
    ['', strict({ dnsRefresh: 5 }), 'wrong-type /dnsRefresh: must be a duration such as "15s", not 5'],
    ['', strict({ dnsFailureRefresh: {} }), 'missing-key /dnsFailureRefresh: dns failure refresh needs the key "base"'],
    ['', strict({ dnsFailureRefresh: { base: '0s' } }), 'out-of-range /dnsFailureRefresh/base: must be longer than 0s: the name would be asked for without a pause'],
    ['', strict({ dnsFailureRefresh: { base: '2s', max: '1s' } }), 'out-of-range /dnsFailureRefresh/max: must not be shorter than "base"'],
    ['', strict({ dnsLookupFamily: 'v4' }), 'wrong-value /dnsLookupFamily: "v4" is not one of "auto", "v4Only", "v6Only", "v4Preferred", "all"'],
    ['', strict({ dnsResolvers: [] }), 'too-few /dnsResolvers: must have at least 1 entry'],
    ['', strict({ dnsResolvers: ['dns.google:53'] }), 'bad-resolver /dnsResolvers/0: "dns.google:53" is a host name; a DNS server is found by its IP address'],
    ['', strict({ dnsResolvers: ['unix:/run/dns'] }), 'bad-resolver /dnsResolvers/0: "unix:/run/dns" must be an IP address, with or without port'],
    ['', strict({ dnsResolvers: ['1.1.1.1:0'] }), 'bad-resolver /dnsResolvers/0: "1.1.1.1:0" must have a port from 1 to 65535'],
    ['', strict({ dnsRefreshRate: '5s' }), 'unknown-key /dnsRefreshRate: unknown key "dnsRefreshRate"; did you mean dnsRefresh?'],
  ]);
  t.end();
});
