// Requests, cancellations, answers, aborts, closes and time-outs in thousands of random orders, on one worker and on two
// that share the limits. After each run nothing may be counted as under way, no request may be left without an end, and
// no request may have seen a byte of another one's answer.

import assert from 'node:assert/strict';

import t from 'tap';
import type { Cluster } from '../../src/cluster/cluster.ts';
import { Random } from '../../src/core/random.ts';
import type { FakeConn } from '../support/fake-conn.ts';
import { FakeHouse, SharedBreakers } from '../support/fake-house.ts';
import { ManualTime } from '../support/manual-time.ts';
import { clusterConfig } from '../support/snapshots.ts';
import { BY_CLOSE, isTagged, TaggedOrigin } from '../support/tagged-origin.ts';
import { chunkedStream, TaggedStream } from '../support/tagged-stream.ts';

const RUNS = 1000;
const STEPS = 90;

class Worker {
  readonly house: FakeHouse;
  readonly cluster: Cluster;
  readonly origin: TaggedOrigin;
  readonly streams: TaggedStream[] = [];

  constructor(house: FakeHouse, cluster: Cluster, random: Random) {
    this.house = house;
    this.cluster = cluster;
    this.origin = new TaggedOrigin(random);
  }
}

class Run {
  private readonly random: Random;
  private readonly workers: Worker[] = [];
  private readonly time = new ManualTime();
  private readonly limit: number;
  private made = 0;

  constructor(seed: number) {
    const random = (this.random = new Random([seed, Math.imul(seed, 0x9e3779b1), ~seed, 5]));
    const shared = new SharedBreakers();
    this.limit = this.pick([0, 1, 2, 3, 10]);
    const config = clusterConfig('app', [1, 2].slice(0, 1 + random.below(2)), {
      connectTimeoutMs: 300,
      connections: { idleTimeoutMs: this.pick([0, 200]), maxRequests: this.pick([0, 0, 2]) },
      circuitBreakers: { maxConnections: this.limit, maxPendingRequests: this.pick([0, 3, 1024]), maxRequests: this.pick([0, 2, 1024]), maxRetries: 3, high: { maxConnections: this.pick([0, 1, 3]), maxPendingRequests: this.pick([0, 3]), maxRequests: this.pick([0, 2]), maxRetries: 3 } },
      hostLimits: this.pick([null, { maxConnections: this.pick([0, 1, 2]), maxPendingRequests: 0, maxRequests: this.pick([0, 1, 3]), maxRetries: 0 }]),
    });
    for (let i = 0; i < this.pick([1, 2]); i++) {
      const house = new FakeHouse({ time: this.time, shared, seed: seed + i });
      this.workers.push(new Worker(house, house.addCluster(config), random));
    }
  }

  play(): void {
    for (let i = 0; i < STEPS; i++) {
      this.step(this.pick(this.workers));
      this.check();
    }
    this.settle();
  }

  private step(worker: Worker): void {
    const { random } = this;
    const { house } = worker;
    const conn = this.anyConn(worker);
    switch (random.below(16)) {
      case 0:
      case 1:
      case 2:
      case 3:
        return this.ask(worker);
      case 4:
        return this.giveUp(worker);
      case 5:
        return this.sleep([1, 10, 30, 120, 310][random.below(5)]!);
      case 6:
        if (conn?.state === 'open') conn.setRoom(this.pick([0, 1, 20, 1000, Infinity]));
        return;
      case 7:
        return this.disturb(worker, conn);
      case 8:
        return this.upload(worker);
      case 9:
        if (random.below(4) === 0) house.loop.turn(() => worker.cluster.yieldIdle());
        return;
      case 10:
        if (random.below(20) === 0) house.loop.turn(() => worker.cluster.update({ ...worker.cluster.config }, house.planCluster(worker.cluster.config)));
        return;
      default:
        return this.serve(worker, conn);
    }
  }

  private ask(worker: Worker): void {
    const { random } = this;
    const tag = `s${this.made++}`;
    const kind = random.below(6);
    const head = kind === 0 ? `HEAD /${tag} HTTP/1.1\r\nHost: o\r\n\r\n` : kind === 1 ? `POST /${tag} HTTP/1.1\r\nHost: o\r\nContent-Length: 3000\r\n\r\n` : undefined;
    const stream = kind === 2 ? chunkedStream(tag) : new TaggedStream(tag, head === undefined ? {} : { head });
    worker.streams.push(stream);
    worker.house.loop.turn(() => worker.cluster.poolFor(this.pick(worker.cluster.hosts), false, random.below(4) === 0).acquire(stream));
  }

  private giveUp(worker: Worker): void {
    const alive = worker.streams.filter(({ over }) => !over);
    if (alive.length === 0) return;
    const stream = this.pick(alive);
    worker.house.loop.turn(() => {
      if (stream.up !== null) stream.giveUp();
      else for (const { pool, highPool } of worker.cluster.hosts) for (const one of [pool, highPool]) if (one !== null) stream.cancelIn(one);
    });
  }

