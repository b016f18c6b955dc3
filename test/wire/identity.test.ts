// Who is calling, and what the proxy says about itself: x-forwarded-for and -proto, the trusted address, x-request-id,
// x-envoy-*, server, date. The vectors are Envoy's own, checked against Envoy 1.40; documentation addresses that the
// machine must call from are replaced by loopback ones (127.0.2.5 for 192.0.2.5).

import t, { type Test } from 'tap';

import { value, values } from '../support/http-message.ts';
import { echoHead } from '../support/origin.ts';
import { get, request, type Answer } from '../support/raw-client.ts';
import { onEachEngine, type Stage } from '../support/stage.ts';

t.setTimeout(60_000);

const VARIANTS: Readonly<Record<string, Record<string, unknown>>> = {
  edge: {},
  edge1: { xffNumTrustedHops: 1 },
  edge2: { xffNumTrustedHops: 2 },
  inner: { useRemoteAddress: false },
  inner2: { useRemoteAddress: false, xffNumTrustedHops: 2 },
  cidr: { useRemoteAddress: false, trustedCidrs: ['127.0.2.0/24'] },
  cidrs: { useRemoteAddress: false, trustedCidrs: ['127.0.2.0/24', '198.51.100.0/24'] },
  noId: { requestId: { generate: false } },
  keepId: { requestId: { preserveExternal: true } },
  passServer: { serverName: false },
  named: { serverName: 'edge-1' },
};

onEachEngine(
  (stage) => ({
    listeners: Object.entries(VARIANTS).map(([name, http]) => ({
      name,
      address: '127.0.0.1:0',
      http: {
        accessLog: [{ path: stage.logPath, format: '%REQ(:PATH)% trusted=%DOWNSTREAM_REMOTE_ADDRESS_WITHOUT_PORT% direct=%DOWNSTREAM_DIRECT_REMOTE_ADDRESS_WITHOUT_PORT%\n' }],
        routes: [
          { match: { prefix: '/no-timeout' }, forward: { cluster: 'app', timeout: '0s' } },
          { match: { prefix: '/short' }, forward: { cluster: 'app', timeout: '2s' } },
          { match: { prefix: '/' }, forward: { cluster: 'app' } },
        ],
        ...http,
      },
    })),
    clusters: [{ name: 'app', endpoints: [stage.origin.address] }],
  }),
  { origin: { script: echoHead } },
  async (t, stage) => {
    await t.test('x-forwarded-for and the trusted address', (t) => forwardedFor(t, stage));
    await t.test('fields that only we may set', (t) => cleaned(t, stage));
    await t.test('x-forwarded-proto', (t) => forwardedProto(t, stage));
    await t.test('x-request-id', (t) => requestId(t, stage));
    await t.test('expected time and service time', (t) => times(t, stage));
    await t.test('server and date', (t) => serverAndDate(t, stage));
  },
);

/** A field of the request as the origin saw it. */
function seen(answer: Answer, name: string): string | undefined {
  return value(parse(answer), name);
}

function parse(answer: Answer): { fields: [string, string][] } {
  const lines = answer.text.trimEnd().split('\r\n').slice(1);
  return { fields: lines.map((line) => [line.slice(0, line.indexOf(':')), line.slice(line.indexOf(':') + 1).trim()]) };
}

const A = '203.0.113.128';
const B = '203.0.113.10';
const D = '203.0.113.1';
const E = '127.0.2.5';
const PRIVATE = '127.0.3.13';
const PUBLIC = '192.0.2.5';

interface Vector {
  readonly listener: string;
  readonly peer: string;
  readonly xff?: string;
  readonly trusted: string;
  /** undefined: the field must be absent upstream. */
  readonly out: string | undefined;
  /** x-envoy-external-address upstream; `sent` stands for what the caller had sent. */
  readonly external: string;
}

