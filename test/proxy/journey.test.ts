import t from 'tap';
import type { ClusterConfig } from '../../src/config/cluster-snapshot.ts';
import type { HttpConfig, RouteConfig } from '../../src/config/snapshot.ts';
import * as S from '../../src/observe/stat-names.ts';
import { forward, matching, redirecting, rewriting, route } from '../route/request.ts';
import type { FakeConn } from '../support/fake-conn.ts';
import { FakeHouse, type FakeDoor } from '../support/fake-house.ts';
import { one, readMessages, type Message } from '../support/message-text.ts';
import { clusterConfig } from '../support/snapshots.ts';

const LOG = { path: '/log', format: '%RESPONSE_CODE% %RESPONSE_FLAGS% %RESPONSE_CODE_DETAILS% %BYTES_RECEIVED% %BYTES_SENT%\n', json: null, filter: null };

interface Changes {
  readonly routes?: readonly RouteConfig[];
  readonly http?: Partial<HttpConfig>;
  readonly cluster?: Partial<ClusterConfig>;
  readonly ports?: readonly number[];
}

class Stage {
  readonly house = new FakeHouse();
  readonly door: FakeDoor;
  readonly caller: FakeConn;

  constructor(changes: Changes = {}) {
    this.house.addCluster(clusterConfig('app', changes.ports ?? [13_000], changes.cluster ?? {}));
    const routes = changes.routes ?? [route('all', matching({ kind: 'prefix', value: '/' }), forward({ timeoutMs: 1000 }))];
    this.door = this.house.addListener(routes, { accessLog: [LOG], ...changes.http });
    this.caller = this.door.connect();
  }

  get(path = '/', fields = ''): this {
    this.caller.receive(`GET ${path} HTTP/1.1\r\nHost: here\r\n${fields}\r\n`);
    return this;
  }

  get up(): FakeConn {
    return this.house.lastConnect;
  }

  connected(): FakeConn {
    this.up.connectOk();
    return this.up;
  }

  answer(method = 'GET'): Message {
    const { messages } = readMessages(this.caller.takeSent().toString('latin1'), [method]);
    if (messages.length !== 1) throw new Error(`${messages.length} answers`);
    return messages[0]!;
  }

  /** What went upstream. */
  sent(): Message {
    return readMessages(this.up.takeSent().toString('latin1')).messages[0]!;
  }

  stat(slot: number): number {
    return this.door.stat(slot);
  }

  clusterStat(slot: number): number {
    return this.house.cells[this.house.clusters.get('app')!.stats + slot]!;
  }
}

const RESET = 'upstream connect error or disconnect/reset before headers. reset reason: ';

t.test('what goes wrong before an answer, in Envoy\'s words', async (t) => {
  const limits = { maxConnections: 1024, maxPendingRequests: 1024, maxRequests: 1024, maxRetries: 3 };
  const cases: [what: string, make: () => Stage, line: string, body: string][] = [
    ['refused', () => (stage(({ up }) => up.connectFail('ECONNREFUSED'))), '503 UF upstream_reset_before_response_started{remote_connection_failure|delayed_connect_error:_Connection_refused} 0 ', `${RESET}remote connection failure`],
    ['connect time-out', () => stage(({ house }) => house.loop.advance(510), { cluster: { connectTimeoutMs: 500 } }), '503 UF upstream_reset_before_response_started{connection_timeout} 0', `${RESET}connection timeout`],
    ['RST', () => stage((s) => s.connected().breakOff()), '503 UC upstream_reset_before_response_started{connection_termination} 0', `${RESET}connection termination`],
    ['FIN', () => stage((s) => s.connected().end()), '503 UC upstream_reset_before_response_started{connection_termination} 0', `${RESET}connection termination`],
    ['malformed answer', () => stage((s) => s.connected().receive('HTTP/9 x\r\n\r\n')), '502 UPE upstream_reset_before_response_started{protocol_error} 0', `${RESET}protocol error`],
    ['route time-out', () => stage((s) => (s.connected(), s.house.loop.advance(1010))), '504 UT response_timeout 0 24', 'upstream request timeout'],
    ['route time-out, waiting for a connection', () => stage((s) => s.house.loop.advance(1010)), '504 UT response_timeout 0 24', 'upstream request timeout'],
    ['no host', () => stage(() => undefined, { ports: [] }), '503 UH no_healthy_upstream 0 19', 'no healthy upstream'],
    ['overflow', () => stage(() => undefined, { cluster: { circuitBreakers: { ...limits, maxPendingRequests: 1 } } }, 1), '503 UO upstream_reset_before_response_started{overflow} 0', `${RESET}overflow`],
    ['idle', () => stage((s) => (s.connected(), s.house.loop.advance(210)), { http: idle(200) }), '504 SI stream_idle_timeout 0 14', 'stream timeout'],
  ];
  for (const [what, make, line, body] of cases) {
    const one_ = make();
    const answer = one_.answer();
    t.equal(answer.line.slice(9, 12), line.slice(0, 3), what);
    t.equal(answer.body, body, what);
    t.ok(one_.house.takeLog().at(-1)!.startsWith(line), `${what}: logged as ${line}`);
    t.equal(one(answer.fields, 'x-envoy-overloaded'), what === 'overflow' ? 'true' : undefined);
    t.equal(one(answer.fields, 'content-type'), 'text/plain');
    t.equal(one(answer.fields, 'server'), 'nuncio');
    t.equal(one(answer.fields, 'date'), 'Thu, 29 Feb 2024 12:00:0' + (what.includes('route') ? '1' : '0') + ' GMT');
    t.equal(one(answer.fields, 'x-envoy-upstream-service-time'), undefined);
    t.equal(one(answer.fields, 'connection'), undefined, 'the caller\'s connection is as good as before');
    if (what !== 'overflow') t.notOk(one_.house.unrest()['journeys']);
  }
});

