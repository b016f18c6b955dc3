// A worker's two-phase change of configuration, drain and end, on a loop without sockets.

import t from 'tap';
import type { HttpConfig, Snapshot } from '../src/config/snapshot.ts';
import type { FromWorker, ListenSocket } from '../src/control/worker-messages.ts';
import { SHAPES } from '../src/observe/shapes.ts';
import { BreakerTable } from '../src/shared/breaker-table.ts';
import { SharedState } from '../src/shared/registry.ts';
import { Stripe } from '../src/shared/stripe.ts';
import { WorkerRuntime } from '../src/worker-runtime.ts';
import { forward, matching, route, virtualHost } from './route/request.ts';
import type { FakeConn } from './support/fake-conn.ts';
import { FakeLoop } from './support/fake-loop.ts';
import { clusterConfig, listenerConfig, snapshot, withAccessLog } from './support/snapshots.ts';

class Stage {
  readonly loop = new FakeLoop();
  readonly sent: FromWorker[] = [];
  readonly runtime: WorkerRuntime;
  readonly state = new SharedState(SHAPES);
  private epoch = 0;

  constructor() {
    const stripe = new Stripe(this.state.stripe(0));
    this.runtime = new WorkerRuntime({
      loop: this.loop,
      stripe,
      breakers: new BreakerTable(this.state.breakers, stripe.held),
      hostTable: this.state.hostTable,
      limitWords: new Int32Array(this.state.limits),
      overload: this.state.overload,
      makeNodeLoop: () => new FakeLoop(),
      variables: {},
      send: (message) => this.sent.push(message),
    });
  }

  /** Phase one; with `own` the worker binds by itself, otherwise the primary has made the sockets. */
  async prepare(config: Snapshot, own = false): Promise<readonly string[]> {
    const plan = this.state.plan(config, ++this.epoch);
    const sockets: Record<string, ListenSocket> = {};
    for (const { name, address } of config.listeners) sockets[name] = { address, fd: own ? -1 : 7 };
    const answer = await this.runtime.prepare(this.epoch, config, plan, { sockets, ticketKeys: [] });
    return answer.type === 'prepared' ? answer.errors : ['no answer'];
  }

  async commit(): Promise<void> {
    await this.runtime.commit(this.epoch);
  }

  async load(config: Snapshot, own = false): Promise<void> {
    t.same(await this.prepare(config, own), []);
    await this.commit();
  }

  abandon(): void {
    this.runtime.abandon(this.epoch);
  }

  connect(listener = 0): FakeConn {
    return this.loop.accept(this.loop.listeners[listener]!.accept)!;
  }

  /** What a caller of this path gets from whoever answers. */
  ask(conn: FakeConn, path = '/'): string {
    conn.receive(`GET ${path} HTTP/1.1\r\nHost: a\r\n\r\n`);
    const up = this.loop.connects.at(-1);
    if (up?.state === 'connecting') up.connectOk();
    if (up?.state === 'open' && up.takeSent().length > 0) up.receive('HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nup');
    return conn.takeSent().toString('latin1');
  }

  logText(): string {
    return this.sent.map((one) => (one.type === 'accessLog' ? Buffer.from(one.bytes).toString() : '')).join('');
  }
}

const routed = (cluster: string): HttpConfig['virtualHosts'] =>
  [virtualHost('all', ['*'], [route('all', matching({ kind: 'prefix', value: '/' }), forward({ clusters: [{ name: cluster, weight: 1 }] }))])];

function config(changes: { serverName?: string; ports?: readonly number[]; cluster?: string; listeners?: readonly string[] } = {}): Snapshot {
  const cluster = changes.cluster ?? 'app';
  const listeners = (changes.listeners ?? ['edge']).map((name, i) => {
    const base = listenerConfig(name, 18_080 + i);
    return { ...base, http: { ...base.http, serverName: changes.serverName ?? 'nuncio', virtualHosts: routed(cluster) } };
  });
  return snapshot({ listeners, clusters: [clusterConfig(cluster, changes.ports ?? [1])] });
}

t.test('nothing listens before it is committed, where the primary holds the sockets', async (t) => {
  const stage = new Stage();
  t.same(await stage.prepare(config()), []);
  t.equal(stage.loop.listeners.length, 0);
  await stage.commit();
  t.equal(stage.loop.listeners.length, 1);
  t.match(stage.ask(stage.connect()), /^HTTP\/1\.1 200 OK\r\n[^]*\r\n\r\nup$/);
});

t.test('a change takes effect for connections that live on, and keeps listener and pools', async (t) => {
  const stage = new Stage();
  await stage.load(config());
  const caller = stage.connect();
  stage.ask(caller);
  await stage.load(config({ serverName: 'second' }));
  t.equal(stage.loop.listeners.length, 1);
  t.match(stage.ask(caller), /\r\nserver: second\r\n/);
  t.equal(stage.loop.connects.length, 1, 'the pool is the same');
  await stage.load(config({ ports: [2] }));
  t.equal(stage.loop.connects[0]!.state, 'closed', 'its host is gone');
  t.match(stage.ask(caller), /up$/);
  t.equal(stage.loop.targets[1], '127.0.0.1:2');
});

