// Rewrites and redirects. The vectors marked so were answered by a running Envoy 1.40.

import t from 'tap';
import type { PathMatch, RedirectConfig, RewriteConfig } from '../../src/config/snapshot.ts';
import { redirectLocation, rewritePath } from '../../src/route/rewrite.ts';
import { matching, redirecting, rewriting, route, seeded, streamOf, tableOfRoutes } from './request.ts';

interface RewriteCase {
  match: PathMatch;
  caseSensitive?: boolean;
  rewrite: Partial<RewriteConfig>;
  /** From → to; null: not rewritten. */
  paths: Record<string, string | null>;
}

const prefix = (value: string): PathMatch => ({ kind: 'prefix', value });
const regex = (pattern: string, substitution: string): Partial<RewriteConfig> => ({ regex: { pattern, substitution } });

const AS_ENVOY: RewriteCase[] = [
  { match: prefix('/p/'), rewrite: { prefix: '/' }, paths: { '/p/a?x=1': '/a?x=1', '/p/': '/', '/p//x': '//x' } },
  { match: prefix('/pci/'), caseSensitive: false, rewrite: { prefix: '/new/' }, paths: { '/PCI/a': '/new/a' } },
  {
    match: prefix('/noslash'),
    rewrite: { prefix: '/' },
    paths: { '/noslash': '/', '/noslashab': '/ab', '/noslash/ab?q': '//ab?q' },
  },
  { match: prefix('/same/'), rewrite: { prefix: '/same/' }, paths: { '/same/x': '/same/x' } },
  { match: { kind: 'path', value: '/ex' }, rewrite: { prefix: '/newex' }, paths: { '/ex': '/newex', '/ex?q=1': '/newex?q=1' } },
  {
    match: { kind: 'pathSeparatedPrefix', value: '/sep' },
    rewrite: { prefix: '/n' },
    paths: { '/sep': '/n', '/sep/': '/n/', '/sep/a': '/n/a', '/sep?a=b': '/n?a=b' },
  },
  {
    match: { kind: 'pathSeparatedPrefix', value: '/seproot' },
    rewrite: { prefix: '/' },
    paths: { '/seproot': '/', '/seproot/': '//', '/seproot/a': '//a' },
  },
  { match: { kind: 'regex', value: '/rp/[a-z]+' }, rewrite: { prefix: '/x' }, paths: { '/rp/abc': '/x', '/rp/abc?q=1': '/x?q=1' } },
  {
    match: prefix('/rr'),
    rewrite: regex('/([a-z]+)/([0-9]+)', '/\\2/\\1/\\0'),
    paths: {
      '/rr/abc/12/x?abc/12': '/rr/12/abc//abc/12/x?abc/12',
      '/rr/abc/12/def/34?q': '/rr/12/abc//abc/12/34/def//def/34?q',
    },
  },
  { match: prefix('/rg'), rewrite: regex('a', 'b\\\\c'), paths: { '/rg/a': '/rg/b\\c' } },
  { match: prefix('/rs'), rewrite: regex('^/rs/(.*)$', '/z?q=1&\\1'), paths: { '/rs/abc?k=v': '/z?q=1&abc?k=v' } },
  { match: prefix('/g/'), rewrite: regex('nomatch', 'x'), paths: { '/g/q': null } },
  { match: prefix('/i/'), rewrite: regex('a|ab', '<\\0>'), paths: { '/i/ab': '/i/<a>b' } },
  {
    match: { kind: 'template', value: '/u/{id}/{rest=**}' },
    rewrite: { path: '/new/{rest}/{id}' },
    paths: { '/u/7/a/b?z=1': '/new/a/b/7?z=1' },
  },
  {
    match: { kind: 'template', value: '/t/{a}/{b=*}/{c=**}' },
    rewrite: { path: '/x/{c}.{a}/{a}' },
    paths: { '/t/1/2/3/4?q': '/x/3/4.1/1?q', '/t/1/2/': '/x/.1/1' },
  },
  { match: { kind: 'template', value: '/v/{a=q/*}/**' }, rewrite: { path: '/x/{a}' }, paths: { '/v/q/1/z': '/x/q/1' } },
];

