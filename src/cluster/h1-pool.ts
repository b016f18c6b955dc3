// @hot
// The HTTP/1.1 connections of one worker to one host. Worker thread; owned by its Host.
// Reuse is last in, first out, so that the surplus grows old and closes. A request that finds no idle connection waits
// while one is made for it. With `raw` the connections are plain TCP, each for one tunnel.

import type { Stream } from '../core/stream.ts';
import * as S from '../observe/stat-names.ts';
import type { ClientTls } from '../security/tls-settings.ts';
import { H1Up } from './h1-up.ts';
import type { Host } from './host.ts';
import { HostPool } from './host-pool.ts';
import type { Lane } from './lane.ts';

export class H1Pool extends HostPool {
  /** For CONNECT: nothing of HTTP goes over these connections. */
  readonly raw: boolean;
  /** Newest idle connection; `older` leads on. */
  private idle: H1Up | null = null;
  private oldest: H1Up | null = null;
  private resting = 0;

  constructor(lane: Lane, host: Host, raw = false, serverName = '') {
    super(lane, host, serverName);
    this.raw = raw;
  }

  acquire(stream: Stream): void {
    const up = this.idle;
    if (up === null) {
      this.wait(stream);
    } else if (this.takeRequest(stream)) {
      this.unlink(up);
      this.attach(up, stream);
    }
  }

  protected override get tls(): ClientTls | null {
    return this.raw ? this.cluster.opaqueTls : this.cluster.tls;
  }

  get needsConnection(): boolean {
    return this.connecting < this.waiting.length;
  }

  protected open(): void {
    if (!this.raw) this.cluster.tools.cells[this.cluster.stats + S.UP_CX_HTTP1_TOTAL]!++;
    new H1Up(this).connect();
  }

  drain(): void {
    this.draining = true;
    while (this.closeOldestIdle());
  }

  get isBusy(): boolean {
    return this.opened > this.resting || this.waiting.length > 0;
  }

  closeOldestIdle(): boolean {
    const up = this.oldest;
    if (up === null) return false;
    this.unlink(up);
    up.close();
    return true;
  }

  // ---- called by H1Up ----

  connected(up: H1Up): void {
    this.countConnected(up.since);
    this.offer(up);
  }

  /** The request on this connection is over. */
  finished(up: H1Up, reusable: boolean): void {
    this.detached();
    const shared = this.cluster.config.proxyProtocol === null;
    if (!reusable || !shared || (this.waiting.length > 0 && this.lane.scarcity.mustGiveUp(this, true))) up.close();
    else this.offer(up);
  }

  /** An idle connection closes: it must not be handed out any more. */
  unlink(up: H1Up): void {
    if (!up.isIdle) return;
    up.isIdle = false;
    this.resting--;
    if (up.newer === null) this.idle = up.older;
    else up.newer.older = up.older;
    if (up.older === null) this.oldest = up.newer;
    else up.older.newer = up.newer;
    up.newer = null;
    up.older = null;
  }

  closed(up: H1Up, local: boolean, hadRequest: boolean): void {
    this.unlink(up);
    this.countClosed(up.since, local, hadRequest);
  }

  // ---- inside ----

  /** A connection is free: the longest waiting request gets it, or it becomes the newest idle one. */
  private offer(up: H1Up): void {
    const stream = this.next();
    if (stream !== undefined) {
      this.attach(up, stream);
      return;
    }
    if (this.draining || this.raw || this.lane.scarcity.mustGiveUp(this, false)) {
      up.close();
      return;
    }
    up.isIdle = true;
    this.resting++;
    up.older = this.idle;
    if (this.idle !== null) this.idle.newer = up;
    else this.oldest = up;
    this.idle = up;
    up.becameIdle();
  }

  private attach(up: H1Up, stream: Stream): void {
    this.countRequest();
    up.take(stream);
  }
}