const VECTORS: readonly Vector[] = [
  { listener: 'edge', peer: E, xff: `${A},${B},${D}`, trusted: E, out: `${A},${B},${D},${E}`, external: E },
  { listener: 'edge', peer: E, xff: `${A}, ${B},  ${D}`, trusted: E, out: `${A}, ${B},  ${D},${E}`, external: E },
  { listener: 'edge', peer: E, trusted: E, out: E, external: E },
  { listener: 'inner', peer: PRIVATE, xff: `${A},${B},${D},${PUBLIC}`, trusted: PUBLIC, out: `${A},${B},${D},${PUBLIC}`, external: 'sent' },
  { listener: 'edge2', peer: E, xff: `${A},${B},${D}`, trusted: B, out: `${A},${B},${D},${E}`, external: B },
  { listener: 'inner2', peer: PRIVATE, xff: `${A},${B},${D},${PUBLIC}`, trusted: B, out: `${A},${B},${D},${PUBLIC}`, external: 'sent' },
  { listener: 'inner', peer: PRIVATE, trusted: PRIVATE, out: undefined, external: 'sent' },
  { listener: 'inner', peer: PRIVATE, xff: '10.20.30.40', trusted: '10.20.30.40', out: '10.20.30.40', external: 'sent' },
  { listener: 'cidr', peer: E, xff: `${A},${B},127.0.2.1`, trusted: B, out: `${A},${B},127.0.2.1,${E}`, external: 'sent' },
  { listener: 'cidrs', peer: E, xff: `${A},${B},198.51.100.1`, trusted: B, out: `${A},${B},198.51.100.1,${E}`, external: 'sent' },
  { listener: 'cidr', peer: PRIVATE, xff: `${A},${B},127.0.2.1`, trusted: PRIVATE, out: `${A},${B},127.0.2.1,${PRIVATE}`, external: 'sent' },
  { listener: 'edge1', peer: E, xff: 'garbage, 1.2.3', trusted: E, out: `garbage, 1.2.3,${E}`, external: E },
  { listener: 'edge1', peer: E, xff: A, trusted: A, out: `${A},${E}`, external: A },
  { listener: 'edge2', peer: E, xff: A, trusted: E, out: `${A},${E}`, external: E },
  { listener: 'inner', peer: E, xff: `${A}, garbage`, trusted: E, out: `${A}, garbage`, external: 'sent' },
  { listener: 'inner', peer: E, xff: '2001:db8::1', trusted: '2001:db8::1', out: '2001:db8::1', external: 'sent' },
  { listener: 'inner', peer: E, xff: '1.2.3.4:80', trusted: E, out: '1.2.3.4:80', external: 'sent' },
];

async function forwardedFor(t: Test, stage: Stage): Promise<void> {
  for (const [number, vector] of VECTORS.entries()) {
    const label = `${vector.listener}, from ${vector.peer}, ${vector.xff ?? 'none'}:`;
    const fields = { ...(vector.xff === undefined ? {} : { 'X-Forwarded-For': vector.xff }), 'x-envoy-external-address': 'sent', 'x-envoy-internal': 'true' };
    const answer = await get(stage.proxy.listener(vector.listener), `/vector-${number}`, fields, { from: vector.peer });
    t.equal(seen(answer, 'x-forwarded-for'), vector.out, `${label} x-forwarded-for`);
    t.equal(seen(answer, 'x-envoy-external-address'), vector.external, `${label} x-envoy-external-address`);
    t.equal(seen(answer, 'x-envoy-internal'), undefined, `${label} x-envoy-internal is not believed`);
  }
  for (const [number, { trusted, peer }] of VECTORS.entries()) {
    t.equal(await stage.logLine(`/vector-${number} `), `/vector-${number} trusted=${trusted} direct=${peer}`, 'trusted address');
  }
  const twice = `GET /twice HTTP/1.1\r\nHost: a\r\nX-Forwarded-For: ${A}\r\nX-Other: 1\r\nx-forwarded-for: ${B}\r\n\r\n`;
  const answer = await stage.exchange(twice);
  const joined = values(parse(answer), 'x-forwarded-for').join(',').replaceAll(' ', '');
  t.match(joined, new RegExp(`^${A},${B},`), 'two fields keep their order, and the peer comes after both');
}

const EXTERNAL_ONLY = [
  'x-envoy-retry-on', 'x-envoy-retry-grpc-on', 'x-envoy-max-retries', 'x-envoy-upstream-alt-stat-name', 'x-envoy-upstream-rq-timeout-ms',
  'x-envoy-upstream-rq-per-try-timeout-ms', 'x-envoy-upstream-rq-timeout-alt-response', 'x-envoy-force-trace', 'x-envoy-ip-tags',
  'x-forwarded-client-cert',
];
const EDGE_ONLY = ['x-envoy-decorator-operation', 'x-envoy-downstream-service-cluster', 'x-envoy-downstream-service-node', 'x-envoy-original-path'];

async function cleaned(t: Test, stage: Stage): Promise<void> {
  const fields = Object.fromEntries([...EXTERNAL_ONLY, ...EDGE_ONLY].map((name) => [name, 'forged']));
  const edge = await get(stage.proxy.listener('edge'), '/cleaned', { ...fields, 'x-kept': 'k', 'x-envoy-other': 'o', 'x-forwarded-host': 'h' });
  for (const name of [...EXTERNAL_ONLY, ...EDGE_ONLY]) t.equal(seen(edge, name), undefined, `${name} from outside does not go on`);
  for (const [name, text] of [['x-kept', 'k'], ['x-envoy-other', 'o'], ['x-forwarded-host', 'h']] as const) t.equal(seen(edge, name), text, `${name} does`);
}

