// @hot
// So many requests in so much time, over all workers (Envoy's local_ratelimit filter): a token bucket for all requests, and
// one for each descriptor that fits. Worker thread. Keeps nothing of a stream but what `x-ratelimit-*` will say.

import type { LocalRateLimitConfig } from '../../config/limit-snapshot.ts';
import { FLAG_RL } from '../../core/flags.ts';
import type { Stream } from '../../core/stream.ts';
import { RATE_ENABLED, RATE_ENFORCED, RATE_LIMITED, RATE_OK } from '../../observe/limit-stats.ts';
import { BUCKET_WORDS, TokenBucket } from '../../shared/token-bucket.ts';
import { CONTINUE, Filter, REPLIED, type FilterReply, type FilterSeat, type FilterTools, type Step } from '../filter.ts';
import { Descriptor } from './descriptor.ts';

/** One for all streams. */
export class LocalRateLimit extends Filter {
  private readonly tools: FilterTools;
  private readonly bucket: TokenBucket | null;
  private readonly descriptors: readonly Descriptor[];
  private readonly stats: number;
  private readonly enabledPercent: number;
  private readonly enforcedPercent: number;
  private readonly refusal: FilterReply;

  constructor(config: LocalRateLimitConfig, tools: FilterTools) {
    super();
    const place = tools.limits[config.key]!;
    let at = place.words;
    this.tools = tools;
    this.stats = place.stats;
    this.bucket = config.bucket === null ? null : new TokenBucket(tools.limitWords, at, config.bucket);
    if (config.bucket !== null) at += BUCKET_WORDS;
    this.descriptors = config.descriptors.map((descriptor) => {
      const first = at;
      at += descriptor.bucket.copies * BUCKET_WORDS;
      return new Descriptor(descriptor, tools.limitWords, first);
    });
    this.enabledPercent = config.enabledPercent;
    this.enforcedPercent = config.enforcedPercent;
    this.refusal = {
      status: config.status,
      flags: FLAG_RL,
      details: 'local_rate_limited',
      body: 'local_rate_limited',
      overloaded: false,
      headers: [['x-envoy-ratelimited', 'true'], config.headers.flat()].flat(),
    };
  }

  override onRequest(stream: Stream, seat: FilterSeat): Step {
    return this.pass(stream, seat, null);
  }

  /** @param standing is told which bucket has the fewest tokens left */
  pass(stream: Stream, seat: FilterSeat, standing: Standing | null): Step {
    const { cells, clock, random } = this.tools;
    if (!happens(this.enabledPercent, random)) return CONTINUE;
    cells[this.stats + RATE_ENABLED]!++;
    if (this.takes(stream, clock.now, standing)) {
      cells[this.stats + RATE_OK]!++;
      return CONTINUE;
    }
    cells[this.stats + RATE_LIMITED]!++;
    if (!happens(this.enforcedPercent, random)) return CONTINUE;
    cells[this.stats + RATE_ENFORCED]!++;
    seat.reply(this.refusal);
    return REPLIED;
  }

  /** A token of every bucket that the request falls under, the most exact first; the first that has none says no. */
  private takes(stream: Stream, now: number, standing: Standing | null): boolean {
    const { descriptors, bucket } = this;
    for (let i = 0; i < descriptors.length; i++) {
      const own = descriptors[i]!.bucketOf(stream, now);
      if (own === null) continue;
      const taken = own.tryTake(now);
      if (standing !== null) standing.note(own, now);
      if (!taken) return false;
    }
    if (bucket === null) return true;
    const taken = bucket.tryTake(now);
    if (standing !== null) standing.note(bucket, now);
    return taken;
  }
}

/** What a caller is told: of that bucket that has the fewest tokens left. */
class Standing {
  limit = -1;
  remaining = 0;
  resetSeconds = 0;

  note(bucket: TokenBucket, now: number): void {
    const tokens = bucket.tokens(now);
    if (this.limit >= 0 && tokens >= this.remaining) return;
    this.limit = bucket.maxTokens;
    this.remaining = tokens;
    this.resetSeconds = tokens > 0 ? 0 : Math.ceil(bucket.waitMs(1, now) / 1000);
  }
}

/** The same, for callers that are told where they stand: one for each stream. */
export class TellingRateLimit extends Filter {
  private readonly limit: LocalRateLimit;
  private readonly standing = new Standing();

  constructor(limit: LocalRateLimit) {
    super();
    this.limit = limit;
  }

  override onRequest(stream: Stream, seat: FilterSeat): Step {
    return this.limit.pass(stream, seat, this.standing);
  }

  override onResponse(stream: Stream): void {
    const { limit, remaining, resetSeconds } = this.standing;
    if (limit < 0) return;
    stream.resHead.set('x-ratelimit-limit', String(limit));
    stream.resHead.set('x-ratelimit-remaining', String(remaining));
    stream.resHead.set('x-ratelimit-reset', String(resetSeconds));
  }
}

function happens(percent: number, random: FilterTools['random']): boolean {
  return percent === 100 || random.unit() * 100 < percent;
}
