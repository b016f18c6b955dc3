// A caller's HTTP/1.1 connection as a tunnel: bytes both ways, the two ends one by one, who is paused for whom, and what is
// counted when it is over.

import t from 'tap';

import type { Fault } from '../../src/core/fault.ts';
import { TunnelDown } from '../../src/listen/tunnel-down.ts';
import * as S from '../../src/observe/stat-names.ts';
import { forward, LoneStream, matching, route } from '../route/request.ts';
import type { FakeConn } from '../support/fake-conn.ts';
import { FakeHouse, type FakeDoor } from '../support/fake-house.ts';

const ROUTES = [route('connect', matching({ kind: 'connect' }), forward()), route('app', matching({ kind: 'prefix', value: '/' }), forward())];
const ASKS = 'GET /ws HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: chat\r\n\r\n';
const SWITCHES = 'HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: chat\r\n\r\n';

interface Stage {
  readonly house: FakeHouse;
  readonly door: FakeDoor;
  readonly caller: FakeConn;
  readonly host: FakeConn;
}

/** A tunnel that is open; `behind` came right behind the request, `answer` right behind the 101. */
function open(behind = '', answer = ''): Stage {
  const house = new FakeHouse();
  house.addCluster();
  const door = house.addListener(ROUTES, { upgrades: ['chat'] });
  const caller = door.connect();
  caller.receive(ASKS + behind);
  const host = house.lastConnect;
  host.connectOk();
  host.takeSent();
  host.receive(SWITCHES + answer);
  return { house, door, caller, host };
}

/** What the caller got behind its 101. */
function tunnelled({ caller }: Stage): string {
  const text = caller.takeSent().toString('latin1');
  return text.startsWith('HTTP/1.1 101') ? text.slice(text.indexOf('\r\n\r\n') + 4) : text;
}

const sent = (conn: FakeConn): string => conn.takeSent().toString('latin1');
const left = ({ house }: Stage): Record<string, number> => house.unrest();

function destroyed({ door }: Stage): Record<string, number> {
  return {
    local: door.stat(S.DOWN_CX_DESTROY_LOCAL),
    remote: door.stat(S.DOWN_CX_DESTROY_REMOTE),
    active: door.stat(S.DOWN_CX_DESTROY_ACTIVE_RQ),
  };
}

t.test('CONNECT is a tunnel of the same kind, to a host that hears its bytes alone', async (t) => {
  const house = new FakeHouse();
  house.addCluster();
  const door = house.addListener(ROUTES);
  const caller = door.connect();
  caller.receive('CONNECT far:443 HTTP/1.1\r\nHost: far:443\r\n\r\nearly');
  const host = house.lastConnect;
  host.connectOk();
  t.equal(sent(host), 'early');
  t.match(sent(caller), /^HTTP\/1\.1 200 OK\r\n(?![^]*content-length)[^]*\r\n\r\n$/);
  const stage = { house, door, caller, host };
  host.receive('HTTP/1.1 200 OK\r\n\r\n');
  t.equal(tunnelled(stage), 'HTTP/1.1 200 OK\r\n\r\n');
  caller.end();
  t.equal(host.peerSees, 'fin');
  host.receive('bye');
  host.end();
  t.equal(tunnelled(stage), 'bye');
  t.equal(caller.peerSees, 'fin');
  t.strictSame(left(stage), {});
  t.strictSame(destroyed(stage), { local: 0, remote: 1, active: 0 });
});

