// @hot
// What one connection has to send: the frames of this turn in one buffer, and the streams that wait for their windows.
// Worker thread; one per connection. The buffer is taken from a pool with the first frame of a turn and given back at its end.
// Streams that can send take turns, a frame each (RFC 9113 section 5.2 leaves the order to us); DATA rests while the
// socket takes nothing, so that what is kept there stays bounded by the frames that cannot wait.

import { copyBytes } from '../core/bytes.ts';
import {
  END_HEADERS, END_STREAM, FIRST_WINDOW, FRAME_BYTES, FRAME_CONTINUATION, FRAME_DATA, FRAME_HEAD_BYTES, FRAME_HEADERS, writeFrameHead,
} from './h2-frames.ts';
import type { H2Stream } from './h2-stream.ts';

const EMPTY = Buffer.alloc(0);
/** A turn's frames leave earlier when they are more than this. */
export const OUTPUT_BYTES = 128 * 1024;
const MAX_SPARE = 16;
const spare: Buffer[] = [];

/** The way to the socket. */
export interface H2Wire {
  /** Sends or keeps; the bytes may be reused at once. @returns false when not all were taken: `H2Connection.writable` follows */
  send(buf: Buffer, start: number, end: number): boolean;
  /** Asks for `H2Connection.flush` at the end of this turn. Not asked again before that. */
  flushLater(): void;
}

/** Told when END_STREAM of a stream is on its way. */
export interface EndWatcher {
  localEnded(stream: H2Stream): void;
  /** Bytes queued, less when negative. */
  queued(bytes: number): void;
}

export class H2Output {
  buf: Buffer = EMPTY;
  /** Where the next frame goes. */
  at = 0;
  /** Changes whenever what was in `buf` has left it. */
  turn = 0;
  /** The socket has not taken all. */
  blocked = false;
  /** Nothing can be sent any more. */
  dead = false;
  /** The connection's window for what we send. */
  window: number = FIRST_WINDOW;
  /** SETTINGS_MAX_FRAME_SIZE of the peer, no more than we want. */
  frameBytes: number = FRAME_BYTES;
  /** Frames since the socket had taken everything: all, and those that a peer can provoke. */
  frames = 0;
  controlFrames = 0;
  dataFramesSent = 0;
  private readonly wire: H2Wire;
  private readonly watcher: EndWatcher;
  private asked = false;
  /** The stream whose turn it is, in a ring. */
  private turnOf: H2Stream | null = null;

  constructor(wire: H2Wire, watcher: EndWatcher) {
    this.wire = wire;
    this.watcher = watcher;
  }

  /** Makes sure that `bytes` fit behind `at`. */
  room(bytes: number): void {
    if (this.buf.length - this.at < bytes) {
      this.sendOut();
      if (this.buf.length >= bytes) return; // never so at the beginning of a turn
      this.swap(bytes <= OUTPUT_BYTES ? (spare.pop() ?? Buffer.allocUnsafeSlow(OUTPUT_BYTES)) : Buffer.allocUnsafeSlow(bytes));
    }
    if (!this.asked) {
      this.asked = true;
      this.wire.flushLater();
    }
  }

  /** The end of a turn: whoever can send does, and all of it leaves. */
  flush(): void {
    this.asked = true; // what comes up now leaves now
    this.pump();
    this.sendOut();
    this.asked = false;
    this.swap(EMPTY);
  }

  private swap(buf: Buffer): void {
    if (this.buf.length === OUTPUT_BYTES && spare.length < MAX_SPARE) spare.push(this.buf);
    this.buf = buf;
  }

  /** What stands in the buffer leaves. */
  sendOut(): void {
    const end = this.at;
    if (end === 0) return;
    this.at = 0;
    this.turn++;
    if (this.dead) return;
    if (!this.wire.send(this.buf, 0, end)) this.blocked = true;
    else if (!this.blocked) this.frames = this.controlFrames = 0;
  }

  /** The socket has taken everything. */
  writable(): void {
    this.blocked = false;
    this.frames = 0;
    this.controlFrames = 0;
    this.flush();
  }

  /** A header block of at most `bytes` begins. @returns where in `buf` its encoder writes; `endHead` follows at once */
  beginHead(bytes: number): number {
    const heads = 1 + Math.floor(bytes / this.frameBytes);
    this.room(heads * FRAME_HEAD_BYTES + bytes);
    return this.at + FRAME_HEAD_BYTES;
  }

  /** The block ends at `end`. `last`: nothing follows it on this stream. */
  endHead(stream: H2Stream, end: number, last: boolean): void {
    const { buf, at, frameBytes } = this;
    const length = end - at - FRAME_HEAD_BYTES;
    const flags = last ? END_STREAM : 0;
    stream.frameAt = at;
    stream.frameTurn = this.turn;
    this.frames++;
    if (length <= frameBytes) {
      writeFrameHead(buf, at, length, FRAME_HEADERS, flags | END_HEADERS, stream.id);
      this.at = end;
    } else {
      writeFrameHead(buf, at, frameBytes, FRAME_HEADERS, flags, stream.id);
      this.at = this.continueHead(stream.id, at + FRAME_HEAD_BYTES, length);
    }
    if (last) this.watcher.localEnded(stream);
  }

