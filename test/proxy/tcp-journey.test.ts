// One TCP connection's way through, with both its ends played by hand: attempts, ends in either order, back-pressure, silence,
// and that every way out leaves the gauges at zero and one log line.

import t, { type Test } from 'tap';

import type { ClusterConfig } from '../../src/config/cluster-snapshot.ts';
import type { TcpConfig, TcpListenerConfig } from '../../src/config/snapshot.ts';
import * as S from '../../src/observe/stat-names.ts';
import type { FakeConn } from '../support/fake-conn.ts';
import { FakeHouse, type FakeTcpDoor } from '../support/fake-house.ts';
import { clusterConfig } from '../support/snapshots.ts';

const LOG = { path: '/log', format: '%RESPONSE_FLAGS% %BYTES_RECEIVED%/%BYTES_SENT% %UPSTREAM_REQUEST_ATTEMPT_COUNT% %UPSTREAM_CLUSTER% %UPSTREAM_HOST%\n', json: null, filter: null };
const HOST = '127.0.0.1:13000';

interface Changes {
  readonly tcp?: Partial<TcpConfig>;
  readonly listener?: Partial<TcpListenerConfig>;
  readonly cluster?: Partial<ClusterConfig>;
  readonly ports?: readonly number[];
}

class Stage {
  readonly house = new FakeHouse();
  readonly door: FakeTcpDoor;

  constructor({ tcp = {}, listener = {}, cluster = {}, ports = [13_000] }: Changes = {}) {
    this.house.addCluster(clusterConfig('app', ports, cluster));
    this.door = this.house.addTcpListener({ accessLog: [LOG], ...tcp }, listener);
  }

  get host(): FakeConn {
    return this.house.lastConnect;
  }

  /** A caller whose connection to the host is up. */
  open(): [caller: FakeConn, host: FakeConn] {
    const caller = this.door.connect();
    this.host.connectOk();
    return [caller, this.host];
  }

  stat(slot: number): number {
    return this.door.stat(slot);
  }

  clusterStat(slot: number): number {
    return this.house.cells[this.house.clusters.get('app')!.stats + slot]!;
  }

  /** Nothing is under way any more; the log says this, once. */
  over(t: Test, line: string): void {
    t.strictSame(this.house.takeLog(), [line]);
    t.strictSame(this.house.unrest(), {});
    t.equal(this.house.loop.openConns, 0);
  }
}

const sent = (conn: FakeConn): string => conn.takeSent().toString('latin1');

t.test('bytes and ends, the caller ends first', async (t) => {
  const stage = new Stage();
  const caller = stage.door.connect();
  caller.receive('early');
  t.equal(caller.paused, true, 'nothing is read before there is a connection');
  const { host } = stage;
  host.connectOk();
  t.equal(sent(host), 'early');
  host.receive('hello');
  t.equal(sent(caller), 'hello');
  caller.end();
  t.equal(host.peerSees, 'fin');
  t.equal(caller.peerSees, 'open', 'the other direction stays open');
  host.receive(' still');
  host.end();
  t.equal(sent(caller), ' still');
  t.equal(caller.peerSees, 'fin');
  t.equal(stage.stat(S.TCP_DOWN_CX_RX_BYTES_TOTAL), 5);
  t.equal(stage.stat(S.TCP_DOWN_CX_TX_BYTES_TOTAL), 11);
  stage.over(t, `- 5/11 1 app ${HOST}`);
});

t.test('the host ends first, the caller goes on sending', async (t) => {
  const stage = new Stage();
  const [caller, host] = stage.open();
  host.receive('bye');
  host.end();
  t.equal(caller.peerSees, 'fin');
  caller.receive('after');
  t.equal(sent(host), 'after');
  caller.end();
  stage.over(t, `- 5/3 1 app ${HOST}`);
});

t.test('a caller that has ended before there was a connection', async (t) => {
  const stage = new Stage();
  const caller = stage.door.connect();
  caller.end();
  const { host } = stage;
  host.connectOk();
  t.equal(host.peerSees, 'fin');
  host.receive('answer');
  host.end();
  t.equal(sent(caller), 'answer');
  stage.over(t, `- 0/6 1 app ${HOST}`);
});

