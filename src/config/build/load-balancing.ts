// How hosts are chosen → snapshot form. Primary thread; pure.

import { DEFAULTS } from '../defaults.ts';
import type { LoadBalancingDocument } from '../document.ts';
import type { LoadBalancingConfig } from '../cluster-snapshot.ts';
import { parseDuration } from '../units.ts';

export function buildLoadBalancing(document: LoadBalancingDocument = {}): LoadBalancingConfig {
  const defaults = DEFAULTS.loadBalancing;
  const { slowStart } = document;
  return {
    policy: document.policy ?? defaults.policy,
    choiceCount: document.choiceCount ?? defaults.choiceCount,
    activeRequestBias: document.activeRequestBias ?? defaults.activeRequestBias,
    minRingSize: document.minRingSize ?? defaults.minRingSize,
    maxRingSize: document.maxRingSize ?? defaults.maxRingSize,
    tableSize: document.tableSize ?? defaults.tableSize,
    hashBalanceFactor: document.hashBalanceFactor ?? defaults.hashBalanceFactor,
    slowStart: slowStart === undefined ? null : {
      windowMs: parseDuration(slowStart.window),
      aggression: slowStart.aggression ?? DEFAULTS.slowStart.aggression,
      minWeightPercent: slowStart.minWeightPercent ?? DEFAULTS.slowStart.minWeightPercent,
    },
  };
}

/** Choosing looks at how many requests each host has over all workers: every host needs a row of its own in the breaker table. */
export function countsRequests({ policy, hashBalanceFactor }: LoadBalancingConfig): boolean {
  return policy === 'leastRequest' || policy === 'peakEwma' || ((policy === 'ringHash' || policy === 'maglev') && hashBalanceFactor > 0);
}

/** What such a row allows: everything. */
export const NO_HOST_LIMITS = { maxConnections: 0, maxPendingRequests: 0, maxRequests: 0, maxRetries: 0 } as const;
