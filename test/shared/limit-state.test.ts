// What else limits keep in shared words: a window of counts, a distribution of latencies.

import t from 'tap';
import { GRADIENT_WORDS, GradientState, SAMPLES } from '../../src/shared/gradient-state.ts';
import { prepareRoom, wordsOf } from '../../src/shared/limit-words.ts';
import { RollingWindow, windowWords } from '../../src/shared/rolling-window.ts';
import { TokenBucket } from '../../src/shared/token-bucket.ts';

function windows(seconds: number): [RollingWindow, RollingWindow] {
  const words = new Int32Array(new SharedArrayBuffer(windowWords(seconds) * 4));
  return [new RollingWindow(words, 0, seconds), new RollingWindow(words, 0, seconds)];
}

function seen(window: RollingWindow, now: number): [number, number] {
  window.look(now);
  return [window.requests, window.successes];
}

t.test('what all threads have counted within the window, second by second', async (t) => {
  const [here, there] = windows(3);
  here.count(100_000, true);
  there.count(100_900, false);
  t.same(seen(there, 100_900), [2, 1]);
  here.count(101_000, true);
  t.same(seen(there, 102_999), [3, 2], 'three seconds, of which the last still runs');
  t.same(seen(here, 103_000), [1, 1], 'the first second is out');
  t.same(seen(here, 104_000), [0, 0]);
  there.count(104_500, false);
  t.same(seen(here, 104_500), [1, 0]);
  t.same(seen(here, 1_000_000), [0, 0], 'however long nobody has looked');
});

t.test('against a plain count, at random', async (t) => {
  for (const seconds of [1, 2, 7, 30]) {
    const [here, there] = windows(seconds);
    const events: [second: number, success: boolean][] = [];
    let now = 50_000;
    let seed = seconds;
    const next = (below: number): number => (seed = (seed * 48_271) % 2_147_483_647) % below;
    for (let i = 0; i < 3000; i++) {
      now += next(10) === 0 ? next(20_000) : next(400);
      const success = next(3) > 0;
      (next(2) === 0 ? here : there).count(now, success);
      events.push([Math.floor(now / 1000), success]);
      const first = Math.floor(now / 1000) - seconds + 1;
      const within = events.filter(([second]) => second >= first);
      const [requests, successes] = seen(here, now);
      if (requests !== within.length || successes !== within.filter(([, ok]) => ok).length) t.fail(`${seconds} s, event ${i}: ${requests} of ${within.length}`);
    }
    t.pass(`${seconds} s`);
  }
});

t.test('percentiles of latencies are right to 4 %, and taken once', async (t) => {
  const words = new Int32Array(new SharedArrayBuffer(GRADIENT_WORDS * 4));
  const [here, there] = [new GradientState(words, 0), new GradientState(words, 0)];
  t.equal(here.takePercentile(50), -1);
  for (const us of [0, 1, 31, 32, 33, 999, 5000, 123_456, 60_000_000]) {
    here.addLatency(us);
    const found = there.takePercentile(50);
    t.ok(Math.abs(found - us) <= us * 0.04, `${us} µs: ${found}`);
  }
  for (let us = 1; us <= 1000; us++) (us % 2 === 0 ? here : there).addLatency(us * 100);
  t.equal(here.get(SAMPLES), 1000);
  const median = here.takePercentile(50);
  t.ok(Math.abs(median - 50_000) < 2000, `${median}`);
  t.equal(there.takePercentile(50), -1);
  t.equal(here.get(SAMPLES), 0);
  for (const us of [100, 200, 300]) here.addLatency(us);
  t.ok(Math.abs(here.takePercentile(0) - 100) < 4, 'the least');
  for (const us of [100, 200, 300]) here.addLatency(us);
  t.ok(Math.abs(here.takePercentile(100) - 300) < 12, 'the most');
  here.addLatency(1e12);
  t.ok(here.takePercentile(50) > 100_000_000, 'what takes for ever');
});

t.test('a limit\'s words: buckets first, each on a line of its own, full; the rest zero', async (t) => {
  const bucket = { maxTokens: 5, tokensPerMs: 0.001, copies: 3 };
  const room = { buckets: [bucket, { ...bucket, maxTokens: 7, copies: 1 }], windowSeconds: 2, latencies: false };
  t.equal(wordsOf(room), 4 * 16 + 16);
  t.equal(wordsOf({ buckets: [], windowSeconds: 0, latencies: false }), 0);
  const words = new Int32Array(new SharedArrayBuffer(1024 * 4)).fill(99);
  prepareRoom(words, 16, room, 5000);
  t.same([16, 32, 48].map((at) => new TokenBucket(words, at, bucket).tokens(5000)), [5, 5, 5]);
  t.equal(new TokenBucket(words, 64, { ...bucket, maxTokens: 7 }).tokens(5000), 7);
  t.same([...words.subarray(80, 96)], new Array(16).fill(0));
  t.equal(words[96], 99);
});
