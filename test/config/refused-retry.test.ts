// Broken retry policies: one row each.

import t from 'tap';

import { refuses } from './refusals.ts';

const PER_TRY = { on: ['5xx'], perTryTimeout: '2s' };

refuses(t, '/listeners/0/http/virtualHosts/0', [
  ['/routes/0/forward/retry', { on: ['5xxx'] }, 'wrong-value /on/0: "5xxx" is not one of "5xx", "gateway-error", "reset", "reset-before-request", "connect-failure", "envoy-ratelimited", "retriable-4xx", "refused-stream", "retriable-status-codes", "retriable-headers", "cancelled", "deadline-exceeded", "internal", "resource-exhausted", "unavailable", "http3-post-connect-failure"; did you mean 5xx?'],
  ['/routes/0/forward/retry', { on: ['http3-post-connect-failure'] }, 'wrong-value /on/0: can never be met: endpoints are not spoken to in HTTP/3'],
  ['/routes/0/forward/retry', { on: ['reset', '5xx', 'reset'] }, 'conflict /on/2: "reset" is given twice'],
  ['/routes/0/forward/retry', { attempts: -1 }, 'out-of-range /attempts: must be from 0 to 100'],
  ['/routes/0/forward/retry', { attempts: 1.5 }, 'wrong-type /attempts: must be a whole number, not 1.5'],
  ['/routes/0/forward/retry', { retriableStatusCodes: [99] }, 'out-of-range /retriableStatusCodes/0: must be from 100 to 599'],
  ['/routes/0/forward/retry', { retriableHeaders: { 'a b': 'x' } }, 'bad-header-name /retriableHeaders/a b: "a b" is not the name of a header'],
  ['/routes/0/forward/retry', { backOff: { base: '0s' } }, 'out-of-range /backOff/base: must be at least "1ms"'],
  ['/routes/0/forward/retry', { backOff: { base: '1s', max: '500ms' } }, 'out-of-range /backOff/max: must not be below "base", which is 1000 ms'],
  ['/routes/0/forward/retry', { backOff: { max: '10ms' } }, 'out-of-range /backOff/max: must not be below "base", which is 25 ms'],
  ['/routes/0/forward/retry', { respectRetryAfter: { headers: {} } }, 'out-of-range /respectRetryAfter/headers: names no header: use true or false'],
  ['/routes/0/forward/retry', { respectRetryAfter: { headers: { 'retry-after': 'date' } } }, 'wrong-value /respectRetryAfter/headers/retry-after: "date" is not one of "seconds", "unixTime"'],
  ['/routes/0/forward/retry', { respectRetryAfter: { headers: { 'retry-after': 'seconds' }, max: '0s' } }, 'out-of-range /respectRetryAfter/max: no answer could be heeded: must be above "0s"'],
  ['/routes/0/forward/retry', { hostSelectionAttempts: 3 }, 'conflict /hostSelectionAttempts: has no effect without "previousHosts": true'],
  ['/routes/0/forward/retry', { previousHosts: true, hostSelectionAttempts: 0 }, 'out-of-range /hostSelectionAttempts: must be from 1 to 100'],
  ['/routes/0/forward/retry', { maxReplayBodySize: '1MB' }, 'bad-size /maxReplayBodySize: "1MB" must use KiB, MiB or GiB (1 KiB is 1024 bytes), not MB'],
  ['/routes/0/forward', { cluster: 'app', timeout: '2s', retry: PER_TRY }, 'out-of-range /retry/perTryTimeout: must be below the route\'s timeout, which is 2000 ms and covers all tries'],
  ['/routes/0/forward', { cluster: 'app', retry: { perTryTimeout: '16s' } }, 'out-of-range /retry/perTryTimeout: must be below the route\'s timeout, which is 15000 ms and covers all tries'],
  ['/routes/0/forward', { cluster: 'app', hedge: { onPerTryTimeout: true } }, 'conflict /hedge/onPerTryTimeout: needs a retry policy with "on" and "perTryTimeout": that is when the next try begins'],
  ['/routes/0/forward', { cluster: 'app', retry: { perTryTimeout: '1s' }, hedge: { onPerTryTimeout: true } }, 'conflict /hedge/onPerTryTimeout: needs a retry policy with "on" and "perTryTimeout": that is when the next try begins'],
  ['/retry', { on: ['http3-post-connect-failure'] }, 'wrong-value /on/0: can never be met: endpoints are not spoken to in HTTP/3'],
  ['/retry', { on: ['5xx'], perTryTimeout: '20s' },
    'out-of-range /perTryTimeout: must be below the route\'s timeout (of /listeners/0/http/virtualHosts/0/routes/0/forward), which is 15000 ms and covers all tries'],
]);
