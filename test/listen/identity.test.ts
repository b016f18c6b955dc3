import t from 'tap';
import type { HttpConfig } from '../../src/config/snapshot.ts';
import { Random } from '../../src/core/random.ts';
import { Identity } from '../../src/listen/identity.ts';
import { streamOf } from '../route/request.ts';
import { listenerConfig } from '../support/snapshots.ts';

const A = '203.0.113.128';
const B = '203.0.113.10';
const D = '203.0.113.1';
const E = '192.0.2.5';

interface Seen {
  trusted: string;
  /** The value that goes upstream, or undefined. */
  field(name: string): string | undefined;
}

function identify(changes: Partial<HttpConfig>, peer: string, headers: readonly string[] = []): Seen {
  const stream = streamOf({ headers });
  stream.remoteAddress = peer;
  new Identity({ ...listenerConfig('edge', 1).http, ...changes }, new Random([1, 2, 3, 4])).apply(stream);
  return { trusted: stream.trustedAddress, field: (name) => stream.reqHead.get(name) };
}

const xff = (...list: readonly string[]): string[] => (list.length === 0 ? [] : [`X-Forwarded-For: ${list.join(', ')}`]);

// FACTS section 6: the examples of Envoy's own pages.
const VECTORS: [name: string, changes: Partial<HttpConfig>, peer: string, received: string[], trusted: string, sent: string | undefined][] = [
  ['edge', { useRemoteAddress: true }, E, [A, B, D], E, `${A}, ${B}, ${D},${E}`],
  ['inner', { useRemoteAddress: false }, '10.11.12.13', [A, B, D, E], E, `${A}, ${B}, ${D}, ${E}`],
  ['edge behind two', { useRemoteAddress: true, xffNumTrustedHops: 2 }, E, [A, B, D], B, `${A}, ${B}, ${D},${E}`],
  ['inner behind two', { useRemoteAddress: false, xffNumTrustedHops: 2 }, '10.11.12.13', [A, B, D, E], B, `${A}, ${B}, ${D}, ${E}`],
  ['inner, none received', { useRemoteAddress: false }, '10.20.30.40', [], '10.20.30.40', undefined],
  ['inner, one received', { useRemoteAddress: false }, '10.20.30.50', ['10.20.30.40'], '10.20.30.40', '10.20.30.40'],
  ['ranges: the last is ours', { useRemoteAddress: false, trustedCidrs: ['192.0.2.0/24'] }, E, [A, B, '192.0.2.1'], B, `${A}, ${B}, 192.0.2.1,${E}`],
  ['ranges: two of them', { useRemoteAddress: false, trustedCidrs: ['192.0.2.0/24', '198.51.100.0/24'] }, E, [A, B, '198.51.100.1'], B, `${A}, ${B}, 198.51.100.1,${E}`],
  ['ranges: the peer is none of ours', { useRemoteAddress: false, trustedCidrs: ['192.0.2.0/24'] }, '198.51.100.9', [A, B], '198.51.100.9', `${A}, ${B},198.51.100.9`],
  ['ranges: all ours', { useRemoteAddress: false, trustedCidrs: ['192.0.2.0/24'] }, E, ['192.0.2.1', '192.0.2.2'], '192.0.2.1', `192.0.2.1, 192.0.2.2,${E}`],
  ['ranges: nothing received', { useRemoteAddress: false, trustedCidrs: ['192.0.2.0/24'] }, E, [], E, E],
  ['ranges: no address in the list', { useRemoteAddress: false, trustedCidrs: ['192.0.2.0/24'] }, E, [A, 'unknown'], E, `${A}, unknown,${E}`],
  ['edge, nothing received', { useRemoteAddress: true }, E, [], E, E],
  ['edge behind one, list too short', { useRemoteAddress: true, xffNumTrustedHops: 3 }, E, [A], E, `${A},${E}`],
  ['edge behind one', { useRemoteAddress: true, xffNumTrustedHops: 1 }, E, [A], A, `${A},${E}`],
  ['edge behind one, no address there', { useRemoteAddress: true, xffNumTrustedHops: 1 }, E, ['_hidden'], E, `_hidden,${E}`],
  ['edge, a unix socket', { useRemoteAddress: true }, '', [A], '', A],
];

t.test('the trusted address and x-forwarded-for', async (t) => {
  for (const [name, changes, peer, received, trusted, sent] of VECTORS) {
    const seen = identify(changes, peer, xff(...received));
    t.same([seen.trusted, seen.field('x-forwarded-for')], [trusted, sent], name);
    const edge = changes.useRemoteAddress === true;
    t.equal(seen.field('x-envoy-external-address'), edge && trusted !== '' ? trusted : undefined, `${name}: external address`);
  }
});

t.test('several x-forwarded-for fields are one list', async (t) => {
  const seen = identify({ useRemoteAddress: true, xffNumTrustedHops: 2 }, E, [`X-Forwarded-For: ${A}`, 'X-Other: 1', `x-forwarded-for: ${B}`]);
  t.same([seen.trusted, seen.field('x-forwarded-for')], [A, `${A},${B},${E}`]);
  for (const odd of [',', ',,,', ' , ', `,${A}`, `${A},`]) {
    t.equal(identify({ useRemoteAddress: true, xffNumTrustedHops: 1 }, E, [`X-Forwarded-For:${odd}`]).field('x-forwarded-for')!.endsWith(E), true, JSON.stringify(odd));
  }
});

