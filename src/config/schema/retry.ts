// The schema of retries and hedging, on virtual hosts and routes. Primary thread; constants only.

import { DEFAULTS } from '../defaults.ts';
import { MAX_HOST_SELECTION_ATTEMPTS, MAX_RETRIES } from '../limits.ts';
import { choice, described, dictionary, either, flag, integer, list, object, size, text } from './parts.ts';
import type { Schema } from './parts.ts';

/** Envoy's words. The last one is refused by `check/retry.ts`, with its reason. */
export const CONDITIONS: readonly string[] = [
  '5xx', 'gateway-error', 'reset', 'reset-before-request', 'connect-failure', 'envoy-ratelimited', 'retriable-4xx', 'refused-stream',
  'retriable-status-codes', 'retriable-headers', 'cancelled', 'deadline-exceeded', 'internal', 'resource-exhausted', 'unavailable',
  'http3-post-connect-failure',
];

function retryAfter(): Schema {
  const format = choice('"seconds" from now, or "unixTime": seconds since 1970.', ['seconds', 'unixTime']);
  return either('Wait as long as the answer asks for, and up to half as long again, instead of backing off: true for retry-after (seconds) and x-ratelimit-reset (Unix time), or the headers to look at.', [
    flag('true: as the answer asks.'),
    object('retryAfter', {
      headers: dictionary('The headers that say when to come back; the first that the answer has counts.', 'headerName', format),
      max: text('An answer that asks for more is not heeded.', 'duration', { default: DEFAULTS.retryAfter.max }),
    }),
  ], { default: DEFAULTS.retry.respectRetryAfter });
}

/** `valueMatch`: how the value of a header must look. */
export function retrySchema(description: string, valueMatch: Schema): Schema {
  const defaults = DEFAULTS.retry;
  return described(description, object('retry', {
    on: list('What is tried again. Empty: only what the headers of an internal caller ask for.', choice('A condition.', CONDITIONS), { default: defaults.on }),
    attempts: integer('How often a request may be tried again.', { minimum: 0, maximum: MAX_RETRIES }, { default: defaults.attempts }),
    perTryTimeout: text('From the end of the request, on a connection, to the head of the answer, for each try; "0s": only the route\'s timeout. Must be below that.', 'duration', { default: defaults.perTryTimeout }),
    perTryIdleTimeout: text('Longest silence of the endpoint in each try, and while it answers; "0s": no limit of its own.', 'duration', { default: defaults.perTryIdleTimeout }),
    retriableStatusCodes: list('Statuses that are tried again.', integer('A status.', { minimum: 100, maximum: 599 }), { default: defaults.retriableStatusCodes }),
    retriableHeaders: dictionary('Headers of answers that are tried again; one that matches is enough.', 'headerName', valueMatch),
    backOff: described('How long to wait: before the n-th retry at random up to (2^n - 1) times "base", at most "max".', object('backOff', {
      base: text('At least "1ms".', 'duration', { default: DEFAULTS.backOff.base }),
      max: text('Default: ten times "base".', 'duration'),
    }), { default: {} }),
    respectRetryAfter: retryAfter(),
    previousHosts: flag('Choose again when an endpoint is chosen that this request has met already.', { default: defaults.previousHosts }),
    hostSelectionAttempts: integer('How often to choose again with "previousHosts"; then the last choice stands.', { minimum: 1, maximum: MAX_HOST_SELECTION_ATTEMPTS }, { default: defaults.hostSelectionAttempts }),
    maxReplayBodySize: size('A request whose body is larger is not tried again.', { default: defaults.maxReplayBodySize }),
    includeAttemptCount: flag('Tell endpoints the number of the try: x-envoy-attempt-count.', { default: defaults.includeAttemptCount }),
    includeAttemptCountInResponse: flag('Tell clients how many tries there were: x-envoy-attempt-count.', { default: defaults.includeAttemptCountInResponse }),
    includeIsTimeoutRetry: flag('Tell endpoints whether the try before timed out: x-envoy-is-timeout-retry.', { default: defaults.includeIsTimeoutRetry }),
  }), { default: {} });
}

export function hedgeSchema(): Schema {
  return described('Let tries race. Default: a try ends before the next begins.', object('hedge', {
    onPerTryTimeout: flag('After retry.perTryTimeout begin another try and keep the slow one: the first good answer wins.', { default: DEFAULTS.hedge.onPerTryTimeout }),
  }), { default: {} });
}
