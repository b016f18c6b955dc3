// Limits on houses that share their memory, as workers do, with time that stands still until it is moved.

import t, { type Test } from 'tap';
import { buildFilters, buildRouteFilters } from '../../src/config/build/filters.ts';
import type { FilterDocument, RouteFiltersDocument } from '../../src/config/document.ts';
import type { RouteConfig } from '../../src/config/snapshot.ts';
import { RATE_ENABLED, RATE_ENFORCED, RATE_LIMITED, RATE_OK, ADMISSION_FAILURE, ADMISSION_REJECTED, ADMISSION_SUCCESS, CONCURRENCY_BLOCKED } from '../../src/observe/limit-stats.ts';
import { forward, matching, route } from '../route/request.ts';
import type { FakeConn } from '../support/fake-conn.ts';
import { FakeHouse, SharedBreakers, type FakeDoor } from '../support/fake-house.ts';
import { ManualTime } from '../support/manual-time.ts';
import { one, readMessages, type Message } from '../support/message-text.ts';
import { clusterConfig } from '../support/snapshots.ts';

const LOG = { path: '/log', format: '%RESPONSE_CODE% %RESPONSE_FLAGS% %RESPONSE_CODE_DETAILS% %ROUTE_NAME% %UPSTREAM_CLUSTER%\n', json: null, filter: null };
/** Callers stay connected. */
const CONNECTIONS = / (?:\w+_)?cx(?:_|$)/;
const PLACE = { statPrefix: 'edge', path: ['edge'] };

/** Several workers with the same listener. */
class Crew {
  readonly time = new ManualTime();
  readonly shared = new SharedBreakers();
  readonly doors: FakeDoor[];
  private turn = 0;

  constructor(workers: number, filters: readonly FilterDocument[], routes: (above: ReturnType<typeof buildFilters>) => readonly RouteConfig[] = own) {
    const built = buildFilters(filters, PLACE);
    this.doors = Array.from({ length: workers }, (_, i) => {
      const house = new FakeHouse({ time: this.time, shared: this.shared, seed: i + 1 });
      house.addCluster(clusterConfig('app', [13_000]));
      return house.addListener(routes(built), { filters: built, accessLog: [LOG] });
    });
  }

  /** The next worker's turn. */
  get door(): FakeDoor {
    return this.doors[this.turn++ % this.doors.length]!;
  }

  ask(path = '/', fields = '', address?: string): Message {
    const caller = this.door.connect(address);
    caller.receive(`GET ${path} HTTP/1.1\r\nHost: here\r\n${fields}\r\n`);
    return readMessages(caller.takeSent().toString('latin1'), ['GET']).messages[0]!;
  }

  /** How many of so many requests got through. */
  passed(times: number, path?: string, fields?: string, address?: string): number {
    let passed = 0;
    for (let i = 0; i < times; i++) if (this.ask(path, fields, address).line.includes(' 200 ')) passed++;
    return passed;
  }

  /** Over all workers. */
  stat(kind: string, slot: number): number {
    return this.doors.reduce((sum, { house }) => sum + house.cells[house.limits.get(kind)!.stats + slot]!, 0);
  }

  advance(ms: number): void {
    this.doors[0]!.house.loop.advance(ms);
    for (const { house } of this.doors.slice(1)) house.loop.turn(() => house.loop.clock.refresh());
  }

  rests(t: Test): void {
    for (const { house } of this.doors) t.same(Object.keys(house.unrest()).filter((name) => !CONNECTIONS.test(name)), []);
  }
}

function own(): RouteConfig[] {
  return [route('own', matching({ kind: 'prefix', value: '/' }), { kind: 'respond', status: 200, headers: [], body: 'own' })];
}

function through(): RouteConfig[] {
  return [route('through', matching({ kind: 'prefix', value: '/' }), forward({ timeoutMs: 1000 }))];
}

t.test('ten tokens, a hundred requests at once over four workers: ten pass', async (t) => {
  const crew = new Crew(4, [{ localRateLimit: { maxTokens: 10, fillInterval: '1s' } }]);
  t.equal(crew.passed(100), 10);
  const refused = crew.ask();
  t.equal(refused.line, 'HTTP/1.1 429 Too Many Requests');
  t.equal(refused.body, 'local_rate_limited');
  t.equal(one(refused.fields, 'x-envoy-ratelimited'), 'true');
  t.equal(one(refused.fields, 'content-type'), 'text/plain');
  t.same(crew.doors[0]!.house.takeLog().at(-1), '429 RL local_rate_limited own -');
  t.same([RATE_ENABLED, RATE_OK, RATE_LIMITED, RATE_ENFORCED].map((slot) => crew.stat('localRateLimit', slot)), [101, 10, 91, 91]);
  crew.advance(500);
  t.equal(crew.passed(100), 5, 'half a second later half of them are back');
  crew.advance(60_000);
  t.equal(crew.passed(100), 10);
  crew.rests(t);
});

