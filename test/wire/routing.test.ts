// Which route a request meets and what becomes of it: virtual hosts, every matcher, redirect, respond, rewrites, header
// edits, weighted clusters. Answers name the route, so that a wrong turn shows.

import t, { type Test } from 'tap';

import { value, values } from '../support/http-message.ts';
import { echoHead } from '../support/origin.ts';
import { get, request, exchangeOnce, type Answer } from '../support/raw-client.ts';
import type { Json, ProxyConfig } from '../support/run-proxy.ts';
import { onEachEngine, type Stage } from '../support/stage.ts';

t.setTimeout(60_000);

function named(name: string, match: Json): Json {
  return { name, match, respond: { status: 200, body: name } };
}

function toApp(match: Json, forward: Json = {}): Json {
  return { match, forward: { cluster: 'app', ...forward } };
}

const HOSTS: readonly (readonly [name: string, domains: readonly string[]])[] = [
  ['star', ['*']],
  ['exact', ['www.example.com', 'other.example.com:8080']],
  ['suffix', ['*.example.com']],
  ['longer-suffix', ['*.api.example.com']],
  ['prefix', ['www.*']],
  ['longer-prefix', ['www.foo.*']],
];

const MATCHERS: readonly Json[] = [
  named('path', { path: '/exact' }),
  named('path-nocase', { path: '/NoCase', caseSensitive: false }),
  named('prefix-longer', { prefix: '/pre/fix/longer' }),
  named('prefix', { prefix: '/pre/fix' }),
  named('prefix-shadowed', { prefix: '/pre/fix/never' }),
  named('separated', { pathSeparatedPrefix: '/api' }),
  named('regex', { regex: '/v[0-9]+/items/[a-f]*' }),
  named('expensive', { regex: '/bomb/(a|aa|aaa)+(a|aa)+b' }),
  named('template', { template: '/users/{id}/posts/{post}' }),
  named('methods', { prefix: '/m', methods: ['PUT', 'DELETE'] }),
  named('methods-rest', { prefix: '/m' }),
  named('h-exact', { prefix: '/h', headers: { 'x-exact': 'yes' } }),
  named('h-prefix', { prefix: '/h', headers: { 'X-Prefix': { prefix: 'gold' } } }),
  named('h-suffix', { prefix: '/h', headers: { 'x-suffix': { suffix: '.png' } } }),
  named('h-contains', { prefix: '/h', headers: { 'x-contains': { contains: 'mid' } } }),
  named('h-regex', { prefix: '/h', headers: { 'x-regex': { regex: 'a+b' } } }),
  named('h-range', { prefix: '/h', headers: { 'x-range': { range: { start: -5, end: 10 } } } }),
  named('h-present', { prefix: '/h', headers: { 'x-present': { present: true } } }),
  named('h-both', { prefix: '/h', headers: { 'x-one': '1', 'x-two': '2' } }),
  named('h-invert', { prefix: '/h', headers: { 'x-on': 'go', 'x-invert': { prefix: 'no', invert: true } } }),
  named('h-absent', { prefix: '/h/absent', headers: { 'x-off': { present: false } } }),
  named('h-none', { prefix: '/h' }),
  named('q-exact', { prefix: '/q', query: { mode: 'debug' } }),
  named('q-present', { prefix: '/q', query: { flag: { present: true } } }),
  named('q-prefix', { prefix: '/q', query: { id: { prefix: 'a' } } }),
  named('q-regex', { prefix: '/q', query: { n: { regex: '[0-9]{2}' } } }),
  named('q-none', { prefix: '/q' }),
  named('never', { prefix: '/fraction', fraction: 0 }),
  named('half', { prefix: '/fraction', fraction: 0.5 }),
  named('always', { prefix: '/fraction', fraction: 1 }),
];

