// The HTTP/2 pool against a host whose frames the test writes: what is sent, who gets which answer, and what becomes of
// requests when streams or connections are refused, reset or broken.

import t, { type Test } from 'tap';
import type { Cluster } from '../../src/cluster/cluster.ts';
import { MAX_STREAMS } from '../../src/cluster/h2-up.ts';
import type { ClusterConfig } from '../../src/config/cluster-snapshot.ts';
import * as S from '../../src/observe/stat-names.ts';
import type { FakeConn } from '../support/fake-conn.ts';
import { FakeHouse } from '../support/fake-house.ts';
import {
  codeOf, data, END_HEADERS, END_STREAM, type Fields, type Frame, FrameLog, frame, goaway, headers, PREFACE, rst, settings, settingsAck, T, windowUpdate,
} from '../support/h2-bytes.ts';
import { clusterConfig } from '../support/snapshots.ts';
import { chunkedStream, TaggedStream } from '../support/tagged-stream.ts';

const MAX_CONCURRENT = 3;
const INITIAL_WINDOW = 4;
const REFUSED_STREAM = 7;
const CANCEL = 8;

/** The host's side of one connection. */
class Peer {
  readonly conn: FakeConn;
  readonly log = new FrameLog();
  private prefaceSeen = false;

  constructor(conn: FakeConn) {
    this.conn = conn;
  }

  /** Up, and the settings sent. */
  up(...pairs: readonly (readonly [number, number])[]): this {
    this.conn.connectOk();
    this.conn.receive(settings(...pairs));
    this.read();
    return this;
  }

  /** The frames that have come since the last call. */
  read(): Frame[] {
    let bytes = this.conn.takeSent();
    if (!this.prefaceSeen && bytes.length > 0) {
      if (!bytes.subarray(0, PREFACE.length).equals(PREFACE)) throw new Error('no preface');
      bytes = bytes.subarray(PREFACE.length);
      this.prefaceSeen = true;
    }
    return this.log.add(bytes);
  }

  /** `1 /a, 3 /b`: the requests among them. */
  requests(): string {
    return this.read().filter(({ type }) => type === T.HEADERS).map(({ id, fields }) => `${id} ${field(fields, ':path')}`).join(', ');
  }

  answer(id: number, body: string, more: Fields = []): void {
    this.conn.receive(Buffer.concat([headers(id, [[':status', '200'], ...more], END_HEADERS), data(id, body)]));
  }
}

const field = (fields: Fields, name: string): string => fields.find(([one]) => one === name)?.[1] ?? '';
const status = (id: number, code: number, more: Fields = [], flags = END_HEADERS): Buffer => headers(id, [[':status', String(code)], ...more], flags);

interface Stage {
  house: FakeHouse;
  cluster: Cluster;
  ask(tag: string | TaggedStream): TaggedStream;
  peer(index: number): Peer;
  stat(slot: number): number;
}

function stageOf(part: Partial<ClusterConfig> = {}): Stage {
  const house = new FakeHouse();
  const cluster = house.addCluster(clusterConfig('app', [13_000], { protocol: 'http2', ...part }));
  const peers: Peer[] = [];
  return {
    house,
    cluster,
    ask(tag) {
      const stream = typeof tag === 'string' ? new TaggedStream(tag) : tag;
      house.loop.turn(() => cluster.poolFor(cluster.hosts[0]!, false, false).acquire(stream));
      return stream;
    },
    peer: (index) => (peers[index] ??= new Peer(house.loop.connects[index]!)),
    stat: (slot) => house.cells[cluster.stats + slot]!,
  };
}

/** One connection that is up, and its first request answered. */
function warm(part: Partial<ClusterConfig> = {}, ...pairs: readonly (readonly [number, number])[]): Stage & { host: Peer } {
  const stage = stageOf(part);
  stage.ask('warm');
  const host = stage.peer(0).up(...pairs);
  host.read();
  host.answer(1, '');
  host.read();
  return { ...stage, host };
}

const limits = (changes: Partial<ClusterConfig['circuitBreakers']>): Partial<ClusterConfig> => ({
  circuitBreakers: { maxConnections: 1024, maxPendingRequests: 1024, maxRequests: 1024, maxRetries: 3, ...changes },
});

function rest(t: Test, stage: Stage, connections: number): void {
  const quiet = connections === 0 ? {} : { 'cluster.app upstream_cx_active': connections, 'host app 127.0.0.1:13000 cx_active': connections, 'cluster app cx': connections };
  t.same(stage.house.unrest(), quiet, 'nothing is held');
}

