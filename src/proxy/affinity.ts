// @hot
// What of a request decides which host it goes to, read before the first attempt, and what the answer says of it. Worker
// thread; works on the Journey only.

import type { Cluster } from '../cluster/cluster.ts';
import { formatAddress } from '../core/address.ts';
import type { CompiledRoute } from '../route/compiled-route.ts';
import { hashRequest } from '../route/request-hash.ts';
import { readSession, writeSession } from '../route/sticky-session.ts';
import type { Journey } from './journey.ts';

/** Before a host is picked, once per request. */
export function readAffinity(journey: Journey, route: CompiledRoute, cluster: Cluster): void {
  if (route.hashRules.length > 0 && cluster.picksByHash) hashRequest(route.hashRules, journey);
  if (route.sticky !== null) readSession(route.sticky, journey, journey.runtime.tools.clock.wall());
}

/** Into the head of a host's answer. */
export function writeAffinity(journey: Journey, route: CompiledRoute): void {
  if (journey.answerCookie !== '') journey.answerHead().add('set-cookie', journey.answerCookie);
  if (route.sticky !== null) writeSession(route.sticky, journey, formatAddress(journey.host!.address), journey.runtime.tools.clock.wall());
}