async function forwardedProto(t: Test, stage: Stage): Promise<void> {
  const proto = async (listener: string, fields: Record<string, string>): Promise<string | undefined> =>
    seen(await get(stage.proxy.listener(listener), '/proto', fields), 'x-forwarded-proto');
  t.equal(await proto('edge', {}), 'http');
  t.equal(await proto('edge', { 'X-Forwarded-Proto': 'https' }), 'http', 'an edge believes only itself');
  t.equal(await proto('edge1', { 'X-Forwarded-Proto': 'https' }), 'https', 'behind trusted hops theirs is kept');
  t.equal(await proto('inner', { 'X-Forwarded-Proto': 'https' }), 'https');
  t.equal(await proto('inner', {}), 'http');
}

const UUID4 = /^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/;

async function requestId(t: Test, stage: Stage): Promise<void> {
  const id = async (listener: string, fields: Record<string, string> = {}): Promise<string | undefined> =>
    seen(await get(stage.proxy.listener(listener), '/id', fields), 'x-request-id');
  t.match(await id('edge'), UUID4, 'made when absent');
  t.match(await id('edge', { 'X-Request-Id': 'theirs' }), UUID4, 'replaced when it came from outside');
  t.match(await id('inner'), UUID4);
  t.equal(await id('inner', { 'X-Request-Id': 'theirs' }), 'theirs', 'kept inside');
  t.equal(await id('keepId', { 'X-Request-Id': 'theirs' }), 'theirs', 'kept when the configuration says so');
  t.match(await id('keepId'), UUID4);
  t.equal(await id('noId'), undefined, 'not made when the configuration says so');
  t.equal(await id('noId', { 'X-Request-Id': 'theirs' }), 'theirs');
  const many = await Promise.all(Array.from({ length: 200 }, () => id('edge')));
  t.equal(new Set(many).size, 200, 'two hundred over all workers, all different');
}

async function times(t: Test, stage: Stage): Promise<void> {
  const expected = async (path: string): Promise<string | undefined> => seen(await stage.get(path, { 'x-envoy-expected-rq-timeout-ms': '7' }), 'x-envoy-expected-rq-timeout-ms');
  t.equal(await expected('/any'), '15000', 'the route’s time, also over a forged one');
  t.equal(await expected('/short'), '2000');
  t.equal(await expected('/no-timeout'), undefined, 'none where there is no limit');

  stage.origin.on('/timed', async (exchange) => {
    await new Promise((resolve) => setTimeout(resolve, 60));
    await exchange.reply(200, { 'X-Envoy-Upstream-Service-Time': '99999' });
  });
  const answer = await stage.get('/timed');
  const took = Number(value(answer, 'x-envoy-upstream-service-time'));
  t.ok(took >= 50 && took < 10_000, `x-envoy-upstream-service-time is ours and in milliseconds (${took})`);
}

async function serverAndDate(t: Test, stage: Stage): Promise<void> {
  stage.origin.on('/dated', (exchange) => exchange.reply(200, { Server: 'theirs', Date: 'Tue, 01 Jan 2019 00:00:00 GMT' }));
  const via = (listener: string, path: string): Promise<Answer> => get(stage.proxy.listener(listener), path);
  const own = await via('edge', '/undated');
  t.equal(value(own, 'server'), 'nuncio');
  t.match(value(own, 'date'), /^(Mon|Tue|Wed|Thu|Fri|Sat|Sun), \d\d (Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec) \d{4} \d\d:\d\d:\d\d GMT$/);
  t.ok(Math.abs(Date.parse(value(own, 'date') as string) - Date.now()) < 10_000, 'the date is now');
  const dated = await via('edge', '/dated');
  t.equal(value(dated, 'date'), 'Tue, 01 Jan 2019 00:00:00 GMT', 'the origin’s date stays');
  t.equal(value(dated, 'server'), 'nuncio', 'its server does not');
  t.equal(value(await via('passServer', '/dated'), 'server'), 'theirs', 'unless the configuration says so');
  t.equal(value(await via('named', '/dated'), 'server'), 'edge-1');
  const local = await stage.exchange(request('GET', '*'));
  t.equal(value(local, 'server'), 'nuncio', 'answers of our own have both too');
  t.ok(value(local, 'date') !== undefined);
}
