import t from 'tap';
import { FieldBlock } from '../../src/core/field-block.ts';
import type { HttpConfig, HttpListenerConfig, RouteConfig } from '../../src/config/snapshot.ts';
import * as S from '../../src/observe/stat-names.ts';
import { forward, matching, route } from '../route/request.ts';
import type { FakeConn } from '../support/fake-conn.ts';
import { FakeHouse, type FakeDoor } from '../support/fake-house.ts';
import { listenerConfig } from '../support/snapshots.ts';
import { one, readMessages, type Message } from '../support/message-text.ts';

const respond = (status: number, body: string): RouteConfig['action'] => ({ kind: 'respond', status, headers: [], body });
const ROUTES = [
  route('ok', matching({ kind: 'path', value: '/ok' }), respond(200, 'fine')),
  route('none', matching({ kind: 'path', value: '/none' }), respond(204, '')),
  route('app', matching({ kind: 'prefix', value: '/' }), forward()),
];

interface Stage {
  house: FakeHouse;
  door: FakeDoor;
  conn: FakeConn;
  /** The upstream connection, up. */
  up(): FakeConn;
  /** The answers so far, taken. */
  answers(...methods: string[]): Message[];
  rest: string;
}

function stageOf(changes: Partial<HttpConfig> = {}, part: Partial<HttpListenerConfig> = {}): Stage {
  const house = new FakeHouse();
  house.addCluster();
  const door = house.addListener(ROUTES, changes, part);
  const stage: Stage = {
    house,
    door,
    conn: door.connect(),
    up() {
      const conn = house.lastConnect;
      if (conn.state === 'connecting') conn.connectOk();
      return conn;
    },
    answers(...methods) {
      const { messages, rest } = readMessages(stage.rest + stage.conn.takeSent().toString('latin1'), methods.length === 0 ? ['GET'] : methods);
      stage.rest = rest;
      return messages;
    },
    rest: '',
  };
  return stage;
}

const get = (path: string, fields = ''): string => `GET ${path} HTTP/1.1\r\nHost: a\r\n${fields}\r\n`;
const bodies = (messages: readonly Message[]): string[] => messages.map(({ line, body }) => `${line.slice(9, 12)} ${body}`);
const timeouts = (changes: Partial<HttpConfig['timeouts']>): Partial<HttpConfig> => ({
  timeouts: { idleMs: 3_600_000, requestHeadersMs: 10_000, requestMs: 0, streamIdleMs: 300_000, ...changes },
});

t.test('pipelined requests are answered in order, one after the other', async (t) => {
  const stage = stageOf();
  stage.conn.receive(get('/ok') + get('/one') + get('/ok') + get('/two'));
  t.same(bodies(stage.answers()), ['200 fine']);
  t.equal(stage.conn.paused, true, 'nothing more is read meanwhile');
  const up = stage.up();
  t.match(up.takeSent().toString(), /^GET \/one /);
  up.receive('HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\n1');
  t.same(bodies(stage.answers()), ['200 1', '200 fine']);
  t.match(up.takeSent().toString(), /^GET \/two /);
  up.receive('HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\n2');
  t.same(bodies(stage.answers()), ['200 2']);
  t.equal(stage.conn.paused, false);
  stage.conn.receive(get('/ok'));
  t.same(bodies(stage.answers()), ['200 fine']);
});

t.test('pipelined bytes split at every place', async (t) => {
  const text = get('/ok') + 'POST /up HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\nX: y\r\n\r\n' + '\r\n' + get('/ok');
  for (let split = 1; split < text.length; split++) {
    const stage = stageOf();
    stage.conn.receive(text.slice(0, split));
    if (stage.house.loop.connects.length > 0) stage.up();
    stage.conn.receive(text.slice(split));
    stage.up().receive('HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nup');
    const got = bodies(stage.answers()).join();
    if (got !== '200 fine,200 up,200 fine') t.fail(`split at ${split}: ${got}`);
  }
  t.pass();
});

t.test('a caller who pipelines and does not read is not answered without end', async (t) => {
  const stage = stageOf();
  stage.conn.setRoom(100);
  for (let i = 0; i < 200; i++) stage.conn.receive(get('/ok'));
  t.ok(stage.conn.pending < 1000, `${stage.conn.pending} bytes are kept for it`);
  t.equal(stage.conn.paused, true);
  for (let i = 0; i < 400; i++) stage.conn.setRoom(100);
  t.equal(stage.answers().length, 200, 'and gets all of them when it reads');
  t.equal(stage.conn.paused, false);
});

