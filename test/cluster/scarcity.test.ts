import t from 'tap';
import type { Cluster } from '../../src/cluster/cluster.ts';
import type { FakeConn } from '../support/fake-conn.ts';
import { FakeHouse, SharedBreakers } from '../support/fake-house.ts';
import { ManualTime } from '../support/manual-time.ts';
import { clusterConfig } from '../support/snapshots.ts';
import { TaggedStream } from '../support/tagged-stream.ts';

/** Workers that share one clock and one breaker table; their loops turn one after the other. */
class Workers {
  readonly houses: FakeHouse[] = [];
  readonly clusters: Cluster[] = [];
  private readonly time = new ManualTime();

  constructor(count: number, maxConnections: number, ports: readonly number[] = [1]) {
    const shared = new SharedBreakers();
    const breakers = { maxConnections, maxPendingRequests: 0, maxRequests: 0, maxRetries: 0 };
    for (let i = 0; i < count; i++) {
      const house = new FakeHouse({ time: this.time, shared, seed: i + 1 });
      this.houses.push(house);
      this.clusters.push(house.addCluster(clusterConfig('app', ports, { circuitBreakers: breakers })));
    }
  }

  ask(worker: number, tag: string, host = 0): TaggedStream {
    const stream = new TaggedStream(tag);
    this.houses[worker]!.loop.turn(() => this.clusters[worker]!.poolFor(this.clusters[worker]!.hosts[host]!, false, false).acquire(stream));
    return stream;
  }

  /** 5 ms pass: every connection comes up, every request is answered. */
  step(): void {
    this.time.advance(5);
    for (const house of this.houses) {
      house.loop.advance(0);
      house.loop.turn(() => {
        house.loop.clock.refresh();
        house.loop.timers.advance(house.loop.clock.now);
      });
      for (const conn of house.loop.connects.slice()) this.serve(conn);
    }
  }

  get open(): number {
    return this.houses[0]!.breakers.count(this.clusters[0]!.breakerRow, 0);
  }

  private serve(conn: FakeConn): void {
    if (conn.state === 'connecting') conn.connectOk();
    if (conn.state !== 'open') return;
    if (conn.takeSent().length > 0) conn.receive('HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n');
  }
}

t.test('a pool gets the connection that another pool of its worker does not need', async (t) => {
  const workers = new Workers(1, 1, [1, 2]);
  const a = workers.ask(0, 'a', 0);
  const b = workers.ask(0, 'b', 1);
  t.equal(workers.houses[0]!.loop.connects.length, 1);
  for (let i = 0; i < 4; i++) workers.step();
  t.ok(a.over && b.over);
  t.same(workers.houses[0]!.loop.targets, ['127.0.0.1:1', '127.0.0.1:2']);
});

t.test('a worker gets the connection that lies idle in another', async (t) => {
  const workers = new Workers(2, 1);
  workers.ask(0, 'a');
  workers.step();
  workers.step();
  const b = workers.ask(1, 'b');
  t.equal(workers.houses[1]!.loop.connects.length, 0);
  t.equal(workers.houses[0]!.breakers.starving(workers.clusters[0]!.breakerRow), 1);
  workers.houses[0]!.loop.turn(() => workers.clusters[0]!.yieldIdle());
  for (let i = 0; i < 5; i++) workers.step();
  t.equal(b.story, 'ready,head 200,end');
  t.equal(workers.open, 1);
});

t.test('yieldIdle leaves idle connections alone while nobody waits elsewhere', async (t) => {
  const workers = new Workers(2, 3);
  workers.ask(0, 'a');
  workers.step();
  workers.step();
  workers.houses[0]!.loop.turn(() => workers.clusters[0]!.yieldIdle());
  t.equal(workers.houses[0]!.loop.connects[0]!.state, 'open');
});

