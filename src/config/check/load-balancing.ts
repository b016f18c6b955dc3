// Checks of how hosts are chosen: sizes that fit together, a table that can be filled, keys that go with the policy.
// Primary thread; pure.

import { DEFAULTS } from '../defaults.ts';
import type { Problem } from '../errors.ts';
import { MAX_TABLE_SIZE } from '../limits.ts';
import type { Place } from '../place.ts';

const HASHING: readonly string[] = ['ringHash', 'maglev'];

/** Keys that only some policies look at. */
const POLICIES_OF: Readonly<Record<string, readonly string[]>> = {
  choiceCount: ['leastRequest'],
  activeRequestBias: ['leastRequest'],
  minRingSize: ['ringHash'],
  maxRingSize: ['ringHash'],
  tableSize: ['maglev'],
  hashBalanceFactor: ['ringHash', 'maglev'],
  slowStart: ['roundRobin', 'leastRequest'],
};

export function checkLoadBalancing(cluster: Place, problems: Problem[]): void {
  const balancing = cluster.at('loadBalancing');
  if (!balancing.isObject()) return;
  if (cluster.at('type').value === 'originalDst') {
    problems.push({ code: 'conflict', pointer: balancing.pointer, atKey: true, message: 'a cluster of the type originalDst chooses nobody: callers bring the address' });
    return;
  }
  checkPolicyKeys(balancing, problems);
  checkRing(balancing, problems);
  checkTable(balancing.at('tableSize'), cluster.at('endpoints'), problems);
  const factor = balancing.at('hashBalanceFactor').number() ?? 0;
  if (factor > 0 && factor < 100) {
    problems.push({ code: 'out-of-range', pointer: balancing.at('hashBalanceFactor').pointer, message: `${factor} is below the mean itself: from 100 on, or 0 for no bound` });
  }
  checkSlowStart(balancing.at('slowStart'), problems);
}

/** Names of the clusters whose policy looks at hashes of requests. */
export function hashingClusters(clusters: Place): Set<string> {
  const hashing = clusters.items().filter((cluster) => HASHING.includes(cluster.at('loadBalancing').at('policy').text() ?? ''));
  return new Set(hashing.map((cluster) => cluster.at('name').text() ?? ''));
}

function checkPolicyKeys(balancing: Place, problems: Problem[]): void {
  const policy = balancing.at('policy').text() ?? DEFAULTS.loadBalancing.policy;
  for (const [key, policies] of Object.entries(POLICIES_OF)) {
    if (!balancing.has(key) || policies.includes(policy)) continue;
    problems.push({ code: 'conflict', pointer: balancing.at(key).pointer, atKey: true, message: `the policy ${policy} does not look at it: it is for ${policies.join(' and ')}` });
  }
}

function checkRing(balancing: Place, problems: Problem[]): void {
  const { minRingSize, maxRingSize } = DEFAULTS.loadBalancing;
  const min = balancing.at('minRingSize').number() ?? minRingSize;
  const max = balancing.at('maxRingSize').number() ?? maxRingSize;
  if (min <= max) return;
  const at = balancing.has('minRingSize') ? 'minRingSize' : 'maxRingSize';
  const message = at === 'minRingSize' ? `${min} is above maxRingSize, which is ${max}` : `${max} is below minRingSize, which is ${min}`;
  problems.push({ code: 'out-of-range', pointer: balancing.at(at).pointer, message });
}

function checkTable(tableSize: Place, endpoints: Place, problems: Problem[]): void {
  const size = tableSize.number();
  if (size === null || !Number.isInteger(size) || size < 2 || size > MAX_TABLE_SIZE) return;
  if (!isPrime(size)) {
    problems.push({ code: 'out-of-range', pointer: tableSize.pointer, message: `${size} is not prime: the next prime is ${primeFrom(size)}` });
  } else if (size < endpoints.items().length) {
    problems.push({ code: 'out-of-range', pointer: tableSize.pointer, message: `${size} entries are not enough for ${endpoints.items().length} endpoints` });
  }
}

function checkSlowStart(slowStart: Place, problems: Problem[]): void {
  if (!slowStart.isObject()) return;
  const window = slowStart.at('window').text();
  if (window !== null && /^0+(\.0*)?[a-z]*$/.test(window)) {
    problems.push({ code: 'out-of-range', pointer: slowStart.at('window').pointer, message: 'must be longer than 0: leave "slowStart" away to turn it off' });
  }
  if (slowStart.at('aggression').number() === 0) {
    problems.push({ code: 'out-of-range', pointer: slowStart.at('aggression').pointer, message: 'must be more than 0' });
  }
}

function isPrime(n: number): boolean {
  for (let d = 2; d * d <= n; d++) if (n % d === 0) return false;
  return n >= 2;
}

function primeFrom(n: number): number {
  let prime = n;
  while (!isPrime(prime)) prime++;
  return prime;
}
