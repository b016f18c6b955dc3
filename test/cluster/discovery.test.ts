// Discovery with hand-turned timers and scripted answers: when it asks, what it makes of answers, what it keeps.

import t from 'tap';

import { Discovery } from '../../src/cluster/discovery.ts';
import type { Answer, Question } from '../../src/cluster/dns/look-up.ts';
import type { ClusterConfig, DnsConfig, EndpointConfig } from '../../src/config/cluster-snapshot.ts';
import { formatAddress } from '../../src/core/address.ts';
import { Random } from '../../src/core/random.ts';
import { UPDATE_AT, UPDATE_STATS } from '../../src/observe/upkeep-stats.ts';
import type { Plan } from '../../src/shared/plan.ts';
import { HandTimers } from '../support/hand-timers.ts';
import { clusterConfig } from '../support/snapshots.ts';

/** Draws what a test wants. */
class FixedRandom extends Random {
  next = 0;
  override unit(): number {
    return this.next;
  }
}

class World {
  readonly timers = new HandTimers();
  readonly random = new FixedRandom();
  readonly asked: Question[] = [];
  readonly lines: string[] = [];
  readonly cells = new Float64Array(UPDATE_AT + UPDATE_STATS.length);
  changes = 0;
  closed = false;
  private readonly names = new Map<string, Answer | null>();
  private readonly held: { name: string; resolve: (answer: Answer) => void }[] = [];
  readonly discovery: Discovery;

  constructor() {
    this.discovery = new Discovery({
      timers: this.timers,
      random: this.random,
      lookUp: { ask: (question) => this.answer(question), close: () => (this.closed = true) },
      info: (text) => this.lines.push(`info ${text}`),
      warn: (text) => this.lines.push(`warn ${text}`),
      onChange: () => this.changes++,
    });
  }

  /** The answer of this name from now on, `host` or `host ttl`; null holds questions back until it has one. */
  say(name: string, said: readonly string[] | string | null): void {
    const answer: Answer | null = said === null ? null : typeof said === 'string' ? { kind: 'failed', why: said } : {
      kind: 'found',
      addresses: said.map((text) => ({ host: text.split(' ')[0]!, ttlMs: Number(text.split(' ')[1] ?? 0) * 1000 })),
    };
    this.names.set(name, answer);
    if (answer === null) return;
    for (const one of this.held.filter((held) => held.name === name)) one.resolve(answer);
  }

  private answer(question: Question): Promise<Answer> {
    this.asked.push(question);
    const answer = this.names.get(question.name);
    if (answer === null) return new Promise((resolve) => this.held.push({ name: question.name, resolve }));
    return Promise.resolve(answer ?? { kind: 'failed', why: 'ENOTFOUND' });
  }

  /** Brings a configuration into effect. */
  async start(...clusters: ClusterConfig[]): Promise<void> {
    await this.discovery.warm(clusters);
    this.commit(clusters);
  }

  commit(clusters: readonly ClusterConfig[]): void {
    const plan = { clusters: Object.fromEntries(clusters.map(({ name }) => [name, { stats: 0 }])) } as unknown as Plan;
    this.discovery.commit(plan, this.cells);
  }

  /** What the cluster's names stand for: `text` or `text at address`. */
  endpoints(config: ClusterConfig): string[] {
    const [now = config] = this.discovery.changes([{ ...config, answer: -1 }]);
    return now.endpoints.map(({ text, address }) => (text === formatAddress(address) ? text : `${text} at ${formatAddress(address)}`));
  }

  /** Lets time pass, and what then happens happen. */
  async advance(ms: number): Promise<void> {
    this.timers.advance(ms);
    await settled();
  }

  stats(): Record<string, number> {
    return Object.fromEntries(UPDATE_STATS.flatMap(([name], slot) => (this.cells[UPDATE_AT + slot] === 0 ? [] : [[name, this.cells[UPDATE_AT + slot]!]])));
  }
}

async function settled(): Promise<void> {
  for (let n = 0; n < 20; n++) await Promise.resolve();
}

