// The part of a Snapshot that is the limits among the filters. Plain data, as in `snapshot.ts`.

import type { StatusRange } from './snapshot.ts';

export type LimitConfig = LocalRateLimitConfig | ConcurrencyLimitConfig | AdaptiveConcurrencyConfig | AdmissionControlConfig | BandwidthLimitConfig;

interface LimitBase {
  /** Whose state it has, in shared memory: other settings, another state. */
  readonly key: string;
  readonly statPrefix: string;
}

/** A token bucket, and how many there are of it. */
export interface BucketConfig {
  readonly maxTokens: number;
  readonly tokensPerMs: number;
  readonly copies: number;
}

export interface LocalRateLimitConfig extends LimitBase {
  readonly kind: 'localRateLimit';
  /** null: descriptors alone limit. */
  readonly bucket: BucketConfig | null;
  readonly descriptors: readonly DescriptorConfig[];
  readonly enabledPercent: number;
  readonly enforcedPercent: number;
  readonly status: number;
  readonly headers: readonly (readonly [name: string, value: string])[];
  readonly rateLimitHeaders: boolean;
}

export interface DescriptorConfig {
  readonly entries: readonly DescriptorEntryConfig[];
  /** More than one copy: each value of the entries without one has its own. */
  readonly bucket: BucketConfig;
}

export interface DescriptorEntryConfig {
  readonly kind: 'header' | 'remoteAddress' | 'path' | 'prefix' | 'method';
  /** Of a header, lower-case. */
  readonly name: string;
  /** null: any. */
  readonly value: string | null;
}

export interface ConcurrencyLimitConfig extends LimitBase {
  readonly kind: 'concurrencyLimit';
  readonly maxRequests: number;
  readonly status: number;
}

export interface AdaptiveConcurrencyConfig extends LimitBase {
  readonly kind: 'adaptiveConcurrency';
  readonly samplePercentile: number;
  readonly updateIntervalMs: number;
  readonly maxLimit: number;
  readonly minRtt: {
    readonly intervalMs: number;
    /** 0: it is measured. */
    readonly fixedMs: number;
    readonly requestCount: number;
    readonly jitterPercent: number;
    readonly minConcurrency: number;
    readonly bufferPercent: number;
  };
  readonly status: number;
}

export interface AdmissionControlConfig extends LimitBase {
  readonly kind: 'admissionControl';
  readonly windowMs: number;
  readonly successRatePercent: number;
  readonly aggression: number;
  readonly maxRejectionPercent: number;
  readonly rpsThreshold: number;
  readonly successStatuses: readonly StatusRange[];
  readonly successGrpcStatuses: readonly number[];
}

export interface BandwidthLimitConfig extends LimitBase {
  readonly kind: 'bandwidthLimit';
  /** Bytes a second; null: no limit. */
  readonly request: BucketConfig | null;
  readonly response: BucketConfig | null;
  readonly fillIntervalMs: number;
}

/** What a limit takes of shared memory. */
export interface LimitSourceConfig {
  readonly key: string;
  readonly kind: LimitConfig['kind'];
  readonly stats: string;
  readonly buckets: readonly BucketConfig[];
  /** Of a window, for which it keeps counts of each; 0: none. */
  readonly windowSeconds: number;
  readonly latencies: boolean;
  /** null: requests are not counted. */
  readonly maxRequests: number | null;
}
