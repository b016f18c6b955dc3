// A connection before it is known what it speaks: what tells, and how long it may take.

import t from 'tap';

import * as S from '../../src/observe/stat-names.ts';
import { forward, matching, route } from '../route/request.ts';
import type { FakeConn } from '../support/fake-conn.ts';
import { FakeHouse, type FakeDoor } from '../support/fake-house.ts';

const ROUTES = [route('app', matching({ kind: 'prefix', value: '/app' }), forward())];
const PREFACE = 'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n';
const SETTINGS = '\0\0\0\x04\0\0\0\0\0';

interface Stage {
  readonly house: FakeHouse;
  readonly door: FakeDoor;
  readonly caller: FakeConn;
}

function stage(idleMs = 60_000, proxyProtocol = false): Stage {
  const house = new FakeHouse();
  house.addCluster();
  const timeouts = { idleMs, requestHeadersMs: 10_000, requestMs: 0, streamIdleMs: 300_000 };
  const door = house.addListener(ROUTES, { protocols: ['http1', 'http2'], timeouts }, { proxyProtocol });
  return { house, door, caller: door.connect() };
}

const timedOut = ({ house, door }: Stage): number => house.cells[door.listener.plan.listener + S.LISTENER_PRE_CX_TIMEOUT]!;

t.test('the first bytes tell, wherever they are cut', async (t) => {
  for (let cut = 1; cut < PREFACE.length; cut++) {
    const { house, door, caller } = stage();
    caller.receive(PREFACE.slice(0, cut));
    caller.receive(PREFACE.slice(cut) + SETTINGS);
    t.equal(door.stat(S.DOWN_CX_HTTP2_TOTAL), 1);
    caller.breakOff();
    t.strictSame(house.unrest(), {});
  }
  for (const start of ['P', 'PR', 'PRI * HTTP/2.0\r\n\r\nSM\r\n\r']) {
    const { house, door, caller } = stage();
    caller.receive(start);
    caller.receive('X / HTTP/1.1\r\nHost: a\r\n\r\n');
    t.equal(door.stat(S.DOWN_CX_HTTP2_TOTAL), 0);
    t.equal(door.stat(S.DOWN_CX_HTTP1_TOTAL), 1, start);
    caller.breakOff();
    t.strictSame(house.unrest(), {});
  }
});

t.test('who says nothing is idle', async (t) => {
  const s = stage(20_000);
  s.house.loop.advance(19_000);
  t.equal(s.caller.state, 'open');
  s.house.loop.advance(1010);
  t.equal(s.caller.peerSees, 'fin');
  t.equal(s.door.stat(S.DOWN_CX_IDLE_TIMEOUT), 1);
  t.equal(timedOut(s), 0);
  t.strictSame(s.house.unrest(), {});
  const patient = stage(0);
  patient.house.loop.advance(100_000);
  t.equal(patient.caller.state, 'open', '0: without a limit');
});

t.test('half a preface has its time, however slowly more of it comes', async (t) => {
  const s = stage(0);
  s.caller.receive('PRI');
  s.house.loop.advance(10_000);
  s.caller.receive(' * ');
  s.house.loop.advance(4_000);
  t.equal(s.caller.state, 'open');
  s.house.loop.advance(1010);
  t.equal(s.caller.peerSees, 'reset');
  t.equal(timedOut(s), 1);
  t.strictSame(s.house.unrest(), {});
});

t.test('an opening has its time, and then silence is idleness', async (t) => {
  const late = stage(0, true);
  late.house.loop.advance(15_010);
  t.equal(late.caller.peerSees, 'reset');
  t.equal(timedOut(late), 1);
  t.strictSame(late.house.unrest(), {});
  const opened = stage(0, true);
  opened.house.loop.advance(14_000);
  opened.house.loop.turn(() => opened.caller.owner.onConnect(opened.caller));
  opened.house.loop.advance(100_000);
  t.equal(opened.caller.state, 'open');
  t.equal(timedOut(opened), 0);
});
