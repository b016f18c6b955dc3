// A worker thread of the breaker tests: takes and gives back as fast as it can. Everything it says is a message.

import { parentPort, workerData } from 'node:worker_threads';
import { BreakerTable, RES_CX, RES_PENDING, RES_RQ, RES_RETRY, type Resource } from '../../src/shared/breaker-table.ts';
import { retryLimit } from '../../src/shared/retry-budget.ts';
import { Stripe } from '../../src/shared/stripe.ts';
import { CROWD } from './crowd.ts';

export const CONTESTED_ROW = 0;
/** Unlimited rows: threads meet here, and count here what they hold of the contested one. */
export const MEETING_ROW = 1;
export const WITNESS_ROW = 2;
export const KILL_ROWS = [3, 4, 5];
/** The largest limit of a race, and one. */
const MORE_THAN_THERE_ARE = 11;

export interface BreakerJob {
  readonly what: 'race' | 'crowd' | 'churn';
  readonly stripe: SharedArrayBuffer;
  readonly breakers: SharedArrayBuffer;
  readonly threads: number;
  readonly rounds: number;
}

export interface RaceResult {
  readonly taken: number;
  readonly refused: number;
  /** Highest number of holders that this thread has seen while it was one of them. */
  readonly highest: number;
}

const job = workerData as BreakerJob;
const table = new BreakerTable(job.breakers, new Stripe(job.stripe).held);

function race(): RaceResult {
  let taken = 0;
  let refused = 0;
  let highest = 0;
  // Nobody leaves the meeting again: who came late must still see that all are there.
  table.tryAcquire(MEETING_ROW, RES_CX);
  while (table.count(MEETING_ROW, RES_CX) < job.threads);
  for (let i = 0; i < job.rounds; i++) {
    let mine = 0;
    // Now and then one thread wants more than there are: the limit is met however the threads are scheduled.
    const wanted = (i & 63) === 0 ? MORE_THAN_THERE_ARE : 1 + (i & 3);
    for (; mine < wanted; mine++) {
      if (!table.tryAcquire(CONTESTED_ROW, RES_RQ)) {
        refused++;
        break;
      }
      table.tryAcquire(WITNESS_ROW, RES_RQ);
      highest = Math.max(highest, table.count(WITNESS_ROW, RES_RQ), table.count(CONTESTED_ROW, RES_RQ));
    }
    taken += mine;
    for (; mine > 0; mine--) {
      table.release(WITNESS_ROW, RES_RQ);
      table.release(CONTESTED_ROW, RES_RQ);
    }
  }
  return { taken, refused, highest };
}

/** Each round is one request: of a lane, then of a host, then perhaps a retry within the budget. */
function crowd(): RaceResult[] {
  const kinds = ['lane', 'host', 'budget', 'fixed'] as const;
  const results = Object.fromEntries(kinds.map((kind) => [kind, { taken: 0, refused: 0, highest: 0 }])) as Record<(typeof kinds)[number], { taken: number; refused: number; highest: number }>;
  const note = (kind: (typeof kinds)[number], ok: boolean, row: number, resource: Resource): boolean => {
    const result = results[kind];
    if (ok) {
      result.taken++;
      result.highest = Math.max(result.highest, table.count(row, resource));
    } else {
      result.refused++;
    }
    return ok;
  };
  table.tryAcquire(MEETING_ROW, RES_CX);
  while (table.count(MEETING_ROW, RES_CX) < job.threads);
  for (let i = 0; i < job.rounds; i++) {
    const lane = CROWD.lanes[i & 1]!;
    const host = CROWD.hosts[(i >> 1) & 1]!;
    table.tryAcquire(lane, RES_PENDING);
    const inLane = note('lane', table.tryAcquire(lane, RES_RQ), lane, RES_RQ);
    const atHost = inLane && note('host', table.tryAcquire(host, RES_RQ), host, RES_RQ);
    const limit = retryLimit(CROWD.budget, table.count(lane, RES_RQ) + table.count(lane, RES_PENDING));
    const budget = note('budget', table.tryAcquireWithin(lane, RES_RETRY, limit), lane, RES_RETRY);
    // As in a race.
    let fixed = (i & 7) === 0 ? CROWD.retries + 1 : 1;
    let mine = 0;
    for (; fixed > 0 && note('fixed', table.tryAcquireWithin(host, RES_RETRY, CROWD.retries), host, RES_RETRY); fixed--) mine++;
    for (; mine > 0; mine--) table.release(host, RES_RETRY);
    if (budget) table.release(lane, RES_RETRY);
    if (atHost) table.release(host, RES_RQ);
    if (inLane) table.release(lane, RES_RQ);
    table.release(lane, RES_PENDING);
  }
  return kinds.map((kind) => results[kind]);
}

const RESOURCES: readonly Resource[] = [RES_CX, RES_PENDING, RES_RQ, RES_RETRY];

/** Never ends by itself. Holds a few of everything at any time. */
function churn(): void {
  let i = 0;
  const held: (readonly [row: number, resource: Resource])[] = [];
  for (;;) {
    const row = KILL_ROWS[i % KILL_ROWS.length]!;
    const resource = RESOURCES[(i >> 2) % RESOURCES.length]!;
    const taken = (i & 1) === 0 ? table.tryAcquire(row, resource) : table.tryAcquireWithin(row, resource, 20);
    if (taken) held.push([row, resource]);
    table.addStarving(row, 1);
    if (held.length > 6) {
      const [oldRow, oldResource] = held.shift()!;
      table.release(oldRow, oldResource);
    }
    if ((i & 7) !== 7) table.addStarving(row, -1);
    if (i === job.rounds) parentPort!.postMessage('running');
    i++;
  }
}

if (job.what === 'race') parentPort!.postMessage(race());
else if (job.what === 'crowd') parentPort!.postMessage(crowd());
else churn();