const REDIRECTS: readonly (readonly [match: Json, redirect: Json])[] = [
  [{ path: '/r/https' }, { scheme: 'https' }],
  [{ path: '/r/host' }, { host: 'new.example' }],
  [{ path: '/r/port' }, { port: 8443, scheme: 'https' }],
  [{ path: '/r/path' }, { path: '/elsewhere' }],
  [{ path: '/r/path-query' }, { path: '/elsewhere?own=1' }],
  [{ prefix: '/r/prefix' }, { prefix: '/q2' }],
  [{ path: '/r/strip' }, { host: 'new.example', stripQuery: true }],
  ...[301, 302, 303, 307, 308].map((status) => [{ path: `/r/${status}` }, { host: 'h', status }] as const),
];

const REWRITES: readonly Json[] = [
  toApp({ prefix: '/w/prefix/' }, { rewrite: { prefix: '/' } }),
  toApp({ pathSeparatedPrefix: '/w/sep' }, { rewrite: { prefix: '/s' } }),
  toApp({ prefix: '/w/regex' }, { rewrite: { regex: { pattern: '/([a-z]+)/([0-9]+)', substitution: '/\\2/\\1' } } }),
  toApp({ template: '/w/users/{id}/posts/{post}' }, { rewrite: { path: '/{post}/of/{id}' } }),
  toApp({ template: '/w/files/{rest=**}' }, { rewrite: { path: '/store/{rest}' } }),
  toApp({ prefix: '/w/host' }, { rewrite: { host: 'internal.example' } }),
  toApp({ prefix: '/w/edit' }, {
    requestHeaders: { set: { 'x-set': 'ours', 'x-host': '%REQ(:AUTHORITY)%' }, add: { 'x-add': 'second' }, remove: ['x-remove'] },
    responseHeaders: { set: { 'x-set': 'ours' }, add: { 'x-add': 'second' }, remove: ['x-remove'] },
  }),
];

onEachEngine(configure, { origin: { script: echoHead } }, async (t, stage) => {
  await t.test('virtual hosts', (t) => hosts(t, stage));
  await t.test('path, method, header and query matchers', (t) => matchers(t, stage));
  await t.test('an expensive expression', (t) => linear(t, stage));
  await t.test('fraction', (t) => fraction(t, stage));
  await t.test('redirect', (t) => redirect(t, stage));
  await t.test('respond', (t) => respond(t, stage));
  await t.test('rewrites and header edits', (t) => rewrites(t, stage));
  await t.test('weighted clusters and cluster by header', (t) => clusters(t, stage));
  await t.test('no route, no cluster', (t) => nowhere(t, stage));
  await t.test('path hygiene', (t) => hygiene(t, stage));
});

function configure(stage: Stage): ProxyConfig {
  const app = [stage.origin.address];
  const listener = (name: string, http: Json): Json => ({
    name,
    address: '127.0.0.1:0',
    http: { accessLog: [{ path: stage.logPath, format: '%REQ(X-CASE)% %RESPONSE_CODE% %RESPONSE_FLAGS% %RESPONSE_CODE_DETAILS% %ROUTE_NAME% %UPSTREAM_CLUSTER%\n' }], ...http },
  });
  const catchAll = { routes: [toApp({ prefix: '/' })] };
  return {
    listeners: [
      listener('hosts', { virtualHosts: HOSTS.map(([name, domains]) => ({ name, domains, routes: [named(name, { prefix: '/' })] })) }),
      listener('matchers', { routes: MATCHERS }),
      listener('redirects', { routes: REDIRECTS.map(([match, redirect]) => ({ match, redirect })) }),
      listener('rewrites', { routes: REWRITES }),
      listener('responds', {
        routes: [
          { match: { path: '/teapot' }, respond: { status: 418, headers: { 'x-kind': 'pot', 'content-type': 'text/plain; charset=utf-8' }, body: 'short & stout' } },
          { match: { path: '/bare' }, respond: { status: 204 } },
          { match: { path: '/empty' }, respond: { status: 200 } },
        ],
      }),
      listener('split', {
        routes: [
          { match: { prefix: '/weighted' }, forward: { clusters: [{ name: 'one', weight: 90 }, { name: 'two', weight: 10 }] } },
          { match: { prefix: '/by-header' }, forward: { clusterHeader: 'X-Cluster' } },
        ],
      }),
      listener('keep', { ...catchAll, normalizePath: false }),
      listener('tidy', catchAll),
      listener('merge', { ...catchAll, mergeSlashes: true }),
      listener('slash-reject', { ...catchAll, pathWithEscapedSlashes: 'reject' }),
      listener('slash-forward', { ...catchAll, pathWithEscapedSlashes: 'unescapeAndForward' }),
      listener('slash-redirect', { ...catchAll, pathWithEscapedSlashes: 'unescapeAndRedirect' }),
      listener('under-reject', { ...catchAll, headersWithUnderscores: 'reject' }),
      listener('under-drop', { ...catchAll, headersWithUnderscores: 'drop' }),
    ],
    clusters: [{ name: 'app', endpoints: app }, { name: 'one', endpoints: app }, { name: 'two', endpoints: app }],
  };
}

