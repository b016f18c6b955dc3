// @hot
// The filters of one stream: requests go through them in the order of the configuration, answers the other way round.
// Worker thread; owned by its Journey. Streams whose route has no filters have none.

import type { Stream } from '../core/stream.ts';
import { CONTINUE, PAUSE, type Filter, type FilterReply, type FilterSeat, type RouteFacts, type Step } from './filter.ts';

/** The Journey, as its chain sees it. */
export interface ChainOwner extends Stream {
  filtersResumed(): void;
  filterReply(reply: FilterReply): void;
  holdRequest(): void;
  releaseRequest(): void;
  holdResponse(): void;
  releaseResponse(): void;
  passRequest(bytes: Buffer, last: boolean): void;
  passResponse(bytes: Buffer, last: boolean): void;
}

export class FilterChain implements FilterSeat {
  readonly route: RouteFacts | null;
  routeChanged = false;
  last = false;
  private readonly filters: readonly Filter[];
  private readonly owner: ChainOwner;
  /** The next filter that gets the request. */
  private at = 0;
  private paused = false;
  private ended = false;

  constructor(filters: readonly Filter[], owner: ChainOwner, route: RouteFacts | null) {
    this.filters = filters;
    this.owner = owner;
    this.route = route;
  }

  /** The request's head goes through those filters that have not had it. @returns where it stands now */
  request(stream: Stream): Step {
    const { filters } = this;
    while (this.at < filters.length) {
      const step = filters[this.at++]!.onRequest(stream, this);
      if (step === CONTINUE) continue;
      this.paused = step === PAUSE;
      return step;
    }
    return CONTINUE;
  }

  /** Sets `last` to whether what is returned ends the body. */
  requestData(stream: Stream, chunk: Buffer, last: boolean): Buffer | null {
    this.last = last;
    return this.requestFrom(0, stream, chunk);
  }

  response(stream: Stream): void {
    const { filters } = this;
    for (let i = filters.length - 1; i >= 0; i--) filters[i]!.onResponse(stream, this);
  }

  /** Sets `last` as `requestData` does. */
  responseData(stream: Stream, chunk: Buffer, last: boolean): Buffer {
    this.last = last;
    return this.responseFrom(this.filters.length - 1, stream, chunk);
  }

  /** The first call counts. */
  end(stream: Stream, complete: boolean): void {
    if (this.ended) return;
    const { filters } = this;
    this.ended = true;
    for (let i = 0; i < filters.length; i++) filters[i]!.onEnd(stream, complete);
  }

  // ---- for its filters ----

  resume(): void {
    if (!this.paused || this.ended) return;
    this.paused = false;
    this.owner.filtersResumed();
  }

  reply(reply: FilterReply): void {
    if (this.ended) return;
    this.paused = false;
    this.owner.filterReply(reply);
  }

  holdRequest(): void {
    if (!this.ended) this.owner.holdRequest();
  }

  releaseRequest(): void {
    if (!this.ended) this.owner.releaseRequest();
  }

  holdResponse(): void {
    if (!this.ended) this.owner.holdResponse();
  }

  releaseResponse(): void {
    if (!this.ended) this.owner.releaseResponse();
  }

  passRequest(filter: Filter, bytes: Buffer, last: boolean): void {
    if (this.ended) return;
    this.last = last;
    const passed = this.requestFrom(this.filters.indexOf(filter) + 1, this.owner, bytes);
    if (passed !== null) this.owner.passRequest(passed, this.last);
  }

  passResponse(filter: Filter, bytes: Buffer, last: boolean): void {
    if (this.ended) return;
    this.last = last;
    const passed = this.responseFrom(this.filters.indexOf(filter) - 1, this.owner, bytes);
    this.owner.passResponse(passed, this.last);
  }

  private requestFrom(first: number, stream: Stream, chunk: Buffer): Buffer | null {
    const { filters } = this;
    let bytes: Buffer | null = chunk;
    for (let i = first; i < filters.length && bytes !== null && (this.last || bytes.length > 0); i++) {
      bytes = filters[i]!.onRequestData(stream, bytes, this.last, this);
    }
    return bytes;
  }

  private responseFrom(first: number, stream: Stream, chunk: Buffer): Buffer {
    const { filters } = this;
    let bytes = chunk;
    for (let i = first; i >= 0 && (this.last || bytes.length > 0); i--) {
      bytes = filters[i]!.onResponseData(stream, bytes, this.last, this);
    }
    return bytes;
  }
}
