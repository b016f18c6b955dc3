// Whatever mixture of routes: the indexed table gives the route that asking all of them in list order gives. The model
// below reads the configuration, not the compiled table, and uses the engine's own RegExp.

import t from 'tap';
import { Random } from '../../src/core/random.ts';
import type { MatchConfig, RouteConfig, ValueMatch } from '../../src/config/snapshot.ts';
import { matching, route, seeded, streamOf, tableOf, valueMatch, virtualHost } from './request.ts';

const TABLES = 400;
const REQUESTS = 60;
const random = new Random([11, 22, 33, 44]);

function oneOf<T>(...items: readonly T[]): T {
  return items[random.below(items.length)]!;
}

/** Few words, so that paths and routes meet often; with shared beginnings and both cases. */
function randomPath(): string {
  let path = '';
  const segments = random.below(4);
  for (let k = 0; k < segments; k++) path += '/' + oneOf('a', 'ab', 'abc', 'b', 'A', 'Ab', 'v1', 'v12', 'x.y', '');
  return path === '' ? '/' : path;
}

function randomMatch(): MatchConfig {
  const path = randomPath();
  const caseSensitive = random.below(4) > 0;
  const conditions = { caseSensitive, methods: randomMethods(), headers: randomHeaders(), query: randomQuery() };
  switch (random.below(8)) {
    case 0:
    case 1:
      return matching({ kind: 'path', value: path }, conditions);
    case 2:
    case 3:
      return matching({ kind: 'prefix', value: oneOf(path, path.slice(0, -1)) }, conditions);
    case 4:
      return matching({ kind: 'pathSeparatedPrefix', value: path.replace(/\/+$/, '') || '/a' }, conditions);
    case 5:
      return matching({ kind: 'regex', value: randomRegex() }, conditions);
    case 6:
      return matching({ kind: 'template', value: oneOf('/{x}', '/a/{x}', '/{x}/b', '/ab/**', '/{x}/v{y}', '/**/b', '/a/*.y') }, conditions);
    default:
      return matching(random.below(3) === 0 ? { kind: 'any' } : { kind: 'path', value: path }, conditions);
  }
}

function randomRegex(): string {
  return oneOf('/a.*', '/ab?c?', '/a/b|/b', '/(a|ab)/.*', '/v[0-9]+/.*', '^/a/b$', '/x\\.y.*', '(?:/a|/b)+', '/a{1,2}b?', '/[|]?a', '/ab+c*', '.*', '/a()b*');
}

function randomMethods(): string[] {
  return random.below(5) === 0 ? [oneOf('GET', 'POST')] : [];
}

function randomHeaders(): ValueMatch[] {
  if (random.below(5) > 0) return [];
  return [valueMatch('x', oneOf('exact', 'present'), { value: oneOf('1', '2'), invert: random.below(2) === 0 })];
}

function randomQuery(): ValueMatch[] {
  return random.below(8) === 0 ? [valueMatch('q', 'exact', { value: '1' })] : [];
}

interface Asked {
  method: string;
  path: string;
  headers: string[];
}

function randomRequest(): Asked {
  const query = oneOf('', '', '?', '?q=1', '?q=2&q=1', '?/a/b');
  return { method: oneOf('GET', 'GET', 'POST'), path: randomPath() + query, headers: oneOf([], ['x: 1'], ['x: 2', 'x: 1']) };
}

// ---- the model ----

function modelMatches({ match }: RouteConfig, asked: Asked): boolean {
  const [path = '', query = ''] = asked.path.split(/\?(.*)/s);
  if (!modelPath(match, path)) return false;
  if (match.methods.length > 0 && !match.methods.includes(asked.method)) return false;
  const values = asked.headers.map((line) => line.slice(3));
  if (!match.headers.every((rule) => modelValue(rule, values))) return false;
  const first = query.split('&').find((part) => part.startsWith('q='));
  return match.query.every((rule) => modelValue(rule, first === undefined ? [] : [first.slice(2)]));
}

function modelPath({ path, caseSensitive }: MatchConfig, text: string): boolean {
  const fold = (one: string): string => (caseSensitive ? one : one.toLowerCase());
  switch (path.kind) {
    case 'path':
      return fold(text) === fold(path.value);
    case 'prefix':
      return fold(text).startsWith(fold(path.value));
    case 'pathSeparatedPrefix':
      return (fold(text) + '/').startsWith(fold(path.value) + '/');
    case 'regex':
      return new RegExp(`^(?:${path.value})$`).test(text);
    case 'template':
      return new RegExp(`^${modelTemplate(path.value)}$`).test(text);
    default:
      return true;
  }
}

function modelTemplate(text: string): string {
  const escaped = text.replaceAll('.', '\\.');
  return escaped.replace(/\{\w+\}|\*\*|\*/g, (wildcard) => (wildcard === '**' ? "[\\w./-]*" : '[\\w.-]+'));
}

function modelValue(rule: ValueMatch, values: string[]): boolean {
  if (rule.kind === 'present') return values.length > 0 !== rule.invert;
  return values.length > 0 && values.includes(rule.value) !== rule.invert;
}

t.test('indexed and linear matching agree', (t) => {
  let asked = 0;
  let matched = 0;
  const disagreements: string[] = [];
  for (let k = 0; k < TABLES; k++) {
    const routes = Array.from({ length: 1 + random.below(30) }, (_, i) => route(`r${i}`, randomMatch()));
    const table = tableOf([virtualHost('all', ['*'], routes)]);
    for (let r = 0; r < REQUESTS; r++) {
      const request = randomRequest();
      const wanted = routes.find((one) => modelMatches(one, request)) ?? null;
      const found = table.match(streamOf(request), seeded());
      asked++;
      if (wanted !== null) matched++;
      if (found?.name === wanted?.name) continue;
      const [got, want] = [routes.find((one) => one.name === found?.name), wanted];
      disagreements.push(`${JSON.stringify(request)}: found ${JSON.stringify(got?.match)}, wanted ${JSON.stringify(want?.match)}`);
    }
  }
  t.same(disagreements.slice(0, 5), []);
  t.ok(matched > asked / 4 && matched < asked, `${matched} of ${asked} requests meet a route`);
  t.end();
});

t.test('a long chain of nested prefixes, and as many conditions on one', (t) => {
  const depth = 3000;
  const nested = Array.from({ length: depth }, (_, i) => route(`n${i}`, matching({ kind: 'prefix', value: '/' + 'x'.repeat(depth - i) })));
  const conditions = Array.from({ length: 500 }, (_, i) => {
    return route(`c${i}`, matching({ kind: 'prefix', value: '/' }, { headers: [valueMatch('n', 'exact', { value: `${i}` })] }));
  });
  const table = tableOf([virtualHost('all', ['*'], [...conditions, ...nested])]);
  t.equal(table.match(streamOf({ path: '/' + 'x'.repeat(1000) + 'y' }), seeded())?.name, `n${depth - 1000}`);
  t.equal(table.match(streamOf({ path: '/xx', headers: ['n: 499'] }), seeded())?.name, 'c499');
  t.equal(table.match(streamOf({ path: '/y' }), seeded()), null);
  t.end();
});
