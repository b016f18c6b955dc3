// When a request may be tried again, and how: the conditions as bits, and a route's policy ready for the road. Any thread.
// Names and meanings are Envoy's (`retry_on`, `retry_grpc_on`, `x-envoy-retry-on`). Made at load, read-only afterwards.

import type { ValueRule } from './rule/value-rule.ts';

export const RETRY_5XX = 1 << 0;
export const RETRY_GATEWAY_ERROR = 1 << 1;
export const RETRY_RESET = 1 << 2;
export const RETRY_RESET_BEFORE_REQUEST = 1 << 3;
export const RETRY_CONNECT_FAILURE = 1 << 4;
export const RETRY_ENVOY_RATELIMITED = 1 << 5;
export const RETRY_RETRIABLE_4XX = 1 << 6;
export const RETRY_REFUSED_STREAM = 1 << 7;
export const RETRY_STATUS_CODES = 1 << 8;
export const RETRY_HEADERS = 1 << 9;
export const RETRY_GRPC_CANCELLED = 1 << 10;
export const RETRY_GRPC_DEADLINE_EXCEEDED = 1 << 11;
export const RETRY_GRPC_INTERNAL = 1 << 12;
export const RETRY_GRPC_RESOURCE_EXHAUSTED = 1 << 13;
export const RETRY_GRPC_UNAVAILABLE = 1 << 14;

export const RETRY_GRPC: number =
  RETRY_GRPC_CANCELLED | RETRY_GRPC_DEADLINE_EXCEEDED | RETRY_GRPC_INTERNAL | RETRY_GRPC_RESOURCE_EXHAUSTED | RETRY_GRPC_UNAVAILABLE;

const HTTP_CONDITIONS: ReadonlyMap<string, number> = new Map([
  ['5xx', RETRY_5XX],
  ['gateway-error', RETRY_GATEWAY_ERROR],
  ['reset', RETRY_RESET],
  ['reset-before-request', RETRY_RESET_BEFORE_REQUEST],
  ['connect-failure', RETRY_CONNECT_FAILURE],
  ['envoy-ratelimited', RETRY_ENVOY_RATELIMITED],
  ['retriable-4xx', RETRY_RETRIABLE_4XX],
  ['refused-stream', RETRY_REFUSED_STREAM],
  ['retriable-status-codes', RETRY_STATUS_CODES],
  ['retriable-headers', RETRY_HEADERS],
]);

const GRPC_CONDITIONS: ReadonlyMap<string, number> = new Map([
  ['cancelled', RETRY_GRPC_CANCELLED],
  ['deadline-exceeded', RETRY_GRPC_DEADLINE_EXCEEDED],
  ['internal', RETRY_GRPC_INTERNAL],
  ['resource-exhausted', RETRY_GRPC_RESOURCE_EXHAUSTED],
  ['unavailable', RETRY_GRPC_UNAVAILABLE],
]);

export const FORMAT_SECONDS = 0;
export const FORMAT_UNIX_TIME = 1;

/** A field of an answer that says when to come back. */
export interface ResetField {
  /** Lower-case. */
  readonly name: string;
  readonly format: 0 | 1;
}

export class RetryPolicy {
  on = 0;
  attempts = 0;
  /** 0: none. */
  perTryTimeoutMs = 0;
  perTryIdleTimeoutMs = 0;
  codes: readonly number[] = [];
  headers: readonly ValueRule[] = [];
  baseMs = 0;
  maxMs = 0;
  resetFields: readonly ResetField[] = [];
  resetMaxMs = 0;
  previousHosts = false;
  hostSelectionAttempts = 0;
  maxReplayBytes = 0;
  /** `x-envoy-attempt-count` and `x-envoy-is-timeout-retry` on the way up, the former on the way down as well. */
  countUp = false;
  countDown = false;
  tellTimeout = false;
}

/** The bits of a list as `x-envoy-retry-on` has it. Conditions that are not known are none. */
export function parseRetryOn(list: string): number {
  return bitsOf(list, HTTP_CONDITIONS);
}

export function parseRetryGrpcOn(list: string): number {
  return bitsOf(list, GRPC_CONDITIONS);
}

export function conditionBits(names: readonly string[]): number {
  return names.reduce((bits, name) => bits | (HTTP_CONDITIONS.get(name) ?? 0) | (GRPC_CONDITIONS.get(name) ?? 0), 0);
}

function bitsOf(list: string, conditions: ReadonlyMap<string, number>): number {
  let bits = 0;
  for (const name of list.split(',')) bits |= conditions.get(name.trim()) ?? 0;
  return bits;
}
