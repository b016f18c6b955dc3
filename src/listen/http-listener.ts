// One HTTP listener as a worker carries it: accepts connections, knows them all, drains them. Worker thread.
// A reload swaps `config` and what the road compiled from it; connections live on and meet the new rules at their next
// request, while requests under way keep the old ones.

import type { HttpConfig, ListenerConfig } from '../config/snapshot.ts';
import type { HeadLimits } from '../http/h1-state.ts';
import type { Conn, ConnOwner, Preamble } from '../io/conn.ts';
import { record } from '../observe/histogram.ts';
import * as S from '../observe/stat-names.ts';
import { SSL_CX_ACTIVE } from '../observe/ssl-stats.ts';
import type { ServerTls } from '../security/tls-settings.ts';
import { RES_CX } from '../shared/breaker-table.ts';
import type { ListenerPlan } from '../shared/plan.ts';
import type { DownConn } from './down-conn.ts';
import { Entrance } from './entrance.ts';
import { H1Down } from './h1-down.ts';
import type { HttpDoor, ListenTools, Road } from './http-door.ts';
import { Identity } from './identity.ts';

export class HttpListener implements HttpDoor {
  readonly name: string;
  readonly tools: ListenTools;
  readonly plan: ListenerPlan;
  readonly road: Road;
  config!: HttpConfig;
  limits!: HeadLimits;
  identity!: Identity;
  draining = false;
  private maxConnections = 0;
  private first: DownConn | null = null;
  /** PROXY protocol and TLS of the connections to come. */
  readonly opening: { preamble: Preamble | null; tls: ServerTls | null } = { preamble: null, tls: null };
  private count = 0;

  constructor(config: ListenerConfig, plan: ListenerPlan, road: Road, tools: ListenTools) {
    this.name = config.name;
    this.plan = plan;
    this.road = road;
    this.tools = tools;
    this.update(config.http, config.maxConnections);
  }

  update(config: HttpConfig, maxConnections: number): void {
    this.config = config;
    this.limits = { maxHeadBytes: config.maxRequestHeadersBytes, maxFields: config.maxRequestHeaders };
    this.identity = new Identity(config, this.tools.random);
    this.maxConnections = maxConnections;
  }

  readonly accept = (conn: Conn): ConnOwner | null => {
    const { cells, breakers } = this.tools;
    cells[this.plan.listener + S.LISTENER_CX_TOTAL]!++;
    if (this.draining || (this.maxConnections > 0 && !breakers.tryAcquire(this.plan.breakers, RES_CX))) {
      cells[this.plan.listener + S.LISTENER_CX_OVERFLOW]!++;
      return null;
    }
    cells[this.plan.listener + S.LISTENER_CX_ACTIVE]!++;
    cells[this.plan.http + S.DOWN_CX_TOTAL]!++;
    cells[this.plan.http + S.DOWN_CX_ACTIVE]!++;
    const counted = this.maxConnections > 0;
    const { preamble, tls } = this.opening;
    if (preamble === null && tls === null && !this.config.protocols.includes('http2')) return this.welcome(conn, counted, false, null);
    const entrance = new Entrance(this, conn, counted);
    this.link(entrance);
    return entrance;
  };

  /** It is known what the connection speaks. `before` held its place until now. */
  welcome(conn: Conn, counted: boolean, http2: boolean, before: DownConn | null): ConnOwner {
    if (before !== null) this.unlink(before);
    if (http2) throw new Error('not yet');
    const down = new H1Down(this, conn, counted);
    this.link(down);
    conn.owner = down;
    return down;
  }

  /** A connection of this listener is gone. */
  forget(down: DownConn): void {
    const { cells, breakers, buckets, clock } = this.tools;
    this.unlink(down);
    if (down.secure) cells[this.plan.ssl + SSL_CX_ACTIVE]!--;
    if (down.counted) breakers.release(this.plan.breakers, RES_CX);
    cells[this.plan.listener + S.LISTENER_CX_ACTIVE]!--;
    cells[this.plan.listener + S.LISTENER_CX_DESTROY]!++;
    cells[this.plan.http + S.DOWN_CX_ACTIVE]!--;
    cells[this.plan.http + S.DOWN_CX_DESTROY]!++;
    record(buckets, this.plan.histograms + S.DOWN_CX_LENGTH_MS, (clock.now - down.since) * 1000);
  }

  private link(down: DownConn): void {
    down.next = this.first;
    if (this.first !== null) this.first.prev = down;
    this.first = down;
    this.count++;
  }

  private unlink(down: DownConn): void {
    if (down.prev === null) this.first = down.next;
    else down.prev.next = down.next;
    if (down.next !== null) down.next.prev = down.prev;
    down.prev = null;
    down.next = null;
    this.count--;
  }

  get connections(): number {
    return this.count;
  }

  /** Idle connections close now, busy ones say `connection: close` in their answer. */
  drain(): void {
    this.draining = true;
    for (let down = this.first; down !== null; ) {
      const next = down.next;
      down.drain();
      down = next;
    }
  }

  /** The time for draining is over. */
  closeAll(): void {
    for (let down = this.first; down !== null; down = down.next) down.kill();
  }
}
