// A caller's HTTP/2 connection in front of one upstream: what goes through, in which order, and what happens when either
// side stops, breaks off or says too much.

import t from 'tap';

import type { HttpConfig } from '../../src/config/snapshot.ts';
import * as L from '../../src/http/h2-limits.ts';
import * as S from '../../src/observe/stat-names.ts';
import { codeOf, data, get, headers, hello, ping, post, pseudo, rst, settings, story, T, windowUpdate, type Frame } from '../support/h2-bytes.ts';
import { bodyOf, H2Stage } from '../support/h2-stage.ts';
import { listenerConfig } from '../support/snapshots.ts';

const base = listenerConfig('x', 1).http;
const timeouts = (changes: Partial<HttpConfig['timeouts']>): Partial<HttpConfig> => ({ timeouts: { ...base.timeouts, ...changes } });
const http2 = (changes: Partial<HttpConfig['http2']>): Partial<HttpConfig> => ({ http2: { ...base.http2, ...changes } });
const answer = (body: string, fields = ''): string => `HTTP/1.1 200 OK\r\n${fields}Content-Length: ${body.length}\r\n\r\n${body}`;
const ended = (frames: readonly Frame[], id: number): boolean => frames.some((one) => one.id === id && one.type <= T.HEADERS && (one.flags & 1) !== 0);
const windows = (frames: readonly Frame[], id: number): number =>
  frames.filter((one) => one.type === T.WINDOW && one.id === id).reduce((sum, one) => sum + one.payload.readUInt32BE(0), 0);

t.test('a request becomes HTTP/1.1, its answer HTTP/2', async (t) => {
  const stage = H2Stage.open();
  stage.send(headers(1, [...pseudo('/x?y=1', { ':authority': 'example.com' }), ['cookie', 'a=1'], ['x-a', 'caf\xe9'], ['cookie', 'b=2'], ['cookie', 'c=3'], ['te', 'trailers']]));
  const up = stage.up();
  const sent = up.takeSent().toString('latin1');
  t.match(sent, /^GET \/x\?y=1 HTTP\/1\.1\r\nhost: example\.com\r\n/);
  t.match(sent, /\r\ncookie: a=1; b=2; c=3\r\n/);
  t.equal(sent.match(/cookie/g)?.length, 1, 'one cookie field');
  t.match(sent, /\r\nx-a: caf\xe9\r\n/);
  t.match(sent, /\r\nx-forwarded-for: 192\.0\.2\.5\r\n/);
  t.match(sent, /\r\nte: trailers\r\n/);
  t.notMatch(sent, /:path|transfer-encoding/);
  up.receive('HTTP/1.1 200 OK\r\nX-Upper: Case\r\nConnection: X-Gone\r\nX-Gone: 1\r\nKeep-Alive: 5\r\nTransfer-Encoding: chunked\r\nSet-Cookie: a\r\nSet-Cookie: b\r\n\r\n3\r\nabc\r\n0\r\n\r\n');
  const frames = stage.take();
  const names = frames[0]!.fields.map(([name]) => name);
  t.strictSame(names.filter((name) => /x-upper|gone|connection|keep-alive|transfer|set-cookie/.test(name)), ['x-upper', 'set-cookie', 'set-cookie']);
  t.equal(bodyOf(frames, 1).toString(), 'abc');
  t.ok(ended(frames, 1));
  t.equal(frames.filter((one) => one.type === T.DATA).length, 1, 'the end stands on the last frame with data');
  t.equal(stage.stat(S.DOWN_RQ_HTTP2_TOTAL), 1);
  t.equal(stage.stat(S.DOWN_RQ_HTTP1_TOTAL), 0);
  t.equal(stage.h2Stat(L.H2_STREAMS_ACTIVE), 0);
});

t.test('answers of one turn leave in one write', async (t) => {
  const stage = H2Stage.open();
  const before = stage.conn.segments.length;
  stage.send(...Array.from({ length: 30 }, (_, n) => get(2 * n + 1)));
  t.equal(stage.conn.segments.length, before + 1);
  t.equal(stage.take().filter((one) => one.type === T.HEADERS).length, 30);
});

t.test('a head without body ends with its HEADERS', async (t) => {
  const stage = H2Stage.open();
  stage.send(get(1, '/none'), headers(3, pseudo('/ok', { ':method': 'HEAD' })), headers(5, pseudo('/up', { ':method': 'HEAD' })));
  const up = stage.up();
  up.receive('HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n');
  const frames = stage.take().filter((one) => one.type <= T.HEADERS);
  t.strictSame(frames.map(({ type, flags, id }) => [type, flags, id]), [[1, 5, 1], [1, 5, 3], [1, 5, 5]]);
});