/** Keeps `depth` requests of one pool under way; returns how many were answered. */
class Crowd {
  answered = 0;
  /** The longest that one of them has waited, in steps. */
  longest = 0;
  private readonly under = new Map<TaggedStream, number>();
  private readonly ask: (tag: string) => TaggedStream;
  private readonly depth: number;

  constructor(ask: (tag: string) => TaggedStream, depth: number) {
    this.ask = ask;
    this.depth = depth;
  }

  step(): void {
    for (const [stream, age] of this.under) {
      if (stream.over) {
        this.under.delete(stream);
        this.answered++;
      } else {
        this.under.set(stream, age + 1);
        this.longest = Math.max(this.longest, age + 1);
      }
    }
    while (this.under.size < this.depth) this.under.set(this.ask('x'), 0);
  }
}

t.test('two busy pools, one connection: neither waits for ever', async (t) => {
  const workers = new Workers(1, 1, [1, 2]);
  const crowds = [0, 1].map((host) => new Crowd((tag) => workers.ask(0, tag, host), 3));
  for (let i = 0; i < 2000; i++) {
    for (const crowd of crowds) crowd.step();
    workers.step();
    if (workers.open > 1) t.fail(`${workers.open} connections`);
  }
  const [a, b] = crowds.map(({ answered }) => answered) as [number, number];
  t.ok(a > 300 && b > 300, `${a} and ${b} answered`);
  t.ok(Math.max(...crowds.map(({ longest }) => longest)) < 60, 'within 300 ms');
  const connects = workers.houses[0]!.loop.connects.length;
  t.ok(connects < 300, `${connects} connections made in 10 s: sharing does not mean one connection per request`);
});

t.test('three busy workers, two connections: nobody waits for ever, the limit holds', async (t) => {
  const workers = new Workers(3, 2);
  const crowds = [0, 1, 2].map((worker) => new Crowd((tag) => workers.ask(worker, tag), 4));
  for (let i = 0; i < 2000; i++) {
    for (const crowd of crowds) crowd.step();
    workers.step();
    if (workers.open > 2) t.fail(`${workers.open} connections`);
  }
  for (const [worker, crowd] of crowds.entries()) t.ok(crowd.answered > 200, `worker ${worker}: ${crowd.answered} answered`);
  t.ok(Math.max(...crowds.map(({ longest }) => longest)) < 200, 'within a second');
});

t.test('nobody who waits, nobody who starves: nothing is left in the table', async (t) => {
  const workers = new Workers(2, 1, [1, 2]);
  const streams = [0, 1, 2, 3, 4, 5, 6, 7].map((i) => workers.ask(i % 2, `s${i}`, (i >> 1) % 2));
  t.ok(workers.houses[0]!.breakers.starving(workers.clusters[0]!.breakerRow) >= 2);
  for (let i = 0; i < 200; i++) {
    workers.step();
    if (i % 20 === 0) workers.houses.forEach((house, w) => house.loop.turn(() => workers.clusters[w]!.yieldIdle()));
  }
  t.ok(streams.every(({ over }) => over), streams.map(({ story }) => story).join(' | '));
  for (const house of workers.houses) house.loop.turn(() => house.clusters.get('app')!.drain());
  t.same(workers.houses.map((house) => house.unrest()), [{}, {}]);
  t.same(workers.houses.map((house) => house.loop.timers.size), [0, 0]);
});

t.test('a request that stops waiting no longer counts as one that starves', async (t) => {
  const workers = new Workers(1, 1, [1, 2]);
  workers.ask(0, 'a', 0);
  const b = workers.ask(0, 'b', 1);
  t.equal(workers.houses[0]!.breakers.starving(workers.clusters[0]!.breakerRow), 1);
  workers.houses[0]!.loop.turn(() => b.cancelIn(workers.clusters[0]!.poolFor(workers.clusters[0]!.hosts[1]!, false, false)));
  t.equal(workers.houses[0]!.breakers.starving(workers.clusters[0]!.breakerRow), 0);
});
