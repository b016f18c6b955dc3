// Tunnels on HTTP/2 connections to a host whose frames the test writes: what is asked for, what becomes of either end, and
// what is left behind when both have ended.

import t from 'tap';

import * as S from '../../src/observe/stat-names.ts';
import { forward, matching, route } from '../route/request.ts';
import type { FakeConn } from '../support/fake-conn.ts';
import { FakeHouse, type FakeDoor } from '../support/fake-house.ts';
import { clusterConfig } from '../support/snapshots.ts';
import {
  codeOf, data, END_HEADERS, END_STREAM, type Fields, type Frame, FrameLog, goaway, headers, hello, PREFACE, pseudo, rst, settings, settingsAck, story, T, windowUpdate,
} from '../support/h2-bytes.ts';

const INITIAL_WINDOW = 4;
const ENABLE_CONNECT_PROTOCOL = 8;
const REFUSED_STREAM = 7;
const ROUTES = [
  route('connect', matching({ kind: 'connect' }), forward()),
  route('app', matching({ kind: 'prefix', value: '/' }), forward()),
];
const ASKS = 'GET /ws HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: WebSocket\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n';

/** A peer that speaks frames. */
class Peer {
  readonly conn: FakeConn;
  private readonly log = new FrameLog();
  private skip: number;

  constructor(conn: FakeConn, isHost: boolean) {
    this.conn = conn;
    this.skip = isHost ? PREFACE.length : 0;
  }

  send(...frames: readonly Buffer[]): void {
    this.conn.receive(Buffer.concat(frames));
  }

  read(): Frame[] {
    const bytes = this.conn.takeSent();
    const from = Math.min(this.skip, bytes.length);
    this.skip -= from;
    return this.log.add(bytes.subarray(from));
  }

  /** `HEADERS 1`, `DATA 1 text`, `DATA 1 text.` with END_STREAM, `RST 1 CANCEL`. */
  told(): string {
    return this.read().filter(({ type }) => type === T.DATA || type === T.HEADERS || type === T.RST).map((one) => {
      if (one.type === T.RST) return `RST ${one.id} ${codeOf(one)}`;
      const end = (one.flags & END_STREAM) !== 0 ? '.' : '';
      return one.type === T.HEADERS ? `HEADERS ${one.id}${end}` : `DATA ${one.id} ${one.payload.toString()}${end}`;
    }).join(', ');
  }
}

interface Stage {
  readonly house: FakeHouse;
  readonly door: FakeDoor;
  readonly caller: Peer;
  host(index?: number): Peer;
  stat(slot: number): number;
}

const status = (id: number, code: number, last = false, more: Fields = []): Buffer => headers(id, [[':status', String(code)], ...more], last ? END_HEADERS | END_STREAM : END_HEADERS);

/** An HTTP/2 caller in front of an HTTP/2 host. */
function stageOf(...pairs: readonly (readonly [number, number])[]): Stage {
  const house = new FakeHouse();
  const cluster = house.addCluster(clusterConfig('app', [13_000], { protocol: 'http2' }));
  const door = house.addListener(ROUTES, { protocols: ['http1', 'http2'], upgrades: ['websocket'] });
  const caller = new Peer(door.connect(), false);
  caller.send(hello(), settingsAck());
  caller.read();
  const hosts: Peer[] = [];
  return {
    house,
    door,
    caller,
    host(index = 0) {
      if (hosts[index] === undefined) {
        const conn = house.loop.connects[index]!;
        hosts[index] = new Peer(conn, true);
        conn.connectOk();
        hosts[index].send(settings([ENABLE_CONNECT_PROTOCOL, 1], ...pairs), settingsAck());
      }
      return hosts[index];
    },
    stat: (slot) => house.cells[cluster.stats + slot]!,
  };
}

const asks = (id: number, more: Fields = []): Buffer => headers(id, [...pseudo('/ws', { ':method': 'CONNECT', ':protocol': 'websocket' }), ...more], END_HEADERS);

