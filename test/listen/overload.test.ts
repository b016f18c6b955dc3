// What callers meet under overload, by hand: refused connections, refused requests, connections that end sooner.

import t from 'tap';

import type { HttpConfig, RouteConfig } from '../../src/config/snapshot.ts';
import * as S from '../../src/observe/stat-names.ts';
import { RES_CX } from '../../src/shared/breaker-table.ts';
import {
  CLOSE_IDLE_CONNECTIONS, DISABLE_KEEP_ALIVE, PROCESS_ROW, REDUCE_TIMEOUTS, REJECT_INCOMING_CONNECTIONS, STOP_ACCEPTING_REQUESTS,
} from '../../src/shared/overload.ts';
import { matching, route } from '../route/request.ts';
import { FakeHouse, SharedBreakers, type FakeDoor } from '../support/fake-house.ts';
import { get as getH2, T } from '../support/h2-bytes.ts';
import { H2Stage } from '../support/h2-stage.ts';
import { listenerConfig, withAccessLog } from '../support/snapshots.ts';

const respond = (status: number, body: string): RouteConfig['action'] => ({ kind: 'respond', status, headers: [], body });
const ROUTES = [route('ok', matching({ kind: 'prefix', value: '/' }), respond(200, 'fine'))];
const GET = 'GET /ok HTTP/1.1\r\nHost: a\r\n\r\n';
const base = listenerConfig('x', 1).http;

function doorOf(shared = new SharedBreakers(), changes: Partial<HttpConfig> = {}): FakeDoor {
  return new FakeHouse({ shared }).addListener(ROUTES, changes);
}

const listenerStat = (door: FakeDoor, slot: number): number => door.house.cells[door.listener.plan.listener + slot]!;

t.test('the connections of the process are limited over workers and listeners of every kind', async (t) => {
  const shared = new SharedBreakers();
  const one = doorOf(shared);
  const two = new FakeHouse({ shared });
  two.addCluster();
  const tcp = two.addTcpListener();
  two.breakers.setLimits(PROCESS_ROW, { maxConnections: 3, maxPendingRequests: 0, maxRequests: 0, maxRetries: 0 });
  const first = one.connect();
  one.connect();
  tcp.connect();
  t.equal(one.house.loop.accept(one.listener.accept), null);
  t.equal(two.loop.accept(tcp.listener.accept), null);
  t.equal(listenerStat(one, S.LISTENER_GLOBAL_CX_OVERFLOW), 1);
  t.equal(listenerStat(one, S.LISTENER_CX_TOTAL), 2, 'as in Envoy the refused is not among those that came');
  t.equal(two.cells[tcp.listener.plan.listener + S.LISTENER_GLOBAL_CX_OVERFLOW], 1);
  first.breakOff();
  t.ok(tcp.connect(), 'room again, for anybody');
  t.equal(two.breakers.count(PROCESS_ROW, RES_CX), 3);
});

t.test("a connection that its listener's own limit refuses takes none of the process", async (t) => {
  const house = new FakeHouse();
  const door = house.addListener(ROUTES, {}, { maxConnections: 1 });
  door.connect();
  for (let i = 0; i < 3; i++) t.equal(house.loop.accept(door.listener.accept), null);
  t.equal(house.breakers.count(PROCESS_ROW, RES_CX), 1);
});

t.test('incoming connections are rejected, and let in again', async (t) => {
  const door = doorOf();
  door.house.overload.setLevel(REJECT_INCOMING_CONNECTIONS, 1);
  t.equal(door.house.loop.accept(door.listener.accept), null);
  t.equal(listenerStat(door, S.LISTENER_CX_OVERLOAD_REJECT), 1);
  t.equal(listenerStat(door, S.LISTENER_CX_TOTAL), 0);
  door.house.overload.setLevel(REJECT_INCOMING_CONNECTIONS, 0);
  t.ok(door.connect());
});