async function hosts(t: Test, stage: Stage): Promise<void> {
  const expected: readonly (readonly [host: string, virtualHost: string])[] = [
    ['www.example.com', 'exact'],
    ['WWW.Example.COM', 'exact'],
    ['other.example.com:8080', 'exact'],
    ['other.example.com', 'suffix'],
    ['a.example.com', 'suffix'],
    ['a.b.example.com', 'suffix'],
    ['x.api.example.com', 'longer-suffix'],
    ['example.com', 'star'],
    ['www.anything.org', 'prefix'],
    ['www.foo.net', 'longer-prefix'],
    ['127.0.0.1', 'star'],
  ];
  for (const [host, name] of expected) {
    t.equal((await get(stage.proxy.listener('hosts'), '/', { Host: host })).text, name, `${host} → ${name}`);
  }
}

async function matchers(t: Test, stage: Stage): Promise<void> {
  const expected: readonly (readonly [target: string, route: string, fields?: Record<string, string>, method?: string])[] = [
    ['/exact', 'path'],
    ['/exact?q', 'path'],
    ['/exact/', '404'],
    ['/Exact', '404'],
    ['/nocase', 'path-nocase'],
    ['/pre/fix', 'prefix'],
    ['/pre/fixture', 'prefix'],
    ['/pre/fix/longer/x', 'prefix-longer'],
    ['/pre/fix/never', 'prefix'],
    ['/pre/fi', '404'],
    ['/api', 'separated'],
    ['/api?x', 'separated'],
    ['/api/x', 'separated'],
    ['/apix', '404'],
    ['/v12/items/abc', 'regex'],
    ['/v12/items/abc?not=part', 'regex'],
    ['/v12/items/abcg', '404'],
    ['/x/v12/items/abc', '404'],
    ['/users/7/posts/9', 'template'],
    ['/users/7/posts/9/more', '404'],
    ['/users//posts/9', '404'],
    ['/m', 'methods', {}, 'PUT'],
    ['/m', 'methods', {}, 'DELETE'],
    ['/m', 'methods-rest', {}, 'GET'],
    ['/h', 'h-exact', { 'X-Exact': 'yes' }],
    ['/h', 'h-none', { 'X-Exact': 'Yes' }],
    ['/h', 'h-prefix', { 'x-prefix': 'golden' }],
    ['/h', 'h-suffix', { 'x-suffix': 'a.png' }],
    ['/h', 'h-contains', { 'x-contains': 'amidst' }],
    ['/h', 'h-regex', { 'x-regex': 'aaab' }],
    ['/h', 'h-none', { 'x-regex': 'aaabc' }],
    ['/h', 'h-range', { 'x-range': '-5' }],
    ['/h', 'h-range', { 'x-range': '9' }],
    ['/h', 'h-none', { 'x-range': '10' }],
    ['/h', 'h-none', { 'x-range': '1x' }],
    ['/h', 'h-present', { 'x-present': '' }],
    ['/h', 'h-both', { 'x-one': '1', 'x-two': '2' }],
    ['/h', 'h-none', { 'x-one': '1' }],
    ['/h', 'h-invert', { 'x-on': 'go', 'x-invert': 'yes' }],
    ['/h', 'h-none', { 'x-on': 'go', 'x-invert': 'not' }],
    ['/h/absent', 'h-absent'],
    ['/h/absent', 'h-none', { 'x-off': '1' }],
    ['/q?mode=debug', 'q-exact'],
    ['/q?a=b&mode=debug&c', 'q-exact'],
    ['/q?mode=debug2', 'q-none'],
    ['/q?flag', 'q-present'],
    ['/q?flag=', 'q-present'],
    ['/q?id=abc', 'q-prefix'],
    ['/q?n=42', 'q-regex'],
    ['/q?n=421', 'q-none'],
    ['/q', 'q-none'],
    ['/nothing', '404'],
  ];
  for (const [target, route, fields = {}, method = 'GET'] of expected) {
    const answer = await exchangeOnce(stage.proxy.listener('matchers'), request(method, target, fields));
    const got = answer.status === 200 ? answer.text : String(answer.status);
    t.equal(got, route, `${method} ${target} ${JSON.stringify(fields)} → ${route}`);
  }
}

