import { once } from 'node:events';
import { Worker } from 'node:worker_threads';
import t from 'tap';
import { BREAKER_BYTES, BREAKER_ROWS, BreakerTable, HELD_ROW, RES_CX, RES_PENDING, RES_RETRY, RES_RQ, type Resource } from '../../src/shared/breaker-table.ts';
import { retryLimit } from '../../src/shared/retry-budget.ts';
import { Stripe, STRIPE_BYTES } from '../../src/shared/stripe.ts';
import { CROWD } from './crowd.ts';

type Job = import('./breaker-worker.ts').BreakerJob;
type Result = import('./breaker-worker.ts').RaceResult;

const CONTESTED_ROW = 0;
const MEETING_ROW = 1;
const WITNESS_ROW = 2;
const KILL_ROWS = [3, 4, 5];
const RESOURCES: readonly Resource[] = [RES_CX, RES_PENDING, RES_RQ, RES_RETRY];
const script = new URL('./breaker-worker.js', import.meta.url);
const limits = (max: number) => ({ maxConnections: max, maxPendingRequests: max, maxRequests: max, maxRetries: max });

function tables(count: number): { breakers: SharedArrayBuffer; stripes: SharedArrayBuffer[]; each: BreakerTable[] } {
  const breakers = new SharedArrayBuffer(BREAKER_BYTES);
  const stripes = Array.from({ length: count }, () => new SharedArrayBuffer(STRIPE_BYTES));
  return { breakers, stripes, each: stripes.map((stripe) => new BreakerTable(breakers, new Stripe(stripe).held)) };
}

t.test('one thread: up to the limit, each resource and row by itself', async (t) => {
  const { each: [a, b] } = tables(2);
  a!.setLimits(7, { maxConnections: 2, maxPendingRequests: 1, maxRequests: 3, maxRetries: 0 });
  t.ok(a!.tryAcquire(7, RES_CX));
  t.ok(b!.tryAcquire(7, RES_CX));
  t.notOk(a!.tryAcquire(7, RES_CX), 'the limit counts both workers');
  t.notOk(b!.tryAcquire(7, RES_CX));
  t.equal(a!.count(7, RES_CX), 2);
  t.ok(a!.tryAcquire(7, RES_PENDING), 'another resource of the row is not touched');
  t.notOk(a!.tryAcquire(7, RES_PENDING));
  b!.release(7, RES_CX);
  t.ok(a!.tryAcquire(7, RES_CX), 'what came back can be taken again');
  t.equal(a!.limit(7, RES_RQ), 3);
  t.equal(a!.count(8, RES_CX), 0, 'the next row is not touched');
  t.equal(a!.count(6, RES_CX), 0);
});

t.test('a limit of 0 is no limit, and is counted all the same', async (t) => {
  const { each: [a] } = tables(1);
  for (let i = 0; i < 5000; i++) if (!a!.tryAcquire(0, RES_RQ)) t.fail('refused');
  t.equal(a!.count(0, RES_RQ), 5000);
});

t.test('a limit beyond 31 bits is the largest there is, not a negative one', async (t) => {
  const { each: [a] } = tables(1);
  a!.setLimits(0, limits(4294967295));
  t.equal(a!.limit(0, RES_CX), 2147483647);
  t.ok(a!.tryAcquire(0, RES_CX));
});

t.test('a limit that is lowered takes nothing away and gives nothing out', async (t) => {
  const { each: [a] } = tables(1);
  a!.setLimits(0, limits(3));
  for (let i = 0; i < 3; i++) a!.tryAcquire(0, RES_RQ);
  a!.setLimits(0, limits(1));
  t.equal(a!.count(0, RES_RQ), 3);
  a!.release(0, RES_RQ);
  t.notOk(a!.tryAcquire(0, RES_RQ));
  a!.release(0, RES_RQ);
  t.notOk(a!.tryAcquire(0, RES_RQ));
  a!.release(0, RES_RQ);
  t.ok(a!.tryAcquire(0, RES_RQ));
});

t.test('releasing what another worker holds is refused', async (t) => {
  const { each: [a, b] } = tables(2);
  a!.tryAcquire(0, RES_CX);
  t.throws(() => b!.release(0, RES_CX), /row 0, resource 0: released more often than taken/);
  t.equal(a!.count(0, RES_CX), 1);
  t.throws(() => b!.addStarving(0, -1), /more waiters gone than came/);
  t.equal(a!.starving(0), 0);
});

t.test('the last row has its room', async (t) => {
  const { each: [a], stripes } = tables(1);
  const last = BREAKER_ROWS - 1;
  a!.setLimits(last, limits(1));
  t.ok(a!.tryAcquire(last, RES_RETRY));
  t.notOk(a!.tryAcquire(last, RES_RETRY));
  a!.addStarving(last, 1);
  t.equal(a!.starving(last), 1);
  t.equal(new Stripe(stripes[0]!).held[last * HELD_ROW + RES_RETRY], 1);
  a!.giveBack(new Stripe(stripes[0]!).held);
  t.ok(a!.isIdle(last));
});

