// @hot
// The field section of a head or of trailers: strict, one pass, able to stop at any byte and go on. Worker thread.
// RFC 9110 section 5, RFC 9112 section 5 without its leniencies: no folding, no bare CR or LF, no space before the colon.
// All progress stands in the Head; a check happens at a fixed byte, so every way to split the input gives one answer.

import type { Head } from '../core/head.ts';
import { skipToken } from './byte-class.ts';
import { skipValue, viewOf } from './byte-view.ts';
import { lookupField } from './field-lookup.ts';
import { noteField } from './h1-framing.ts';
import { ERR_FOLD, ERR_LINE_END, ERR_NAME, ERR_SPACE_BEFORE_COLON, ERR_TOO_MANY_FIELDS, ERR_VALUE } from './h1-errors.ts';
import * as states from './h1-state.ts';

// Constants of this module's own: V8 folds them into the loop, imported ones it loads each time. Measured: a tenth of all.
const { NAME, OWS, VALUE_STATE, VALUE_LF, END_LF, DONE } = states;
const CR = 13;
const LF = 10;
const SP = 32;
const HTAB = 9;
const COLON = 58;

/**
 * Reads field lines from `head.at` up to `stop`. `head.state` is NAME or later.
 * @param section which rules hold for the known fields: SECTION_REQUEST, SECTION_RESPONSE or SECTION_TRAILERS
 * @returns 1 when the empty line has been read (`head.length` set), 0 when bytes are wanted, < 0 an error code
 */
export function parseFields(head: Head, buf: Buffer, stop: number, section: number, maxFields: number): number {
  const view = viewOf(buf);
  const base = head.base;
  let state = head.state;
  let p = base + head.at;
  let line = base + head.mark;
  let nameEnd = base + head.nameEnd;
  let value = base + head.valueStart;
  for (;;) {
    if (state === NAME) {
      p = skipToken(buf, p, stop);
      if (p === stop) break;
      if (p === line) {
        if (buf[p]! !== CR) return nameFault(buf[p]!, true);
        p++;
        state = END_LF;
      } else {
        if (buf[p]! !== COLON) return nameFault(buf[p]!, false);
        nameEnd = p++;
        state = OWS;
      }
    }
    if (state === OWS) {
      while (p < stop && (buf[p]! === SP || buf[p]! === HTAB)) p++;
      if (p === stop) break;
      value = p;
      state = VALUE_STATE;
    }
    if (state === VALUE_STATE) {
      p = skipValue(buf, view, p, stop);
      if (p === stop) break;
      if (buf[p]! !== CR) return buf[p]! === LF ? ERR_LINE_END : ERR_VALUE;
      p++;
      state = VALUE_LF;
    }
    if (p === stop) break;
    if (buf[p]! !== LF) return ERR_LINE_END;
    p++;
    if (state === END_LF) {
      head.state = DONE;
      head.at = p - base;
      head.length = p - base;
      return 1;
    }
    if (head.count === maxFields) return ERR_TOO_MANY_FIELDS;
    const id = lookupField(buf, view, line, nameEnd);
    head.addSpan(line - base, nameEnd - base, value - base, trimEnd(buf, value, p - 2) - base, id);
    if (id !== 0) {
      const fault = noteField(head, buf, head.count - 1, section);
      if (fault < 0) return fault;
    }
    line = p;
    state = NAME;
  }
  head.state = state;
  head.at = p - base;
  head.mark = line - base;
  head.nameEnd = nameEnd - base;
  head.valueStart = value - base;
  return 0;
}

/** The end of a value without the white space before its CR. */
function trimEnd(buf: Buffer, start: number, end: number): number {
  while (end > start && buf[end - 1]! <= SP) end--; // nothing smaller than a space but a tab has passed
  return end;
}

function nameFault(byte: number, atLineStart: boolean): number {
  if (byte === SP || byte === HTAB) return atLineStart ? ERR_FOLD : ERR_SPACE_BEFORE_COLON;
  return byte === LF ? ERR_LINE_END : ERR_NAME;
}
