// PINGs that ask a host whether it is there: when they go out, what puts their time-out off, and what becomes of the
// requests on a connection where nobody answers. What Envoy 1.40 says and counts there was seen on a real one.

import t from 'tap';

import type { Cluster } from '../../src/cluster/cluster.ts';
import { H2_KEEPALIVE_TIMEOUT } from '../../src/http/h2-limits.ts';
import * as S from '../../src/observe/stat-names.ts';
import { forward, matching, route } from '../route/request.ts';
import type { FakeConn } from '../support/fake-conn.ts';
import { FakeHouse, type FakeDoor } from '../support/fake-house.ts';
import { ACK, data, END_HEADERS, END_STREAM, type Frame, FrameLog, goaway, headers, ping, PREFACE, settings, settingsAck, T } from '../support/h2-bytes.ts';
import { clusterConfig } from '../support/snapshots.ts';

const INTERVAL = 2000;
/** The interval and the most that is added to it. */
const LATEST = INTERVAL * 1.15 + 20;
const TIMEOUT = 500;
const ROUTES = [route('app', matching({ kind: 'prefix', value: '/' }), forward())];

interface Stage {
  readonly house: FakeHouse;
  readonly cluster: Cluster;
  readonly door: FakeDoor;
  /** The newest connection to the host. */
  host(): FakeConn;
  /** Frames that it has heard since the last call. */
  read(): Frame[];
  /** The PINGs among them. */
  pings(): Frame[];
  ask(): FakeConn;
  stat(slot: number): number;
}

function stageOf(interval = INTERVAL, seed = 1): Stage {
  const house = new FakeHouse({ seed });
  const cluster = house.addCluster(clusterConfig('app', [13_000], { protocol: 'http2', http2: { keepAliveIntervalMs: interval, keepAliveTimeoutMs: TIMEOUT } }));
  const door = house.addListener(ROUTES, { accessLog: [{ path: 'log', json: null, filter: null, format: '%RESPONSE_CODE% %RESPONSE_FLAGS% %RESPONSE_CODE_DETAILS%\n' }] });
  const logs = new Map<FakeConn, FrameLog>();
  const read = (): Frame[] => {
    const conn = house.lastConnect;
    const bytes = conn.takeSent();
    if (!logs.has(conn)) logs.set(conn, new FrameLog());
    return logs.get(conn)!.add(bytes.subarray(bytes.indexOf(PREFACE) === 0 ? PREFACE.length : 0));
  };
  return {
    house,
    cluster,
    door,
    host: () => house.lastConnect,
    read,
    pings: () => read().filter(({ type, flags }) => type === T.PING && (flags & ACK) === 0),
    ask() {
      const conn = door.connect();
      conn.receive('GET / HTTP/1.1\r\nHost: a\r\n\r\n');
      return conn;
    },
    stat: (slot) => house.cells[cluster.stats + slot]!,
  };
}

/** One request on a connection that is up. */
function asked(interval = INTERVAL, seed = 1): Stage & { caller: FakeConn } {
  const stage = stageOf(interval, seed);
  const caller = stage.ask();
  stage.host().connectOk();
  stage.host().receive(Buffer.concat([settings(), settingsAck()]));
  stage.read();
  return { ...stage, caller };
}

const pong = (frame: Frame): Buffer => ping(frame.payload.toString('latin1'), ACK);
const answer = (id: number): Buffer => headers(id, [[':status', '204']], END_HEADERS | END_STREAM);
const advance = ({ house }: Stage, ms: number): void => {
  house.loop.advance(ms);
  house.loop.turn(() => undefined); // what a timer leaves behind leaves at the turn's end
};

/** Time goes on until a PING comes. */
function untilPing(stage: Stage): Frame {
  for (let left = LATEST; left > 0; left -= 10) {
    const [sent] = stage.pings();
    if (sent !== undefined) return sent;
    advance(stage, 10);
  }
  throw new Error('no PING came');
}

t.test('asks again and again while it is answered, busy or idle', async (t) => {
  const stage = asked();
  for (let round = 0; round < 5; round++) {
    advance(stage, INTERVAL - 20);
    t.strictSame(stage.pings(), [], 'not before the interval is over');
    const sent = untilPing(stage);
    t.equal(sent.id, 0);
    stage.host().receive(pong(sent));
    if (round === 2) stage.host().receive(answer(1));
    advance(stage, 0);
  }
  t.match(stage.caller.takeSent().toString(), /^HTTP\/1\.1 204/);
  t.equal(stage.host().state, 'open');
  t.equal(stage.stat(S.CLUSTER_HTTP2_AT + H2_KEEPALIVE_TIMEOUT), 0);
});

t.test('connections do not ask in step', async (t) => {
  const times = [1, 2, 3, 4, 5, 6].map((seed) => {
    const stage = asked(INTERVAL, seed);
    const begun = stage.house.loop.clock.now;
    untilPing(stage);
    return stage.house.loop.clock.now - begun;
  });
  for (const at of times) t.ok(at >= INTERVAL && at <= LATEST, `${at}`);
  t.ok(new Set(times).size > 3);
});

t.test('"0s" never asks', async (t) => {
  const stage = asked(0);
  stage.host().receive(answer(1));
  advance(stage, 600_000);
  t.strictSame(stage.pings(), []);
});