t.test('the end of one answer and the next request do not wait for each other in vain', async (t) => {
  const stage = stageOf();
  stage.conn.setRoom(10);
  stage.conn.receive(get('/ok'));
  stage.conn.setRoom(10);
  stage.conn.receive(get('/none'));
  stage.conn.setRoom(Infinity);
  t.same(bodies(stage.answers('GET')), ['200 fine', '204 ']);
});

t.test('an upload that was paused when its answer came: the connection reads on', async (t) => {
  const stage = stageOf();
  stage.conn.receive('POST /up HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n');
  const up = stage.up();
  up.setRoom(0);
  stage.conn.receive('3\r\ndef\r\n3\r\nghi\r\n0\r\n\r\n');
  t.equal(stage.conn.paused, true, 'the upstream takes nothing');
  up.receive('HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nno');
  t.same(bodies(stage.answers()), ['200 no']);
  t.equal(stage.conn.paused, false);
  stage.conn.receive(get('/ok'));
  t.same(bodies(stage.answers()), ['200 fine']);
});

t.test('a pipelined upload that waits for its connection stays paused', async (t) => {
  const stage = stageOf();
  stage.conn.receive(get('/first') + 'POST /second HTTP/1.1\r\nHost: a\r\nContent-Length: 1000000\r\nX-Up: 1\r\n\r\n' + 'x'.repeat(1000));
  const first = stage.up();
  first.receive('HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 0\r\n\r\n');
  t.equal(stage.house.loop.connects.length, 2, 'the second request needs a connection of its own');
  t.equal(stage.conn.paused, true);
  stage.conn.receive('y'.repeat(1000));
  stage.up();
  t.equal(stage.conn.paused, false);
  t.equal(stage.house.lastConnect.sentText.length - stage.house.lastConnect.sentText.indexOf('\r\n\r\n') - 4, 2000);
});

t.test('HTTP/1.0: refused, or answered in kind', async (t) => {
  const refused = stageOf();
  refused.conn.receive('GET /ok HTTP/1.0\r\nHost: a\r\nConnection: keep-alive\r\n\r\n');
  const [answer] = refused.answers();
  t.equal(answer!.line.slice(9, 12), '426');
  t.equal(one(answer!.fields, 'connection'), 'close');
  t.equal(refused.conn.peerSees, 'fin');
  const stage = stageOf({ acceptHttp10: true });
  stage.conn.receive('GET /ok HTTP/1.0\r\nHost: a\r\nConnection: keep-alive\r\n\r\n');
  const [kept] = stage.answers();
  t.equal(kept!.line, 'HTTP/1.0 200 OK');
  t.equal(one(kept!.fields, 'connection'), 'keep-alive');
  stage.conn.receive('GET /x HTTP/1.0\r\nHost: a\r\nConnection: keep-alive\r\n\r\n');
  stage.up().receive('HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n3\r\ndef\r\n0\r\nX-T: 1\r\n\r\n');
  t.match(stage.conn.sentText, /^HTTP\/1\.0 200 OK\r\n(?![^]*transfer-encoding)(?![^]*100 Continue)[^]*\r\nconnection: close\r\n\r\nabcdef$/, 'no interim, no chunks, no trailers: the end is the end');
  t.equal(stage.conn.peerSees, 'fin');
  const once = stageOf({ acceptHttp10: true });
  once.conn.receive('GET /ok HTTP/1.0\r\nHost: a\r\n\r\n');
  t.equal(one(once.answers()[0]!.fields, 'connection'), 'close');
});

