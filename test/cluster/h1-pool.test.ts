import t from 'tap';
import type { Cluster } from '../../src/cluster/cluster.ts';
import type { ClusterConfig } from '../../src/config/cluster-snapshot.ts';
import * as S from '../../src/observe/stat-names.ts';
import type { FakeConn } from '../support/fake-conn.ts';
import { FakeHouse } from '../support/fake-house.ts';
import { clusterConfig } from '../support/snapshots.ts';
import { TaggedStream } from '../support/tagged-stream.ts';

interface Stage {
  house: FakeHouse;
  cluster: Cluster;
  /** Acquires for a new request with this tag at the host with this index. */
  ask(tag: string, host?: number): TaggedStream;
  conn(index: number): FakeConn;
  stat(slot: number): number;
}

function stageOf(part: Partial<ClusterConfig> = {}, ports: readonly number[] = [13_000]): Stage {
  const house = new FakeHouse();
  const cluster = house.addCluster(clusterConfig('app', ports, part));
  return {
    house,
    cluster,
    ask(tag, host = 0) {
      const stream = new TaggedStream(tag);
      house.loop.turn(() => cluster.poolFor(cluster.hosts[host]!, false, false).acquire(stream));
      return stream;
    },
    conn: (index) => house.loop.connects[index]!,
    stat: (slot) => house.cells[cluster.stats + slot]!,
  };
}

const limits = (changes: Partial<ClusterConfig['circuitBreakers']>): Partial<ClusterConfig> => ({
  circuitBreakers: { maxConnections: 1024, maxPendingRequests: 1024, maxRequests: 1024, maxRetries: 3, ...changes },
});

function answer(conn: FakeConn, body: string, fields = ''): void {
  conn.receive(`HTTP/1.1 200 OK\r\nContent-Length: ${body.length}\r\n${fields}\r\n${body}`);
}

t.test('the first request waits for its connection, the next one finds it', async (t) => {
  const stage = stageOf();
  const one = stage.ask('one');
  t.equal(one.story, '');
  t.same(stage.house.unrest(), { 'cluster.app upstream_cx_active': 1, 'cluster.app upstream_rq_pending_active': 1, 'host app 127.0.0.1:13000 cx_active': 1, 'host app 127.0.0.1:13000 rq_pending': 1, 'cluster app cx': 1, 'cluster app pending': 1 });
  stage.conn(0).connectOk();
  t.match(stage.conn(0).takeSent().toString(), /^GET \/one HTTP\/1\.1\r\nHost: origin\r\n\r\n$/);
  t.same(stage.house.unrest(), { 'cluster.app upstream_cx_active': 1, 'cluster.app upstream_rq_active': 1, 'host app 127.0.0.1:13000 cx_active': 1, 'host app 127.0.0.1:13000 rq_active': 1, 'cluster app cx': 1, 'cluster app rq': 1 });
  answer(stage.conn(0), 'first');
  t.equal(one.story, 'ready,head 200,end');
  t.equal(one.body, 'first');
  t.equal(one.upstreamConnectionId, stage.conn(0).id);
  t.equal(one.upstreamLocalAddress, '198.51.100.7:8080');
  const two = stage.ask('two');
  t.equal(two.story, 'ready');
  answer(stage.conn(0), 'second');
  t.equal(two.body, 'second');
  t.equal(stage.house.loop.connects.length, 1);
  t.equal(stage.stat(S.UP_CX_TOTAL), 1);
  t.equal(stage.stat(S.UP_RQ_TOTAL), 2);
  t.equal(stage.stat(S.UP_RQ_PENDING_TOTAL), 1);
});

t.test('reuse is last in, first out', async (t) => {
  const stage = stageOf();
  for (const tag of ['a', 'b', 'c']) stage.ask(tag);
  for (const index of [0, 1, 2]) stage.conn(index).connectOk();
  for (const index of [1, 0, 2]) answer(stage.conn(index), '');
  const order = ['x', 'y', 'z'].map((tag) => stage.ask(tag).upstreamConnectionId);
  t.same(order, [2, 0, 1].map((index) => stage.conn(index).id));
});