t.test('requests share a connection, which is handed out when its settings have come', async (t) => {
  const stage = stageOf();
  const streams = ['a', 'b', 'c'].map((tag) => stage.ask(tag));
  t.equal(stage.house.loop.connects.length, 1);
  const host = stage.peer(0);
  host.conn.connectOk();
  const [hello] = host.read();
  t.equal(hello!.type, T.SETTINGS);
  t.equal(streams[0]!.story, '', 'not yet');
  host.conn.receive(settings());
  t.equal(host.requests(), '1 /a, 3 /b, 5 /c');
  t.equal(host.conn.segments.length, 2, 'the preface, then all requests with the acknowledgement');
  t.same(host.log.frames.find(({ id }) => id === 1)!.fields, [[':method', 'GET'], [':scheme', 'http'], [':authority', 'origin'], [':path', '/a']]);
  host.answer(3, 'second');
  host.conn.receive(Buffer.concat([status(1, 200), status(5, 404), data(5, 'th', false), data(1, 'first'), data(5, 'ird')]));
  t.same(streams.map(({ story, body }) => [story, body]), [['ready,head 200,end', 'first'], ['ready,head 200,end', 'second'], ['ready,head 404,end', 'third']]);
  t.equal(stage.stat(S.UP_CX_HTTP2_TOTAL), 1);
  t.equal(stage.stat(S.UP_RQ_TOTAL), 3);
  t.equal(streams[0]!.upstreamConnectionId, host.conn.id);
  rest(t, stage, 1);
});

t.test('no more streams than the host takes; another connection when all are full', async (t) => {
  const stage = stageOf();
  const streams = Array.from({ length: 5 }, (_, i) => stage.ask(`s${i}`));
  const first = stage.peer(0).up([MAX_CONCURRENT, 2]);
  t.equal(streams.filter(({ story }) => story === 'ready').length, 2);
  t.equal(stage.house.loop.connects.length, 2, 'one more at a time, for as long as its size is not known better');
  stage.peer(1).up([MAX_CONCURRENT, 2]);
  t.equal(stage.house.loop.connects.length, 3);
  first.conn.receive(Buffer.concat([status(1, 200, [], END_HEADERS | END_STREAM)]));
  t.equal(streams[4]!.story, 'ready', 'a stream that ends makes room');
  t.equal(first.requests(), '5 /s4');
  t.ok(MAX_STREAMS > 2);
});

t.test('the limits of the cluster', async (t) => {
  const stage = stageOf(limits({ maxConnections: 1, maxPendingRequests: 2, maxRequests: 3 }));
  const streams = Array.from({ length: 3 }, (_, i) => stage.ask(`p${i}`));
  t.equal(streams[2]!.story, 'failed overflow', 'pending');
  const host = stage.peer(0).up([MAX_CONCURRENT, 2]);
  const waiting = [stage.ask('w0'), stage.ask('w1')];
  t.equal(stage.house.loop.connects.length, 1);
  t.ok(stage.stat(S.UP_CX_OVERFLOW) >= 1);
  host.answer(1, '');
  t.same(waiting.map(({ story }) => story), ['ready', '']);
  stage.cluster.poolFor(stage.cluster.hosts[0]!, false, false).cancel(waiting[1]!);
  host.answer(3, '');
  host.answer(5, '');
  rest(t, stage, 1);
  const other = warm(limits({ maxRequests: 1 }));
  other.ask('x');
  t.equal(other.ask('y').story, 'failed overflow', 'requests');
});

t.test('heads: hop-by-hop fields stay here, names become lower case', async (t) => {
  const { ask, host } = warm();
  const head = 'POST /up HTTP/1.1\r\nHost: origin\r\nX-Custom: a\r\nConnection: x-hop\r\nX-Hop: 1\r\nKeep-Alive: 5\r\nTE: trailers\r\nUpgrade: h2c\r\nContent-Length: 3\r\n\r\n';
  const stream = new TaggedStream('up', { head, upload: ['abc'] });
  stream.reqHead.add('X-Added', 'b');
  stream.reqHead.add('connection', 'close');
  ask(stream);
  const [request, body] = host.read();
  t.same(request!.fields, [
    [':method', 'POST'], [':scheme', 'http'], [':authority', 'origin'], [':path', '/up'], ['x-custom', 'a'], ['te', 'trailers'],
    ['content-length', '3'], ['x-added', 'b'],
  ]);
  t.same([body!.type, body!.flags, body!.payload.toString()], [T.DATA, END_STREAM, 'abc']);
});

