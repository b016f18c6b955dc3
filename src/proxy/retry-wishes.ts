// What holds for the attempts of one request: its route's policy and hedging, and what an internal caller wishes by header.
// Worker thread; works on the Journey only. As Envoy: the headers are taken off, a wish beats the policy.

import { BACK_OFF_MAX_FACTOR, DEFAULTS } from '../config/defaults.ts';
import { parseDuration, parseSize } from '../config/units.ts';
import type { CompiledRoute } from '../route/compiled-route.ts';
import { parseRetryGrpcOn, parseRetryOn, RetryPolicy } from '../route/retry-policy.ts';
import type { Journey } from './journey.ts';
import { RetryState, wholeNumber } from './retry-state.ts';

/** Where a caller asks for retries on a route that has no policy. */
const NO_POLICY = standardPolicy();

/** null: one attempt, without a time-out of its own. `journey.timeoutMs` may have been wished otherwise. */
export function retryStateOf(journey: Journey, route: CompiledRoute): RetryState | null {
  const { reqHead } = journey;
  if (!journey.isInternal && route.retry === null) return null;
  const state = new RetryState(route.retry ?? NO_POLICY, route.hedge);
  const wished = journey.isInternal && takeWishes(journey, state);
  if (!wished && route.retry === null) return null;
  // A try that may take as long as all of them together has no limit of its own.
  if (journey.timeoutMs > 0 && state.perTryMs >= journey.timeoutMs) state.perTryMs = 0;
  state.open = state.on !== 0;
  if (state.policy.countUp) reqHead.set('x-envoy-attempt-count', '1');
  return state;
}

/** @returns whether the caller wishes anything */
function takeWishes(journey: Journey, state: RetryState): boolean {
  const { reqHead } = journey;
  let wished = false;
  const take = (name: string): string | undefined => {
    const value = reqHead.get(name);
    if (value === undefined) return undefined;
    reqHead.remove(name);
    wished = true;
    return value;
  };
  const number = (name: string): number => wholeNumber(take(name) ?? '');
  state.on |= parseRetryOn(take('x-envoy-retry-on') ?? '') | parseRetryGrpcOn(take('x-envoy-retry-grpc-on') ?? '');
  const attempts = number('x-envoy-max-retries');
  if (attempts >= 0 && state.on !== 0) state.left = attempts;
  const codes = (take('x-envoy-retriable-status-codes') ?? '').split(',').map(wholeNumber).filter((code) => code >= 0);
  if (codes.length > 0) state.codes = [...state.codes, ...codes];
  state.names = (take('x-envoy-retriable-header-names') ?? '').split(',').map((name) => name.trim().toLowerCase()).filter((name) => name !== '');
  const timeoutMs = number('x-envoy-upstream-rq-timeout-ms');
  if (timeoutMs >= 0) journey.timeoutMs = timeoutMs;
  const perTryMs = number('x-envoy-upstream-rq-per-try-timeout-ms');
  if (perTryMs >= 0) state.perTryMs = perTryMs;
  const hedge = take('x-envoy-hedge-on-per-try-timeout');
  if (hedge === 'true' || hedge === 'false') state.hedge = hedge === 'true';
  if (take('x-envoy-upstream-rq-timeout-alt-response') !== undefined) state.timeoutStatus = 204;
  return wished;
}

/** Nothing is tried again; for the rest what holds where nobody says otherwise. */
function standardPolicy(): RetryPolicy {
  const defaults = DEFAULTS.retry;
  const policy = new RetryPolicy();
  policy.attempts = defaults.attempts;
  policy.baseMs = parseDuration(DEFAULTS.backOff.base);
  policy.maxMs = policy.baseMs * BACK_OFF_MAX_FACTOR;
  policy.hostSelectionAttempts = defaults.hostSelectionAttempts;
  policy.maxReplayBytes = parseSize(defaults.maxReplayBodySize);
  return policy;
}
