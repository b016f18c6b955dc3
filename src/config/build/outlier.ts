// Outlier detection → snapshot form. Primary thread; pure.

import { DEFAULTS } from '../defaults.ts';
import type { OutlierConfig, OutlierDocument } from '../outlier.ts';
import type { SecretFiles } from '../secrets.ts';
import { parseDuration } from '../units.ts';

/** @param files tells which directory paths are relative to. */
export function buildOutlier(outlier: OutlierDocument, files: SecretFiles): OutlierConfig {
  const all = { ...DEFAULTS.outlierDetection, ...outlier };
  const baseEjectionTimeMs = parseDuration(all.baseEjectionTime);
  const gatewayPercent = outlier.consecutiveGatewayFailure === undefined ? all.enforcingConsecutiveGatewayFailurePercent : DEFAULTS.outlierDetection.enforcingConsecutive5xxPercent;
  return {
    intervalMs: parseDuration(all.interval),
    baseEjectionTimeMs,
    maxEjectionTimeMs: Math.max(parseDuration(all.maxEjectionTime), baseEjectionTimeMs),
    maxEjectionTimeJitterMs: parseDuration(all.maxEjectionTimeJitter),
    maxEjectionPercent: all.maxEjectionPercent,
    alwaysEjectOneHost: all.alwaysEjectOneHost,
    consecutive5xx: { failures: all.consecutive5xx, enforcingPercent: all.enforcingConsecutive5xxPercent },
    consecutiveGatewayFailure: { failures: all.consecutiveGatewayFailure, enforcingPercent: outlier.enforcingConsecutiveGatewayFailurePercent ?? gatewayPercent },
    consecutiveLocalOriginFailure: { failures: all.consecutiveLocalOriginFailure, enforcingPercent: all.enforcingConsecutiveLocalOriginFailurePercent },
    splitExternalLocalOriginErrors: all.splitExternalLocalOriginErrors,
    successRate: { ...DEFAULTS.outlierSuccessRate, ...outlier.successRate },
    failurePercentage: { ...DEFAULTS.outlierFailurePercentage, ...outlier.failurePercentage },
    successfulActiveHealthCheckUnejectHost: all.successfulActiveHealthCheckUnejectHost,
    eventLog: outlier.eventLog === undefined ? '' : files.path(outlier.eventLog),
  };
}