t.test('a body and its trailers, both ways', async (t) => {
  const stage = H2Stage.open();
  stage.send(post(1), data(1, 'abc', false), data(1, 'def', false), headers(1, [['x-sum', '6']]));
  const up = stage.up();
  t.match(up.takeSent().toString(), /transfer-encoding: chunked\r\n\r\n[^]*abc[^]*def\r\n0\r\nx-sum: 6\r\n\r\n$/);
  up.receive('HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nxyz\r\n0\r\nX-Sum: 3\r\n\r\n');
  const frames = stage.take();
  t.equal(bodyOf(frames, 1).toString(), 'xyz');
  t.strictSame(frames.at(-1)?.fields, [['x-sum', '3']]);
  t.equal(frames.at(-1)?.flags, 5);
  t.equal(stage.h2Stat(L.H2_TRAILERS), 1);
});

t.test('trailers wait for the window like the data before them', async (t) => {
  const stage = H2Stage.open({}, [4, 4]);
  stage.send(get(1, '/a'));
  const up = stage.up();
  up.receive('HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\na\r\n0123456789\r\n0\r\nX-Sum: 10\r\n\r\n');
  // The upstream connection goes on to another request and another answer meanwhile.
  stage.send(get(3, '/b'));
  up.receive('HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\nX-Other: 1\r\n\r\n');
  const first = stage.take();
  t.equal(bodyOf(first, 1).toString(), '0123');
  t.ok(ended(first, 3));
  stage.send(windowUpdate(1, 100));
  const rest = stage.take();
  t.equal(bodyOf(rest, 1).toString(), '456789');
  t.strictSame(rest.at(-1)?.fields, [['x-sum', '10']]);
  t.strictSame(stage.house.unrest(), { 'listener.edge downstream_cx_active': 1, 'http.edge downstream_cx_active': 1, 'http.edge downstream_cx_http2_active': 1, 'cluster.app upstream_cx_active': 1, 'host app 127.0.0.1:13000 cx_active': 1, 'cluster app cx': 1, 'process cx': 1 });
});

t.test('interim answers', async (t) => {
  const stage = H2Stage.open();
  stage.send(get(1, '/a'));
  stage.up().receive('HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n' + answer('x'));
  t.equal(stage.told(), '1:103, 1:200');
});

t.test('a large body goes out as the windows allow, the streams taking turns', async (t) => {
  const stage = H2Stage.open({}, [4, 100_000]);
  stage.send(get(1, '/a'), get(3, '/b'));
  const [one, two] = stage.house.loop.connects;
  one!.connectOk();
  two!.connectOk();
  one!.receive(`HTTP/1.1 200 OK\r\nContent-Length: 90000\r\n\r\n${'a'.repeat(80_000)}`);
  two!.receive(answer('b'.repeat(90_000)));
  let frames = stage.take();
  t.equal(bodyOf(frames, 1).length + bodyOf(frames, 3).length, 65_535, 'as much as the connection allows');
  t.ok(one!.paused, 'an upstream rests');
  stage.send(windowUpdate(0, 64 * 1024));
  frames = frames.concat(stage.take());
  stage.send(windowUpdate(0, 1_000_000));
  one!.receive('a'.repeat(10_000));
  const last = stage.take();
  const order = last.filter((frame) => frame.type === T.DATA).map((frame) => frame.id);
  frames = frames.concat(last);
  t.equal(bodyOf(frames, 1).toString(), 'a'.repeat(90_000));
  t.equal(bodyOf(frames, 3).toString(), 'b'.repeat(90_000));
  t.ok(order.length > 1);
  t.ok(ended(frames, 1) && ended(frames, 3));
  t.equal(stage.h2Stat(L.H2_PENDING_SEND_BYTES), 0);
});

t.test('a window of one byte', async (t) => {
  const stage = H2Stage.open({}, [4, 1]);
  stage.send(get(1, '/a'));
  stage.up().receive(answer('hello'));
  let frames = stage.take();
  for (let n = 0; n < 4; n++) {
    stage.send(windowUpdate(1, 1));
    frames = frames.concat(stage.take());
  }
  t.equal(bodyOf(frames, 1).toString(), 'hello');
  t.equal(frames.filter((one) => one.type === T.DATA).length, 5);
  t.ok(ended(frames, 1));
});

