// A retry policy as the config room would build it. Test code only.

import type { RetryConfig } from '../../src/config/snapshot.ts';

export function retryConfig(part: Partial<RetryConfig> = {}): RetryConfig {
  return {
    on: [],
    attempts: 1,
    perTryTimeoutMs: 0,
    perTryIdleTimeoutMs: 0,
    retriableStatusCodes: [],
    retriableHeaders: [],
    backOff: { baseMs: 25, maxMs: 250 },
    retryAfter: { headers: [], maxMs: 0 },
    previousHosts: false,
    hostSelectionAttempts: 1,
    maxReplayBodyBytes: 1_048_576,
    includeAttemptCount: false,
    includeAttemptCountInResponse: false,
    includeIsTimeoutRetry: false,
    ...part,
  };
}
