// What outlier detection hears of every attempt, HTTP and TCP: answers, failures on the way, time-outs, connections; and
// what it does not hear, because the host has no part in it.

import t from 'tap';

import type { OutlierDocument } from '../../src/config/outlier.ts';
import type { ClusterConfig } from '../../src/config/cluster-snapshot.ts';
import { HOST_LOCAL_BAD, HOST_LOCAL_GOOD, HOST_OUTLIER_BAD, HOST_OUTLIER_GOOD } from '../../src/observe/stat-names.ts';
import { CONSECUTIVE_5XX, CONSECUTIVE_GATEWAY, CONSECUTIVE_LOCAL } from '../../src/shared/host-table.ts';
import { RES_PENDING } from '../../src/shared/breaker-table.ts';
import { forward, matching, route } from '../route/request.ts';
import type { FakeConn } from '../support/fake-conn.ts';
import { FakeHouse } from '../support/fake-house.ts';
import { outlierConfig } from '../support/outlier.ts';
import { clusterConfig } from '../support/snapshots.ts';

/** Never ejects: it only counts. */
const COUNTING: OutlierDocument = { consecutive5xx: 1000, consecutiveGatewayFailure: 1000 };
const SPLIT: OutlierDocument = { ...COUNTING, splitExternalLocalOriginErrors: true, consecutiveLocalOriginFailure: 1000 };
const GRPC = 'Content-Type: application/grpc\r\n';

class Stage {
  readonly house = new FakeHouse();
  readonly caller: FakeConn;

  constructor(outlier: OutlierDocument, cluster: Partial<ClusterConfig> = {}, tcp = false) {
    this.house.addCluster(clusterConfig('app', [13_000], { outlierDetection: outlierConfig(outlier), connectTimeoutMs: 500, ...cluster }));
    const routes = [route('all', matching({ kind: 'prefix', value: '/' }), forward({ timeoutMs: 1000 }))];
    this.caller = tcp ? this.house.addTcpListener().connect() : this.house.addListener(routes, { timeouts: { idleMs: 0, requestHeadersMs: 0, requestMs: 0, streamIdleMs: 700 } }).connect();
  }

  get(fields = ''): this {
    this.caller.receive(`GET / HTTP/1.1\r\nHost: here\r\n${fields}\r\n`);
    return this;
  }

  get up(): FakeConn {
    return this.house.lastConnect;
  }

  sent(): FakeConn {
    this.up.connectOk();
    return this.up;
  }

  /** Good and bad answers, good and bad ways; in a row: 5xx, gateway failures, local failures. */
  get noted(): number[] {
    const host = this.house.clusters.get('app')!.hosts[0]!;
    const cells = [HOST_OUTLIER_GOOD, HOST_OUTLIER_BAD, HOST_LOCAL_GOOD, HOST_LOCAL_BAD].map((slot) => this.house.cells[host.cells + slot]!);
    const rows = [CONSECUTIVE_5XX, CONSECUTIVE_GATEWAY, CONSECUTIVE_LOCAL].map((what) => this.house.hostTable.counted(host.row, what as 1 | 2 | 3));
    return [...cells, ...rows];
  }
}

const reply = (line: string, fields = ''): string => `HTTP/1.1 ${line}\r\n${fields}Content-Length: 0\r\n\r\n`;

type Case = readonly [what: string, play: (stage: Stage) => unknown, together: readonly number[], split: readonly number[]];

const CASES: readonly Case[] = [
  ['200', (s) => s.get().sent().receive(reply('200 OK')), [1, 0, 0, 0, 0, 0, 0], [1, 0, 1, 0, 0, 0, 0]],
  ['404', (s) => s.get().sent().receive(reply('404 N')), [1, 0, 0, 0, 0, 0, 0], [1, 0, 1, 0, 0, 0, 0]],
  ['500', (s) => s.get().sent().receive(reply('500 E')), [0, 1, 0, 0, 1, 0, 0], [0, 1, 1, 0, 1, 0, 0]],
  ['503', (s) => s.get().sent().receive(reply('503 U')), [0, 1, 0, 0, 1, 1, 0], [0, 1, 1, 0, 1, 1, 0]],
  ['two requests on one connection', (s) => (s.get().sent().receive(reply('502 B')), s.get().up.receive(reply('504 T'))), [0, 2, 0, 0, 2, 2, 0], [0, 2, 2, 0, 2, 2, 0]],
  ['an interim answer is none', (s) => s.get().sent().receive(`HTTP/1.1 103 E\r\n\r\n${reply('200 OK')}`), [1, 0, 0, 0, 0, 0, 0], [1, 0, 1, 0, 0, 0, 0]],
  ['refused', (s) => s.get().up.connectFail('ECONNREFUSED'), [0, 1, 0, 0, 1, 1, 0], [0, 0, 0, 1, 0, 0, 1]],
  ['no connection in time', (s) => (s.get(), s.house.loop.advance(510)), [0, 1, 0, 0, 1, 1, 0], [0, 0, 0, 1, 0, 0, 1]],
  ['reset before the answer', (s) => s.get().sent().breakOff(), [0, 1, 0, 0, 1, 1, 0], [0, 0, 1, 1, 0, 0, 1]],
  ['closed before the answer', (s) => s.get().sent().end(), [0, 1, 0, 0, 1, 1, 0], [0, 0, 1, 1, 0, 0, 1]],
  ['no HTTP', (s) => s.get().sent().receive('HTTP/9 x\r\n\r\n'), [0, 1, 0, 0, 1, 1, 0], [0, 0, 1, 1, 0, 0, 1]],
  ['reset in the middle of the answer', (s) => (s.get().sent().receive('HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nabc'), s.up.breakOff()), [1, 1, 0, 0, 1, 1, 0], [1, 0, 1, 1, 0, 0, 1]],
  ['the caller goes away', (s) => (s.get().sent(), s.caller.breakOff()), [0, 0, 0, 0, 0, 0, 0], [0, 0, 1, 0, 0, 0, 0]],
  ['gRPC: UNAVAILABLE and nothing else', (s) => s.get(GRPC).sent().receive(reply('200 OK', `${GRPC}grpc-status: 14\r\n`)), [0, 1, 0, 0, 1, 1, 0], [0, 1, 1, 0, 1, 1, 0]],
  ['gRPC: INTERNAL and nothing else', (s) => s.get(GRPC).sent().receive(reply('200 OK', `${GRPC}grpc-status: 13\r\n`)), [0, 1, 0, 0, 1, 0, 0], [0, 1, 1, 0, 1, 0, 0]],
  ['gRPC: NOT_FOUND and nothing else', (s) => s.get(GRPC).sent().receive(reply('200 OK', `${GRPC}grpc-status: 5\r\n`)), [1, 0, 0, 0, 0, 0, 0], [1, 0, 1, 0, 0, 0, 0]],
  ['gRPC: a status is said later', (s) => s.get(GRPC).sent().receive(reply('200 OK', GRPC)), [1, 0, 0, 0, 0, 0, 0], [1, 0, 1, 0, 0, 0, 0]],
  ['gRPC: an answer that is none', (s) => s.get(GRPC).sent().receive(reply('503 U')), [0, 1, 0, 0, 1, 1, 0], [0, 1, 1, 0, 1, 1, 0]],
  ['a grpc-status that nobody asked for', (s) => s.get().sent().receive(reply('200 OK', 'grpc-status: 14\r\n')), [1, 0, 0, 0, 0, 0, 0], [1, 0, 1, 0, 0, 0, 0]],
];