function target(text: string, part: Partial<EndpointConfig> = {}): EndpointConfig {
  const [host = '', port] = text.split(':');
  return { address: { kind: 'ip', host, port: Number(port) }, text, hostname: /^\d/.test(host) ? '' : host, weight: 1, priority: 0, zone: '', metadata: [], ...part };
}

function named(targets: readonly (string | EndpointConfig)[], dns: Partial<DnsConfig> = {}, part: Partial<ClusterConfig> = {}): ClusterConfig {
  const config: DnsConfig = { targets: targets.map((one) => (typeof one === 'string' ? target(one) : one)), refreshMs: 5000, jitterMs: 0, failureRefresh: null, respectTtl: false, lookupFamily: 'auto', resolvers: [], ...dns };
  return clusterConfig('app', [], { type: 'strictDns', dns: config, ...part });
}

t.test('every address of every name, each once; an order means nothing', async (t) => {
  const world = new World();
  world.say('a.test', ['10.0.0.2', '10.0.0.1', '10.0.0.2']);
  world.say('b.test', ['fd00::1', '10.0.0.1']);
  const config = named(['a.test:80', target('b.test:80', { weight: 3 }), '10.0.0.9:81', '10.0.0.2:80'], { lookupFamily: 'v4Preferred', resolvers: ['1.1.1.1'] });
  await world.start(config);
  t.same(world.asked, ['a.test', 'b.test'].map((name) => ({ name, family: 'v4Preferred', resolvers: ['1.1.1.1'] })));
  t.same(world.endpoints(config), ['10.0.0.1:80', '10.0.0.2:80', '[fd00::1]:80', '10.0.0.9:81']);
  const [now] = world.discovery.changes([config]);
  t.same(now!.endpoints.map(({ hostname, weight }) => `${hostname} ${weight}`), ['a.test 1', 'a.test 1', 'b.test 3', ' 1'], 'weight and name are those of the entry');
  t.same(world.discovery.changes([now!]), [], 'nothing else has changed');
  t.same(world.stats(), { update_attempt: 2, update_success: 2 });

  world.say('a.test', ['10.0.0.1', '10.0.0.2']);
  await world.advance(5000);
  t.same(world.stats(), { update_attempt: 4, update_success: 4, update_no_rebuild: 2 });
  t.same([world.changes, world.discovery.changes([now!])], [0, []], 'a rotated answer is no other one');

  world.say('a.test', ['10.0.0.3']);
  await world.advance(5000);
  t.equal(world.changes, 1);
  t.same(world.endpoints(config), ['10.0.0.3:80', '10.0.0.1:80', '[fd00::1]:80', '10.0.0.9:81', '10.0.0.2:80'], 'what one name leaves, another or the file may have');
  const [then] = world.discovery.changes([now!]);
  t.ok(then!.answer > now!.answer);
});

t.test('the next question comes a refresh after the answer, and jitter later', async (t) => {
  const world = new World();
  world.say('a.test', ['10.0.0.1 2']);
  await world.start(named(['a.test:80'], { refreshMs: 1000, jitterMs: 500 }));
  t.same(world.timers.delays, [1000]);
  world.random.next = 0.999;
  await world.advance(999);
  t.equal(world.asked.length, 1);
  await world.advance(1);
  t.equal(world.asked.length, 2);
  t.same(world.timers.delays, [1499]);
  world.say('a.test', null);
  await world.advance(1499);
  await world.advance(100_000);
  t.equal(world.asked.length, 3, 'one question at a time');
  t.same(world.timers.delays, []);
  world.random.next = 0;
  world.say('a.test', ['10.0.0.1']);
  await settled();
  t.same(world.timers.delays, [1000]);
});

t.test('the time to live, when asked to respect it', async (t) => {
  for (const [said, type, delay] of [
    [['10.0.0.1 60', '10.0.0.2 30'], 'strictDns', 30_000],
    [['10.0.0.1 60', '10.0.0.2 30'], 'logicalDns', 60_000],
    [['10.0.0.1 0'], 'strictDns', 5000],
    [['10.0.0.1 1'], 'strictDns', 1000],
    [[], 'strictDns', 5000],
    [['10.0.0.1 2147483647'], 'strictDns', 2_147_483_647], // 68 years: no timer takes that
  ] as const) {
    const world = new World();
    world.say('a.test', said);
    await world.start(named(['a.test:80'], { respectTtl: true }, { type }));
    t.same(world.timers.delays, [delay], `${type} ${said.join()}`);
  }
});

