// How many checks may be under way at one time, and how many connections may be kept between them: ten thousand hosts must
// cost neither as many sockets at once nor a jam on the primary. Primary thread; one for all clusters.

import { RingQueue } from '../../core/ring-queue.ts';

/** A check that hangs holds its place for its time-out: with 1 s, ten thousand dead hosts are gone through in 10 s. */
const MOST_RUNNING = 1000;
/** Further checks connect anew each time. */
const MOST_KEPT = 2000;

export interface GateGuest {
  /** It is this guest's turn. Nothing may be called back from inside. */
  run(): void;
}

export class Gate {
  /** Connections, those for checks under way included. */
  connections = 0;
  private readonly mostRunning: number;
  private readonly waiting = new RingQueue<GateGuest>();
  private running = 0;

  constructor(mostRunning: number = MOST_RUNNING) {
    this.mostRunning = mostRunning;
  }

  get mayKeep(): boolean {
    return this.connections <= MOST_KEPT;
  }

  enter(guest: GateGuest): void {
    if (this.running >= this.mostRunning) {
      this.waiting.push(guest);
      return;
    }
    this.running++;
    guest.run();
  }

  /** A guest that was let in is done. */
  leave(): void {
    const next = this.waiting.shift();
    if (next === undefined) this.running--;
    else next.run();
  }

  /** A guest no longer wants to wait. */
  giveUp(guest: GateGuest): void {
    this.waiting.remove(guest);
  }
}
