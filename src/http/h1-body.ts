// @hot
// Reads one HTTP/1.1 body after another off a connection's bytes: counted, chunked (RFC 9112 section 7.1) or until close.
// Worker thread; one BodyReader per direction of a connection, begun anew for each message. Payload is never copied or kept:
// a read hands out a slice of the caller's buffer, valid as long as that is.
//
//   chunked:  SIZE → (EXTENSION) → SIZE_LF → DATA → DATA_CR → DATA_LF → SIZE
//                                     └ size 0 → TRAILER_START → (TRAILERS) | END_LF → done

import { Head } from '../core/head.ts';
import { BODY_CHUNKED, BODY_CLOSE, BODY_LENGTH, BODY_NONE } from '../core/stream.ts';
import type { BodyKind } from '../core/stream.ts';
import { CR, HEX, LF, VALUE } from './byte-class.ts';
import {
  ERR_CHUNK_END,
  ERR_CHUNK_EXTENSION,
  ERR_CHUNK_LINE_TOO_LONG,
  ERR_CHUNK_OVERHEAD,
  ERR_CHUNK_SIZE,
  ERR_CHUNK_TOO_LARGE,
  ERR_LINE_END,
} from './h1-errors.ts';
import { parseTrailers } from './h1-parser.ts';
import { DEFAULT_HEAD_LIMITS } from './h1-state.ts';
import type { HeadLimits } from './h1-state.ts';

const SIZE = 0;
const EXTENSION = 1;
const SIZE_LF = 2;
const DATA = 3;
const DATA_CR = 4;
const DATA_LF = 5;
const TRAILER_START = 6;
const END_LF = 7;
const TRAILERS = 8;
const ENDED = 9;
const FAILED = 10;

const MAX_SIZE_DIGITS = 16;
/** One chunk-size line with its extension and CRLF. */
const MAX_LINE_BYTES = 4096;
/** Bytes of chunk lines a sender may be ahead of the data they carry, counted leniently: tiny chunks pass, padding does not. */
const MAX_OVERHEAD_BYTES = 16384;
const SEMICOLON = 59;

export class BodyReader {
  /** The payload slice of the last read, in the buffer that was given to it; may be empty. */
  dataStart = 0;
  dataEnd = 0;
  /** The body has ended; bytes from the returned position on belong to the next message. */
  done = true;
  /** Whether the body ended with at least one trailer field. */
  hasTrailers = false;
  kind: BodyKind = BODY_NONE;

  private limits: HeadLimits = DEFAULT_HEAD_LIMITS;
  private state = ENDED;
  /** Payload bytes outstanding: of the body, or of the chunk. */
  private remaining = 0;
  private lineBytes = 0;
  private overhead = 0;
  private failure = 0;
  private trailerHead: Head | null = null;

  /** Starts a body. `length` counts for BODY_LENGTH only. A body without bytes is `done` at once. */
  begin(kind: BodyKind, length: number, limits: HeadLimits = DEFAULT_HEAD_LIMITS): void {
    this.kind = kind;
    this.limits = limits;
    this.dataStart = 0;
    this.dataEnd = 0;
    this.hasTrailers = false;
    this.remaining = kind === BODY_LENGTH ? length : 0;
    this.lineBytes = 0;
    this.overhead = 0;
    this.failure = 0;
    this.done = kind === BODY_NONE || (kind === BODY_LENGTH && length === 0);
    this.state = kind === BODY_CHUNKED ? SIZE : ENDED;
    if (this.trailerHead !== null) this.trailerHead.reset();
  }

  /** The trailer section, complete and safe to keep until the next `begin`, once `done` and `hasTrailers`. */
  get trailers(): Head | null {
    return this.hasTrailers ? this.trailerHead : null;
  }

  /**
   * Takes bytes from `[pos, end)`: at most one payload slice, and the framing around it.
   * @returns the position to go on from (`end` when all was taken), or an error code below 0. A slice before a framing error
   * is handed out first; the error is the answer to the next call.
   */
  read(buf: Buffer, pos: number, end: number): number {
    if (this.kind === BODY_CHUNKED) return this.readChunked(buf, pos, end);
    this.dataStart = pos;
    this.dataEnd = pos;
    if (this.done) return pos;
    let stop = end;
    if (this.kind === BODY_LENGTH) {
      if (end - pos >= this.remaining) {
        stop = pos + this.remaining;
        this.done = true;
      }
      this.remaining -= stop - pos;
    }
    this.dataEnd = stop;
    return stop;
  }

