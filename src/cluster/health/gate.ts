// How many checks may be under way at one time, how many may begin in one turn of the loop, and how many connections may be
// kept between them: ten thousand hosts must cost neither as many sockets at once nor a jam on the primary.
// Primary thread; one for all clusters.

import { RingQueue } from '../../core/ring-queue.ts';

/** A check that hangs holds its place for its time-out: with 1 s, ten thousand dead hosts are gone through in 10 s. */
const MOST_RUNNING = 1000;
/** Connecting costs about 0.1 ms each. */
const MOST_PER_TURN = 50;
/** Further checks connect anew each time. */
const MOST_KEPT = 2000;

export interface GateGuest {
  /** It is this guest's turn. Nothing may be called back from inside. @returns false when it does not want it any more */
  run(): boolean;
}

export class Gate {
  /** Connections, those for checks under way included. */
  connections = 0;
  private readonly atTurnEnd: (fn: () => void) => void;
  private readonly waiting = new RingQueue<GateGuest>();
  private running = 0;
  /** Begun in this turn. */
  private begun = 0;
  private asked = false;

  constructor(atTurnEnd: (fn: () => void) => void) {
    this.atTurnEnd = atTurnEnd;
  }

  get mayKeep(): boolean {
    return this.connections <= MOST_KEPT;
  }

  enter(guest: GateGuest): void {
    this.waiting.push(guest);
    this.admit();
  }

  /** A guest that was let in is done. Others follow at the end of this turn: by then they may have been called off, too. */
  leave(): void {
    this.running--;
    if (this.waiting.length > 0) this.askForTurn();
  }

  private admit(): void {
    while (this.waiting.length > 0 && this.running < MOST_RUNNING && this.begun < MOST_PER_TURN) {
      if (!this.waiting.shift()!.run()) continue;
      this.running++;
      this.begun++;
    }
    if (this.begun > 0) this.askForTurn();
  }

  private askForTurn(): void {
    if (this.asked) return;
    this.asked = true;
    this.atTurnEnd(this.nextTurn);
  }

  private readonly nextTurn = (): void => {
    this.asked = false;
    this.begun = 0;
    this.admit();
  };
}
