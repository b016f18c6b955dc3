// @hot
// The head of an answer as one text for uWebSockets.js, which writes whatever it is given as a status behind `HTTP/1.1 `:
// a call per field costs more than all of them together. Worker thread; pure. Values are safe to stand there as they are:
// they passed our response parser, or were checked where they entered (`http/field-check.ts`).

import { FIELD_CONTENT_LENGTH, FIELD_DATE } from '../core/fields.ts';
import { SPAN, type Head } from '../core/head.ts';
import type { Stream } from '../core/stream.ts';
import { statusText } from '../http/status-text.ts';

const BEYOND_ASCII = /[^\0-\x7f]/;

/**
 * Status and fields without the last line's end. The library adds the date, the framing, and the end of the head.
 * @param keepsLength a content-length stays: there is no body that the library would count.
 */
export function headText(stream: Stream, keepsLength: boolean): string {
  const head = stream.resHead;
  let text = `${stream.status} ${reasonOf(stream, head)}`;
  const { ids, dropped, spans, buf, base } = head;
  for (let i = 0; i < head.count; i++) {
    const id = ids[i]!;
    if (dropped[i] !== 0 || id === FIELD_DATE || (id === FIELD_CONTENT_LENGTH && !keepsLength)) continue;
    const at = i * SPAN;
    text += `\r\n${buf.latin1Slice(base + spans[at]!, base + spans[at + 1]!)}: ${buf.latin1Slice(base + spans[at + 2]!, base + spans[at + 3]!)}`;
  }
  const { added } = head;
  for (let i = 0; i < added.length; i += 2) {
    const name = added[i]!;
    if (name === 'date' || (name === 'content-length' && !keepsLength)) continue;
    text += `\r\n${name}: ${added[i + 1]!}`;
  }
  return text;
}

/** Strings go out as UTF-8; ours are bytes, one per character. */
export function wireText(text: string): string | Buffer {
  return BEYOND_ASCII.test(text) ? Buffer.from(text, 'latin1') : text;
}

/** The upstream's own words where the status is its own, as the other engines do. */
function reasonOf(stream: Stream, head: Head): string {
  if (stream.status !== head.status || head.length === 0) return statusText(stream.status);
  return head.buf.latin1Slice(head.base + head.reasonStart, head.base + head.reasonEnd);
}
