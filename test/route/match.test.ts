// Virtual hosts, path matchers and conditions, one by one. Where a line says what Envoy does, Envoy 1.40 answered it.

import t from 'tap';
import type { PathMatch, ValueMatch } from '../../src/config/snapshot.ts';
import type { Request } from './request.ts';
import { matching, met, route, seeded, streamOf, tableOf, tableOfRoutes, valueMatch, virtualHost } from './request.ts';

const EVERYTHING = matching({ kind: 'prefix', value: '/' });

t.test('a host meets its virtual host: exact, longest suffix, longest prefix, any', (t) => {
  const table = tableOf([
    virtualHost('exact', ['exact.com', 'port.com:8080', 'UPPER.com'], [route('exact', EVERYTHING)]),
    virtualHost('suffix', ['*.example.com', '*-foo.bar.com'], [route('suffix', EVERYTHING)]),
    virtualHost('suffix2', ['*.api.example.com', '*example.org'], [route('suffix2', EVERYTHING)]),
    virtualHost('prefix', ['www.*', 'sp.*'], [route('prefix', EVERYTHING)]),
    virtualHost('prefix2', ['www.api.*'], [route('prefix2', EVERYTHING)]),
    virtualHost('star', ['*'], [route('star', EVERYTHING)]),
  ]);
  const wanted: Record<string, string> = {
    'exact.com': 'exact',
    'EXACT.com': 'exact',
    'upper.com': 'exact',
    'exact.com:80': 'star',
    'port.com': 'star',
    'port.com:8080': 'exact',
    'PORT.com:8080': 'exact',
    'a.example.com': 'suffix',
    'A.EXAMPLE.COM': 'suffix',
    'example.com': 'star',
    '.example.com': 'star',
    'x.api.example.com': 'suffix2',
    'a.example.com:80': 'star',
    'x-foo.bar.com': 'suffix',
    '-foo.bar.com': 'star',
    'example.org': 'star',
    'zexample.org': 'suffix2',
    'www.com': 'prefix',
    'www.api.com': 'prefix2',
    'www.': 'star',
    'www.example.com': 'suffix',
    'sp.x:80': 'prefix',
    'nothing.net': 'star',
    'exact.com.': 'star',
    '': 'star',
  };
  for (const [host, name] of Object.entries(wanted)) t.equal(met(table, { host }), name, `'${host}'`);
  t.end();
});

t.test('without a virtual host for every domain an unknown or empty host meets nothing', (t) => {
  const table = tableOf([virtualHost('a', ['a.com'], [route('a', EVERYTHING)])]);
  t.equal(met(table, { host: 'b.com' }), null);
  t.equal(met(table, { host: '' }), null);
  t.equal(met(table, { host: 'a.com' }), 'a');
  t.end();
});

t.test('a virtual host without a fitting route does not fall back to another', (t) => {
  const narrow = route('narrow', matching({ kind: 'path', value: '/only' }));
  const table = tableOf([virtualHost('a', ['a.com'], [narrow]), virtualHost('all', ['*'], [route('all', EVERYTHING)])]);
  t.equal(met(table, { host: 'a.com', path: '/other' }), null);
  t.end();
});

interface PathCase {
  path: PathMatch;
  caseSensitive?: boolean;
  yes: string[];
  no: string[];
}