/** A GET, then `happens`. `before`: that many requests of other callers are under way already. */
function stage(happens: (stage: Stage) => void, changes: Changes = {}, before = 0): Stage {
  const made = new Stage(changes);
  for (let i = 0; i < before; i++) made.door.connect().receive('GET / HTTP/1.1\r\nHost: here\r\n\r\n');
  made.get();
  happens(made);
  return made;
}

function idle(streamIdleMs: number, requestMs = 0): Partial<HttpConfig> {
  return { timeouts: { idleMs: 3_600_000, requestHeadersMs: 10_000, requestMs, streamIdleMs } };
}

t.test('no route, no cluster, and what is too large', async (t) => {
  const none = new Stage({ routes: [route('x', matching({ kind: 'path', value: '/x' }), forward())] }).get('/y');
  t.equal(none.answer().line.slice(9, 12), '404');
  t.equal(none.house.takeLog()[0], '404 NR route_not_found 0 0');
  t.equal(none.stat(S.NO_ROUTE), 1);
  const unknown = new Stage({ routes: [route('h', matching({ kind: 'prefix', value: '/' }), forward({ clusters: [], clusterHeader: 'x-to' }))] }).get('/', 'x-to: nowhere\r\n');
  t.equal(unknown.answer().line.slice(9, 12), '503');
  t.equal(unknown.house.takeLog()[0], '503 NC cluster_not_found 0 0');
  t.equal(unknown.stat(S.NO_CLUSTER), 1);
  const announced = new Stage({ http: { maxRequestBodyBytes: 10 } });
  announced.caller.receive('POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 11\r\n\r\n');
  t.equal(announced.answer().body, 'Payload Too Large');
  t.equal(announced.house.loop.connects.length, 0);
  const grown = new Stage({ http: { maxRequestBodyBytes: 10 } });
  grown.caller.receive('POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\na\r\n0123456789\r\n');
  const up = grown.connected();
  grown.caller.receive('1\r\nx\r\n');
  t.equal(grown.answer().line.slice(9, 12), '413');
  t.equal(grown.house.takeLog()[0], '413 - request_payload_too_large 11 17');
  t.equal(up.peerSees, 'reset');
  t.same([announced.stat(S.DOWN_RQ_TOO_LARGE), grown.stat(S.DOWN_RQ_TOO_LARGE)], [1, 1]);
});

t.test('what goes wrong behind the head of an answer breaks it off', async (t) => {
  const cases: [what: string, happens: (s: Stage) => void, line: string][] = [
    ['RST', (s) => s.up.breakOff(), '200 UC upstream_reset_after_response_started{connection_termination} 0 4'],
    ['FIN', (s) => s.up.end(), '200 UPE upstream_reset_after_response_started{protocol_error} 0 4'],
    ['idle', (s) => s.house.loop.advance(410), '200 SI stream_idle_timeout 0 4'],
    ['caller gone', (s) => s.caller.end(), '200 DC downstream_remote_disconnect 0 4'],
  ];
  for (const [what, happens, line] of cases) {
    const made = new Stage({ http: idle(400) }).get();
    made.connected().receive('HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf');
    happens(made);
    t.equal(made.house.takeLog()[0], line, what);
    t.not(made.caller.peerSees, 'open', what);
    t.equal(made.up.state, 'closed', what);
    t.same(made.house.unrest(), {}, what);
  }
});