t.test('a reset goes to the other side at once, from either', async (t) => {
  for (const from of ['caller', 'host'] as const) {
    const stage = new Stage();
    const [caller, host] = stage.open();
    caller.receive('half');
    const [one, other] = from === 'caller' ? [caller, host] : [host, caller];
    one.breakOff();
    t.equal(other.peerSees, 'reset', from);
    stage.over(t, `- 4/0 1 app ${HOST}`);
  }
});

t.test('a caller that goes while the connection is being made', async (t) => {
  const stage = new Stage();
  const caller = stage.door.connect();
  caller.breakOff();
  t.equal(stage.host.state, 'closed');
  t.equal(stage.clusterStat(S.UP_RQ_CANCELLED), 1);
  t.equal(stage.clusterStat(S.UP_CX_CONNECT_FAIL), 0);
  stage.over(t, `- 0/0 1 app ${HOST}`);
});

t.test('connecting again, elsewhere, as often as allowed', async (t) => {
  const stage = new Stage({ tcp: { maxConnectAttempts: 3 }, ports: [13_000, 13_001, 13_002] });
  const caller = stage.door.connect();
  stage.host.connectFail('ECONNREFUSED');
  stage.house.loop.advance(5010);
  t.equal(stage.clusterStat(S.UP_CX_CONNECT_TIMEOUT), 1);
  t.equal(stage.clusterStat(S.UP_CX_CONNECT_FAIL), 2);
  const { targets } = stage.house.loop;
  t.equal(new Set(targets).size, 3, `each attempt meets another host: ${targets.join()}`);
  caller.receive('hello');
  stage.host.connectOk();
  t.equal(sent(stage.host), 'hello', 'what the caller said is said once');
  stage.host.end();
  caller.end();
  stage.over(t, `- 5/0 3 app ${targets[2]}`);
});

t.test('nobody to pass the caller on to', async (t) => {
  const full = { maxConnections: 1, maxPendingRequests: 1, maxRequests: 1, maxRetries: 1 };
  const cases: [what: string, changes: Changes, happens: (stage: Stage) => void, line: string][] = [
    ['refused', {}, ({ host }) => host.connectFail('ECONNREFUSED'), `UF,URX 0/0 1 app ${HOST}`],
    ['time-out', {}, ({ house }) => house.loop.advance(5010), `UF,URX 0/0 1 app ${HOST}`],
    ['no host', { ports: [] }, () => undefined, 'UH 0/0 0 app -'],
    ['no way', { tcp: { clusters: [], sniRoutes: [{ serverName: 'a.test', clusters: [{ name: 'app', weight: 1 }] }] } }, () => undefined, 'NR 0/0 0 - -'],
    ['refused by name', { tcp: { clusters: [], sniRoutes: [{ serverName: '*', clusters: [] }] } }, () => undefined, 'NR 0/0 0 - -'],
  ];
  for (const [what, changes, happens, line] of cases) {
    const stage = new Stage(changes);
    const caller = stage.door.connect();
    // Where names decide there is an opening to wait for, which is over here.
    if (changes.tcp?.sniRoutes !== undefined) stage.house.loop.turn(() => caller.owner.onConnect(caller));
    happens(stage);
    t.equal(caller.peerSees, 'fin', what);
    t.equal(caller.state, 'lingering', 'a RST might destroy what it has not read');
    caller.end();
    t.equal(sent(caller), '');
    stage.over(t, line);
  }
  const stage = new Stage({ cluster: { circuitBreakers: full } });
  const [first] = stage.open();
  const second = stage.door.connect();
  t.equal(second.peerSees, 'fin');
  second.end();
  t.strictSame(stage.house.takeLog(), ['UO 0/0 1 app 127.0.0.1:13000']);
  t.equal(stage.clusterStat(S.UP_CX_OVERFLOW), 1);
  first.breakOff();
  stage.over(t, `- 0/0 1 app ${HOST}`);
});

