import t from 'tap';
import type { ReloadResult } from '../../src/control/reload.ts';
import { Reloads } from '../../src/control/reload.ts';

/** Reloads that end when the test says so. */
function setUp() {
  const running: ((result: ReloadResult) => void)[] = [];
  let begun = 0;
  const reloads = new Reloads(() => {
    begun++;
    return new Promise((resolve) => running.push(resolve));
  });
  return { reloads, running, begun: () => begun };
}

const applied: ReloadResult = { outcome: 'applied', version: 'v' };

t.test('wishes during a reload become one more, which begins after it', async (t) => {
  const { reloads, running, begun } = setUp();
  const first = reloads.request();
  const second = reloads.request();
  const third = reloads.request();
  t.equal(begun(), 1);
  running[0]!(applied);
  await first;
  await Promise.resolve();
  t.equal(begun(), 2);
  running[1]!({ outcome: 'unchanged' });
  t.same(await Promise.all([second, third]), [{ outcome: 'unchanged' }, { outcome: 'unchanged' }]);
  t.equal(begun(), 2);
});

t.test('one after the other', async (t) => {
  const { reloads, running, begun } = setUp();
  for (const n of [1, 2, 3]) {
    const result = reloads.request();
    t.equal(begun(), n);
    running[n - 1]!(applied);
    await result;
  }
  await reloads.idle();
});

t.test('results are counted, and a reload that throws is a rejected one that blocks nothing', async (t) => {
  const results: (() => ReloadResult)[] = [
    () => applied,
    () => ({ outcome: 'rejected', errors: ['bad'] }),
    () => ({ outcome: 'unchanged' }),
    () => {
      throw new Error('a bug');
    },
  ];
  const reloads = new Reloads(async () => results.shift()!());
  for (let i = 0; i < 3; i++) await reloads.request();
  t.same(await reloads.request(), { outcome: 'rejected', errors: ['a bug'] });
  t.same(reloads.stats, { update_attempt: 4, update_success: 2, update_rejected: 2 });
  await reloads.idle();
});

t.test('idle waits for what is queued too', async (t) => {
  const { reloads, running } = setUp();
  void reloads.request();
  void reloads.request();
  let idle = false;
  const done = reloads.idle().then(() => (idle = true));
  running[0]!(applied);
  await new Promise(setImmediate);
  t.equal(idle, false);
  running[1]!(applied);
  await done;
  t.equal(idle, true);
});
