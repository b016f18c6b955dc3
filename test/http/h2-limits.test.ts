// Every abuse limit of an HTTP/2 connection: one less than it is nothing, one more ends the connection, and a stat says so.

import t, { type Test } from 'tap';

import type { Http2Config } from '../../src/config/snapshot.ts';
import * as L from '../../src/http/h2-limits.ts';
import { DOWN_CX_PROTOCOL_ERROR, DOWN_RQ_TOO_MANY_PREMATURE_RESETS, HTTP2_STATS } from '../../src/observe/stat-names.ts';
import {
  block, data, END_HEADERS, END_STREAM, frame, get, headers, hello, ping, post, priority, pseudo, rst, settings, story, T, windowUpdate,
} from '../support/h2-bytes.ts';
import { H2Stage } from '../support/h2-stage.ts';
import { listenerConfig } from '../support/snapshots.ts';

const CALM = 'GOAWAY ENHANCE_YOUR_CALM';
const defaults = listenerConfig('x', 1).http.http2;
const limited = (http2: Partial<Http2Config>): H2Stage => H2Stage.open({ http2: { ...defaults, ...http2 } });
const many = (count: number, one: Buffer): Buffer => Buffer.concat(Array.from({ length: count }, () => one));

/** Connections to the upstream may still come up. */
function underWay(stage: H2Stage): Record<string, number> {
  return Object.fromEntries(Object.entries(stage.house.unrest()).filter(([name]) => !/ (upstream_)?cx/.test(name)));
}

function calmedDown(t: Test, stage: H2Stage, stat: number): void {
  t.match(stage.told(), new RegExp(`${CALM}$`));
  t.equal(stage.h2Stat(stat), 1, HTTP2_STATS[stat]![0]);
  t.not(stage.conn.state, 'open');
  stage.conn.breakOff();
  t.strictSame(underWay(stage), {}, 'nothing is left under way');
}

t.test('the stats of the codec and their names agree', async (t) => {
  const constants = Object.entries(L as Record<string, unknown>).filter((pair): pair is [string, number] => pair[0].startsWith('H2_'));
  t.equal(constants.length, HTTP2_STATS.length);
  for (const [name, slot] of constants) {
    const short = name.slice(3).toLowerCase();
    t.ok(HTTP2_STATS[slot]![0].startsWith(short) || short.startsWith(HTTP2_STATS[slot]![0]), `${name} is ${HTTP2_STATS[slot]![0]}`);
  }
});

t.test('rapid reset', async (t) => {
  const stage = limited({ prematureResetStreams: 20 });
  for (let n = 0; n < 9; n++) stage.send(get(2 * n + 1, '/slow'), rst(2 * n + 1, 8));
  t.equal(stage.told(), '');
  t.equal(stage.h2Stat(L.H2_RX_RESET), 9);
  stage.send(get(19, '/slow'), rst(19, 8));
  t.equal(stage.told(), CALM);
  t.equal(stage.stat(DOWN_RQ_TOO_MANY_PREMATURE_RESETS), 1);
  t.not(stage.conn.state, 'open');
});

t.test('rapid reset: resets that we are made to send count too', async (t) => {
  const stage = limited({ prematureResetStreams: 20 });
  for (let n = 0; n < 10; n++) stage.send(post(2 * n + 1, '/slow'), windowUpdate(2 * n + 1, 0));
  t.match(stage.told(), new RegExp(`^(RST \\d+ PROTOCOL_ERROR, ){10}${CALM}$`));
  t.equal(stage.stat(DOWN_RQ_TOO_MANY_PREMATURE_RESETS), 1);
});

t.test('rapid reset: streams that lived, or were answered, do not count', async (t) => {
  const stage = limited({ prematureResetStreams: 4 });
  for (let n = 0; n < 10; n++) stage.send(get(2 * n + 1));
  for (let n = 10; n < 14; n++) {
    stage.send(get(2 * n + 1, '/slow'));
    stage.house.loop.advance(1100);
    stage.send(rst(2 * n + 1, 8));
  }
  t.notMatch(stage.told(), CALM);
  t.equal(stage.conn.state, 'open');
});