t.test('answers without a body', async (t) => {
  const stage = stageOf();
  stage.conn.receive('HEAD /ok HTTP/1.1\r\nHost: a\r\n\r\n');
  const [head] = stage.answers('HEAD');
  t.equal(one(head!.fields, 'content-length'), '4', 'the length it would have');
  stage.conn.receive(get('/none'));
  const [none] = stage.answers();
  t.equal(one(none!.fields, 'content-length'), undefined);
  for (const [method, answer] of [
    ['HEAD', 'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n'],
    ['HEAD', 'HTTP/1.1 200 OK\r\nContent-Length: 77\r\n\r\n'],
    ['GET', 'HTTP/1.1 304 Not Modified\r\nContent-Length: 77\r\n\r\n'],
    ['GET', 'HTTP/1.1 204 No Content\r\n\r\n'],
  ] as const) {
    stage.conn.receive(`${method} /x HTTP/1.1\r\nHost: a\r\n\r\n`);
    stage.up().receive(answer);
    const got = stage.answers(method);
    t.equal(got.length, 1, answer);
    t.equal(stage.rest, '');
    t.equal(one(got[0]!.fields, 'transfer-encoding'), undefined, answer);
  }
});

t.test('interim answers go down before the final one, without ending anything', async (t) => {
  const stage = stageOf();
  stage.conn.receive('POST /x HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\n');
  const up = stage.up();
  t.match(up.takeSent().toString('latin1'), /\r\nExpect: 100-continue\r\n/);
  up.receive('HTTP/1.1 100 Continue\r\n\r\n');
  t.match(stage.conn.sentText, /^HTTP\/1\.1 100 Continue\r\n\r\n$/);
  stage.conn.receive('ok');
  t.equal(up.takeSent().toString(), 'ok');
  up.receive('HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n');
  t.same(stage.answers().map(({ line }) => line), ['HTTP/1.1 100 Continue', 'HTTP/1.1 103 Early Hints', 'HTTP/1.1 200 OK']);
  stage.conn.receive(get('/ok'));
  t.same(bodies(stage.answers()), ['200 fine']);
});

t.test('trailers both ways outlive the readers they came from', async (t) => {
  const stage = stageOf();
  const other = stage.door.connect();
  stage.conn.receive('POST /x HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\nX-Sum: 42\r\nContent-Length: 9\r\n\r\n');
  other.receive('POST /y HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nk\r\n0\r\nX-Sum: 77\r\n\r\n');
  const [up, second] = stage.house.loop.connects as [FakeConn, FakeConn];
  up.connectOk();
  second.connectOk();
  const [message] = readMessages(up.sentText).messages;
  t.same([message!.body, message!.trailers], ['ok', [['X-Sum', '42']]]);
  t.same(readMessages(second.sentText).messages[0]!.trailers, [['X-Sum', '77']]);
  stage.conn.setRoom(0);
  up.receive('HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nup\r\n0\r\nX-End: yes\r\n\r\n');
  other.receive('');
  second.receive('HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nup\r\n0\r\nX-End: no\r\n\r\n');
  stage.conn.setRoom(Infinity);
  t.same(stage.answers()[0]!.trailers, [['X-End', 'yes']]);
});

t.test('an answer before the end of its request', async (t) => {
  const early = stageOf();
  early.conn.receive('POST /ok HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 4\r\n\r\n');
  const [answer] = early.answers();
  t.equal(one(answer!.fields, 'connection'), 'close', 'the body may come or not: the connection is of no further use');
  t.equal(early.conn.peerSees, 'fin');
  const inHand = stageOf();
  inHand.conn.receive('POST /ok HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\n\r\nbody' + get('/ok'));
  t.same(bodies(inHand.answers()), ['200 fine', '200 fine'], 'a body that is there already is thrown away');
  t.equal(inHand.conn.peerSees, 'open');
  const proxied = stageOf();
  proxied.conn.receive('POST /up HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\nhalf');
  proxied.up().receive('HTTP/1.1 413 Too Large\r\nContent-Length: 2\r\n\r\nno');
  const [no] = proxied.answers();
  t.equal(no!.body, 'no');
  t.equal(one(no!.fields, 'connection'), 'close');
  t.equal(proxied.conn.peerSees, 'fin');
  t.equal(proxied.up().state, 'closed', 'the upstream connection waits for a body that will not come');
  t.equal(proxied.door.stat(S.DOWN_RQ_RESPONSE_BEFORE_RQ_COMPLETE), 1);
  proxied.conn.receive('the rest');
  proxied.conn.end();
  t.same(proxied.house.unrest(), {});
});

