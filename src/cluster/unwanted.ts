// Takes what is left of an answer that nobody wants, so that its connection can go on to the next. Worker thread.
// One for all: an answer is read to its end within the callback that its head came in, or cut off.

import type { Fault } from '../core/fault.ts';
import { Stream } from '../core/stream.ts';

class Unwanted extends Stream {
  /** What the codec asks of the stream it reads an answer for. */
  standInFor(stream: Stream): this {
    this.method = stream.method;
    this.reqBody = stream.reqBody;
    this.resBody = stream.resBody;
    return this;
  }

  responseData(_buf: Buffer, _start: number, _end: number, _last: boolean): void {}
  upReset(_fault: Fault): void {}
  upWritable(): void {}
  responseInterim(): void {}
  responseHead(): void {}
  upReady(): void {}
  upFailed(_fault: Fault): void {}
  begin(): void {}
  refuse(): void {}
  requestData(): void {}
  abandon(): void {}
  forget(): void {}
  downWritable(): void {}
  downReset(): void {}
  release(): void {}
}

export const UNWANTED: Unwanted = new Unwanted();
