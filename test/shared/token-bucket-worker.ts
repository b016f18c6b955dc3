// A worker thread of the token bucket tests: takes as fast as it can. Everything it says is a message.

import { parentPort, workerData } from 'node:worker_threads';
import { BucketTable } from '../../src/shared/bucket-table.ts';
import { BUCKET_WORDS, TokenBucket, type BucketShape } from '../../src/shared/token-bucket.ts';

export interface BucketJob {
  readonly what: 'race' | 'values' | 'churn';
  readonly words: SharedArrayBuffer;
  readonly shape: BucketShape;
  readonly threads: number;
  /** Virtual time: each round is one step of it, for all threads alike. */
  readonly rounds: number;
  readonly stepMs: number;
  readonly start: number;
}

/** The bucket's line comes first; then a word that counts who has come. */
export const MEETING = BUCKET_WORDS * 64;

const job = workerData as BucketJob;
const words = new Int32Array(job.words);
const bucket = new TokenBucket(words, 0, job.shape);

function meet(): void {
  Atomics.add(words, MEETING, 1);
  while (Atomics.load(words, MEETING) < job.threads);
}

/** Everybody's clock runs by itself, up to the same end. */
function race(): number {
  let taken = 0;
  meet();
  for (let i = 0; i <= job.rounds; i++) {
    const now = job.start + i * job.stepMs;
    taken += bucket.takeUpTo(1 + (i & 3), now);
    while (bucket.tryTake(now)) taken++;
  }
  return taken;
}

function values(): Record<string, number> {
  const table = new BucketTable(words, 0, { ...job.shape, copies: 64 });
  const taken: Record<string, number> = {};
  meet();
  for (let i = 0; i < job.rounds; i++) {
    const value = `user ${i % 6}`;
    if (table.bucketOf(value, job.start).tryTake(job.start)) taken[value] = (taken[value] ?? 0) + 1;
  }
  return taken;
}

function churn(): void {
  for (let i = 0; ; i++) {
    bucket.takeUpTo(1 + (i & 7), job.start + (i & 0xffff));
    if (i === job.rounds) parentPort!.postMessage('running');
  }
}

if (job.what === 'race') parentPort!.postMessage(race());
else if (job.what === 'values') parentPort!.postMessage(values());
else churn();