t.test('empty DATA frames', async (t) => {
  const stage = limited({ maxConsecutiveEmptyFrames: 3 });
  stage.send(post(1, '/slow'), many(3, data(1, '', false)), data(1, 'x', false), many(3, data(1, '', false)));
  t.equal(stage.told(), '');
  stage.send(data(1, '', false));
  calmedDown(t, stage, L.H2_INBOUND_EMPTY_FRAMES_FLOOD);
});

t.test('empty DATA frames with padding', async (t) => {
  const stage = limited({ maxConsecutiveEmptyFrames: 1 });
  stage.send(post(1, '/slow'), many(2, frame(T.DATA, 8, 1, [3, 0, 0, 0])));
  calmedDown(t, stage, L.H2_INBOUND_EMPTY_FRAMES_FLOOD);
});

t.test('empty HEADERS and CONTINUATION frames', async (t) => {
  const stage = limited({ maxConsecutiveEmptyFrames: 2 });
  stage.send(frame(T.HEADERS, 0, 1), many(2, frame(T.CONTINUATION, 0, 1)));
  calmedDown(t, stage, L.H2_INBOUND_EMPTY_FRAMES_FLOOD);
});

t.test('CONTINUATION frames', async (t) => {
  const stage = limited({ maxContinuationFrames: 3 });
  const head = block(pseudo('/ok'));
  const parts = (count: number, id: number): Buffer[] => [
    frame(T.HEADERS, END_STREAM, id, head),
    ...Array.from({ length: count }, (_, i) => frame(T.CONTINUATION, i === count - 1 ? END_HEADERS : 0, id, block([['x', 'y']]))),
  ];
  stage.send(...parts(3, 1));
  t.equal(stage.told(), '1:200');
  stage.send(...parts(4, 3));
  calmedDown(t, stage, L.H2_INBOUND_CONTINUATION_FLOOD);
});

t.test('a header block without end', async (t) => {
  const stage = H2Stage.open();
  const part = block([['x', 'y'.repeat(16_000)]]);
  stage.send(frame(T.HEADERS, END_STREAM, 1, part), ...Array.from({ length: 4 }, () => frame(T.CONTINUATION, 0, 1, part)));
  calmedDown(t, stage, L.H2_INBOUND_CONTINUATION_FLOOD);
});

t.test('PING', async (t) => {
  const stage = limited({ maxOutboundControlFrames: 10 });
  stage.send(many(100, ping()));
  t.equal(stage.take().length, 100, 'as long as the answers are taken, they may come');
  stage.conn.setRoom(0);
  stage.send(many(10, ping()));
  t.equal(stage.conn.state, 'open');
  stage.send(ping());
  stage.conn.setRoom(Infinity);
  calmedDown(t, stage, L.H2_OUTBOUND_CONTROL_FLOOD);
});

t.test('SETTINGS', async (t) => {
  const stage = limited({ maxOutboundControlFrames: 10 });
  stage.conn.setRoom(0);
  stage.send(many(11, settings()));
  stage.conn.setRoom(Infinity);
  calmedDown(t, stage, L.H2_OUTBOUND_CONTROL_FLOOD);
});

t.test('RST_STREAM that we are made to send', async (t) => {
  const stage = limited({ maxOutboundControlFrames: 10 });
  stage.conn.setRoom(0);
  for (let n = 0; n < 11; n++) stage.send(headers(2 * n + 1, [[':path', '/']]));
  stage.conn.setRoom(Infinity);
  calmedDown(t, stage, L.H2_OUTBOUND_CONTROL_FLOOD);
});

t.test('answers that nobody takes', async (t) => {
  const stage = limited({ maxOutboundFrames: 20 });
  stage.conn.setRoom(0);
  for (let n = 0; n < 30 && stage.conn.state === 'open'; n++) stage.send(get(2 * n + 1, '/none'));
  t.equal(stage.h2Stat(L.H2_OUTBOUND_FLOOD), 1);
  t.not(stage.conn.state, 'open');
});