const PATHS: PathCase[] = [
  {
    path: { kind: 'path', value: '/exact' },
    yes: ['/exact', '/exact?x=1', '/exact#f', '/exact?'],
    no: ['/exact/', '/EXACT', '/exac', '/exactly', '/'],
  },
  { path: { kind: 'path', value: '/Ci' }, caseSensitive: false, yes: ['/CI', '/ci?x', '/Ci'], no: ['/cix'] },
  { path: { kind: 'prefix', value: '/p' }, yes: ['/p', '/px', '/p/x', '/p?y'], no: ['/P', '/', '/xp'] },
  { path: { kind: 'prefix', value: '/Pci' }, caseSensitive: false, yes: ['/PCIx', '/pci/y'], no: ['/pc'] },
  { path: { kind: 'prefix', value: '' }, yes: ['/', '/a', '*'], no: [] },
  { path: { kind: 'prefix', value: '/' }, yes: ['/', '/a', '*'], no: [''] },
  { path: { kind: 'prefix', value: '/*' }, yes: ['/*'], no: ['*'] },
  { path: { kind: 'prefix', value: '/a@b' }, caseSensitive: false, yes: ['/A@B'], no: ['/a`b'] },
  {
    path: { kind: 'pathSeparatedPrefix', value: '/sep' },
    yes: ['/sep', '/sep/', '/sep/x', '/sep?x', '/sep#x'],
    no: ['/sepx', '/Sep', '/se'],
  },
  {
    path: { kind: 'pathSeparatedPrefix', value: '/SepCi' },
    caseSensitive: false,
    yes: ['/sepci', '/SEPCI/x'],
    no: ['/sepcix'],
  },
  { path: { kind: 'regex', value: '/re/[0-9]+' }, yes: ['/re/12', '/re/12?x=1'], no: ['/re/12/x', '/x/re/12', '/re/'] },
  { path: { kind: 'regex', value: '/rdot/.*z' }, yes: ['/rdot/a/z', '/rdot/a%0az'], no: ['/rdot/a/zy'] },
  { path: { kind: 'regex', value: '/rci/abc' }, caseSensitive: false, yes: ['/rci/abc'], no: ['/RCI/ABC'] },
  { path: { kind: 'regex', value: '/alt/a|/alt/ab' }, yes: ['/alt/ab', '/alt/a'], no: ['/alt/abc'] },
  { path: { kind: 'regex', value: '(?i)/X' }, yes: ['/x', '/X'], no: ['/y'] },
  {
    path: { kind: 'template', value: '/t/{id}/x' },
    yes: ['/t/1/x', '/t/1/x?y', '/t/a%2Fb/x', '/t/a!$&(),;=@:+b/x', '/t/~._-/x', "/t/*'/x", '/t/%/x'],
    no: ['/t//x', '/t/1/2/x', '/t/1/x/', '/T/1/x', '/t/[x]/x', '/t/1', '/t/1/xy'],
  },
  { path: { kind: 'template', value: '/s/*/x' }, yes: ['/s/q/x'], no: ['/s//x', '/s/q/y'] },
  {
    path: { kind: 'template', value: '/d/**' },
    yes: ['/d/', '/d/a', '/d/a/b', '/d/a//b'],
    no: ['/d', '/d/{a}', '/d/"x', '/d/|^`<>'],
  },
  {
    path: { kind: 'template', value: '/e/{a=*}/{b=x/*}/{c=**}.m3u8' },
    yes: ['/e/1/x/2/3/4.m3u8', '/e/1/x/2/.m3u8'],
    no: ['/e/1/y/2/3.m3u8', '/e/1/x/2/m3u8', '/e/1/x/.m3u8'],
  },
  { path: { kind: 'template', value: '/f/**.ext' }, yes: ['/f/a/b.ext', '/f/.ext', '/f/a.ext'], no: ['/f/a.exe'] },
  { path: { kind: 'template', value: '/g/a*.js/z' }, yes: ['/g/ab.js/z', '/g/a.js.js/z'], no: ['/g/a.js/z', '/g/b.js/z'] },
  { path: { kind: 'template', value: '/**/x' }, yes: ['/a/x', '//x', '/a/b/x'], no: ['/x', '/a/xx'] },
  { path: { kind: 'any' }, yes: ['/', '/a', '*', ''], no: [] },
  { path: { kind: 'connect' }, yes: [''], no: ['/', '*', '/a'] },
  { path: { kind: 'path', value: '*' }, yes: ['*'], no: ['/', '/*'] },
  { path: { kind: 'path', value: '/é' }, yes: ['/\xc3\xa9'], no: ['/\xe9'] },
];

