// @hot
// The filters of one stream: requests go through them in the order of the configuration, answers the other way round.
// Worker thread; owned by its Journey. Streams of listeners without filters have none.

import type { Stream } from '../core/stream.ts';
import type { Filter } from './filter.ts';

export class FilterChain {
  private readonly filters: readonly Filter[];

  constructor(filters: readonly Filter[]) {
    this.filters = filters;
  }

  request(stream: Stream): void {
    const { filters } = this;
    for (let i = 0; i < filters.length; i++) filters[i]!.onRequest(stream);
  }

  requestData(stream: Stream, chunk: Buffer, last: boolean): Buffer | null {
    const { filters } = this;
    let bytes: Buffer | null = chunk;
    for (let i = 0; i < filters.length && bytes !== null; i++) bytes = filters[i]!.onRequestData(stream, bytes, last);
    return bytes;
  }

  response(stream: Stream): void {
    const { filters } = this;
    for (let i = filters.length - 1; i >= 0; i--) filters[i]!.onResponse(stream);
  }

  responseData(stream: Stream, chunk: Buffer, last: boolean): Buffer {
    const { filters } = this;
    let bytes = chunk;
    for (let i = filters.length - 1; i >= 0; i--) bytes = filters[i]!.onResponseData(stream, bytes, last);
    return bytes;
  }
}
