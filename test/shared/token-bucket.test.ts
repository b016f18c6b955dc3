import { once } from 'node:events';
import { Worker } from 'node:worker_threads';
import t from 'tap';
import { BucketTable } from '../../src/shared/bucket-table.ts';
import { BUCKET_WORDS, MAX_BUCKET_TOKENS, MAX_TOKENS_PER_MS, TokenBucket, type BucketShape } from '../../src/shared/token-bucket.ts';
type BucketJob = import('./token-bucket-worker.ts').BucketJob;

t.setTimeout(60_000);

const script = new URL('./token-bucket-worker.js', import.meta.url);
const WORDS = BUCKET_WORDS * 64 + 16;

function bucket(shape: BucketShape, now: number, words = new Int32Array(new SharedArrayBuffer(WORDS * 4))): TokenBucket {
  const made = new TokenBucket(words, 0, shape);
  made.fill(now);
  return made;
}

t.test('begins full, is empty when all is taken, and fills again at its rate', async (t) => {
  const tokens = bucket({ maxTokens: 10, tokensPerMs: 0.01 }, 5000);
  t.equal(tokens.takeUpTo(100, 5000), 10);
  t.equal(tokens.tryTake(5000), false);
  t.equal(tokens.waitMs(1, 5000), 100);
  t.equal(tokens.tryTake(5099), false, 'not before a whole token is there');
  t.equal(tokens.tryTake(5100), true);
  t.equal(tokens.tryTake(5100), false);
  t.equal(tokens.takeUpTo(100, 5350), 2, 'what is over is not lost');
  t.equal(tokens.tryTake(5399), false);
  t.equal(tokens.tryTake(5400), true);
  t.equal(tokens.tokens(6400), 10, 'never more than it holds');
  t.equal(tokens.takeUpTo(100, 100_000), 10);
});

t.test('holds exactly its rate over any stretch of time', async (t) => {
  for (const [maxTokens, tokensPerMs, step] of [[1, 0.001, 7], [3, 1 / 3, 1], [7, 0.7, 13], [1000, 33.3, 0.25], [1_000_000, 4000, 11.5], [5, 5 / 3_600_000, 60_000]] as const) {
    const tokens = bucket({ maxTokens, tokensPerMs }, 77_777.7);
    let taken = 0;
    let now = 77_777.7;
    for (let i = 0; i < 5000; i++, now += step) taken += tokens.takeUpTo(MAX_BUCKET_TOKENS, now);
    const gained = Math.min(maxTokens, tokensPerMs * step) * 4999;
    t.ok(taken <= maxTokens + gained + 1e-6, `${taken} of ${maxTokens + gained}`);
    t.ok(taken >= maxTokens + gained - 1, `${taken} of ${maxTokens + gained}`);
  }
});

t.test('a clock that is behind gets nothing twice', async (t) => {
  const tokens = bucket({ maxTokens: 2, tokensPerMs: 0.1 }, 1000);
  t.equal(tokens.takeUpTo(9, 2000), 2);
  t.equal(tokens.takeUpTo(9, 1990), 0);
  t.equal(tokens.takeUpTo(9, 1000), 0);
  t.equal(tokens.takeUpTo(9, 2010), 1);
});

t.test('however long it sleeps, it is full and not more when it wakes', async (t) => {
  const shapes = [{ maxTokens: 1, tokensPerMs: 1e-7 }, { maxTokens: 10, tokensPerMs: 10 }, { maxTokens: 500_000, tokensPerMs: 4_000_000 }, { maxTokens: MAX_BUCKET_TOKENS, tokensPerMs: MAX_TOKENS_PER_MS }];
  for (const shape of shapes) {
    const fullAfter = shape.maxTokens / shape.tokensPerMs;
    for (let sleep = Math.max(1, fullAfter * 2); sleep < 4e10; sleep *= 1.37) {
      const start = 1e9 + sleep / 3;
      const tokens = bucket(shape, start);
      t.equal(tokens.takeUpTo(MAX_BUCKET_TOKENS, start), shape.maxTokens);
      if (tokens.tokens(start + sleep) !== shape.maxTokens || tokens.takeUpTo(MAX_BUCKET_TOKENS, start + sleep) !== shape.maxTokens || tokens.tryTake(start + sleep)) {
        t.fail(`${JSON.stringify(shape)} after ${sleep} ms`);
      }
    }
  }
});

