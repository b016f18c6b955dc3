// Two priorities of a cluster side by side, limits of single hosts, and the budget of retries, by hand.

import t from 'tap';

import type { Cluster } from '../../src/cluster/cluster.ts';
import type { BreakerLimits, ClusterConfig } from '../../src/config/cluster-snapshot.ts';
import * as S from '../../src/observe/stat-names.ts';
import { RES_CX, RES_PENDING, RES_RETRY, RES_RQ } from '../../src/shared/breaker-table.ts';
import { FakeHouse, SharedBreakers } from '../support/fake-house.ts';
import { ManualTime } from '../support/manual-time.ts';
import { clusterConfig } from '../support/snapshots.ts';
import { TaggedStream } from '../support/tagged-stream.ts';

const NONE: BreakerLimits = { maxConnections: 0, maxPendingRequests: 0, maxRequests: 0, maxRetries: 0 };
const OK = 'HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n';

class Stage {
  readonly house: FakeHouse;
  readonly cluster: Cluster;

  constructor(part: Partial<ClusterConfig>, ports: readonly number[] = [1], shared = new SharedBreakers(), time = new ManualTime()) {
    this.house = new FakeHouse({ shared, time });
    this.cluster = this.house.addCluster(clusterConfig('app', ports, part));
  }

  ask(tag: string, high = false, host = 0): TaggedStream {
    const stream = new TaggedStream(tag);
    this.house.loop.turn(() => this.cluster.poolFor(this.cluster.hosts[host]!, false, high).acquire(stream));
    return stream;
  }

  /** As a request does: by the picker. */
  send(tag: string): TaggedStream {
    const stream = new TaggedStream(tag);
    this.house.loop.turn(() => this.cluster.poolFor(this.cluster.pick(stream, [])!, false, false).acquire(stream));
    return stream;
  }

  count(resource: 0 | 1 | 2 | 3, high = false): number {
    return this.house.breakers.count(this.cluster.breakerRow + (high ? 1 : 0), resource);
  }

  ofHost(host: number, resource: 0 | 1 | 2 | 3): number {
    return this.house.breakers.count(this.cluster.hosts[host]!.breakers, resource);
  }

  connectAll(): void {
    for (const conn of this.house.loop.connects.slice()) if (conn.state === 'connecting') conn.connectOk();
  }
}

t.test('each priority has its own limits and its own connections', async (t) => {
  const stage = new Stage({ circuitBreakers: { ...NONE, maxRequests: 1, high: { ...NONE, maxRequests: 2 } } });
  const low = [stage.ask('a'), stage.ask('b')];
  const high = [stage.ask('c', true), stage.ask('d', true), stage.ask('e', true)];
  t.equal(stage.house.loop.connects.length, 5, 'no connection is for both');
  t.same([stage.count(RES_PENDING), stage.count(RES_PENDING, true)], [2, 3]);
  stage.connectAll();
  t.same(low.map(({ story }) => story), ['ready', 'failed overflow']);
  t.same(high.map(({ story }) => story), ['ready', 'ready', 'failed overflow']);
  t.same([stage.count(RES_RQ), stage.count(RES_RQ, true)], [1, 2]);
  t.equal(stage.house.cells[stage.cluster.stats + S.UP_RQ_PENDING_OVERFLOW], 2);
  for (const conn of stage.house.loop.connects) if (conn.takeSent().length > 0) conn.receive(OK);
  t.same([stage.count(RES_RQ), stage.count(RES_RQ, true)], [0, 0]);
  t.equal(stage.ask('f', true).story, 'ready', 'and an idle one serves its own priority again');
  t.same(stage.house.loop.connects.length, 5);
  stage.house.loop.turn(() => stage.cluster.drain());
  for (const conn of stage.house.loop.connects) if (conn.takeSent().length > 0) conn.receive(OK);
  t.same(stage.house.unrest(), {}, 'a drain closes those of both');
});

