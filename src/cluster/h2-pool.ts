// @hot
// The HTTP/2 connections of one worker to one host. Worker thread; owned by its Host.
// Requests share few connections: the oldest is filled first, another is made when all are full. Who finds no room waits
// until a stream ends or a connection comes up.

import { fault } from '../core/fault.ts';
import { BODY_TUNNEL, UPGRADE_CONNECT, type Stream } from '../core/stream.ts';
import { H2Up, MAX_STREAMS } from './h2-up.ts';
import { HostPool } from './host-pool.ts';

/** The host's SETTINGS do not allow `:protocol` (RFC 8441 section 3). */
const NO_EXTENDED_CONNECT = fault('noExtendedConnect', 'up', 'never', 'extended_connect_not_enabled');

export class H2Pool extends HostPool {
  /** Connections that take new streams, oldest first. */
  private readonly ups: H2Up[] = [];
  /** How many streams the host's last connection took: what one under way is hoped to take. */
  private expected = MAX_STREAMS;

  acquire(stream: Stream): void {
    const up = this.roomy();
    if (up === null) this.wait(stream);
    else if (this.takeRequest(stream)) this.attach(up, stream);
  }

  get needsConnection(): boolean {
    return this.connecting * this.expected < this.waiting.length;
  }

  protected open(): void {
    new H2Up(this).connect();
  }

  get isBusy(): boolean {
    for (let i = 0; i < this.ups.length; i++) if (!this.ups[i]!.isIdle) return true;
    return this.opened > this.ups.length || this.waiting.length > 0;
  }

  drain(): void {
    this.draining = true;
    for (let i = this.ups.length - 1; i >= 0; i--) this.ups[i]!.retire();
  }

  closeOldestIdle(): boolean {
    for (let i = 0; i < this.ups.length; i++) {
      if (!this.ups[i]!.isIdle) continue;
      this.ups[i]!.retire();
      return true;
    }
    return false;
  }

  // ---- called by H2Up ----

  /** The host's settings have come. */
  connected(up: H2Up, streams: number): void {
    this.expected = streams > 0 ? streams : 1;
    this.countConnected(up.since);
    this.ups.push(up);
    this.freed();
    this.connectMore();
    if (this.draining) up.retire();
  }

  /** Takes no new streams any more: who waits for one of its to end needs another connection. */
  left(up: H2Up): void {
    const i = this.ups.indexOf(up);
    if (i >= 0) this.ups.splice(i, 1);
    this.connectMore();
  }

  /** There may be room. */
  freed(): void {
    while (this.waiting.length > 0) {
      const up = this.roomy();
      if (up === null) return;
      const stream = this.next();
      if (stream !== undefined) this.attach(up, stream);
    }
  }

  /** Shall a connection close, because of a drain or for others that wait? `wanted`: it carries requests. */
  mustGiveUp(wanted: boolean): boolean {
    return this.draining || this.lane.scarcity.mustGiveUp(this, wanted);
  }

  closed(up: H2Up, local: boolean, hadRequest: boolean): void {
    this.countClosed(up.since, local, hadRequest);
  }

  // ---- inside ----

  private roomy(): H2Up | null {
    for (let i = 0; i < this.ups.length; i++) if (this.ups[i]!.room > 0) return this.ups[i]!;
    return null;
  }

  private connectMore(): void {
    if (this.needsConnection && !this.connectOne()) this.lane.scarcity.enter(this);
  }

  private attach(up: H2Up, stream: Stream): void {
    if (stream.reqBody === BODY_TUNNEL && stream.upgrade !== UPGRADE_CONNECT && !up.h2.peer.connectProtocol) {
      this.giveRequest();
      stream.upFailed(NO_EXTENDED_CONNECT);
      return;
    }
    this.countRequest();
    up.take(stream);
  }
}