t.test('paths', (t) => {
  for (const { path, caseSensitive = true, yes, no } of PATHS) {
    const table = tableOfRoutes(route('it', matching(path, { caseSensitive })));
    const text = 'value' in path ? `${path.kind} ${path.value}` : path.kind;
    for (const one of yes) t.equal(met(table, { path: one }), 'it', `${text} matches ${one}`);
    for (const one of no) t.equal(met(table, { path: one }), null, `${text} does not match ${one}`);
  }
  t.end();
});

t.test('what a wildcard of a template takes, byte by byte', (t) => {
  const allowed = "!$%&'()*+,-.0123456789:;=@ABCDEFGHIJKLMNOPQRSTUVWXYZ_abcdefghijklmnopqrstuvwxyz~";
  const segment = tableOfRoutes(route('it', matching({ kind: 'template', value: '/c/{x}' })));
  const text = tableOfRoutes(route('it', matching({ kind: 'template', value: '/c/{x=**}' })));
  for (let byte = 33; byte < 127; byte++) {
    const char = String.fromCharCode(byte);
    if (char === '?' || char === '#') continue;
    const path = `/c/a${char}b`;
    t.equal(met(segment, { path }) === 'it', allowed.includes(char), `* and ${char}`);
    t.equal(met(text, { path }) === 'it', allowed.includes(char) || char === '/', `** and ${char}`);
  }
  t.end();
});

interface HeaderCase {
  rule: ValueMatch;
  yes: string[][];
  no: string[][];
}

const range = { start: -10, end: 20 };
const HEADERS: HeaderCase[] = [
  {
    rule: valueMatch('x', 'exact', { value: 'a' }),
    yes: [['x: a'], ['X: a'], ['x: b', 'x: a'], ['x: a', 'y: 1', 'X: b']],
    no: [[], ['x: A'], ['x: a,b'], ['x: '], ['xx: a']],
  },
  { rule: valueMatch('x', 'exact', { value: 'a,b' }), yes: [['x: a,b']], no: [['x: a', 'x: b'], ['x: a, b']] },
  { rule: valueMatch('x', 'exact', { value: '' }), yes: [['x:']], no: [[], ['x: a']] },
  { rule: valueMatch('x', 'exact', { value: 'é' }), yes: [['x: \xc3\xa9']], no: [['x: \xe9']] },
  {
    rule: valueMatch('x', 'exact', { value: 'a', invert: true }),
    yes: [['x: b'], ['x: '], ['x: b', 'x: c']],
    no: [[], ['x: a'], ['x: a', 'x: b'], ['x: b', 'x: a']],
  },
  { rule: valueMatch('x', 'prefix', { value: 'pre' }), yes: [['x: prefix'], ['x: z', 'x: pre']], no: [[], ['x: xpre']] },
  { rule: valueMatch('x', 'suffix', { value: 'suf' }), yes: [['x: xsuf'], ['x: suf', 'x: z']], no: [[], ['x: sufx']] },
  { rule: valueMatch('x', 'contains', { value: 'con' }), yes: [['x: a con b']], no: [[], ['x: co', 'x: n']] },
  { rule: valueMatch('x', 'regex', { value: 'r[0-9]+' }), yes: [['x: r12']], no: [[], ['x: r12x'], ['x: xr12']] },
  { rule: valueMatch('x', 'regex', { value: 'é.' }), yes: [['x: \xc3\xa9\xc3\xa9']], no: [['x: \xc3\xa9']] },
  { rule: valueMatch('x', 'regex', { value: 'a', invert: true }), yes: [['x: b'], ['x:']], no: [[], ['x: a']] },
  {
    rule: valueMatch('x', 'range', range),
    yes: [['x: 5'], ['x: -10'], ['x: 19'], ['x: +5'], ['x: -0'], ['x: 05'], ['x: 99', 'x: 3']],
    no: [[], ['x: 20'], ['x: -11'], ['x: 5x'], ['x: 0x5'], ['x: '], ['x: 5.0'], ['x: 99999999999999999999'], ['x: -'], ['x: 1e1']],
  },
  {
    rule: valueMatch('x', 'range', { ...range, invert: true }),
    yes: [['x: 20'], ['x: a'], ['x: '], ['x: 99', 'x: 98']],
    no: [[], ['x: 3'], ['x: 99', 'x: 3']],
  },
  { rule: valueMatch('x', 'present'), yes: [['x: '], ['x: a']], no: [[], ['y: a']] },
  { rule: valueMatch('x', 'present', { invert: true }), yes: [[]], no: [['x: '], ['x: a']] },
  { rule: valueMatch('x', 'present', { present: false }), yes: [[]], no: [['x: '], ['x: a']] },
  { rule: valueMatch('x', 'present', { present: false, invert: true }), yes: [['x: '], ['x: a']], no: [[]] },
];

