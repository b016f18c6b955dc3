// @hot
// The two valves of a request, and its counters: who is paused because the other side takes nothing, or because a filter
// holds bytes back. Worker thread. The part of the Journey that knows nothing of its phases.

import type { Cluster } from '../cluster/cluster.ts';
import type { Host } from '../cluster/host.ts';
import { Stream } from '../core/stream.ts';
import * as S from '../observe/stat-names.ts';
import type { HttpRuntime } from './http-runtime.ts';

export abstract class Flow extends Stream {
  runtime!: HttpRuntime;
  cluster: Cluster | null = null;
  host: Host | null = null;
  protected downPaused = false;
  protected upPaused = false;
  /** The caller is paused because the upstream takes nothing (and not for want of a connection). */
  private upFull = false;
  // Why each side is paused: the other one, or a filter. It goes on when neither stands against it.
  private downWaits = false;
  private downHeld = false;
  private upWaits = false;
  private upHeld = false;

  protected pauseDown(): void {
    this.downWaits = true;
    if (this.downPaused || this.down === null) return;
    this.upFull = this.up !== null;
    if (this.upFull) this.countCluster(S.UP_FLOW_BACKED_UP);
    this.stopDown();
  }

  protected resumeDown(): void {
    this.downWaits = false;
    if (!this.downPaused || this.downHeld) return;
    this.downPaused = false;
    this.countDownResumed();
    this.down?.resume();
  }

  holdRequest(): void {
    this.downHeld = true;
    if (!this.downPaused && this.down !== null) this.stopDown();
  }

  releaseRequest(): void {
    this.downHeld = false;
    if (!this.downWaits) this.resumeDown();
  }

  private stopDown(): void {
    this.downPaused = true;
    this.count(S.DOWN_FLOW_PAUSED_READING);
    this.down!.pause();
  }

  protected countDownResumed(): void {
    this.count(S.DOWN_FLOW_RESUMED_READING);
    if (this.upFull) this.countCluster(S.UP_FLOW_DRAINED);
    this.upFull = false;
  }

  protected pauseUp(): void {
    this.upWaits = true;
    this.stopUp();
  }

  protected resumeUp(): void {
    this.upWaits = false;
    if (!this.upPaused || this.upHeld) return;
    this.upPaused = false;
    this.countCluster(S.UP_FLOW_RESUMED_READING);
    this.up?.resume();
  }

  holdResponse(): void {
    this.upHeld = true;
    this.stopUp();
  }

  releaseResponse(): void {
    this.upHeld = false;
    if (!this.upWaits) this.resumeUp();
  }

  private stopUp(): void {
    if (this.upPaused || this.up === null) return;
    this.upPaused = true;
    this.countCluster(S.UP_FLOW_PAUSED_READING);
    this.up.pause();
  }

  protected count(slot: number): void {
    this.runtime.tools.cells[this.runtime.stats + slot]!++;
  }

  protected countCluster(slot: number): void {
    if (this.cluster !== null) this.runtime.tools.cells[this.cluster.stats + slot]!++;
  }

  protected countHost(slot: number): void {
    if (this.host !== null) this.runtime.tools.cells[this.host.cells + slot]!++;
  }

  override clear(): void {
    super.clear();
    this.cluster = null;
    this.host = null;
    this.downPaused = false;
    this.upPaused = false;
    this.upFull = false;
    this.downWaits = false;
    this.downHeld = false;
    this.upWaits = false;
    this.upHeld = false;
  }
}