t.test('SETTINGS that shrink and widen the windows of streams under way', async (t) => {
  const stage = H2Stage.open({}, [4, 10]);
  stage.send(get(1, '/a'));
  stage.up().receive(answer('0123456789abcdefghij'));
  t.equal(bodyOf(stage.take(), 1).length, 10);
  stage.send(settings([4, 0]), windowUpdate(1, 10));
  t.equal(bodyOf(stage.take(), 1).length, 0, 'the window is at zero: -10 + 10');
  stage.send(settings([4, 100]));
  const frames = stage.take();
  t.equal(bodyOf(frames, 1).toString(), 'abcdefghij');
  t.ok(ended(frames, 1));
});

t.test('a socket that takes nothing holds up the upstream', async (t) => {
  const stage = H2Stage.open({}, [4, 1 << 30]);
  stage.send(windowUpdate(0, 1 << 30), get(1, '/a'));
  const up = stage.up();
  stage.conn.setRoom(0);
  up.receive(`HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\n${'x'.repeat(500_000)}`);
  t.equal(up.paused, true);
  t.ok(stage.conn.pending <= 300_000, 'and what is kept at the socket is bounded');
  stage.conn.setRoom(Infinity);
  t.equal(up.paused, false);
  up.receive('x'.repeat(500_000));
  const frames = stage.take();
  t.equal(bodyOf(frames, 1).length, 1_000_000);
  t.ok(ended(frames, 1));
});

t.test('an upstream that takes nothing holds up the caller, by its window', async (t) => {
  const stage = H2Stage.open();
  stage.send(post(1));
  const up = stage.up();
  up.takeSent();
  stage.send(data(1, Buffer.alloc(16_384), false), data(1, Buffer.alloc(16_384), false));
  t.equal(windows(stage.take(), 1), 32_768, 'what was taken is given back');
  up.setRoom(0);
  for (let n = 0; n < 4; n++) stage.send(data(1, Buffer.alloc(16_384), false));
  const held = stage.take();
  t.equal(windows(held, 1), 0, 'what was not is not');
  t.equal(stage.stat(S.DOWN_FLOW_PAUSED_READING), 1);
  stage.send(data(1, 'x', false));
  t.equal(stage.told(), 'RST 1 FLOW_CONTROL_ERROR', 'and the window holds');
  t.equal(up.peerSees, 'reset');
});

t.test('the window opens again when the upstream takes', async (t) => {
  const stage = H2Stage.open();
  stage.send(post(1));
  const up = stage.up();
  up.setRoom(0);
  for (let n = 0; n < 4; n++) stage.send(data(1, Buffer.alloc(16_384), false));
  t.equal(windows(stage.take(), 1), 0);
  up.setRoom(Infinity);
  const given = stage.take();
  t.equal(windows(given, 1), 65_536);
  stage.send(data(1, 'end'));
  up.receive(answer('ok'));
  t.equal(stage.told(), '1:200');
});

t.test('the connection\'s window is not eaten by streams that are gone', async (t) => {
  const stage = H2Stage.open(http2({ initialConnectionWindowBytes: 65_535 }));
  let given = 0;
  for (let n = 0; n < 12; n++) {
    const id = 2 * n + 1;
    stage.send(post(id, '/a'), data(id, Buffer.alloc(16_000), false), rst(id, 8), ...(n % 2 === 0 ? [data(id, Buffer.alloc(4000), false)] : []));
    given += windows(stage.take(), 0);
  }
  t.equal(stage.conn.state, 'open');
  t.ok(given >= 12 * 16_000 + 6 * 4000 - 32_768, 'all but what half a window holds back');
});

t.test('an early answer: the rest of the request is not wanted', async (t) => {
  const stage = H2Stage.open();
  stage.send(post(1, '/ok', [['content-length', '10']]));
  const frames = stage.take();
  t.equal(story(frames), '1:200');
  const reset = frames.find((one) => one.type === T.RST);
  t.equal(reset && codeOf(reset), 'NO_ERROR');
  t.ok(frames.findIndex((one) => one.type === T.RST) > frames.findIndex((one) => one.type === T.DATA));
  t.equal(stage.stat(S.DOWN_RQ_RESPONSE_BEFORE_RQ_COMPLETE), 1);
  stage.send(data(1, 'abc', false), data(1, 'def'), get(3));
  t.equal(stage.told(), '3:200', 'what still comes is read over');
  stage.send(post(5, '/ok'), data(5, 'x'));
  t.equal(stage.take().some((one) => one.type === T.RST), false, 'a request whose end came in time is not cut');
});

