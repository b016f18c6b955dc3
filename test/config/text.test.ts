// Text that cannot be read: every mistake with its line and column, in JSON, YAML and modules.

import t from 'tap';

import { formatErrors } from '../../src/config/errors.ts';
import { formatOfFile, loadConfig } from '../../src/config/load.ts';
import type { ConfigSource } from '../../src/config/load.ts';
import { CHECK_TOOLS, rightDocument } from './refusals.ts';

function errorsOf(source: ConfigSource): string[] {
  const result = loadConfig(source, {}, CHECK_TOOLS);
  return result.ok ? [] : formatErrors(result.errors).trimEnd().split('\n');
}

const json = (text: string): string[] => errorsOf({ file: 'f', format: 'json', text });
const yaml = (text: string): string[] => errorsOf({ file: 'f', format: 'yaml', text });
const module = (exported: unknown): string[] => errorsOf({ file: 'f', format: 'object', value: exported });
const right = JSON.stringify(rightDocument(), null, 2);
const deep = `${'['.repeat(100)}${']'.repeat(100)}`;

t.test('the file name tells the format', (t) => {
  for (const file of ['a.json', 'a.jsonc', 'a', 'a.conf', 'yaml']) t.equal(formatOfFile(file), 'json', file);
  for (const file of ['a.yaml', 'a.yml', '/x/A.YAML']) t.equal(formatOfFile(file), 'yaml', file);
  for (const file of ['a.js', 'a.mjs']) t.equal(formatOfFile(file), 'object', file);
  t.end();
});

t.test('what is right is read alike in every dress', (t) => {
  t.same(json(right), []);
  t.same(json(`\uFEFF${right.replaceAll('\n', '\r\n')}`), [], 'byte-order mark, CRLF');
  t.same(json(`/* a */ ${right.replace(/\n(\s*)]/g, ',\n$1]')} // b`), [], 'comments, trailing commas');
  t.same(yaml(right), [], 'JSON is YAML');
  t.same(yaml(`%YAML 1.2\n---\n${right}\n...\n`), []);
  t.same(module(rightDocument()), []);
  t.same(module(Object.assign(Object.create(null), rightDocument())), [], 'no prototype');
  t.end();
});

t.test('JSON: each mistake once, at its place', (t) => {
  t.same(json(''), ['f:1:1: the file is empty']);
  t.same(json(' \n '), ['f:2:2: the file is empty']);
  t.same(json('// nothing\n'), ['f:2:1: a value is expected here']);
  t.same(json('{"a": 1,\n "b" 2}'), ['f:2:6: a colon is expected here']);
  t.same(json('{"a": 1\n "b": 2}'), ['f:2:2: a comma is expected here']);
  t.same(json('{"a": 1\r\n "b": 2}'), ['f:2:2: a comma is expected here']);
  t.same(json('{"a": 1 "b": 2,\n"c" 3,\n"d": 04}'), [
    'f:1:9: a comma is expected here',
    'f:2:5: a colon is expected here',
    'f:3:7: a comma is expected here',
  ]);
  t.same(json('{\n  "a": [1, 2\n}'), ['f:3:1: a comma is expected here']);
  t.same(json('{"a": yes}'), ['f:1:7: unexpected word; text stands in double quotes']);
  t.same(json("{'a': 1}"), ['f:1:2: unexpected word; text stands in double quotes']);
  t.same(json('{"a": "b\n}'), ['f:1:7: the text is not closed with a double quote']);
  t.same(json('{"a": 1'), ['f:1:8: a closing } is expected here']);
  t.same(json('{} {}'), ['f:1:4: the document has ended, but more text follows']);
  t.same(json('{"a": "\\x"}'), ['f:1:7: no such escape']);
  t.same(json('{"a": "\\u12"}'), ['f:1:7: the \\u escape is not complete']);
  t.same(json('{"a": "\t"}'), ['f:1:7: a control character must be written as an escape']);
  t.same(json('/* a'), ['f:1:1: the comment is not closed']);
  t.end();
});

