// The whole road of a worker, callers' bytes to upstreams' bytes, in thousands of random orders: requests in pieces and
// pipelined, answers in pieces, full sockets on either side, aborts, resets and time-outs at every stage. No answer may
// hold a byte of another, nothing may be left under way, and no caller may be left waiting who did not have to.

import assert from 'node:assert/strict';

import t from 'tap';
import type { ForwardConfig } from '../../src/config/snapshot.ts';
import { Random } from '../../src/core/random.ts';
import * as S from '../../src/observe/stat-names.ts';
import { forward, matching, redirecting, route } from '../route/request.ts';
import type { FakeConn } from '../support/fake-conn.ts';
import { FakeHouse, type FakeDoor } from '../support/fake-house.ts';
import { retryConfig } from '../support/retry-config.ts';
import { clusterConfig } from '../support/snapshots.ts';
import { TaggedClient } from '../support/tagged-client.ts';
import { TaggedOrigin } from '../support/tagged-origin.ts';

const RUNS = 1000;
const STEPS = 120;
/** What must have come up among all the runs. */
const MET: readonly (readonly [what: string, slot: number])[] = [
  ['retried', S.UP_RQ_RETRY],
  ['retried with success', S.UP_RQ_RETRY_SUCCESS],
  ['retried too often', S.UP_RQ_RETRY_LIMIT_EXCEEDED],
  ['no retry left', S.UP_RQ_RETRY_OVERFLOW],
  ['one try timed out', S.UP_RQ_PER_TRY_TIMEOUT],
  ['one try was silent', S.UP_RQ_PER_TRY_IDLE_TIMEOUT],
  ['too large to be sent again', S.UP_RETRY_OR_SHADOW_ABANDONED],
];

class Run {
  private readonly random: Random;
  private readonly house: FakeHouse;
  private readonly door: FakeDoor;
  private readonly origin: TaggedOrigin;
  private readonly clients: TaggedClient[] = [];
  private made = 0;

  constructor(seed: number) {
    this.random = new Random([seed, Math.imul(seed, 0x9e3779b1), ~seed, 5]);
    this.house = new FakeHouse({ seed });
    this.origin = new TaggedOrigin(this.random, this.pick([0, 4]));
    this.house.addCluster(clusterConfig('app', [1, 2].slice(0, this.pick([1, 2])), {
      connectTimeoutMs: 300,
      connections: { idleTimeoutMs: this.pick([0, 200]), maxRequests: this.pick([0, 0, 2]) },
      circuitBreakers: { maxConnections: this.pick([0, 1, 2, 10]), maxPendingRequests: this.pick([0, 3]), maxRequests: this.pick([0, 2]), maxRetries: this.pick([3, 1, 0]) },
    }));
    const log = { path: '/log', format: '%REQ(HOST)% %RESP(X-TAG)% %TRAILER(X-END)% %RESPONSE_CODE%\n', json: null, filter: null };
    const routes = [
      route('away', matching({ kind: 'prefix', value: '/away' }), redirecting({ path: '/' })),
      route('all', matching({ kind: 'prefix', value: '/' }), forward({ timeoutMs: this.pick([15_000, 15_000, 150]), ...this.policy() })),
    ];
    this.door = this.house.addListener(routes, {
      maxRequestBodyBytes: this.pick([0, 0, 20_000]),
      accessLog: this.random.below(2) === 0 ? [] : [log],
    });
  }

  /** Half of the runs try again what fails, and half of those let tries race. */
  private policy(): Partial<ForwardConfig> {
    const on = this.pick([[], ['5xx'], ['reset', 'retriable-4xx'], ['connect-failure', 'gateway-error']]);
    if (this.random.below(2) === 0) return {};
    const perTryTimeoutMs = this.pick([0, 20, 60]);
    const part = { on, attempts: this.pick([1, 3]), perTryTimeoutMs, perTryIdleTimeoutMs: this.pick([0, 0, 80]), maxReplayBodyBytes: this.pick([0, 100, 1_000_000]), previousHosts: this.random.below(2) === 0 };
    return { retry: retryConfig(part), hedgeOnPerTryTimeout: perTryTimeoutMs > 0 && this.random.below(2) === 0 };
  }

  play(): void {
    for (let i = 0; i < STEPS; i++) {
      this.step();
      for (const client of this.clients) client.read();
    }
    this.settle();
  }