  /** Makes room for the heads of CONTINUATION frames inside a block of `length` bytes at `start`, from its end on. */
  private continueHead(id: number, start: number, length: number): number {
    const { buf, frameBytes } = this;
    const frames = Math.ceil(length / frameBytes);
    for (let k = frames - 1; k > 0; k--) {
      const from = start + k * frameBytes;
      const size = Math.min(frameBytes, length - k * frameBytes);
      const to = from + k * FRAME_HEAD_BYTES;
      buf.copyWithin(to, from, from + size);
      writeFrameHead(buf, to - FRAME_HEAD_BYTES, size, FRAME_CONTINUATION, k === frames - 1 ? END_HEADERS : 0, id);
      this.frames++;
    }
    return start + length + (frames - 1) * FRAME_HEAD_BYTES;
  }

  /**
   * Payload of a stream: what windows and socket allow goes into the buffer, the rest is queued.
   * @returns false when the source should pause until `onDrained`
   */
  data(stream: H2Stream, buf: Buffer, start: number, end: number, last: boolean): boolean {
    let pos = start;
    if (stream.queue.length === 0 && this.turnOf === null) {
      while (pos < end) {
        const sent = this.dataFrame(stream, buf, pos, end);
        if (sent === 0) break;
        pos += sent;
      }
      if (pos === end) {
        if (last) this.end(stream);
        return this.mayGoOn(stream);
      }
    }
    stream.queue.append(buf, pos, end);
    this.watcher.queued(end - pos);
    if (last) stream.endQueued = true;
    stream.wantsDrained = true;
    this.enroll(stream);
    return false;
  }

  /** Whether the source may go on. When not, because the socket is full, it learns by `onDrained` when it may. */
  mayGoOn(stream: H2Stream): boolean {
    if (!this.blocked || stream.id === 0 || stream.localEnded) return true;
    stream.wantsDrained = true;
    this.join(stream);
    return false;
  }

  /** END_STREAM: on the last frame of the stream where that still stands in the buffer, else on an empty one. */
  end(stream: H2Stream): void {
    if (stream.frameTurn === this.turn) {
      this.buf[stream.frameAt + 4]! |= END_STREAM;
    } else {
      this.room(FRAME_HEAD_BYTES);
      this.at = writeFrameHead(this.buf, this.at, 0, FRAME_DATA, END_STREAM, stream.id);
      this.frames++;
    }
    stream.endQueued = false;
    this.watcher.localEnded(stream);
  }

  /** The stream may have something to send: it takes its place in the ring. */
  enroll(stream: H2Stream): void {
    if (stream.queue.length > 0 && stream.sendWindow <= 0) return;
    this.join(stream);
  }

  /** Out of the ring. */
  leave(stream: H2Stream): void {
    const next = stream.ringNext;
    if (next === null) return;
    if (next === stream) {
      this.turnOf = null;
    } else {
      next.ringPrev = stream.ringPrev;
      stream.ringPrev!.ringNext = next;
      if (this.turnOf === stream) this.turnOf = next;
    }
    stream.ringNext = null;
    stream.ringPrev = null;
  }

  /** Asks for a flush, in which waiting streams get their turn. */
  wake(): void {
    if (this.turnOf !== null || this.at > 0) this.room(0);
  }

  private join(stream: H2Stream): void {
    if (stream.ringNext !== null) return;
    const head = this.turnOf;
    if (head === null) {
      stream.ringNext = stream;
      stream.ringPrev = stream;
      this.turnOf = stream;
    } else {
      const last = head.ringPrev!;
      stream.ringPrev = last;
      stream.ringNext = head;
      last.ringNext = stream;
      head.ringPrev = stream;
    }
    this.room(0);
  }

  /** A frame for each stream in the ring, round after round, as long as windows and socket allow. */
  private pump(): void {
    while (this.turnOf !== null && !this.blocked && !this.dead) {
      const stream = this.turnOf;
      const { queue } = stream;
      if (queue.length > 0) {
        if (this.window <= 0) return;
        const sent = this.dataFrame(stream, queue.buf, queue.start, queue.end);
        queue.take(sent);
        this.watcher.queued(-sent);
        if (queue.length > 0) {
          if (stream.sendWindow <= 0) this.leave(stream);
          else if (sent > 0) this.turnOf = stream.ringNext;
          continue;
        }
      }
      this.leave(stream);
      this.drained(stream);
    }
  }

  private drained(stream: H2Stream): void {
    const { id } = stream;
    if (stream.wantsDrained) {
      stream.wantsDrained = false;
      if (!stream.endQueued && !stream.trailersQueued) stream.onDrained();
      if (stream.id !== id || stream.queue.length > 0) return;
    }
    if (stream.trailersQueued) {
      stream.trailersQueued = false;
      stream.onTrailersDue();
    } else if (stream.endQueued) {
      this.end(stream);
    }
  }

  /** One DATA frame as large as may be; returns how many bytes it took, 0 when none may go now. */
  private dataFrame(stream: H2Stream, buf: Buffer, start: number, end: number): number {
    let size = end - start;
    if (size > this.frameBytes) size = this.frameBytes;
    if (size > stream.sendWindow) size = stream.sendWindow;
    if (size > this.window) size = this.window;
    if (size <= 0 || this.blocked || this.dead) return 0;
    this.room(FRAME_HEAD_BYTES + size);
    if (this.blocked) return 0;
    stream.frameAt = this.at;
    stream.frameTurn = this.turn;
    const at = writeFrameHead(this.buf, this.at, size, FRAME_DATA, 0, stream.id);
    this.at = copyBytes(this.buf, at, buf, start, start + size);
    stream.sendWindow -= size;
    this.window -= size;
    this.frames++;
    this.dataFramesSent++;
    return size;
  }
}