t.test('bytes that break a rule: one answer, and the end', async (t) => {
  const cases: [bytes: string, status: string][] = [
    ['nonsense\r\n\r\n', '400'],
    ['GET / HTTP/1.1\r\n\r\n', '400'],
    ['GET / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n', '400'],
    ['GET / HTTP/3.0\r\n\r\n', '505'],
    [`GET / HTTP/1.1\r\nHost: a\r\nX: ${'x'.repeat(70_000)}`, '431'],
    ['POST /ok HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: gzip\r\n\r\n', '501'],
  ];
  for (const [bytes, status] of cases) {
    const stage = stageOf();
    stage.conn.receive(bytes + get('/ok'));
    const got = stage.answers();
    t.same(got.map(({ line }) => line.slice(9, 12)), [status], JSON.stringify(bytes.slice(0, 50)));
    t.equal(one(got[0]!.fields, 'connection'), 'close');
    t.equal(stage.conn.peerSees, 'fin');
    t.equal(stage.house.loop.connects.length, 0, 'no upstream hears of it');
    stage.house.loop.advance(1100);
    t.same(stage.house.unrest(), {});
    t.equal(stage.door.stat(S.DOWN_CX_PROTOCOL_ERROR), 1);
  }
});

t.test('a body that breaks a rule takes the request back', async (t) => {
  const stage = stageOf();
  stage.conn.receive('POST /x HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n');
  const up = stage.up();
  stage.conn.receive('zz\r\n');
  t.same(bodies(stage.answers()), ['400 Bad Request']);
  t.equal(up.peerSees, 'reset');
  const late = stageOf();
  late.conn.receive('POST /x HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n');
  late.up().receive('HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf');
  late.conn.receive('zz\r\n');
  t.equal(late.conn.peerSees, 'reset', 'an answer that has begun can only be broken off');
  t.same(late.house.unrest()['journeys'], undefined);
});

t.test('the time for a head', async (t) => {
  const stage = stageOf(timeouts({ requestHeadersMs: 500 }));
  stage.house.loop.advance(2000);
  stage.conn.receive('GET /ok HT');
  stage.house.loop.advance(480);
  stage.conn.receive('TP/1.1\r\n');
  t.equal(stage.conn.sentText, '');
  stage.house.loop.advance(30);
  t.same(stage.answers().map(({ line }) => line.slice(9, 12)), ['408'], 'from its first byte, whatever drips in');
  t.equal(stage.conn.peerSees, 'fin');
  t.equal(stage.door.stat(S.DOWN_RQ_HEADER_TIMEOUT), 1);
  const off = stageOf(timeouts({ requestHeadersMs: 0, streamIdleMs: 700, idleMs: 1000 }));
  off.house.loop.advance(900);
  off.conn.receive('GET /ok HT');
  off.house.loop.advance(690);
  t.equal(off.conn.sentText, '');
  off.house.loop.advance(20);
  t.same(bodies(off.answers()), ['408 stream timeout']);
  t.equal(off.door.stat(S.DOWN_RQ_IDLE_TIMEOUT), 1);
});

t.test('a head in time: its timer is gone', async (t) => {
  const stage = stageOf(timeouts({ requestHeadersMs: 500, idleMs: 0 }));
  stage.conn.receive('GET /o');
  stage.house.loop.advance(400);
  stage.conn.receive('k HTTP/1.1\r\nHost: a\r\n\r\n');
  stage.house.loop.advance(5000);
  t.same(bodies(stage.answers()), ['200 fine']);
  t.equal(stage.conn.peerSees, 'open');
});

t.test('empty lines begin no request', async (t) => {
  const stage = stageOf({ ...timeouts({ requestHeadersMs: 500 }) });
  stage.conn.receive('\r\n');
  stage.conn.receive('\r');
  stage.conn.receive('\n');
  stage.house.loop.advance(1000);
  t.equal(stage.conn.sentText, '');
  t.same(stage.house.unrest()['journeys'], undefined);
  stage.conn.receive('\r');
  stage.conn.receive('\n' + get('/ok'));
  t.same(bodies(stage.answers()), ['200 fine']);
  stage.conn.receive('\r');
  stage.conn.end();
  t.same(stage.house.unrest(), {});
});