/** Envoy sends these without their leading slash, which is no request target. */
const ROOTED: RewriteCase[] = [
  { match: prefix('/rn'), rewrite: regex('x*', '-'), paths: { '/rn/xx': '/-/-r-n-/-' } },
  { match: prefix('/j/'), rewrite: regex('b*', '-'), paths: { '/j/abbc': '/-/-j-/-a-c-' } },
  { match: prefix('/f/'), rewrite: regex('^/f/(\\w+)|(zz)', '[\\1|\\2]'), paths: { '/f/abc/zz': '/[abc|]/[|zz]' } },
  { match: prefix('/h/'), rewrite: regex('.*', 'x'), paths: { '/h/q': '/x' } },
  { match: prefix('/api'), rewrite: { prefix: '' }, paths: { '/api/x?y': '/x?y', '/api': '/', '/apix': '/x', '/api?y': '/?y' } },
];

const OWN: RewriteCase[] = [
  { match: prefix('/'), rewrite: {}, paths: { '/a?b': null } },
  { match: prefix('/'), rewrite: { host: 'other' }, paths: { '/a?b': null } },
  { match: prefix('/'), rewrite: { path: '/fixed' }, paths: { '/a?b': '/fixed?b', '/a': '/fixed' } },
  { match: { kind: 'any' }, rewrite: { prefix: '/base' }, paths: { '/a?b': '/base/a?b', '*': null } },
  { match: { kind: 'any' }, rewrite: { path: '/p' }, paths: { '*': null } },
  { match: prefix('/é'), rewrite: { prefix: '/ü' }, paths: { '/\xc3\xa9/x': '/\xc3\xbc/x' } },
  { match: prefix('/'), rewrite: regex('é', 'ü'), paths: { '/\xc3\xa9': '/\xc3\xbc' } },
];

t.test('rewritten paths', (t) => {
  for (const { match, caseSensitive = true, rewrite, paths } of [...AS_ENVOY, ...ROOTED, ...OWN]) {
    const table = tableOfRoutes(route('it', matching(match, { caseSensitive }), rewriting(rewrite)));
    for (const [from, to] of Object.entries(paths)) {
      const stream = streamOf({ path: from });
      const found = table.match(stream, seeded());
      t.not(found, null, `${from} meets the route`);
      t.equal(found && rewritePath(found, stream), to, `${JSON.stringify(match)} ${JSON.stringify(rewrite)} ${from}`);
    }
  }
  t.end();
});

t.test('a template serves many requests in turn', (t) => {
  const table = tableOfRoutes(route('it', matching({ kind: 'template', value: '/u/{id}' }), rewriting({ path: '/n/{id}' })));
  const [one, two] = [streamOf({ path: '/u/1' }), streamOf({ path: '/u/22' })];
  const found = table.match(one, seeded())!;
  t.equal(table.match(two, seeded()), found);
  t.equal(rewritePath(found, one), '/n/1', 'the variables are those of the request that is asked about');
  t.equal(rewritePath(found, two), '/n/22');
  t.end();
});

t.test('the host', (t) => {
  const table = tableOfRoutes(
    route('literal', matching(prefix('/l')), rewriting({ host: 'lit.example' })),
    route('upstream', matching(prefix('/u')), rewriting({ hostFrom: 'upstream' })),
    route('same', matching(prefix('/'))),
  );
  const flags = (path: string): unknown[] => {
    const { hostRewrite, hostFromUpstream } = table.match(streamOf({ path }), seeded())!;
    return [hostRewrite, hostFromUpstream];
  };
  t.same(flags('/l'), ['lit.example', false]);
  t.same(flags('/u'), ['', true]);
  t.same(flags('/'), ['', false]);
  t.end();
});

type Target = readonly [path: string, host: string, wanted: string, scheme?: 'https'];