t.test('a priority that has used up its connections does not hold up the other', async (t) => {
  const stage = new Stage({ circuitBreakers: { ...NONE, maxConnections: 1, high: { ...NONE, maxConnections: 1 } } });
  stage.ask('a', true);
  const waits = stage.ask('b', true);
  const other = stage.ask('c');
  t.equal(stage.house.loop.connects.length, 2);
  t.same([stage.house.breakers.starving(stage.cluster.breakerRow), stage.house.breakers.starving(stage.cluster.breakerRow + 1)], [0, 1]);
  stage.connectAll();
  t.equal(other.story, 'ready');
  t.equal(waits.story, '');
  stage.house.loop.connects[0]!.receive(OK);
  t.equal(waits.story, 'ready', 'it gets the connection of its own priority');
  t.equal(stage.house.breakers.starving(stage.cluster.breakerRow + 1), 0);
});

t.test('an idle connection of the high priority is given up for another worker that waits', async (t) => {
  const shared = new SharedBreakers();
  const time = new ManualTime();
  const part = { circuitBreakers: { ...NONE, high: { ...NONE, maxConnections: 1 } } };
  const one = new Stage(part, [1], shared, time);
  const two = new Stage(part, [1], shared, time);
  one.ask('a', true);
  one.connectAll();
  one.house.loop.connects[0]!.receive(OK);
  const waits = two.ask('b', true);
  t.equal(two.house.loop.connects.length, 0);
  one.house.loop.turn(() => one.cluster.yieldIdle());
  t.equal(one.house.loop.connects[0]!.state, 'closed');
  two.house.loop.advance(30);
  two.connectAll();
  t.equal(waits.story, 'ready');
});

t.test('a host at its limit of requests: others are chosen; when all are full it overflows', async (t) => {
  const stage = new Stage({ hostLimits: { ...NONE, maxRequests: 2 } }, [1, 2, 3]);
  const streams = Array.from({ length: 6 }, (_, i) => stage.send(`s${i}`));
  stage.connectAll();
  t.ok(streams.every(({ story }) => story === 'ready'));
  t.same([0, 1, 2].map((host) => stage.ofHost(host, RES_RQ)), [2, 2, 2]);
  t.equal(stage.send('over').story, '', 'it waits for a connection first');
  stage.connectAll();
  t.equal(stage.house.cells[stage.cluster.stats + S.UP_RQ_PENDING_OVERFLOW], 1);
  // Host 1 alone has room again: whatever the rotation says, everybody goes there.
  const free = stage.house.loop.connects.filter((conn, i) => stage.house.loop.targets[i] === '127.0.0.1:2' && conn.takeSent().length > 0);
  for (const conn of free) conn.receive(OK);
  const next = [stage.send('x'), stage.send('y')];
  t.ok(next.every(({ story }) => story === 'ready'));
  t.same([0, 1, 2].map((host) => stage.ofHost(host, RES_RQ)), [2, 2, 2]);
});

t.test('those who wait for a connection count as well, so that a cold burst is spread', async (t) => {
  const shared = new SharedBreakers();
  const one = new Stage({ hostLimits: { ...NONE, maxRequests: 2 } }, [1, 2], shared);
  const two = new Stage({ hostLimits: { ...NONE, maxRequests: 2 } }, [1, 2], shared);
  for (const stage of [one, two, one, two]) stage.send('s');
  t.same([0, 1].map((host) => one.ofHost(host, RES_PENDING)), [2, 2], 'over both workers');
  one.connectAll();
  two.connectAll();
  t.same([0, 1].map((host) => one.ofHost(host, RES_RQ)), [2, 2]);
  t.same([0, 1].map((host) => one.ofHost(host, RES_PENDING)), [0, 0]);
});

