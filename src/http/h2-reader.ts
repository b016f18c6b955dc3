// @hot
// Cuts a connection's bytes into frames, whatever way they arrive in pieces. Worker thread; one per connection.
// DATA is handed on as the slices it comes in; other frames are handed on whole: in place where they stand in one piece,
// else collected, which the frame size bounds. Frames of unknown types are read over (RFC 9113 section 5.5).
//
//   HEAD ──► PAYLOAD (collects) ──► HEAD          HEAD ──► PAD_LENGTH ──► BODY ──► HEAD          HEAD ──► SKIP ──► HEAD

import { FRAME_CONTINUATION, FRAME_DATA, FRAME_HEAD_BYTES, PADDED, readUint31 } from './h2-frames.ts';

const HEAD = 0;
const PAYLOAD = 1;
const PAD_LENGTH = 2;
const BODY = 3;
const SKIP = 4;

const EMPTY = Buffer.alloc(0);

/** What the frames are for. `reader.type`, `.flags`, `.id` and `.length` describe the current one during each call. */
export interface FrameSink {
  /** The nine bytes of a frame, before its payload is waited for. Calls `stop` when it must not be. */
  onFrameHead(): void;
  /** The payload of a frame that is not DATA. */
  onFrame(buf: Buffer, start: number, end: number): void;
  /** The pad length byte of a DATA frame is longer than its payload. */
  onBadPadding(): void;
  /** Payload bytes of a DATA frame without its padding, perhaps none. `done`: the frame is complete. */
  onBytes(buf: Buffer, start: number, end: number, done: boolean): void;
}

export class FrameReader {
  type = 0;
  flags = 0;
  id = 0;
  /** Payload bytes, padding included. */
  length = 0;
  private readonly sink: FrameSink;
  private state = HEAD;
  private stopped = false;
  /** The beginning of a frame head that came in pieces. */
  private readonly head = new Uint8Array(FRAME_HEAD_BYTES);
  private headBytes = 0;
  /** A payload that came in pieces, and how much of it is here. */
  private payload: Buffer = EMPTY;
  private have = 0;
  /** Bytes of the current DATA (or skipped) payload outstanding, and of the padding behind them. */
  private left = 0;
  private padding = 0;

  constructor(sink: FrameSink) {
    this.sink = sink;
  }

  /** Nothing more is read: the connection has failed, or is over. */
  stop(): void {
    this.stopped = true;
    this.payload = EMPTY;
  }

  /** In the middle of a frame. */
  get inFrame(): boolean {
    return this.state !== HEAD || this.headBytes > 0;
  }

  read(buf: Buffer, start: number, end: number): void {
    let pos = start;
    while (pos < end && !this.stopped) {
      switch (this.state) {
        case HEAD:
          pos = this.readHead(buf, pos, end);
          break;
        case PAYLOAD:
          pos = this.collect(buf, pos, end);
          break;
        case PAD_LENGTH:
          pos = this.readPadLength(buf, pos);
          break;
        case BODY:
          pos = this.readBody(buf, pos, end);
          break;
        default:
          pos = this.skip(pos, end);
      }
    }
  }

  private readHead(buf: Buffer, pos: number, end: number): number {
    if (this.headBytes === 0 && end - pos >= FRAME_HEAD_BYTES) {
      this.length = (buf[pos]! << 16) | (buf[pos + 1]! << 8) | buf[pos + 2]!;
      this.type = buf[pos + 3]!;
      this.flags = buf[pos + 4]!;
      this.id = readUint31(buf, pos + 5);
      return this.begin(buf, pos + FRAME_HEAD_BYTES, end);
    }
    const { head } = this;
    while (this.headBytes < FRAME_HEAD_BYTES) {
      if (pos === end) return end;
      head[this.headBytes++] = buf[pos++]!;
    }
    this.headBytes = 0;
    this.length = (head[0]! << 16) | (head[1]! << 8) | head[2]!;
    this.type = head[3]!;
    this.flags = head[4]!;
    this.id = ((head[5]! & 0x7f) << 24) | (head[6]! << 16) | (head[7]! << 8) | head[8]!;
    return this.begin(buf, pos, end);
  }

  /** `pos` stands behind the head. */
  private begin(buf: Buffer, pos: number, end: number): number {
    const { sink, length, type } = this;
    sink.onFrameHead();
    if (this.stopped) return end;
    if (type === FRAME_DATA) {
      this.padding = 0;
      this.left = length;
      if ((this.flags & PADDED) !== 0) this.state = PAD_LENGTH;
      else if (length > 0) this.state = BODY;
      else sink.onBytes(buf, pos, pos, true);
      return pos;
    }
    if (type > FRAME_CONTINUATION) {
      this.left = length;
      if (length > 0) this.state = SKIP;
      return pos;
    }
    if (end - pos >= length) {
      sink.onFrame(buf, pos, pos + length);
      return pos + length;
    }
    this.payload = Buffer.allocUnsafe(length);
    this.have = 0;
    this.state = PAYLOAD;
    return pos;
  }

  private collect(buf: Buffer, pos: number, end: number): number {
    const { payload } = this;
    const next = Math.min(end, pos + payload.length - this.have);
    payload.set(buf.subarray(pos, next), this.have);
    this.have += next - pos;
    if (this.have < payload.length) return next;
    this.payload = EMPTY;
    this.state = HEAD;
    this.sink.onFrame(payload, 0, payload.length);
    return next;
  }

  private readPadLength(buf: Buffer, pos: number): number {
    this.padding = buf[pos]!;
    this.left -= 1 + this.padding;
    if (this.left < 0) {
      this.sink.onBadPadding();
      return pos + 1;
    }
    this.state = BODY;
    if (this.left === 0 && this.padding === 0) {
      this.state = HEAD;
      this.sink.onBytes(buf, pos, pos, true);
    }
    return pos + 1;
  }

  private readBody(buf: Buffer, pos: number, end: number): number {
    const stop = Math.min(end, pos + this.left);
    this.left -= stop - pos;
    let next = stop;
    if (this.left === 0) {
      next = Math.min(end, stop + this.padding);
      this.padding -= next - stop;
    }
    const done = this.left === 0 && this.padding === 0;
    if (done) this.state = HEAD;
    if (done || stop > pos) this.sink.onBytes(buf, pos, stop, done);
    return next;
  }

  private skip(pos: number, end: number): number {
    const next = Math.min(end, pos + this.left);
    this.left -= next - pos;
    if (this.left === 0) this.state = HEAD;
    return next;
  }
}
