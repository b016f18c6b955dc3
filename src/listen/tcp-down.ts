// @hot
// One caller's TCP connection: its opening, then what happens on it, told to the passage, which does the rest itself.
// Worker thread; owned by its listener.

import type { Passage } from '../core/passage.ts';
import { Timer, type TimerTarget } from '../core/timer.ts';
import type { TlsInfo } from '../core/tls-info.ts';
import { CLOSED_RESET, type CloseReason, type Conn, type ConnOwner } from '../io/conn.ts';
import { countFailedHandshake, countHandshake } from '../observe/ssl-stats.ts';
import * as S from '../observe/stat-names.ts';
import { handshakeFailure } from '../security/peer-check.ts';
import type { DownConn } from './down-conn.ts';
import { OPENING_MS } from './entrance.ts';
import type { TcpListener } from './tcp-listener.ts';

export class TcpDown implements ConnOwner, DownConn, TimerTarget {
  prev: DownConn | null = null;
  next: DownConn | null = null;
  readonly counted: boolean;
  secure = false;
  readonly since: number;
  private readonly listener: TcpListener;
  private readonly conn: Conn;
  /** Of the opening; null without one, and once it is over. */
  private timer: Timer | null = null;
  private passage: Passage | null = null;

  constructor(listener: TcpListener, conn: Conn, counted: boolean) {
    this.listener = listener;
    this.conn = conn;
    this.counted = counted;
    this.since = listener.tools.clock.now;
  }

  /** Called once, from inside `accept`. Nothing is read until the passage has a connection. */
  open(hasOpening: boolean): void {
    if (!hasOpening) {
      this.begin();
      return;
    }
    this.timer = new Timer(this, 0);
    this.listener.tools.timers.arm(this.timer, OPENING_MS);
  }

  // ---- ConnOwner ----

  /** The opening is over. */
  onConnect(): void {
    if (this.conn.tls !== null) this.handshaken(this.conn.tls);
    this.stopTimer();
    this.begin();
  }

  onData(_conn: Conn, buf: Buffer, start: number, end: number): void {
    this.passage!.downData(buf, start, end);
  }

  onWritable(): void {
    this.passage!.downWritable();
  }

  onEnd(): void {
    this.passage!.downEnd();
  }

  onClose(conn: Conn, why: CloseReason): void {
    this.stopTimer();
    const { tools, plan } = this.listener;
    if (!this.secure) countFailedHandshake(tools.cells, plan.ssl, handshakeFailure(conn.error));
    this.listener.forget(this);
    this.passage?.downClosed(why === CLOSED_RESET);
  }

  private handshaken(tls: TlsInfo): void {
    const { tools, plan } = this.listener;
    this.secure = true;
    countHandshake(tools.cells, plan.ssl, tls);
  }

  /** The opening takes too long. */
  onTimer(): void {
    const { tools, plan } = this.listener;
    tools.cells[plan.listener + S.LISTENER_PRE_CX_TIMEOUT]!++;
    this.conn.reset();
  }

  // ---- DownConn ----

  /** Only who has not begun is turned away. */
  drain(): void {
    if (this.passage === null) this.conn.close();
  }

  /** What it carries is under way as long as it is open. */
  closeIfIdle(): void {}

  kill(): void {
    this.conn.reset();
  }

  // ---- inside ----

  private begin(): void {
    this.conn.pauseRead();
    this.passage = this.listener.road.take(this.conn);
    this.passage.begin();
  }

  private stopTimer(): void {
    if (this.timer === null) return;
    this.listener.tools.timers.disarm(this.timer);
    this.timer = null;
  }
}