t.test('an idle connection is closed in its time, a busy one is not', async (t) => {
  const stage = stageOf(timeouts({ idleMs: 1000 }));
  stage.conn.receive(get('/x'));
  stage.house.loop.advance(3000);
  t.equal(stage.conn.peerSees, 'open');
  stage.up().receive('HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n');
  stage.house.loop.advance(990);
  t.equal(stage.conn.peerSees, 'open');
  stage.house.loop.advance(30);
  t.equal(stage.conn.state, 'closed');
  t.equal(stage.door.stat(S.DOWN_CX_IDLE_TIMEOUT), 1);
});

t.test('the caller goes away', async (t) => {
  for (const [how, leave] of [['FIN', (c: FakeConn) => c.end()], ['RST', (c: FakeConn) => c.breakOff()]] as const) {
    for (const [what, bytes] of [['nothing', ''], ['half a head', 'GET /x HT'], ['a request', get('/x')], ['half a body', 'POST /x HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\n\r\nx']] as const) {
      const stage = stageOf();
      if (bytes !== '') stage.conn.receive(bytes);
      const up = bytes.includes('\r\n\r\n') ? stage.up() : null;
      leave(stage.conn);
      t.equal(stage.conn.state, 'closed', `${how} after ${what}`);
      t.equal(up?.state ?? 'closed', 'closed');
      t.same(stage.house.unrest(), {}, `${how} after ${what}`);
      t.equal(stage.door.stat(S.DOWN_RQ_RX_RESET), bytes === '' ? 0 : 1);
      t.equal(stage.door.stat(S.DOWN_CX_DESTROY_REMOTE), 1);
    }
  }
});

t.test('drain: idle connections close, busy ones say so in their answer, fresh ones may ask once', async (t) => {
  const stage = stageOf();
  const idle = stage.door.connect();
  idle.receive(get('/ok'));
  idle.takeSent();
  const fresh = stage.door.connect();
  const silent = stage.door.connect();
  stage.conn.receive(get('/x'));
  stage.house.loop.turn(() => stage.door.listener.drain());
  t.equal(idle.peerSees, 'fin');
  t.equal(stage.conn.peerSees, 'open');
  stage.up().receive('HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n');
  t.equal(one(stage.answers()[0]!.fields, 'connection'), 'close');
  t.equal(stage.conn.peerSees, 'fin');
  fresh.receive(get('/ok'));
  t.match(fresh.sentText, /\r\nconnection: close\r\n/);
  stage.house.loop.advance(1100);
  t.equal(silent.state, 'closed');
  t.equal(stage.house.loop.accept(stage.door.listener.accept), null, 'nobody else is let in');
  stage.house.loop.advance(1100);
  t.equal(stage.door.listener.connections, 0);
});

t.test('maxConnections', async (t) => {
  const stage = stageOf({}, { maxConnections: 2 });
  const second = stage.door.connect();
  t.equal(stage.house.loop.accept(stage.door.listener.accept), null);
  t.equal(stage.house.cells[stage.door.listener.plan.listener + S.LISTENER_CX_OVERFLOW], 1);
  second.end();
  t.ok(stage.door.connect());
  for (const conn of [stage.conn]) conn.breakOff();
  t.same(stage.house.taken(), { 'listener edge cx': 1, 'process cx': 1 });
});

t.test('closeAll ends what is left when the time for draining is over', async (t) => {
  const stage = stageOf();
  stage.conn.receive(get('/x'));
  const up = stage.up();
  stage.house.loop.turn(() => stage.door.listener.closeAll());
  t.equal(stage.conn.peerSees, 'reset');
  t.equal(up.peerSees, 'reset');
  t.same(stage.house.unrest(), {});
});

t.test('a reload holds from the next request on', async (t) => {
  const stage = stageOf();
  stage.conn.receive(get('/ok'));
  t.equal(one(stage.answers()[0]!.fields, 'server'), 'nuncio');
  const config = { ...stage.door.road.runtime.config, serverName: 'other', maxRequestHeadersBytes: 300 };
  stage.door.road.runtime = { ...stage.door.road.runtime, config, serverBlock: new FieldBlock(['server', 'other']) };
  stage.door.listener.update(listenerConfig('edge', 18_080, { http: config }));
  stage.conn.receive(get('/ok'));
  t.equal(one(stage.answers()[0]!.fields, 'server'), 'other');
  stage.conn.receive(get('/ok', `X: ${'x'.repeat(300)}\r\n`));
  t.equal(stage.answers()[0]!.line.slice(9, 12), '431');
});
