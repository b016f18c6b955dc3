// The schema of how one host of many is chosen. How hosts are grouped before that stands elsewhere. Primary thread; constants only.

import { DEFAULTS } from '../defaults.ts';
import { MAX_BALANCE_FACTOR, MAX_CHOICES, MAX_RING_SIZE, MAX_TABLE_SIZE } from '../limits.ts';
import { choice, described, integer, object, text } from './parts.ts';
import type { Schema } from './parts.ts';

export const POLICIES = ['roundRobin', 'leastRequest', 'random', 'ringHash', 'maglev', 'peakEwma'] as const;

/** Keys of `loadBalancing`. */
export function balancingKeys(): Readonly<Record<string, Schema>> {
  const defaults = DEFAULTS.loadBalancing;
  const ring = { minimum: 1, maximum: MAX_RING_SIZE };
  return {
    policy: choice('How to choose among the endpoints.', POLICIES, { default: defaults.policy }),
    choiceCount: integer('leastRequest: among how many random endpoints the one with the fewest requests is chosen, where all weigh the same.', { minimum: 2, maximum: MAX_CHOICES }, { default: defaults.choiceCount }),
    activeRequestBias: { description: 'leastRequest: where weights differ, an endpoint counts for weight / (requests + 1) ^ this; 0 leaves requests out of account.', type: 'number', minimum: 0, default: defaults.activeRequestBias },
    minRingSize: integer('ringHash: the ring has at least so many entries.', ring, { default: defaults.minRingSize }),
    maxRingSize: integer('ringHash: the ring has at most so many entries.', ring, { default: defaults.maxRingSize }),
    tableSize: integer('maglev: entries of the table, a prime; some hundred times the number of endpoints keeps shares even.', { minimum: 2, maximum: MAX_TABLE_SIZE }, { default: defaults.tableSize }),
    hashBalanceFactor: integer('ringHash and maglev: no endpoint gets more than this per cent of the mean number of requests, the key goes to another one then; 0: no bound.', { minimum: 0, maximum: MAX_BALANCE_FACTOR }, { default: defaults.hashBalanceFactor }),
    slowStart: described('roundRobin and leastRequest: an endpoint that is new, or healthy again, comes to its full share little by little. Default: at once.', slowStart()),
  };
}

function slowStart(): Schema {
  const defaults = DEFAULTS.slowStart;
  return object('slowStart', {
    window: text('How long it takes.', 'duration', { examples: ['30s'] }),
    aggression: { description: 'The share grows with (time / window) ^ (1 / this): 1 is a straight line, more begins faster.', type: 'number', minimum: 0, default: defaults.aggression },
    minWeightPercent: { description: 'The per cent of its share that it begins with.', type: 'number', minimum: 0, maximum: 100, default: defaults.minWeightPercent },
  }, ['window']);
}
