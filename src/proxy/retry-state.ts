// @hot
// What one request may do about attempts that fail: its route's policy, what an internal caller's headers make of it, and how
// much of that is used up. Worker thread; owned by its Journey. Only requests with a policy, or with such headers, have one.
// The decisions are Envoy's, condition by condition; time and breakers are the Attempts' affair.

import type { Host } from '../cluster/host.ts';
import { fullJitterMs, jitterAboveMs } from '../core/back-off.ts';
import type { Fault } from '../core/fault.ts';
import { GRPC_CANCELLED, GRPC_DEADLINE_EXCEEDED, GRPC_INTERNAL, GRPC_RESOURCE_EXHAUSTED, GRPC_UNAVAILABLE } from '../core/grpc-status.ts';
import type { Head } from '../core/head.ts';
import type { Random } from '../core/random.ts';
import type { StreamRecord } from '../core/stream.ts';
import { grpcStatusIn } from '../http/grpc.ts';
import * as R from '../route/retry-policy.ts';
import type { Bystander } from './bystander.ts';

export class RetryState {
  readonly policy: R.RetryPolicy;
  on: number;
  /** How many more attempts may be made. */
  left: number;
  codes: readonly number[];
  /** Lower-case; an answer that has one of these fields is tried again. */
  names: readonly string[] = [];
  perTryMs: number;
  perTryIdleMs: number;
  hedge: boolean;
  /** What a caller is told whose request timed out. */
  timeoutStatus = 504;
  /** More attempts may be made: no answer is on its way, and the request can be repeated. */
  open: boolean;
  /** One of the cluster's retries is held. */
  holds = false;
  /** The attempt to come follows one that was too slow. */
  late = false;
  /** An attempt has been begun on a connection. */
  started = false;
  readonly tried: Host[] = [];
  /** Slow attempts that race with a later one. */
  readonly asides: Bystander[] = [];
  private backOffs = 0;
  /** When the answer that is tried again asked to come back; 0: it did not. */
  private resetMs = 0;

  constructor(policy: R.RetryPolicy, hedge: boolean) {
    this.policy = policy;
    this.on = policy.on;
    this.left = policy.attempts;
    this.codes = policy.codes;
    this.perTryMs = policy.perTryTimeoutMs;
    this.perTryIdleMs = policy.perTryIdleTimeoutMs;
    this.hedge = hedge;
    this.open = false;
  }

  /** Nothing of an answer has come, and nothing will. */
  wantsAfter(why: Fault): boolean {
    const { on } = this;
    switch (why.kind) {
      case 'overflow':
      case 'noHealthyUpstream':
      case 'noExtendedConnect':
        return false;
      case 'connectFailure':
      case 'connectTimeout':
        if ((on & R.RETRY_CONNECT_FAILURE) !== 0) return true;
        break;
      case 'refusedStream':
        if ((on & R.RETRY_REFUSED_STREAM) !== 0) return true;
        break;
      default:
    }
    if ((on & R.RETRY_RESET_BEFORE_REQUEST) !== 0 && !this.started) return true;
    return (on & (R.RETRY_RESET | R.RETRY_5XX | R.RETRY_GATEWAY_ERROR)) !== 0;
  }

  /** By the head of an answer. */
  wantsAnother(answer: StreamRecord): boolean {
    const { on } = this;
    const { status, resHead } = answer;
    if (resHead.find('x-envoy-ratelimited') >= 0) return (on & R.RETRY_ENVOY_RATELIMITED) !== 0;
    if ((on & R.RETRY_5XX) !== 0 && status >= 500 && status < 600) return true;
    if ((on & R.RETRY_GATEWAY_ERROR) !== 0 && status >= 502 && status <= 504) return true;
    if ((on & R.RETRY_RETRIABLE_4XX) !== 0 && status === 409) return true;
    if ((on & R.RETRY_STATUS_CODES) !== 0 && this.codes.includes(status)) return true;
    if ((on & R.RETRY_HEADERS) !== 0 && this.hasRetriableField(resHead)) return true;
    return (on & R.RETRY_GRPC) !== 0 && (on & grpcCondition(grpcStatusIn(resHead))) !== 0;
  }

  /** The answer may say when to come back. */
  noteReset(head: Head, nowWall: number): void {
    const { resetFields, resetMaxMs } = this.policy;
    for (let i = 0; i < resetFields.length; i++) {
      const field = resetFields[i]!;
      const ms = resetInterval(head.get(field.name), field.format, nowWall);
      if (ms > resetMaxMs || ms <= 1) continue;
      this.resetMs = ms;
      return;
    }
  }

  /** The answer has asked to come back later. */
  get isAsked(): boolean {
    return this.resetMs > 0;
  }

  /** How long to wait before the next attempt. */
  takeDelay(random: Random): number {
    const { resetMs } = this;
    this.resetMs = 0;
    if (resetMs > 0) return jitterAboveMs(random, resetMs);
    return fullJitterMs(random, ++this.backOffs, this.policy.baseMs, this.policy.maxMs);
  }

  private hasRetriableField(head: Head): boolean {
    const { headers } = this.policy;
    const { names } = this;
    for (let i = 0; i < headers.length; i++) if (headers[i]!.matchesHead(head)) return true;
    for (let i = 0; i < names.length; i++) if (head.find(names[i]!) >= 0) return true;
    return false;
  }
}

function grpcCondition(status: number): number {
  switch (status) {
    case GRPC_CANCELLED:
      return R.RETRY_GRPC_CANCELLED;
    case GRPC_DEADLINE_EXCEEDED:
      return R.RETRY_GRPC_DEADLINE_EXCEEDED;
    case GRPC_RESOURCE_EXHAUSTED:
      return R.RETRY_GRPC_RESOURCE_EXHAUSTED;
    case GRPC_INTERNAL:
      return R.RETRY_GRPC_INTERNAL;
    case GRPC_UNAVAILABLE:
      return R.RETRY_GRPC_UNAVAILABLE;
    default:
      return 0;
  }
}

/** Milliseconds; 0: the value says nothing. */
function resetInterval(value: string | undefined, format: 0 | 1, nowWall: number): number {
  const seconds = value === undefined ? -1 : wholeNumber(value);
  if (seconds < 0) return 0;
  return format === R.FORMAT_SECONDS ? seconds * 1000 : Math.max(0, (seconds - Math.floor(nowWall / 1000)) * 1000);
}

const DIGITS = /^\d{1,15}$/;

/** -1: it is none. */
export function wholeNumber(text: string): number {
  const trimmed = text.trim();
  return DIGITS.test(trimmed) ? Number(trimmed) : -1;
}
