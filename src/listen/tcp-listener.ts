// One TCP listener as a worker carries it: accepts connections, knows them all. Worker thread. A reload swaps what the
// road compiled; connections live on as they began. A drain waits for them: TCP does not know when it is done.

import type { TcpListenerConfig } from '../config/snapshot.ts';
import type { PassageRoad } from '../core/passage.ts';
import type { Conn, ConnOwner } from '../io/conn.ts';
import type { ListenerPlan } from '../shared/plan.ts';
import { ConnList } from './conn-list.ts';
import type { DownConn, ListenDoor } from './down-conn.ts';
import type { ListenTools } from './http-door.ts';
import { ListenOpening, makePreamble } from './preamble.ts';
import { TcpDown } from './tcp-down.ts';

export class TcpListener implements ListenDoor {
  readonly tools: ListenTools;
  readonly plan: ListenerPlan;
  readonly road: PassageRoad;
  readonly opening = new ListenOpening();
  private draining = false;
  private maxConnections = 0;
  private readonly list: ConnList;

  constructor(config: TcpListenerConfig, plan: ListenerPlan, road: PassageRoad, tools: ListenTools) {
    this.plan = plan;
    this.road = road;
    this.tools = tools;
    this.list = new ConnList(tools, plan);
    this.update(config);
  }

  update(config: TcpListenerConfig): void {
    this.maxConnections = config.maxConnections;
    const parts = { proxyProtocol: config.proxyProtocol, serverName: config.tcp.sniRoutes.length > 0 };
    this.opening.preamble = makePreamble(parts, this.tools.cells, this.plan.listener);
  }

  readonly accept = (conn: Conn): ConnOwner | null => {
    const counted = this.maxConnections > 0;
    if (!this.list.admit(this.draining, counted)) return null;
    const down = new TcpDown(this, conn, counted);
    this.list.add(down);
    down.open(!this.opening.isNone);
    return down;
  };

  /** A connection of this listener is gone. */
  forget(down: DownConn): void {
    this.list.leave(down);
  }

  get connections(): number {
    return this.list.length;
  }

  drain(): void {
    this.draining = true;
    this.list.drainAll();
  }

  /** Whether a TCP connection is idle only those at its ends know. */
  relieve(): void {}

  closeAll(): void {
    this.list.killAll();
  }
}
