// The whole primary with real worker threads (fakes that keep to the protocol) and everything else handed in.

import { mkdtempSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import t from 'tap';
import type { Answer, LookUp } from '../../src/cluster/discovery.ts';
import type { ClusterConfig } from '../../src/config/cluster-snapshot.ts';
import type { Snapshot } from '../../src/config/snapshot.ts';
import type { Loaded, PrimaryOptions } from '../../src/control/primary.ts';
import { Primary, StartError } from '../../src/control/primary.ts';
import { HostTable } from '../../src/shared/host-table.ts';
import type { SharedMemory } from '../../src/control/publisher.ts';
import type { Address } from '../../src/core/address.ts';
import { formatAddress } from '../../src/core/address.ts';
import { systemTimers } from '../../src/core/host-timer.ts';
import type { Plan } from '../../src/shared/plan.ts';
import { ask } from '../support/ask.ts';
import { waitFor } from '../support/deadline.ts';
import { OverloadState } from '../../src/shared/overload.ts';
import { LogProbe } from '../support/log-probe.ts';
import { clusterConfig, listenerConfig, snapshot, withAccessLog } from '../support/snapshots.ts';

class World {
  readonly log = new LogProbe();
  readonly book: string[] = [];
  next: Loaded | Error;
  rehearsal: readonly string[] = [];
  /** Addresses that somebody else holds. */
  readonly taken = new Set<string>();
  private readonly stripes: SharedArrayBuffer[] = [];
  private readonly breakers = new SharedArrayBuffer(64);
  private fds = 100;

  constructor(first: Snapshot) {
    this.next = loaded(first);
  }

  readonly memory: SharedMemory = {
    breakers: this.breakers,
    hosts: this.breakers,
    limits: this.breakers,
    overloadWords: this.breakers,
    overload: new OverloadState(this.breakers),
    connections: () => 0,
    stripe: (index) => (this.stripes[index] ??= new SharedArrayBuffer(64)),
    giveBack: () => undefined,
    zeroGauges: () => undefined,
    takeDescriptors: () => [],
    plan: (_, epoch) => {
      this.book.push(`plan ${epoch}`);
      return { epoch, clusters: {}, listeners: {}, limits: {} };
    },
    commit: (epoch) => this.book.push(`commit ${epoch}`),
    abandon: (epoch) => this.book.push(`abandon ${epoch}`),
    planHosts: (cluster, epoch) => {
      this.book.push(`plan hosts of ${cluster.name} ${epoch}: ${cluster.endpoints.map(({ text }) => text).join()}`);
      if (cluster.endpoints.length > 2) throw new Error('no room');
      return [];
    },
    commitHosts: (cluster) => this.book.push(`commit hosts of ${cluster.name}`),
    ownCells: new Float64Array(0),
    sweep: () => undefined,
    cell: () => 0,
    hostTable: new HostTable(this.breakers),
  };

  primary(part: Partial<PrimaryOptions> = {}): Primary {
    return new Primary({
      version: '0.1.0',
      configPath: null,
      workerScript: new URL('../support/fake-worker.js', import.meta.url),
      logger: this.log.logger,
      timers: systemTimers,
      limits: { stopGraceMs: 500 },
      compile: () => () => true,
      load: async () => {
        if (this.next instanceof Error) throw this.next;
        return this.next;
      },
      rehearse: () => this.rehearsal,
      hire: (config) => ({
        tlsProblem: '',
        engine: 'node',
        cpus: Array<null>(config.workers as number).fill(null),
        memory: this.memory,
        sockets: {
          open: (address, count) => this.open(address, count),
          hold: (address: Address) => ({ address, fds: [] }),
          duplicate: ({ address, fds }) => {
            this.book.push(`duplicate ${formatAddress(address)}`);
            return { address, fds };
          },
          close: ({ address }) => this.book.push(`close ${formatAddress(address)}`),
        },
        closeDescriptors: () => undefined,
        checkHealth: () => ({
          prepare: async () => {
            this.book.push('check health');
            return false;
          },
          commit: () => this.book.push('health committed'),
          abandon: () => this.book.push('health abandoned'),
          close: () => this.book.push('health closed'),
        }),
        stats: (own) => ({ text: () => own().map(({ name, value }) => `${name}: ${value}\n`).join(''), json: () => '', prometheus: () => '', resetCounters: () => undefined }),
      }),
      ...part,
    });
  }

  private open(address: Address, count: number): { address: Address; fds: number[] } {
    const text = formatAddress(address);
    if (this.taken.has(text)) throw Object.assign(new Error(`bind ${text}`), { code: 'EADDRINUSE' });
    this.book.push(`open ${text}`);
    return { address, fds: Array.from({ length: count }, () => this.fds++) };
  }
}

function loaded(config: Snapshot, warnings: string[] = []): Loaded {
  return { config: { snapshot: config, document: {} }, errors: [], warnings };
}

function refused(...errors: string[]): Loaded {
  return { config: null, errors, warnings: [] };
}

/** Why a start was refused. */
async function reasonsOf(start: Promise<void>): Promise<readonly string[]> {
  try {
    await start;
  } catch (error) {
    if (error instanceof StartError) return error.reasons;
    throw error;
  }
  return [];
}

const anyAdmin: Address = { kind: 'ip', host: '127.0.0.1', port: 0 };

t.test('from nothing to live to drained', async (t) => {
  const world = new World(snapshot({ admin: anyAdmin, logLevel: 'trace' }));
  const primary = world.primary();
  t.equal(primary.state, 'PRE_INITIALIZING');
  await primary.start();
  t.equal(primary.state, 'LIVE');
  t.same(primary.announcement(), ['listening on http://127.0.0.1:18080 (edge, node, 2 workers)']);
  const admin = primary.adminAddress!;
  t.equal((await ask(admin, '/ready')).body, 'LIVE\n');
  t.match((await ask(admin, '/stats')).body, /server.live: 1\n[^]*listener_manager.listener_added: 1\n/);
  await ask(admin, '/healthcheck/fail', 'POST');
  t.equal((await ask(admin, '/ready')).status, 503);
  t.match((await ask(admin, '/stats')).body, /server.live: 0\n/);
  await ask(admin, '/healthcheck/ok', 'POST');
  t.equal((await ask(admin, '/ready')).status, 200);
  await primary.drain();
  t.equal(primary.state, 'DRAINING');
  t.same(world.book, ['open 127.0.0.1:18080', 'plan 1', 'check health', 'commit 1', 'health committed', 'health closed', 'close 127.0.0.1:18080']);
  await t.rejects(ask(admin, '/ready'), { code: 'ECONNREFUSED' });
});

t.test('a configuration from a bad file, a failed rehearsal or a port in use starts nothing', async (t) => {
  const world = new World(snapshot());
  world.next = refused('a.json:1:1: one', 'a.json:2:2: two');
  t.same(await reasonsOf(world.primary().start()), ['a.json:1:1: one', 'a.json:2:2: two']);
  world.next = new StartError(['a.json: there is no such file (ENOENT)']);
  t.same(await reasonsOf(world.primary().start()), ['a.json: there is no such file (ENOENT)']);
  world.next = loaded(snapshot());
  world.rehearsal = ['route "x": no'];
  t.same(await reasonsOf(world.primary().start()), ['route "x": no']);
  t.same(world.book, [], 'not even a socket was opened');
  world.rehearsal = [];
  world.taken.add('127.0.0.1:18081');
  world.next = loaded(snapshot({ listeners: [listenerConfig('a', 18080), listenerConfig('127.0.0.1:18081', 18081)] }));
  t.same(await reasonsOf(world.primary().start()), ['listener 127.0.0.1:18081: the address is already in use (EADDRINUSE)']);
  t.same(world.book, ['open 127.0.0.1:18080', 'close 127.0.0.1:18080', 'health closed'], 'what was opened is closed again');
});

t.test('an admin port in use stops the start, and names it', async (t) => {
  const first = new World(snapshot({ admin: anyAdmin }));
  const primary = first.primary();
  await primary.start();
  t.teardown(() => primary.stop());
  const second = new World(snapshot({ admin: primary.adminAddress }));
  t.same(await reasonsOf(second.primary().start()), [`listener "admin" on ${formatAddress(primary.adminAddress!)}: the address is already in use (EADDRINUSE)`]);
});

t.test('workers that refuse stop the start', async (t) => {
  const world = new World({ ...snapshot(), refuse: ['no'] } as Snapshot);
  t.same(await reasonsOf(world.primary().start()), ['no']);
  t.same(world.book, ['open 127.0.0.1:18080', 'plan 1', 'check health', 'health abandoned', 'abandon 1', 'close 127.0.0.1:18080', 'health closed']);
});

t.test('a good reload keeps unchanged sockets, opens new ones, closes those of removed listeners', async (t) => {
  const world = new World(snapshot({ listeners: [listenerConfig('a', 1), listenerConfig('b', 2)] }));
  const primary = world.primary();
  t.teardown(() => primary.stop());
  await primary.start();
  world.book.length = 0;
  world.next = loaded(snapshot({ version: '2', listeners: [listenerConfig('a', 1), listenerConfig('c', 3)] }), ['a warning']);
  t.same(await primary.reload(), { outcome: 'applied', version: '2' });
  t.same(world.book, ['open 127.0.0.1:3', 'plan 2', 'check health', 'commit 2', 'health committed', 'close 127.0.0.1:2']);
  t.ok(world.log.has(/configuration 2 is in effect: listeners: 1 added, 1 removed/));
  t.ok(world.log.has(/a warning/));
  t.same(await primary.reload(), { outcome: 'unchanged' });
});

t.test('a bad reload is reported with every reason, counted, and changes nothing', async (t) => {
  const world = new World(snapshot({ admin: anyAdmin, logLevel: 'info' }));
  const primary = world.primary();
  t.teardown(() => primary.stop());
  await primary.start();
  world.book.length = 0;
  world.next = refused('x.json:1:1: one', 'x.json:2:2: two');
  t.same(await primary.reload(), { outcome: 'rejected', errors: ['x.json:1:1: one', 'x.json:2:2: two'] });
  t.ok(world.log.has(/error the new configuration was rejected, the old one stays in effect:\n {4}x.json:1:1: one\n {4}x.json:2:2: two\n/));
  world.taken.add('127.0.0.1:9');
  world.next = loaded(snapshot({ version: '2', listeners: [listenerConfig('b', 8), listenerConfig('c', 9)] }));
  t.match(await primary.reload(), { outcome: 'rejected', errors: [/listener "c" on 127.0.0.1:9: .*EADDRINUSE/] });
  world.next = loaded({ ...snapshot({ version: '3' }), only: 1, refuse: ['worker says no'] } as Snapshot);
  t.match(await primary.reload(), { outcome: 'rejected', errors: ['worker says no'] });
  world.next = new Error('a bug');
  t.match(await primary.reload(), { outcome: 'rejected', errors: ['a bug'] });
  t.same(world.book, ['open 127.0.0.1:8', 'close 127.0.0.1:8', 'plan 2', 'check health', 'health abandoned', 'abandon 2'], 'nothing is left behind');
  t.equal(primary.published?.snapshot.version, snapshot().version);
  t.match((await ask(primary.adminAddress!, '/stats')).body, /config.update_attempt: 4\nconfig.update_success: 0\nconfig.update_rejected: 4\n/);
});

t.test('what needs a new start is said, what does not is done', async (t) => {
  const world = new World(snapshot({ logLevel: 'info' }));
  const primary = world.primary();
  t.teardown(() => primary.stop());
  await primary.start();
  world.next = loaded(snapshot({ version: '2', workers: 3, pinWorkers: true, listeners: [listenerConfig('edge', 18080, { engine: 'epoll' })], admin: anyAdmin, logLevel: 'debug' }));
  t.match(await primary.reload(), { outcome: 'applied' });
  for (const key of ['workers', 'pinWorkers', 'admin']) t.ok(world.log.has(new RegExp(`warn  /${key} has changed: this takes effect at the next start`)), key);
  t.ok(world.log.has(/listener "edge" asks for the engine epoll: it runs on node until the next start/));
  t.equal(primary.logLevel, 'debug');
  t.equal(primary.workers, 2);
});

t.test('a changed file reloads by itself; watch: false ends that', async (t) => {
  const dir = mkdtempSync(join(tmpdir(), 'nuncio-primary-'));
  t.teardown(() => rmSync(dir, { recursive: true }));
  const file = join(dir, 'a.json');
  writeFileSync(file, '1');
  const world = new World(snapshot({ watch: true, logLevel: 'info' }));
  const primary = world.primary({ configPath: file });
  t.teardown(() => primary.stop());
  await primary.start();
  world.next = loaded(snapshot({ version: '2', watch: true }));
  writeFileSync(`${file}.new`, '22');
  renameSync(`${file}.new`, file);
  await world.log.line(/configuration 2 is in effect/);
  t.equal(primary.published?.snapshot.version, '2');
});

t.test('access logs: unwritable ones are refused, batches arrive, reopening follows a rotation', async (t) => {
  const dir = mkdtempSync(join(tmpdir(), 'nuncio-primary-'));
  t.teardown(() => rmSync(dir, { recursive: true }));
  const path = join(dir, 'a.log');
  const bad = new World(snapshot({ listeners: [withAccessLog(listenerConfig('a', 1), join(dir, 'no', 'a.log'))] }));
  t.match(await reasonsOf(bad.primary().start()), [/access log .* cannot be opened: ENOENT/]);
  const world = new World({ ...snapshot({ listeners: [withAccessLog(listenerConfig('a', 1), path)] }), log: path } as Snapshot);
  const primary = world.primary();
  await primary.start();
  await primary.drain();
  t.same(readFileSync(path, 'utf8').trim().split('\n').sort(), ['line of 0', 'line of 1']);
});

t.test('drain_listeners stops accepting and leaves the admin pages; quitquitquit ends it all', async (t) => {
  const world = new World(snapshot({ admin: anyAdmin, logLevel: 'info' }));
  const primary = world.primary();
  await primary.start();
  const admin = primary.adminAddress!;
  t.equal((await ask(admin, '/drain_listeners', 'POST')).body, 'OK\n');
  t.equal((await ask(admin, '/ready')).body, 'DRAINING\n');
  t.match(await primary.reload(), { outcome: 'rejected', errors: ['the proxy is not running'] });
  t.equal((await ask(admin, '/quitquitquit', 'POST')).body, 'OK\n');
  await world.log.line(/stopped/);
  t.pass('nothing runs');
});

/** Names, and a test that says what they stand for. */
class Names implements LookUp {
  readonly hosts = new Map<string, readonly string[]>();
  readonly waiting: (() => void)[] = [];

  async ask({ name }: { readonly name: string }): Promise<Answer> {
    const hosts = this.hosts.get(name);
    if (hosts === undefined) await new Promise<void>((resolve) => this.waiting.push(resolve));
    return { kind: 'found', addresses: (this.hosts.get(name) ?? []).map((host) => ({ host, ttlMs: 0 })) };
  }

  close(): void {
    for (const resolve of this.waiting.splice(0)) resolve();
  }
}

const found = (name: string, refreshMs = 1): ClusterConfig => clusterConfig(name, [], {
  type: 'strictDns',
  dns: { targets: [{ address: { kind: 'ip', host: `${name}.test`, port: 80 }, text: `${name}.test:80`, hostname: `${name}.test`, weight: 1, priority: 0, zone: '', metadata: [] }], refreshMs, jitterMs: 0, failureRefresh: null, respectTtl: false, lookupFamily: 'auto', resolvers: [] },
});

t.test('names: looked up before the workers begin, and followed from then on', async (t) => {
  const names = new Names();
  names.hosts.set('a.test', ['10.0.0.1']);
  const world = new World(snapshot({ clusters: [found('a'), clusterConfig('plain', [80])] }));
  const places: string[] = [];
  world.memory.plan = (source, epoch) => {
    places.push(...source.clusters.map(({ name, endpoints }) => `${name} ${endpoints.map(({ text }) => text).join()}`));
    return { epoch, clusters: Object.fromEntries(source.clusters.map(({ name }) => [name, { stats: 0, hosts: [] }])), listeners: {} } as unknown as Plan;
  };
  const primary = world.primary({ lookUp: names });
  t.teardown(() => primary.stop());
  const endpoints = (): string => primary.published!.snapshot.clusters.map(({ endpoints }) => endpoints.map(({ text }) => text).join()).join(' ');
  await primary.start();
  t.same(places, ['a 10.0.0.1:80', 'plain 127.0.0.1:80']);
  t.equal(endpoints(), '10.0.0.1:80 127.0.0.1:80');

  world.book.length = 0;
  names.hosts.set('a.test', ['10.0.0.2']);
  await waitFor('the change', () => endpoints() === '10.0.0.2:80 127.0.0.1:80');
  await waitFor('its end', () => world.book.length === 4);
  t.same(world.book, ['plan hosts of a 1: 10.0.0.2:80', 'check health', 'commit hosts of a', 'health committed']);

  // Too many for the memory: reported once, the cluster keeps what it has.
  names.hosts.set('a.test', ['10.0.0.3', '10.0.0.4', '10.0.0.5']);
  await world.log.line(/error cluster "a": 3 endpoints were found, which is too many: no room/);
  names.hosts.set('a.test', ['10.0.0.3', '10.0.0.4']);
  await waitFor('the next change', () => endpoints() === '10.0.0.3:80,10.0.0.4:80 127.0.0.1:80');
  t.equal(world.log.lines.filter((line) => line.includes('too many')).length, 1);

  // A reload brings them along.
  world.next = loaded(snapshot({ version: '2', clusters: [clusterConfig('plain', [81]), found('a')] }));
  t.match(await primary.reload(), { outcome: 'applied' });
  t.equal(endpoints(), '127.0.0.1:81 10.0.0.3:80,10.0.0.4:80');
});

t.test('names: a change during a reload waits for its end, whatever that is', async (t) => {
  const names = new Names();
  names.hosts.set('a.test', ['10.0.0.1']);
  const world = new World(snapshot({ clusters: [found('a')] }));
  world.memory.plan = (source, epoch) => {
    world.book.push(`plan ${epoch}`);
    return { epoch, clusters: Object.fromEntries(source.clusters.map(({ name }) => [name, { stats: 0, hosts: [] }])), listeners: {} } as unknown as Plan;
  };
  const stripe = new Float64Array(world.memory.stripe(1));
  stripe[4] = 1;
  const primary = world.primary({ lookUp: names });
  t.teardown(() => primary.stop());
  await primary.start();
  world.book.length = 0;
  stripe[4] = 0;
  world.next = loaded({ ...snapshot({ version: '2', clusters: [found('a')] }), only: 1, holdPrepare: true, refuse: ['worker says no'] } as Snapshot);
  const reload = primary.reload();
  await waitFor('the worker to prepare', () => stripe[6] === 2);
  names.hosts.set('a.test', ['10.0.0.2']);
  let asked = 0;
  const ask = names.ask.bind(names);
  names.ask = (question) => {
    asked++;
    return ask(question);
  };
  await waitFor('the new answer', () => asked > 3);
  t.same(world.book, ['plan 2', 'check health'], 'nothing goes to the workers');
  stripe[4] = 1;
  t.match(await reload, { outcome: 'rejected' });
  await waitFor('the change', () => world.book.includes('commit hosts of a'));
  t.same(world.book, ['plan 2', 'check health', 'health abandoned', 'abandon 2', 'plan hosts of a 1: 10.0.0.2:80', 'check health', 'commit hosts of a', 'health committed']);
  t.equal(primary.published!.snapshot.version, snapshot().version);
});