t.test('those who wait are served in order, whichever connection is free first', async (t) => {
  const stage = stageOf();
  const order: string[] = [];
  const streams = ['a', 'b', 'c', 'd'].map((tag) => stage.ask(tag));
  for (const stream of streams) stream.onEvent = (event) => event === 'ready' && order.push(stream.tag);
  t.equal(stage.house.loop.connects.length, 4);
  for (const index of [3, 1, 0, 2]) stage.conn(index).connectOk();
  t.same(order, ['a', 'b', 'c', 'd']);
});

t.test('a connection that is done goes to the longest waiting request, before the one that was made for it', async (t) => {
  const stage = stageOf();
  stage.ask('a');
  stage.conn(0).connectOk();
  const b = stage.ask('b');
  answer(stage.conn(0), '');
  t.equal(b.story, 'ready');
  t.equal(b.upstreamConnectionId, stage.conn(0).id);
  stage.conn(1).connectOk();
  t.equal(stage.ask('c').upstreamConnectionId, stage.conn(1).id, 'and that one is there for the next');
});

t.test('the limit of pending requests', async (t) => {
  const stage = stageOf(limits({ maxPendingRequests: 2 }));
  const [a, b, c] = ['a', 'b', 'c'].map((tag) => stage.ask(tag)) as [TaggedStream, TaggedStream, TaggedStream];
  t.same([a.story, b.story, c.story], ['', '', 'failed overflow']);
  t.equal(c.fault!.side, 'local');
  t.equal(stage.stat(S.UP_RQ_PENDING_OVERFLOW), 1);
  stage.conn(0).connectOk();
  t.equal(stage.ask('d').story, '', 'one has left the queue');
});

t.test('the limit of requests, for those who find a connection and for those who waited', async (t) => {
  const stage = stageOf(limits({ maxRequests: 1 }));
  const [a, b] = [stage.ask('a'), stage.ask('b')];
  stage.conn(0).connectOk();
  stage.conn(1).connectOk();
  t.same([a.story, b.story], ['ready', 'failed overflow']);
  t.equal(stage.ask('c').story, 'failed overflow', 'an idle connection is of no use to it');
  answer(stage.conn(0), '');
  t.equal(stage.ask('d').story, 'ready');
  t.equal(stage.stat(S.UP_RQ_PENDING_OVERFLOW), 2);
});

t.test('the limit of connections: the next ones wait for those there are', async (t) => {
  const stage = stageOf(limits({ maxConnections: 2 }));
  const streams = ['a', 'b', 'c', 'd'].map((tag) => stage.ask(tag));
  t.equal(stage.house.loop.connects.length, 2);
  t.ok(stage.stat(S.UP_CX_OVERFLOW) >= 1);
  const overflows = stage.stat(S.UP_CX_OVERFLOW);
  stage.house.loop.advance(500);
  t.equal(stage.stat(S.UP_CX_OVERFLOW), overflows, 'one overflow per request, however long it waits');
  stage.conn(0).connectOk();
  answer(stage.conn(0), '');
  answer(stage.conn(0), '');
  t.same(streams.map((s) => s.story), ['ready,head 200,end', 'ready,head 200,end', 'ready', '']);
  stage.conn(1).connectOk();
  answer(stage.conn(1), '');
  answer(stage.conn(0), '');
  t.ok(streams.every((s) => s.over));
  stage.house.loop.advance(20);
  t.equal(stage.house.taken()['cluster app starving'], undefined);
});

t.test('a limit of retries is kept in the same table and bounds nothing else', async (t) => {
  const stage = stageOf(limits({ maxRetries: 1 }));
  t.equal(stage.house.breakers.limit(stage.cluster.breakerRow, 3), 1);
  stage.ask('a');
  stage.ask('b');
  t.equal(stage.house.loop.connects.length, 2);
});