t.test('the route\'s time-out holds to the last byte of the answer', async (t) => {
  const made = new Stage().get();
  made.connected().receive('HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nx');
  for (let i = 0; i < 11; i++) {
    made.house.loop.advance(90);
    made.up.receive('y');
  }
  t.equal(made.caller.peerSees, 'open');
  made.house.loop.advance(30);
  t.equal(made.caller.peerSees, 'reset');
  t.match(made.house.takeLog()[0], /^200 UT response_timeout /);
  t.equal(made.stat(S.RQ_RESET_AFTER_DOWNSTREAM_RESPONSE_STARTED), 1);
  t.equal(made.clusterStat(S.UP_RQ_TIMEOUT), 1);
});

t.test('the route\'s time-out begins when the whole request is here', async (t) => {
  const made = new Stage({ http: idle(0) });
  made.caller.receive('POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\n\r\nab');
  made.connected();
  made.house.loop.advance(5000);
  made.caller.receive('cd');
  made.house.loop.advance(980);
  t.equal(made.caller.sentText, '');
  made.house.loop.advance(30);
  t.equal(made.answer().body, 'upstream request timeout');
  const off = new Stage({ routes: [route('all', matching({ kind: 'prefix', value: '/' }), forward({ timeoutMs: 0 }))], http: idle(0) }).get();
  off.connected();
  off.house.loop.advance(100_000);
  t.equal(off.caller.sentText, '', 'none: it waits');
  t.equal(one(off.sent().fields, 'x-envoy-expected-rq-timeout-ms'), undefined);
});

t.test('the idle time-out: who kept whom waiting', async (t) => {
  const slow = new Stage({ http: idle(300) });
  slow.caller.receive('POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\n\r\na');
  slow.connected();
  slow.house.loop.advance(200);
  slow.caller.receive('b');
  slow.house.loop.advance(290);
  t.equal(slow.caller.sentText, '');
  slow.house.loop.advance(30);
  t.equal(slow.answer().line.slice(9, 12), '408');
  t.equal(slow.house.takeLog()[0], '408 SI stream_idle_timeout 2 14');
  t.equal(slow.stat(S.DOWN_RQ_IDLE_TIMEOUT), 1);
  const route_ = new Stage({ routes: [route('all', matching({ kind: 'prefix', value: '/' }), forward({ idleTimeoutMs: 100, timeoutMs: 5000 }))] }).get();
  route_.connected();
  route_.house.loop.advance(120);
  t.equal(route_.answer().line.slice(9, 12), '504', 'the route\'s own');
});

t.test('the time for a whole request', async (t) => {
  const made = new Stage({ http: idle(0, 300) });
  made.caller.receive('POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\n\r\na');
  made.connected();
  for (let i = 0; i < 3; i++) {
    made.house.loop.advance(95);
    made.caller.receive('b');
  }
  t.equal(made.caller.sentText, '');
  made.house.loop.advance(30);
  t.equal(made.answer().body, 'request timeout');
  t.equal(made.house.takeLog()[0], '408 - request_overall_timeout 4 15');
  t.equal(made.stat(S.DOWN_RQ_TIMEOUT), 1);
  const inTime = new Stage({ http: idle(0, 300), routes: [route('all', matching({ kind: 'prefix', value: '/' }), forward({ timeoutMs: 0 }))] });
  inTime.caller.receive('POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\n\r\na');
  inTime.connected();
  inTime.house.loop.advance(5000);
  t.equal(inTime.caller.sentText, '', 'a request that came in time may wait for its answer');
});

t.test('a body that comes before its connection is there', async (t) => {
  const made = new Stage();
  made.caller.receive('POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nfirst\r\n6\r\nsecond\r\n');
  t.equal(made.caller.paused, true);
  made.caller.receive('5\r\nthird\r\n0\r\n\r\n');
  made.connected();
  t.equal(made.caller.paused, false);
  t.equal(made.sent().body, 'firstsecondthird');
  t.same([made.caller.pauses, made.caller.resumes], [1, 1]);
  made.up.receive('HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n');
  t.equal(made.answer().line, 'HTTP/1.1 200 OK');
});

