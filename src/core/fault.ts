// A fault is a value: what went wrong on the worker side, who broke it, and whether it is safe to try again.
// Any thread. `proxy/reply.ts` alone turns a fault into a status, a response flag and a body.

export type Side = 'down' | 'up' | 'local';

/** `ifReused`: safe to repeat only because the pooled socket was stale before a byte of the answer came. */
export type RetryVerdict = 'never' | 'always' | 'ifReused';

export type FaultKind =
  | 'connectFailure' // refused, unreachable, reset while connecting
  | 'connectTimeout'
  | 'overflow' // a circuit breaker said no
  | 'noHealthyUpstream'
  | 'upstreamReset' // RST or a write that failed
  | 'remoteReset' // RST_STREAM
  | 'refusedStream' // RST_STREAM or GOAWAY that say that nothing was looked at
  | 'upstreamClosed' // FIN where an answer, or the rest of one, was due
  | 'upstreamProtocol' // a malformed answer
  | 'noExtendedConnect' // a host that speaks HTTP/2 and takes no upgrades
  | 'requestTimeout' // the route's time-out
  | 'perTryTimeout' // one try took too long
  | 'perTryIdleTimeout' // or was silent for too long
  | 'replayTooLarge' // between two tries more of the request came than is kept
  | 'maxDuration' // a gRPC call took longer than its deadline
  | 'requestOverallTimeout' // the listener's time for receiving a whole request
  | 'streamIdle'
  | 'downstreamClosed' // the caller went away
  | 'downstreamProtocol'
  | 'payloadTooLarge'
  | 'localReset';

export interface Fault {
  readonly kind: FaultKind;
  readonly side: Side;
  readonly retry: RetryVerdict;
  /** Envoy's response code details, or the text inside the braces of `upstream_reset_before_response_started{…}`. */
  readonly details: string;
  /** The transport failure reason in Envoy's words (`delayed connect error: Connection refused`); '' when there is none. */
  readonly cause: string;
}

export function fault(kind: FaultKind, side: Side, retry: RetryVerdict, details: string, cause = ''): Fault {
  return { kind, side, retry, details, cause };
}
