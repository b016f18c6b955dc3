// What a health check found out. Primary thread; plain values.

/** Envoy's names: the host said so; traffic said so; nothing came; nothing came in time. */
export type FailureType = 'ACTIVE' | 'PASSIVE' | 'NETWORK' | 'NETWORK_TIMEOUT';

export interface Verdict {
  readonly healthy: boolean;
  /** Healthy, and asks to be spared (`x-envoy-degraded`). */
  readonly degraded: boolean;
  /** Where it is not healthy. */
  readonly failure: FailureType;
  /** Counts towards the threshold, although the host has answered. */
  readonly retriable: boolean;
  /** `x-envoy-immediate-health-check-fail` */
  readonly exclude: boolean;
  /** Of an HTTP answer; 0: there was none. */
  readonly status: number;
}

const NOTHING = { healthy: false, degraded: false, retriable: false, exclude: false, status: 0 } as const;

export const HEALTHY: Verdict = { ...NOTHING, healthy: true, failure: 'ACTIVE' };
export const DEGRADED: Verdict = { ...HEALTHY, degraded: true };
/** It answered, and the answer was wrong. */
export const SICK: Verdict = { ...NOTHING, failure: 'ACTIVE' };
/** Refused, reset, ended, or not what the protocol allows. */
export const NO_ANSWER: Verdict = { ...NOTHING, failure: 'NETWORK' };
export const TIMED_OUT: Verdict = { ...NOTHING, failure: 'NETWORK_TIMEOUT' };

/** The threshold counts it; anything else is unhealthy at once. */
export function isCounted({ failure, retriable }: Verdict): boolean {
  return failure === 'NETWORK' || failure === 'NETWORK_TIMEOUT' || retriable;
}
