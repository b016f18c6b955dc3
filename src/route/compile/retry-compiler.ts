// Compiles a retry policy. At load, any thread; pure.

import type { RetryConfig } from '../../config/snapshot.ts';
import { conditionBits, FORMAT_SECONDS, FORMAT_UNIX_TIME, RETRY_HEADERS, RETRY_STATUS_CODES, RetryPolicy } from '../retry-policy.ts';
import type { Place } from './place.ts';
import { compileHeaderRule } from './rule-compiler.ts';

export function compileRetry(config: RetryConfig, place: Place): RetryPolicy {
  const policy = new RetryPolicy();
  policy.on = conditionBits(config.on);
  // Who names codes or headers wants them retried.
  if (config.retriableStatusCodes.length > 0) policy.on |= RETRY_STATUS_CODES;
  if (config.retriableHeaders.length > 0) policy.on |= RETRY_HEADERS;
  policy.attempts = config.attempts;
  policy.perTryTimeoutMs = config.perTryTimeoutMs;
  policy.perTryIdleTimeoutMs = config.perTryIdleTimeoutMs;
  policy.codes = config.retriableStatusCodes;
  policy.headers = config.retriableHeaders.map((rule) => compileHeaderRule(rule, place.at('retriableHeaders', rule.name)));
  policy.baseMs = config.backOff.baseMs;
  policy.maxMs = config.backOff.maxMs;
  policy.resetFields = config.retryAfter.headers.map(({ name, format }) => ({ name, format: format === 'seconds' ? FORMAT_SECONDS : FORMAT_UNIX_TIME }));
  policy.resetMaxMs = config.retryAfter.maxMs;
  policy.previousHosts = config.previousHosts;
  policy.hostSelectionAttempts = config.hostSelectionAttempts;
  policy.maxReplayBytes = config.maxReplayBodyBytes;
  policy.countUp = config.includeAttemptCount;
  policy.countDown = config.includeAttemptCountInResponse;
  policy.tellTimeout = config.includeIsTimeoutRetry;
  return policy;
}