t.test('interim answers, trailers, answers without a body', async (t) => {
  const { ask, host } = warm();
  const stream = ask('a');
  host.conn.receive(Buffer.concat([status(3, 100), status(3, 103, [['link', '</a>']]), status(3, 200), data(3, 'x', false), headers(3, [['grpc-status', '0']], END_HEADERS | END_STREAM)]));
  t.equal(stream.story, 'ready,interim 100,interim 103,head 200,end');
  t.equal(stream.resTrailers!.get('grpc-status'), '0');
  const head = ask(new TaggedStream('h', { head: 'HEAD /h HTTP/1.1\r\nHost: o\r\n\r\n' }));
  host.conn.receive(status(5, 200, [['content-length', '9']], END_HEADERS | END_STREAM));
  t.equal(head.story, 'ready,head 200,end');
  const late = ask('l');
  host.conn.receive(status(7, 304));
  t.equal(late.story, 'ready,head 304');
  host.conn.receive(data(7, ''));
  t.equal(late.story, 'ready,head 304,end');
});

t.test('malformed answers end their stream alone, or the connection where RFC 9113 says so', async (t) => {
  const cases: [title: string, bytes: (id: number) => Buffer][] = [
    ['no status', (id) => headers(id, [['x', 'y']], END_HEADERS)],
    ['two statuses', (id) => headers(id, [[':status', '200'], [':status', '200']], END_HEADERS)],
    ['a status behind a field', (id) => headers(id, [['x', 'y'], [':status', '200']], END_HEADERS)],
    ['a status of two digits', (id) => headers(id, [[':status', '20']], END_HEADERS)],
    ['a status of letters', (id) => headers(id, [[':status', '2x0']], END_HEADERS)],
    ['a pseudo-header of requests', (id) => status(id, 200, [[':path', '/']])],
    ['upper case', (id) => status(id, 200, [['X-A', 'b']])],
    ['a line end in a value', (id) => status(id, 200, [['x-a', 'b\r\nc: d']])],
    ['connection', (id) => status(id, 200, [['connection', 'close']])],
    ['transfer-encoding', (id) => status(id, 200, [['transfer-encoding', 'chunked']])],
    ['101', (id) => status(id, 101)],
    ['an interim answer that ends', (id) => status(id, 103, [], END_HEADERS | END_STREAM)],
    ['payload before a head', (id) => data(id, 'x')],
    ['less than its length', (id) => Buffer.concat([status(id, 200, [['content-length', '5']]), data(id, 'four')])],
    ['more than its length', (id) => Buffer.concat([status(id, 200, [['content-length', '3']]), data(id, 'four')])],
    ['no payload for its length', (id) => status(id, 200, [['content-length', '3']], END_HEADERS | END_STREAM)],
    ['payload for 204', (id) => Buffer.concat([status(id, 204), data(id, 'x')])],
    ['trailers that do not end', (id) => Buffer.concat([status(id, 200), headers(id, [['a', 'b']], END_HEADERS)])],
    ['a pseudo-header in trailers', (id) => Buffer.concat([status(id, 200), headers(id, [[':status', '200']], END_HEADERS | END_STREAM)])],
  ];
  for (const [title, bytes] of cases) {
    const stage = warm();
    const [bad, good] = [stage.ask('bad'), stage.ask('good')];
    stage.host.read();
    stage.host.conn.receive(bytes(3));
    t.match(bad.story, /reset upstreamProtocol$/, title);
    t.equal(bad.fault!.retry, 'never');
    t.equal(stage.host.read().filter(({ type }) => type === T.RST).map((one) => `${one.id} ${codeOf(one)}`).join(), '3 PROTOCOL_ERROR', title);
    stage.host.answer(5, 'fine');
    t.equal(good.body, 'fine', `${title}: others go on`);
    rest(t, stage, 1);
  }
  const stage = warm();
  const streams = [stage.ask('a'), stage.ask('b')];
  stage.host.conn.receive(frame(T.PING, 0, 0, 'short'));
  t.same(streams.map(({ story }) => story), ['ready,reset upstreamProtocol', 'ready,reset upstreamProtocol']);
  t.equal(stage.host.read().filter(({ type }) => type === T.GOAWAY).map(codeOf).join(), 'FRAME_SIZE_ERROR');
  t.equal(stage.stat(S.UP_CX_PROTOCOL_ERROR), 1);
  rest(t, stage, 0);
});

