// @hot
// The head of an HTTP/2 answer (RFC 9113 section 8.3.2): `:status` and fields become the Head that HTTP/1.1 would have
// brought, reason phrase included. Worker thread; one for all connections, because a block is decoded in one go.

import { writeText } from '../core/bytes.ts';
import { NEVER_STATUS, type Head } from '../core/head.ts';
import { finishResponse, SECTION_RESPONSE } from './h1-framing.ts';
import { FAULT_MESSAGE, type FieldLimits, type FieldLines, LINES } from './h2-fields.ts';
import { statusText } from './status-text.ts';

const COLON = 58;
const STATUS = Buffer.from(':status', 'latin1');

export class ResponseHeadReader {
  private readonly lines: FieldLines = LINES;
  private head!: Head;

  begin(head: Head, limits: FieldLimits): void {
    this.head = head;
    head.status = 0;
    this.lines.begin(head, SECTION_RESPONSE, limits);
  }

  /** @returns false when the block is a bomb */
  field(buf: Buffer, nameStart: number, nameEnd: number, valueStart: number, valueEnd: number, sensitive: boolean): boolean {
    const { lines, head } = this;
    if (!lines.weigh(nameEnd - nameStart + valueEnd - valueStart)) return false;
    if (lines.fault !== 0) return true;
    if (head.status !== 0 && (nameEnd === nameStart || buf[nameStart]! !== COLON)) {
      lines.add(buf, nameStart, nameEnd, valueStart, valueEnd, sensitive);
    } else if (head.status !== 0 || !this.setStatus(buf, nameStart, nameEnd, valueStart, valueEnd)) {
      lines.fault = FAULT_MESSAGE; // not the one pseudo-header there is, or not at the beginning
    } else if (sensitive) {
      head.neverIndexed |= NEVER_STATUS;
    }
    return true;
  }

  /**
   * The block is complete.
   * @returns 0, or the FAULT_ of `h2-fields.ts`
   */
  finish(): number {
    const { lines, head } = this;
    if (lines.fault !== 0) return lines.fault;
    if (head.status === 0) return FAULT_MESSAGE;
    lines.finish();
    head.minor = 1;
    return finishResponse(head, head.buf) < 0 ? FAULT_MESSAGE : 0;
  }

  private setStatus(buf: Buffer, nameStart: number, nameEnd: number, valueStart: number, valueEnd: number): boolean {
    const { lines, head } = this;
    if (valueEnd - valueStart !== 3 || STATUS.compare(buf, nameStart, nameEnd) !== 0) return false;
    let status = 0;
    for (let p = valueStart; p < valueEnd; p++) {
      const digit = buf[p]! - 48;
      if (digit < 0 || digit > 9) return false;
      status = status * 10 + digit;
    }
    if (status < 100) return false;
    const reason = statusText(status);
    lines.room(reason.length);
    head.status = status;
    head.reasonStart = lines.at;
    lines.at = writeText(lines.buf, lines.at, reason);
    head.reasonEnd = lines.at;
    head.fieldsStart = lines.at;
    return true;
  }
}

/** For all streams of this worker. */
export const RESPONSE_HEAD: ResponseHeadReader = new ResponseHeadReader();
