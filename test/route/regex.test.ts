// Regular expressions: linear time on hostile input, RE2's replacement rules, and that the index never hides a match.

import t from 'tap';
import { LinearRegex } from '../../src/route/rule/linear-regex.ts';
import { literalPrefix, parseSubstitution } from '../../src/route/rule/regex-syntax.ts';
import { matching, met, rewriting, route, tableOfRoutes, valueMatch } from './request.ts';

const HOSTILE: [pattern: string, unit: string][] = [
  ['/(a+)+$', 'a'],
  ['/(a|a)*', 'a'],
  ['/(a|aa)+', 'a'],
  ['/([a-z]+)*[0-9]', 'a'],
  ['/(.*)(.*)(.*)(.*)(.*)x', 'a'],
  ['/(a?){30}a{30}', 'a'],
];

/** Time for one match, the best of a few. */
function bestMs(run: () => unknown): number {
  let best = Infinity;
  for (let k = 0; k < 7; k++) {
    const start = process.hrtime.bigint();
    run();
    best = Math.min(best, Number(process.hrtime.bigint() - start) / 1e6);
  }
  return best;
}

t.test('sixteen times the input takes about sixteen times as long, not two to the sixteenth', (t) => {
  for (const [pattern, unit] of HOSTILE) {
    const table = tableOfRoutes(route('it', matching({ kind: 'regex', value: pattern })));
    const short = '/' + unit.repeat(4000) + '!';
    const long = '/' + unit.repeat(64000) + '!';
    t.equal(met(table, { path: long }), null, `${pattern} does not match`);
    const ratio = bestMs(() => met(table, { path: long })) / bestMs(() => met(table, { path: short }));
    t.ok(ratio < 80, `${pattern}: ratio ${ratio.toFixed(1)}`);
  }
  t.end();
});

t.test('hostile patterns on headers and in rewrites end too', (t) => {
  const rule = valueMatch('x', 'regex', { value: '(a+)+b' });
  const table = tableOfRoutes(route('it', matching({ kind: 'any' }, { headers: [rule] })));
  t.equal(met(table, { headers: [`x: ${'a'.repeat(50000)}c`] }), null);
  t.equal(new LinearRegex('(a+)+$').replaceAll('a'.repeat(20000) + '!', ['x']), null);
  t.end();
});

t.test('global replacement as RE2 does it', (t) => {
  const replace = (pattern: string, substitution: string, text: string): string | null => {
    const regex = new LinearRegex(pattern);
    return regex.replaceAll(text, parseSubstitution(substitution, regex.groups));
  };
  t.equal(replace('x*', '-', '/rn/xx'), '-/-r-n-/-');
  t.equal(replace('b*', '-', '/j/abbc'), '-/-j-/-a-c-');
  t.equal(replace('a', '', 'banana'), 'bnn');
  t.equal(replace('(a)(n)?', '<\\2\\1\\0>', 'banana'), 'b<naan><naan><aa>');
  t.equal(replace('a', '\\\\0$1', 'a'), '\\0$1', 'only the backslash has a meaning');
  t.equal(replace('z', 'y', 'banana'), null);
  t.equal(replace('', 'y', ''), 'y');
  t.end();
});

t.test('the index looks only at text that every match begins with', (t) => {
  const prefixes: Record<string, string> = {
    '/v[0-9]+/.*': '/v',
    '/a/b': '/a/b',
    '^/a/b$': '/a/b',
    '/a.b': '/a',
    '/a\\.b': '/a.b',
    '/ab?c': '/a',
    '/ab*': '/a',
    '/ab+': '/a',
    '/ab{2}': '/a',
    '/a|/b': '',
    '/a(|x)': '/a',
    '/a(x|y)z': '/a',
    '/a[|]b': '/a',
    '/[|]': '/',
    '/a[]|]b|c': '',
    '/a[[:alpha:]|]b': '',
    '/a\\|b': '/a',
    '/a\\(|b': '',
    '(?i)/a': '',
    '\\Q/a|b\\E': '',
    '/a\\Q(\\E|b': '',
    '/é': '/',
    '.*': '',
    'x?/a': '',
    '\\/a\\d': '/a',
    '': '',
  };
  for (const [pattern, prefix] of Object.entries(prefixes)) t.equal(literalPrefix(pattern), prefix, pattern);
  t.end();
});

t.test('patterns made at random find through the index what they find alone', (t) => {
  const atoms = ['/', 'a', 'b', '\\.', '.', '[ab]', '[|]', '(a|b)', '(?:a)', '|', '(', ')', '?', '*', '+', '{1,2}', '^', '$', '\\', 'Q', 'E', '[', ']'];
  let state = 7;
  const next = (bound: number): number => (state = (state * 48271) % 2147483647) % bound;
  const texts = ['/', '/a', '/b', '/ab', '/a/b', '/aab', '/a.b', '/|', '/a|b', '/ba', '/(a', '/QaE'];
  let compared = 0;
  const hidden: string[] = [];
  for (let k = 0; k < 4000; k++) {
    const pattern = '/' + Array.from({ length: 1 + next(6) }, () => atoms[next(atoms.length)]).join('');
    let regex: LinearRegex;
    try {
      regex = new LinearRegex(pattern);
    } catch {
      continue;
    }
    const prefix = literalPrefix(pattern);
    for (const text of texts) {
      if (!regex.matches(text)) continue;
      compared++;
      if (!text.startsWith(prefix)) hidden.push(`${pattern} on ${text}: ${prefix}`);
    }
  }
  t.same(hidden, []);
  t.ok(compared > 500, `${compared} matches compared`);
  t.end();
});

t.test('a regex rewrite behind a regex match', (t) => {
  const table = tableOfRoutes(route('it', matching({ kind: 'regex', value: '/(\\w+)/x' }), rewriting({ regex: { pattern: '\\w+', substitution: 'y' } })));
  t.equal(met(table, { path: '/abc/x' }), 'it');
  t.end();
});