t.test('headers', (t) => {
  for (const { rule, yes, no } of HEADERS) {
    const table = tableOfRoutes(route('it', matching({ kind: 'any' }, { headers: [rule] })));
    const text = JSON.stringify(rule);
    for (const headers of yes) t.equal(met(table, { headers }), 'it', `${text} matches ${headers.join(' | ')}`);
    for (const headers of no) t.equal(met(table, { headers }), null, `${text} does not match ${headers.join(' | ')}`);
  }
  t.end();
});

t.test('headers that the proxy added count like received ones, dropped ones do not', (t) => {
  const table = tableOfRoutes(route('it', matching({ kind: 'any' }, { headers: [valueMatch('x-new', 'exact', { value: '1' })] })));
  const stream = streamOf({});
  t.equal(table.match(stream, seeded()), null);
  stream.reqHead.add('X-New', '1');
  t.equal(table.match(stream, seeded())?.name, 'it');
  const received = streamOf({ headers: ['x-new: 1'] });
  received.reqHead.remove('x-new');
  t.equal(table.match(received, seeded()), null);
  t.end();
});

const PSEUDO: [ValueMatch, Request, boolean][] = [
  [valueMatch(':path', 'exact', { value: '/p?x=1' }), { path: '/p?x=1' }, true],
  [valueMatch(':path', 'exact', { value: '/p' }), { path: '/p?x=1' }, false],
  [valueMatch(':method', 'exact', { value: 'PUT' }), { method: 'PUT' }, true],
  [valueMatch(':method', 'exact', { value: 'PUT' }), { method: 'POST' }, false],
  [valueMatch(':authority', 'exact', { value: 'M:1' }), { host: 'M:1' }, true],
  [valueMatch(':authority', 'exact', { value: 'M:1' }), { host: 'm:1' }, false],
  [valueMatch(':authority', 'present'), { host: '' }, false],
  [valueMatch('host', 'exact', { value: 'm' }), { host: 'm', headers: ['host: other'] }, true],
  [valueMatch(':scheme', 'exact', { value: 'https' }), { scheme: 'https' }, true],
  [valueMatch(':scheme', 'exact', { value: 'https', invert: true }), { scheme: 'http' }, true],
];

t.test('parts of the request line as headers', (t) => {
  for (const [rule, request, wanted] of PSEUDO) {
    const table = tableOfRoutes(route('it', matching({ kind: 'any' }, { headers: [rule] })));
    t.equal(met(table, request) === 'it', wanted, `${JSON.stringify(rule)} ${JSON.stringify(request)}`);
  }
  t.end();
});

