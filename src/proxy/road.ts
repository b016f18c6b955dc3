// The door between a listener and the road: gives a Journey that belongs to the configuration of this moment.
// Worker thread; one per listener. A reload swaps `runtime`.

import type { Stream } from '../core/stream.ts';
import type { HttpRuntime } from './http-runtime.ts';

export class HttpRoad {
  runtime: HttpRuntime;

  constructor(runtime: HttpRuntime) {
    this.runtime = runtime;
  }

  take(): Stream {
    return this.runtime.tools.journeys.take(this.runtime);
  }
}