t.test('the caller breaks off', async (t) => {
  const stage = H2Stage.open();
  stage.send(get(1, '/a'), get(3, '/b'));
  const [one, two] = stage.house.loop.connects;
  one!.connectOk();
  two!.connectOk();
  stage.send(rst(1, 8));
  t.equal(one!.peerSees, 'reset');
  t.equal(two!.state, 'open');
  two!.receive(answer('b'));
  t.equal(stage.told(), '3:200');
  t.equal(stage.stat(S.DOWN_RQ_RX_RESET), 1);
  t.match(stage.house.takeLog(), []);
});

t.test('the caller is gone, by FIN and by RST', async (t) => {
  for (const how of ['fin', 'rst'] as const) {
    const stage = H2Stage.open();
    stage.send(get(1, '/a'), post(3, '/b'), data(3, 'x', false));
    const ups = [...stage.house.loop.connects];
    for (const up of ups) up.connectOk();
    if (how === 'fin') stage.conn.end();
    else stage.conn.breakOff();
    for (const up of ups) t.equal(up.peerSees, 'reset');
    t.strictSame(stage.house.unrest(), {}, how);
    t.equal(stage.stat(S.DOWN_CX_DESTROY_REMOTE_ACTIVE_RQ), 1);
  }
});

t.test('an answer that cannot be completed resets its stream alone', async (t) => {
  const stage = H2Stage.open();
  stage.send(get(1, '/a'));
  const up = stage.up();
  up.receive('HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nabc');
  up.breakOff();
  t.equal(stage.told(), '1:200, RST 1 INTERNAL_ERROR');
  stage.send(get(3));
  t.equal(stage.told(), '3:200');
});

t.test('a caller that opens no window for the rest', async (t) => {
  const stage = H2Stage.open(timeouts({ streamIdleMs: 2000 }), [4, 3]);
  stage.send(get(1, '/a'));
  stage.up().receive(answer('hello'));
  t.equal(stage.told(), '1:200');
  stage.house.loop.advance(2500);
  t.equal(stage.told(), 'RST 1 INTERNAL_ERROR');
  t.equal(stage.h2Stat(L.H2_TX_FLUSH_TIMEOUT), 1);
  t.equal(stage.h2Stat(L.H2_PENDING_SEND_BYTES), 0);
});

t.test('drain: GOAWAY in two steps, then the end behind the last answer', async (t) => {
  const stage = H2Stage.open();
  stage.send(get(1, '/a'));
  const up = stage.up();
  stage.door.listener.drain();
  stage.house.loop.turn(() => undefined);
  const first = stage.take();
  t.equal(story(first), 'GOAWAY NO_ERROR, PING');
  t.equal(first[0]!.payload.readUInt32BE(0), 0x7fffffff);
  stage.send(get(3));
  t.equal(stage.told(), '3:200', 'what was on its way is still answered');
  stage.send(ping(first[1]!.payload.toString('latin1'), 1));
  const second = stage.take();
  t.equal(story(second), 'GOAWAY NO_ERROR');
  t.equal(second[0]!.payload.readUInt32BE(0), 3, 'the last stream');
  stage.send(get(5));
  t.equal(stage.told(), 'RST 5 REFUSED_STREAM');
  up.receive(answer('a'));
  t.equal(stage.told(), '1:200');
  t.equal(stage.conn.peerSees, 'fin');
  stage.conn.end();
  t.equal(stage.stat(S.DOWN_CX_DRAIN_CLOSE), 1);
});

t.test('drain: a caller that does not answer PING', async (t) => {
  const stage = H2Stage.open();
  stage.door.listener.drain();
  stage.house.loop.advance(1100);
  t.equal(stage.told(), 'GOAWAY NO_ERROR, PING, GOAWAY NO_ERROR');
  stage.house.loop.turn(() => undefined);
  t.equal(stage.conn.peerSees, 'fin');
});

t.test('idle', async (t) => {
  const stage = H2Stage.open(timeouts({ idleMs: 5000 }));
  stage.send(get(1, '/a'));
  stage.house.loop.advance(6000);
  t.equal(stage.conn.state, 'open', 'not while a request is under way');
  stage.up().receive(answer('a'));
  stage.take();
  stage.house.loop.advance(6000);
  stage.house.loop.turn(() => undefined);
  t.equal(stage.told(), 'GOAWAY NO_ERROR');
  t.equal(stage.conn.peerSees, 'fin');
  t.equal(stage.stat(S.DOWN_CX_IDLE_TIMEOUT), 1);
});