t.test('JSON: keys and nesting', (t) => {
  t.same(json('{"a":1,"a":2,\n"b":{"__proto__":{}}}'), ['f:1:8: /a: this key is given twice', 'f:2:6: /b/__proto__: this key is not allowed']);
  t.match(json(`{"a":${deep}}`), [/^f:1:70: \/a\/.*: is nested deeper than 64 levels$/]);
  t.same(json('['.repeat(100_000)), ['f:1:1: is nested deeper than 64 levels']);
  t.same(json('{"workers": 1e999,\n"listeners": null}'), ['f:1:13: /workers: must be a whole number, not Infinity', 'f:2:14: /listeners: must be a list, not null']);
  t.end();
});

t.test('YAML: each mistake at its place', (t) => {
  t.same(yaml(''), ['f:1:1: the file is empty']);
  t.same(yaml('# nothing\n'), ['f:1:1: the file is empty']);
  t.same(yaml('a: b: c'), ['f:1:4: Nested mappings are not allowed in compact mappings']);
  t.same(yaml('x: 1\na: [1, 2'), ['f:2:9: Flow sequence in block collection must be sufficiently indented and end with a ]']);
  t.same(yaml('a:\n\t- b'), ['f:2:1: Tabs are not allowed as indentation']);
  t.same(yaml('"a\n'), ['f:2:1: Missing closing "quote']);
  t.same(yaml('a: !foo x'), ['f:1:4: Unresolved tag: !foo']);
  t.same(yaml('a: 1\n---\nb: 2'), ['f:2:1: a second document begins; a configuration is one']);
  t.same(yaml('a: 1\nb: 2\na: 3\n'), ['f:3:1: this key is given twice']);
  t.same(yaml('? [a]\n: b'), ['f:1:3: With stringKeys, all keys must be strings']);
  t.same(yaml('__proto__: 1\nlisteners: []'), ['f:1:1: /__proto__: this key is not allowed']);
  t.same(yaml('listeners: 2001-01-01\nworkers: .nan\nwatch: yes'), [
    'f:1:12: /listeners: must be a list, not "2001-01-01"',
    'f:2:10: /workers: must be a whole number, not NaN',
    'f:3:8: /watch: must be true or false, not "yes"',
  ]);
  t.end();
});

t.test('YAML: aliases cannot hang or exhaust the loader', (t) => {
  const tens = (of: string): string => `[${new Array(10).fill(of).join(',')}]`;
  t.same(yaml('a: 1\nb: *nope'), ['f:2:4: the alias names no anchor above it']);
  t.match(yaml('&a [*a]'), [/^f:1:5: .*: is nested deeper than 64 levels$/], 'an alias inside itself');
  t.same(yaml(`a: &a ${tens('1')}\nb: &b ${tens('*a')}\nc: &c ${tens('*b')}\nd: &d ${tens('*c')}\ne: ${tens('*d')}`), ['f:1:1: Excessive alias count indicates a resource exhaustion attack']);
  t.match(yaml(`a: ${deep}`), [/: is nested deeper than 64 levels$/]);
  t.match(yaml('['.repeat(20_000)), [/^f:1:\d+: is nested too deep$/]);
  t.end();
});

t.test('modules must export plain data', (t) => {
  const loop: Record<string, unknown> = {};
  loop['a'] = loop;
  t.same(module(undefined), ['f: must be plain data, not undefined']);
  t.same(module(() => rightDocument()), ['f: must be plain data, not a function']);
  t.same(module(Promise.resolve(rightDocument())), ['f: must be plain data, not a Promise']);
  t.same(module(new Map()), ['f: must be plain data, not a Map']);
  t.same(module({ listeners: new Date(0) }), ['f: /listeners: must be plain data, not a Date']);
  t.same(module({ workers: 10n, listeners: Symbol('x') }), ['f: /listeners: must be plain data, not a symbol', 'f: /workers: must be plain data, not a bigint']);
  t.match(module(loop), [/^f: \/a\/a.*: is nested deeper than 64 levels$/], 'an object inside itself');
  t.same(module({}), ['f: configuration needs the key "listeners"']);
  t.end();
});