t.test('x-envoy-external-address is not believed at the edge, and not touched behind it', async (t) => {
  const forged = ['X-Envoy-External-Address: 1.2.3.4'];
  t.equal(identify({ useRemoteAddress: true }, E, forged).field('x-envoy-external-address'), E);
  t.equal(identify({ useRemoteAddress: false }, E, forged).field('x-envoy-external-address'), '1.2.3.4');
});

t.test('x-forwarded-proto', async (t) => {
  const said = ['X-Forwarded-Proto: https'];
  t.equal(identify({ useRemoteAddress: true }, E, said).field('x-forwarded-proto'), 'http', 'the edge knows better');
  t.equal(identify({ useRemoteAddress: true, xffNumTrustedHops: 1 }, E, said).field('x-forwarded-proto'), 'https', 'a trusted hop said so');
  t.equal(identify({ useRemoteAddress: false }, E, said).field('x-forwarded-proto'), 'https');
  for (const useRemoteAddress of [true, false]) t.equal(identify({ useRemoteAddress }, E).field('x-forwarded-proto'), 'http');
});

t.test('x-request-id', async (t) => {
  const mine = ['X-Request-Id: mine'];
  const uuid = /^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/;
  t.match(identify({ useRemoteAddress: true }, E, mine).field('x-request-id'), uuid);
  t.match(identify({ useRemoteAddress: true }, E).field('x-request-id'), uuid);
  t.equal(identify({ useRemoteAddress: true, requestId: { generate: true, preserveExternal: true } }, E, mine).field('x-request-id'), 'mine');
  t.equal(identify({ useRemoteAddress: false }, E, mine).field('x-request-id'), 'mine');
  t.equal(identify({ useRemoteAddress: true, requestId: { generate: false, preserveExternal: false } }, E).field('x-request-id'), undefined);
});

const CLEANED = [
  'decorator-operation', 'downstream-service-cluster', 'downstream-service-node', 'expected-rq-timeout-ms', 'force-trace', 'internal', 'ip-tags',
  'max-retries', 'retry-grpc-on', 'retry-on', 'upstream-alt-stat-name', 'upstream-rq-per-try-timeout-ms', 'upstream-rq-timeout-alt-response', 'upstream-rq-timeout-ms',
  'retriable-status-codes', 'retriable-header-names', 'hedge-on-per-try-timeout',
].map((name) => `x-envoy-${name}`);

t.test('fields that no external caller may set', async (t) => {
  const all = [...CLEANED, 'x-forwarded-client-cert', 'x-envoy-original-path'];
  const edge = identify({ useRemoteAddress: true }, E, all.map((name) => `${name}: forged`));
  for (const name of all) t.equal(edge.field(name), undefined, `${name} at the edge`);
  const inner = identify({ useRemoteAddress: false }, E, all.map((name) => `${name}: said`));
  for (const name of ['x-envoy-retry-on', 'x-envoy-max-retries', 'x-envoy-internal', 'x-forwarded-client-cert']) t.equal(inner.field(name), undefined, `${name} behind it`);
  for (const name of ['x-envoy-decorator-operation', 'x-envoy-downstream-service-cluster', 'x-envoy-downstream-service-node']) t.equal(inner.field(name), 'said', `${name} behind it`);
  t.equal(identify({ useRemoteAddress: true }, E, ['X-Envoy-Other: kept', 'traceparent: 00-1']).field('x-envoy-other'), 'kept');
});

t.test('internal callers: listed, and seen without a proxy between', async (t) => {
  const internalCidrs = ['10.0.0.0/8'];
  const said = ['x-envoy-retry-on: 5xx', 'x-envoy-internal: forged', 'x-forwarded-client-cert: forged', 'x-request-id: mine'];
  const cases: [changes: Partial<HttpConfig>, peer: string, received: string[], internal: boolean][] = [
    [{ useRemoteAddress: true }, '10.1.1.1', [], true],
    [{ useRemoteAddress: true }, E, [], false],
    [{ useRemoteAddress: true }, '10.1.1.1', ['10.2.2.2'], false],
    [{ useRemoteAddress: true, xffNumTrustedHops: 1 }, E, ['10.2.2.2'], false],
    [{ useRemoteAddress: false }, '10.1.1.1', [], false],
    [{ useRemoteAddress: false }, E, ['10.2.2.2'], true],
    [{ useRemoteAddress: false }, E, [A], false],
    [{ useRemoteAddress: false }, E, ['10.2.2.2', '10.3.3.3'], false],
  ];
  for (const [changes, peer, received, internal] of cases) {
    const seen = identify({ ...changes, internalCidrs }, peer, [...said, ...xff(...received)]);
    const title = `${JSON.stringify(changes)} ${peer} ${received.join()}`;
    t.same([seen.field('x-envoy-retry-on'), seen.field('x-envoy-internal')], internal ? ['5xx', 'true'] : [undefined, undefined], title);
    t.equal(seen.field('x-forwarded-client-cert'), undefined, title);
    t.equal(seen.field('x-request-id') === 'mine', internal || changes.useRemoteAddress === false, title);
  }
});

t.test('hostile lists do not cost more than they should', async (t) => {
  const long = Array.from({ length: 5000 }, (_, i) => `10.0.${i >> 8}.${i & 255}`);
  const seen = identify({ useRemoteAddress: false, trustedCidrs: ['10.0.0.0/8'] }, '10.0.0.1', xff(...long));
  t.equal(seen.trusted, '10.0.0.0');
  t.doesNotThrow(() => identify({ useRemoteAddress: false, trustedCidrs: ['10.0.0.0/8'] }, '10.0.0.1', xff('fe80::1%' + 'z'.repeat(3000), '10.0.0.2')));
});