/** A tunnel on stream 1 of both connections. */
function open(...pairs: readonly (readonly [number, number])[]): Stage {
  const stage = stageOf(...pairs);
  stage.caller.send(asks(1));
  stage.host().read();
  stage.host().send(status(1, 200));
  stage.host().read();
  stage.caller.read();
  return stage;
}

/** Nothing is under way any more, but for the connections. */
function isQuiet({ house }: Stage): Record<string, number> {
  return Object.fromEntries(Object.entries(house.unrest()).filter(([name]) => !/ (upstream_|downstream_)?cx(_http2)?(_active)?$/.test(name)));
}

t.test('the fields of an extended CONNECT, and of a plain one', async (t) => {
  const stage = stageOf();
  stage.caller.send(asks(1, [['sec-websocket-protocol', 'chat']]), headers(3, [[':method', 'CONNECT'], [':authority', 'far:443']], END_HEADERS));
  const [one, two] = stage.host().read().filter(({ type }) => type === T.HEADERS);
  t.strictSame(one!.fields.slice(0, 6), [[':method', 'CONNECT'], [':authority', 'a'], [':protocol', 'websocket'], [':scheme', 'http'], [':path', '/ws'], ['sec-websocket-protocol', 'chat']]);
  t.strictSame(two!.fields.slice(0, 2), [[':method', 'CONNECT'], [':authority', 'far:443']]);
  t.notOk(two!.fields.some(([name], i) => i > 1 && name.startsWith(':')));
  t.equal(one!.flags & END_STREAM, 0);
  stage.host().send(status(1, 200, false, [['sec-websocket-accept', 'x']]), status(3, 204));
  t.equal(story(stage.caller.read()), '1:200, 3:200');
});

t.test('the two ends come one by one, in either order', async (t) => {
  for (const hostFirst of [true, false]) {
    const stage = open();
    const ends = [(): void => stage.host().send(data(1, 'down')), (): void => stage.caller.send(data(1, 'up'))];
    if (!hostFirst) ends.reverse();
    ends[0]!();
    t.match(isQuiet(stage), { 'cluster app rq': 1 }, 'still a request');
    ends[1]!();
    t.equal(stage.caller.told(), 'DATA 1 down.');
    t.equal(stage.host().told(), 'DATA 1 up.');
    t.strictSame(isQuiet(stage), {});
    t.equal(stage.stat(S.UP_RQ_COMPLETED), 1);
  }
});

t.test('a host that ends with its head', async (t) => {
  for (const callerToo of [true, false]) {
    const stage = stageOf();
    stage.caller.send(asks(1), data(1, 'early', callerToo));
    t.equal(stage.host().told(), 'HEADERS 1', 'held until the answer');
    stage.host().send(status(1, 200, true));
    t.equal(stage.host().told(), callerToo ? 'DATA 1 early.' : 'DATA 1 early');
    t.match(stage.caller.told(), /^HEADERS 1\.?(, DATA 1 \.)?$/);
    if (!callerToo) stage.caller.send(data(1, 'late'));
    t.equal(stage.host().told(), callerToo ? '' : 'DATA 1 late.');
    t.strictSame(isQuiet(stage), {});
    // The same objects serve the next.
    stage.caller.send(asks(3));
    stage.host().send(status(3, 403, true));
    t.equal(story(stage.caller.read()), '3:403');
    t.strictSame(isQuiet(stage), {});
  }
});