async function run(job: Omit<BucketJob, 'words' | 'threads'>, threads: number, words: SharedArrayBuffer): Promise<unknown[]> {
  const workers = Array.from({ length: threads }, () => new Worker(script, { workerData: { ...job, words, threads } satisfies BucketJob }));
  return Promise.all(workers.map(async (worker) => ((await once(worker, 'message')) as unknown[])[0]));
}

t.test('eight threads at once take what one would, to the token', async (t) => {
  for (const shape of [{ maxTokens: 10, tokensPerMs: 0.01 }, { maxTokens: 1000, tokensPerMs: 1 }, { maxTokens: 50, tokensPerMs: 7.25 }]) {
    const words = new SharedArrayBuffer(WORDS * 4);
    const start = 123_456;
    const tokens = bucket(shape, start, new Int32Array(words));
    const counts = (await run({ what: 'race', shape, rounds: 20_000, stepMs: 1, start }, 8, words)) as number[];
    const most = shape.maxTokens + Math.floor(shape.tokensPerMs * 20_000);
    const taken = counts.reduce((sum, count) => sum + count, 0);
    t.equal(taken, most, `${counts.join(' ')} of ${JSON.stringify(shape)}`);
    t.equal(tokens.tryTake(start + 20_000), false);
  }
});

t.test('values that nobody knows beforehand: exact for each, over eight threads', async (t) => {
  const words = new SharedArrayBuffer(WORDS * 4);
  const shape = { maxTokens: 20, tokensPerMs: 0.001 };
  for (let i = 0; i < 64; i++) new TokenBucket(new Int32Array(words), i * BUCKET_WORDS, shape).fill(5000);
  const counts = (await run({ what: 'values', shape, rounds: 20_000, stepMs: 0, start: 5000 }, 8, words)) as Record<string, number>[];
  for (let user = 0; user < 6; user++) {
    t.equal(counts.reduce((sum, count) => sum + (count[`user ${user}`] ?? 0), 0), 20, `user ${user}`);
  }
});

t.test('a table that is full lets values share, and gives away only what is full again', async (t) => {
  const words = new Int32Array(new SharedArrayBuffer(WORDS * 4));
  const shape = { maxTokens: 2, tokensPerMs: 0.001, copies: 8 };
  for (let i = 0; i < 8; i++) new TokenBucket(words, i * BUCKET_WORDS, shape).fill(1000);
  const table = new BucketTable(words, 0, shape);
  let granted = 0;
  for (let user = 0; user < 8; user++) for (let i = 0; i < 5; i++) if (table.bucketOf(`first ${user}`, 1000).tryTake(1000)) granted++;
  t.equal(granted, 16, 'eight have two each');
  for (let user = 0; user < 100; user++) if (table.bucketOf(`late ${user}`, 1000).tryTake(1000)) granted++;
  t.equal(granted, 16, 'nobody can have more by calling itself something new');
  t.equal(table.bucketOf('first 3', 1000), table.bucketOf('first 3', 1000));
  let again = 0;
  for (let user = 0; user < 8; user++) for (let i = 0; i < 5; i++) if (table.bucketOf(`second ${user}`, 3001).tryTake(3001)) again++;
  t.equal(again, 16, 'two seconds later others have theirs');
});

t.test('a thread that is stopped at any moment leaves a bucket that works', async (t) => {
  const shape = { maxTokens: 1000, tokensPerMs: 0.5 };
  for (let i = 0; i < 20; i++) {
    const words = new SharedArrayBuffer(WORDS * 4);
    const tokens = bucket(shape, 10_000, new Int32Array(words));
    const worker = new Worker(script, { workerData: { what: 'churn', words, shape, threads: 1, rounds: 5000 + i * 37, stepMs: 0, start: 10_000 } satisfies BucketJob });
    await once(worker, 'message');
    await worker.terminate();
    const later = 10_000 + 0xffff + 5000;
    t.equal(tokens.takeUpTo(5000, later), 1000, 'full after it had time to fill');
    t.equal(tokens.tryTake(later), false);
  }
});