/** A backtracking engine would need longer than the universe has. */
async function linear(t: Test, stage: Stage): Promise<void> {
  const started = performance.now();
  t.equal((await get(stage.proxy.listener('matchers'), `/bomb/${'a'.repeat(20_000)}`)).status, 404);
  t.equal((await get(stage.proxy.listener('matchers'), `/bomb/${'a'.repeat(2000)}b`)).text, 'expensive');
  t.ok(performance.now() - started < 5000, 'regular expressions run in linear time');
}

async function fraction(t: Test, stage: Stage): Promise<void> {
  const count = new Map<string, number>();
  const answers = await Promise.all(Array.from({ length: 400 }, () => get(stage.proxy.listener('matchers'), '/fraction')));
  for (const { text } of answers) count.set(text, (count.get(text) ?? 0) + 1);
  t.equal(count.get('never'), undefined, 'a fraction of 0 never matches');
  const half = count.get('half') ?? 0;
  // 400 fair coins: 140–260 is six standard deviations.
  t.ok(half > 140 && half < 260, `about half (${half} of 400)`);
  t.equal(half + (count.get('always') ?? 0), 400, 'the others go on to the next route');
}

async function redirect(t: Test, stage: Stage): Promise<void> {
  const location = async (target: string): Promise<readonly [number, string | undefined]> => {
    const answer = await get(stage.proxy.listener('redirects'), target, { Host: 'old.example:8080' });
    t.equal(answer.text, '', `${target} has no body`);
    return [answer.status, value(answer, 'location')];
  };
  t.strictSame(await location('/r/https?a=b'), [301, 'https://old.example:8080/r/https?a=b']);
  t.strictSame(await location('/r/host?a=b'), [301, 'http://new.example/r/host?a=b']);
  t.strictSame(await location('/r/port'), [301, 'https://old.example:8443/r/port']);
  t.strictSame(await location('/r/path?a=b'), [301, 'http://old.example:8080/elsewhere?a=b']);
  t.strictSame(await location('/r/path-query?a=b'), [301, 'http://old.example:8080/elsewhere?own=1']);
  t.strictSame(await location('/r/prefix/x?a=b'), [301, 'http://old.example:8080/q2/x?a=b']);
  t.strictSame(await location('/r/strip?a=b'), [301, 'http://new.example/r/strip']);
  for (const status of [301, 302, 303, 307, 308]) t.strictSame(await location(`/r/${status}`), [status, `http://h/r/${status}`]);
}