t.test('the last bytes wait for the window; nobody else has to wait with them', async (t) => {
  const stage = open([INITIAL_WINDOW, 4]);
  stage.host().send(data(1, 'bye'));
  stage.caller.send(data(1, 'twelve bytes'));
  t.equal(stage.caller.told(), 'DATA 1 bye.');
  t.equal(stage.host().told(), 'DATA 1 twel');
  t.strictSame(Object.keys(isQuiet(stage)).filter((name) => !name.includes('http2')), [], 'the request is over');
  stage.house.loop.advance(50_000);
  stage.host().send(windowUpdate(1, 4));
  stage.house.loop.advance(50_000);
  t.equal(stage.host().told(), 'DATA 1 ve b', 'progress keeps it alive');
  stage.host().send(windowUpdate(1, 4));
  t.equal(stage.host().told(), 'DATA 1 ytes.');
  t.strictSame(isQuiet(stage), {});
  stage.house.loop.advance(70_000);
  t.equal(stage.host().told(), '');
});

t.test('a host that never takes the last bytes', async (t) => {
  for (const hostFirst of [true, false]) {
    const stage = open([INITIAL_WINDOW, 4]);
    if (hostFirst) stage.host().send(data(1, 'bye'));
    stage.caller.send(data(1, 'twelve bytes'));
    if (!hostFirst) stage.host().send(data(1, 'bye'));
    t.equal(stage.caller.told(), 'DATA 1 bye.');
    t.equal(stage.host().told(), 'DATA 1 twel');
    stage.house.loop.advance(61_000);
    t.equal(stage.host().told(), 'RST 1 CANCEL');
    t.strictSame(isQuiet(stage), {});
    stage.caller.send(asks(3));
    stage.host().read();
    stage.host().send(status(3, 200));
    stage.caller.send(data(3, 'next'));
    stage.house.loop.advance(61_000);
    t.equal(stage.host().told(), 'DATA 3 next.', 'the next one is not taken for it');
  }
});

t.test('a host that is full holds the caller up, and the other way round', async (t) => {
  const stage = open([INITIAL_WINDOW, 4]);
  stage.caller.send(data(1, 'x'.repeat(10_000), false));
  for (let sent = 10_000; sent < 60_000; sent += 10_000) stage.caller.send(data(1, 'x'.repeat(10_000), false));
  t.strictSame(stage.caller.read().filter(({ type }) => type === T.WINDOW), [], 'no new window');
  stage.host().send(windowUpdate(1, 100_000));
  stage.house.loop.turn(() => undefined); // what a turn's end leaves behind leaves with the next
  t.ok(stage.caller.read().some(({ type, id }) => type === T.WINDOW && id === 1));
  stage.host().read();
  stage.caller.conn.setRoom(0);
  for (let sent = 0; sent < 200_000; sent += 10_000) stage.host().send(data(1, 'y'.repeat(10_000), false));
  t.strictSame(stage.host().read().filter(({ type, id }) => type === T.WINDOW && id === 1), []);
  stage.caller.conn.setRoom(Infinity);
  stage.caller.send(windowUpdate(0, 300_000), windowUpdate(1, 300_000));
  stage.house.loop.turn(() => undefined);
  t.ok(stage.host().read().some(({ type, id }) => type === T.WINDOW && id === 1));
  stage.caller.conn.breakOff();
  t.equal(stage.host().told(), 'RST 1 CANCEL');
  t.strictSame(isQuiet(stage), {});
});

t.test('what is not DATA breaks a tunnel', async (t) => {
  const byHost = open();
  byHost.host().send(headers(1, [['x', '1']]));
  t.equal(byHost.host().told(), 'RST 1 PROTOCOL_ERROR');
  t.equal(byHost.caller.told(), 'RST 1 CANCEL');
  t.strictSame(isQuiet(byHost), {});
  const byCaller = open();
  byCaller.caller.send(headers(1, [['x', '1']]));
  t.equal(byCaller.caller.told(), 'RST 1 PROTOCOL_ERROR');
  t.equal(byCaller.host().told(), 'RST 1 CANCEL');
  t.strictSame(isQuiet(byCaller), {});
});

