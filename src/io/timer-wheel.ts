// @hot
// (io helper: implement) Hierarchical or single-level hashed wheel with 10 ms buckets; timers are intrusive nodes.

export interface TimerTarget {
  /** `kind` is the number the timer was made with. */
  onTimer(kind: number): void;
}

/** One timer, made once with its owner and armed many times. */
export class Timer {
  readonly target: TimerTarget;
  readonly kind: number;
  /** Monotonic deadline in ms; 0 when not armed. */
  deadline = 0;
  next: Timer | null = null;
  prev: Timer | null = null;

  constructor(target: TimerTarget, kind: number) {
    this.target = target;
    this.kind = kind;
  }
}

export interface TimerWheel {
  /** Arms or re-arms. Fires in the turn in which `delayMs` is over, up to one bucket (10 ms) late, never early. */
  arm(timer: Timer, delayMs: number): void;
  disarm(timer: Timer): void;
}