t.test('what a refusal says, and what every caller is told where it is asked for', async (t) => {
  const crew = new Crew(2, [{ localRateLimit: { maxTokens: 2, tokensPerFill: 1, fillInterval: '60s', rateLimitHeaders: true, status: 503, headers: { 'Retry-After': '7' } } }]);
  const told = (answer: Message): (string | undefined)[] => ['x-ratelimit-limit', 'x-ratelimit-remaining', 'x-ratelimit-reset', 'retry-after'].map((name) => one(answer.fields, name));
  t.same(told(crew.ask()), ['2', '1', '0', undefined], 'as Envoy 1.40 does');
  t.same(told(crew.ask()), ['2', '0', '60', undefined]);
  const refused = crew.ask();
  t.match(refused.line, / 503 /);
  t.same(told(refused), ['2', '0', '60', '7']);
  crew.advance(30_000);
  t.same(told(crew.ask()), ['2', '0', '30', '7']);
});

t.test('shares: of those that count, and of those that are refused', async (t) => {
  const none = new Crew(1, [{ localRateLimit: { maxTokens: 1, enabledPercent: 0 } }]);
  t.equal(none.passed(20), 20);
  t.equal(none.stat('localRateLimit', RATE_ENABLED), 0);
  const watched = new Crew(2, [{ localRateLimit: { maxTokens: 1, enforcedPercent: 0 } }]);
  t.equal(watched.passed(20), 20);
  t.same([RATE_OK, RATE_LIMITED, RATE_ENFORCED].map((slot) => watched.stat('localRateLimit', slot)), [1, 19, 0]);
  const half = new Crew(2, [{ localRateLimit: { maxTokens: 1, fillInterval: '1h', enforcedPercent: 50 } }]);
  const passed = half.passed(2001) - 1;
  t.ok(Math.abs(passed - 1000) < 3 * Math.sqrt(500), `${passed} of 2000 at 50 %`);
});

t.test('descriptors: a token of each that fits', async (t) => {
  const crew = new Crew(2, [{ localRateLimit: { maxTokens: 20, fillInterval: '1h', descriptors: [
    { entries: [{ header: 'X-Plan', value: 'free' }], maxTokens: 3, fillInterval: '1h' },
    { entries: [{ method: 'GET' }, { prefix: '/api' }, { remoteAddress: '10.0.0.0/8' }], maxTokens: 2, fillInterval: '1h' },
    { entries: [{ path: '/login' }], maxTokens: 1, fillInterval: '1h' },
  ] } }]);
  t.equal(crew.passed(5, '/', 'X-Plan: free\r\n'), 3);
  t.equal(crew.passed(5, '/', 'X-Plan: gold\r\n'), 5);
  t.equal(crew.passed(5, '/api/x', '', '10.1.2.3'), 2);
  t.equal(crew.passed(2, '/api/x', '', '11.1.2.3'), 2, 'only all entries together');
  t.equal(crew.passed(5, '/login?next=/'), 1, 'a path has no query');
  t.equal(crew.passed(2, '/login/x'), 2);
  t.equal(crew.passed(20), 5, 'and all of them one of the common bucket: fifteen are gone');
});

t.test('descriptors that leave the value open: each has its own tokens', async (t) => {
  const crew = new Crew(3, [{ localRateLimit: { descriptors: [
    { entries: [{ header: 'x-user' }], maxTokens: 4, fillInterval: '1h' },
    { entries: [{ remoteAddress: true }, { path: '/login' }], maxTokens: 2, fillInterval: '1h' },
  ] } }]);
  for (const user of ['ann', 'bob', 'cy']) t.equal(crew.passed(9, '/', `x-user: ${user}\r\n`), 4, user);
  t.equal(crew.passed(9), 9, 'without the header nobody counts');
  for (const address of ['192.0.2.1', '192.0.2.2', '2001:db8::1']) t.equal(crew.passed(9, '/login', '', address), 2, address);
});

t.test('virtual host and route have limits of their own, or none; the most exact one counts alone', async (t) => {
  const at = (path: string, changes: RouteFiltersDocument | undefined, above: ReturnType<typeof buildFilters>): RouteConfig =>
    route(path.slice(1), matching({ kind: 'path', value: path }), { kind: 'respond', status: 200, headers: [], body: 'own' }, buildRouteFilters(changes, above, { statPrefix: `edge.${path}`, path: ['edge', path] }));
  const limit = (maxTokens: number): FilterDocument['localRateLimit'] => ({ maxTokens, fillInterval: '1h' });
  const crew = new Crew(2, [{ localRateLimit: limit(5)! }], (above) => [
    at('/own', { localRateLimit: limit(2)! }, above), at('/off', { localRateLimit: false }, above), at('/plain', undefined, above), at('/also', {}, above),
    at('/more', { concurrencyLimit: { maxRequests: 1 } }, above),
  ]);
  t.equal(crew.passed(9, '/own'), 2);
  t.equal(crew.passed(9, '/off'), 9);
  t.equal(crew.passed(3, '/plain'), 3);
  t.equal(crew.passed(9, '/also'), 2, 'the listener\'s is one for all that have none of their own');
  t.match(crew.ask('/more').line, / 429 /, 'a filter that is added leaves the others');
  t.match(crew.ask('/nowhere').line, / 429 /, 'and what no route takes falls under the listener\'s');
});

