// Ejecting and letting back: by one thread in every order, and by many at one time.

import { once } from 'node:events';
import { Worker } from 'node:worker_threads';
import t from 'tap';
import { eject, isEjected, uneject } from '../../src/shared/ejections.ts';
import { CONSECUTIVE_5XX, CONSECUTIVE_GATEWAY, CONSECUTIVE_LOCAL, EJECTION_TIMES, HOST_FAILED_ACTIVE, HOST_FAILED_OUTLIER, HOST_ROW, HostTable } from '../../src/shared/host-table.ts';

type Job = import('./ejection-worker.ts').EjectionJob;
type Result = import('./ejection-worker.ts').EjectionResult;

const CLUSTER_ROW = 0;
const COUNTED_ROW = 2;
const HOST_ROWS_AT = 3;
const ROWS = 64;
const script = new URL('./ejection-worker.js', import.meta.url);

function ask(table: HostTable, host: number, now = 5, limit = 2): string {
  return eject(table, { cluster: CLUSTER_ROW, host, limit, now, baseMs: 30, maxMs: 300 });
}

t.test('one thread', async (t) => {
  const table = new HostTable(new SharedArrayBuffer(ROWS * HOST_ROW * 4));
  table.raise(CLUSTER_ROW, 7, HOST_FAILED_ACTIVE);
  t.equal(ask(table, 7), 'ejected');
  t.equal(table.flags(7), HOST_FAILED_ACTIVE | HOST_FAILED_OUTLIER, 'what health checks found stands');
  t.same([table.ejectedAt(7), table.counted(7, EJECTION_TIMES), table.ejected(CLUSTER_ROW), table.epoch(CLUSTER_ROW)], [5, 1, 1, 2]);
  t.equal(ask(table, 7, 9), 'already');
  t.same([table.ejectedAt(7), table.ejected(CLUSTER_ROW), table.epoch(CLUSTER_ROW)], [5, 1, 2], 'nothing has changed');
  t.equal(ask(table, 8), 'ejected');
  t.equal(ask(table, 9), 'full');
  t.equal(ask(table, 8), 'already', 'there is no room, and none is needed');
  t.notOk(isEjected(table, 9));
  for (const what of [CONSECUTIVE_5XX, CONSECUTIVE_GATEWAY, CONSECUTIVE_LOCAL] as const) table.count(7, what);
  t.equal(uneject(table, CLUSTER_ROW, 7), true);
  t.same([table.flags(7), table.ejected(CLUSTER_ROW), table.counted(7, EJECTION_TIMES)], [HOST_FAILED_ACTIVE, 1, 1]);
  t.same([CONSECUTIVE_5XX, CONSECUTIVE_GATEWAY, CONSECUTIVE_LOCAL].map((what) => table.counted(7, what as 1 | 2 | 3)), [0, 0, 0]);
  table.count(7, CONSECUTIVE_5XX);
  t.equal(uneject(table, CLUSTER_ROW, 7), false);
  t.same([table.ejected(CLUSTER_ROW), table.counted(7, CONSECUTIVE_5XX)], [1, 1], 'a host that is not ejected is left alone');
  t.equal(ask(table, 9), 'ejected');
});

async function run(job: Omit<Job, 'index' | 'hosts'>, meanwhile?: (table: HostTable, running: () => boolean) => Promise<void>): Promise<{ table: HostTable; results: Result[] }> {
  const hosts = new SharedArrayBuffer(ROWS * HOST_ROW * 4);
  const table = new HostTable(hosts);
  let left = job.threads;
  const done = Promise.all(Array.from({ length: job.threads }, async (_, index) => {
    const worker = new Worker(script, { workerData: { ...job, index, hosts } satisfies Job });
    const [[result]] = (await Promise.all([once(worker, 'message'), once(worker, 'exit')])) as [[Result], unknown];
    left--;
    return result;
  }));
  await meanwhile?.(table, () => left > 0);
  return { table, results: await done };
}

const flagged = (table: HostTable, count: number): number => Array.from({ length: count }, (_, i) => isEjected(table, HOST_ROWS_AT + i)).filter(Boolean).length;

