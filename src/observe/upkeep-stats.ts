// What a cluster's block holds behind the counters of its requests (`stat-names.ts`, `code-slots.ts`): balancing, discovery,
// outlier detection, health checks and the codes of answers that were retried. Any thread; Envoy's names, in slot order.
// `cells[stats + LB_AT + LB_HEALTHY_PANIC]++`. What the primary counts stands in its own cells (`shared/registry.ts`).

import { CODE_NAMES, CODES_END } from './code-slots.ts';
import type { StatKind } from './stat-names.ts';

type StatList = readonly (readonly [name: string, kind: StatKind])[];

// cluster.NAME.lb_*
export const LB_HEALTHY_PANIC = 0;
export const LB_LOCAL_CLUSTER_NOT_OK = 1;
export const LB_RECALCULATE_ZONE_STRUCTURES = 2;
export const LB_SUBSETS_SELECTED = 3;
export const LB_SUBSETS_FALLBACK = 4;
export const LB_SUBSETS_FALLBACK_PANIC = 5;
export const LB_SUBSETS_CREATED = 6;
export const LB_SUBSETS_REMOVED = 7;
export const LB_ZONE_CLUSTER_TOO_SMALL = 8;
export const LB_ZONE_NO_CAPACITY_LEFT = 9;
export const LB_ZONE_ROUTING_ALL_DIRECTLY = 10;
export const LB_ZONE_ROUTING_SAMPLED = 11;
export const LB_ZONE_ROUTING_CROSS_ZONE = 12;
export const LB_SUBSETS_ACTIVE = 13;

export const LB_STATS: StatList = [
  ['lb_healthy_panic', 'counter'],
  ['lb_local_cluster_not_ok', 'counter'],
  ['lb_recalculate_zone_structures', 'counter'],
  ['lb_subsets_selected', 'counter'],
  ['lb_subsets_fallback', 'counter'],
  ['lb_subsets_fallback_panic', 'counter'],
  ['lb_subsets_created', 'counter'],
  ['lb_subsets_removed', 'counter'],
  ['lb_zone_cluster_too_small', 'counter'],
  ['lb_zone_no_capacity_left', 'counter'],
  ['lb_zone_routing_all_directly', 'counter'],
  ['lb_zone_routing_sampled', 'counter'],
  ['lb_zone_routing_cross_zone', 'counter'],
  ['lb_subsets_active', 'gauge'],
];

// cluster.NAME.update_*: discovery, by the primary.
export const UPDATE_ATTEMPT = 0;
export const UPDATE_SUCCESS = 1;
export const UPDATE_FAILURE = 2;
export const UPDATE_EMPTY = 3;
export const UPDATE_NO_REBUILD = 4;

export const UPDATE_STATS: StatList = [
  ['update_attempt', 'counter'],
  ['update_success', 'counter'],
  ['update_failure', 'counter'],
  ['update_empty', 'counter'],
  ['update_no_rebuild', 'counter'],
];

// cluster.NAME.outlier_detection.*: by the thread that detects or ejects. `ejections_active` is read from the host table.
export const EJECTIONS_ENFORCED_TOTAL = 0;
export const EJECTIONS_OVERFLOW = 1;
/** Then one for each detector, in the order of `OUTLIER_DETECTORS`: first those detected, then those enforced. */
export const EJECTIONS_DETECTED = 2;
export const OUTLIER_DETECTORS: readonly string[] = [
  'consecutive_5xx', 'consecutive_gateway_failure', 'consecutive_local_origin_failure', 'success_rate', 'local_origin_success_rate',
  'failure_percentage', 'local_origin_failure_percentage',
];
export const EJECTIONS_ENFORCED: number = EJECTIONS_DETECTED + OUTLIER_DETECTORS.length;
/** The numbers of the detectors. */
export const DETECT_5XX = 0;
export const DETECT_GATEWAY_FAILURE = 1;
export const DETECT_LOCAL_ORIGIN_FAILURE = 2;
export const DETECT_SUCCESS_RATE = 3;
export const DETECT_LOCAL_SUCCESS_RATE = 4;
export const DETECT_FAILURE_PERCENTAGE = 5;
export const DETECT_LOCAL_FAILURE_PERCENTAGE = 6;
/** Names that Envoy calls deprecated and shows all the same. */
export const EJECTIONS_TOTAL: number = EJECTIONS_ENFORCED + OUTLIER_DETECTORS.length;
export const EJECTIONS_CONSECUTIVE_5XX: number = EJECTIONS_TOTAL + 1;
export const EJECTIONS_SUCCESS_RATE: number = EJECTIONS_TOTAL + 2;

export const OUTLIER_STATS: StatList = [
  ['ejections_enforced_total', 'counter'],
  ['ejections_overflow', 'counter'],
  ...OUTLIER_DETECTORS.map((name) => [`ejections_detected_${name}`, 'counter'] as const),
  ...OUTLIER_DETECTORS.map((name) => [`ejections_enforced_${name}`, 'counter'] as const),
  ['ejections_total', 'counter'],
  ['ejections_consecutive_5xx', 'counter'],
  ['ejections_success_rate', 'counter'],
];

// cluster.NAME.health_check.*: by the primary. `healthy` and `degraded` are read from the host table.
export const HEALTH_ATTEMPT = 0;
export const HEALTH_SUCCESS = 1;
export const HEALTH_FAILURE = 2;
export const HEALTH_PASSIVE_FAILURE = 3;
export const HEALTH_NETWORK_FAILURE = 4;
export const HEALTH_VERIFY_CLUSTER = 5;

export const HEALTH_STATS: StatList = [
  ['attempt', 'counter'],
  ['success', 'counter'],
  ['failure', 'counter'],
  ['passive_failure', 'counter'],
  ['network_failure', 'counter'],
  ['verify_cluster', 'counter'],
];

// cluster.NAME.retry.*: answers that were retried and that no caller saw.
export const RETRY_COMPLETED = 0;
/** `upstream_rq_1xx` to `upstream_rq_5xx`. */
export const RETRY_CLASSES = 1;
/** Then one for each code: `cells[stats + RETRY_AT + RETRY_CODES + codeSlot(status)]++`. */
export const RETRY_CODES = 6;

export const RETRY_STATS: StatList = [
  ['upstream_rq_completed', 'counter'],
  ...['1xx', '2xx', '3xx', '4xx', '5xx'].map((name) => [`upstream_rq_${name}`, 'counter'] as const),
  ...CODE_NAMES.map((name) => [`upstream_rq_${name}`, 'counter'] as const),
];

// Where each family begins in a cluster's block.
export const LB_AT: number = CODES_END;
export const UPDATE_AT: number = LB_AT + LB_STATS.length;
export const OUTLIER_AT: number = UPDATE_AT + UPDATE_STATS.length;
export const HEALTH_AT: number = OUTLIER_AT + OUTLIER_STATS.length;
export const RETRY_AT: number = HEALTH_AT + HEALTH_STATS.length;

/** Cells of a cluster's block. */
export const CLUSTER_CELLS: number = RETRY_AT + RETRY_STATS.length;
