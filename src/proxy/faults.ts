// What can go wrong with a request on our own side of it, as values. Any thread; constants only.

import { fault, type Fault } from '../core/fault.ts';

export const TIMED_OUT: Fault = fault('requestTimeout', 'up', 'never', 'response_timeout');
export const TRY_TOO_LONG: Fault = fault('perTryTimeout', 'up', 'never', 'upstream_per_try_timeout');
export const TRY_TOO_SILENT: Fault = fault('perTryIdleTimeout', 'up', 'never', 'upstream_per_try_idle_timeout');
export const REPLAY_TOO_LARGE: Fault = fault('replayTooLarge', 'down', 'never', 'request_payload_exceeded_retry_buffer_limit');
export const MALFORMED: Fault = fault('downstreamProtocol', 'down', 'never', 'grpc_base_64_decode_failed');
export const TOO_LONG: Fault = fault('maxDuration', 'down', 'never', 'max_duration_timeout');
export const TOO_SLOW: Fault = fault('requestOverallTimeout', 'down', 'never', 'request_overall_timeout');
export const IDLE_DOWN: Fault = fault('streamIdle', 'down', 'never', 'stream_idle_timeout');
export const IDLE_UP: Fault = fault('streamIdle', 'up', 'never', 'stream_idle_timeout');
export const TOO_LARGE: Fault = fault('payloadTooLarge', 'down', 'never', 'request_payload_too_large');
export const NO_HOST: Fault = fault('noHealthyUpstream', 'local', 'never', 'no_healthy_upstream');
export const GONE: Fault = fault('downstreamClosed', 'down', 'never', 'downstream_remote_disconnect');
