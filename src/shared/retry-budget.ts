// @hot
// How many retries may be under way where a budget stands in for a fixed number: a share of what the cluster has in hand.
// Any thread; pure. Envoy's formula (`retry_budget` of the circuit breakers).

export interface RetryBudget {
  readonly budgetPercent: number;
  /** So many may be under way however little there is to do. */
  readonly minConcurrency: number;
}

/** @param inHand active and waiting requests of this priority, over all workers. */
export function retryLimit({ budgetPercent, minConcurrency }: RetryBudget, inHand: number): number {
  return Math.max(minConcurrency, Math.floor((budgetPercent * inHand) / 100));
}
