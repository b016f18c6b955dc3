import t from 'tap';
import type { Timers } from '../../src/core/host-timer.ts';
import { systemTimers } from '../../src/core/host-timer.ts';
import { systemTime } from '../../src/core/clock.ts';
import type { SupervisorLimits, WorkerMemory } from '../../src/control/supervisor.ts';
import { Supervisor } from '../../src/control/supervisor.ts';
import type { Delivery } from '../../src/control/worker-slot.ts';
import type { FakeScript } from '../support/fake-worker.ts';
import { waitFor } from '../support/deadline.ts';
import { HandTimers } from '../support/hand-timers.ts';
import { LogProbe } from '../support/log-probe.ts';

const script = new URL('../support/fake-worker.js', import.meta.url);

/** Memory as the registry keeps it, with a book of what was asked of it. */
class FakeMemory implements WorkerMemory {
  readonly breakers = new SharedArrayBuffer(64);
  readonly hosts = new SharedArrayBuffer(64);
  readonly limits = new SharedArrayBuffer(64);
  readonly overloadWords = new SharedArrayBuffer(64);
  readonly stripes: SharedArrayBuffer[] = [];
  readonly book: string[] = [];

  stripe(index: number): SharedArrayBuffer {
    return (this.stripes[index] ??= new SharedArrayBuffer(64));
  }
  cells(index: number): Float64Array {
    return new Float64Array(this.stripe(index));
  }
  giveBack(index: number): void {
    this.book.push(`give back ${index}`);
  }
  zeroGauges(index: number): void {
    this.book.push(`zero gauges ${index}`);
  }
  takeDescriptors(index: number): readonly number[] {
    return [100 + index];
  }
}

function setUp(test: { teardown(after: () => unknown): unknown }, workers = 2, limits: Partial<SupervisorLimits> = {}, timers: Timers & Partial<HandTimers> = systemTimers) {
  const memory = new FakeMemory();
  const log = new LogProbe();
  const accessLog: string[] = [];
  const supervisor = new Supervisor({
    script,
    engine: 'node',
    cpus: Array<null>(workers).fill(null),
    memory,
    logger: log.logger,
    timers,
    time: timers instanceof HandTimers ? timers : systemTime,
    closeDescriptors: (fds) => memory.book.push(`close ${fds.join()}`),
    onAccessLog: (path, bytes) => accessLog.push(`${path}: ${Buffer.from(bytes).toString()}`),
    limits: { stopGraceMs: 100, ...limits },
  });
  test.teardown(() => supervisor.stop());
  return { supervisor, memory, log, accessLog };
}

function delivery(epoch: number, words: FakeScript = {}): Delivery {
  return { epoch, snapshot: words, plan: null,
    ticketKeys: () => [], socketsOf: (index) => ({ edge: { address: { kind: 'ip', host: '127.0.0.1', port: 8080 }, fd: 10 + index } }) };
}

t.test('a configuration reaches every worker, and its addresses come back', async (t) => {
  const { supervisor, memory, log, accessLog } = setUp(t, 3);
  t.same(await supervisor.start(), []);
  const result = await supervisor.deliver(delivery(1, { log: 'hello' }));
  t.same(result, { errors: [], addresses: { edge: { kind: 'ip', host: '127.0.0.1', port: 8080 } } });
  t.same([0, 1, 2].map((index) => memory.cells(index)[1]), [1, 1, 1]);
  t.equal(supervisor.carrying, 3);
  t.ok(await log.line(/worker 2: hello/));
  await supervisor.drain(1000);
  t.same(accessLog.toSorted(), ['hello: line of 0\n', 'hello: line of 1\n', 'hello: line of 2\n']);
});

t.test('one worker that refuses makes all of them keep what they have', async (t) => {
  const { supervisor, memory } = setUp(t);
  await supervisor.start();
  await supervisor.deliver(delivery(1));
  const { errors } = await supervisor.deliver(delivery(2, { only: 1, refuse: ['no such certificate', 'and no key'] }));
  t.same(errors, ['no such certificate', 'and no key']);
  t.same((await supervisor.deliver(delivery(3))).errors, [], 'the next one is taken');
  t.same([0, 1].map((index) => [memory.cells(index)[1], memory.cells(index)[2]]), [[3, 1], [3, 1]], 'both abandoned, both carry the next');
});

