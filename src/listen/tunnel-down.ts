// @hot
// A caller's HTTP/1.1 connection that has become a tunnel (101, or 200 to CONNECT): bytes both ways until both have ended.
// Worker thread; owned by its listener in the place of the H1Down that it was. A drain leaves it alone.
//
//   OPEN ──► caller's end first: requestData(last) ──► the host's end: writeData(last) ──► closed
//     └────► the host's end first: FIN to the caller ──► the caller's end ──────────────► closed

import { fault } from '../core/fault.ts';
import type { DownStream, Stream } from '../core/stream.ts';
import { CLOSED_LOCAL, type CloseReason, type Conn, type ConnOwner } from '../io/conn.ts';
import * as S from '../observe/stat-names.ts';
import type { DownConn } from './down-conn.ts';
import type { HttpListener } from './http-listener.ts';

const EMPTY = Buffer.alloc(0);
const GONE = fault('downstreamClosed', 'down', 'never', 'downstream_remote_disconnect');

export interface TunnelStart {
  readonly stream: Stream;
  /** Bytes that came before the answer had gone. */
  readonly early: Buffer | null;
  readonly counted: boolean;
  readonly since: number;
}

export class TunnelDown implements ConnOwner, DownConn, DownStream {
  readonly protocol: string = 'HTTP/1.1';
  prev: DownConn | null = null;
  next: DownConn | null = null;
  readonly counted: boolean;
  readonly secure: boolean;
  readonly since: number;
  private readonly listener: HttpListener;
  private readonly conn: Conn;
  private stream: Stream | null;
  private early: Buffer | null;
  private paused = true;
  private callerEnded = false;
  private hostEnded = false;
  /** It broke, or was broken off. */
  private cut = false;

  /** Reading is paused until the first `resume`. */
  constructor(listener: HttpListener, conn: Conn, start: TunnelStart) {
    this.listener = listener;
    this.conn = conn;
    this.stream = start.stream;
    this.early = start.early;
    this.counted = start.counted;
    this.secure = conn.tls !== null;
    this.since = start.since;
  }

  // ---- ConnOwner ----

  onConnect(): void {}

  onData(_conn: Conn, buf: Buffer, start: number, end: number): void {
    const { tools, plan } = this.listener;
    tools.cells[plan.http + S.DOWN_CX_RX_BYTES_TOTAL]! += end - start;
    if (this.early !== null) this.early = Buffer.concat([this.early, buf.subarray(start, end)]);
    else this.stream?.requestData(buf, start, end, false);
    tools.out.flush();
  }

  onWritable(): void {
    this.stream?.downWritable();
  }

  onEnd(): void {
    this.callerEnded = true;
    // It may come while reading is paused, before the bytes that wait here have gone.
    if (this.early !== null) return;
    this.endRequest();
  }

  onClose(_conn: Conn, why: CloseReason): void {
    const { stream, listener } = this;
    const { cells } = listener.tools;
    const { http } = listener.plan;
    const local = why === CLOSED_LOCAL && !this.callerEnded;
    this.stream = null;
    if (stream !== null) {
      this.cut = true;
      stream.downReset(GONE);
    }
    cells[http + S.DOWN_CX_HTTP1_ACTIVE]!--;
    cells[http + (local ? S.DOWN_CX_DESTROY_LOCAL : S.DOWN_CX_DESTROY_REMOTE)]!++;
    if (this.cut) {
      cells[http + S.DOWN_CX_DESTROY_ACTIVE_RQ]!++;
      cells[http + (local ? S.DOWN_CX_DESTROY_LOCAL_ACTIVE_RQ : S.DOWN_CX_DESTROY_REMOTE_ACTIVE_RQ)]!++;
    }
    listener.forget(this);
  }

  // ---- DownConn ----

  /** Nobody can tell the two ends to come back later: the tunnel lives on until the drain's patience is over. */
  drain(): void {}

  /** What it carries is under way as long as it is open. */
  closeIfIdle(): void {}

  kill(): void {
    this.conn.reset();
  }

  // ---- DownStream ----

  writeInterim(): void {}

  writeHead(): boolean {
    return true;
  }

  writeData(buf: Buffer, start: number, end: number, last: boolean): boolean {
    const { tools, plan } = this.listener;
    let taken = true;
    if (end > start) {
      tools.cells[plan.http + S.DOWN_CX_TX_BYTES_TOTAL]! += end - start;
      taken = this.conn.write(buf, start, end);
    }
    if (!last) return taken;
    this.hostEnded = true;
    // With both ends the connection would be gone, and bytes that wait here with it: `resume` finishes then.
    if (!this.callerEnded) this.conn.shutdownWrite();
    else if (this.early === null) this.finish();
    return taken;
  }

  pause(): void {
    this.paused = true;
    this.conn.pauseRead();
  }

  resume(): void {
    const { early } = this;
    this.paused = false;
    if (early !== null) {
      this.early = null;
      this.stream!.requestData(early, 0, early.length, false);
      if (this.callerEnded) this.endRequest();
    }
    if (!this.paused && this.stream !== null) this.conn.resumeRead();
  }

  reset(): void {
    this.stream = null;
    this.cut = true;
    this.conn.reset();
  }

  // ---- inside ----

  private endRequest(): void {
    const { stream } = this;
    if (stream === null) return;
    stream.requestData(EMPTY, 0, 0, true);
    // It may have been given up in answer.
    if (this.hostEnded && this.stream !== null) this.finish();
  }

  /** Both have ended. */
  private finish(): void {
    const stream = this.stream!;
    this.stream = null;
    this.conn.close();
    stream.release();
  }
}
