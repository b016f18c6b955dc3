// The scene of the tests of retries: a caller, a listener with one route and its policy, hosts played by hand. Test code only.

import type { Test } from 'tap';

import type { ClusterConfig } from '../../src/config/cluster-snapshot.ts';
import type { ForwardConfig, HttpConfig, RetryConfig } from '../../src/config/snapshot.ts';
import { RES_RETRY } from '../../src/shared/breaker-table.ts';
import { codeSlot } from '../../src/observe/code-slots.ts';
import * as S from '../../src/observe/stat-names.ts';
import { forward, matching, route } from '../route/request.ts';
import type { FakeConn } from './fake-conn.ts';
import { FakeHouse, type FakeDoor } from './fake-house.ts';
import { readMessages, type Message } from './message-text.ts';
import { retryConfig } from './retry-config.ts';
import { clusterConfig } from './snapshots.ts';

const LOG = { path: '/log', format: '%RESPONSE_CODE% %RESPONSE_FLAGS% %RESPONSE_CODE_DETAILS% %UPSTREAM_REQUEST_ATTEMPT_COUNT% %UPSTREAM_HOST%\n', json: null, filter: null };
/** Longer than any back-off. */
const LATER = 260;

export interface Changes {
  readonly retry?: Partial<RetryConfig> | null;
  readonly forward?: Partial<ForwardConfig>;
  readonly http?: Partial<HttpConfig>;
  readonly cluster?: Partial<ClusterConfig>;
  readonly ports?: readonly number[];
  readonly from?: string;
}

export class RetryStage {
  readonly house = new FakeHouse();
  readonly door: FakeDoor;
  readonly caller: FakeConn;
  readonly others: FakeConn[] = [];

  constructor(changes: Changes = {}) {
    this.house.addCluster(clusterConfig('app', changes.ports ?? [1, 2, 3], changes.cluster ?? {}));
    const retry = changes.retry === null ? null : retryConfig(changes.retry ?? { on: ['5xx'] });
    const routes = [route('all', matching({ kind: 'prefix', value: '/' }), forward({ retry, ...changes.forward }))];
    this.door = this.house.addListener(routes, { accessLog: [LOG], ...changes.http });
    this.caller = this.door.connect(changes.from);
  }

  ask(fields = '', method = 'GET', body = ''): this {
    this.caller.receive(`${method} /x HTTP/1.1\r\nHost: here\r\n${fields}\r\n${body}`);
    return this;
  }

  another(): FakeConn {
    const caller = this.door.connect();
    this.others.push(caller);
    return caller;
  }

  /** Connections to hosts, in the order of their making. */
  conn(n: number): FakeConn {
    const conn = this.house.loop.connects[n];
    if (conn === undefined) throw new Error(`there are ${this.house.loop.connects.length} connections`);
    if (conn.state === 'connecting') conn.connectOk();
    return conn;
  }

  get made(): number {
    return this.house.loop.connects.length;
  }

  later(ms = LATER): this {
    this.house.loop.advance(ms);
    return this;
  }

  /** What came down, if anything. */
  answers(method = 'GET'): Message[] {
    return readMessages(this.caller.takeSent().toString('latin1'), [method]).messages;
  }

  status(method = 'GET'): string {
    return this.answers(method).map(({ line }) => line.slice(9, 12)).join();
  }

  stat(slot: number): number {
    return this.house.cells[this.house.clusters.get('app')!.stats + slot]!;
  }

  code(status: number): number {
    return this.stat(S.CLUSTER_CODES_AT + codeSlot(status));
  }

  retries(): number {
    return this.house.breakers.count(this.house.clusters.get('app')!.breakerRow, RES_RETRY);
  }

  log(): string {
    return this.house.takeLog().join('|');
  }
}

export const OK = 'HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok';

export function answer(status: number, fields = '', body = ''): string {
  return `HTTP/1.1 ${status} x\r\n${fields}content-length: ${body.length}\r\n\r\n${body}`;
}

/** Nothing is under way, nothing is held. */
export function rest(t: Test, stage: RetryStage, what = 'at rest'): void {
  for (const caller of [stage.caller, ...stage.others]) if (!caller.ended) caller.end();
  stage.later(1500);
  stage.house.loop.turn(() => stage.house.clusters.get('app')!.drain());
  t.same(stage.house.unrest(), {}, `${what}: nothing is left`);
}
