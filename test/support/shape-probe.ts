// Run with --allow-natives-syntax: sends traffic of every kind over a house, then says which of the objects that live on
// the road have another hidden class than a new one of their kind. Test code only; started by test/proxy/shapes.test.ts.

import { Head } from '../../src/core/head.ts';
import { Host } from '../../src/cluster/host.ts';
import { forward, matching, redirecting, rewriting, route } from '../route/request.ts';
import type { FakeConn } from './fake-conn.ts';
import { FakeHouse, type FakeDoor } from './fake-house.ts';
import { Journey } from '../../src/proxy/journey.ts';
import { clusterConfig } from './snapshots.ts';

const sameMap = new Function('a', 'b', 'return %HaveSameMap(a, b)') as (a: object, b: object) => boolean;
const isFast = new Function('a', 'return %HasFastProperties(a)') as (a: object) => boolean;

const kinds = new Map<string, Set<object>>();
function note(kind: string, object: object): void {
  const all = kinds.get(kind) ?? new Set();
  kinds.set(kind, all.add(object));
}

const upReady = Journey.prototype.upReady;
Journey.prototype.upReady = function (up): void {
  note('Journey', this);
  note('Head', this.reqHead);
  note('Head', this.resHead);
  note('H1Up', up);
  note('Host', this.host!);
  upReady.call(this, up);
};
const refuse = Journey.prototype.refuse;
Journey.prototype.refuse = function (...args): void {
  note('Journey', this);
  refuse.apply(this, args);
};

const house = new FakeHouse();
const limits = { maxConnections: 20, maxPendingRequests: 30, maxRequests: 30, maxRetries: 3 };
house.addCluster(clusterConfig('app', [1, 2], { connectTimeoutMs: 300, connections: { idleTimeoutMs: 100, maxRequests: 5 }, circuitBreakers: limits }));
const edits = { set: [['x-a', '%REQ(HOST)%'], ['x-b', 'c']], add: [], remove: ['x-c'] } as const;
const door = house.addListener([
  route('away', matching({ kind: 'path', value: '/away' }), redirecting({ path: '/new' })),
  route('own', matching({ kind: 'path', value: '/own' }), { kind: 'respond', status: 200, headers: [], body: 'own' }),
  route('old', matching({ kind: 'prefix', value: '/old' }), { ...rewriting({ prefix: '/new', host: 'inner' }), requestHeaders: edits, responseHeaders: edits }),
  route('all', matching({ kind: 'prefix', value: '/all' }), forward({ timeoutMs: 500, idleTimeoutMs: 400 })),
], { maxRequestBodyBytes: 5000, acceptHttp10: true, accessLog: [{ path: '/l', format: '%REQ(A)% %RESP(B)% %TRAILER(C)%\n', json: null, filter: null }] });

const REQUESTS = [
  'GET /all HTTP/1.1\r\nHost: a\r\n\r\n',
  'HEAD /all HTTP/1.1\r\nHost: a\r\n\r\n',
  'GET /old/x HTTP/1.1\r\nHost: a\r\nX-C: d\r\n\r\n',
  'GET /all HTTP/1.0\r\nHost: a\r\n\r\n',
  'GET http://b/all HTTP/1.1\r\nHost: a\r\nConnection: close, x\r\n\r\n',
  'POST /all HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\nabc',
  'POST /all HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\nX: y\r\n\r\n',
  'POST /all HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\na',
  'POST /all HTTP/1.1\r\nHost: a\r\nContent-Length: 9000\r\n\r\na',
  'GET /away HTTP/1.1\r\nHost: a\r\n\r\n',
  'GET /own HTTP/1.1\r\nHost: a\r\n\r\n',
  'GET /nowhere HTTP/1.1\r\nHost: a\r\n\r\n',
  'nonsense\r\n\r\n',
  'GET /all HTTP/1.1\r\nHo',
];
const ANSWERS = [
  'HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok',
  'HTTP/1.1 103 E\r\n\r\nHTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\nX: y\r\n\r\n',
  'HTTP/1.1 204 N\r\nConnection: close\r\n\r\n',
  'HTTP/1.1 200 OK\r\n\r\nuntil close',
  'nonsense\r\n\r\n',
  '',
];

function exchange(listener: FakeDoor, request: string, answer: string): void {
  const callers = [listener.connect(), listener.connect(), listener.connect()];
  for (const caller of callers) {
    note('H1Down', caller.owner);
    caller.receive(request.slice(0, 20));
    caller.receive(request.slice(20));
  }
  for (const conn of house.loop.connects.splice(0)) if (conn.state === 'connecting') serve(conn, answer);
  house.loop.advance(answer === '' ? 600 : 10);
  for (const caller of callers) if (caller.state === 'open') caller.end();
}

function serve(conn: FakeConn, answer: string): void {
  conn.setRoom(answer.length > 30 ? 30 : Infinity);
  conn.connectOk();
  conn.setRoom(Infinity);
  if (answer !== '') conn.receive(answer);
  if (conn.state === 'open' && answer.includes('until')) conn.end();
}

// Twice: what V8 has learnt of a field in the first round reaches older objects in the second.
for (let round = 0; round < 3; round++) {
  for (const request of REQUESTS) for (const answer of ANSWERS) exchange(door, request, answer);
  house.loop.advance(2000);
}
note('Journey', new Journey());
note('Head', new Head());
note('Host', new Host({ kind: 'ip', host: '::1', port: 1 }, 'x', 1, { cells: 0, row: 0, breakers: -1 }));

for (const [kind, objects] of kinds) {
  const all = [...objects];
  const first = all.at(-1)!;
  const odd = all.filter((object) => !sameMap(object, first) || !isFast(object)).length;
  console.log(`${kind} ${all.length} ${odd}`);
}
