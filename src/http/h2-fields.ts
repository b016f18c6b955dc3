// @hot
// Decoded HTTP/2 fields, checked (RFC 9113 section 8.2) and written as the lines HTTP/1.1 would have, so that every room
// reads one form of head. Worker thread. Lines are put together in one buffer for all: like the loop's read buffer it is
// valid until the next block is decoded, and who needs a head longer retains it.

import { copyBytes } from '../core/bytes.ts';
import * as F from '../core/fields.ts';
import { SPAN, type Head } from '../core/head.ts';
import { CR, HTAB, LF, SP, skipWhile, TOKEN } from './byte-class.ts';
import { skipValue, viewOf } from './byte-view.ts';
import { lookupField } from './field-lookup.ts';
import { noteField, SECTION_TRAILERS } from './h1-framing.ts';
import { FIELD_OVERHEAD } from './h2-block.ts';
import { BOMB_FACTOR } from './h2-limits.ts';

/** A byte or a name that no field may have; `http2.invalid.header.field`. */
export const FAULT_FIELD = 1;
/** Fields that do not make a message together; `http2.violation.of.messaging.rule`. */
export const FAULT_MESSAGE = 2;
/** More fields or bytes than allowed; `http2.too_many_headers`. */
export const FAULT_TOO_LARGE = 3;

const FIRST_BYTES = 128 * 1024;
/** A line beyond its name and value. */
const LINE_BYTES = 4;
const COLON = 58;
const SEMICOLON = 59;
const COOKIE = Buffer.from('cookie', 'latin1');

/** Name bytes: a token without upper-case letters (section 8.2.1). */
const LOWER_TOKEN = Uint8Array.from(TOKEN).fill(0, 65, 91);

export interface FieldLimits {
  readonly maxFields: number;
  readonly maxHeadBytes: number;
}

export class FieldLines {
  buf: Buffer = Buffer.allocUnsafeSlow(FIRST_BYTES);
  /** Behind the last line. */
  at = 0;
  fault = 0;
  private head!: Head;
  private limits!: FieldLimits;
  private section = 0;
  /** Names and values so far; with what they weigh in a table. */
  private bytes = 0;
  private weight = 0;
  /** The cookie line, -1 without one. */
  private cookie = -1;

  /** `section`: SECTION_REQUEST, SECTION_RESPONSE or SECTION_TRAILERS (h1-framing). */
  begin(head: Head, section: number, limits: FieldLimits): void {
    this.head = head;
    this.section = section;
    this.limits = limits;
    this.at = 0;
    this.fault = 0;
    this.bytes = 0;
    this.weight = 0;
    this.cookie = -1;
    head.buf = this.buf;
    head.base = 0;
  }

  /** Counts a field, also one that came after a fault. @returns false when the block is a bomb */
  weigh(length: number): boolean {
    this.bytes += length;
    this.weight += length + FIELD_OVERHEAD;
    if (this.bytes > this.limits.maxHeadBytes && this.fault === 0) this.fault = FAULT_TOO_LARGE;
    return this.weight <= this.limits.maxHeadBytes * BOMB_FACTOR;
  }

  /** Makes sure that so many bytes fit behind `at`. */
  room(bytes: number): void {
    if (this.buf.length - this.at >= bytes) return;
    const larger = Buffer.allocUnsafeSlow(Math.max(this.buf.length * 2, this.at + bytes));
    larger.set(this.buf.subarray(0, this.at), 0);
    this.buf = larger;
    this.head.buf = larger;
  }