t.test('a whole upload that waits for its connection is sent when there is one', async (t) => {
  for (const body of ['', 'x', 'y'.repeat(50_000)]) {
    const made = new Stage();
    made.caller.receive(`POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n${body === '' ? '' : `${body.length.toString(16)}\r\n${body}\r\n`}0\r\n\r\n`);
    made.connected();
    t.equal(made.sent().body, body);
    t.equal(made.caller.paused, false);
  }
});

t.test('back-pressure upwards: the caller is not read while the upstream takes nothing', async (t) => {
  const made = new Stage();
  made.caller.receive('POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1000000\r\n\r\n');
  const up = made.connected();
  up.setRoom(1000);
  for (let i = 0; i < 10; i++) made.caller.receive('x'.repeat(10_000));
  t.equal(made.caller.paused, true);
  t.ok(up.pending <= 20_000, `${up.pending} kept`);
  up.setRoom(Infinity);
  t.equal(made.caller.paused, false);
  for (let i = 0; i < 90; i++) made.caller.receive('x'.repeat(10_000));
  t.equal(made.sent().body.length, 1_000_000);
  t.same([made.caller.pauses, made.caller.resumes], [1, 1]);
  t.same([S.DOWN_FLOW_PAUSED_READING, S.DOWN_FLOW_RESUMED_READING].map((slot) => made.stat(slot)), [1, 1]);
  t.same([S.UP_FLOW_BACKED_UP, S.UP_FLOW_DRAINED].map((slot) => made.clusterStat(slot)), [1, 1]);
});

t.test('back-pressure downwards: the upstream is not read while the caller takes nothing', async (t) => {
  const made = new Stage({ routes: [route('all', matching({ kind: 'prefix', value: '/' }), forward({ timeoutMs: 0 }))] }).get();
  const up = made.connected();
  made.caller.setRoom(1000);
  up.receive('HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\n');
  for (let i = 0; i < 100; i++) up.receive('x'.repeat(10_000));
  t.equal(up.paused, true);
  t.ok(made.caller.pending <= 20_000, `${made.caller.pending} kept`);
  made.caller.setRoom(Infinity);
  t.equal(made.answer().body.length, 1_000_000);
  t.same([up.pauses, up.resumes], [1, 1]);
  t.same([S.UP_FLOW_PAUSED_READING, S.UP_FLOW_RESUMED_READING].map((slot) => made.clusterStat(slot)), [1, 1]);
  t.equal(up.state, 'open');
});

t.test('an early answer with back-pressure: both sides go on alone', async (t) => {
  const made = new Stage();
  made.caller.receive('POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 100\r\n\r\nx');
  const up = made.connected();
  up.setRoom(0);
  made.caller.receive('y'.repeat(50));
  up.receive('HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n');
  up.setRoom(Infinity);
  made.caller.receive('z'.repeat(49));
  t.equal(made.sent().body.length, 100);
  up.receive('0\r\n\r\n');
  t.equal(made.answer().body, 'abc');
  made.house.loop.advance(1100);
  t.equal(made.house.unrest()['journeys'], undefined);
});

t.test('routes that answer by themselves', async (t) => {
  const routes = [
    route('r', matching({ kind: 'path', value: '/r' }), redirecting({ host: 'else.where', path: '/new', status: 302 })),
    route('d', matching({ kind: 'path', value: '/d' }), { kind: 'respond', status: 418, headers: [['content-type', 'text/html'], ['x-own', 'é']], body: 'tea é' }),
    route('n', matching({ kind: 'path', value: '/n' }), { kind: 'respond', status: 204, headers: [], body: '' }),
    route('e', matching({ kind: 'path', value: '/e' }), { kind: 'respond', status: 200, headers: [], body: '' }),
  ];
  const made = new Stage({ routes });
  const moved = made.get('/r').answer();
  t.same([moved.line, one(moved.fields, 'location'), one(moved.fields, 'content-length')], ['HTTP/1.1 302 Found', 'http://else.where/new', '0']);
  const tea = made.get('/d').answer();
  t.equal(one(tea.fields, 'content-type'), 'text/html', 'the route\'s own type, once');
  t.equal(Buffer.from(tea.body, 'latin1').toString(), 'tea é');
  t.equal(one(tea.fields, 'content-length'), '6');
  const none = made.get('/n').answer();
  t.equal(one(none.fields, 'content-length'), undefined);
  const empty = made.get('/e').answer();
  t.same([one(empty.fields, 'content-length'), one(empty.fields, 'content-type')], ['0', undefined]);
  t.same(made.house.takeLog(), ['302 - direct_response 0 0', '418 - direct_response 0 6', '204 - direct_response 0 0', '200 - direct_response 0 0']);
  t.same([made.stat(S.RQ_REDIRECT), made.stat(S.RQ_DIRECT_RESPONSE)], [1, 3]);
});

