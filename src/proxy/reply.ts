// From a fault to an answer: the only place that decides status, response flag, details and body of what Nuncio itself
// says. Worker thread; pure. Words and details are Envoy's, because people and dashboards search for them.

import type { Fault } from '../core/fault.ts';
import { GRPC_DEADLINE_EXCEEDED } from '../core/grpc-status.ts';
import { FLAG_DC, FLAG_DPE, FLAG_LR, FLAG_OM, FLAG_SI, FLAG_UC, FLAG_UF, FLAG_UH, FLAG_UO, FLAG_UPE, FLAG_UR, FLAG_UT } from '../core/flags.ts';

export interface LocalReply {
  readonly status: number;
  readonly flags: number;
  /** `%RESPONSE_CODE_DETAILS%`. */
  readonly details: string;
  readonly body: string;
  /** Says `x-envoy-overloaded: true`. */
  readonly overloaded: boolean;
  /** What a gRPC caller is told, where the status does not say it. */
  readonly grpcStatus?: number;
}

/** The process is overloaded: nothing is done for the request but this. In Envoy's words, so that searches find it. */
export const OVERLOADED: LocalReply = { status: 503, flags: FLAG_OM, details: 'overload', body: 'envoy overloaded', overloaded: false };

/** What the reset is called in the body and, with underscores, in the details. */
interface ResetWords {
  readonly status: number;
  readonly flag: number;
  readonly reason: string;
}

export function replyOf(fault: Fault): LocalReply {
  switch (fault.kind) {
    case 'noHealthyUpstream':
      return { status: 503, flags: FLAG_UH, details: 'no_healthy_upstream', body: 'no healthy upstream', overloaded: false };
    case 'requestTimeout':
      return { status: 504, flags: FLAG_UT, details: 'response_timeout', body: 'upstream request timeout', overloaded: false };
    case 'perTryTimeout':
    case 'perTryIdleTimeout':
      return { status: 504, flags: FLAG_UT, details: fault.details, body: 'upstream request timeout', overloaded: false };
    case 'replayTooLarge':
      return { status: 507, flags: 0, details: fault.details, body: 'exceeded request buffer limit while retrying upstream', overloaded: false };
    case 'maxDuration':
      return { status: 504, flags: 0, details: 'max_duration_timeout', body: 'downstream duration timeout', overloaded: false, grpcStatus: GRPC_DEADLINE_EXCEEDED };
    case 'streamIdle':
      // `side` says who kept the other waiting: the caller that does not send, or the upstream that does not answer.
      return fault.side === 'down'
        ? { status: 408, flags: FLAG_SI, details: 'stream_idle_timeout', body: 'stream timeout', overloaded: false }
        : { status: 504, flags: FLAG_SI, details: 'stream_idle_timeout', body: 'stream timeout', overloaded: false };
    case 'payloadTooLarge':
      return { status: 413, flags: 0, details: 'request_payload_too_large', body: 'Payload Too Large', overloaded: false };
    case 'noExtendedConnect':
      return { status: 502, flags: FLAG_UPE, details: 'extended_connect_not_enabled', body: 'upstream does not accept extended CONNECT', overloaded: false };
    case 'requestOverallTimeout':
      return { status: 408, flags: 0, details: 'request_overall_timeout', body: 'request timeout', overloaded: false };
    case 'downstreamClosed':
      return { status: 0, flags: FLAG_DC, details: fault.details, body: '', overloaded: false };
    case 'downstreamProtocol':
      return { status: 400, flags: FLAG_DPE, details: fault.details, body: 'Bad Request', overloaded: false };
    default:
      return resetReply(fault);
  }
}

/** What a caller is told who asked that a time-out be no error. */
export function mildReply(local: LocalReply, status: number): LocalReply {
  return (local.flags & FLAG_UT) === 0 ? local : { ...local, status, body: '' };
}

/** Details and flag of an answer that broke off after its head had gone down. */
export function detailsAfterStart(fault: Fault): { readonly flags: number; readonly details: string } {
  if (fault.kind === 'requestTimeout') return { flags: FLAG_UT, details: 'response_timeout' };
  if (fault.kind === 'perTryIdleTimeout') return { flags: FLAG_UT, details: fault.details };
  if (fault.kind === 'maxDuration') return { flags: 0, details: 'max_duration_timeout' };
  if (fault.kind === 'streamIdle') return { flags: FLAG_SI, details: 'stream_idle_timeout' };
  const words = resetWords(fault);
  return { flags: words.flag, details: `upstream_reset_after_response_started{${underscored(words.reason, fault.cause)}}` };
}

function resetReply(fault: Fault): LocalReply {
  const words = resetWords(fault);
  return {
    status: words.status,
    flags: words.flag,
    details: `upstream_reset_before_response_started{${underscored(words.reason, fault.cause)}}`,
    body: `upstream connect error or disconnect/reset before headers. reset reason: ${words.reason}`,
    overloaded: fault.kind === 'overflow',
  };
}

function resetWords(fault: Fault): ResetWords {
  switch (fault.kind) {
    case 'connectFailure':
      return { status: 503, flag: FLAG_UF, reason: 'remote connection failure' };
    case 'connectTimeout':
      return { status: 503, flag: FLAG_UF, reason: 'connection timeout' };
    case 'overflow':
      return { status: 503, flag: FLAG_UO, reason: 'overflow' };
    case 'upstreamClosed':
      return { status: 503, flag: FLAG_UC, reason: 'connection termination' };
    case 'upstreamReset':
      return { status: 503, flag: fault.side === 'local' ? FLAG_LR : FLAG_UC, reason: 'connection termination' };
    case 'upstreamProtocol':
      return { status: 502, flag: FLAG_UPE, reason: 'protocol error' };
    case 'refusedStream':
      return { status: 503, flag: FLAG_UR, reason: 'remote refused stream reset' };
    case 'localReset':
      return { status: 503, flag: FLAG_LR, reason: 'local reset' };
    default:
      return { status: 503, flag: FLAG_UR, reason: 'remote reset' };
  }
}

function underscored(reason: string, cause: string): string {
  return (cause === '' ? reason : `${reason}|${cause}`).replaceAll(' ', '_');
}
