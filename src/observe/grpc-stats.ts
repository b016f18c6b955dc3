// The stats of gRPC calls, Envoy's of its grpc_stats filter: `cluster.NAME.grpc.SERVICE.METHOD.success`, … for the methods
// that a configuration lists, `cluster.NAME.grpc.success`, … for the rest; and the slot of each inside its block. Any thread.

import type { StatKind } from './stat-names.ts';

export const GRPC_SUCCESS = 0;
export const GRPC_FAILURE = 1;
export const GRPC_TOTAL = 2;
export const GRPC_REQUEST_MESSAGES = 3;
export const GRPC_RESPONSE_MESSAGES = 4;
const STATUS_AT = 5;
/** The codes that gRPC defines. Others count as failures, and have no stat of their own: a host could make up any number. */
const STATUSES = 17;

export const GRPC_STATS: readonly (readonly [name: string, kind: StatKind])[] = [
  ['success', 'counter'],
  ['failure', 'counter'],
  ['total', 'counter'],
  ['request_message_count', 'counter'],
  ['response_message_count', 'counter'],
  ...Array.from({ length: STATUSES }, (_, status) => [String(status), 'counter'] as const),
];

/** `at`: first cell of the block. */
export function countGrpcStatus(cells: Float64Array, at: number, status: number): void {
  cells[at + (status === 0 ? GRPC_SUCCESS : GRPC_FAILURE)]!++;
  cells[at + GRPC_TOTAL]!++;
  if (status >= 0 && status < STATUSES) cells[at + STATUS_AT + status]!++;
}
