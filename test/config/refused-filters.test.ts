// Broken limits, and filters of virtual hosts and routes that say nothing: one row each.

import t from 'tap';

import { refuses } from './refusals.ts';

const HOST = '/listeners/0/http/virtualHosts/0';

refuses(t, '/listeners/0/http/filters', [
  ['', [{ localRateLimit: {} }], 'one-of /0/localRateLimit: localRateLimit needs one of maxTokens, descriptors'],
  ['', [{ localRateLimit: { maxTokens: 0 } }], 'out-of-range /0/localRateLimit/maxTokens: must be from 1 to 268435456'],
  ['', [{ localRateLimit: { maxTokens: 1, tokensPerFill: 0 } }], 'out-of-range /0/localRateLimit/tokensPerFill: must be from 1 to 268435456'],
  ['', [{ localRateLimit: { maxTokens: 1, fillInterval: '49ms' } }], 'out-of-range /0/localRateLimit/fillInterval: must be at least 50ms'],
  ['', [{ localRateLimit: { maxTokens: 1, fillInterval: '0s' } }], 'out-of-range /0/localRateLimit/fillInterval: must be at least 50ms'],
  ['', [{ localRateLimit: { maxTokens: 1, fillInterval: 1 } }], 'wrong-type /0/localRateLimit/fillInterval: must be a duration such as "15s", not 1'],
  ['', [{ localRateLimit: { maxTokens: 268_435_456, fillInterval: '50ms' } }], 'out-of-range /0/localRateLimit/maxTokens: more than 4194304 tokens a millisecond are no limit'],
  ['', [{ localRateLimit: { maxTokens: 1, enabledPercent: 101 } }], 'out-of-range /0/localRateLimit/enabledPercent: must be from 0 to 100'],
  ['', [{ localRateLimit: { maxTokens: 1, enforcedPercent: -1 } }], 'out-of-range /0/localRateLimit/enforcedPercent: must be from 0 to 100'],
  ['', [{ localRateLimit: { maxTokens: 1, status: 200 } }], 'out-of-range /0/localRateLimit/status: must be from 400 to 599'],
  ['', [{ localRateLimit: { maxTokens: 1, headers: { connection: 'x' } } }], 'bad-edited-header /0/localRateLimit/headers/connection: "connection" cannot be edited: Nuncio writes it itself'],
  ['', [{ localRateLimit: { maxTokens: 1, tokens: 2 } }], 'unknown-key /0/localRateLimit/tokens: unknown key "tokens"; did you mean tokensPerFill?'],
  ['', [{ localRateLimit: { fillInterval: '1s', descriptors: [{ entries: [{ method: 'GET' }], maxTokens: 1 }] } }], 'conflict /0/localRateLimit/fillInterval: says nothing without maxTokens'],
  ['', [{ localRateLimit: { descriptors: [{ entries: [], maxTokens: 1 }] } }], 'too-few /0/localRateLimit/descriptors/0/entries: must have at least 1 entry'],
  ['', [{ localRateLimit: { descriptors: [{ entries: [{ method: 'GET' }] }] } }], 'missing-key /0/localRateLimit/descriptors/0: descriptor needs the key "maxTokens"'],
  ['', [{ localRateLimit: { descriptors: [{ entries: [{}], maxTokens: 1 }] } }], 'one-of /0/localRateLimit/descriptors/0/entries/0: an entry needs one of header, remoteAddress, path, prefix, method'],
  ['', [{ localRateLimit: { descriptors: [{ entries: [{ path: '/a', value: 'b' }], maxTokens: 1 }] } }], 'conflict /0/localRateLimit/descriptors/0/entries/0/value: is the value of a header: it goes with header only'],
  ['', [{ localRateLimit: { descriptors: [{ entries: [{ method: 'GET' }], maxTokens: 1, maxValues: 64 }] } }], 'conflict /0/localRateLimit/descriptors/0/maxValues: says nothing here: no entry leaves its value open'],
  ['', [{ localRateLimit: { descriptors: [{ entries: [{ header: 'a' }], maxTokens: 1, maxValues: 65 }] } }], 'out-of-range /0/localRateLimit/descriptors/0/maxValues: must be a multiple of 8'],
  ['', [{ localRateLimit: { descriptors: [{ entries: [{ header: 'a' }], maxTokens: 1, maxValues: 65_544 }] } }], 'out-of-range /0/localRateLimit/descriptors/0/maxValues: must be from 8 to 65536'],
  ['', [{ localRateLimit: { descriptors: [{ entries: [{ remoteAddress: '10.0.0.0' }], maxTokens: 1 }] } }], 'bad-cidr /0/localRateLimit/descriptors/0/entries/0/remoteAddress: "10.0.0.0" has no prefix length: write "10.0.0.0/32"'],
  ['', [{ concurrencyLimit: {} }], 'missing-key /0/concurrencyLimit: concurrency limit needs the key "maxRequests"'],
  ['', [{ concurrencyLimit: { maxRequests: 0 } }], 'out-of-range /0/concurrencyLimit/maxRequests: must be from 1 to 2147483647'],
  ['', [{ adaptiveConcurrency: { minRtt: { interval: '1m', fixed: '1ms' } } }], 'one-of /0/adaptiveConcurrency/minRtt/fixed: minRtt takes only one of interval, fixed, but has interval and fixed'],
  ['', [{ adaptiveConcurrency: { minRtt: { fixed: '0s' } } }], 'out-of-range /0/adaptiveConcurrency/minRtt/fixed: must be at least 1ms'],
  ['', [{ adaptiveConcurrency: { minRtt: { fixed: '1ms', requestCount: 5 } } }], 'conflict /0/adaptiveConcurrency/minRtt/requestCount: is about measuring, and a fixed minRtt is not measured'],
  ['', [{ adaptiveConcurrency: { concurrencyUpdateInterval: '0s' } }], 'out-of-range /0/adaptiveConcurrency/concurrencyUpdateInterval: must be at least 1ms'],
  ['', [{ adaptiveConcurrency: { maxConcurrencyLimit: 2 } }], 'out-of-range /0/adaptiveConcurrency/maxConcurrencyLimit: must be at least 3, which is minRtt.minConcurrency'],
  ['', [{ adaptiveConcurrency: { sampleAggregatePercentile: 100.1 } }], 'out-of-range /0/adaptiveConcurrency/sampleAggregatePercentile: must be from 0 to 100'],
  ['', [{ admissionControl: { window: '1500ms' } }], 'out-of-range /0/admissionControl/window: must be whole seconds, from 1s to 5m'],
  ['', [{ admissionControl: { window: '6m' } }], 'out-of-range /0/admissionControl/window: must be whole seconds, from 1s to 5m'],
  ['', [{ admissionControl: { successRatePercent: 0 } }], 'out-of-range /0/admissionControl/successRatePercent: must be above 0: at 0 nothing is ever refused'],
  ['', [{ admissionControl: { aggression: 0.5 } }], 'out-of-range /0/admissionControl/aggression: must be from 1 to 100'],
  ['', [{ admissionControl: { maxRejectionPercent: 101 } }], 'out-of-range /0/admissionControl/maxRejectionPercent: must be from 0 to 100'],
  ['', [{ admissionControl: { successStatuses: ['500-400'] } }], 'bad-status-filter /0/admissionControl/successStatuses/0: "500-400" is an empty range'],
  ['', [{ bandwidthLimit: {} }], 'one-of /0/bandwidthLimit: bandwidthLimit needs one of requestRate, responseRate'],
  ['', [{ bandwidthLimit: { requestRate: 0 } }], 'out-of-range /0/bandwidthLimit/requestRate: must be from 1 to 4194304000 bytes a second: leave the key out for no limit'],
  ['', [{ bandwidthLimit: { responseRate: '4GiB' } }], 'out-of-range /0/bandwidthLimit/responseRate: must be from 1 to 4194304000 bytes a second: leave the key out for no limit'],
  ['', [{ bandwidthLimit: { responseRate: 1, fillInterval: '10ms' } }], 'out-of-range /0/bandwidthLimit/fillInterval: must be from 20ms to 1s'],
  ['', [{ concurrencyLimit: { maxRequests: 1 } }, { concurrencyLimit: { maxRequests: 2 } }], 'duplicate-name /1: the filter "concurrencyLimit" is taken already by /listeners/0/http/filters/0'],
]);

refuses(t, HOST, [
  ['/filters', { localRateLimit: false }, 'conflict /localRateLimit: turns off what is not there: neither the listener nor the virtual host has the filter "localRateLimit"'],
  ['/filters', { grpcWeb: {} }, 'wrong-type /grpcWeb: must be false, not an object'],
  ['/filters', { jwt: false }, 'later-key /jwt: the key "jwt" is part of the language, but does not work in this version yet'],
  ['/filters', { localRateLimit: { maxTokens: 1, fillInterval: '1ms' } }, 'out-of-range /localRateLimit/fillInterval: must be at least 50ms'],
  ['/routes/0/filters', { concurrencyLimit: false }, 'conflict /concurrencyLimit: turns off what is not there: neither the listener nor the virtual host has the filter "concurrencyLimit"'],
  ['/routes/0/filters', { bandwidthLimit: {} }, 'one-of /bandwidthLimit: bandwidthLimit needs one of requestRate, responseRate'],
  ['/routes/0/filters', { rateLimits: {} }, 'unknown-key /rateLimits: unknown key "rateLimits"'],
]);