const REDIRECTS: [Partial<RedirectConfig>, Target[]][] = [
  [
    { scheme: 'https' },
    [
      ['/x', 'rd', 'https://rd/x'],
      ['/x?x=1', 'rd:80', 'https://rd/x?x=1'],
      ['/x', 'rd:443', 'https://rd:443/x'],
      ['/x', 'rd:8080', 'https://rd:8080/x'],
      ['/x', 'RD:8080', 'https://RD:8080/x'],
      ['/x', '[::1]:80', 'https://[::1]/x'],
      ['/x', '[::1]', 'https://[::1]/x'],
      ['/x', '1.2.3.4:80', 'https://1.2.3.4/x'],
      ['/x', 'rd:81', 'https://rd:81/x', 'https'],
      ['/x', 'rd:8080', 'https://rd:8080/x'],
      ['/x', 'rd:180', 'https://rd:180/x'],
    ],
  ],
  [
    { scheme: 'http' },
    [
      ['/x', 'rd', 'http://rd/x'],
      ['/x', 'rd:80', 'http://rd:80/x'],
      ['/x', 'rd:443', 'http://rd:443/x'],
      ['/x', 'rd:443', 'http://rd/x', 'https'],
    ],
  ],
  [
    { host: 'new.host' },
    [
      ['/x?q', 'rd', 'http://new.host/x?q'],
      ['/x?q', 'rd:8080', 'http://new.host/x?q'],
      ['/x', 'rd:443', 'https://new.host/x', 'https'],
    ],
  ],
  [{ host: 'new.host:99' }, [['/x', 'rd:80', 'http://new.host:99/x']]],
  [{ scheme: 'https', host: 'h:80' }, [['/x', 'rd', 'https://h:80/x']]],
  [
    { port: 8443 },
    [
      ['/x', 'rd', 'http://rd:8443/x'],
      ['/x', 'rd:80', 'http://rd:8443/x'],
      ['/x', '[::1]:80', 'http://[::1]:8443/x'],
      ['/x', '[::1]', 'http://[::1]:8443/x'],
    ],
  ],
  [{ scheme: 'https', port: 443 }, [['/x', 'rd:8080', 'https://rd:443/x']]],
  [{ port: 80 }, [['/x', 'rd', 'http://rd:80/x']]],
  [
    { path: '/np' },
    [
      ['/x', 'rd', 'http://rd/np'],
      ['/x?a=1', 'rd:8080', 'http://rd:8080/np?a=1'],
      ['/x', 'rd:443', 'https://rd:443/np', 'https'],
    ],
  ],
  [{ path: '/np?z=1' }, [['/x?a=1', 'rd', 'http://rd/np?z=1'], ['/x', 'rd', 'http://rd/np?z=1']]],
  [{ path: '/np', stripQuery: true }, [['/x?a=1', 'rd', 'http://rd/np']]],
  [{ path: '/np?z=1', stripQuery: true }, [['/x?a=1', 'rd', 'http://rd/np?z=1']]],
  [{ stripQuery: true }, [['/x?a=1', 'rd', 'http://rd/x']]],
  [{ prefix: '/q' }, [['/x/y?a=1', 'rd', 'http://rd/q/y?a=1'], ['/xy', 'rd', 'http://rd/qy']]],
  [{ prefix: '/q', stripQuery: true }, [['/x/a?b', 'rd', 'http://rd/q/a']]],
  [{ prefix: '' }, [['/x/a', 'rd', 'http://rd/a'], ['/x', 'rd', 'http://rd/']]],
];

t.test('locations of redirects', (t) => {
  for (const [redirect, targets] of REDIRECTS) {
    const table = tableOfRoutes(route('it', matching(prefix('/x')), redirecting(redirect)));
    for (const [path, host, wanted, scheme = 'http'] of targets) {
      const stream = streamOf({ path, host, scheme });
      t.equal(redirectLocation(table.match(stream, seeded())!, stream), wanted, `${JSON.stringify(redirect)} ${scheme} ${host}${path}`);
    }
  }
  t.end();
});

t.test('a prefix redirect follows the path matcher', (t) => {
  const location = (match: PathMatch, path: string): string => {
    const stream = streamOf({ path, host: 'rd' });
    return redirectLocation(tableOfRoutes(route('it', matching(match), redirecting({ prefix: '/q' }))).match(stream, seeded())!, stream);
  };
  t.equal(location({ kind: 'pathSeparatedPrefix', value: '/ss' }, '/ss/x'), 'http://rd/q/x');
  t.equal(location({ kind: 'pathSeparatedPrefix', value: '/ss' }, '/ss'), 'http://rd/q');
  t.equal(location({ kind: 'path', value: '/ee' }, '/ee?q=1'), 'http://rd/q?q=1');
  t.equal(location({ kind: 'regex', value: '/yy/[a-z]+' }, '/yy/abc?q'), 'http://rd/q?q');
  t.end();
});

t.test('redirects of requests without host or path', (t) => {
  const table = tableOfRoutes(route('it', matching({ kind: 'any' }), redirecting({ scheme: 'https', status: 308 })));
  const at = (path: string, host: string): string => {
    const stream = streamOf({ path, host });
    return redirectLocation(table.match(stream, seeded())!, stream);
  };
  t.equal(at('*', 'rd:80'), 'https://rd/');
  t.equal(at('/x?y', ''), '/x?y', 'no host is made up');
  t.equal(table.routes[0]!.status, 308);
  t.end();
});
