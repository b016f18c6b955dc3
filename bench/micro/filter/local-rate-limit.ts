// What a rate limit costs a request: the token bucket alone, and the whole filter with its chain. One thread: the word is
// shared, but nobody else wants it.

import { buildFilters } from '../../../src/config/build/filters.ts';
import { limitSourcesOf } from '../../../src/config/build/limit-sources.ts';
import type { FilterDocument } from '../../../src/config/document.ts';
import { Clock } from '../../../src/core/clock.ts';
import { Random } from '../../../src/core/random.ts';
import type { Stream } from '../../../src/core/stream.ts';
import type { ChainOwner } from '../../../src/filter/chain.ts';
import { compileFilters, type ChainMaker } from '../../../src/filter/registry.ts';
import { BucketTable } from '../../../src/shared/bucket-table.ts';
import { LIMIT_BYTES, prepareRoom } from '../../../src/shared/limit-words.ts';
import { BUCKET_WORDS, TokenBucket } from '../../../src/shared/token-bucket.ts';
import { measure } from '../../measure.ts';

const limitWords = new Int32Array(new SharedArrayBuffer(LIMIT_BYTES));
const clock = new Clock();
const plenty = { maxTokens: 1_000_000, tokensPerMs: 1_000_000 };
let taken = 0;

const bucket = new TokenBucket(limitWords, 0, plenty);
bucket.fill(clock.now);
measure('take a token', (times) => {
  clock.refresh();
  for (let i = 0; i < times; i++) if (bucket.tryTake(clock.now + i * 1e-4)) taken++;
});

const empty = new TokenBucket(limitWords, BUCKET_WORDS, { maxTokens: 1, tokensPerMs: 1e-9 });
empty.fill(clock.now);
empty.tryTake(clock.now);
measure('be told that there is none', (times) => {
  for (let i = 0; i < times; i++) if (empty.tryTake(clock.now)) taken++;
});

const at = 4 * BUCKET_WORDS;
for (let i = 0; i < 1024; i++) new TokenBucket(limitWords, at + i * BUCKET_WORDS, plenty).fill(clock.now);
const table = new BucketTable(limitWords, at, { ...plenty, copies: 1024 });
const users = Array.from({ length: 100 }, (_, i) => `user-${i}-of-the-shop`);
measure('find the bucket of one of 100 values, and take', (times) => {
  clock.refresh();
  for (let i = 0; i < times; i++) if (table.bucketOf(users[i % 100]!, clock.now).tryTake(clock.now + i * 1e-4)) taken++;
});

function chainOf(filters: readonly FilterDocument[], first: number): ChainMaker {
  const config = { filters: buildFilters(filters, { statPrefix: 'edge', path: [] }), virtualHosts: [] };
  const limits = Object.fromEntries(limitSourcesOf([{ http: config } as never]).map((source) => {
    prepareRoom(limitWords, first, source, clock.now);
    return [source.key, { stats: 1, words: first, breakers: -1 }];
  }));
  return compileFilters(config)({ cells: new Float64Array(64), limitWords, limits, clock, random: new Random() } as never).listener;
}

const owner = { reqHead: { get: () => 'ann' }, path: '/', method: 'GET', trustedAddress: '192.0.2.1' } as unknown as ChainOwner;
const tokens = { maxTokens: 200_000_000, tokensPerFill: 200_000_000, fillInterval: '50ms' };
const chains: readonly (readonly [name: string, filters: readonly FilterDocument[]])[] = [
  ['chain of localRateLimit: request and end', [{ localRateLimit: tokens }]],
  ['the same with a descriptor by header value', [{ localRateLimit: { ...tokens, descriptors: [{ entries: [{ header: 'x-user', value: 'ann' }], ...tokens }] } }]],
];
chains.forEach(([name, filters], i) => {
  const make = chainOf(filters, 65_536 * (i + 1))!;
  measure(name, (times) => {
    clock.refresh();
    for (let k = 0; k < times; k++) {
      const chain = make(owner, null);
      taken += chain.request(owner as Stream);
      chain.end(owner as Stream, true);
    }
  });
});

if (taken < 0) console.log(taken);