t.test('the same error from every worker is reported once', async (t) => {
  const { supervisor } = setUp(t, 3);
  await supervisor.start();
  t.same((await supervisor.deliver(delivery(1, { refuse: ['bad'] }))).errors, ['bad']);
});

t.test('a worker that dies while preparing: nothing changes, and it comes back with the old configuration', async (t) => {
  const { supervisor, memory, log } = setUp(t);
  await supervisor.start();
  await supervisor.deliver(delivery(1));
  const { errors } = await supervisor.deliver(delivery(2, { only: 0, dieOnPrepare: true }));
  t.same(errors, ['worker 0 died while preparing the configuration']);
  await log.line(/worker 0 was replaced/);
  t.same([0, 1].map((index) => memory.cells(index)[1]), [1, 1]);
  t.match(await log.line(/worker 0 died/), /error worker 0 died: Error: fake worker: cannot prepare\n {4,}at /, 'the stack is in the log');
});

t.test('a worker that stays silent fails the delivery within its time', async (t) => {
  const timers = new HandTimers();
  const { supervisor, memory } = setUp(t, 2, {}, timers);
  await supervisor.start();
  await supervisor.deliver(delivery(1));
  const result = supervisor.deliver(delivery(2, { only: 1, muteOnPrepare: true }));
  timers.advance(30_000);
  t.ok((await result).errors.includes('worker 1 did not answer in time'));
  t.same((await supervisor.deliver(delivery(3))).errors, []);
  t.equal(memory.cells(1)[1], 3);
  void supervisor.stop();
  timers.advance(100);
});

t.test('a worker that dies at the commit comes back with the new configuration', async (t) => {
  const { supervisor, memory, log } = setUp(t);
  await supervisor.start();
  t.same((await supervisor.deliver(delivery(1, { only: 1, dieOnCommit: true }))).errors, []);
  await log.line(/worker 1 was replaced/);
  t.same([0, 1].map((index) => memory.cells(index)[1]), [1, 1]);
  t.equal(supervisor.carrying, 2);
  t.equal(supervisor.deaths, 1, 'the replacement was left alone');
  t.equal(memory.cells(1)[0], 2);
});

t.test('a worker that stays silent at the commit is ended, and comes back with the new configuration', async (t) => {
  const timers = new HandTimers();
  const { supervisor, memory, log } = setUp(t, 2, {}, timers);
  await supervisor.start();
  const delivered = supervisor.deliver(delivery(1, { only: 0, muteOnCommit: true, log: 'carried' }));
  await log.line(/worker 1: carried/);
  timers.advance(30_000);
  t.same((await delivered).errors, []);
  t.match(await log.line(/worker 0 died/), /did not take up the configuration in time/);
  await log.line(/worker 0 was replaced/);
  t.equal(supervisor.carrying, 2);
  t.equal(memory.cells(0)[0], 2);
});

for (const [action, cause] of [['throw', /Error: fake worker: hooked\n/], ['exit', /exit code 3/]] as const) {
  t.test(`a worker ended by ${action} is cleaned up after, replaced and counted; the other one never stops`, async (t) => {
    const { supervisor, memory, log } = setUp(t);
    await supervisor.start();
    await supervisor.deliver(delivery(1));
    supervisor.hook(1, action);
    t.match(await log.line(/worker 1 died/), cause);
    await log.line(/worker 1 was replaced/);
    t.same(memory.book, ['give back 1', 'zero gauges 1', 'close 101']);
    t.same([0, 1].map((index) => memory.cells(index)[0]), [1, 2], 'starts');
    t.same([supervisor.deaths, supervisor.restarts, supervisor.carrying], [1, 1, 2]);
  });
}