  /** A field that is not a pseudo-header. Sets `fault` when it may not stand here. Joined cookies lose the mark `sensitive`: no cookie is ever indexed. */
  add(source: Buffer, nameStart: number, nameEnd: number, valueStart: number, valueEnd: number, sensitive: boolean): void {
    const { head } = this;
    const line = this.at;
    this.room(nameEnd - nameStart + valueEnd - valueStart + LINE_BYTES);
    const { buf } = this;
    const end = copyBytes(buf, line, source, nameStart, nameEnd);
    if (end === line || skipWhile(LOWER_TOKEN, buf, line, end) !== end) {
      this.fault = FAULT_FIELD;
      return;
    }
    buf[end] = COLON;
    buf[end + 1] = SP;
    const value = end + 2;
    const stop = copyBytes(buf, value, source, valueStart, valueEnd);
    const view = viewOf(buf);
    if (skipValue(buf, view, value, stop) !== stop || (stop > value && (isSpace(buf[value]!) || isSpace(buf[stop - 1]!)))) {
      this.fault = FAULT_FIELD;
      return;
    }
    const id = lookupField(buf, view, line, end);
    if (id === 0 && end - line === COOKIE.length && buf[line] === 99 && COOKIE.compare(buf, line, end) === 0 && this.joinCookie(value, stop)) return;
    if (head.count === this.limits.maxFields) {
      this.fault = FAULT_TOO_LARGE;
      return;
    }
    this.at = endLine(buf, stop);
    head.addSpan(line, end, value, stop, id);
    if (sensitive) head.markNever(head.count - 1);
    if (id !== 0) this.note(id, value, stop);
  }

  /** The empty line: the head is complete. */
  finish(): void {
    this.room(2);
    const { head } = this;
    head.length = endLine(this.buf, this.at);
  }

  private note(id: number, value: number, stop: number): void {
    const { head, buf, section } = this;
    switch (id) {
      case F.FIELD_CONNECTION:
      case F.FIELD_KEEP_ALIVE:
      case F.FIELD_PROXY_CONNECTION:
      case F.FIELD_TRANSFER_ENCODING:
      case F.FIELD_UPGRADE:
        // Section 8.2.2: the connection's affair, and HTTP/2 has other words for it.
        this.fault = FAULT_FIELD;
        return;
      case F.FIELD_TE:
        if (section !== SECTION_TRAILERS && !isTrailers(buf, value, stop)) this.fault = FAULT_FIELD;
    }
    if (noteField(head, buf, head.count - 1, section) < 0) this.fault = FAULT_MESSAGE;
  }

  /**
   * Section 8.2.3: cookies may come in crumbs, and go on as one field. The crumb at `[value, stop)` is not a line yet.
   * @returns false when it is the first
   */
  private joinCookie(value: number, stop: number): boolean {
    const { head, cookie } = this;
    if (cookie < 0) {
      this.cookie = head.count;
      return false;
    }
    const { spans } = head;
    const start = spans[cookie * SPAN + 2]!;
    const end = spans[cookie * SPAN + 3]!;
    if (cookie === head.count - 1) {
      // Right behind the line: it grows over its own end.
      this.buf[end] = SEMICOLON;
      this.buf[end + 1] = SP;
      this.buf.copyWithin(end + 2, value, stop);
      spans[cookie * SPAN + 3] = end + 2 + stop - value;
      this.at = endLine(this.buf, end + 2 + stop - value);
      return true;
    }
    // Fields between: the line is written anew, behind them.
    if (head.count === this.limits.maxFields || this.at > this.limits.maxHeadBytes * 4) {
      this.fault = FAULT_TOO_LARGE;
      return true;
    }
    const crumb = Buffer.from(this.buf.subarray(value, stop));
    this.room(COOKIE.length + LINE_BYTES + 2 + end - start + crumb.length);
    const { buf } = this;
    const line = this.at;
    let at = value;
    buf.copyWithin(at, start, end);
    at += end - start;
    buf[at++] = SEMICOLON;
    buf[at++] = SP;
    at = copyBytes(buf, at, crumb, 0, crumb.length);
    head.dropped[cookie] = 1;
    this.cookie = head.count;
    this.at = endLine(buf, at);
    head.addSpan(line, line + COOKIE.length, value, at, 0);
    return true;
  }
}

/** The lines of all blocks that this worker decodes: one at a time. */
export const LINES: FieldLines = new FieldLines();

export function endLine(buf: Buffer, at: number): number {
  buf[at] = CR;
  buf[at + 1] = LF;
  return at + 2;
}

function isSpace(byte: number): boolean {
  return byte === SP || byte === HTAB;
}

const TRAILERS = Buffer.from('trailers', 'latin1');

function isTrailers(buf: Buffer, start: number, end: number): boolean {
  return end - start === TRAILERS.length && TRAILERS.compare(buf, start, end) === 0;
}
