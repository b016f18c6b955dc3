// One HTTP listener as a worker carries it: accepts connections, knows them all, drains them. Worker thread.
// A reload swaps `config` and what the road compiled from it; connections live on and meet the new rules at their next
// request, while requests under way keep the old ones.

import type { HttpConfig, HttpListenerConfig, RouteConfig } from '../config/snapshot.ts';
import type { HeadLimits } from '../http/h1-state.ts';
import { DEFAULT_H2_LIMITS, type H2Limits } from '../http/h2-limits.ts';
import type { Conn, ConnOwner } from '../io/conn.ts';
import * as S from '../observe/stat-names.ts';
import { SSL_CX_ACTIVE } from '../observe/ssl-stats.ts';
import type { ListenerPlan } from '../shared/plan.ts';
import { ConnList } from './conn-list.ts';
import type { DownConn } from './down-conn.ts';
import { Entrance } from './entrance.ts';
import { H1Down } from './h1-down.ts';
import { H2Down } from './h2-down.ts';
import type { HttpDoor, ListenTools, Road } from './http-door.ts';
import { Identity } from './identity.ts';
import { ListenOpening, makePreamble } from './preamble.ts';

export class HttpListener implements HttpDoor {
  readonly name: string;
  readonly tools: ListenTools;
  readonly plan: ListenerPlan;
  readonly road: Road;
  config!: HttpConfig;
  limits!: HeadLimits;
  h2Limits!: H2Limits;
  identity!: Identity;
  draining = false;
  /** Some request might be let through to another protocol. */
  upgradesPossible = false;
  private maxConnections = 0;
  /** PROXY protocol and TLS of the connections to come. */
  readonly opening = new ListenOpening();
  private readonly list: ConnList;

  constructor(config: HttpListenerConfig, plan: ListenerPlan, road: Road, tools: ListenTools) {
    this.name = config.name;
    this.plan = plan;
    this.road = road;
    this.tools = tools;
    this.list = new ConnList(tools, plan);
    this.update(config);
  }

  update({ http, maxConnections, proxyProtocol }: HttpListenerConfig): void {
    this.config = http;
    this.limits = { maxHeadBytes: http.maxRequestHeadersBytes, maxFields: http.maxRequestHeaders };
    this.h2Limits = { ...DEFAULT_H2_LIMITS, ...http.http2, ...this.limits };
    this.identity = new Identity(http, this.tools.random);
    this.maxConnections = maxConnections;
    this.opening.preamble = makePreamble({ proxyProtocol, serverName: false }, this.tools.cells, this.plan.listener);
    this.upgradesPossible = http.upgrades.length > 0 || http.virtualHosts.some((host) => host.routes.some(allowsUpgrades));
  }

  readonly accept = (conn: Conn): ConnOwner | null => {
    const { cells } = this.tools;
    const counted = this.maxConnections > 0;
    if (!this.list.admit(this.draining, counted)) return null;
    cells[this.plan.http + S.DOWN_CX_TOTAL]!++;
    cells[this.plan.http + S.DOWN_CX_ACTIVE]!++;
    const { protocols } = this.config;
    // With one protocol and nothing to wait for, it is clear from the start.
    if (this.opening.isNone && protocols.length === 1) return this.welcome(conn, counted, protocols[0] === 'http2', null);
    const entrance = new Entrance(this, conn, counted);
    this.list.add(entrance);
    return entrance;
  };

  /** It is known what the connection speaks. `before` held its place until now. */
  welcome(conn: Conn, counted: boolean, http2: boolean, before: DownConn | null): ConnOwner {
    if (before !== null) this.list.remove(before);
    const down = http2 ? new H2Down(this, conn, counted) : new H1Down(this, conn, counted);
    this.list.add(down);
    conn.owner = down;
    return down;
  }

  /** A connection is now somebody else's. */
  replace(before: DownConn, after: DownConn): void {
    this.list.remove(before);
    this.list.add(after);
  }

  /** A connection of this listener is gone. */
  forget(down: DownConn): void {
    const { cells } = this.tools;
    this.list.leave(down);
    if (down.secure) cells[this.plan.ssl + SSL_CX_ACTIVE]!--;
    cells[this.plan.http + S.DOWN_CX_ACTIVE]!--;
    cells[this.plan.http + S.DOWN_CX_DESTROY]!++;
  }

  get connections(): number {
    return this.list.length;
  }

  /** Idle connections close now, busy ones say `connection: close` in their answer. */
  drain(): void {
    this.draining = true;
    this.list.drainAll();
  }

  relieve(): void {
    this.list.relieve(this.config.timeouts.idleMs);
  }

  /** The time for draining is over. */
  closeAll(): void {
    this.list.killAll();
  }
}

function allowsUpgrades({ action }: RouteConfig): boolean {
  return action.kind === 'forward' && action.upgrades !== null && action.upgrades.length > 0;
}