  /** The connection has ended. Returns whether the body was complete: it was `done`, or this is how it ends. */
  end(): boolean {
    if (this.kind === BODY_CLOSE) this.done = true;
    return this.done;
  }

  private readChunked(buf: Buffer, pos: number, end: number): number {
    let p = pos;
    if (this.state !== DATA) {
      p = this.readFraming(buf, p, end);
      if (p < 0) return p;
    }
    this.dataStart = p;
    this.dataEnd = p;
    if (this.state !== DATA || p === end) return p;
    if (end - p < this.remaining) {
      this.remaining -= end - p;
      this.dataEnd = end;
      return end;
    }
    p += this.remaining;
    this.dataEnd = p;
    this.remaining = 0;
    this.state = DATA_CR;
    const next = this.readFraming(buf, p, end);
    return next < 0 ? p : next;
  }

  /** Reads framing up to the first payload byte, the end of the body or of the bytes. */
  private readFraming(buf: Buffer, pos: number, end: number): number {
    let p = pos;
    while (p < end) {
      const state = this.state;
      if (state <= SIZE_LF) {
        p = this.readSizeLine(buf, p, end);
      } else if (state === DATA_CR) {
        p = buf[p]! === CR ? this.enter(DATA_LF, p + 1) : ERR_CHUNK_END;
      } else if (state === DATA_LF) {
        p = buf[p]! === LF ? this.enter(SIZE, p + 1) : ERR_CHUNK_END;
      } else if (state === TRAILER_START) {
        p = buf[p]! === CR ? this.enter(END_LF, p + 1) : this.enter(TRAILERS, p);
      } else if (state === END_LF) {
        if (buf[p]! === LF) return this.finish(p + 1);
        p = ERR_LINE_END;
      } else if (state === TRAILERS) {
        p = this.readTrailers(buf, p, end);
      } else {
        return state === FAILED ? this.failure : p; // DATA, ENDED: nothing to read here
      }
      if (p < 0) {
        this.failure = p;
        this.state = FAILED;
        return p;
      }
    }
    return p;
  }

  private enter(state: number, p: number): number {
    this.state = state;
    return p;
  }

  private finish(p: number): number {
    this.state = ENDED;
    this.done = true;
    return p;
  }

  /** `chunk-size [ chunk-ext ] CRLF`. White space around the size is refused: implementations differ on it. */
  private readSizeLine(buf: Buffer, pos: number, end: number): number {
    let p = pos;
    for (; p < end; p++) {
      const byte = buf[p]!;
      if (++this.lineBytes > MAX_LINE_BYTES) return ERR_CHUNK_LINE_TOO_LONG;
      if (this.state === SIZE_LF) return byte === LF ? this.endSizeLine(p + 1) : ERR_LINE_END;
      if (this.state === SIZE && HEX[byte]! !== 0) {
        if (this.lineBytes > MAX_SIZE_DIGITS) return ERR_CHUNK_TOO_LARGE;
        this.remaining = this.remaining * 16 + (byte <= 57 ? byte - 48 : (byte | 32) - 87);
        if (this.remaining > Number.MAX_SAFE_INTEGER) return ERR_CHUNK_TOO_LARGE;
      } else if (this.lineBytes === 1) {
        return ERR_CHUNK_SIZE;
      } else if (byte === CR) {
        this.state = SIZE_LF;
      } else if (byte === LF) {
        return ERR_LINE_END;
      } else if (this.state === SIZE) {
        if (byte !== SEMICOLON) return ERR_CHUNK_SIZE;
        this.state = EXTENSION;
      } else if (VALUE[byte]! === 0) {
        return ERR_CHUNK_EXTENSION;
      }
    }
    return p;
  }

  private endSizeLine(p: number): number {
    const overhead = this.overhead + this.lineBytes - 16 - 2 * this.remaining;
    this.overhead = overhead > 0 ? overhead : 0;
    if (overhead > MAX_OVERHEAD_BYTES) return ERR_CHUNK_OVERHEAD;
    this.lineBytes = 0;
    this.state = this.remaining === 0 ? TRAILER_START : DATA;
    return p;
  }

  /** The trailer section is collected in its own bytes: it is small, rare, and outlives the read buffer. */
  private readTrailers(buf: Buffer, pos: number, end: number): number {
    const head = (this.trailerHead ??= new Head());
    const before = head.kept;
    const room = this.limits.maxHeadBytes - before;
    head.append(buf, pos, end - pos < room ? end : pos + room);
    const length = parseTrailers(head, head.buf, 0, head.kept, this.limits);
    if (length < 0) return length;
    if (length === 0) return end;
    this.hasTrailers = true;
    return this.finish(pos + length - before);
  }
}