t.test('eight threads on one row with limit 10: never one too many, nothing left behind', async (t) => {
  const threads = 8;
  const { breakers, stripes, each } = tables(threads);
  for (const limit of [10, 3]) {
    each[0]!.setLimits(CONTESTED_ROW, limits(limit));
    const results = await Promise.all(stripes.map(async (stripe) => {
      const worker = new Worker(script, { workerData: { what: 'race', stripe, breakers, threads, rounds: 40_000 } satisfies Job });
      const [[result]] = (await Promise.all([once(worker, 'message'), once(worker, 'exit')])) as [[Result], unknown];
      return result;
    }));
    t.ok(results.every(({ highest }) => highest <= limit), `limit ${limit}: highest seen ${Math.max(...results.map(({ highest }) => highest))}`);
    t.ok(results.reduce((sum, { taken }) => sum + taken, 0) > 1000);
    t.ok(results.some(({ refused }) => refused > 0), 'the limit was met');
    t.ok(each[0]!.isIdle(CONTESTED_ROW));
    t.ok(each[0]!.isIdle(WITNESS_ROW));
    for (const stripe of stripes) {
      const { held } = new Stripe(stripe);
      t.same([...held.subarray(0, 24)].filter((word) => word !== 0), [1], 'only its mark in the meeting row');
      each[0]!.giveBack(held);
    }
    t.ok(each[0]!.isIdle(MEETING_ROW));
  }
});

t.test('eight threads on two priorities, two hosts and their retries: each limit holds by itself, nothing left behind', async (t) => {
  const threads = 8;
  const { breakers, stripes, each } = tables(threads);
  const table = each[0]!;
  for (const row of CROWD.lanes) table.setLimits(row, { ...limits(0), maxRequests: CROWD.lane });
  for (const row of CROWD.hosts) table.setLimits(row, { ...limits(0), maxRequests: CROWD.host });
  const results = await Promise.all(stripes.map(async (stripe) => {
    const worker = new Worker(script, { workerData: { what: 'crowd', stripe, breakers, threads, rounds: 20_000 } satisfies Job });
    const [[result]] = (await Promise.all([once(worker, 'message'), once(worker, 'exit')])) as [[Result[]], unknown];
    return result;
  }));
  // Six requests at most, and at most eight that wait: the budget is never above seven.
  const most = [CROWD.lane, CROWD.host, retryLimit(CROWD.budget, CROWD.lane + threads), CROWD.retries];
  for (const [kind, limit] of most.entries()) {
    const highest = Math.max(...results.map((result) => result[kind]!.highest));
    t.ok(highest <= limit, `${['lane', 'host', 'budget', 'fixed'][kind]!}: highest seen ${highest} of ${limit}`);
    t.ok(results.every((result) => result[kind]!.taken > 0));
  }
  t.ok(results.some(([, , , fixed]) => fixed!.refused > 0), 'the limit was met');
  for (const row of [...CROWD.lanes, ...CROWD.hosts]) t.ok(table.isIdle(row), `row ${row} is at rest`);
});

t.test('a limit that is worked out: up to it, never with 0, and it gives nothing out when it has shrunk', async (t) => {
  const { each: [a, b] } = tables(2);
  t.notOk(a!.tryAcquireWithin(0, RES_RETRY, 0));
  t.ok(a!.tryAcquireWithin(0, RES_RETRY, 2));
  t.ok(b!.tryAcquireWithin(0, RES_RETRY, 2));
  t.notOk(a!.tryAcquireWithin(0, RES_RETRY, 2), 'over both workers');
  t.notOk(b!.tryAcquireWithin(0, RES_RETRY, 1));
  t.ok(a!.tryAcquireWithin(0, RES_RETRY, 3));
  for (const one of [a!, a!, b!]) one.release(0, RES_RETRY);
  t.ok(a!.isIdle(0));
});

t.test('a retry budget: its share of what is in hand, rounded down, never below its minimum', async (t) => {
  const of = (budgetPercent: number, minConcurrency: number, inHand: number): number => retryLimit({ budgetPercent, minConcurrency }, inHand);
  t.equal(of(20, 3, 0), 3);
  t.equal(of(20, 3, 15), 3);
  t.equal(of(20, 3, 19), 3);
  t.equal(of(20, 3, 20), 4);
  t.equal(of(20, 3, 100), 20);
  t.equal(of(0, 0, 1000), 0);
  t.equal(of(100, 0, 7), 7);
  t.equal(of(12.5, 0, 16), 2);
});

t.test('more holders than the limit allows cannot be: ten stay, the eleventh is refused, over threads', async (t) => {
  const { each } = tables(4);
  each[0]!.setLimits(CONTESTED_ROW, limits(10));
  let taken = 0;
  for (let i = 0; i < 40; i++) if (each[i % 4]!.tryAcquire(CONTESTED_ROW, RES_RQ)) taken++;
  t.equal(taken, 10);
});

t.test('workers that are terminated in the middle: what they held comes back exactly', async (t) => {
  const perRound = 4;
  const { breakers, stripes, each } = tables(perRound + 1);
  const survivor = each[perRound]!;
  for (const row of KILL_ROWS) {
    survivor.setLimits(row, limits(20));
    for (const resource of RESOURCES) for (let i = 0; i <= resource; i++) survivor.tryAcquire(row, resource);
    survivor.addStarving(row, 1);
  }
  let heldSome = 0;
  for (let round = 0; round < 8; round++) {
    await Promise.all(stripes.slice(0, perRound).map(async (stripe, i) => {
      // From the first interpreted turns to code that has long been compiled.
      const rounds = [0, 50, 5000, 300_000][(i + round) % 4]!;
      const worker = new Worker(script, { workerData: { what: 'churn', stripe, breakers, threads: 1, rounds } satisfies Job });
      await once(worker, 'message');
      await worker.terminate();
      const { held } = new Stripe(stripe);
      if (held.some((word) => word !== 0)) heldSome++;
      survivor.giveBack(held);
      t.ok(held.every((word) => word === 0));
    }));
    for (const row of KILL_ROWS) {
      for (const resource of RESOURCES) t.equal(survivor.count(row, resource), resource + 1, `round ${round}, row ${row}, resource ${resource}`);
      t.equal(survivor.starving(row), 1);
    }
  }
  t.ok(heldSome > perRound, 'the killed ones did hold something');
});