t.test('refused streams learn that nobody looked at them', async (t) => {
  const stage = warm();
  const others = stage.ask('other');
  const get = stage.ask('get');
  const post = stage.ask(chunkedStream('post', ['part']));
  const large = stage.ask(chunkedStream('large', ['x'.repeat(9000), 'y'.repeat(9000)]));
  stage.host.conn.receive(Buffer.concat([rst(5, REFUSED_STREAM), rst(7, REFUSED_STREAM), rst(9, REFUSED_STREAM)]));
  t.equal(get.story, 'ready,refused');
  t.equal(post.story, 'ready,refused');
  t.equal(large.story, 'ready,refused');
  t.equal(large.fault!.retry, 'always');
  const again = stage.ask('again');
  t.equal(again.story, '', 'the host takes no more than it has');
  t.equal(stage.house.loop.connects.length, 2);
  stage.host.answer(3, '');
  t.equal(others.story, 'ready,head 200,end');
  t.equal(again.story, 'ready', 'until one ends');
  stage.peer(1).up();

  const alone = warm();
  const one = alone.ask('one');
  alone.host.conn.receive(rst(3, REFUSED_STREAM));
  t.equal(one.story, 'ready,refused');
  alone.ask('two');
  t.equal(alone.house.loop.connects.length, 2, 'a connection that takes nothing is left');
});

t.test('other resets', async (t) => {
  const stage = warm();
  const [early, late] = [stage.ask('early'), stage.ask('late')];
  stage.host.conn.receive(Buffer.concat([rst(3, CANCEL), status(5, 200), data(5, 'half', false), rst(5, REFUSED_STREAM)]));
  t.equal(early.story, 'ready,reset remoteReset');
  t.equal(early.fault!.retry, 'never');
  t.equal(late.story, 'ready,head 200,reset remoteReset', 'after an answer has begun, refusing means nothing');
  t.equal(stage.stat(S.UP_RQ_RX_RESET), 2);
  rest(t, stage, 1);
});

t.test('giving up resets the stream alone', async (t) => {
  const stage = warm();
  const [gone, stays] = [stage.ask('gone'), stage.ask('stays')];
  stage.host.read();
  stage.house.loop.turn(() => gone.giveUp());
  t.equal(stage.host.read().map((one) => `${one.type} ${one.id} ${codeOf(one)}`).join(), `${T.RST} 3 CANCEL`);
  stage.host.conn.receive(Buffer.concat([status(3, 200), data(3, 'late')]));
  stage.host.answer(5, 'fine');
  t.equal(stays.body, 'fine');
  t.equal(stage.stat(S.UP_RQ_TX_RESET), 1);
  rest(t, stage, 1);
});

t.test('GOAWAY: what was taken ends here, the rest and what is new goes elsewhere', async (t) => {
  const stage = warm();
  const [taken, dropped] = [stage.ask('taken'), stage.ask('dropped')];
  stage.host.conn.receive(goaway(3));
  t.same([taken.story, dropped.story], ['ready', 'ready,refused']);
  const next = stage.ask('next');
  t.equal(next.story, '');
  const second = stage.peer(1).up();
  t.equal(second.requests(), '', 'read by up');
  t.equal(next.story, 'ready');
  t.equal(stage.stat(S.UP_CX_CLOSE_NOTIFY), 1);
  stage.host.answer(3, 'done');
  t.equal(taken.body, 'done');
  t.equal(stage.host.conn.state, 'closed', 'the last stream takes the connection with it');
  second.answer(1, '');
  rest(t, stage, 1);
});

t.test('an end or a reset of the connection', async (t) => {
  for (const [end, kind] of [['end', 'upstreamClosed'], ['breakOff', 'upstreamReset']] as const) {
    const stage = warm();
    const streams = [stage.ask('a'), stage.ask(chunkedStream('b'))];
    stage.host.conn[end]();
    t.same(streams.map(({ story }) => story), [`ready,reset ${kind}`, `ready,reset ${kind}`]);
    t.equal(streams[0]!.fault!.retry, 'never', 'the host may have looked at it');
    rest(t, stage, 0);
    stage.ask('next');
    t.equal(stage.house.loop.connects.length, 2);
  }
  const idle = warm();
  idle.host.conn.end();
  rest(t, idle, 0);
});