t.test('failures: what there is stays, and the pauses grow', async (t) => {
  const world = new World();
  const config = named(['a.test:80'], { failureRefresh: { baseMs: 100, maxMs: 1000 } });
  world.say('a.test', ['10.0.0.1']);
  await world.start(config);
  world.say('a.test', 'ESERVFAIL');
  world.random.next = 0.5;
  await world.advance(5000);
  for (const delay of [50, 100, 200, 400, 500, 500]) {
    t.same(world.timers.delays, [delay]);
    await world.advance(delay);
  }
  t.same(world.endpoints(config), ['10.0.0.1:80']);
  t.same(world.lines, ['warn cluster "app": looking up "a.test" failed (ESERVFAIL): the endpoints stay as they are'], 'said once');
  t.same(world.stats(), { update_attempt: 8, update_success: 1, update_failure: 7 });
  world.say('a.test', ['10.0.0.1']);
  await world.advance(500);
  t.same(world.timers.delays, [5000]);
  t.equal(world.lines.at(-1), 'info cluster "app": "a.test" is found again');
  world.say('a.test', 'ETIMEOUT');
  await world.advance(5000);
  t.same(world.timers.delays, [50], 'they begin anew');
  t.equal(world.changes, 0);

  const plain = new World();
  await plain.start(named(['a.test:80'], { refreshMs: 700, jitterMs: 300 }));
  plain.random.next = 0.9;
  t.same(plain.timers.delays, [700], 'without such pauses: the refresh, no jitter');
  t.equal(plain.lines[0], 'warn cluster "app": looking up "a.test" failed (ENOTFOUND): it has no endpoints');
});

t.test('an answer without addresses', async (t) => {
  const world = new World();
  const config = named(['a.test:80']);
  world.say('a.test', ['10.0.0.1']);
  await world.start(config);
  world.say('a.test', []);
  await world.advance(5000);
  t.same(world.endpoints(config), [], 'empties a strict cluster');
  t.same(world.stats(), { update_attempt: 2, update_success: 2, update_empty: 1 });
  t.same(world.lines, ['warn cluster "app": "a.test" has no address any more']);
  await world.advance(5000);
  t.same(world.stats(), { update_attempt: 3, update_success: 3, update_empty: 1, update_no_rebuild: 1 });
  t.equal(world.lines.length, 1);

  const logical = new World();
  const one = named(['a.test:80'], {}, { type: 'logicalDns' });
  logical.say('a.test', ['10.0.0.1']);
  await logical.start(one);
  logical.say('a.test', []);
  await logical.advance(5000);
  t.same(logical.endpoints(one), ['a.test:80 at 10.0.0.1:80'], 'but no logical host');
  t.same(logical.stats(), { update_attempt: 2, update_success: 1, update_failure: 1 });
});

t.test('a logical host is the same host at the first address of each answer', async (t) => {
  const world = new World();
  const config = named(['a.test:80'], {}, { type: 'logicalDns' });
  world.say('a.test', ['10.0.0.2', '10.0.0.1']);
  await world.start(config);
  t.same(world.endpoints(config), ['a.test:80 at 10.0.0.2:80']);
  world.say('a.test', ['10.0.0.1', '10.0.0.2']);
  await world.advance(5000);
  t.same(world.endpoints(config), ['a.test:80 at 10.0.0.1:80']);
  t.equal(world.changes, 1);
});