t.test('so many requests at one time over all workers, and every end makes room', async (t) => {
  const crew = new Crew(3, [{ concurrencyLimit: { maxRequests: 4 } }], through);
  const start = (): { door: FakeDoor; caller: FakeConn } => {
    const { door } = crew;
    const caller = door.connect();
    caller.receive('GET / HTTP/1.1\r\nHost: here\r\n\r\n');
    return { door, caller };
  };
  const open = Array.from({ length: 10 }, start);
  const refused = open.slice(4).map(({ caller }) => readMessages(caller.takeSent().toString('latin1'), ['GET']).messages[0]!);
  for (const { line, body } of refused) {
    t.equal(line, 'HTTP/1.1 503 Service Unavailable');
    t.equal(body, 'reached concurrency limit');
  }
  t.equal(crew.stat('concurrencyLimit', CONCURRENCY_BLOCKED), 6);
  t.same(crew.doors[1]!.house.takeLog(), ['503 - reached_concurrency_limit through app', '503 - reached_concurrency_limit through app']);
  const [first, second, third, fourth] = open as [typeof open[0], typeof open[0], typeof open[0], typeof open[0]];
  first.caller.breakOff();
  const up = second.door.house.lastConnect;
  up.connectOk();
  up.receive('HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n');
  third.door.house.lastConnect.connectFail('ECONNREFUSED');
  const again = Array.from({ length: 5 }, start);
  t.equal(again.filter(({ caller }) => caller.takeSent().length === 0).length, 3, 'three have ended, three may come');
  for (const { caller } of [fourth, ...again]) caller.breakOff();
  crew.rests(t);
});

t.test('admission control refuses what the formula says, over all workers', async (t) => {
  const crew = new Crew(2, [{ admissionControl: { window: '30s' } }], () => [
    route('bad', matching({ kind: 'path', value: '/bad' }), { kind: 'respond', status: 500, headers: [], body: '' }), ...own(),
  ]);
  for (let i = 0; i < 10; i++) crew.ask();
  t.equal(crew.stat('admissionControl', ADMISSION_SUCCESS), 10);
  let refused = 0;
  let expected = 0;
  let [requests, successes] = [10, 10];
  for (let i = 0; i < 3000; i++) {
    const fails = i % 2 === 0;
    const p = Math.min(0.8, Math.max(0, (requests - successes / 0.95) / (requests + 1)));
    expected += p;
    const answer = crew.ask(fails ? '/bad' : '/');
    if (answer.line.includes(' 503 ')) {
      refused++;
      if (answer.body !== '') t.fail(answer.body);
      continue;
    }
    requests++;
    if (!fails) successes++;
  }
  t.ok(Math.abs(refused - expected) < 4 * Math.sqrt(expected), `${refused} refused, ${expected.toFixed(0)} expected: half of them fail`);
  t.same([ADMISSION_REJECTED, ADMISSION_SUCCESS, ADMISSION_FAILURE].map((slot) => crew.stat('admissionControl', slot)), [refused, successes, requests - successes]);
  t.ok(crew.doors[0]!.house.takeLog().includes('503 - denied_by_admission_control bad -'));
  crew.advance(31_000);
  t.equal(crew.passed(20), 20, 'what is out of the window is forgotten');
  crew.rests(t);
});

t.test('admission control: what is broken off has failed, too few requests are none, statuses are what one says', async (t) => {
  const crew = new Crew(1, [{ admissionControl: { rpsThreshold: 100, successStatuses: ['500'] } }], () => [
    route('bad', matching({ kind: 'path', value: '/bad' }), { kind: 'respond', status: 500, headers: [], body: '' }), route('through', matching({ kind: 'prefix', value: '/' }), forward({})),
  ]);
  for (let i = 0; i < 50; i++) {
    const caller = crew.door.connect();
    caller.receive('GET / HTTP/1.1\r\nHost: here\r\n\r\n');
    caller.breakOff();
  }
  crew.ask('/bad');
  t.same([ADMISSION_REJECTED, ADMISSION_SUCCESS, ADMISSION_FAILURE].map((slot) => crew.stat('admissionControl', slot)), [0, 1, 50]);
  crew.rests(t);
});
