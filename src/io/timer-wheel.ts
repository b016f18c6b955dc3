// @hot
// Timers of one loop: three wheels of 256 slots with 10 ms, 2.56 s and 10.9 min per slot; a timer further away than
// that (46 hours) waits in the last slot and is placed anew when its turn comes. Worker thread; owned by the loop.
//
// A timer is an intrusive node of a doubly linked list, so arming and disarming touch a few words and allocate nothing.
// Pushing an armed timer further away only writes its deadline: the node moves when its old slot comes round.

import type { Clock } from '../core/clock.ts';
import { Timer, type TimerSet, type TimerTarget } from '../core/timer.ts';

const TICK_MS = 10;
const SLOT_BITS = 8;
const SLOTS = 1 << SLOT_BITS;
const SLOT_MASK = SLOTS - 1;
const LEVEL1_TICKS = SLOTS;
const LEVEL2_TICKS = SLOTS * SLOTS;
const LAST_TICKS = SLOTS * SLOTS * (SLOTS - 1);

/** What drives the wheel; told before a timer is armed, so that it can refresh the clock and see to being woken. */
export interface WheelDriver {
  beforeArm(): void;
  /** A timer is due earlier than all others so far. */
  afterArm(deadline: number): void;
}

const unused: TimerTarget = { onTimer: () => undefined };

/** A list head is a Timer that is its own neighbour, so that unlinking needs no test for the ends. */
function listHead(slot: number): Timer {
  const head = new Timer(unused, slot);
  head.next = head;
  head.prev = head;
  return head;
}

function append(head: Timer, timer: Timer): void {
  const last = head.prev!;
  timer.prev = last;
  timer.next = head;
  last.next = timer;
  head.prev = timer;
}

export class TimerWheel implements TimerSet {
  private readonly clock: Clock;
  private readonly driver: WheelDriver | null;
  private readonly near: Timer[] = [];
  private readonly middle: Timer[] = [];
  private readonly far: Timer[] = [];
  /** One bit per near slot that may hold timers; cleared lazily. */
  private readonly occupied = new Int32Array(SLOTS / 32);
  /** Detached slot being fired; keeps what an exception left behind for the next turn. */
  private readonly firing = listHead(-1);
  /** The last tick that has been dealt with. */
  private tick: number;
  private armed = 0;
  /** How many timers have fired so far. */
  fired = 0;

  constructor(clock: Clock, driver: WheelDriver | null = null) {
    this.clock = clock;
    this.driver = driver;
    this.tick = Math.floor(clock.now / TICK_MS);
    for (let i = 0; i < SLOTS; i++) {
      this.near.push(listHead(i));
      this.middle.push(listHead(i));
      this.far.push(listHead(i));
    }
  }

  /** Timers that are armed. */
  get size(): number {
    return this.armed;
  }

  /** Arms or re-arms. Fires in the turn in which `delayMs` is over, up to one bucket (10 ms) late, never early. */
  arm(timer: Timer, delayMs: number): void {
    const driver = this.driver;
    if (driver !== null) driver.beforeArm();
    const deadline = this.clock.now + delayMs;
    if (timer.prev !== null) {
      if (deadline >= timer.deadline) {
        timer.deadline = deadline;
        return;
      }
      this.unlink(timer);
    } else {
      this.armed++;
    }
    timer.deadline = deadline;
    this.link(timer);
    if (driver !== null) driver.afterArm(deadline);
  }

  disarm(timer: Timer): void {
    if (timer.prev === null) return;
    this.unlink(timer);
    timer.deadline = 0;
    this.armed--;
  }

  /** Fires what is due at `now`. A timer may arm or disarm any timer, itself too, while it fires. */
  advance(now: number): void {
    if (this.firing.next !== this.firing) this.fire(now);
    const target = Math.floor(now / TICK_MS);
    while (this.tick < target) {
      if (this.armed === 0) {
        this.tick = target;
        return;
      }
      const tick = ++this.tick;
      if ((tick & SLOT_MASK) === 0) this.cascade(tick);
      const head = this.near[tick & SLOT_MASK]!;
      if (head.next !== head) {
        this.detach(head);
        this.fire(now);
      }
    }
  }