t.test('an upgrade that no route allows; h2c is only an offer', async (t) => {
  const made = new Stage().get('/', 'Connection: upgrade\r\nUpgrade: websocket\r\n');
  t.equal(made.answer().line.slice(9, 12), '403');
  t.equal(made.house.takeLog()[0], '403 - upgrade_failed 0 0');
  made.get('/', 'Connection: upgrade\r\nUpgrade: h2c\r\n');
  t.equal(made.house.loop.connects.length, 1);
});

t.test('what is said to the upstream', async (t) => {
  const edits = { set: [['x-set', 'new'], ['X-Path', '%REQ(:PATH)%']], add: [['x-add', 'two']], remove: ['x-gone'] } as const;
  const routes = [route('all', matching({ kind: 'prefix', value: '/old' }), { ...rewriting({ prefix: '/new', host: 'inner' }), requestHeaders: edits, responseHeaders: { set: [['x-req', '%REQ(X-ADD)%']], add: [], remove: ['x-secret'] } })];
  const made = new Stage({ routes });
  made.get('/old/a?b', 'X-Set: old\r\nX-Add: one\r\nX-Gone: 1\r\nX-Envoy-Original-Path: /forged\r\nX-High: caf\xe9\r\n');
  made.connected();
  const sent = made.sent();
  t.equal(sent.line, 'GET /new/a?b HTTP/1.1');
  const all = (name: string): string[] => sent.fields.filter(([field]) => field.toLowerCase() === name).map(([, value]) => value);
  t.same(all('host'), ['inner']);
  t.same(all('x-set'), ['new']);
  t.same(all('x-path'), ['/old/a?b']);
  t.same(all('x-add'), ['one', 'two']);
  t.same(all('x-gone'), []);
  t.same(all('x-envoy-original-path'), ['/old/a?b']);
  t.same(all('x-envoy-original-host'), ['here']);
  t.same(all('x-envoy-expected-rq-timeout-ms'), ['15000']);
  t.same(all('x-high'), ['caf\xe9']);
  t.same(all('x-forwarded-for'), ['192.0.2.5']);
  t.same(all('x-forwarded-proto'), ['http']);
  made.house.loop.advance(40);
  made.up.receive('HTTP/1.1 200 Fine\r\nServer: theirs\r\nX-Secret: s\r\nX-Envoy-Upstream-Service-Time: 9\r\nDate: then\r\nContent-Length: 0\r\n\r\n');
  const answer = made.answer();
  const field = (name: string): string | undefined => one(answer.fields, name);
  t.same([answer.line, field('server'), field('x-secret'), field('x-req'), field('date'), field('x-envoy-upstream-service-time')], ['HTTP/1.1 200 Fine', 'nuncio', undefined, 'one', 'then', '40']);
});

t.test('a journey that is pooled begins anew', async (t) => {
  const made = new Stage({ http: { maxRequestBodyBytes: 10 } });
  made.caller.receive('POST /one HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nab\r\n0\r\nX-T: 1\r\n\r\n');
  made.connected().receive('HTTP/1.1 503 No\r\nTransfer-Encoding: chunked\r\nX-A: b\r\n\r\n1\r\nx\r\n0\r\nX-T: 1\r\n\r\n');
  made.answer();
  const before = made.house.journeys;
  made.get('/two');
  made.up.receive('HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok');
  const second = made.answer();
  t.equal(one(second.fields, 'x-a'), undefined);
  t.same(second.trailers, []);
  t.equal(before.active, 0);
  t.same(made.house.takeLog(), ['503 - via_upstream 2 1', '200 - via_upstream 0 2']);
});

t.test('callers who wait for one connection are served in order', async (t) => {
  const made = new Stage({ cluster: { circuitBreakers: { maxConnections: 1, maxPendingRequests: 0, maxRequests: 0, maxRetries: 0 } } });
  const others = [0, 1, 2].map(() => made.door.connect());
  for (const conn of others) conn.receive('GET /o HTTP/1.1\r\nHost: a\r\n\r\n');
  made.connected();
  for (let i = 0; i < 3; i++) made.up.receive('HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\n' + i);
  t.same(others.map(({ sentText }) => sentText.at(-1)), ['0', '1', '2'], 'one connection serves them in order');
});