t.test('a start waits for first answers, but not for ever', async (t) => {
  const world = new World();
  const config = named(['a.test:80', 'b.test:80']);
  world.say('a.test', ['10.0.0.1']);
  world.say('b.test', null);
  let warm = false;
  const start = world.discovery.warm([config]).then(() => (warm = true));
  await settled();
  t.notOk(warm, 'one name has no answer yet');
  await world.advance(4999);
  t.notOk(warm);
  await world.advance(1);
  await start;
  t.same(world.discovery.resolve([config])[0]!.endpoints.map(({ text }) => text), ['10.0.0.1:80'], 'what is known by then');
  t.same(world.lines, ['warn cluster "app": no answer for "b.test" within 5 s: it goes on without']);
  world.commit([config]);
  world.say('b.test', ['10.0.0.2']);
  await settled();
  t.equal(world.changes, 1);
  t.same(world.endpoints(config), ['10.0.0.1:80', '10.0.0.2:80']);
  t.same(world.stats(), { update_attempt: 3, update_success: 3, update_no_rebuild: 1 }, 'counts from before the commit are there');

  const quick = new World();
  await quick.start(clusterConfig('plain', [80]));
  t.same([quick.asked, quick.timers.delays], [[], []], 'without names there is nothing to wait for');
});

t.test('reloads: what is asked in the same way goes on, what is known stays known', async (t) => {
  const world = new World();
  const config = named(['a.test:80']);
  world.say('a.test', ['10.0.0.1']);
  await world.start(config);
  const before = world.discovery.resolve([config]);
  await world.start({ ...config, hash: 'another', connectTimeoutMs: 1 });
  t.equal(world.asked.length, 1, 'nobody is asked');
  t.same(world.timers.delays, [5000]);

  // Other entries: the name is asked for at once, but the start does not wait for it.
  world.say('a.test', null);
  const heavier = named([target('a.test:81', { weight: 2 })], { refreshMs: 100 });
  await world.start(heavier);
  t.equal(world.asked.length, 2);
  t.same(world.endpoints(heavier), ['10.0.0.1:81']);
  t.same(world.timers.delays, [], 'the old question is not repeated');
  t.ok(world.discovery.changes([{ ...heavier, answer: before[0]!.answer }]).length > 0);
  world.say('a.test', ['10.0.0.1']);
  await settled();
  t.same(world.timers.delays, [100]);

  // Other servers may know better.
  world.say('a.test', null);
  const elsewhere = named(['a.test:80'], { resolvers: ['1.1.1.1'] });
  const start = world.start(elsewhere);
  await settled();
  t.same(world.endpoints(heavier), ['10.0.0.1:81'], 'meanwhile the old one is in effect');
  world.say('a.test', ['10.0.0.7']);
  await start;
  t.same(world.endpoints(elsewhere), ['10.0.0.7:80']);
  t.same(world.timers.delays, [5000], 'and only the new one goes on');
});

t.test('a configuration that does not come into effect leaves nothing behind', async (t) => {
  const world = new World();
  const config = named(['a.test:80']);
  const other = named(['b.test:80'], {}, { name: 'other' });
  world.say('a.test', ['10.0.0.1']);
  world.say('b.test', ['10.0.0.2']);
  await world.start(config);
  await world.discovery.warm([config, other]);
  t.equal(world.timers.delays.length, 2);
  world.discovery.abandon();
  t.same(world.timers.delays, [5000]);
  await world.advance(5000);
  t.equal(world.asked.filter(({ name }) => name === 'b.test').length, 1);
  t.equal(world.asked.filter(({ name }) => name === 'a.test').length, 2, 'what is in effect goes on');
  world.say('a.test', null);
  await world.advance(5000);
  world.discovery.close();
  world.say('a.test', ['10.0.0.9']);
  await settled();
  await world.discovery.warm([other]);
  t.same([world.timers.delays, world.changes, world.closed], [[], 0, true], 'after the end nothing happens');
});

t.test('a thousand names', async (t) => {
  const world = new World();
  const names = Array.from({ length: 1000 }, (_, n) => `n${n}.test`);
  for (const name of names) world.say(name, [`10.0.${name.length}.${names.indexOf(name) % 250}`]);
  const config = named(names.map((name) => `${name}:80`));
  await world.start(config);
  t.equal(world.asked.length, 1000);
  t.equal(new Set(world.endpoints(config)).size, world.endpoints(config).length);
});

