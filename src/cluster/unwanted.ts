// Takes what is left of an answer that nobody wants, so that its connection can go on to the next. Worker thread.
// One for all: an answer is read to its end within the callback that its head came in, or cut off.

import { CallerlessStream } from '../core/callerless-stream.ts';
import type { Stream } from '../core/stream.ts';

class Unwanted extends CallerlessStream {
  /** What the codec asks of the stream it reads an answer for. */
  standInFor(stream: Stream): this {
    this.method = stream.method;
    this.reqBody = stream.reqBody;
    this.resBody = stream.resBody;
    return this;
  }

  responseHead(): void {}
  responseData(): void {}
  upReset(): void {}
}

export const UNWANTED: Unwanted = new Unwanted();
