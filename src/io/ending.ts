// How long a connection that closes may still take. Worker thread; made only when one closes with something left to do.
// While bytes are kept, the peer has as long as it makes progress; once they are gone, and with them our FIN, it has
// `lingerMs` to take them before what it still sends is answered with a RST.

import { Timer, type TimerSet, type TimerTarget } from '../core/timer.ts';

/** Without any progress a slow reader is given up after this many looks, one a second (nginx: send_timeout 60s). */
const STALLS = 60;
const LOOK_MS = 1000;

export interface EndingConn {
  readonly pending: number;
  giveUp(): void;
}

export class Ending implements TimerTarget {
  private readonly conn: EndingConn;
  private readonly timers: TimerSet;
  private readonly lingerMs: number;
  private readonly timer: Timer;
  private left: number;
  private stalls = 0;
  private lingering: boolean;

  /** `lingerMs` 0: close as soon as nothing is kept. */
  constructor(conn: EndingConn, timers: TimerSet, lingerMs: number) {
    this.conn = conn;
    this.timers = timers;
    this.lingerMs = lingerMs;
    this.left = conn.pending;
    this.lingering = this.left === 0;
    this.timer = new Timer(this, 0);
    timers.arm(this.timer, this.lingering ? lingerMs : LOOK_MS);
  }

  onTimer(): void {
    const left = this.conn.pending;
    if (left === 0) {
      if (this.lingering || this.lingerMs === 0) {
        this.conn.giveUp();
        return;
      }
      this.lingering = true;
      this.timers.arm(this.timer, this.lingerMs);
      return;
    }
    this.stalls = left < this.left ? 0 : this.stalls + 1;
    this.left = left;
    if (this.stalls >= STALLS) this.conn.giveUp();
    else this.timers.arm(this.timer, LOOK_MS);
  }

  stop(): void {
    this.timers.disarm(this.timer);
  }
}
