// Random interleavings of requests, answers, resets, GOAWAYs and broken connections over HTTP/2. Every body carries the
// tag of its request: whatever happens, nobody gets another's bytes, nobody is forgotten, and nothing stays held.

import t from 'tap';
import { Random } from '../../src/core/random.ts';
import { FakeHouse } from '../support/fake-house.ts';
import type { FakeConn } from '../support/fake-conn.ts';
import { data, END_HEADERS, END_STREAM, FrameLog, goaway, headers, PREFACE, rst, settings, T } from '../support/h2-bytes.ts';
import { clusterConfig } from '../support/snapshots.ts';
import { chunkedStream, TaggedStream } from '../support/tagged-stream.ts';

const MAX_CONCURRENT = 3;
const STEPS = 300;
const SEEDS = 60;

/** A host that answers each request with its own path. */
class EchoHost {
  readonly conn: FakeConn;
  private readonly log = new FrameLog();
  private prefaceSeen = false;
  private greeted = false;
  private lastId = 0;
  private leaving = false;
  /** Requests that want an answer, and how far it is. */
  readonly open = new Map<number, { path: string; begun: boolean }>();

  constructor(conn: FakeConn) {
    this.conn = conn;
  }

  get alive(): boolean {
    return this.conn.state === 'open';
  }

  read(): void {
    let bytes = this.conn.takeSent();
    if (!this.prefaceSeen && bytes.length > 0) {
      bytes = bytes.subarray(PREFACE.length);
      this.prefaceSeen = true;
    }
    for (const { type, id, fields } of this.log.add(bytes)) {
      if (type === T.RST) this.open.delete(id);
      if (type !== T.HEADERS || !fields.some(([name]) => name === ':path') || this.leaving) continue;
      this.lastId = id;
      this.open.set(id, { path: fields.find(([name]) => name === ':path')![1], begun: false });
    }
  }

  act(random: Random): void {
    if (this.conn.state === 'connecting') {
      if (random.below(8) === 0) this.conn.connectFail('ECONNREFUSED');
      else this.conn.connectOk();
      return;
    }
    if (!this.alive) return;
    if (!this.greeted) {
      this.greeted = true;
      this.conn.receive(settings([MAX_CONCURRENT, 1 + random.below(6)]));
      return;
    }
    this.read();
    const choice = random.below(40);
    if (choice === 0) this.conn.breakOff();
    else if (choice === 1) this.conn.end();
    else if (choice === 2) this.leave(random);
    else this.answerOne(random, choice);
  }

  private leave(random: Random): void {
    if (this.leaving) return;
    const last = Math.max(0, this.lastId - 2 * random.below(3));
    this.leaving = true;
    for (const id of this.open.keys()) if (id > last) this.open.delete(id);
    this.conn.receive(goaway(last));
  }

  private answerOne(random: Random, choice: number): void {
    const ids = [...this.open.keys()];
    if (ids.length === 0) return;
    const id = ids[random.below(ids.length)]!;
    const one = this.open.get(id)!;
    if (choice < 7) {
      this.open.delete(id);
      this.conn.receive(rst(id, choice < 5 ? 7 : 2));
    } else if (!one.begun && random.below(3) > 0) {
      one.begun = true;
      this.conn.receive(Buffer.concat([headers(id, [[':status', '200']], END_HEADERS), data(id, `${one.path}>`, false)]));
    } else {
      this.open.delete(id);
      const end = random.below(2) === 0 ? data(id, `${one.path}.`) : Buffer.concat([data(id, `${one.path}.`, false), headers(id, [['t', 'x']], END_HEADERS | END_STREAM)]);
      this.conn.receive(one.begun ? end : Buffer.concat([headers(id, [[':status', '200']], END_HEADERS), end]));
    }
  }
}

t.test('interleavings', async (t) => {
  let answered = 0;
  let again = 0;
  for (let seed = 1; seed <= SEEDS; seed++) {
    const random = new Random([seed, seed * 7919, ~seed, 5]);
    const house = new FakeHouse({ seed });
    const cluster = house.addCluster(clusterConfig('app', [13_000], {
      protocol: 'http2',
      circuitBreakers: { maxConnections: 1 + random.below(3), maxPendingRequests: 20, maxRequests: 20, maxRetries: 3 },
      connections: { idleTimeoutMs: 500, maxRequests: random.below(3) === 0 ? 4 : 0 },
    }));
    const pool = cluster.poolFor(cluster.hosts[0]!, false, false);
    const hosts: EchoHost[] = [];
    const streams: TaggedStream[] = [];
    const refused = new Set<TaggedStream>();
    const ask = (): void => {
      const tag = `${seed}-${streams.length}`;
      const stream = random.below(3) === 0 ? chunkedStream(tag, [`up ${tag}`]) : new TaggedStream(tag);
      stream.onEvent = (event) => {
        if (event === 'refused') refused.add(stream);
      };
      streams.push(stream);
      house.loop.turn(() => pool.acquire(stream));
    };
    const retry = (): void => {
      for (const stream of refused) {
        refused.delete(stream);
        again++;
        house.loop.turn(() => pool.acquire(stream));
      }
    };
    for (let step = 0; step < STEPS; step++) {
      for (let i = hosts.length; i < house.loop.connects.length; i++) hosts.push(new EchoHost(house.loop.connects[i]!));
      retry();
      const choice = random.below(10);
      if (choice < 3) ask();
      else if (choice === 3 && streams.length > 0) {
        const stream = streams[random.below(streams.length)]!;
        if (!stream.over) house.loop.turn(() => (stream.up === null ? stream.cancelIn(pool) : stream.giveUp()));
      } else if (choice === 4) house.loop.advance(random.below(4) * 10);
      else if (hosts.length > 0) hosts[random.below(hosts.length)]!.act(random);
    }
    house.loop.turn(() => pool.drain());
    for (let round = 0; round < 400 && streams.some(({ over }) => !over); round++) {
      for (let i = hosts.length; i < house.loop.connects.length; i++) hosts.push(new EchoHost(house.loop.connects[i]!));
      retry();
      for (const host of hosts) host.act(random);
      house.loop.advance(20);
    }
    for (const stream of streams) {
      const path = `/${stream.tag}`;
      if (!['', `${path}>`, `${path}>${path}.`, `${path}.`].includes(stream.body)) t.fail(`seed ${seed}: ${stream.tag} got ${stream.body}`);
      if (!stream.over) t.fail(`seed ${seed}: ${stream.tag} was forgotten: ${stream.story}`);
      if (stream.story.endsWith('end')) answered++;
      if (stream.story.endsWith('end') && !stream.body.endsWith(`${path}.`)) t.fail(`seed ${seed}: ${stream.tag} is cut: ${stream.body}`);
    }
    house.loop.advance(10_000);
    for (const host of hosts) if (host.alive) host.conn.end();
    house.loop.advance(100);
    const unrest = house.unrest();
    if (Object.keys(unrest).length > 0) t.fail(`seed ${seed}: ${JSON.stringify(unrest)}`);
  }
  t.ok(answered > 1000, `${answered} answered`);
  t.ok(again > 50, `${again} made again`);
});