t.test('connections that never come to be', async (t) => {
  const refused = stageOf();
  const one = refused.ask('a');
  refused.peer(0).conn.connectFail('ECONNREFUSED');
  t.equal(one.story, 'failed connectFailure');
  t.equal(one.fault!.cause, 'delayed connect error: Connection refused');
  rest(t, refused, 0);

  const silent = stageOf({ connectTimeoutMs: 100 });
  const two = silent.ask('b');
  silent.peer(0).conn.connectOk();
  silent.house.loop.advance(200);
  t.equal(two.story, 'failed connectTimeout', 'no settings in time');
  rest(t, silent, 0);

  const http1 = stageOf();
  const three = http1.ask('c');
  http1.peer(0).conn.connectOk();
  http1.peer(0).conn.receive('HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\r\n');
  t.equal(three.story, 'failed upstreamProtocol', 'it speaks something else');
  rest(t, http1, 0);
});

t.test('maxRequests, idle time-out, drain', async (t) => {
  const spent = warm({ connections: { idleTimeoutMs: 0, maxRequests: 2 } });
  const last = spent.ask('last');
  t.equal(last.story, 'ready');
  t.equal(spent.stat(S.UP_CX_MAX_REQUESTS), 1);
  spent.ask('elsewhere');
  t.equal(spent.house.loop.connects.length, 2);
  spent.host.answer(3, '');
  t.equal(spent.host.conn.state, 'closed');

  const idle = warm({ connections: { idleTimeoutMs: 1000, maxRequests: 0 } });
  idle.house.loop.advance(500);
  idle.ask('x');
  idle.host.answer(3, '');
  idle.house.loop.advance(700);
  t.equal(idle.host.conn.state, 'open');
  idle.house.loop.advance(1500);
  t.equal(idle.host.conn.state, 'closed');
  t.equal(idle.host.read().at(-1)!.type, T.GOAWAY, 'with a goodbye');
  t.equal(idle.stat(S.UP_CX_IDLE_TIMEOUT), 1);
  rest(t, idle, 0);

  const drained = warm();
  const busy = drained.ask('busy');
  drained.house.loop.turn(() => drained.cluster.drain());
  t.equal(drained.host.conn.state, 'open');
  drained.host.answer(3, 'whole');
  t.equal(busy.body, 'whole');
  rest(t, drained, 0);
});

t.test('windows: what may not go waits, and the source is told when it may go on', async (t) => {
  const stage = warm({}, [INITIAL_WINDOW, 10]);
  const stream = stage.ask(chunkedStream('up'));
  stage.host.read();
  let taken = true;
  stage.house.loop.turn(() => (taken = stream.send('0123456789abcdef', false)));
  t.equal(taken, false);
  t.equal(stage.host.read().map(({ payload }) => payload.toString()).join(), '0123456789');
  stage.host.conn.receive(windowUpdate(3, 100));
  t.equal(stage.host.read().map(({ payload }) => payload.toString()).join(), 'abcdef');
  t.equal(stream.writable, 1);
  stage.house.loop.turn(() => stream.send('!', true));
  const [end] = stage.host.read();
  t.same([end!.payload.toString(), end!.flags], ['!', END_STREAM]);
});

t.test('a paused stream keeps its window, and others go on', async (t) => {
  const stage = warm();
  const [slow, fast] = [stage.ask('slow'), stage.ask('fast')];
  stage.host.conn.receive(Buffer.concat([settingsAck(), status(3, 200), status(5, 200)]));
  stage.host.read();
  stage.house.loop.turn(() => slow.up!.pause());
  const portion = 'x'.repeat(16_000);
  for (let i = 0; i < 10; i++) stage.host.conn.receive(Buffer.concat([data(3, portion, false), data(5, portion, false)]));
  const updates = (): number[] => stage.host.read().filter(({ type }) => type === T.WINDOW).map(({ id }) => id);
  t.same(updates(), [5], 'the one that is read gets its window back');
  stage.house.loop.turn(() => slow.up!.resume());
  t.same(updates(), [3]);
  t.equal(fast.body.length, 160_000);
});

t.test('an answer before the end of its request cancels the rest', async (t) => {
  const stage = warm();
  const stream = stage.ask(chunkedStream('early', ['part']));
  stream.upload = [];
  const other = stage.ask(chunkedStream('other'));
  stage.host.read();
  stage.host.answer(5, 'enough');
  t.equal(other.body, 'enough');
  t.equal(stage.host.read().filter(({ type }) => type === T.RST).map((one) => `${one.id} ${codeOf(one)}`).join(), '5 CANCEL');
});