const QUERIES: [ValueMatch, string[], string[]][] = [
  [
    valueMatch('a', 'exact', { value: '1' }),
    ['a=1', 'a=1&a=2', 'x&a=1', '&&a=1', 'b=2&a=1', 'a=1#f'],
    ['a=2&a=1', 'A=1', 'a==1', '%61=1', 'a=%31', 'a=1;b=2', '?a=1', '', 'aa=1', 'b#a=1'],
  ],
  [valueMatch('a', 'exact', { value: '' }), ['a', 'a=', 'a&b'], ['b', 'a=1', '']],
  [valueMatch('a', 'exact', { value: 'x%20y' }), ['a=x%20y'], ['a=x y', 'a=x+y']],
  [valueMatch('a', 'exact', { value: '=1' }), ['a==1'], ['a=1']],
  [valueMatch('n%20m', 'present'), ['n%20m=1', 'n%20m'], ['n+m=1']],
  [valueMatch('b', 'present'), ['b', 'b=', 'a&b=%zz'], ['B', 'bb', 'a=b']],
  [valueMatch('c', 'present', { present: false }), ['', 'C=1', 'a=1'], ['c', 'c=1', 'zz=1&c']],
  [valueMatch('a', 'range', { start: 1, end: 5 }), ['a=1', 'a=4'], ['a=5', 'a', '']],
  [valueMatch('a', 'regex', { value: '[a-c]+' }), ['a=abc', 'a=b&z'], ['a=abcd', '']],
  [valueMatch('a', 'prefix', { value: 'v', invert: true }), ['a=1', 'a'], ['a=v1', '']],
];

t.test('query parameters', (t) => {
  for (const [rule, yes, no] of QUERIES) {
    const table = tableOfRoutes(route('it', matching({ kind: 'path', value: '/q' }, { query: [rule] })));
    for (const query of yes) t.equal(met(table, { path: `/q?${query}` }), 'it', `${JSON.stringify(rule)} matches ${query}`);
    for (const query of no) t.equal(met(table, { path: `/q?${query}` }), null, `${JSON.stringify(rule)} does not match ${query}`);
  }
  const absent = tableOfRoutes(route('it', matching({ kind: 'any' }, { query: [valueMatch('a', 'present')] })));
  t.equal(met(absent, { path: '/a' }), null, 'a target without a query has no parameters');
  t.end();
});

t.test('methods', (t) => {
  const table = tableOfRoutes(
    route('read', matching({ kind: 'any' }, { methods: ['GET', 'HEAD'] })),
    route('write', matching({ kind: 'any' }, { methods: ['PUT'] })),
  );
  t.equal(met(table, { method: 'GET' }), 'read');
  t.equal(met(table, { method: 'HEAD' }), 'read');
  t.equal(met(table, { method: 'PUT' }), 'write');
  t.equal(met(table, { method: 'get' }), null);
  t.end();
});

t.test('the first route in list order wins, whatever its kind', (t) => {
  const kinds = [
    route('path', matching({ kind: 'path', value: '/a/b' })),
    route('prefix', matching({ kind: 'prefix', value: '/a' })),
    route('regex', matching({ kind: 'regex', value: '/a/.*' })),
    route('template', matching({ kind: 'template', value: '/a/{x}' })),
    route('folded', matching({ kind: 'prefix', value: '/A/' }, { caseSensitive: false })),
    route('any', matching({ kind: 'any' })),
  ];
  for (let turn = 0; turn < kinds.length; turn++) {
    const turned = [...kinds.slice(turn), ...kinds.slice(0, turn)];
    t.equal(met(tableOfRoutes(...turned), { path: '/a/b' }), turned[0]!.name);
    t.equal(met(tableOfRoutes(...turned.reverse()), { path: '/a/b' }), turned[0]!.name);
  }
  t.end();
});

t.test('a route that fails its conditions leaves the request to the next', (t) => {
  const gold = matching({ kind: 'path', value: '/a' }, { headers: [valueMatch('x-tier', 'exact', { value: 'gold' })] });
  const table = tableOfRoutes(
    route('gold', gold),
    route('short', matching({ kind: 'prefix', value: '/' }, { methods: ['POST'] })),
    route('plain', matching({ kind: 'path', value: '/a' })),
    route('rest', EVERYTHING),
  );
  t.equal(met(table, { path: '/a', headers: ['x-tier: gold'] }), 'gold');
  t.equal(met(table, { path: '/a', method: 'POST' }), 'short');
  t.equal(met(table, { path: '/a' }), 'plain');
  t.equal(met(table, { path: '/b' }), 'rest');
  t.end();
});
