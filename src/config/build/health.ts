// Health checks → snapshot form. Primary thread; pure.

import { DEFAULTS } from '../defaults.ts';
import type { HealthCheckDocument, PayloadDocument } from '../document.ts';
import type { HealthCheckConfig, HealthProbeConfig } from '../cluster-snapshot.ts';
import type { SecretFiles } from '../secrets.ts';
import { parseDuration, parseStatusFilter } from '../units.ts';

export function buildHealthCheck(check: HealthCheckDocument, cluster: string, files: SecretFiles): HealthCheckConfig {
  const defaults = DEFAULTS.healthCheck;
  const interval = check.interval ?? defaults.interval;
  const noTraffic = check.noTrafficInterval ?? defaults.noTrafficInterval;
  const unhealthy = check.unhealthyInterval ?? interval;
  return {
    probe: buildProbe(check, cluster),
    intervalMs: parseDuration(interval),
    timeoutMs: parseDuration(check.timeout ?? defaults.timeout),
    healthyThreshold: check.healthyThreshold ?? defaults.healthyThreshold,
    unhealthyThreshold: check.unhealthyThreshold ?? defaults.unhealthyThreshold,
    jitterMs: parseDuration(check.jitter ?? defaults.jitter),
    jitterPercent: check.jitterPercent ?? defaults.jitterPercent,
    initialJitterMs: parseDuration(check.initialJitter ?? defaults.initialJitter),
    noTrafficIntervalMs: parseDuration(noTraffic),
    noTrafficHealthyIntervalMs: parseDuration(check.noTrafficHealthyInterval ?? noTraffic),
    unhealthyIntervalMs: parseDuration(unhealthy),
    unhealthyEdgeIntervalMs: parseDuration(check.unhealthyEdgeInterval ?? unhealthy),
    healthyEdgeIntervalMs: parseDuration(check.healthyEdgeInterval ?? interval),
    reuseConnection: check.reuseConnection ?? defaults.reuseConnection,
    eventLog: check.eventLog === undefined ? '' : files.path(check.eventLog),
    alwaysLogFailures: check.alwaysLogFailures ?? defaults.alwaysLogFailures,
  };
}

function buildProbe({ http, tcp, grpc }: HealthCheckDocument, cluster: string): HealthProbeConfig {
  if (http !== undefined) {
    const defaults = DEFAULTS.healthCheckHttp;
    return {
      kind: 'http',
      path: http.path,
      host: http.host ?? '',
      authority: http.host || cluster,
      method: http.method ?? defaults.method,
      headers: Object.entries(http.headers ?? {}),
      expectedStatuses: (http.expectedStatuses ?? defaults.expectedStatuses).map(parseStatusFilter),
      retriableStatuses: (http.retriableStatuses ?? defaults.retriableStatuses).map(parseStatusFilter),
    };
  }
  if (tcp !== undefined) {
    return { kind: 'tcp', sendHex: hexOf(tcp.send ?? ''), expectHex: (tcp.expect ?? DEFAULTS.healthCheckTcp.expect).map(hexOf) };
  }
  const service = grpc?.service ?? DEFAULTS.healthCheckGrpc.service;
  return { kind: 'grpc', service, host: grpc?.authority ?? '', authority: grpc?.authority || cluster };
}

function hexOf(payload: PayloadDocument): string {
  return typeof payload === 'string' ? Buffer.from(payload, 'utf8').toString('hex') : payload.hex.toLowerCase();
}