  private upload(worker: Worker): void {
    const sending = worker.streams.filter((stream) => stream.up !== null && !stream.over && stream.reqBody !== 0 && stream.bytesReceived < 3000);
    if (sending.length === 0) return;
    this.sendMore(worker, this.pick(sending));
  }

  private sendMore(worker: Worker, stream: TaggedStream): void {
    const size = this.pick([1, 100, 3000]);
    const bytes = Math.min(size, 3000 - stream.bytesReceived);
    stream.bytesReceived += bytes;
    worker.house.loop.turn(() => stream.send('u'.repeat(bytes), stream.bytesReceived === 3000));
  }

  private disturb(worker: Worker, conn: FakeConn | undefined): void {
    if (conn === undefined || conn.ended) return;
    const what = this.random.below(8);
    if (conn.state === 'connecting') {
      if (what < 3) conn.connectFail(this.pick(['ECONNREFUSED', 'EHOSTUNREACH']));
    } else if (conn.state === 'open') {
      if (what === 0) conn.breakOff();
      else if (what === 1) conn.end();
      else if (what === 2 && !worker.origin.of(conn).midAnswer) conn.receive(this.pick(['x', 'HTTP/1.1 200 OK\r\n', '\0\0\0']));
    }
  }

  private serve(worker: Worker, conn: FakeConn | undefined): void {
    if (conn === undefined) return;
    if (conn.state === 'connecting') conn.connectOk();
    const origin = worker.origin.of(conn);
    origin.read();
    if (origin.hasAnswer) origin.send(this.pick([1, 10, 100, 100_000]));
  }

  private sleep(ms: number): void {
    for (let left = ms; left > 0; left -= 10) {
      this.time.advance(Math.min(left, 10));
      for (const { house } of this.workers) {
        house.loop.turn(() => {
          house.loop.clock.refresh();
          house.loop.timers.advance(house.loop.clock.now);
        });
      }
    }
  }

  /** What must hold at every moment. */
  private check(): void {
    for (const { streams } of this.workers) {
      for (const stream of streams) {
        const ended = stream.events.at(-1) === 'end';
        const whole = ended && stream.method !== 'HEAD' && stream.status !== BY_CLOSE;
        assert.ok(stream.body === '' && !whole ? true : isTagged(stream.body, stream.tag, whole), `${stream.tag} (${stream.story}) got ${JSON.stringify(stream.body.slice(0, 60))}`);
        if (stream.status !== 0) assert.equal(stream.resHead.get('x-tag') ?? stream.tag, stream.tag, 'the head of another answer');
      }
    }
    const { cluster, house } = this.workers[0]!;
    const open = house.breakers.count(cluster.breakerRow, 0);
    if (this.limit > 0) assert.ok(open <= this.limit, `${open} connections, ${this.limit} allowed`);
  }

  /** The world calms down: everybody is served, everything closes. */
  private settle(): void {
    for (let round = 0; round < 400; round++) {
      for (const worker of this.workers) {
        for (const stream of worker.streams) if (stream.up !== null && !stream.over && stream.reqBody !== 0 && stream.bytesReceived < 3000) this.sendMore(worker, stream);
        for (const conn of worker.house.loop.connects.slice()) {
          if (conn.state === 'open') conn.setRoom(Infinity);
          this.serve(worker, conn);
        }
        worker.house.loop.turn(() => worker.cluster.yieldIdle());
      }
      this.sleep(10);
      if (this.workers.every(({ streams }) => streams.every(({ over }) => over))) break;
    }
    for (const { streams } of this.workers) assert.deepEqual(streams.filter(({ over }) => !over).map(({ tag, story }) => `${tag}: ${story}`), [], 'requests without an end');
    for (const { house, cluster } of this.workers) house.loop.turn(() => cluster.drain());
    for (const { house } of this.workers) {
      // What still connects for nobody closes when it is up.
      for (const conn of house.loop.connects) {
        if (conn.state === 'connecting') conn.connectOk();
      }
    }
    this.check();
    for (const { house } of this.workers) {
      assert.deepEqual(house.unrest(), {});
      assert.equal(house.loop.openConns, 0);
      assert.equal(house.loop.timers.size, 0);
    }
  }

  private anyConn(worker: Worker): FakeConn | undefined {
    const live = worker.house.loop.connects.filter(({ state }) => state === 'open' || state === 'connecting');
    return live.length === 0 ? undefined : this.pick(live);
  }

  private pick<T>(from: readonly T[]): T {
    return from[this.random.below(from.length)]!;
  }
}

t.test('random interleavings leave nothing behind', async (t) => {
  const only = process.env['SEED'];
  const seeds = only === undefined ? Array.from({ length: RUNS }, (_, i) => i + 1) : [Number(only)];
  const failures: string[] = [];
  for (const seed of seeds) {
    try {
      new Run(seed).play();
    } catch (error) {
      if (failures.length < 3) failures.push(`SEED=${seed}: ${error instanceof Error ? error.stack : String(error)}`);
    }
  }
  t.same(failures, []);
});