t.test('an idle connection of another host makes room, one and no more', async (t) => {
  const stage = stageOf(limits({ maxConnections: 3 }), [1, 2]);
  for (const tag of ['a', 'b', 'c']) stage.ask(tag, 0);
  for (const index of [0, 1, 2]) stage.conn(index).connectOk();
  for (const index of [0, 1, 2]) answer(stage.conn(index), '');
  const d = stage.ask('d', 1);
  t.same([0, 1, 2].map((index) => stage.conn(index).state), ['closed', 'open', 'open'], 'the oldest idle one is closed');
  t.equal(stage.house.loop.connects.length, 4);
  t.equal(stage.house.loop.targets[3], '127.0.0.1:2');
  stage.conn(3).connectOk();
  t.equal(d.story, 'ready');
});

t.test('a connection that cannot be had: everyone who waits for this host learns it', async (t) => {
  const stage = stageOf({}, [1, 2]);
  const streams = [stage.ask('a'), stage.ask('b'), stage.ask('c')];
  const other = stage.ask('other', 1);
  stage.conn(1).connectFail('ECONNREFUSED');
  for (const stream of streams) {
    t.equal(stream.story, 'failed connectFailure');
    t.equal(stream.fault!.cause, 'delayed connect error: Connection refused');
  }
  t.equal(other.story, '', 'another host is another matter');
  t.equal(stage.stat(S.UP_CX_CONNECT_FAIL), 1);
  t.equal(stage.stat(S.UP_RQ_PENDING_FAILURE_EJECT), 3);
  stage.conn(0).connectOk();
  t.equal(stage.ask('late').upstreamConnectionId, stage.conn(0).id, 'the other attempts go on, and serve who comes then');
  stage.conn(2).connectFail('EHOSTUNREACH');
  stage.conn(3).connectFail('ETIMEDOUT');
  t.equal(other.fault!.cause, 'delayed connect error: Connection timed out');
});

t.test('a request that comes in while those before it are failed has its own connection to wait for', async (t) => {
  const stage = stageOf(limits({ maxConnections: 1 }));
  const [a, b] = [stage.ask('a'), stage.ask('b')];
  const again = new TaggedStream('again');
  a.onEvent = () => stage.cluster.poolFor(stage.cluster.hosts[0]!, false, false).acquire(again);
  stage.conn(0).connectFail('ECONNREFUSED');
  t.same([a.story, b.story, again.story], ['failed connectFailure', 'failed connectFailure', '']);
  stage.house.loop.advance(10);
  t.equal(stage.house.loop.connects.length, 2);
  stage.conn(1).connectOk();
  t.equal(again.story, 'ready');
});

t.test('the connect time-out', async (t) => {
  const stage = stageOf({ connectTimeoutMs: 300 });
  const a = stage.ask('a');
  stage.house.loop.advance(290);
  t.equal(a.story, '');
  stage.house.loop.advance(20);
  t.equal(a.story, 'failed connectTimeout');
  t.equal(stage.conn(0).state, 'closed');
  t.equal(stage.stat(S.UP_CX_CONNECT_TIMEOUT), 1);
  t.equal(stage.stat(S.UP_CX_CONNECT_FAIL), 1);
  t.same(stage.house.unrest(), {});
  t.equal(stage.house.loop.timers.size, 0);
});

t.test('the idle time-out counts from the end of the last request', async (t) => {
  const stage = stageOf({ connections: { idleTimeoutMs: 1000, maxRequests: 0 } });
  stage.ask('a');
  stage.conn(0).connectOk();
  answer(stage.conn(0), '');
  stage.house.loop.advance(900);
  stage.ask('b');
  stage.house.loop.advance(5000);
  t.equal(stage.conn(0).state, 'open', 'a busy one is not idle');
  answer(stage.conn(0), '');
  stage.house.loop.advance(980);
  t.equal(stage.conn(0).state, 'open');
  stage.house.loop.advance(40);
  t.equal(stage.conn(0).state, 'closed');
  t.equal(stage.stat(S.UP_CX_IDLE_TIMEOUT), 1);
  t.same(stage.house.unrest(), {});
  t.equal(stage.house.loop.timers.size, 0);
});