t.test('bad handshakes', async (t) => {
  for (const answer of [
    'HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: other\r\n\r\n',
    'HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\n\r\n',
    'HTTP/1.1 101 Switching Protocols\r\nUpgrade: chat\r\n\r\n',
    'HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: chat, other\r\n\r\n',
    'HTTP/1.1 101 Switching\0Protocols\r\nConnection: Upgrade\r\nUpgrade: chat\r\n\r\n',
    'chat',
  ]) {
    const house = new FakeHouse();
    house.addCluster();
    const door = house.addListener(ROUTES, { upgrades: ['chat'] });
    const caller = door.connect();
    caller.receive(`${ASKS}early`);
    const host = house.lastConnect;
    host.connectOk();
    sent(host);
    host.receive(answer.includes('\n') ? `${answer}greeting` : `${answer}\r\n\r\n`);
    const text = sent(caller);
    t.match(text, /^HTTP\/1\.1 502 /, JSON.stringify(answer));
    t.notMatch(text, 'greeting');
    t.equal(sent(host), '', 'nothing of the caller\'s bytes');
    t.equal(host.peerSees, 'reset');
    caller.end();
    t.strictSame(Object.keys(house.unrest()).filter((name) => !/downstream_cx|listener edge cx/.test(name)), []);
  }
});

t.test('an ordinary answer to who wanted a tunnel', async (t) => {
  const stage = open();
  const { house, door } = stage;
  stage.caller.breakOff();
  const caller = door.connect();
  caller.receive(ASKS);
  const host = house.lastConnect;
  host.connectOk();
  host.receive('HTTP/1.1 426 Upgrade Required\r\nContent-Length: 2\r\n\r\nno');
  t.match(sent(caller), /^HTTP\/1\.1 426 [^]*\r\n\r\nno$/);
  t.equal(caller.state, 'open');
  caller.receive('GET /next HTTP/1.1\r\nHost: a\r\n\r\n');
  t.match(sent(house.lastConnect), /GET \/next/, 'it is an HTTP connection still');
});

t.test('bytes both ways, also those right behind the heads', async (t) => {
  const stage = open('early', 'greeting');
  t.equal(sent(stage.host), 'early');
  t.equal(tunnelled(stage), 'greeting');
  stage.caller.receive('GET / HTTP/1.1\r\n\r\n');
  t.equal(sent(stage.host), 'GET / HTTP/1.1\r\n\r\n');
  stage.host.receive('more');
  t.equal(tunnelled(stage), 'more');
  t.equal(stage.door.listener.connections, 1);
  t.match(left(stage), { 'http.edge downstream_cx_upgrades_active': 1, 'http.edge downstream_cx_http1_active': 1 });
});

t.test('the caller ends first', async (t) => {
  const stage = open();
  stage.caller.receive('last');
  stage.caller.end();
  t.equal(sent(stage.host), 'last');
  t.equal(stage.host.peerSees, 'fin');
  t.equal(stage.caller.peerSees, 'open');
  stage.host.receive('later');
  stage.host.end();
  t.equal(tunnelled(stage), 'later');
  t.equal(stage.caller.peerSees, 'fin');
  t.strictSame(left(stage), {});
  t.strictSame(destroyed(stage), { local: 0, remote: 1, active: 0 });
});

t.test('the host ends first', async (t) => {
  const stage = open();
  stage.host.receive('bye');
  stage.host.end();
  t.equal(tunnelled(stage), 'bye');
  t.equal(stage.caller.peerSees, 'fin');
  t.equal(stage.caller.state, 'open');
  stage.caller.receive('not yet');
  t.equal(sent(stage.host), 'not yet');
  stage.caller.end();
  t.equal(stage.host.peerSees, 'fin');
  t.strictSame(left(stage), {});
  t.strictSame(destroyed(stage), { local: 0, remote: 1, active: 0 });
});

t.test('a caller that does not take the end of the bytes yet', async (t) => {
  const stage = open();
  stage.caller.setRoom(3);
  stage.host.receive('abcdef');
  stage.host.end();
  t.equal(stage.caller.peerSees, 'open', 'the end comes behind the bytes');
  stage.caller.setRoom(Infinity);
  t.equal(tunnelled(stage), 'abcdef');
  t.equal(stage.caller.peerSees, 'fin');
  stage.caller.end();
  t.strictSame(left(stage), {});
});