t.test('bad handshakes', async (t) => {
  const answers: Readonly<Record<string, readonly Buffer[]>> = {
    'a 101, which HTTP/2 does not have': [status(1, 101)],
    'a head without status': [headers(1, [['x', '1']], END_HEADERS)],
    'the connection\'s fields': [status(1, 200, false, [['upgrade', 'websocket'], ['connection', 'upgrade']])],
    'payload before the head': [data(1, 'x', false)],
    'an interim answer that is the last': [status(1, 103, true)],
  };
  for (const [name, frames] of Object.entries(answers)) {
    const stage = stageOf();
    stage.caller.send(asks(1), data(1, 'early', false));
    stage.host().read();
    stage.host().send(...frames);
    t.equal(stage.host().told(), 'RST 1 PROTOCOL_ERROR', `${name}: the early bytes stay here`);
    const [answer] = stage.caller.read().filter(({ type }) => type === T.HEADERS);
    t.equal(answer?.fields[0]?.[1], '502', name);
    t.strictSame(isQuiet(stage), {}, name);
    stage.caller.send(asks(3));
    t.equal(stage.host().told(), 'HEADERS 3', 'the connection lives on');
  }
});

t.test('a content-length says nothing in a tunnel', async (t) => {
  const stage = stageOf();
  stage.caller.send(asks(1));
  stage.host().read();
  stage.host().send(status(1, 103, false, [['link', '<a>']]), status(1, 200, false, [['content-length', '2']]), data(1, 'three'));
  const [hint, head, payload] = stage.caller.read().filter(({ type }) => type === T.HEADERS || type === T.DATA);
  t.equal(hint!.fields[0]![1], '103');
  t.strictSame(head!.fields.filter(([name]) => /^(:status|content-length|upgrade|connection)$/.test(name)), [[':status', '200']]);
  t.equal(payload!.payload.toString(), 'three');
});

t.test('an ordinary answer: what came early must not follow it', async (t) => {
  const stage = stageOf();
  stage.caller.send(asks(1), data(1, 'early', false));
  stage.host().read();
  stage.host().send(status(1, 426, false, [['content-length', '2']]), data(1, 'no'));
  t.equal(stage.caller.told(), 'HEADERS 1, DATA 1 no., RST 1 NO_ERROR');
  t.equal(stage.host().told(), 'RST 1 CANCEL', 'nobody wants the rest of it');
  t.strictSame(isQuiet(stage), {});
});

const CANCELLED = 8;

/** How far a tunnel has come when it is reset. */
const MOMENTS: Readonly<Record<string, (stage: Stage) => void>> = {
  'before the answer': (stage) => stage.caller.send(asks(1), data(1, 'early', false)),
  'open': openOn,
  'the caller has ended': (stage) => {
    openOn(stage);
    stage.caller.send(data(1, 'up'));
  },
  'the host has ended': (stage) => {
    openOn(stage);
    stage.host().send(data(1, 'down'));
  },
};

function openOn(stage: Stage): void {
  stage.caller.send(asks(1));
  stage.host().send(status(1, 200));
}

t.test('resets of the caller', async (t) => {
  for (const [moment, bring] of Object.entries(MOMENTS)) {
    const stage = stageOf();
    bring(stage);
    stage.host().read();
    stage.caller.read();
    stage.caller.send(rst(1, CANCELLED));
    t.equal(stage.host().told(), 'RST 1 CANCEL', moment);
    t.equal(stage.caller.told(), '', moment);
    t.strictSame(isQuiet(stage), {}, moment);
    t.equal(stage.stat(S.UP_RQ_TX_RESET), 1, moment);
    // Frames that were on their way do no harm.
    stage.host().send(data(1, 'late'));
    t.equal(stage.host().conn.state, 'open', moment);
  }
});

t.test('resets of the host', async (t) => {
  for (const [moment, bring] of Object.entries(MOMENTS)) {
    const stage = stageOf();
    bring(stage);
    stage.host().read();
    stage.caller.read();
    stage.host().send(rst(1, CANCELLED));
    const early = moment === 'before the answer';
    t.equal(stage.caller.told().replace(/DATA 1 [^,]*, RST/, 'DATA, RST'), early ? 'HEADERS 1, DATA, RST 1 NO_ERROR' : 'RST 1 CANCEL', moment);
    t.equal(stage.host().told(), '', moment);
    t.strictSame(isQuiet(stage), {}, moment);
    t.equal(stage.stat(S.UP_RQ_RX_RESET), 1, moment);
  }
});

