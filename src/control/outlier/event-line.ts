// A line of the event log: Envoy's OutlierDetectionEvent in its JSON form. Primary thread; pure.

import type { RateFigures } from './rates.ts';

/** By the number of the detector (`OUTLIER_DETECTORS`). */
const TYPES: readonly string[] = [
  'CONSECUTIVE_5XX', 'CONSECUTIVE_GATEWAY_FAILURE', 'CONSECUTIVE_LOCAL_ORIGIN_FAILURE', 'SUCCESS_RATE', 'SUCCESS_RATE_LOCAL_ORIGIN',
  'FAILURE_PERCENTAGE', 'FAILURE_PERCENTAGE_LOCAL_ORIGIN',
];

export interface EventSubject {
  readonly cluster: string;
  readonly url: string;
  /** How often it has been ejected. */
  readonly ejections: number;
  readonly wallMs: number;
  /** Since it came back, or since it was ejected; null: never. */
  readonly sinceMs: number | null;
}

/** What the detector saw. */
export interface EjectEvidence {
  readonly detector: number;
  readonly enforced: boolean;
  /** Of the detectors that judge rates, in percent. */
  readonly rate?: number;
  /** Of the success rates. */
  readonly figures?: RateFigures;
}

export function ejectLine(subject: EventSubject, evidence: EjectEvidence): string {
  return `${JSON.stringify({ ...head(subject, TYPES[evidence.detector]!, 'EJECT'), enforced: evidence.enforced, ...seen(evidence) })}\n`;
}

/** Envoy's has a type as well, which means nothing. */
export function unejectLine(subject: EventSubject): string {
  return `${JSON.stringify({ ...head(subject, TYPES[0]!, 'UNEJECT'), enforced: false })}\n`;
}

function head({ cluster, url, ejections, wallMs, sinceMs }: EventSubject, type: string, action: string): object {
  return {
    type,
    timestamp: new Date(wallMs).toISOString(),
    // As protobuf's JSON form: 64-bit numbers are strings.
    ...(sinceMs === null ? {} : { secs_since_last_action: String(Math.floor(sinceMs / 1000)) }),
    cluster_name: cluster,
    upstream_url: url,
    action,
    num_ejections: ejections,
  };
}

function seen({ rate, figures }: EjectEvidence): object {
  if (rate === undefined) return { eject_consecutive_event: {} };
  if (figures === undefined) return { eject_failure_percentage_event: { host_success_rate: Math.trunc(rate) } };
  return {
    eject_success_rate_event: {
      host_success_rate: Math.trunc(rate),
      cluster_average_success_rate: Math.trunc(figures.average),
      cluster_success_rate_ejection_threshold: Math.trunc(figures.threshold),
    },
  };
}