t.test('each side holds the other up', async (t) => {
  const stage = open();
  tunnelled(stage);
  stage.caller.setRoom(2);
  stage.host.receive('down');
  t.equal(stage.host.paused, true);
  stage.caller.setRoom(Infinity);
  t.equal(stage.host.paused, false);
  stage.host.setRoom(2);
  stage.caller.receive('up, up');
  t.equal(stage.caller.paused, true);
  stage.caller.receive(' and away');
  stage.host.setRoom(Infinity);
  t.equal(stage.caller.paused, false);
  t.equal(sent(stage.host), 'up, up and away');
  t.equal(tunnelled(stage), 'down');
  stage.caller.breakOff();
  t.strictSame(left(stage), {});
});

t.test('breaks', async (t) => {
  const byCaller = open();
  byCaller.caller.breakOff();
  t.equal(byCaller.host.peerSees, 'reset');
  t.strictSame(left(byCaller), {});
  t.strictSame(destroyed(byCaller), { local: 0, remote: 1, active: 1 });
  const byHost = open();
  byHost.host.breakOff();
  t.equal(byHost.caller.peerSees, 'reset');
  t.strictSame(left(byHost), {});
  t.strictSame(destroyed(byHost), { local: 1, remote: 0, active: 1 });
  const halfClosed = open();
  halfClosed.caller.end();
  halfClosed.host.breakOff();
  t.equal(halfClosed.caller.peerSees, 'reset', 'no orderly end where bytes may be missing');
  t.strictSame(left(halfClosed), {});
});

t.test('a drain leaves it alone, the end of the patience does not', async (t) => {
  const stage = open();
  stage.house.loop.turn(() => stage.door.listener.drain());
  t.equal(stage.caller.state, 'open');
  stage.caller.receive('on');
  t.equal(sent(stage.host), 'on');
  stage.house.loop.turn(() => stage.door.listener.closeAll());
  t.equal(stage.caller.peerSees, 'reset');
  t.equal(stage.host.peerSees, 'reset');
  t.strictSame(left(stage), {});
  t.equal(stage.door.listener.connections, 0);
});

/** Writes down what it is told. */
class Listening extends LoneStream {
  readonly told: string[] = [];
  override requestData(buf?: Buffer, start = 0, end = 0, last = false): void {
    this.told.push(`${buf?.latin1Slice(start, end)}${last ? '.' : ''}`);
  }
  override downReset(fault: Fault): void {
    this.told.push(fault.kind);
  }
  override release(): void {
    this.told.push('released');
  }
}

/** A tunnel whose road does not take anything yet. */
function closedOne(early: string): { stage: FakeHouse; conn: FakeConn; stream: Listening; tunnel: TunnelDown } {
  const stage = new FakeHouse();
  stage.addCluster();
  const door = stage.addListener(ROUTES);
  const conn = door.connect();
  const stream = new Listening();
  const tunnel = new TunnelDown(door.listener, conn, { stream, early: Buffer.from(early), counted: false, since: 0 });
  door.listener.replace(conn.owner as unknown as TunnelDown, tunnel);
  conn.owner = tunnel;
  return { stage, conn, stream, tunnel };
}

t.test('what came before the answer had gone is kept in order, its end as well', async (t) => {
  const { stage, conn, stream, tunnel } = closedOne('one,');
  conn.receive('two,');
  conn.end();
  t.strictSame(stream.told, [], 'nothing before the first resume');
  stage.loop.turn(() => tunnel.resume());
  t.strictSame(stream.told, ['one,two,', '.']);
  stage.loop.turn(() => void tunnel.writeData(Buffer.from('down'), 0, 4, true));
  t.equal(conn.takeSent().toString(), 'down');
  t.equal(stream.told.at(-1), 'released');
  t.equal(conn.state, 'closed');
});

t.test('the host has ended before the caller\'s first bytes are taken', async (t) => {
  const { stage, conn, stream, tunnel } = closedOne('one');
  conn.end();
  stage.loop.turn(() => void tunnel.writeData(Buffer.from('x'), 0, 1, true));
  t.strictSame(stream.told, [], 'its bytes still wait');
  stage.loop.turn(() => tunnel.resume());
  t.strictSame(stream.told, ['one', '.', 'released']);
  t.equal(conn.takeSent().toString(), 'x');
  t.equal(conn.state, 'closed');
});