t.test('maxRequests: the connection ends behind its last one', async (t) => {
  const stage = stageOf({ connections: { idleTimeoutMs: 0, maxRequests: 2 } });
  stage.ask('a');
  stage.conn(0).connectOk();
  answer(stage.conn(0), '');
  t.equal(stage.conn(0).state, 'open');
  stage.ask('b');
  const c = stage.ask('c');
  answer(stage.conn(0), '');
  t.equal(stage.conn(0).state, 'closed');
  t.equal(c.story, '', 'it is not given to who waits');
  t.equal(stage.stat(S.UP_CX_MAX_REQUESTS), 1);
  stage.conn(1).connectOk();
  t.equal(c.story, 'ready');
});

t.test('an answer that ends the connection', async (t) => {
  for (const [head, why] of [
    ['HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\nok', 'close'],
    ['HTTP/1.0 200 OK\r\nContent-Length: 2\r\n\r\nok', 'HTTP/1.0'],
    ['HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nokHTTP/1.1 200 OK\r\n', 'bytes behind the answer'],
    ['HTTP/1.1 204 No Content\r\n\r\nx', 'a byte behind an answer without a body'],
    ['HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n0', 'a byte behind a chunked answer'],
  ] as const) {
    const stage = stageOf();
    const a = stage.ask('a');
    const b = stage.ask('b');
    stage.conn(0).connectOk();
    stage.conn(0).receive(head);
    t.equal(a.events.at(-1), 'end', why);
    t.equal(stage.conn(0).state, 'closed', why);
    t.equal(b.story, '', `${why}: nobody else gets it`);
  }
  const kept = stageOf();
  kept.ask('a');
  kept.conn(0).connectOk();
  kept.conn(0).receive('HTTP/1.0 200 OK\r\nConnection: keep-alive\r\nContent-Length: 2\r\n\r\nok');
  t.equal(kept.conn(0).state, 'open');
});

t.test('what happens on an idle connection ends it, and nobody gets it', async (t) => {
  const events: [string, (conn: FakeConn) => void][] = [
    ['a byte', (conn) => conn.receive('H')],
    ['an answer to nothing', (conn) => answer(conn, 'surprise')],
    ['FIN', (conn) => conn.end()],
    ['RST', (conn) => conn.breakOff()],
  ];
  for (const [what, happens] of events) {
    const stage = stageOf();
    stage.ask('a');
    stage.conn(0).connectOk();
    answer(stage.conn(0), '');
    happens(stage.conn(0));
    t.equal(stage.conn(0).state, 'closed', what);
    t.same(stage.house.unrest(), {}, what);
    stage.ask('b');
    t.equal(stage.house.loop.connects.length, 2, what);
  }
});

t.test('an end on a connection that carries a request', async (t) => {
  const stale = stageOf();
  stale.ask('a');
  stale.conn(0).connectOk();
  answer(stale.conn(0), '');
  const b = stale.ask('b');
  stale.conn(0).end();
  t.equal(b.story, 'ready,reset upstreamClosed');
  t.equal(b.fault!.retry, 'ifReused', 'the pooled connection was stale');
  const fresh = stageOf();
  const a = fresh.ask('a');
  fresh.conn(0).connectOk();
  fresh.conn(0).end();
  t.equal(a.fault!.retry, 'always');
  const broken = stageOf();
  const c = broken.ask('c');
  broken.conn(0).connectOk();
  broken.conn(0).receive('HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf');
  broken.conn(0).end();
  t.equal(c.story, 'ready,head 200,reset upstreamProtocol');
  t.equal(c.body, 'half');
  for (const stage of [stale, fresh, broken]) t.same(stage.house.unrest(), {});
});