t.test('a crash loop is slowed down, never given up, and ended by a better configuration', async (t) => {
  const timers = new HandTimers();
  const { supervisor, log } = setUp(t, 1, { crashes: 2 }, timers);
  await supervisor.start();
  const backOff = log.next(/keeps dying/);
  await supervisor.deliver(delivery(1, { dieAfterCommit: true }));
  t.match(await backOff, /started again in 1 s/);
  t.equal(supervisor.deaths, 3);
  const longer = log.next(/keeps dying/);
  timers.advance(1000);
  t.match(await longer, /started again in 2 s/);
  const longest = log.next(/keeps dying.* 4 s/);
  timers.advance(2000);
  await longest;
  t.equal(supervisor.carrying, 0);
  const cured = log.next(/worker 0 was replaced/);
  t.same((await supervisor.deliver(delivery(2))).errors, []);
  await cured;
  t.equal(supervisor.carrying, 1);
});

t.test('workers that cannot start are an error, not a loop', async (t) => {
  const { supervisor, memory } = setUp(t);
  memory.cells(1)[5] = 1;
  t.same(await supervisor.start(), ['worker 1 did not start']);
  t.same([supervisor.restarts, memory.cells(1)[0]], [0, 1]);
});

t.test('a death while draining is not mended, and a worker that never drains is waited for no longer than told', async (t) => {
  const timers = new HandTimers();
  const { supervisor, log } = setUp(t, 2, {}, timers);
  await supervisor.start();
  await supervisor.deliver(delivery(1, { name: 'never drains' }));
  const drained = supervisor.drain(5000);
  supervisor.hook(0, 'throw');
  await log.line(/worker 0 died/);
  timers.advance(5100);
  await drained;
  t.ok(log.has(/worker 1 did not drain in time/));
  t.equal(supervisor.restarts, 0);
  void supervisor.stop();
  timers.advance(100);
});

t.test('a worker that does not stop is ended', async (t) => {
  const { supervisor } = setUp(t);
  await supervisor.start();
  await supervisor.deliver(delivery(1, { name: 'never stops' }));
  await supervisor.stop();
  t.equal(supervisor.carrying, 0);
});

t.test('changed endpoints reach every worker that carries the configuration', async (t) => {
  const { supervisor, memory } = setUp(t);
  await supervisor.start();
  await supervisor.deliver(delivery(1));
  await supervisor.changeEndpoints(delivery(1), 7, []);
  t.same([0, 1].map((index) => memory.cells(index)[3]), [7, 7], 'by the time it resolves');
  t.same([0, 1].map((index) => memory.cells(index)[6]), [1, 1], 'and nothing is prepared anew');
});

t.test('a worker that comes back meanwhile never carries the endpoints of before', async (t) => {
  const { supervisor, memory, log } = setUp(t);
  const [zero, one] = [memory.cells(0), memory.cells(1)];
  zero[4] = one[4] = 1;
  await supervisor.start();
  await supervisor.deliver(delivery(1, { holdPrepare: true }));
  one[4] = 0;
  supervisor.hook(1, 'throw');
  await waitFor('it prepares again', () => one[6] === 2);
  await supervisor.changeEndpoints(delivery(1, { holdPrepare: true }), 1, []);
  t.same([zero[3], one[3]], [1, 0], 'the other one has them');
  one[4] = 1;
  await log.line(/worker 1 was replaced/);
  t.same([one[2], one[6], one[1]], [1, 3, 1], 'what it had prepared was abandoned');
  await supervisor.changeEndpoints(delivery(1), 2, []);
  t.same([zero[3], one[3]], [2, 2]);
});

t.test('a worker that keeps silent about changed endpoints is ended, and one that dies holds nothing up', async (t) => {
  const timers = new HandTimers();
  const { supervisor, memory, log } = setUp(t, 2, {}, timers);
  await supervisor.start();
  await supervisor.deliver(delivery(1, { only: 1, muteOnEndpoints: true }));
  const change = supervisor.changeEndpoints(delivery(1, { name: 'well' }), 1, []);
  await waitFor('the other one', () => memory.cells(0)[3] === 1);
  timers.advance(30_000);
  await change;
  await log.line(/worker 1 died: did not take up changed endpoints in time/);
  await log.line(/worker 1 was replaced/);
  const next = supervisor.changeEndpoints(delivery(1), 2, []);
  supervisor.hook(0, 'exit');
  await next;
  t.equal(memory.cells(1)[3], 2);
  void supervisor.stop();
  timers.advance(100);
});