t.test('a host at its limit of connections: others are chosen, and when all are full the request waits', async (t) => {
  const stage = new Stage({ hostLimits: { ...NONE, maxConnections: 1 } }, [1, 2]);
  const streams = [stage.send('a'), stage.send('b'), stage.send('c')];
  t.equal(stage.house.loop.connects.length, 2);
  t.same(stage.house.loop.targets.slice().sort(), ['127.0.0.1:1', '127.0.0.1:2']);
  stage.connectAll();
  t.same(streams.map(({ story }) => story), ['ready', 'ready', '']);
  t.same([0, 1].map((host) => stage.ofHost(host, RES_CX)), [1, 1]);
  for (const conn of stage.house.loop.connects.slice()) conn.receive(OK);
  t.equal(streams[2]!.story, 'ready', 'it gets the first that is free');
  for (const conn of stage.house.loop.connects.slice()) if (conn.takeSent().length > 0) conn.receive(OK);
  stage.house.loop.turn(() => stage.cluster.drain());
  t.same(stage.house.unrest(), {});
});

t.test('limits of hosts that come with a reload: what was open before is neither counted nor given back there', async (t) => {
  const stage = new Stage({});
  const old = stage.ask('old');
  stage.connectAll();
  const conn = stage.house.lastConnect;
  const limited = clusterConfig('app', [1], { hostLimits: { ...NONE, maxRequests: 1 } });
  stage.house.loop.turn(() => stage.cluster.update(limited, stage.house.planCluster(limited)));
  t.equal(stage.ask('new').story, '');
  stage.connectAll();
  t.equal(stage.ofHost(0, RES_RQ), 1);
  conn.receive(OK);
  t.equal(old.story, 'ready,head 200,end');
  t.equal(conn.state, 'closed');
  t.equal(stage.ofHost(0, RES_RQ), 1);
  stage.house.lastConnect.receive(OK);
  stage.house.loop.turn(() => stage.cluster.drain());
  t.same(stage.house.unrest(), {});
});

t.test('a change of the cluster keeps the connections of the high priority', async (t) => {
  const stage = new Stage({});
  stage.ask('a', true);
  stage.connectAll();
  const conn = stage.house.lastConnect;
  conn.receive(OK);
  const next = clusterConfig('app', [1], { connectTimeoutMs: 99 });
  stage.house.loop.turn(() => stage.cluster.update(next, stage.house.planCluster(next)));
  t.equal(stage.ask('b', true).upstreamConnectionId, conn.id);
});

t.test('retries: a fixed number, or a share of what is in hand; each priority by itself', async (t) => {
  const fixed = new Stage({ circuitBreakers: { ...NONE, maxRetries: 2, high: { ...NONE, maxRetries: 1 } } }).cluster;
  t.same([fixed.tryRetry(false), fixed.tryRetry(false), fixed.tryRetry(false)], [true, true, false]);
  t.same([fixed.tryRetry(true), fixed.tryRetry(true)], [true, false]);
  fixed.retryDone(false);
  t.ok(fixed.tryRetry(false));
  t.notOk(fixed.tryRetry(true));

  const budget = { budgetPercent: 20, minConcurrency: 3 };
  const stage = new Stage({ circuitBreakers: { ...NONE, maxRetries: 1, retryBudget: budget, high: { ...NONE, retryBudget: { budgetPercent: 50, minConcurrency: 0 } } } });
  const { cluster, house } = stage;
  const granted = (high: boolean): number => {
    let n = 0;
    while (n < 1000 && cluster.tryRetry(high)) n++;
    for (let i = 0; i < n; i++) cluster.retryDone(high);
    return n;
  };
  t.equal(granted(false), 3, 'never below the minimum, whatever maxRetries says');
  t.equal(granted(true), 0, 'half of nothing');
  for (let i = 0; i < 100; i++) house.breakers.tryAcquire(cluster.breakerRow, i % 2 === 0 ? RES_RQ : RES_PENDING);
  t.equal(granted(false), 20, 'a fifth of a hundred, active and waiting');
  t.equal(granted(true), 0, 'the other priority is not in this hand');
  house.breakers.tryAcquire(cluster.breakerRow + 1, RES_RQ);
  house.breakers.tryAcquire(cluster.breakerRow + 1, RES_RQ);
  t.equal(granted(true), 1);
  t.equal(stage.count(RES_RETRY), 0);
});