/** Something happens between two steps of an ejection: what another thread would do there. */
class Interrupted extends HostTable {
  meanwhile: (() => void) | null = null;

  override raise(cluster: number, host: number, flags: number): boolean {
    const { meanwhile } = this;
    this.meanwhile = null;
    meanwhile?.();
    return super.raise(cluster, host, flags);
  }
}

t.test('two threads at one host, step by step', async (t) => {
  const buffer = new SharedArrayBuffer(ROWS * HOST_ROW * 4);
  const [here, there] = [new Interrupted(buffer), new HostTable(buffer)];
  here.meanwhile = () => t.equal(ask(there, 7), 'ejected');
  t.equal(ask(here, 7), 'already', 'the other was faster');
  t.same([there.ejected(CLUSTER_ROW), there.counted(7, EJECTION_TIMES), there.epoch(CLUSTER_ROW)], [1, 1, 1], 'and the room is given back');
  here.meanwhile = () => t.equal(ask(there, 8, 5, 2), 'full', 'the last room is taken for another host');
  t.equal(ask(here, 9), 'ejected');
  t.equal(there.ejected(CLUSTER_ROW), 2);
});

t.test('two threads that count the last failure, step by step', async (t) => {
  const buffer = new SharedArrayBuffer(ROWS * HOST_ROW * 4);
  const [here, there] = [new HostTable(buffer), new HostTable(buffer)];
  const counts = [here.count(7, CONSECUTIVE_5XX), here.count(7, CONSECUTIVE_5XX), there.count(7, CONSECUTIVE_5XX)];
  t.same(counts, [1, 2, 3], 'both have counted up to 2');
  t.same([there.takeCount(7, CONSECUTIVE_5XX, 2), here.takeCount(7, CONSECUTIVE_5XX, 2)], [true, false]);
  t.equal(here.counted(7, CONSECUTIVE_5XX), 0);
});

t.test('four threads that eject everybody: exactly the limit, each host once', async (t) => {
  const [threads, hostCount] = [4, 24];
  for (const limit of [1, 7, 24]) {
    const { table, results } = await run({ what: 'race', threads, rounds: 50, hostCount, limit });
    const ejected = results.flatMap((result) => result.ejected);
    t.equal(ejected.length, limit);
    t.equal(new Set(ejected).size, limit, 'none twice');
    t.equal(table.ejected(CLUSTER_ROW), limit);
    t.equal(flagged(table, hostCount), limit);
    t.ok(results.every(({ highest }) => highest <= limit));
    t.ok(ejected.every((host) => table.counted(HOST_ROWS_AT + host, EJECTION_TIMES) === 1));
    if (limit < hostCount) t.ok(results.some(({ full }) => full > 0), 'the limit was met');
  }
});

t.test('and with a primary that lets them back meanwhile the count stays true', async (t) => {
  const [threads, hostCount, limit] = [6, 12, 4];
  let back = 0;
  const { table, results } = await run({ what: 'churn', threads, rounds: 4000, hostCount, limit }, async (table, running) => {
    while (running()) {
      for (let i = 0; i < 5000; i++) {
        if (uneject(table, CLUSTER_ROW, HOST_ROWS_AT + (i % hostCount))) back++;
        if (table.ejected(CLUSTER_ROW) > limit) t.fail('too many');
      }
      await new Promise((resolve) => setImmediate(resolve));
    }
  });
  const ejections = results.reduce((sum, { ejected }) => sum + ejected.length, 0);
  t.ok(back > 0, `${back} came back`);
  t.equal(table.ejected(CLUSTER_ROW), ejections - back);
  t.equal(flagged(table, hostCount), ejections - back);
  t.ok(results.every(({ highest }) => highest <= limit));
});

t.test('four threads that count failures: the last of a row is found once', async (t) => {
  const threads = 4;
  const { table, results } = await run({ what: 'count', threads, rounds: 25, hostCount: 0, limit: 0 });
  t.same(results.flatMap(({ ejected }) => ejected).sort((a, b) => a - b), Array.from({ length: 25 }, (_, round) => round));
  t.equal(table.counted(COUNTED_ROW, CONSECUTIVE_5XX), 0);
});
