// The Snapshot: frozen to the last leaf, and content hashes that change with what they stand for and nothing else.

import t from 'tap';

import type { Snapshot } from '../../src/config/snapshot.ts';
import { loadConfig } from '../../src/config/load.ts';
import { CHECK_TOOLS, put, rightDocument } from './refusals.ts';

function snapshotOf(document: unknown, file = '/etc/nuncio/f'): Snapshot {
  const result = loadConfig({ file, format: 'object', value: document }, {}, CHECK_TOOLS);
  if (!result.ok) throw new Error(JSON.stringify(result.errors));
  return result.snapshot;
}

const changed = (pointer: string, value: unknown): Snapshot => snapshotOf(put(rightDocument(), pointer, value));

function looseParts(value: unknown, path = ''): string[] {
  if (typeof value !== 'object' || value === null) return [];
  const below = Object.entries(value).flatMap(([key, item]) => looseParts(item, `${path}/${key}`));
  return Object.isFrozen(value) ? below : [path, ...below];
}

t.test('frozen, and only plain data that a worker can be sent', (t) => {
  const result = loadConfig({ file: 'f', format: 'object', value: rightDocument() }, {}, CHECK_TOOLS);
  if (!result.ok) throw new Error('refused');
  t.same(looseParts(result.snapshot), []);
  t.same(looseParts(result.document), []);
  t.same(structuredClone(result.snapshot), result.snapshot);
  t.same(JSON.parse(JSON.stringify(result.snapshot)), result.snapshot);
  t.end();
});

t.test('the same content gives the same hashes, however it is written', (t) => {
  const one = snapshotOf(rightDocument());
  t.match(one.version, /^[0-9a-f]{16}$/);
  t.same(snapshotOf(rightDocument()), one);
  t.equal(changed('/clusters/0/connectTimeout', '5000ms').version, one.version, 'a default spelt out');
  t.equal(changed('/clusters/0/endpoints', [{ weight: 1, address: '127.0.0.1:3000' }]).version, one.version, 'the long form');
  t.equal(changed('/$schema', './nuncio.schema.json').version, one.version, 'what only editors read');
  t.equal(changed('/listeners/0/http/serverName', 'nuncio').version, one.version);
  t.end();
});

t.test('a change is seen in its own hash and in the version, and nowhere else', (t) => {
  const one = snapshotOf(rightDocument());
  const hashes = (snapshot: Snapshot): string[] => [...snapshot.listeners, ...snapshot.clusters].map((part) => part.hash);
  const changes: [string, unknown, number | null][] = [
    ['/workers', 3, null],
    ['/logLevel', 'debug', null],
    ['/listeners/0/http/virtualHosts/0/routes/3/respond/body', 'x', 0],
    ['/listeners/0/maxConnections', 1, 0],
    ['/engine', 'node', 0],
    ['/clusters/0/connectTimeout', '1s', 1],
    ['/clusters/1/endpoints/0', '127.0.0.1:3002', 2],
  ];
  for (const [pointer, value, part] of changes) {
    const two = changed(pointer, value);
    t.not(two.version, one.version, pointer);
    t.same(hashes(two).map((hash, index) => hash !== hashes(one)[index]), [0, 1, 2].map((index) => index === part), pointer);
  }
  t.end();
});

t.test('relative log paths are relative to the file', (t) => {
  const logPath = (file: string, path: string): string | undefined =>
    snapshotOf(put(rightDocument(), '/listeners/0/http/accessLog', [{ path }]), file).listeners[0]?.http?.accessLog[0]?.path;
  t.equal(logPath('/etc/nuncio/a.json', 'b.log'), '/etc/nuncio/b.log');
  t.equal(logPath('/etc/nuncio/a.json', '../log/b.log'), '/etc/log/b.log');
  t.equal(logPath('conf/a.json', 'b.log'), 'conf/b.log');
  t.equal(logPath('a.json', './b.log'), 'b.log');
  t.equal(logPath('/etc/a.json', '/dev/stdout'), '/dev/stdout');
  t.end();
});

t.test('gRPC methods are counted at the clusters that their listener leads to', (t) => {
  const route = (prefix: string, forward: unknown): unknown => ({ match: { prefix }, forward });
  const listener = (port: number, methods: string[] | null, routes: unknown[]): unknown => ({
    address: `127.0.0.1:${port}`, http: { routes, ...(methods === null ? {} : { filters: [{ grpcStats: { methods } }] }) },
  });
  const clusters = ['a', 'b', 'c', 'constructor'].map((name) => ({ name, endpoints: ['127.0.0.1:1'] }));
  const methodsOf = (...listeners: unknown[]): unknown => snapshotOf({ listeners, clusters }).grpcMethods;
  const a = route('/', { cluster: 'a' });
  t.same(methodsOf(listener(1, null, [a])), {});
  t.same(methodsOf(listener(1, [], [a]), listener(2, null, [route('/', { cluster: 'b' })])), { a: [] });
  const split = route('/', { clusters: [{ name: 'b', weight: 1 }, { name: 'c', weight: 1 }] });
  t.same(methodsOf(listener(1, ['p.S/N', 'p.S/M'], [a]), listener(2, ['p.S/M', 'p.S/O'], [a, split])), {
    a: ['p.S/M', 'p.S/N', 'p.S/O'], b: ['p.S/M', 'p.S/O'], c: ['p.S/M', 'p.S/O'],
  });
  t.same(methodsOf(listener(1, ['p.S/M'], [route('/', { clusterHeader: 'x-cluster' })])), { a: ['p.S/M'], b: ['p.S/M'], c: ['p.S/M'], constructor: ['p.S/M'] });
  t.same(methodsOf(listener(1, ['p.S/M'], [{ match: { prefix: '/' }, respond: { status: 204 } }])), {});
  t.end();
});
