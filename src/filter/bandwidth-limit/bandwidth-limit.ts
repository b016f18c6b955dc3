// @hot
// Lets the bodies of requests and of answers pass only so fast, all streams of all workers together (Envoy's
// bandwidth_limit filter). Worker thread; one per stream.

import type { BandwidthLimitConfig, BucketConfig } from '../../config/limit-snapshot.ts';
import type { Stream } from '../../core/stream.ts';
import { BANDWIDTH_RESPONSE } from '../../observe/limit-stats.ts';
import { BUCKET_WORDS, TokenBucket } from '../../shared/token-bucket.ts';
import { CONTINUE, Filter, type FilterSeat, type FilterTools, type Step } from '../filter.ts';
import { Valve, type ValveParts } from './valve.ts';

/** One for all streams. */
export class Bandwidth {
  readonly request: ValveParts | null;
  readonly response: ValveParts | null;

  constructor({ key, request, response, fillIntervalMs }: BandwidthLimitConfig, tools: FilterTools) {
    const { words, stats } = tools.limits[key]!;
    const { cells, clock, timers, limitWords } = tools;
    const partsOf = (bucket: BucketConfig | null, at: number, first: number): ValveParts | null =>
      bucket === null ? null : { bucket: new TokenBucket(limitWords, at, bucket), intervalMs: fillIntervalMs, cells, stats: first, clock, timers };
    this.request = partsOf(request, words, stats);
    this.response = partsOf(response, request === null ? words : words + BUCKET_WORDS, stats + BANDWIDTH_RESPONSE);
  }
}

export class BandwidthLimit extends Filter {
  private readonly bandwidth: Bandwidth;
  private request: Valve | null = null;
  private response: Valve | null = null;

  constructor(bandwidth: Bandwidth) {
    super();
    this.bandwidth = bandwidth;
  }

  override onRequest(_stream: Stream, seat: FilterSeat): Step {
    const { request, response } = this.bandwidth;
    if (request !== null) {
      this.request = new Valve(request, {
        hold: () => seat.holdRequest(),
        release: () => seat.releaseRequest(),
        pass: (bytes, last) => seat.passRequest(this, bytes, last),
      });
    }
    if (response !== null) {
      this.response = new Valve(response, {
        hold: () => seat.holdResponse(),
        release: () => seat.releaseResponse(),
        pass: (bytes, last) => seat.passResponse(this, bytes, last),
      });
    }
    return CONTINUE;
  }

  override onRequestData(_stream: Stream, chunk: Buffer, last: boolean, seat: FilterSeat): Buffer {
    return this.request === null ? chunk : passing(this.request, chunk, last, seat);
  }

  override onResponseData(_stream: Stream, chunk: Buffer, last: boolean, seat: FilterSeat): Buffer {
    return this.response === null ? chunk : passing(this.response, chunk, last, seat);
  }

  override onEnd(): void {
    this.request?.close();
    this.response?.close();
  }
}

function passing(valve: Valve, chunk: Buffer, last: boolean, seat: FilterSeat): Buffer {
  const passed = valve.take(chunk, last);
  if (valve.keeps) seat.last = false;
  return passed;
}
