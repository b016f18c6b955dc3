// The health-check event log: one JSON line for each event, in the form of Envoy's `HealthCheckEvent`. Primary thread; pure.

import type { Address } from '../../core/address.ts';
import type { FailureType } from './verdict.ts';

export type HealthEvent =
  | { readonly add_healthy_event: { readonly first_check: boolean } }
  | { readonly eject_unhealthy_event: { readonly failure_type: FailureType; readonly http_status_code: number } }
  | { readonly health_check_failure_event: { readonly failure_type: FailureType; readonly first_check: boolean; readonly http_status_code: number } }
  | { readonly degraded_healthy_host: object }
  | { readonly no_longer_degraded_host: object };

export interface EventSubject {
  readonly checker: 'HTTP' | 'TCP' | 'GRPC';
  readonly address: Address;
  readonly cluster: string;
}

/** With its newline. `wallMs`: when it happened. */
export function eventLine({ checker, address, cluster }: EventSubject, event: HealthEvent, wallMs: number): string {
  const host = address.kind === 'ip'
    ? { socket_address: { protocol: 'TCP', address: address.host, port_value: address.port } }
    : { pipe: { path: address.path } };
  return `${JSON.stringify({ health_checker_type: checker, host, cluster_name: cluster, ...event, timestamp: new Date(wallMs).toISOString() })}\n`;
}
