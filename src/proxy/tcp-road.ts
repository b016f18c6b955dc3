// The door between a TCP listener and the road: gives a journey that belongs to the configuration of this moment.
// Worker thread; one per listener. A reload swaps `runtime`.

import type { Caller, Passage, PassageRoad } from '../core/passage.ts';
import { TcpJourney } from './tcp-journey.ts';
import type { TcpRuntime } from './tcp-runtime.ts';

export class TcpRoad implements PassageRoad {
  runtime: TcpRuntime;

  constructor(runtime: TcpRuntime) {
    this.runtime = runtime;
  }

  take(caller: Caller): Passage {
    return new TcpJourney(this.runtime, caller);
  }
}