t.test('nobody answers: every request ends as on a connection that is lost', async (t) => {
  const stage = asked();
  const callers = [stage.caller, stage.ask(), stage.ask()];
  const begun = callers[2]!;
  stage.host().receive(headers(5, [[':status', '200'], ['content-length', '9']], END_HEADERS));
  stage.host().receive(data(5, 'half', false));
  untilPing(stage);
  advance(stage, TIMEOUT - 20);
  t.equal(stage.host().state, 'open', 'the time is not over');
  advance(stage, 40);
  t.equal(stage.host().peerSees, 'reset');
  for (const caller of callers.slice(0, 2)) {
    t.match(caller.takeSent().toString(), /^HTTP\/1\.1 503 [^]*upstream connect error or disconnect\/reset before headers\. reset reason: connection termination$/);
    t.equal(caller.state, 'open', 'whose own connection is kept');
  }
  t.match(begun.takeSent().toString(), /half$/);
  t.not(begun.peerSees, 'open', 'half an answer is not passed off as a whole one');
  const lines = stage.house.takeLog();
  t.equal(lines.filter((line) => line === '503 UC upstream_reset_before_response_started{connection_termination}').length, 2);
  t.match(lines.find((line) => line.startsWith('200')), /^200 UC /);
  for (const [slot, count] of [
    [S.CLUSTER_HTTP2_AT + H2_KEEPALIVE_TIMEOUT, 1], [S.UP_CX_DESTROY_LOCAL, 1], [S.UP_CX_DESTROY_LOCAL_WITH_ACTIVE_RQ, 1], [S.UP_CX_DESTROY_REMOTE, 0],
    [S.UP_RQ_PENDING_FAILURE_EJECT, 3], [S.UP_RQ_RX_RESET, 0], [S.UP_RQ_TX_RESET, 0], [S.UP_RQ_ACTIVE, 0], [S.UP_CX_ACTIVE, 0],
  ] as const) t.equal(stage.stat(slot), count, `stat ${slot}`);
  advance(stage, 10 * LATEST);
  callers[0]!.receive('GET /again HTTP/1.1\r\nHost: a\r\n\r\n');
  t.equal(stage.house.loop.connects.length, 2, 'the next one goes by another connection');
  for (const caller of callers) if (caller.state === 'open') caller.breakOff();
  stage.house.lastConnect.connectFail('ECONNREFUSED');
  t.strictSame(stage.house.unrest(), {});
});

t.test('an idle connection of a dead host is gone before the next request', async (t) => {
  const stage = asked();
  stage.host().receive(answer(1));
  advance(stage, LATEST);
  advance(stage, TIMEOUT + 20);
  t.equal(stage.host().state, 'closed');
  t.equal(stage.stat(S.UP_CX_DESTROY_LOCAL_WITH_ACTIVE_RQ), 0);
  t.equal(stage.stat(S.UP_CX_ACTIVE), 0);
  stage.caller.breakOff();
  t.strictSame(stage.house.unrest(), {});
});

t.test('whatever comes puts the time-out off, its end does not', async (t) => {
  const stage = asked();
  stage.host().receive(headers(1, [[':status', '200']], END_HEADERS));
  const sent = untilPing(stage);
  for (let i = 0; i < 6; i++) {
    advance(stage, TIMEOUT - 50);
    stage.host().receive(data(1, 'x', false));
  }
  t.equal(stage.host().state, 'open', 'the answer to the PING may stand behind much else');
  t.strictSame(stage.pings(), [], 'one question at a time');
  stage.host().receive(ping('not ours', ACK));
  advance(stage, TIMEOUT - 50);
  stage.host().receive(pong(sent));
  advance(stage, INTERVAL - 20);
  t.equal(stage.host().state, 'open', 'answered');
  stage.host().receive(pong(sent));
  untilPing(stage); // an answer that nobody asked for puts nothing off
  stage.host().receive(data(1, 'x', false));
  advance(stage, TIMEOUT + 20);
  t.equal(stage.host().state, 'closed', 'then silence');
});

t.test('a connection that says goodbye is asked until its last request is over, and not after', async (t) => {
  const stage = asked();
  stage.host().receive(goaway(1));
  stage.host().receive(pong(untilPing(stage)));
  untilPing(stage);
  stage.host().receive(answer(1));
  t.equal(stage.host().state, 'closed');
  advance(stage, 10 * LATEST);
  t.equal(stage.stat(S.CLUSTER_HTTP2_AT + H2_KEEPALIVE_TIMEOUT), 0);
  stage.caller.breakOff();
  t.strictSame(stage.house.unrest(), {});
});

t.test('a reload takes its times over', async (t) => {
  const stage = asked();
  const config = clusterConfig('app', [13_000], { protocol: 'http2', http2: { keepAliveIntervalMs: 100, keepAliveTimeoutMs: 50 }, hash: 'new' });
  stage.house.loop.turn(() => stage.cluster.update(config, stage.house.planCluster(config)));
  const caller = stage.ask();
  stage.host().receive(Buffer.concat([answer(1), answer(3)]));
  t.match(caller.takeSent().toString(), /^HTTP\/1\.1 204/, 'on the same connection');
  stage.host().breakOff();
  caller.receive('GET / HTTP/1.1\r\nHost: a\r\n\r\n');
  stage.host().connectOk();
  stage.host().receive(Buffer.concat([settings(), settingsAck()]));
  stage.read();
  const begun = stage.house.loop.clock.now;
  untilPing(stage);
  t.ok(stage.house.loop.clock.now - begun < INTERVAL, 'new ones go by the new times');
  advance(stage, 80);
  t.match(caller.takeSent().toString(), /^HTTP\/1\.1 503/);
});