  private step(): void {
    const { random } = this;
    const client = this.clients.length === 0 ? undefined : this.pick(this.clients);
    const conn = this.anyConn();
    switch (random.below(20)) {
      case 0:
        if (this.clients.length < 5) this.clients.push(new TaggedClient(this.door.connect(), random));
        return;
      case 1:
      case 2:
      case 3:
        if (client?.isOpen === true) client.ask(`${random.below(12) === 0 ? 'away' : 'c'}${this.made++}`);
        return;
      case 4:
      case 5:
      case 6:
      case 7:
        return client?.send(this.pick([1, 7, 60, 100_000]));
      case 8:
        return this.sleep(this.pick([1, 10, 50, 160]));
      case 9:
        return this.disturb(client?.conn, false);
      case 10:
        return this.disturb(conn, true);
      case 11:
        if (client?.isOpen === true) client.conn.setRoom(this.pick([0, 1, 30, 1000, Infinity]));
        return;
      case 12:
        if (conn?.state === 'open') conn.setRoom(this.pick([0, 1, 30, 1000, Infinity]));
        return;
      default:
        return this.serve(conn);
    }
  }

  private disturb(conn: FakeConn | undefined, up: boolean): void {
    if (conn === undefined || conn.ended || this.random.below(3) > 0) return;
    const what = this.random.below(up ? 3 : 2);
    if (conn.state === 'connecting') conn.connectFail('ECONNREFUSED');
    else if (conn.state === 'open' && what === 0) conn.breakOff();
    else if (conn.state === 'open' && what === 1) conn.end();
    else if (conn.state === 'open' && !this.origin.of(conn).midAnswer) conn.receive('HTTP/1.1 nonsense\r\n\r\n');
  }

  private serve(conn: FakeConn | undefined): void {
    if (conn === undefined) return;
    if (conn.state === 'connecting') conn.connectOk();
    const origin = this.origin.of(conn);
    origin.read();
    if (origin.hasAnswer) origin.send(this.pick([1, 10, 100, 100_000]));
  }

  private sleep(ms: number): void {
    this.house.loop.advance(ms);
  }

  /** Everybody sends what is left to send, reads everything and answers everything; hardly any time passes. */
  private settle(): void {
    this.calm();
    for (const client of this.clients) if (client.isOpen) client.ask(`last${this.made++}`);
    this.calm();
    for (const client of this.clients) {
      client.read();
      if (client.isOpen) client.conn.end();
    }
    this.house.loop.turn(() => this.house.clusters.get('app')!.drain());
    for (const conn of this.house.loop.connects) if (conn.state === 'connecting') conn.connectOk();
    this.sleep(3000); // lingering ends
    assert.deepEqual(this.house.unrest(), {});
    assert.equal(this.house.loop.openConns, 0);
    this.checkFlow();
  }

  clusterStat(slot: number): number {
    return this.house.cells[this.house.clusters.get('app')!.stats + slot]!;
  }

  /** Everything that was paused has been let go. */
  private checkFlow(): void {
    const up = (slot: number): number => this.clusterStat(slot);
    assert.equal(this.door.stat(S.DOWN_FLOW_PAUSED_READING), this.door.stat(S.DOWN_FLOW_RESUMED_READING));
    assert.equal(up(S.UP_FLOW_PAUSED_READING), up(S.UP_FLOW_RESUMED_READING));
    assert.equal(up(S.UP_FLOW_BACKED_UP), up(S.UP_FLOW_DRAINED));
  }

  private calm(): void {
    let waiting: TaggedClient[] = [];
    for (let round = 0; round < 300; round++) {
      for (const client of this.clients) {
        if (client.conn.state !== 'closed') client.conn.setRoom(Infinity);
        client.send(100_000);
        client.read();
      }
      for (const conn of this.house.loop.connects.slice()) {
        if (conn.state === 'open') conn.setRoom(Infinity);
        this.serve(conn);
      }
      this.sleep(10);
      waiting = this.clients.filter((client) => client.isOpen && (client.unanswered > 0 || client.hasUnsent));
      if (waiting.length === 0) return;
    }
    const one = waiting[0]!;
    assert.fail(`${waiting.length} callers wait for ever, one for answer ${one.answers.length + 1}; paused: ${one.conn.paused}; ${JSON.stringify(this.house.unrest())}`);
  }

  private anyConn(): FakeConn | undefined {
    const live = this.house.loop.connects.filter(({ state }) => state === 'open' || state === 'connecting');
    return live.length === 0 ? undefined : this.pick(live);
  }

  private pick<T>(from: readonly T[]): T {
    return from[this.random.below(from.length)]!;
  }
}

t.test('random journeys leave nothing behind', async (t) => {
  const only = process.env['SEED'];
  const seeds = only === undefined ? Array.from({ length: RUNS }, (_, i) => i + 1) : [Number(only)];
  const failures: string[] = [];
  let failed = 0;
  const seen = MET.map(() => 0);
  for (const seed of seeds) {
    try {
      const run = new Run(seed);
      run.play();
      MET.forEach(([, slot], i) => (seen[i]! += run.clusterStat(slot)));
    } catch (error) {
      failed++;
      if (failures.length < 4) failures.push(`SEED=${seed}: ${error instanceof Error ? error.stack : String(error)}`);
    }
  }
  t.same(failures, [], `${failed} runs failed`);
  if (only === undefined) MET.forEach(([what], i) => t.ok(seen[i]! > 5, `${what} ${seen[i]} times`));
});
