// @hot
// What Nuncio writes into the heads it sends to callers: server, date, x-envoy-upstream-service-time, the route's edits.
// Worker thread; works on the Journey's `resHead` only.

import { FIELD_DATE, FIELD_SERVER, FIELD_X_ENVOY_UPSTREAM_SERVICE_TIME } from '../core/fields.ts';
import { FieldBlock } from '../core/field-block.ts';
import type { Head } from '../core/head.ts';
import { applyEdits } from '../route/header-edits.ts';
import { writeAffinity } from './affinity.ts';
import type { Journey } from './journey.ts';
import type { LocalReply } from './reply.ts';

const SERVICE_TIME = 'x-envoy-upstream-service-time';
/** Small numbers as text, made once: nearly every answer takes less than a second. */
const NUMBERS: readonly string[] = Array.from({ length: 1024 }, (_, i) => String(i));

export function editAnswer(journey: Journey): void {
  const { resHead, runtime, route } = journey;
  const { serverName } = runtime.config;
  const { clock, date } = runtime.tools;
  if (resHead.first[FIELD_X_ENVOY_UPSTREAM_SERVICE_TIME]! >= 0) resHead.dropId(FIELD_X_ENVOY_UPSTREAM_SERVICE_TIME);
  const since = journey.requestEndAt > 0 ? journey.requestEndAt : journey.upstreamStartAt;
  addServiceTime(resHead, clock.now - since);
  if (serverName !== false) {
    resHead.dropId(FIELD_SERVER);
    resHead.addBlock(runtime.serverBlock);
  }
  if (resHead.first[FIELD_DATE]! < 0) resHead.addBlock(date.block());
  if (route !== null && (route.sticky !== null || journey.answerCookie !== '')) writeAffinity(journey, route);
  if (route !== null && route.responseEdits.length > 0) applyEdits(route.responseEdits, journey, resHead);
}

/** The head of an answer of our own; fields that the reply brings along stand in it already. */
export function editLocalReply(journey: Journey, local: LocalReply, bodyBytes: number): void {
  const { runtime, route } = journey;
  const { serverName } = runtime.config;
  const { date } = runtime.tools;
  const resHead = journey.answerHead();
  if (local.overloaded) resHead.add('x-envoy-overloaded', 'true');
  if (journey.status !== 204 && journey.status !== 304 && journey.status >= 200) {
    // One head is the whole answer to a gRPC call; HTTP/1.1 has no other way to say so.
    if (!journey.isGrpc || journey.down!.protocol !== 'HTTP/2') resHead.add('content-length', numberText(bodyBytes));
    if (bodyBytes > 0 && !hasAdded(resHead.pairs, 'content-type')) resHead.add('content-type', 'text/plain');
  }
  resHead.addBlock(date.block());
  if (serverName !== false) resHead.addBlock(runtime.serverBlock);
  if (route !== null && route.responseEdits.length > 0) applyEdits(route.responseEdits, journey, resHead);
}

function hasAdded(pairs: readonly string[], lowerName: string): boolean {
  for (let i = 0; i < pairs.length; i += 2) if (pairs[i]!.toLowerCase() === lowerName) return true;
  return false;
}

/** `x-envoy-upstream-service-time: 7`, made once per number as far as they are small. */
const serviceTimes: FieldBlock[] = [];

function addServiceTime(head: Head, ms: number): void {
  const whole = ms > 0 ? Math.trunc(ms) : 0;
  if (whole < NUMBERS.length) head.addBlock((serviceTimes[whole] ??= new FieldBlock([SERVICE_TIME, numberText(whole)])));
  else head.add(SERVICE_TIME, String(whole));
}

function numberText(value: number): string {
  const whole = value > 0 ? Math.trunc(value) : 0;
  return whole < NUMBERS.length ? NUMBERS[whole]! : String(whole);
}
