// What is wrong with a host, as Envoy's /clusters tells it: in its order and by its names. Primary thread; pure.

import { HOST_DEGRADED, HOST_EXCLUDED, HOST_FAILED_ACTIVE, HOST_FAILED_OUTLIER, HOST_PENDING_ACTIVE } from '../../shared/host-table.ts';

const FLAGS: readonly (readonly [flag: number, text: string, json: string])[] = [
  [HOST_FAILED_ACTIVE, 'failed_active_hc', 'failed_active_health_check'],
  [HOST_FAILED_OUTLIER, 'failed_outlier_check', 'failed_outlier_check'],
  [HOST_DEGRADED, 'degraded_active_hc', 'failed_active_degraded_check'],
  [HOST_PENDING_ACTIVE, 'pending_active_hc', 'pending_active_hc'],
  [HOST_EXCLUDED, 'excluded_via_immediate_hc_fail', 'excluded_via_immediate_hc_fail'],
];
/** `eds_health_status` stands behind these, and before the others. */
const BEFORE_EDS = HOST_FAILED_ACTIVE | HOST_FAILED_OUTLIER;

/** `healthy`, or `/failed_active_hc/degraded_active_hc`. */
export function healthText(flags: number): string {
  const found = FLAGS.filter(([flag]) => (flags & flag) !== 0);
  return found.length === 0 ? 'healthy' : found.map(([, text]) => `/${text}`).join('');
}

/** `health_status`. */
export function healthJson(flags: number): object {
  const set = (before: boolean): Record<string, true> =>
    Object.fromEntries(FLAGS.filter(([flag]) => (flags & flag) !== 0 && ((BEFORE_EDS & flag) !== 0) === before).map(([, , json]) => [json, true]));
  return { ...set(true), eds_health_status: 'HEALTHY', ...set(false) };
}
