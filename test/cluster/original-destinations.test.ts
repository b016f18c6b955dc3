// Hosts that callers bring, of HTTP/2: who shares a connection, and when the hosts nobody asks for any more are let go.

import t from 'tap';

import { forward, matching, route } from '../route/request.ts';
import type { FakeConn } from '../support/fake-conn.ts';
import { FakeHouse, type FakeDoor } from '../support/fake-house.ts';
import { END_HEADERS, END_STREAM, FrameLog, headers, PREFACE, settings, settingsAck, T } from '../support/h2-bytes.ts';
import { clusterConfig } from '../support/snapshots.ts';

const ROUTES = [route('app', matching({ kind: 'prefix', value: '/' }), forward())];

function stageOf(): { house: FakeHouse; door: FakeDoor } {
  const house = new FakeHouse();
  house.addCluster(clusterConfig('app', [], { type: 'originalDst', protocol: 'http2' }));
  return { house, door: house.addListener(ROUTES) };
}

/** A caller who wanted to go to this port of 192.0.2.9; its request is out. */
function caller(door: FakeDoor, port: number): FakeConn {
  const conn = door.connect();
  conn.wanted = { kind: 'ip', host: '192.0.2.9', port };
  ask(conn);
  return conn;
}

const ask = (conn: FakeConn): void => conn.receive('GET / HTTP/1.1\r\nHost: a\r\n\r\n');

/** The streams that a host was asked for since the last call. */
function streams(conn: FakeConn, log: FrameLog): number[] {
  const bytes = conn.takeSent();
  return log.add(bytes.subarray(bytes.indexOf(PREFACE) === 0 ? PREFACE.length : 0)).filter(({ type }) => type === T.HEADERS).map(({ id }) => id);
}

function accept(conn: FakeConn): FakeConn {
  conn.connectOk();
  conn.receive(Buffer.concat([settings(), settingsAck()]));
  return conn;
}

const answer = (conn: FakeConn, id: number): void => conn.receive(headers(id, [[':status', '204']], END_HEADERS | END_STREAM));

t.test('callers with one aim share a connection, others have their own', async (t) => {
  const { house, door } = stageOf();
  const callers = [caller(door, 1), caller(door, 2), caller(door, 1)];
  t.equal(house.loop.connects.length, 2);
  const hosts = house.loop.connects.map(accept);
  const logs = hosts.map(() => new FrameLog());
  t.strictSame(hosts.map((host, i) => streams(host, logs[i]!)), [[1, 3], [1]]);
  answer(hosts[0]!, 3);
  t.strictSame(callers.map((conn) => /^HTTP\/1\.1 204/.test(conn.takeSent().toString())), [false, false, true]);
  answer(hosts[0]!, 1);
  answer(hosts[1]!, 1);
  t.strictSame(callers.map((conn) => /^HTTP\/1\.1 204/.test(conn.takeSent().toString())), [true, true, false]);
});

t.test('a host that nobody asks for goes, when its last request is over', async (t) => {
  const { house, door } = stageOf();
  const [used, idle, busy] = [caller(door, 1), caller(door, 2), caller(door, 3)];
  const hosts = house.loop.connects.map(accept);
  answer(hosts[0]!, 1);
  answer(hosts[1]!, 1);
  house.loop.advance(4000);
  ask(used); // asked for again within the time
  answer(hosts[0]!, 3);
  house.loop.advance(2000);
  t.strictSame(hosts.map(({ state }) => state), ['open', 'open', 'open'], 'all were asked for since the last look');
  ask(used);
  answer(hosts[0]!, 5);
  house.loop.advance(5000);
  t.strictSame(hosts.map(({ state }) => state), ['open', 'closed', 'open']);
  answer(hosts[2]!, 1);
  t.match(busy.takeSent().toString(), /^HTTP\/1\.1 204/, 'what was under way is finished');
  t.equal(hosts[2]!.state, 'closed');
  house.loop.advance(10_000);
  t.equal(hosts[0]!.state, 'closed');
  ask(idle);
  t.equal(house.loop.connects.length, 4, 'it is made anew when it is asked for');
  accept(house.lastConnect);
  answer(house.lastConnect, 1);
  for (const conn of [used, idle, busy]) conn.breakOff();
  house.loop.advance(10_000);
  t.strictSame(house.unrest(), {});
});

t.test('a caller who was not redirected', async (t) => {
  const { house, door } = stageOf();
  const conn = door.connect();
  ask(conn);
  t.match(conn.takeSent().toString(), /^HTTP\/1\.1 503 [^]*no healthy upstream$/);
  t.equal(house.loop.connects.length, 0);
});

t.test('a reload and the end of the cluster leave no host behind', async (t) => {
  const { house, door } = stageOf();
  const conn = caller(door, 1);
  const host = accept(house.lastConnect);
  const cluster = house.clusters.get('app')!;
  const changed = clusterConfig('app', [], { type: 'originalDst', protocol: 'http2', connectTimeoutMs: 1 });
  house.loop.turn(() => cluster.update(changed, house.planCluster(changed)));
  t.equal(host.state, 'open', 'its request is under way');
  answer(host, 1);
  t.equal(host.state, 'closed');
  t.match(conn.takeSent().toString(), /^HTTP\/1\.1 204/);
  ask(conn);
  const next = accept(house.lastConnect);
  t.not(next, host);
  house.loop.turn(() => cluster.drain());
  answer(next, 1);
  t.equal(next.state, 'closed');
  conn.breakOff();
  t.strictSame(house.unrest(), {});
});
