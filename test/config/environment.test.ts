// Variables: placeholders in the text of a document, and those that override keys.

import t from 'tap';

import { formatErrors } from '../../src/config/errors.ts';
import { loadConfig } from '../../src/config/load.ts';
import type { Environment, LoadResult } from '../../src/config/load.ts';
import { CHECK_TOOLS, put, rightDocument } from './refusals.ts';

function load(environment: Environment, place = '/clusters/0/name', value: unknown = 'app'): LoadResult {
  const text = JSON.stringify(put(rightDocument(), place, value));
  return loadConfig({ file: 'f', format: 'json', text }, environment, CHECK_TOOLS);
}

/** Problems without their line and column. */
function problems(result: LoadResult): string[] {
  return formatErrors(result.ok ? [] : result.errors).replace(/:1:\d+:/g, ':').split('\n').filter((line) => line !== '');
}

t.test('placeholders', (t) => {
  const name = '/listeners/0/name';
  const right: [string, string][] = [
    ['${A}', 'a'], ['x${A}y${B:-b}z', 'xaybz'], ['${EMPTY:-b}', 'b'], ['${EMPTY}c', 'c'], ['${B:-}c', 'c'], ['${A:-b}', 'a'],
    ['${B:-a:-b}', 'a:-b'], ['${B:-x y}', 'x y'], ['$A', '$A'], ['$$A', '$$A'], ['$${A}', '${A}'], ['$$${A}', '$${A}'], ['$${', '${'],
    ['${NESTED}', '${A}'], ['${B:-$}', '$'], ['{A}', '{A}'], ['${_1}', 'one'],
  ];
  for (const [text, expected] of right) {
    const result = load({ A: 'a', EMPTY: '', NESTED: '${A}', _1: 'one' }, name, text);
    t.equal(result.ok && result.snapshot.listeners[0]?.name, expected, text);
  }
  const wrong: [string, string][] = [
    ['${B}', 'the environment variable B is not set and has no default'],
    ['${toString}', 'the environment variable toString is not set and has no default'],
    ['${}', '"${}" is not ${NAME} or ${NAME:-default}; write $${ for a literal ${'],
    ['${1A}', '"${1A}" is not ${NAME} or ${NAME:-default}; write $${ for a literal ${'],
    ['${A-b}', '"${A-b}" is not ${NAME} or ${NAME:-default}; write $${ for a literal ${'],
    ['${ A }', '"${ A }" is not ${NAME} or ${NAME:-default}; write $${ for a literal ${'],
    ['x ${A', '"${A" is not ${NAME} or ${NAME:-default}; write $${ for a literal ${'],
  ];
  for (const [text, message] of wrong) t.same(problems(load({ A: 'a' }, name, text)), [`f: ${name}: ${message}`], text);
  t.same(problems(load({}, '/${A}', 1)), ['f: /${A}: unknown key "${A}"'], 'not in keys');
  t.end();
});

t.test('a placeholder alone may become a number or a boolean where one is wanted', (t) => {
  const workers = (value: string, environment: Environment): unknown => {
    const result = load(environment, '/workers', value);
    return result.ok ? result.snapshot.workers : problems(result);
  };
  t.equal(workers('${N}', { N: '4' }), 4);
  t.equal(workers('${N:-4}', {}), 4);
  t.equal(workers('${N}', { N: 'auto' }), 'auto');
  t.same(workers('${N}', { N: '4x' }), ['f: /workers: must be "auto" or a whole number, not "4x"']);
  t.same(workers('${N}', { N: '0' }), ['f: /workers: must be from 1 to 1024']);
  t.same(workers('4', {}), ['f: /workers: must be "auto" or a whole number, not "4"'], 'what is written as text stays text');
  t.same(workers('${N}${N}', { N: '4' }), ['f: /workers: must be "auto" or a whole number, not "44"'], 'so does what is put together');
  const size = load({ N: '100' }, '/listeners/0/http/maxRequestBodySize', '${N}');
  t.equal(size.ok && size.snapshot.listeners[0]?.http?.maxRequestBodyBytes, 100);
  const name = load({ N: 'false' }, '/listeners/0/http/serverName', '${N}');
  t.equal(name.ok && name.snapshot.listeners[0]?.http?.serverName, 'false', 'where text is wanted it stays text');
  t.end();
});

t.test('overrides', (t) => {
  const snapshot = (environment: Environment, place?: string, value?: unknown) => {
    const result = load(environment, place, value);
    return result.ok ? result.snapshot : problems(result);
  };
  t.match(snapshot({ NUNCIO_WORKERS: '7', NUNCIO_LOG_LEVEL: 'error' }), { workers: 7, logLevel: 'error' });
  t.match(snapshot({ NUNCIO_WORKERS: 'auto' }, '/workers', 5), { workers: 'auto' });
  t.match(snapshot({ NUNCIO_WORKERS: '' }, '/workers', 5), { workers: 5 }, 'an empty one counts as unset');
  t.match(snapshot({ NUNCIO_ENGINE: 'node' }, '/listeners/0/engine', 'uws'), { engine: 'node', listeners: [{ engine: 'node' }] });
  t.match(snapshot({}, '/listeners/0/engine', 'uws'), { engine: 'auto', listeners: [{ engine: 'uws' }] });
  t.match(snapshot({ NUNCIO_ADMIN: '[::1]:99' }), { admin: { kind: 'ip', host: '::1', port: 99 } });
  t.match(snapshot({ NUNCIO_ADMIN: '127.0.0.1:99' }, '/admin', false), { admin: { port: 99 } });
  t.match(snapshot({ NUNCIO_ZONE: 'b' }, '/clusters/0', { name: 'app', endpoints: ['127.0.0.1:1'], loadBalancing: { zoneAware: true } }), ['f: /clusters/0/loadBalancing/zoneAware: needs the top-level key "localCluster"']);
  t.equal((snapshot({ NUNCIO_ADMIN: 'false' }) as { admin: unknown }).admin, null);
  t.match(snapshot({ NUNCIO_WORKERS: '7' }, '/workers', 'nonsense'), { workers: 7 }, 'what is overridden is not looked at');
  t.same(snapshot({ NUNCIO_WORKERS: 'many' }), ['NUNCIO_WORKERS: /workers: must be "auto" or a whole number, not "many"']);
  t.same(snapshot({ NUNCIO_WORKERS: '0' }), ['NUNCIO_WORKERS: /workers: must be from 1 to 1024']);
  t.same(snapshot({ NUNCIO_ENGINE: 'libuv' }), ['NUNCIO_ENGINE: /engine: "libuv" is not one of "auto", "epoll", "node", "uws"']);
  t.same(snapshot({ NUNCIO_LOG_LEVEL: 'warning' }), ['NUNCIO_LOG_LEVEL: /logLevel: "warning" is not one of "trace", "debug", "info", "warn", "error", "off"; did you mean "warn"?']);
  t.same(snapshot({ NUNCIO_ADMIN: '9901' }), ['NUNCIO_ADMIN: /admin/address: "9901" must be "IP:port", "[v6]:port" or "unix:/path"']);
  t.same(snapshot({ NUNCIO_ADMIN: '127.0.0.1:8080' }), ['f: /listeners/0/address: the address "127.0.0.1:8080" is taken already by /admin']);
  t.end();
});

t.test('the effective document keeps the language and shows the variables', (t) => {
  const result = load({ NUNCIO_WORKERS: '7', N: '9' }, '/drainTimeout', '${N}s');
  t.match(result.ok && result.document, { workers: 7, drainTimeout: '9s' });
  t.notOk(result.ok && 'watch' in result.document, 'defaults are not in it');
  t.end();
});
