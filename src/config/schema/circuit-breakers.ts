// The schema of circuit breakers. Primary thread; constants only.

import { DEFAULTS } from '../defaults.ts';
import { MAX_COUNT } from '../limits.ts';
import { described, integer, object, percent } from './parts.ts';
import type { Schema } from './parts.ts';

const COUNT = { minimum: 0, maximum: MAX_COUNT };

export function circuitBreakersSchema(): Schema {
  const { perHost } = DEFAULTS;
  const limits = object('perHost', {
    maxConnections: integer('The most connections to one endpoint, over all workers; 0: no limit.', COUNT, { default: perHost.maxConnections }),
    maxRequests: integer('The most requests at one time to one endpoint, over all workers; 0: no limit.', COUNT, { default: perHost.maxRequests }),
  });
  return object('circuitBreakers', {
    ...thresholds(),
    perHost: described('Limits of each endpoint by itself. While one is full others are chosen.', limits, { default: {} }),
    high: described('The limits of requests whose route has the priority "high". They have connections of their own.', object('highCircuitBreakers', thresholds()), { default: {} }),
  });
}

function thresholds(): Record<string, Schema> {
  const defaults = DEFAULTS.circuitBreakers;
  return {
    maxConnections: integer('The most connections to the cluster, over all workers; 0: no limit.', COUNT, { default: defaults.maxConnections }),
    maxPendingRequests: integer('The most requests that wait for a connection; 0: no limit.', COUNT, { default: defaults.maxPendingRequests }),
    maxRequests: integer('The most requests at one time; 0: no limit.', COUNT, { default: defaults.maxRequests }),
    maxRetries: integer('The most retries at one time; 0: no limit. "retryBudget" stands in for it.', COUNT, { default: defaults.maxRetries }),
    retryBudget: described('Limits retries by a share of the requests that are under way or waiting. Default: "maxRetries" limits them.', retryBudget()),
  };
}

function retryBudget(): Schema {
  const defaults = DEFAULTS.retryBudget;
  return object('retryBudget', {
    budgetPercent: percent('The share of the requests, in percent, that may be retries.', { default: defaults.budgetPercent }),
    minConcurrency: integer('So many retries at one time are always allowed.', COUNT, { default: defaults.minConcurrency }),
  });
}
