// @hot
// What Nuncio writes into the heads it sends to callers: server, date, x-envoy-upstream-service-time, the route's edits.
// Worker thread; works on the Journey's `resHead` only.

import { FIELD_DATE, FIELD_SERVER, FIELD_X_ENVOY_UPSTREAM_SERVICE_TIME } from '../core/fields.ts';
import { applyEdits } from '../route/header-edits.ts';
import type { Journey } from './journey.ts';
import type { LocalReply } from './reply.ts';

/** Small numbers as text, made once: nearly every answer takes less than a second. */
const NUMBERS: readonly string[] = Array.from({ length: 1024 }, (_, i) => String(i));

export function editAnswer(journey: Journey): void {
  const { resHead, runtime, route } = journey;
  const { serverName } = runtime.config;
  const { clock, date } = runtime.tools;
  if (resHead.first[FIELD_X_ENVOY_UPSTREAM_SERVICE_TIME]! >= 0) resHead.dropId(FIELD_X_ENVOY_UPSTREAM_SERVICE_TIME);
  const since = journey.requestEndAt > 0 ? journey.requestEndAt : journey.upstreamStartAt;
  resHead.add('x-envoy-upstream-service-time', numberText(clock.now - since));
  if (serverName !== false) {
    resHead.dropId(FIELD_SERVER);
    resHead.add('server', serverName);
  }
  if (resHead.first[FIELD_DATE]! < 0) resHead.add('date', date.now());
  if (route !== null && route.responseEdits.length > 0) applyEdits(route.responseEdits, journey, resHead);
}

/** The head of an answer of our own; fields that the reply brings along stand in it already. */
export function editLocalReply(journey: Journey, local: LocalReply, bodyBytes: number): void {
  const { resHead, runtime, route } = journey;
  const { serverName } = runtime.config;
  const { date } = runtime.tools;
  const { added } = resHead;
  if (local.overloaded) resHead.add('x-envoy-overloaded', 'true');
  if (journey.status !== 204 && journey.status !== 304 && journey.status >= 200) {
    resHead.add('content-length', numberText(bodyBytes));
    if (bodyBytes > 0 && !hasAdded(added, 'content-type')) resHead.add('content-type', 'text/plain');
  }
  resHead.add('date', date.now());
  if (serverName !== false) resHead.add('server', serverName);
  if (route !== null && route.responseEdits.length > 0) applyEdits(route.responseEdits, journey, resHead);
}

function hasAdded(added: readonly string[], lowerName: string): boolean {
  for (let i = 0; i < added.length; i += 2) if (added[i]!.toLowerCase() === lowerName) return true;
  return false;
}

function numberText(value: number): string {
  const whole = value > 0 ? Math.trunc(value) : 0;
  return whole < NUMBERS.length ? NUMBERS[whole]! : String(whole);
}
