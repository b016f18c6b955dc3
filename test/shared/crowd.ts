// The rows that the workers of the breaker tests crowd together on. Constants only: the worker itself runs when it is imported.

/** Rows as a cluster with two priorities, two hosts and a retry budget has them, all together. */
export const CROWD = { lanes: [10, 11], hosts: [12, 13], lane: 6, host: 5, budget: { budgetPercent: 50, minConcurrency: 1 }, retries: 2 };
