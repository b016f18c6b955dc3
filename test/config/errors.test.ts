// Every code is explained to users, has a test that makes it, and is printed in one way; warnings stop nothing.

import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { cwd } from 'node:process';

import t from 'tap';

import { ERROR_CODES } from '../../src/config/error-codes.ts';
import { formatError } from '../../src/config/errors.ts';
import type { ConfigError } from '../../src/config/errors.ts';
import { loadConfig } from '../../src/config/load.ts';
import { schemaReport, validateReport } from '../../src/config/report.ts';
import { CONFIG_SCHEMA } from '../../src/config/schema.ts';
import { CHECK_TOOLS, put, rightDocument } from './refusals.ts';

const tools = CHECK_TOOLS;

t.test('ERRORS.md holds the same codes and texts', (t) => {
  const page = readFileSync(join(cwd(), 'src/config/ERRORS.md'), 'utf8');
  const rows = [...page.matchAll(/^\| `([a-z-]+)` \| (.+) \|$/gm)].map((row) => [row[1], row[2]]);
  t.same(rows, Object.entries(ERROR_CODES));
  t.end();
});

t.test('every code has a broken document that makes it', (t) => {
  const seen = new Set<string>();
  const directory = join(cwd(), 'test/config');
  const tables = readdirSync(directory).filter((name) => name.startsWith('refused-'));
  for (const table of tables) {
    for (const [, code] of readFileSync(join(directory, table), 'utf8').matchAll(/'([a-z-]+)(?: [^':]+)?: /g)) seen.add(code ?? '');
  }
  for (const [text, format] of [
    ['{', 'json'], ['{"a":1,"a":1}', 'json'], ['__proto__: 1', 'yaml'], ['['.repeat(100_000), 'json'], ['{"a":"${"}', 'json'], ['{"a":"${A}"}', 'json'],
  ] as const) {
    const result = loadConfig({ file: 'f', format, text }, {}, tools);
    for (const error of result.ok ? [] : result.errors) seen.add(error.code);
  }
  const module = loadConfig({ file: 'f', format: 'object', value: Math }, {}, tools);
  for (const error of module.ok ? [] : module.errors) seen.add(error.code);
  for (const warning of warningsOf('/clusters/1/endpoints', [])) seen.add(warning.code);
  for (const warning of warningsOf('/listeners/0/http/virtualHosts/0/routes/0/match/prefix', '/')) seen.add(warning.code);
  for (const warning of warningsOf('/clusters/1/tls', { ca: 'old.pem' })) seen.add(warning.code);
  for (const warning of warningsOf('/clusters/1/circuitBreakers', { high: { maxRetries: 3, retryBudget: {} } })) seen.add(warning.code);
  t.same(Object.keys(ERROR_CODES).filter((code) => !seen.has(code)), []);
  t.end();
});

function warningsOf(pointer: string, value: unknown): readonly ConfigError[] {
  const result = loadConfig({ file: 'f', format: 'object', value: put(rightDocument(), pointer, value) }, {}, tools);
  if (!result.ok) throw new Error(JSON.stringify(result.errors));
  return result.warnings;
}

t.test('one line per error', (t) => {
  const error: ConfigError = { code: 'unknown-key', severity: 'error', pointer: '/a', message: 'unknown key "a"', suggestion: 'b', file: 'x.json', line: 2, column: 3 };
  t.equal(formatError(error), 'x.json:2:3: /a: unknown key "a"; did you mean "b"?');
  t.equal(formatError({ ...error, suggestion: '' }), 'x.json:2:3: /a: unknown key "a"');
  t.equal(formatError({ ...error, line: 0, column: 0, suggestion: '' }), 'x.json: /a: unknown key "a"');
  t.equal(formatError({ ...error, pointer: '', severity: 'warning', suggestion: '' }), 'x.json:2:3: warning: unknown key "a"');
  t.end();
});

t.test('what nuncio validate and nuncio schema print', (t) => {
  const load = (text: string) => loadConfig({ file: 'f.json', format: 'json', text }, {}, tools);
  t.same(validateReport(load(JSON.stringify(rightDocument()))), { exitCode: 0, stdout: 'OK\n', stderr: '' });
  t.same(validateReport(load('{}')), { exitCode: 1, stdout: '', stderr: 'f.json:1:1: configuration needs the key "listeners"\n1 error\n' });
  t.match(validateReport(load('{"a":1,"b":2}')), { exitCode: 1, stderr: /\n3 errors\n$/ });
  const warned = validateReport(load(JSON.stringify(put(rightDocument(), '/clusters/1/endpoints', []))));
  t.match(warned, { exitCode: 0, stdout: 'OK\n', stderr: /^f\.json:1:\d+: warning: \/clusters\/1\/endpoints: / });
  t.same(JSON.parse(schemaReport().stdout), CONFIG_SCHEMA);
  t.end();
});

t.test('routes that nothing can reach', (t) => {
  const routes = (...matches: unknown[]): string[] => {
    const value = matches.map((match) => ({ match, respond: { status: 200 } }));
    return warningsOf('/listeners/0/http/virtualHosts/0/routes', value).map((warning) => warning.pointer.split('/').at(-1) ?? '');
  };
  t.same(routes({ prefix: '/' }, { prefix: '/a' }, { regex: '.*' }), ['1', '2'], 'behind a catch-all');
  t.same(routes({ prefix: '/a' }, { prefix: '/a' }, { prefix: '/a', methods: ['GET'] }), ['1', '2'], 'behind its equal');
  t.same(routes({ path: '/a', caseSensitive: false }, { path: '/a', caseSensitive: false }), ['1']);
  t.same(routes({ prefix: '/' }, { path: '*' }), [], 'OPTIONS * has no path');
  t.same(routes({ path: '/a' }, { prefix: '/a' }, { pathSeparatedPrefix: '/a' }), []);
  t.same(routes({ path: '/a', caseSensitive: false }, { path: '/a' }), [], 'not found, since it is rare');
  for (const condition of [{ methods: ['GET'] }, { headers: { a: 'b' } }, { query: { a: 'b' } }, { fraction: 0.5 }]) {
    t.same(routes({ prefix: '/', ...condition }, { prefix: '/' }), [], JSON.stringify(condition));
  }
  t.same(routes({ prefix: '/', methods: [], headers: {}, query: {}, fraction: 1 }, { prefix: '/' }), ['1'], 'conditions that are none');
  t.end();
});