  /**
   * Monotonic time at which `advance` has something to do next, Infinity when nothing is armed. Never later than the
   * earliest timer; it may be earlier (a wheel to turn over, a timer that was pushed away since).
   */
  nextDeadline(): number {
    if (this.armed === 0) return Infinity;
    if (this.firing.next !== this.firing) return 0;
    const from = this.tick + 1;
    // Looks at most to the end of the near wheel, where the next wheel has to be turned over anyhow.
    const turnOver = (SLOTS - (from & SLOT_MASK)) & SLOT_MASK;
    let ahead = 0;
    while (ahead < turnOver) {
      const slot = (from + ahead) & SLOT_MASK;
      const word = this.occupied[slot >> 5]! >>> (slot & 31);
      if (word === 0) {
        ahead += 32 - (slot & 31);
        continue;
      }
      ahead += 31 - Math.clz32(word & -word);
      const head = this.near[(from + ahead) & SLOT_MASK]!;
      if (head.next !== head) return (from + ahead) * TICK_MS;
      this.occupied[head.kind >> 5]! &= ~(1 << (head.kind & 31));
    }
    return (from + turnOver) * TICK_MS;
  }

  private link(timer: Timer): void {
    let due = Math.ceil(timer.deadline / TICK_MS);
    const ahead = due - this.tick;
    if (ahead <= 0) due = this.tick + 1;
    if (ahead < LEVEL1_TICKS) {
      const slot = due & SLOT_MASK;
      this.occupied[slot >> 5]! |= 1 << (slot & 31);
      append(this.near[slot]!, timer);
    } else if (ahead < LEVEL2_TICKS) {
      append(this.middle[(due >>> SLOT_BITS) & SLOT_MASK]!, timer);
    } else {
      if (ahead > LAST_TICKS) due = this.tick + LAST_TICKS;
      append(this.far[(due >>> (2 * SLOT_BITS)) & SLOT_MASK]!, timer);
    }
  }

  private unlink(timer: Timer): void {
    const prev = timer.prev!;
    const next = timer.next!;
    prev.next = next;
    next.prev = prev;
    timer.prev = null;
    timer.next = null;
  }

  /** Moves a whole list under `firing`, which is empty. */
  private detach(head: Timer): void {
    const firing = this.firing;
    const first = head.next!;
    const last = head.prev!;
    firing.next = first;
    first.prev = firing;
    firing.prev = last;
    last.next = firing;
    head.next = head;
    head.prev = head;
  }

  private fire(now: number): void {
    const firing = this.firing;
    for (let timer = firing.next!; timer !== firing; timer = firing.next!) {
      this.unlink(timer);
      if (timer.deadline > now) {
        this.link(timer); // pushed away since it was linked
        continue;
      }
      timer.deadline = 0;
      this.armed--;
      this.fired++;
      timer.target.onTimer(timer.kind);
    }
  }

  /** The near wheel has come round: what the next wheel holds for this round moves down, and so on. */
  private cascade(tick: number): void {
    const slot = (tick >>> SLOT_BITS) & SLOT_MASK;
    if (slot === 0) this.replace(this.far[(tick >>> (2 * SLOT_BITS)) & SLOT_MASK]!, tick);
    this.replace(this.middle[slot]!, tick);
  }

  private replace(head: Timer, tick: number): void {
    if (head.next === head) return;
    const due = this.near[tick & SLOT_MASK]!;
    const end = head.prev!;
    for (;;) {
      const timer = head.next!;
      this.unlink(timer);
      // What is due at this very tick goes into the slot that is about to be fired.
      if (timer.deadline <= tick * TICK_MS) append(due, timer);
      else this.link(timer);
      if (timer === end) break;
    }
  }
}