t.test('either connection is gone', async (t) => {
  for (const [moment, bring] of Object.entries(MOMENTS)) {
    for (const end of ['fin', 'reset']) {
      const byHost = stageOf();
      bring(byHost);
      byHost.caller.read();
      if (end === 'fin') byHost.host().conn.end();
      else byHost.host().conn.breakOff();
      t.match(byHost.caller.told(), moment === 'before the answer' ? /^HEADERS 1/ : 'RST 1 CANCEL', `the host's, ${end}, ${moment}`);
      t.strictSame(isQuiet(byHost), {}, `the host's, ${end}, ${moment}`);
      const byCaller = stageOf();
      bring(byCaller);
      byCaller.host().read();
      if (end === 'fin') byCaller.caller.conn.end();
      else byCaller.caller.conn.breakOff();
      t.equal(byCaller.host().told(), 'RST 1 CANCEL', `the caller's, ${end}, ${moment}`);
      t.strictSame(isQuiet(byCaller), {}, `the caller's, ${end}, ${moment}`);
    }
  }
});

t.test('refused unseen: asked for again, with what came early', async (t) => {
  const stage = stageOf();
  stage.caller.send(asks(1), data(1, 'early', false));
  stage.host().read();
  stage.host().send(rst(1, REFUSED_STREAM));
  const again = stage.host().told() || stage.host(1).told();
  t.match(again, /^HEADERS [13]$/);
  const on = stage.house.loop.connects.length === 1 ? stage.host() : stage.host(1);
  const id = Number(again.slice(8));
  on.send(status(id, 200));
  t.equal(on.told(), `DATA ${id} early`);
  t.equal(story(stage.caller.read()), '1:200');
});

t.test('GOAWAY leaves open tunnels alone, and the connection ends with the last of them', async (t) => {
  const stage = open();
  stage.host().send(goaway(1));
  stage.caller.send(data(1, 'on', false), asks(3));
  t.equal(stage.host().told(), 'DATA 1 on');
  t.equal(stage.host(1).told(), 'HEADERS 1', 'a new one goes elsewhere');
  stage.host(1).send(status(1, 403, true));
  stage.caller.send(data(1, ''));
  stage.host().send(data(1, ''));
  t.equal(stage.host().conn.state, 'closed');
  t.strictSame(isQuiet(stage), {});
});

t.test('a host that takes no extended CONNECT', async (t) => {
  const house = new FakeHouse();
  house.addCluster(clusterConfig('app', [13_000], { protocol: 'http2' }));
  const door = house.addListener(ROUTES, { upgrades: ['websocket'] });
  const callers = [door.connect(), door.connect()];
  callers[0]!.receive(ASKS);
  const host = new Peer(house.lastConnect, true);
  host.conn.connectOk();
  host.send(settings());
  callers[1]!.receive(ASKS);
  for (const caller of callers) t.match(caller.takeSent().toString(), /^HTTP\/1\.1 502 [^]*\r\n\r\nupstream does not accept extended CONNECT$/);
  t.equal(host.told(), '', 'neither by who waited for the settings, nor by who found them');
  callers[0]!.receive('GET /plain HTTP/1.1\r\nHost: a\r\n\r\n');
  t.equal(host.told(), 'HEADERS 1.', 'requests go on there');
  host.send(status(1, 204, true));
  t.match(callers[0]!.takeSent().toString(), /^HTTP\/1\.1 204/);
  t.strictSame(Object.keys(house.unrest()).filter((name) => / (upstream_)?rq|upgrades|streams/.test(name)), []);
});
