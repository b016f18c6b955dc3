// @hot
// The head of an HTTP/2 request (RFC 9113 section 8.3.1): pseudo-headers and fields become the Head that HTTP/1.1 would
// have brought. Worker thread; one for all connections, because a block is decoded in one go.
// In the buffer stand the values of the pseudo-headers, then the lines, the first of them `host` from `:authority`.

import { copyBytes } from '../core/bytes.ts';
import { FIELD_HOST } from '../core/fields.ts';
import { NEVER_AUTHORITY, NEVER_METHOD, NEVER_PATH, NEVER_PROTOCOL, NEVER_SCHEME, SPAN, type Head } from '../core/head.ts';
import { isAuthority } from './authority.ts';
import { skipToken, skipWhile, TARGET } from './byte-class.ts';
import { SECTION_REQUEST } from './h1-framing.ts';
import { endLine, FAULT_FIELD, FAULT_MESSAGE, type FieldLimits, type FieldLines, LINES } from './h2-fields.ts';

const COLON = 58;
const SLASH = 47;
const HOST_NAME = Buffer.from('host: ', 'latin1');
const METHOD = Buffer.from(':method', 'latin1');
const PATH = Buffer.from(':path', 'latin1');
const SCHEME = Buffer.from(':scheme', 'latin1');
const AUTHORITY = Buffer.from(':authority', 'latin1');
const PROTOCOL = Buffer.from(':protocol', 'latin1');
const CONNECT = Buffer.from('CONNECT', 'latin1');
const GET = Buffer.from('GET', 'latin1');
const OPTIONS = Buffer.from('OPTIONS', 'latin1');
const HTTP = Buffer.from('http', 'latin1');
const HTTPS = Buffer.from('https', 'latin1');

export class RequestHeadReader {
  scheme: 'http' | 'https' | '' = '';
  /** `:protocol` of an extended CONNECT (RFC 8441); '' without. */
  protocol = '';
  private readonly lines: FieldLines = LINES;
  private head!: Head;
  private extendedConnect = false;
  // Where the values stand; -1: not there.
  private methodStart = -1;
  private methodEnd = -1;
  private pathStart = -1;
  private pathEnd = -1;
  private authorityStart = -1;
  private authorityEnd = -1;
  private fieldsBegun = false;

  begin(head: Head, limits: FieldLimits, extendedConnect: boolean): void {
    this.head = head;
    this.extendedConnect = extendedConnect;
    this.scheme = '';
    this.protocol = '';
    this.methodStart = -1;
    this.pathStart = -1;
    this.authorityStart = -1;
    this.authorityEnd = -1;
    this.fieldsBegun = false;
    this.lines.begin(head, SECTION_REQUEST, limits);
  }

  /** @returns false when the block is a bomb */
  field(buf: Buffer, nameStart: number, nameEnd: number, valueStart: number, valueEnd: number, sensitive: boolean): boolean {
    const { lines } = this;
    if (!lines.weigh(nameEnd - nameStart + valueEnd - valueStart)) return false;
    if (lines.fault !== 0) return true;
    if (nameEnd > nameStart && buf[nameStart]! === COLON) {
      if (this.fieldsBegun || !this.pseudo(buf, nameStart, nameEnd, valueStart, valueEnd)) lines.fault = FAULT_MESSAGE;
      if (sensitive) this.head.neverIndexed |= pseudoBit(buf, nameStart, nameEnd);
      return true;
    }
    if (!this.fieldsBegun) this.beginFields();
    const before = this.head.count;
    lines.add(buf, nameStart, nameEnd, valueStart, valueEnd, sensitive);
    if (lines.fault !== 0 && this.authorityStart >= 0) this.forgiveHost(before);
    return true;
  }

  /**
   * The block is complete.
   * @returns 0, or the FAULT_ of `h2-fields.ts`
   */
  finish(): number {
    const { lines, head } = this;
    if (!this.fieldsBegun) this.beginFields();
    if (lines.fault !== 0) return lines.fault;
    lines.finish();
    head.minor = 1;
    if (this.methodStart < 0) return FAULT_MESSAGE;
    head.methodStart = this.methodStart;
    head.methodEnd = this.methodEnd;
    if (this.methodIs(CONNECT) && this.protocol === '') return this.finishConnect();
    if (this.protocol !== '') {
      if (!this.methodIs(CONNECT)) return FAULT_MESSAGE;
      this.becomeGet();
    }
    if (this.scheme === '' || this.pathStart < 0) return FAULT_MESSAGE;
    if (!this.pathFits()) return FAULT_FIELD;
    head.targetStart = this.pathStart;
    head.targetEnd = this.pathEnd;
    return 0;
  }

  /** Section 8.5: the authority is all there is. */
  private finishConnect(): number {
    const { head } = this;
    if (this.authorityStart < 0 || this.authorityEnd === this.authorityStart || this.pathStart >= 0 || this.scheme !== '') return FAULT_MESSAGE;
    head.targetStart = head.authorityStart = this.authorityStart;
    head.targetEnd = head.authorityEnd = this.authorityEnd;
    return 0;
  }

  /** RFC 8441 section 5: an extended CONNECT is what HTTP/1.1 calls a GET with Upgrade, and goes on as that. */
  private becomeGet(): void {
    const { head } = this;
    head.methodEnd = this.methodEnd = copyBytes(this.lines.buf, this.methodStart, GET, 0, GET.length);
  }

