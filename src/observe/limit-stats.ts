// The stats of filters that limit: Envoy's names, and the slot of each inside its block. Any thread. `concurrencyLimit` is
// ours alone. What a controller keeps in shared words is read there.

import { RES_RQ } from '../shared/breaker-table.ts';
import { BURST, GRADIENT, GradientState, MEASURING, MIN_RTT_US, SAMPLE_RTT_US } from '../shared/gradient-state.ts';
import type { LimitPlan } from '../shared/plan.ts';
import type { SharedState } from '../shared/registry.ts';
import type { StatKind } from './stat-names.ts';

type StatList = readonly (readonly [name: string, kind: StatKind])[];

// PREFIX.http_local_rate_limit.*
export const RATE_ENABLED = 0;
export const RATE_OK = 1;
export const RATE_LIMITED = 2;
export const RATE_ENFORCED = 3;

// http.PREFIX.concurrency_limit.*
export const CONCURRENCY_BLOCKED = 0;
export const CONCURRENCY_ACTIVE = 1;

// http.PREFIX.adaptive_concurrency.gradient_controller.*
export const ADAPTIVE_BLOCKED = 0;

// http.PREFIX.admission_control.*
export const ADMISSION_REJECTED = 0;
export const ADMISSION_SUCCESS = 1;
export const ADMISSION_FAILURE = 2;

// PREFIX.http_bandwidth_limit.request_*; those of the answers follow.
export const BANDWIDTH_ENABLED = 0;
export const BANDWIDTH_ENFORCED = 1;
export const BANDWIDTH_PENDING = 2;
export const BANDWIDTH_INCOMING = 3;
export const BANDWIDTH_ALLOWED = 4;
export const BANDWIDTH_RESPONSE = 5;

const BANDWIDTH: StatList = [
  ['enabled', 'counter'],
  ['enforced', 'counter'],
  ['pending', 'gauge'],
  ['incoming_total_size', 'counter'],
  ['allowed_total_size', 'counter'],
];

export interface LimitFamily {
  /** Before the name that the configuration gives, and behind it. */
  readonly before: string;
  readonly behind: string;
  /** The label that has the name in Prometheus; '' where it stays part of the metric's name, as in Envoy. */
  readonly label: string;
  readonly stats: StatList;
}

/** By the filter's key. */
export const LIMIT_FAMILIES: Readonly<Record<string, LimitFamily>> = {
  localRateLimit: {
    before: '',
    behind: 'http_local_rate_limit.',
    label: 'envoy_local_http_ratelimit_prefix',
    stats: [['enabled', 'counter'], ['ok', 'counter'], ['rate_limited', 'counter'], ['enforced', 'counter']],
  },
  concurrencyLimit: {
    before: 'http.',
    behind: 'concurrency_limit.',
    label: 'envoy_http_conn_manager_prefix',
    stats: [['rq_blocked', 'counter'], ['rq_active', 'gauge']],
  },
  adaptiveConcurrency: {
    before: 'http.',
    behind: 'adaptive_concurrency.gradient_controller.',
    label: 'envoy_http_conn_manager_prefix',
    stats: [['rq_blocked', 'counter']],
  },
  admissionControl: {
    before: 'http.',
    behind: 'admission_control.',
    label: 'envoy_http_conn_manager_prefix',
    stats: [['rq_rejected', 'counter'], ['rq_success', 'counter'], ['rq_failure', 'counter']],
  },
  bandwidthLimit: {
    before: '',
    behind: 'http_bandwidth_limit.',
    label: '',
    stats: ['request', 'response'].flatMap((way) => BANDWIDTH.map(([name, kind]) => [`${way}_${name}`, kind] as const)),
  },
};

interface Gauge {
  readonly name: string;
  readonly kind: 'gauge';
  readonly value: number;
  readonly used: boolean;
}

/** What the controller of an adaptive limit shows of itself. */
export function gradientStats({ words, breakers }: LimitPlan, { limits, table }: Pick<SharedState, 'limits' | 'table'>): Gauge[] {
  const state = new GradientState(new Int32Array(limits), words);
  const gauge = (name: string, value: number): Gauge => ({ name, kind: 'gauge', value, used: value !== 0 });
  return [
    gauge('burst_queue_size', state.get(BURST)),
    gauge('concurrency_limit', table.limit(breakers, RES_RQ)),
    gauge('gradient', state.get(GRADIENT)),
    gauge('min_rtt_calculation_active', state.get(MEASURING) === 1 || state.get(MIN_RTT_US) === 0 ? 1 : 0),
    gauge('min_rtt_msecs', Math.trunc(state.get(MIN_RTT_US) / 1000)),
    gauge('sample_rtt_msecs', Math.trunc(state.get(SAMPLE_RTT_US) / 1000)),
  ];
}