async function respond(t: Test, stage: Stage): Promise<void> {
  const teapot = await get(stage.proxy.listener('responds'), '/teapot', { 'X-Case': 'teapot' });
  t.equal(teapot.status, 418);
  t.equal(teapot.text, 'short & stout');
  t.equal(value(teapot, 'x-kind'), 'pot');
  t.equal(value(teapot, 'content-type'), 'text/plain; charset=utf-8');
  t.equal(value(teapot, 'content-length'), '13');
  t.match(await stage.logLine('teapot '), /^teapot 418 - direct_response /);
  t.equal((await get(stage.proxy.listener('responds'), '/bare')).status, 204);
  const empty = await get(stage.proxy.listener('responds'), '/empty');
  t.equal(value(empty, 'content-length'), '0');
  const head = await exchangeOnce(stage.proxy.listener('responds'), request('HEAD', '/teapot'));
  t.equal(head.status, 418, 'HEAD gets the head');
  const posted = await exchangeOnce(stage.proxy.listener('responds'), request('POST', '/teapot', {}, 'a body that nobody reads'));
  t.equal(posted.text, 'short & stout');
}

async function rewrites(t: Test, stage: Stage): Promise<void> {
  const sent = async (target: string, fields: Record<string, string> = {}): Promise<Answer> => get(stage.proxy.listener('rewrites'), target, fields);
  const line = async (target: string): Promise<string> => (await sent(target)).text.split(' ')[1] as string;
  t.equal(await line('/w/prefix/a/b?c=d'), '/a/b?c=d', 'prefix');
  t.equal(await line('/w/prefix/'), '/');
  t.equal(await line('/w/sep/x'), '/s/x');
  t.equal(await line('/w/sep?y'), '/s?y');
  t.equal(await line('/w/regex/abc/42/x?abc/1'), '/w/regex/42/abc/x?abc/1', 'regex, groups swapped, query untouched');
  t.equal(await line('/w/users/7/posts/a%20b?q=1'), '/a%20b/of/7?q=1', 'template');
  t.equal(await line('/w/files/a/b/c.txt?q=1'), '/store/a/b/c.txt?q=1', 'template with **');
  t.equal(await line('/w/files/'), '/store/', 'template with ** that takes nothing');
  const deep = 'x/'.repeat(4_000);
  t.equal(await line(`/w/files/${deep}`), `/store/${deep}`, 'template with ** that takes much');
  t.match((await sent('/w/prefix/x')).text, /\r\nx-envoy-original-path: \/w\/prefix\/x\r\n/, 'the old path goes along');
  const host = await sent('/w/host', { Host: 'public.example' });
  t.match(host.text, /\r\nhost: internal\.example\r\n/i);
  t.notMatch(host.text, /x-envoy-original-path/);

  stage.origin.on('/w', async (exchange) => {
    await exchange.body();
    await exchange.reply(200, { 'X-Set': 'theirs', 'X-Add': 'first', 'X-Remove': 'r', 'X-Keep': 'k' }, exchange.head.raw);
  });
  const edited = await sent('/w/edit', { Host: 'the.host', 'X-Set': 'theirs', 'X-Add': 'first', 'X-Remove': 'r', 'X-Keep': 'k' });
  const up = edited.text.toLowerCase();
  t.strictSame(up.match(/(?<=\r\nx-set: ).*/g), ['ours'], 'set replaces');
  t.strictSame(up.match(/(?<=\r\nx-add: ).*/g)?.join(',').replaceAll(' ', ''), 'first,second', 'add adds');
  t.notMatch(up, /x-remove/, 'remove removes');
  t.match(up, /\r\nx-keep: k\r\n/);
  t.match(up, /\r\nx-host: the\.host\r\n/, 'operators are filled in');
  t.strictSame(values(edited, 'x-set'), ['ours']);
  t.equal(values(edited, 'x-add').join(',').replaceAll(' ', ''), 'first,second');
  t.strictSame(values(edited, 'x-remove'), []);
  t.strictSame(values(edited, 'x-keep'), ['k']);
}

