// @hot
// The pool of a worker's Journeys: a request costs no new object. Worker thread.

import { takeHead } from '../core/head-pool.ts';
import type { HttpRuntime } from './http-runtime.ts';
import { Journey } from './journey.ts';

/** More than this many at rest are left to the garbage collector. */
const KEPT = 4096;

export class Journeys {
  private readonly free: Journey[] = [];
  private made = 0;
  /** Requests under way. */
  active = 0;

  take(runtime: HttpRuntime): Journey {
    const journey = this.free.pop() ?? new Journey();
    journey.id = ++this.made;
    journey.runtime = runtime;
    journey.reqHead = takeHead();
    this.active++;
    return journey;
  }

  giveBack(journey: Journey): void {
    this.active--;
    if (this.free.length < KEPT) this.free.push(journey);
    else journey.retire();
  }
}