t.test('a reset under a request', async (t) => {
  for (const [before, story, retry] of [
    ['', 'ready,reset upstreamReset', 'always'],
    ['HTTP/1.1 2', 'ready,reset upstreamReset', 'never'],
    ['HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf', 'ready,head 200,reset upstreamReset', 'never'],
  ] as const) {
    const stage = stageOf();
    const a = stage.ask('a');
    stage.conn(0).connectOk();
    if (before !== '') stage.conn(0).receive(before);
    stage.conn(0).breakOff();
    t.equal(a.story, story);
    t.equal(a.fault!.retry, retry);
    t.same(stage.house.unrest(), {});
  }
});

t.test('how an answer fails to come, counted as Envoy does', async (t) => {
  const half = 'HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf';
  const cases: [what: string, happens: (conn: FakeConn) => void, protocolErrors: number][] = [
    ['an end instead of it', (conn) => conn.end(), 0],
    ['a reset instead of it', (conn) => conn.breakOff(), 0],
    ['an end in its head', (conn) => (conn.receive('HTTP/1.1 20'), conn.end()), 1],
    ['a reset in its head', (conn) => (conn.receive('HTTP/1.1 20'), conn.breakOff()), 1],
    ['an end in its body', (conn) => (conn.receive(half), conn.end()), 1],
    ['a reset in its body', (conn) => (conn.receive(half), conn.breakOff()), 1],
    ['it is malformed', (conn) => conn.receive('HTTP/9 x\r\n\r\n'), 1],
  ];
  for (const [what, happens, protocolErrors] of cases) {
    const stage = stageOf();
    stage.ask('a');
    stage.conn(0).connectOk();
    happens(stage.conn(0));
    t.equal(stage.stat(S.UP_CX_PROTOCOL_ERROR), protocolErrors, what);
    t.equal(stage.stat(S.UP_RQ_RX_RESET), 0, what);
    t.equal(stage.stat(S.UP_CX_DESTROY_WITH_ACTIVE_RQ), 1, what);
    t.same(stage.house.unrest(), {});
  }
});

t.test('a request that is cancelled while it waits', async (t) => {
  const stage = stageOf();
  const [a, b] = [stage.ask('a'), stage.ask('b')];
  stage.house.loop.turn(() => a.cancelIn(stage.cluster.poolFor(stage.cluster.hosts[0]!, false, false)));
  t.equal(stage.stat(S.UP_RQ_CANCELLED), 1);
  stage.conn(0).connectOk();
  stage.conn(1).connectOk();
  t.same([a.story, b.story], ['', 'ready']);
  answer(stage.conn(0), '');
  stage.house.loop.turn(() => b.cancelIn(stage.cluster.poolFor(stage.cluster.hosts[0]!, false, false)));
  t.equal(stage.stat(S.UP_RQ_CANCELLED), 1, 'one that does not wait is not there to cancel');
  t.same(Object.keys(stage.house.unrest()), ['cluster.app upstream_cx_active', 'host app 127.0.0.1:13000 cx_active', 'cluster app cx']);
});

t.test('a request that is given up takes its connection along', async (t) => {
  const stage = stageOf();
  const a = stage.ask('a');
  const b = stage.ask('b');
  stage.conn(0).connectOk();
  stage.house.loop.turn(() => a.giveUp());
  t.equal(stage.conn(0).peerSees, 'reset');
  t.equal(stage.stat(S.UP_RQ_TX_RESET), 0, 'HTTP/1.1 has no streams to reset');
  stage.conn(1).connectOk();
  t.equal(b.story, 'ready');
  t.equal(a.story, 'ready', 'no event follows');
});

