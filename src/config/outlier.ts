// Outlier detection of a cluster: as it is written, and as workers and primary read it. Any thread; types only.

export interface OutlierDocument {
  interval?: string;
  baseEjectionTime?: string;
  maxEjectionTime?: string;
  maxEjectionTimeJitter?: string;
  maxEjectionPercent?: number;
  alwaysEjectOneHost?: boolean;
  consecutive5xx?: number;
  enforcingConsecutive5xxPercent?: number;
  consecutiveGatewayFailure?: number;
  enforcingConsecutiveGatewayFailurePercent?: number;
  consecutiveLocalOriginFailure?: number;
  enforcingConsecutiveLocalOriginFailurePercent?: number;
  splitExternalLocalOriginErrors?: boolean;
  successRate?: RateDocument & { stdevFactor?: number };
  failurePercentage?: RateDocument & { threshold?: number };
  successfulActiveHealthCheckUnejectHost?: boolean;
  eventLog?: string;
}

interface RateDocument {
  minimumHosts?: number;
  requestVolume?: number;
  enforcingPercent?: number;
  enforcingLocalOriginPercent?: number;
}

export interface OutlierConfig {
  readonly intervalMs: number;
  readonly baseEjectionTimeMs: number;
  /** Not below the base. */
  readonly maxEjectionTimeMs: number;
  readonly maxEjectionTimeJitterMs: number;
  readonly maxEjectionPercent: number;
  readonly alwaysEjectOneHost: boolean;
  readonly consecutive5xx: ConsecutiveConfig;
  readonly consecutiveGatewayFailure: ConsecutiveConfig;
  readonly consecutiveLocalOriginFailure: ConsecutiveConfig;
  /** Connections that fail are counted apart from answers that do. */
  readonly splitExternalLocalOriginErrors: boolean;
  readonly successRate: RateConfig & { readonly stdevFactor: number };
  readonly failurePercentage: RateConfig & { readonly threshold: number };
  readonly successfulActiveHealthCheckUnejectHost: boolean;
  /** '': none. */
  readonly eventLog: string;
}

export interface ConsecutiveConfig {
  /** So many failures in a row; 0: this detector is off. */
  readonly failures: number;
  readonly enforcingPercent: number;
}

/** What looks at each interval's requests as a whole. */
export interface RateConfig {
  readonly minimumHosts: number;
  readonly requestVolume: number;
  readonly enforcingPercent: number;
  readonly enforcingLocalOriginPercent: number;
}