t.test("requests are refused in Envoy's words, and the connection stays", async (t) => {
  const house = new FakeHouse();
  const { accessLog } = withAccessLog(listenerConfig('edge', 1), 'log').http!;
  const door = house.addListener(ROUTES, { accessLog: accessLog.map((log) => ({ ...log, format: '%RESPONSE_CODE% %RESPONSE_FLAGS% %RESPONSE_CODE_DETAILS%\n' })) });
  const conn = door.connect();
  house.overload.setLevel(STOP_ACCEPTING_REQUESTS, 1);
  conn.receive(GET);
  const text = conn.takeSent().toString();
  t.match(text, /^HTTP\/1\.1 503 Service Unavailable\r\n/);
  t.match(text, /\r\n\r\nenvoy overloaded$/);
  t.notMatch(text, /connection: close/i);
  t.equal(door.stat(S.DOWN_RQ_OVERLOAD_CLOSE), 1);
  t.equal(door.stat(S.RQ_TOTAL), 0, 'no route was looked for');
  t.equal(door.stat(S.DOWN_RQ_5XX), 1);
  house.overload.setLevel(STOP_ACCEPTING_REQUESTS, 0);
  conn.receive(GET);
  t.match(conn.takeSent().toString(), /^HTTP\/1\.1 200 /);
  t.same(house.takeLog(), ['503 OM overload', '200 - direct_response']);
});

t.test('keep-alive is given up after the answer: HTTP/1.1', async (t) => {
  const door = doorOf();
  const conn = door.connect();
  door.house.overload.setLevel(DISABLE_KEEP_ALIVE, 1);
  conn.receive(GET);
  t.match(conn.takeSent().toString(), /\r\nconnection: close\r\n/);
  t.equal(conn.peerSees, 'fin');
  t.equal(door.stat(S.DOWN_CX_OVERLOAD_DISABLE_KEEPALIVE), 1);
});

t.test('keep-alive is given up after the answer: HTTP/2', async (t) => {
  const stage = H2Stage.open();
  stage.house.overload.setLevel(DISABLE_KEEP_ALIVE, 1);
  stage.send(getH2(1), getH2(3));
  const types = stage.take().map(({ type }) => type);
  t.equal(types.filter((type) => type === T.GOAWAY).length, 1, 'once');
  t.equal(types.filter((type) => type === T.HEADERS).length, 2, 'both are answered');
  t.equal(stage.stat(S.DOWN_CX_OVERLOAD_DISABLE_KEEPALIVE), 1);
  stage.house.loop.advance(2500);
  t.equal(stage.conn.peerSees, 'fin');
});

t.test('idle connections are closed; busy ones, and those just accepted, are not', async (t) => {
  const house = new FakeHouse();
  house.addCluster();
  const door = house.addListener([...ROUTES.map((one) => ({ ...one, match: matching({ kind: 'path', value: '/ok' }) }))]);
  const idle = door.connect();
  idle.receive(GET);
  const half = door.connect();
  half.receive('GET /ok HT');
  const fresh = door.connect();
  const relieve = (): void => house.loop.turn(() => door.listener.relieve());
  relieve();
  t.equal(idle.state, 'open', 'nothing is closed without overload');
  house.overload.setLevel(CLOSE_IDLE_CONNECTIONS, 1);
  relieve();
  t.same([idle.state, half.state, fresh.state], ['closed', 'open', 'open']);
  half.receive('TP/1.1\r\nHost: a\r\n\r\n');
  t.match(half.takeSent().toString(), /^HTTP\/1\.1 200 /);
  house.loop.advance(1100);
  relieve();
  t.same([half.state, fresh.state], ['closed', 'closed'], 'a second later nothing has come');
  t.equal(door.stat(S.DOWN_CX_IDLE_TIMEOUT), 3);
});

t.test('idle HTTP/2 connections are closed', async (t) => {
  const stage = H2Stage.open();
  stage.send(getH2(1));
  stage.take();
  stage.house.overload.setLevel(CLOSE_IDLE_CONNECTIONS, 1);
  stage.house.loop.turn(() => stage.door.listener.relieve());
  stage.house.loop.advance(10);
  t.equal(stage.take().filter(({ type }) => type === T.GOAWAY).length, 1);
  t.equal(stage.conn.peerSees, 'fin');
});

t.test('time-outs shrink with pressure, also those that run already', async (t) => {
  const door = doorOf(undefined, { timeouts: { ...base.timeouts, idleMs: 600_000 } });
  const { house } = door;
  const conn = door.connect();
  conn.receive(GET);
  house.overload.setLeastIdle(2000);
  house.overload.setLevel(REDUCE_TIMEOUTS, 0.7);
  house.loop.advance(181_300);
  house.loop.turn(() => door.listener.relieve());
  t.equal(conn.state, 'open', "Envoy's example: 181.4 s");
  house.loop.advance(200);
  house.loop.turn(() => door.listener.relieve());
  t.equal(conn.state, 'closed');
  t.equal(door.stat(S.DOWN_CX_IDLE_TIMEOUT), 1);
});