async function clusters(t: Test, stage: Stage): Promise<void> {
  const address = stage.proxy.listener('split');
  const before = await stage.proxy.stats('upstream_rq_total');
  const total = 600;
  for (let n = 0; n < total; n += 50) await Promise.all(Array.from({ length: 50 }, () => get(address, '/weighted')));
  const after = await stage.proxy.stats('upstream_rq_total');
  const share = (name: string): number => (after.get(`cluster.${name}.upstream_rq_total`) ?? 0) - (before.get(`cluster.${name}.upstream_rq_total`) ?? 0);
  t.equal(share('one') + share('two'), total);
  // 600 at 10 %: 60, standard deviation 7.3; six of them each way.
  t.ok(share('two') > 16 && share('two') < 104, `about a tenth (${share('two')} of ${total})`);

  t.equal((await get(address, '/by-header', { 'x-cluster': 'two', 'X-Case': 'header-two' })).status, 200);
  t.match(await stage.logLine('header-two '), / two$/);
  for (const [label, fields] of [['unknown-cluster', { 'x-cluster': 'nobody' }], ['no-cluster', {}]] as const) {
    const answer = await get(address, '/by-header', { ...fields, 'X-Case': label });
    t.equal(answer.status, 503, label);
    t.match(await stage.logLine(`${label} `), /503 NC cluster_not_found/, label);
  }
}

async function nowhere(t: Test, stage: Stage): Promise<void> {
  const client = await get(stage.proxy.listener('matchers'), '/nowhere', { 'X-Case': 'nowhere' });
  t.equal(client.status, 404);
  t.equal(client.text, '', 'as Envoy: no body');
  t.equal(value(client, 'content-length'), '0');
  t.match(await stage.logLine('nowhere '), /^nowhere 404 NR route_not_found - -$/);
}

async function hygiene(t: Test, stage: Stage): Promise<void> {
  const line = async (listener: string, target: string): Promise<string> => {
    const answer = await get(stage.proxy.listener(listener), target);
    return answer.status === 200 ? (answer.text.split(' ')[1] as string) : `${answer.status} ${value(answer, 'location') ?? ''}`.trim();
  };
  t.equal(await line('tidy', '/a/./b/../c'), '/a/c', 'dot segments are resolved by default');
  t.equal(await line('tidy', '/a/%2e%2E/b'), '/b', 'also when they are escaped');
  t.equal(await line('tidy', '/%41%7e'), '/A~', 'unreserved characters need no escape');
  t.equal(await line('tidy', '/a//b'), '/a//b');
  t.equal(await line('tidy', '/a%2Fb?x=/../y'), '/a%2Fb?x=/../y', 'the query is left alone');
  t.equal(await line('tidy', '/../../etc/passwd'), '/etc/passwd', 'above the root there is nothing');
  t.equal(await line('keep', '/a/./b/../c'), '/a/./b/../c');
  t.equal(await line('merge', '/a///b//'), '/a/b/');
  t.equal(await line('slash-reject', '/a%2Fb'), '400');
  t.equal(await line('slash-reject', '/a%5cb'), '400');
  t.equal(await line('slash-forward', '/a%2Fb'), '/a/b');
  t.equal(await line('slash-redirect', '/a%2Fb?c'), '307 /a/b?c');
  const under = (listener: string): Promise<Answer> => get(stage.proxy.listener(listener), '/under', { x_under: '1', 'x-score': '2' });
  t.equal((await under('under-reject')).status, 400);
  t.notMatch((await under('under-drop')).text, /x_under/);
  t.match((await under('under-drop')).text, /x-score/i);
  t.match((await under('tidy')).text, /x_under: 1/);
}