t.test('a head that does not come to its end', async (t) => {
  const stage = H2Stage.open(timeouts({ requestHeadersMs: 3000 }));
  stage.send(get(1, '/a'));
  const whole = get(3);
  stage.send(whole.subarray(0, whole.length - 4));
  stage.house.loop.advance(2000);
  stage.send(whole.subarray(whole.length - 4));
  t.equal(stage.told(), '3:200');
  stage.house.loop.advance(2000);
  t.equal(stage.conn.state, 'open', 'the time begins anew with each');
  stage.send(whole.subarray(0, 12));
  stage.house.loop.advance(4000);
  t.match(stage.told(), /GOAWAY/);
  t.equal(stage.stat(S.DOWN_RQ_HEADER_TIMEOUT), 1);
});

t.test('PING asks whether the caller is there', async (t) => {
  const stage = H2Stage.open(http2({ keepAliveIntervalMs: 1000, keepAliveTimeoutMs: 500 }));
  stage.house.loop.advance(1200);
  const [asked] = stage.take();
  t.equal(asked?.type, T.PING);
  stage.send(ping(asked!.payload.toString('latin1'), 1));
  stage.house.loop.advance(1200);
  t.equal(stage.conn.state, 'open');
  t.equal(stage.told(), 'PING');
  stage.house.loop.advance(600);
  stage.house.loop.turn(() => undefined);
  t.equal(stage.conn.state, 'closed');
  t.equal(stage.h2Stat(L.H2_KEEPALIVE_TIMEOUT), 1);
});

t.test('a caller who says something else meanwhile is there, too', async (t) => {
  const stage = H2Stage.open(http2({ keepAliveIntervalMs: 1000, keepAliveTimeoutMs: 500 }));
  stage.house.loop.advance(1200);
  for (let i = 0; i < 5; i++) {
    stage.send(get(1 + 2 * i));
    stage.house.loop.advance(400);
  }
  t.equal(stage.conn.state, 'open');
  t.equal(stage.take().filter(({ type }) => type === T.PING).length, 1, 'asked once');
  stage.house.loop.turn(() => stage.door.listener.drain());
  stage.house.loop.advance(600);
  t.equal(stage.conn.state, 'closed');
  t.strictSame(stage.house.unrest(), {});
});

t.test('refusals are HTTP\'s where HTTP has one', async (t) => {
  const stage = H2Stage.open({ headersWithUnderscores: 'reject', pathWithEscapedSlashes: 'reject' });
  stage.send(get(1, '/ok', [['a_b', 'c']]), get(3, '/a%2fb'), headers(5, pseudo('/ok', { ':authority': null })));
  t.equal(stage.told(), '1:400, 3:400, 5:400');
  t.equal(stage.h2Stat(L.H2_REQUESTS_REJECTED_WITH_UNDERSCORES), 1);
  const dropping = H2Stage.open({ headersWithUnderscores: 'drop' });
  dropping.send(get(1, '/a', [['a_b', 'c'], ['d', 'e']]));
  const sent = dropping.up().takeSent().toString();
  t.match(sent, /\r\nd: e\r\n/);
  t.notMatch(sent, /a_b/);
  t.equal(dropping.h2Stat(L.H2_DROPPED_HEADERS_WITH_UNDERSCORES), 1);
});

t.test('a plaintext port that speaks both', async (t) => {
  const stage = new H2Stage({ protocols: ['http1', 'http2'] });
  stage.conn.receive('PRI * HT');
  stage.conn.receive(Buffer.concat([hello().subarray(8), get(1)]));
  t.equal(stage.told(), '1:200');
  const plain = stage.door.connect();
  plain.receive('P');
  plain.receive('OST /ok HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n');
  t.match(plain.takeSent().toString(), /^HTTP\/1\.1 200 OK\r\n/);
  const upgrade = stage.door.connect();
  upgrade.receive('GET /ok HTTP/1.1\r\nHost: a\r\nConnection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABkAAQAAP__\r\n\r\n');
  t.match(upgrade.takeSent().toString(), /^HTTP\/1\.1 200 OK\r\n/, 'h2c is an offer that is not taken');
});

t.test('a port that speaks HTTP/2 alone', async (t) => {
  const stage = new H2Stage();
  stage.conn.receive('GET / HTTP/1.1\r\nHost: a\r\n\r\n');
  t.equal(stage.told(), 'GOAWAY PROTOCOL_ERROR');
});
