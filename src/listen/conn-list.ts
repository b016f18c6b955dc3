// The connections of one listener, newest first, with what is counted and limited for each whatever it speaks. Worker
// thread; owned by its listener. Linked through the connections themselves, so that coming and going costs no search.

import { record } from '../observe/histogram.ts';
import * as S from '../observe/stat-names.ts';
import { RES_CX } from '../shared/breaker-table.ts';
import { CLOSE_IDLE_CONNECTIONS, PROCESS_ROW, REDUCE_TIMEOUTS, REJECT_INCOMING_CONNECTIONS } from '../shared/overload.ts';
import type { ListenerPlan } from '../shared/plan.ts';
import type { DownConn } from './down-conn.ts';
import type { ListenTools } from './http-door.ts';

export class ConnList {
  length = 0;
  private first: DownConn | null = null;
  private readonly tools: ListenTools;
  private readonly plan: ListenerPlan;

  constructor(tools: ListenTools, plan: ListenerPlan) {
    this.tools = tools;
    this.plan = plan;
  }

  /** One more has been accepted; false when it must not stay. `counted`: it takes one of the listener's `maxConnections`. */
  admit(draining: boolean, counted: boolean): boolean {
    const { cells, breakers, overload } = this.tools;
    const { listener } = this.plan;
    if (overload.isFull(REJECT_INCOMING_CONNECTIONS)) {
      cells[listener + S.LISTENER_CX_OVERLOAD_REJECT]!++;
      return false;
    }
    if (!breakers.tryAcquire(PROCESS_ROW, RES_CX)) {
      cells[listener + S.LISTENER_GLOBAL_CX_OVERFLOW]!++;
      return false;
    }
    cells[listener + S.LISTENER_CX_TOTAL]!++;
    if (draining || (counted && !breakers.tryAcquire(this.plan.breakers, RES_CX))) {
      breakers.release(PROCESS_ROW, RES_CX);
      cells[listener + S.LISTENER_CX_OVERFLOW]!++;
      return false;
    }
    cells[listener + S.LISTENER_CX_ACTIVE]!++;
    return true;
  }

  /** A connection that was admitted is gone. */
  leave(down: DownConn): void {
    const { cells, breakers, buckets, clock } = this.tools;
    this.remove(down);
    breakers.release(PROCESS_ROW, RES_CX);
    if (down.counted) breakers.release(this.plan.breakers, RES_CX);
    cells[this.plan.listener + S.LISTENER_CX_ACTIVE]!--;
    cells[this.plan.listener + S.LISTENER_CX_DESTROY]!++;
    record(buckets, this.plan.histograms + S.DOWN_CX_LENGTH_MS, (clock.now - down.since) * 1000);
  }

  add(down: DownConn): void {
    down.next = this.first;
    if (this.first !== null) this.first.prev = down;
    this.first = down;
    this.length++;
  }

  remove(down: DownConn): void {
    if (down.prev === null) this.first = down.next;
    else down.prev.next = down.next;
    if (down.next !== null) down.next.prev = down.prev;
    down.prev = null;
    down.next = null;
    this.length--;
  }

  /** Under overload: idle connections go at once, or sooner than their time-out says. Timers that are armed know nothing of it. */
  relieve(idleMs: number): void {
    const { overload } = this.tools;
    const all = overload.isFull(CLOSE_IDLE_CONNECTIONS);
    if (!all && (idleMs === 0 || overload.level(REDUCE_TIMEOUTS) === 0)) return;
    const limit = all ? 0 : overload.idleTimeout(idleMs);
    for (let down = this.first; down !== null; ) {
      const next = down.next;
      down.closeIfIdle(limit);
      down = next;
    }
  }

  drainAll(): void {
    for (let down = this.first; down !== null; ) {
      const next = down.next;
      down.drain();
      down = next;
    }
  }

  killAll(): void {
    for (let down = this.first; down !== null; down = down.next) down.kill();
  }
}