t.test('PRIORITY', async (t) => {
  const stage = limited({ maxPriorityFramesPerStream: 5 });
  stage.send(many(5, priority(1)), get(1), many(5, priority(1)));
  t.equal(stage.told(), '1:200');
  stage.send(priority(1));
  calmedDown(t, stage, L.H2_INBOUND_PRIORITY_FRAMES_FLOOD);
});

t.test('WINDOW_UPDATE', async (t) => {
  const stage = limited({ maxWindowUpdatesPerDataFrame: 2 });
  stage.send(get(1));
  // 5 + 2 x (1 stream + 2 x 1 DATA frame)
  stage.send(many(11, windowUpdate(0, 1)));
  t.equal(stage.told(), '1:200');
  stage.send(windowUpdate(0, 1));
  calmedDown(t, stage, L.H2_INBOUND_WINDOW_UPDATE_FRAMES_FLOOD);
});

t.test('more streams than allowed are refused, and may come again', async (t) => {
  const stage = limited({ maxConcurrentStreams: 2 });
  stage.send(get(1, '/a'), get(3, '/b'), get(5, '/ok'));
  t.equal(stage.told(), 'RST 5 REFUSED_STREAM');
  t.equal(stage.h2Stat(L.H2_STREAM_REFUSED_ERRORS), 1);
  stage.send(rst(1, 8), get(7));
  t.equal(stage.told(), '7:200');
});

t.test('a head that is too large is answered 431', async (t) => {
  const stage = H2Stage.open({ maxRequestHeadersBytes: 2000 });
  stage.send(get(1, '/ok', [['x', 'y'.repeat(2000)]]));
  t.equal(stage.told(), '1:431');
  t.equal(stage.h2Stat(L.H2_HEADER_OVERFLOW), 1);
  stage.send(get(3));
  t.equal(stage.told(), '3:200', 'the table is as it should be');
});

t.test('a head with too many fields is answered 431', async (t) => {
  const stage = H2Stage.open({ maxRequestHeaders: 5 });
  const fields = (count: number): [string, string][] => Array.from({ length: count }, (_, i) => [`x${i}`, '']);
  stage.send(get(1, '/ok', fields(4)), get(3, '/ok', fields(5)));
  t.equal(stage.told(), '1:200, 3:431', 'the host counts');
});

t.test('an HPACK bomb', async (t) => {
  const stage = H2Stage.open({ maxRequestHeadersBytes: 2000 });
  // One entry of 2,000 bytes in the table, then as often as a frame can name it.
  const entry = Buffer.concat([Buffer.from([0x40, 1, 97, 0x7f, 0xd1, 0x0e]), Buffer.alloc(2000, 'v')]);
  stage.send(frame(T.HEADERS, END_STREAM | END_HEADERS, 1, Buffer.concat([block(pseudo('/ok')), entry, Buffer.alloc(10_000, 0xbe)])));
  calmedDown(t, stage, L.H2_HPACK_BOMB);
});

t.test('a bomb for a stream that nobody wants', async (t) => {
  const stage = limited({ maxConcurrentStreams: 1 });
  const entry = Buffer.concat([Buffer.from([0x40, 1, 97, 0x7f, 0xd1, 0x0e]), Buffer.alloc(2000, 'v')]);
  stage.send(get(1, '/slow'), frame(T.HEADERS, END_STREAM | END_HEADERS, 3, Buffer.concat([entry, Buffer.alloc(10_000, 0xbe)])));
  calmedDown(t, stage, L.H2_HPACK_BOMB);
});

t.test('a connection that fails is counted', async (t) => {
  const stage = H2Stage.open();
  stage.send(get(1, '/slow'), get(2));
  t.equal(story(stage.take()), 'GOAWAY PROTOCOL_ERROR');
  t.equal(stage.stat(DOWN_CX_PROTOCOL_ERROR), 1);
  t.equal(stage.h2Stat(L.H2_GOAWAY_SENT), 1);
  stage.conn.end();
  t.strictSame(underWay(stage), {});
  t.equal(hello().length, 24 + 9);
});
