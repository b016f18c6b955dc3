// An attempt without a caller of its own: only an upstream speaks to it, and what it does not override comes to nothing.
// Worker thread.

import { Stream } from './stream.ts';

export abstract class CallerlessStream extends Stream {
  responseInterim(): void {}
  upWritable(): void {}
  upReady(): void {}
  upFailed(): void {}
  begin(): void {}
  refuse(): void {}
  requestData(): void {}
  abandon(): void {}
  forget(): void {}
  downWritable(): void {}
  downReset(): void {}
  release(): void {}
}
