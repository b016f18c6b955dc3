// A retry policy → snapshot form. Primary thread; pure.

import { BACK_OFF_MAX_FACTOR, DEFAULTS, RETRY_AFTER_HEADERS } from '../defaults.ts';
import type { RetryDocument } from '../document.ts';
import type { RetryConfig } from '../snapshot.ts';
import { parseDuration, parseSize } from '../units.ts';
import { buildValueMatch } from './value-match.ts';

/** null where nobody has asked for one. */
export function buildRetry(retry: RetryDocument | undefined): RetryConfig | null {
  if (retry === undefined) return null;
  const defaults = DEFAULTS.retry;
  const baseMs = parseDuration(retry.backOff?.base ?? DEFAULTS.backOff.base);
  return {
    on: retry.on ?? defaults.on,
    attempts: retry.attempts ?? defaults.attempts,
    perTryTimeoutMs: parseDuration(retry.perTryTimeout ?? defaults.perTryTimeout),
    perTryIdleTimeoutMs: parseDuration(retry.perTryIdleTimeout ?? defaults.perTryIdleTimeout),
    retriableStatusCodes: retry.retriableStatusCodes ?? defaults.retriableStatusCodes,
    retriableHeaders: Object.entries(retry.retriableHeaders ?? {}).map(([name, value]) => buildValueMatch(name.toLowerCase(), value)),
    backOff: { baseMs, maxMs: retry.backOff?.max === undefined ? baseMs * BACK_OFF_MAX_FACTOR : parseDuration(retry.backOff.max) },
    retryAfter: buildRetryAfter(retry.respectRetryAfter ?? defaults.respectRetryAfter),
    previousHosts: retry.previousHosts ?? defaults.previousHosts,
    hostSelectionAttempts: retry.hostSelectionAttempts ?? defaults.hostSelectionAttempts,
    maxReplayBodyBytes: parseSize(retry.maxReplayBodySize ?? defaults.maxReplayBodySize),
    includeAttemptCount: retry.includeAttemptCount ?? defaults.includeAttemptCount,
    includeAttemptCountInResponse: retry.includeAttemptCountInResponse ?? defaults.includeAttemptCountInResponse,
    includeIsTimeoutRetry: retry.includeIsTimeoutRetry ?? defaults.includeIsTimeoutRetry,
  };
}

function buildRetryAfter(asked: NonNullable<RetryDocument['respectRetryAfter']>): RetryConfig['retryAfter'] {
  const defaults = DEFAULTS.retryAfter;
  if (asked === false) return { headers: [], maxMs: 0 };
  const headers: Readonly<Record<string, 'seconds' | 'unixTime'>> = asked === true ? RETRY_AFTER_HEADERS : (asked.headers ?? defaults.headers);
  const max = asked === true ? defaults.max : (asked.max ?? defaults.max);
  return { headers: Object.entries(headers).map(([name, format]) => ({ name: name.toLowerCase(), format })), maxMs: parseDuration(max) };
}
