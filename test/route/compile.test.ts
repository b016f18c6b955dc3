// What the compiler refuses, with the place it names; and what it makes of the rest.

import t from 'tap';
import type { RedirectConfig, RewriteConfig, RouteConfig } from '../../src/config/snapshot.ts';
import { compileRoutes } from '../../src/route/compile.ts';
import { ROUTE_FORWARD, ROUTE_REDIRECT, ROUTE_RESPOND } from '../../src/route/compiled-route.ts';
import {
  NO_EDITS,
  forward,
  httpConfig,
  matching,
  problemsOf,
  redirecting,
  rewriting,
  route,
  seeded,
  streamOf,
  tableOf,
  tableOfRoutes,
  valueMatch,
  virtualHost,
} from './request.ts';

const ALL = matching({ kind: 'any' });
const ROUTE = '/http/virtualHosts/0/routes/0';

function pointers(...routes: readonly RouteConfig[]): string[] {
  return problemsOf([virtualHost('v', ['*'], routes)]).map((one) => one.pointer);
}

t.test('domains', (t) => {
  const wrong = (...domains: string[][]): string[] => {
    return problemsOf(domains.map((list, k) => virtualHost(`v${k}`, list, []))).map((one) => one.pointer);
  };
  t.same(wrong(['a.com', 'A.com']), ['/http/virtualHosts/0/domains/1']);
  t.same(wrong(['a.com'], ['b.com', 'a.com']), ['/http/virtualHosts/1/domains/1']);
  t.same(wrong(['*'], ['*']), ['/http/virtualHosts/1/domains/0']);
  t.same(wrong(['*.a', '*.A']), ['/http/virtualHosts/0/domains/1']);
  t.same(wrong(['a.*', 'A.*']), ['/http/virtualHosts/0/domains/1']);
  for (const domain of ['', '**', '*.*', 'a.*.b', 'a b', 'http://a', 'a/b']) t.equal(wrong([domain]).length, 1, `'${domain}'`);
  t.same(wrong(['*.a', 'a.*', 'a', 'a:80', '*', '*-b.c']), []);
  t.end();
});

t.test('paths', (t) => {
  const bad = (kind: 'path' | 'prefix' | 'pathSeparatedPrefix' | 'regex' | 'template', value: string): void => {
    t.same(pointers(route('', matching({ kind, value }))), [`${ROUTE}/match/${kind}`], `${kind} ${value}`);
  };
  for (const value of ['a', '/a?b', '/a#b', '']) bad('path', value);
  for (const value of ['a', '/a?b', '*']) bad('prefix', value);
  for (const value of ['/', '/a/', 'a', '']) bad('pathSeparatedPrefix', value);
  for (const value of ['', '(', '(?=a)', '(a)\\1', '[a', 'a{2,1}']) bad('regex', value);
  const templates = ['', 'a/{b}', '/{a}/{a}', '/**/*', '/{a=**}/{b}', '/{a}{b}', '/{1a}', '/{a-b}', '/{a', '/a}', '/{}', '/{a=}', '/{a={b}}'];
  for (const value of templates) bad('template', value);
  for (const value of ['/a b', '/a?b', '/é', '/a//b', '/[', '/{a=**}/**', '/*a*', `/{${'a'.repeat(17)}}`]) bad('template', value);
  bad('template', '/{a}/{b}/{c}/{d}/{e}/{f}');
  const good = ['/', '/**.ext', '/{a=x/*/y}', '/*/*/*/*/*/*/*', '/a%20', '/{a_b}', '/{a}/{b}/{c}/{d}/{e}', '/**/x'];
  for (const value of good) t.same(pointers(route('', matching({ kind: 'template', value }))), [], value);
  t.end();
});

t.test('conditions', (t) => {
  const header = (...rules: Parameters<typeof valueMatch>): string[] => pointers(route('', matching({ kind: 'any' }, { headers: [valueMatch(...rules)] })));
  t.same(header(':status', 'exact', { value: '1' }), [`${ROUTE}/match/headers/:status`]);
  t.same(header('a', 'regex', { value: '(' }), [`${ROUTE}/match/headers/a/regex`]);
  t.same(header('a', 'prefix'), [`${ROUTE}/match/headers/a/prefix`]);
  t.same(header('a', 'range', { start: 5, end: 5 }), [`${ROUTE}/match/headers/a/range`]);
  t.same(header('a', 'exact'), []);
  const query = [valueMatch('a/b~c', 'regex', { value: '[' })];
  t.same(pointers(route('', matching({ kind: 'any' }, { query }))), [`${ROUTE}/match/query/a~1b~0c/regex`]);
  t.end();
});