  private pathFits(): boolean {
    const { pathStart, pathEnd } = this;
    const { buf } = this.lines;
    if (pathStart === pathEnd) return false;
    if (buf[pathStart]! === SLASH) return true;
    return pathEnd - pathStart === 1 && buf[pathStart]! === 42 && this.methodIs(OPTIONS);
  }

  private methodIs(method: Buffer): boolean {
    return same(this.lines.buf, this.methodStart, this.methodEnd, method);
  }

  private pseudo(buf: Buffer, nameStart: number, nameEnd: number, valueStart: number, valueEnd: number): boolean {
    switch (nameEnd - nameStart) {
      case 5:
        return this.pathStart < 0 && same(buf, nameStart, nameEnd, PATH) && this.setPath(buf, valueStart, valueEnd);
      case 7:
        if (buf[nameStart + 1]! === METHOD[1]!) return this.methodStart < 0 && same(buf, nameStart, nameEnd, METHOD) && this.setMethod(buf, valueStart, valueEnd);
        return this.scheme === '' && same(buf, nameStart, nameEnd, SCHEME) && this.setScheme(buf, valueStart, valueEnd);
      case 9:
        return this.extendedConnect && this.protocol === '' && same(buf, nameStart, nameEnd, PROTOCOL) && this.setProtocol(buf, valueStart, valueEnd);
      case 10:
        return this.authorityStart < 0 && same(buf, nameStart, nameEnd, AUTHORITY) && this.setAuthority(buf, valueStart, valueEnd);
      default:
        return false;
    }
  }

  private setMethod(buf: Buffer, start: number, end: number): boolean {
    if (start === end || skipToken(buf, start, end) !== end) return false;
    this.methodStart = this.keep(buf, start, end);
    this.methodEnd = this.lines.at;
    return true;
  }

  private setPath(buf: Buffer, start: number, end: number): boolean {
    if (skipWhile(TARGET, buf, start, end) !== end) return false;
    this.pathStart = this.keep(buf, start, end);
    this.pathEnd = this.lines.at;
    return true;
  }

  private setAuthority(buf: Buffer, start: number, end: number): boolean {
    if (start < end && !isAuthority(buf, start, end)) return false;
    this.authorityStart = this.keep(buf, start, end);
    this.authorityEnd = this.lines.at;
    return true;
  }

  private setScheme(buf: Buffer, start: number, end: number): boolean {
    if (same(buf, start, end, HTTP)) this.scheme = 'http';
    else if (same(buf, start, end, HTTPS)) this.scheme = 'https';
    return this.scheme !== '';
  }

  private setProtocol(buf: Buffer, start: number, end: number): boolean {
    if (start === end || skipToken(buf, start, end) !== end) return false;
    this.protocol = buf.latin1Slice(start, end);
    return true;
  }

  private keep(buf: Buffer, start: number, end: number): number {
    const { lines } = this;
    const at = lines.at;
    lines.room(end - start);
    lines.at = copyBytes(lines.buf, at, buf, start, end);
    return at;
  }

  /** The host line, from `:authority`. */
  private beginFields(): void {
    const { lines, head, authorityStart, authorityEnd } = this;
    this.fieldsBegun = true;
    head.fieldsStart = lines.at;
    if (authorityEnd <= authorityStart) return;
    const length = authorityEnd - authorityStart;
    lines.room(HOST_NAME.length + length + 2);
    const { buf, at } = lines;
    const value = copyBytes(buf, at, HOST_NAME, 0, HOST_NAME.length);
    buf.copyWithin(value, authorityStart, authorityEnd);
    lines.at = endLine(buf, value + length);
    head.addSpan(at, at + HOST_NAME.length - 2, value, value + length, FIELD_HOST);
  }

  /** A `host` beside `:authority` says the same, or the request means two places (section 8.3.1). */
  private forgiveHost(before: number): void {
    const { head, lines } = this;
    const i = head.count - 1;
    if (i !== before || head.ids[i] !== FIELD_HOST || head.first[FIELD_HOST] === i) return;
    const { buf } = lines;
    const at = i * SPAN;
    const start = head.spans[at + 2]!;
    const end = head.spans[at + 3]!;
    if (end - start !== this.authorityEnd - this.authorityStart) return;
    if (buf.compare(buf, this.authorityStart, this.authorityEnd, start, end) !== 0) return;
    lines.fault = 0;
    head.dropped[i] = 1;
  }
}

/** For all streams of this worker. */
export const REQUEST_HEAD: RequestHeadReader = new RequestHeadReader();

/** Of a pseudo-header that has been taken. */
function pseudoBit(buf: Buffer, nameStart: number, nameEnd: number): number {
  switch (nameEnd - nameStart) {
    case 5:
      return NEVER_PATH;
    case 7:
      return buf[nameStart + 1]! === METHOD[1]! ? NEVER_METHOD : NEVER_SCHEME;
    case 9:
      return NEVER_PROTOCOL;
    default:
      return NEVER_AUTHORITY;
  }
}

function same(buf: Buffer, start: number, end: number, text: Buffer): boolean {
  if (end - start !== text.length) return false;
  for (let i = 0; i < text.length; i++) if (buf[start + i]! !== text[i]!) return false;
  return true;
}
