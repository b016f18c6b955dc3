// @hot
// Counts what a peer may do only so often, and says when it was too often. Worker thread; one per connection.
// Every method returns 0, or the stat (`h2-limits.ts`) of the limit that was passed: a connection error ENHANCE_YOUR_CALM.

import {
  H2_INBOUND_EMPTY_FRAMES_FLOOD,
  H2_INBOUND_PRIORITY_FRAMES_FLOOD,
  H2_INBOUND_WINDOW_UPDATE_FRAMES_FLOOD,
  PREMATURE_MS,
  type H2Limits,
} from './h2-limits.ts';

/** WINDOW_UPDATE frames that cost nothing: those of the beginning (Envoy). */
const FREE_WINDOW_UPDATES = 5;

export class FloodGuards {
  streamsOpened = 0;
  private readonly limits: H2Limits;
  private emptyFrames = 0;
  private priorityFrames = 0;
  private windowUpdates = 0;
  private streamsEnded = 0;
  private prematureResets = 0;

  constructor(limits: H2Limits) {
    this.limits = limits;
  }

  /** A DATA, HEADERS or CONTINUATION frame; `empty`: without payload and without END_STREAM. */
  payloadFrame(empty: boolean): number {
    if (!empty) {
      this.emptyFrames = 0;
      return 0;
    }
    return ++this.emptyFrames > this.limits.maxConsecutiveEmptyFrames ? H2_INBOUND_EMPTY_FRAMES_FLOOD : 0;
  }

  priorityFrame(): number {
    const allowed = this.limits.maxPriorityFramesPerStream * (1 + this.streamsOpened);
    return ++this.priorityFrames > allowed ? H2_INBOUND_PRIORITY_FRAMES_FLOOD : 0;
  }

  windowUpdate(dataFramesSent: number): number {
    const perData = this.limits.maxWindowUpdatesPerDataFrame;
    const allowed = FREE_WINDOW_UPDATES + 2 * (this.streamsOpened + perData * dataFramesSent);
    return ++this.windowUpdates > allowed ? H2_INBOUND_WINDOW_UPDATE_FRAMES_FLOOD : 0;
  }

  /**
   * A stream is over; `cut`: the peer reset it, or made us reset it.
   * @returns whether so many were cut short soon after their beginning that they were opened for nothing else (Envoy)
   */
  streamEnded(cut: boolean, ageMs: number): boolean {
    this.streamsEnded++;
    if (!cut || ageMs >= PREMATURE_MS) return false;
    this.prematureResets++;
    const least = this.limits.prematureResetStreams;
    const ended = this.streamsEnded < least ? least : this.streamsEnded;
    return least > 0 && this.prematureResets * 2 >= ended;
  }
}
