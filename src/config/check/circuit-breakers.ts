// Checks of circuit breakers: limits that stand in for each other. Primary thread; pure.

import type { Problem } from '../errors.ts';
import type { Place } from '../place.ts';

export function checkCircuitBreakers(cluster: Place, problems: Problem[]): void {
  if (!cluster.isObject()) return;
  const breakers = cluster.at('circuitBreakers');
  if (!breakers.isObject()) return;
  for (const limits of [breakers, breakers.at('high')]) checkRetries(limits, problems);
  if (breakers.has('perHost') && cluster.at('type').value === 'originalDst') {
    problems.push({ code: 'conflict', pointer: breakers.at('perHost').pointer, atKey: true, message: 'the hosts of a cluster of the type originalDst are not known beforehand, and are counted together' });
  }
}

function checkRetries(limits: Place, problems: Problem[]): void {
  if (!limits.isObject() || !limits.has('retryBudget') || !limits.has('maxRetries')) return;
  problems.push({ code: 'no-effect', severity: 'warning', pointer: limits.at('maxRetries').pointer, atKey: true, message: '"retryBudget" stands in for "maxRetries", which counts for nothing here' });
}