t.test('who does not take bytes holds up the other side, and nobody else', async (t) => {
  const stage = new Stage();
  const [caller, host] = stage.open();
  host.setRoom(3);
  caller.receive('12345');
  t.equal(caller.paused, true);
  t.equal(host.paused, false);
  t.equal(stage.stat(S.TCP_DOWN_CX_RX_BYTES_BUFFERED), 2);
  t.equal(stage.stat(S.TCP_DOWN_FLOW_PAUSED_READING), 1);
  host.receive('other way');
  t.equal(sent(caller), 'other way');
  host.setRoom(Infinity);
  t.equal(caller.paused, false);
  t.equal(stage.stat(S.TCP_DOWN_CX_RX_BYTES_BUFFERED), 0);
  t.equal(stage.stat(S.TCP_DOWN_FLOW_RESUMED_READING), 1);
  t.equal(sent(host), '12345');

  caller.setRoom(1);
  host.receive('abc');
  t.equal(host.paused, true);
  t.equal(stage.stat(S.TCP_DOWN_CX_TX_BYTES_BUFFERED), 2);
  t.equal(stage.clusterStat(S.UP_FLOW_PAUSED_READING), 1);
  caller.setRoom(Infinity);
  t.equal(host.paused, false);
  t.equal(stage.clusterStat(S.UP_FLOW_RESUMED_READING), 1);
  t.equal(sent(caller), 'abc');
  host.end();
  caller.end();
  stage.over(t, `- 5/12 1 app ${HOST}`);
});

t.test('what the caller said last still goes out when it has gone', async (t) => {
  const stage = new Stage();
  const [caller, host] = stage.open();
  host.setRoom(2);
  caller.receive('last words');
  host.end(); // so that the caller's end closes its connection
  caller.end();
  t.equal(caller.state, 'closed');
  t.equal(stage.stat(S.TCP_UPSTREAM_FLUSH_TOTAL), 1);
  t.equal(stage.stat(S.TCP_UPSTREAM_FLUSH_ACTIVE), 1);
  host.setRoom(Infinity);
  t.equal(sent(host), 'last words');
  t.equal(stage.stat(S.TCP_UPSTREAM_FLUSH_ACTIVE), 0);
  stage.over(t, `- 10/0 1 app ${HOST}`);
});

t.test('silence ends it, a trickle does not', async (t) => {
  const stage = new Stage({ tcp: { idleTimeoutMs: 1000 } });
  const [caller, host] = stage.open();
  for (let i = 0; i < 4; i++) {
    stage.house.loop.advance(900);
    (i % 2 === 0 ? caller : host).receive('.');
  }
  t.equal(stage.stat(S.TCP_IDLE_TIMEOUT), 0);
  stage.house.loop.advance(1010);
  t.equal(stage.stat(S.TCP_IDLE_TIMEOUT), 1);
  t.equal(caller.peerSees, 'fin');
  caller.end();
  t.not(host.state, 'open');
  stage.over(t, `- 2/2 1 app ${HOST}`);
});

t.test('silence also ends a host that does not take the last words', async (t) => {
  const stage = new Stage({ tcp: { idleTimeoutMs: 1000 } });
  const [caller, host] = stage.open();
  host.setRoom(0);
  caller.receive('last words');
  host.end();
  caller.end();
  stage.house.loop.advance(1010);
  t.equal(host.state, 'closed');
  stage.over(t, `- 10/0 1 app ${HOST}`);
});

t.test('weights share the callers out', async (t) => {
  const house = new FakeHouse();
  house.addCluster(clusterConfig('app', [13_000]));
  house.addCluster(clusterConfig('other', [14_000]));
  const door = house.addTcpListener({ clusters: [{ name: 'app', weight: 3 }, { name: 'other', weight: 1 }] });
  for (let i = 0; i < 400; i++) door.connect().breakOff();
  const other = house.loop.targets.filter((target) => target.endsWith(':14000')).length;
  t.ok(other > 60 && other < 140, `${other} of 400`);
  t.strictSame(house.unrest(), {});
});

t.test('an opening that takes too long is broken off', async (t) => {
  const stage = new Stage({ listener: { proxyProtocol: true } });
  const caller = stage.door.connect();
  stage.house.loop.advance(14_000);
  t.equal(caller.state, 'open');
  stage.house.loop.advance(1010);
  t.equal(caller.peerSees, 'reset');
  t.equal(stage.house.cells[stage.door.listener.plan.listener + S.LISTENER_PRE_CX_TIMEOUT], 1);
  t.equal(stage.house.loop.connects.length, 0);
  t.strictSame(stage.house.unrest(), {});
});
