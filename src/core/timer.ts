// A timer as an object: made once with its owner, armed many times. Worker thread. What turns it is the loop's wheel
// (`io/timer-wheel.ts`); rooms that know no loop take the wheel as `TimerSet`.

export interface TimerTarget {
  /** `kind` is the number the timer was made with. */
  onTimer(kind: number): void;
}

export class Timer {
  readonly target: TimerTarget;
  readonly kind: number;
  /** Monotonic deadline in ms; 0 when not armed. */
  deadline = 0;
  // The wheel's list.
  next: Timer | null = null;
  prev: Timer | null = null;

  constructor(target: TimerTarget, kind: number) {
    this.target = target;
    this.kind = kind;
  }
}

export interface TimerSet {
  /** Arms or re-arms. Fires in the turn in which `delayMs` is over, up to one bucket (10 ms) late, never early. */
  arm(timer: Timer, delayMs: number): void;
  disarm(timer: Timer): void;
}