t.test('rewrites and redirects', (t) => {
  const rewrite = (changes: Partial<RewriteConfig>, match = ALL): string[] => pointers(route('', match, rewriting(changes)));
  const regex = (pattern: string, substitution: string): string[] => rewrite({ regex: { pattern, substitution } });
  const place = `${ROUTE}/forward/rewrite`;
  t.same(rewrite({ prefix: '/a', path: '/b' }), [place]);
  t.same(rewrite({ host: 'a', hostFrom: 'upstream' }), [place]);
  t.same(rewrite({ prefix: 'a' }), [`${place}/prefix`]);
  t.same(rewrite({ prefix: '/a?b' }), [`${place}/prefix`]);
  t.same(rewrite({ prefix: '/a\r\nx: y' }), [`${place}/prefix`]);
  t.same(rewrite({ host: 'a b' }), [`${place}/host`]);
  t.same(rewrite({ host: 'a/b' }), [`${place}/host`]);
  t.same(rewrite({ path: '/{x}' }), [`${place}/path`], 'a variable without a template');
  const template = matching({ kind: 'template', value: '/{id}' });
  for (const path of ['/{x}', 'x', '/a?b', '/a b', '/{id', '/id}']) t.same(rewrite({ path }, template), [`${place}/path`], path);
  t.same(rewrite({ path: '/x{id}{id}*' }, template), []);
  t.same(regex('(', 'x'), [`${place}/regex/pattern`]);
  t.same(regex('', 'x'), [`${place}/regex/pattern`]);
  for (const wrong of ['\\2', '\\x', 'a\\', 'a b', '#']) t.same(regex('(a)', wrong), [`${place}/regex/substitution`], wrong);
  t.same(regex('(a)', ''), []);

  const redirect = (changes: Partial<RedirectConfig>): string[] => pointers(route('', ALL, redirecting(changes)));
  t.same(redirect({ path: '/a', prefix: '/b' }), [`${ROUTE}/redirect`]);
  t.same(redirect({ path: 'a' }), [`${ROUTE}/redirect/path`]);
  t.same(redirect({ path: '/a\n' }), [`${ROUTE}/redirect/path`]);
  t.same(redirect({ prefix: '/a?b' }), [`${ROUTE}/redirect/prefix`]);
  t.same(redirect({ host: 'a/b' }), [`${ROUTE}/redirect/host`]);
  t.same(redirect({ host: 'a:1', port: 2 }), [`${ROUTE}/redirect/port`]);
  t.same(redirect({ host: '[::1]', port: 2 }), []);
  t.end();
});

t.test('forwards and responses', (t) => {
  t.same(pointers(route('', ALL, forward({ clusters: [{ name: 'a', weight: 0 }] }))), [`${ROUTE}/forward/clusters`]);
  t.same(pointers(route('', ALL, forward({ clusters: [], clusterHeader: 'x' }))), []);
  const respond = (status: number, bytes: number): string[] => {
    return pointers(route('', ALL, { kind: 'respond', status, headers: [], body: 'x'.repeat(bytes) }));
  };
  t.same(respond(200, 4096), []);
  t.same(respond(200, 4097), [`${ROUTE}/respond/body`]);
  t.same(respond(199, 0), [`${ROUTE}/respond/status`]);
  t.same(respond(600, 0), [`${ROUTE}/respond/status`]);
  t.end();
});

t.test('header edits', (t) => {
  const edits = { set: [[':path', '/'], ['x', '%NOPE%']], add: [['Host', 'h']], remove: ['ok', 'Transfer-Encoding'] } as const;
  const place = `${ROUTE}/forward/requestHeaders`;
  t.same(pointers(route('', ALL, forward({ requestHeaders: edits }))), [
    `${place}/set/:path`,
    `${place}/set/x`,
    `${place}/add/Host`,
    `${place}/remove/1`,
  ]);
  const host = { ...virtualHost('v', ['*'], []), responseHeaders: { ...NO_EDITS, remove: ['host'] } };
  t.same(problemsOf([host]).map((one) => one.pointer), ['/http/virtualHosts/0/responseHeaders/remove/0']);
  t.end();
});

t.test('all problems are reported, none throws', (t) => {
  const bad = matching({ kind: 'regex', value: '(' }, { headers: [valueMatch('a', 'regex', { value: '[' })] });
  t.equal(pointers(route('', bad), route('', bad, rewriting({ prefix: 'x' }))).length, 5);
  t.end();
});

t.test('the flat form', (t) => {
  const table = tableOf([
    virtualHost('one', ['a'], [route('f', ALL, forward({ timeoutMs: 7, idleTimeoutMs: 9, clusters: [{ name: 'x', weight: 1 }, { name: 'y', weight: 3 }] }))]),
    virtualHost('two', ['b'], [
      route('', matching({ kind: 'path', value: '/r' }), redirecting({ status: 307 })),
      route('d', ALL, { kind: 'respond', status: 403, headers: [['x-a', 'é']], body: 'nö' }),
    ]),
  ]);
  const [f, r, d] = table.routes;
  t.match(f, { name: 'f', virtualHostName: 'one', index: 0, id: 0, kind: ROUTE_FORWARD, timeoutMs: 7, idleTimeoutMs: 9 });
  t.match(f, { clusterNames: ['x', 'y'], clusterWeights: [1, 3], totalWeight: 4, clusterRefs: [null, null], clusterHeader: '' });
  t.match(r, { name: '', virtualHostName: 'two', index: 0, id: 1, kind: ROUTE_REDIRECT, status: 307, idleTimeoutMs: -1 });
  t.match(d, { index: 1, id: 2, kind: ROUTE_RESPOND, status: 403, respondHeaders: ['x-a', '\xc3\xa9'] });
  t.equal(d!.respondBody.toString('utf8'), 'nö');
  for (const route of table.routes) t.same(Object.keys(route), Object.keys(f!), 'one shape');
  t.end();
});

t.test('an empty table and empty virtual hosts meet nothing', (t) => {
  const table = compileRoutes(httpConfig([]), { compileFormat: (constant) => ({ constant }), problem: () => t.fail('no problem'), pointer: '' });
  t.equal(table.match(streamOf({}), seeded()), null);
  t.equal(tableOfRoutes().match(streamOf({}), seeded()), null);
  t.end();
});
