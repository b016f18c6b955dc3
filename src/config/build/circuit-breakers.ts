// The circuit breakers of a cluster → snapshot form. Primary thread; pure.

import { DEFAULTS } from '../defaults.ts';
import type { BreakerLimitsDocument, CircuitBreakersDocument } from '../document.ts';
import type { BreakerLimits, CircuitBreakersConfig } from '../cluster-snapshot.ts';

/** As in Envoy, what the high priority leaves out has its own default, not the other one's value. */
export function buildCircuitBreakers(document: CircuitBreakersDocument = {}): CircuitBreakersConfig {
  return { ...buildLimits(document), high: buildLimits(document.high) };
}

/** null: endpoints have no limits of their own, and are not counted over all workers. */
export function buildHostLimits(document: CircuitBreakersDocument['perHost']): BreakerLimits | null {
  const { maxConnections, maxRequests } = { ...DEFAULTS.perHost, ...document };
  if (maxConnections === 0 && maxRequests === 0) return null;
  return { maxConnections, maxPendingRequests: 0, maxRequests, maxRetries: 0 };
}

function buildLimits(document: BreakerLimitsDocument = {}): BreakerLimits {
  const defaults = DEFAULTS.circuitBreakers;
  return {
    maxConnections: document.maxConnections ?? defaults.maxConnections,
    maxPendingRequests: document.maxPendingRequests ?? defaults.maxPendingRequests,
    maxRequests: document.maxRequests ?? defaults.maxRequests,
    maxRetries: document.maxRetries ?? defaults.maxRetries,
    retryBudget: document.retryBudget === undefined ? null : { ...DEFAULTS.retryBudget, ...document.retryBudget },
  };
}