t.test('requests', async (t) => {
  for (const [what, play, together, split] of CASES) {
    for (const [settings, expected] of [[COUNTING, together], [SPLIT, split]] as const) {
      const stage = new Stage(settings);
      play(stage);
      t.same(stage.noted, expected, `${what}${settings === SPLIT ? ', split' : ''}`);
    }
  }
});

t.test('a time-out of the route is the host\'s fault once it has the request', async (t) => {
  const routes = [route('all', matching({ kind: 'prefix', value: '/' }), forward({ timeoutMs: 300 }))];
  for (const [connected, expected] of [[true, [0, 1, 0, 0, 1, 1, 0]], [false, [0, 0, 0, 0, 0, 0, 0]]] as const) {
    const stage = new Stage(COUNTING);
    const caller = stage.house.addListener(routes).connect();
    caller.receive('GET / HTTP/1.1\r\nHost: here\r\n\r\n');
    if (connected) stage.sent();
    stage.house.loop.advance(310);
    t.match(caller.takeSent().toString(), /^HTTP\/1.1 504 /);
    t.same(stage.noted, expected, connected ? 'it is' : 'not while it waits for a connection (as Envoy)');
  }
  const begun = new Stage(COUNTING);
  const caller = begun.house.addListener(routes).connect();
  caller.receive('GET / HTTP/1.1\r\nHost: here\r\n\r\n');
  begun.sent().receive('HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nabc');
  begun.house.loop.advance(310);
  t.equal(caller.peerSees, 'reset');
  t.same(begun.noted, [1, 0, 0, 0, 0, 0, 0], 'nor when its answer has begun');
});

t.test('what is no fault of the host', async (t) => {
  const circuitBreakers = { maxConnections: 1024, maxPendingRequests: 1, maxRequests: 1024, maxRetries: 3 };
  const full = new Stage(SPLIT, { circuitBreakers });
  full.house.breakers.tryAcquire(full.house.clusters.get('app')!.breakerRow, RES_PENDING);
  t.match(full.get().caller.takeSent().toString(), /reset reason: overflow/);
  t.same(full.noted, [0, 0, 0, 0, 0, 0, 0], 'our own limit');
  const silent = new Stage(COUNTING);
  silent.get().sent();
  silent.house.loop.advance(710);
  t.match(silent.caller.takeSent().toString(), /stream timeout/);
  t.same(silent.noted, [0, 0, 0, 0, 0, 0, 0], 'a silence that the listener ends');
});

t.test('TCP: connections that come to be, and those that do not', async (t) => {
  const cases: [what: string, play: (stage: Stage) => unknown, together: number[], split: number[]][] = [
    ['up', (s) => s.sent().end(), [1, 0, 0, 0, 0, 0, 0], [0, 0, 1, 0, 0, 0, 0]],
    ['up, then reset', (s) => s.sent().breakOff(), [1, 0, 0, 0, 0, 0, 0], [0, 0, 1, 0, 0, 0, 0]],
    ['refused', (s) => s.up.connectFail('ECONNREFUSED'), [0, 1, 0, 0, 1, 1, 0], [0, 0, 0, 1, 0, 0, 1]],
    ['not in time', (s) => s.house.loop.advance(510), [0, 1, 0, 0, 1, 1, 0], [0, 0, 0, 1, 0, 0, 1]],
    ['the caller does not wait', (s) => s.caller.breakOff(), [0, 0, 0, 0, 0, 0, 0], [0, 0, 0, 0, 0, 0, 0]],
  ];
  for (const [what, play, together, split] of cases) {
    for (const [settings, expected] of [[COUNTING, together], [SPLIT, split]] as const) {
      const stage = new Stage(settings, {}, true);
      play(stage);
      t.same(stage.noted, expected, `${what}${settings === SPLIT ? ', split' : ''}`);
    }
  }
});
