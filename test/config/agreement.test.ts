// What this room accepts, the rooms that carry it out accept as well: nothing is left to be found at the rehearsal.

import { readFileSync } from 'node:fs';

import t from 'tap';

import { loadConfig } from '../../src/config/load.ts';
import { FORMS } from '../../src/config/schema/formats.ts';
import { isFieldName, isFieldValue } from '../../src/http/field-check.ts';
import { checkFormat } from '../../src/observe/access-log.ts';
import { CHECK_TOOLS } from './refusals.ts';
import { compileHttp } from '../../src/proxy/compile.ts';
import type { RouteProblem } from '../../src/route/compile.ts';
import { domainProblem } from '../../src/route/host-index.ts';
import { parseTemplate } from '../../src/route/path/template-parser.ts';
import { streamOf } from '../route/request.ts';

t.test('templates mean the same to the checks and to the matcher', (t) => {
  const texts = [
    '/{id}', '/users/{id}', '/a{id}b', '/{a}{b}', '/{a}-{b}', '/*', '/**', '/*/x/**', '/**/x', '/**/*', '/{a=**}', '/{a=**}.gz', '/{a=**}/{b}',
    '/{a=*}', '/{a=x/*}', '/{a=x}/*', '/{a=x}', '/{a=}', '/{a', '/a}', '/{}', '/{=a}', '/{a={b}}', '/{a{b}}', '/{1a}', '/{_a}', '/{a_1}', '/{a-b}', '/{a/b}',
    '/{a*}', '/{a}/{a}', '/{a}/{A}', '/{a}/{b}/{c}/{d}/{e}', '/{a}/{b}/{c}/{d}/{e}/{f}', '/{abcdefghijklmnop}', '/{abcdefghijklmnopq}', '//{a}', '/{a}//',
    '/{a}/', '/=/{a}', '/{a=b=c}/*', '/***', '/{a}*', '/*{a}', '{a}', '/{a}"', '/{a}%20', '/{a}:b', '/{a=*/b}', '/{a=*/*}', '/{a=/*}',
  ];
  for (const text of texts) t.equal(FORMS.template.explain(text) === null || /holds no \{name\}/.test(FORMS.template.explain(text) ?? ''), parses(text), text);
  t.end();
});

function parses(text: string): boolean {
  try {
    parseTemplate(text);
    return true;
  } catch {
    return false;
  }
}

t.test('names, values and domains that pass here pass there', (t) => {
  const texts = [
    'a', 'x-a', 'X_A', "!#$%&'*+-.^_`|~", '', ' ', 'a b', 'a:b', 'é', 'a\tb', '\ta', 'a ', 'a\r', 'a\nb', '\0', '\x7F', '(a)', 'a,b', '"a"', '\x80', 'example.com', '*.a.com', 'a.*', '*', '*.*',
    'a*b', '*a', 'a.com:80', '[::1]', '[::1]:80', '[::g]', 'a/b', 'a?b', 'a#b', '-a', 'a_b.c',
  ];
  for (const text of texts) {
    const bytes = Buffer.from(text, 'utf8').toString('latin1');
    if (FORMS.editedHeader.explain(text) === null) t.ok(isFieldName(text), `name ${JSON.stringify(text)}`);
    if (FORMS.headerValue.explain(text) === null) t.ok(isFieldValue(bytes), `value ${JSON.stringify(text)}`);
    if (FORMS.serverName.explain(text) === null) t.ok(isFieldValue(text), `server ${JSON.stringify(text)}`);
    if (FORMS.domain.explain(text) === null) t.equal(domainProblem(text), '', `domain ${text}`);
  }
  t.equal(FORMS.headerName.explain("!#$%&'*+-.^_`|~"), null, 'all characters of a token');
  t.end();
});

t.test('the document with every key compiles without a word', (t) => {
  const text = readFileSync(new URL('./golden/full.jsonc', import.meta.url), 'utf8');
  const result = loadConfig({ file: '/f', format: 'json', text }, {}, { ...CHECK_TOOLS, checkFormat });
  const problems: RouteProblem[] = [];
  for (const { http } of result.ok ? result.snapshot.listeners : []) {
    if (http !== null) compileHttp(http, '', {}, (problem) => problems.push(problem));
  }
  t.ok(result.ok);
  t.same(problems, []);
  t.end();
});

t.test('the values of header edits arrive as they are meant', (t) => {
  const compiledTo = (value: string): unknown => {
    const text = JSON.stringify({
      listeners: [{ address: '127.0.0.1:80', http: { routes: [{ match: { prefix: '/' }, forward: { cluster: 'a', requestHeaders: { set: { x: value } } } }] } }],
      clusters: [{ name: 'a', endpoints: ['127.0.0.1:1'] }],
    });
    const result = loadConfig({ file: '/f', format: 'json', text }, {}, { ...CHECK_TOOLS, checkFormat });
    const http = result.ok ? result.snapshot.listeners[0]?.http : undefined;
    if (http === undefined || http === null) return null;
    const edit = compileHttp(http, '', { HOME: '/root' }, (problem) => t.fail(problem.message)).routes.routes[0]?.requestEdits[0]?.edits[0];
    return edit?.format === null ? edit.constant : edit?.format.format(streamOf({ method: 'PUT' }));
  };
  t.equal(compiledTo('plain'), 'plain');
  t.equal(compiledTo('100%%'), '100%');
  t.equal(compiledTo('é'), '\u00C3\u00A9', 'UTF-8, once');
  t.equal(compiledTo('é %ENVIRONMENT(HOME)%'), '\u00C3\u00A9 /root');
  t.equal(compiledTo('%REQ(:METHOD)%é'), 'PUT\u00C3\u00A9', 'an operator');
  t.end();
});