t.test('a waiting request takes the connection over while the last bytes before it are handed down', async (t) => {
  const stage = stageOf(limits({ maxConnections: 1 }));
  const a = stage.ask('a');
  const b = stage.ask('b');
  stage.conn(0).connectOk();
  stage.conn(0).takeSent();
  const seen: string[] = [];
  a.onEvent = (event) => event === 'end' && seen.push(a.body, stage.conn(0).sentText);
  stage.conn(0).receive('HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nlast');
  t.equal(seen[0], 'last');
  t.match(seen[1], /^GET \/b /, 'the next request is on its way already');
  t.equal(b.story, 'ready');
  answer(stage.conn(0), 'second');
  t.same([a.body, b.body], ['last', 'second']);
});

t.test('an answer that is done before its request: the connection is not used again', async (t) => {
  const stage = stageOf();
  const stream = new TaggedStream('up', { head: 'POST /up HTTP/1.1\r\nHost: o\r\nContent-Length: 100\r\n\r\n', upload: [] });
  stage.house.loop.turn(() => stage.cluster.poolFor(stage.cluster.hosts[0]!, false, false).acquire(stream));
  stage.conn(0).connectOk();
  answer(stage.conn(0), 'no');
  t.equal(stream.story, 'ready,head 200,end');
  t.equal(stage.conn(0).state, 'closed');
  t.same(stage.house.unrest(), {});
});

t.test('drain: idle connections close, busy ones after their request, those who wait are served', async (t) => {
  const stage = stageOf();
  const pool = stage.cluster.poolFor(stage.cluster.hosts[0]!, false, false);
  for (const tag of ['a', 'b', 'c']) stage.ask(tag);
  stage.conn(0).connectOk();
  stage.conn(1).connectOk();
  answer(stage.conn(0), '');
  t.equal(stage.conn(0).sentText.match(/GET/g)!.length, 2, 'c has its connection');
  stage.conn(2).connectOk();
  stage.house.loop.turn(() => pool.drain());
  t.same([0, 1, 2].map((i) => stage.conn(i).state), ['open', 'open', 'closed']);
  const late = stage.ask('late');
  t.equal(late.story, '', 'a request that was on its way here still gets one');
  stage.conn(3).connectOk();
  for (const i of [0, 1, 3]) answer(stage.conn(i), '');
  t.equal(late.story, 'ready,head 200,end');
  t.same([0, 1, 2, 3].map((i) => stage.conn(i).state), ['closed', 'closed', 'closed', 'closed']);
  t.same(stage.house.unrest(), {});
});

t.test('the counters of an ended connection say who ended it', async (t) => {
  const stage = stageOf({ connections: { idleTimeoutMs: 100, maxRequests: 0 } });
  const ended = (): number[] => [S.UP_CX_DESTROY_LOCAL, S.UP_CX_DESTROY_REMOTE, S.UP_CX_DESTROY_LOCAL_WITH_ACTIVE_RQ, S.UP_CX_DESTROY_REMOTE_WITH_ACTIVE_RQ].map(stage.stat);
  const open = (tag: string): FakeConn => {
    stage.ask(tag);
    const conn = stage.house.lastConnect;
    conn.connectOk();
    return conn;
  };
  const idle = open('a');
  answer(idle, '');
  idle.end();
  t.same(ended(), [0, 1, 0, 0], 'FIN on an idle one');
  open('b').breakOff();
  t.same(ended(), [0, 2, 0, 1], 'RST under a request');
  open('c').end();
  t.same(ended(), [0, 3, 0, 2], 'FIN under a request');
  answer(open('d'), '');
  stage.house.loop.advance(150);
  t.same(ended(), [1, 3, 0, 2], 'idle time-out');
  open('e').receive('nonsense\r\n\r\n');
  t.same(ended(), [2, 3, 1, 2], 'a malformed answer');
  t.equal(stage.stat(S.UP_CX_DESTROY), 5);
});
