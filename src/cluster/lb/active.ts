// @hot
// How many requests a host has over all workers. Worker thread.

import { RES_RQ, type Breakers } from '../../shared/breaker-table.ts';
import type { Host } from '../host.ts';

/** 0 for a host that is not counted. */
export function activeRequests(host: Host, breakers: Breakers): number {
  return host.breakers < 0 ? 0 : breakers.count(host.breakers, RES_RQ);
}
