// @hot
// gRPC on the road: how long a call may take, the status of its answer, and answers of our own in gRPC's words.
// Worker thread; works on the Journey only. Requests that are no gRPC call never come here.

import { grpcStatusOf, httpStatusOf } from '../core/grpc-status.ts';
import type { StreamRecord } from '../core/stream.ts';
import { grpcStatusIn, grpcTimeout, writeGrpcMessage, writeGrpcTimeout } from '../http/grpc.ts';
import type { CompiledRoute } from '../route/compiled-route.ts';
import type { Journey } from './journey.ts';
import type { LocalReply } from './reply.ts';

/**
 * Envoy's grpc_timeout_header_max: the caller's `grpc-timeout`, but not more than the route allows, and that where the
 * caller names none. The upstream is told what holds.
 * @returns milliseconds from the first byte of the call on; 0: no limit
 */
export function callTimeout(journey: Journey, route: CompiledRoute): number {
  const { reqHead } = journey;
  const max = route.grpcTimeoutMaxMs;
  const asked = grpcTimeout(reqHead);
  if (max === 0 || (asked >= 0 && asked <= max)) return asked < 0 ? 0 : Math.max(1, asked);
  reqHead.set('grpc-timeout', writeGrpcTimeout(max));
  return max;
}

/** Trailers-only, as gRPC calls it: the whole answer is one head, with status 200. */
export function grpcReply(journey: Journey, local: LocalReply, body: Buffer): void {
  const head = journey.answerHead();
  journey.grpcStatus = local.grpcStatus ?? grpcStatusOf(local.status);
  head.set('content-type', 'application/grpc');
  head.add('grpc-status', String(journey.grpcStatus));
  if (body.length > 0) head.add('grpc-message', writeGrpcMessage(body.toString('utf8')));
}

/** The head of the answer is here: a trailers-only one has its status there, and one that is no gRPC answer has HTTP's. */
export function noteAnswerHead(journey: Journey): void {
  const status = grpcStatusIn(journey.resHead);
  journey.grpcStatus = status >= 0 ? status : grpcStatusOf(journey.status);
}

/** The status that says whether the host did its work: of a trailers-only answer that of gRPC, in HTTP's terms. */
export function judgedStatus({ isGrpc, resHead, status }: StreamRecord): number {
  const grpcStatus = isGrpc ? grpcStatusIn(resHead) : -1;
  return grpcStatus < 0 ? status : httpStatusOf(grpcStatus);
}

/** The answer is complete. */
export function noteAnswerEnd(journey: Journey): void {
  const status = grpcStatusIn(journey.resTrailers);
  if (status >= 0) journey.grpcStatus = status;
}