t.test('a request under way keeps the configuration it began with', async (t) => {
  const stage = new Stage();
  await stage.load(config({ serverName: 'first' }));
  const caller = stage.connect();
  caller.receive('GET / HTTP/1.1\r\nHost: a\r\n\r\n');
  stage.loop.connects[0]!.connectOk();
  await stage.load(config({ serverName: 'second', cluster: 'other', ports: [9] }));
  stage.loop.connects[0]!.receive('HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nup');
  t.match(caller.takeSent().toString(), /\r\nserver: first\r\n/);
  t.equal(stage.loop.connects[0]!.state, 'closed', 'the old cluster has drained');
  t.match(stage.ask(caller), /\r\nserver: second\r\n/);
  t.equal(stage.loop.targets[1], '127.0.0.1:9');
});

t.test('what was prepared and abandoned changes nothing', async (t) => {
  const stage = new Stage();
  await stage.load(config(), true);
  const caller = stage.connect();
  stage.ask(caller);
  t.same(await stage.prepare(config({ serverName: 'second', ports: [2], listeners: ['edge', 'more'] }), true), []);
  t.equal(stage.loop.listeners.length, 2, 'the new listener is bound to be sure that it can be');
  stage.abandon();
  t.same(stage.loop.listeners.map(({ stopped }) => stopped), [false, true]);
  t.equal(caller.state, 'open');
  t.match(stage.ask(caller), /\r\nserver: nuncio\r\n/);
  t.match(stage.ask(stage.connect()), /up$/);
  await t.rejects(stage.commit(), { message: /was not prepared/ });
});

t.test('an address that cannot be had is told in phase one, and the rest goes on', async (t) => {
  const stage = new Stage();
  await stage.load(config(), true);
  stage.loop.listenError = 'EADDRINUSE';
  t.same(await stage.prepare(config({ listeners: ['edge', 'taken'] }), true), ['listener "taken": EADDRINUSE']);
  stage.loop.listenError = '';
  t.equal(stage.loop.listeners[0]!.stopped, false);
  t.match(stage.ask(stage.connect()), /up$/);
  await stage.load(config({ listeners: ['edge', 'taken'] }), true);
  t.equal(stage.loop.listeners.length, 2);
});

t.test('a listener that is gone stops and drains', async (t) => {
  const stage = new Stage();
  await stage.load(config({ listeners: ['edge', 'old'] }));
  const idle = stage.connect(1);
  stage.ask(idle);
  const busy = stage.connect(1);
  busy.receive('GET / HTTP/1.1\r\nHost: a\r\n\r\n');
  await stage.load(config({ listeners: ['edge'] }));
  t.same(stage.loop.listeners.map(({ stopped }) => stopped), [false, true]);
  t.equal(idle.peerSees, 'fin');
  stage.loop.connects.at(-1)!.receive('HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nup');
  t.match(busy.takeSent().toString(), /\r\nconnection: close\r\n/);
});

t.test('drain: what is under way is answered, then it is over', async (t) => {
  const stage = new Stage();
  await stage.load(config());
  const idle = stage.connect();
  stage.ask(idle);
  const busy = stage.connect();
  busy.receive('GET / HTTP/1.1\r\nHost: a\r\n\r\n');
  let over = false;
  const drained = stage.runtime.drain(60_000).then(() => (over = true));
  await Promise.resolve();
  t.equal(stage.loop.listeners[0]!.stopped, true);
  t.equal(idle.peerSees, 'fin');
  t.equal(over, false);
  stage.loop.connects[0]!.receive('HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nup');
  t.match(busy.takeSent().toString(), /\r\nconnection: close\r\n[^]*up$/);
  busy.end();
  stage.loop.advance(200);
  await drained;
});

t.test('drain: when time is over, what is left is cut off', async (t) => {
  const stage = new Stage();
  await stage.load(snapshot({ listeners: [withAccessLog(config().listeners[0]!, '/log')], clusters: config().clusters }));
  const busy = stage.connect();
  busy.receive('GET /long HTTP/1.1\r\nHost: a\r\n\r\n');
  const drained = stage.runtime.drain(1000);
  stage.loop.advance(900);
  t.equal(busy.peerSees, 'open');
  stage.loop.advance(300);
  await drained;
  t.equal(busy.peerSees, 'reset');
  stage.runtime.close();
  t.match(stage.logText(), /"GET \/long HTTP\/1\.1" 0 DC /, 'and its line is not lost');
});

t.test('drain without a listener, or before any configuration', async (t) => {
  await new Stage().runtime.drain(1000);
  const stage = new Stage();
  await stage.load(snapshot({ listeners: [], clusters: [] }));
  await stage.runtime.drain(1000);
  t.pass();
});

t.test('logs are flushed on a tick', async (t) => {
  const stage = new Stage();
  await stage.load(snapshot({ listeners: [withAccessLog(config().listeners[0]!, '/log')], clusters: config().clusters }));
  stage.ask(stage.connect());
  t.equal(stage.logText(), '');
  stage.loop.advance(1300);
  t.match(stage.logText(), /"GET \/ HTTP\/1\.1" 200 - 0 2 /);
});
