// @hot
// One message head (or trailer section): the bytes it stands in, and where each field begins and ends in them.
// Worker thread; owned by one Stream. Bytes stay bytes: a field becomes a string only when somebody asks for it.
// The parsers in `http/` fill it; spans are relative to `base`, so the bytes may move without a new parse.

import { FIELD_COUNT, FIELD_HOST, FIELD_NAMES } from './fields.ts';
import { FieldBlock } from './field-block.ts';

/** Numbers per field in `spans`: nameStart, nameEnd, valueStart, valueEnd. */
export const SPAN = 4;
/** Where the value begins in the line that `addRequestId` returns. */
export const REQUEST_ID_AT = 14;
const FIRST_FIELDS = 24;
const EMPTY = Buffer.alloc(0);
const NO_MARKS = new Uint8Array(0);

// Bits of `neverIndexed`: some fields (`never` says which), and the pseudo-headers of HTTP/2.
export const NEVER_FIELDS = 1;
export const NEVER_METHOD = 2;
export const NEVER_SCHEME = 4;
export const NEVER_AUTHORITY = 8;
export const NEVER_PATH = 16;
export const NEVER_PROTOCOL = 32;
export const NEVER_STATUS = 64;

export class Head {
  /** Where the bytes stand: the loop's read buffer during its callback, or `own` after `retain`. */
  buf: Buffer = EMPTY;
  /** Offset in `buf` of this head's first byte. */
  base = 0;
  /** Bytes from `base` to the end of the empty line; 0 until the head is complete. */
  length = 0;

  // The start line. Spans relative to base.
  /** Not 0 only after empty lines that came before the request line. */
  methodStart = 0;
  methodEnd = 0;
  targetStart = 0;
  targetEnd = 0;
  /** The authority inside an absolute-form target, or the whole of CONNECT's; both 0 for the other forms. */
  authorityStart = 0;
  authorityEnd = 0;
  /** HTTP minor version: 0 or 1. */
  minor = 1;
  status = 0;
  reasonStart = 0;
  reasonEnd = 0;

  /** Offset of the first field line (fields stand back to back from here to `length - 2`). */
  fieldsStart = 0;
  count = 0;
  spans: Int32Array = new Int32Array(FIRST_FIELDS * SPAN);
  /** The id of each field (`core/fields.ts`). */
  ids: Uint8Array = new Uint8Array(FIRST_FIELDS);
  /** 1 where the field is not to be passed on. */
  dropped: Uint8Array = new Uint8Array(FIRST_FIELDS);
  /** What came over HTTP/2 as never to be indexed, and goes on so (RFC 7541 section 6.2.3): NEVER_ bits. */
  neverIndexed = 0;
  /** 1 where a field is; may be shorter than there are fields. */
  never: Uint8Array = NO_MARKS;
  /** Index of the first field with each id, or -1. */
  readonly first: Int16Array = new Int16Array(FIELD_COUNT).fill(-1);

  // What the framing rules found (RFC 9112 section 6). -1: no content-length.
  contentLength = -1;
  chunked = false;
  /** The options of the Connection field that we act on. */
  connectionClose = false;
  connectionKeepAlive = false;
  connectionUpgrade = false;
  expectContinue = false;

  // Where the incremental parser goes on: its state, and how far it has read, relative to base.
  state = 0;
  at = 0;
  mark = 0;
  nameEnd = 0;
  valueStart = 0;

  // What is appended when the head is passed on: ready lines first, then single fields.
  readonly blocks: FieldBlock[] = [];
  blockCount = 0;
  /** Name, value, name, value, … in latin1. Writers use it as it stands; whoever looks for a field asks `added`. */
  readonly pairs: string[] = [];
  private requestId: FieldBlock | null = null;
  private own: Buffer = EMPTY;
  private ownLength = 0;

  /** Back to the state of a new Head; keeps the arrays. */
  reset(): void {
    this.buf = EMPTY;
    this.base = 0;
    this.length = 0;
    this.methodStart = 0;
    this.methodEnd = 0;
    this.targetStart = 0;
    this.targetEnd = 0;
    this.authorityStart = 0;
    this.authorityEnd = 0;
    this.minor = 1;
    this.status = 0;
    this.reasonStart = 0;
    this.reasonEnd = 0;
    this.fieldsStart = 0;
    for (let i = 0; i < this.count; i++) this.first[this.ids[i]!] = -1;
    this.count = 0;
    if (this.neverIndexed !== 0) this.never.fill(0);
    this.neverIndexed = 0;
    this.contentLength = -1;
    this.chunked = false;
    this.connectionClose = false;
    this.connectionKeepAlive = false;
    this.connectionUpgrade = false;
    this.expectContinue = false;
    this.state = 0;
    this.at = 0;
    this.mark = 0;
    this.ownLength = 0;
    this.blockCount = 0;
    // Popping keeps the array's room for the next head; setting its length would give it back.
    for (let left = this.pairs.length; left > 0; left--) this.pairs.pop();
    if (this.own.length > 16384) this.own = EMPTY; // one large head must not stay in the pool for ever
    if (this.ids.length > 256) this.shrink();
  }

  /** Records one field. Called by the parsers only. */
  addSpan(nameStart: number, nameEnd: number, valueStart: number, valueEnd: number, id: number): void {
    const i = this.count;
    if (i === this.ids.length) this.grow();
    const at = i * SPAN;
    const spans = this.spans;
    spans[at] = nameStart;
    spans[at + 1] = nameEnd;
    spans[at + 2] = valueStart;
    spans[at + 3] = valueEnd;
    this.ids[i] = id;
    this.dropped[i] = 0;
    if (id !== 0 && this.first[id]! < 0) this.first[id] = i;
    this.count = i + 1;
  }

  /** The field came as never to be indexed. Called by the parsers only. */
  markNever(i: number): void {
    if (this.never.length <= i) {
      const longer = new Uint8Array(this.ids.length);
      longer.set(this.never);
      this.never = longer;
    }
    this.never[i] = 1;
    this.neverIndexed |= this.ids[i] === FIELD_HOST ? NEVER_FIELDS | NEVER_AUTHORITY : NEVER_FIELDS;
  }

  /** Copies bytes behind the ones already kept, and points `buf` and `base` at the whole. For heads that arrive in pieces. */
  append(buf: Buffer, start: number, end: number): void {
    const need = this.ownLength + (end - start);
    if (this.own.length < need) {
      const larger = Buffer.allocUnsafeSlow(Math.max(1024, need, this.own.length * 2));
      larger.set(this.own.subarray(0, this.ownLength), 0);
      this.own = larger;
    }
    this.own.set(buf.subarray(start, end), this.ownLength);
    this.ownLength = need;
    this.buf = this.own;
    this.base = 0;
  }

  /** Bytes kept by `append` so far. */
  get kept(): number {
    return this.ownLength;
  }

  /** Makes the complete head safe beyond the callback it was parsed in. Does nothing the second time. */
  retain(): void {
    if (this.buf === this.own) return;
    this.ownLength = 0;
    this.append(this.buf, this.base, this.base + this.length);
  }

  /** Becomes a copy of the lines of a complete head (or trailer section), in bytes of its own. */
  copyFrom(other: Head): void {
    this.reset();
    this.append(other.buf, other.base, other.base + other.length);
    this.length = other.length;
    this.fieldsStart = other.fieldsStart;
    for (let i = 0; i < other.count; i++) {
      const at = i * SPAN;
      this.addSpan(other.spans[at]!, other.spans[at + 1]!, other.spans[at + 2]!, other.spans[at + 3]!, other.ids[i]!);
      this.dropped[i] = other.dropped[i]!;
      if (other.never[i] === 1) this.markNever(i);
    }
    this.neverIndexed = other.neverIndexed;
    for (let k = 0; k < other.blockCount; k++) this.addBlock(other.blocks[k]!);
    for (let k = 0; k < other.pairs.length; k++) this.pairs.push(other.pairs[k]!);
  }

  /** The first field with this id, or undefined. */
  known(id: number): string | undefined {
    const i = this.first[id]!;
    return i < 0 ? undefined : this.value(i);
  }

  name(i: number): string {
    const at = i * SPAN;
    return this.buf.latin1Slice(this.base + this.spans[at]!, this.base + this.spans[at + 1]!);
  }

  value(i: number): string {
    const at = i * SPAN + 2;
    return this.buf.latin1Slice(this.base + this.spans[at]!, this.base + this.spans[at + 1]!);
  }

  /** The index of the first field of this lower-case name from index `from` on, dropped ones aside; -1 when there is none. */
  find(lowerName: string, from = 0): number {
    const length = lowerName.length;
    const spans = this.spans;
    for (let i = from; i < this.count; i++) {
      const at = i * SPAN;
      if (spans[at + 1]! - spans[at]! === length && this.dropped[i] === 0 && this.nameIs(spans[at]!, lowerName)) return i;
    }
    return -1;
  }

  /** All values of a field joined by `,` as Envoy's matchers see them; undefined when absent. Added fields count. */
  get(lowerName: string): string | undefined {
    let i = this.find(lowerName);
    let joined: string | undefined;
    while (i >= 0) {
      joined = joined === undefined ? this.value(i) : joined + ',' + this.value(i);
      i = this.find(lowerName, i + 1);
    }
    const ready = this.readyValue(lowerName);
    if (ready !== undefined) joined = joined === undefined ? ready : joined + ',' + ready;
    const added = this.pairs;
    for (let k = 0; k < added.length; k += 2) {
      if (added[k]!.toLowerCase() === lowerName) joined = joined === undefined ? added[k + 1]! : joined + ',' + added[k + 1]!;
    }
    return joined;
  }

  /** Takes every field of this name off, the added ones too. */
  remove(lowerName: string): void {
    for (let i = this.find(lowerName); i >= 0; i = this.find(lowerName, i + 1)) this.dropped[i] = 1;
    const added = this.readyValue(lowerName) === undefined ? this.pairs : this.added;
    for (let k = added.length - 2; k >= 0; k -= 2) {
      if (added[k]!.toLowerCase() === lowerName) added.splice(k, 2);
    }
  }

  /** The fields to append, as name, value, name, value, … in latin1. Ready lines are turned into single fields for it. */
  get added(): string[] {
    const { pairs, blocks } = this;
    for (let i = 0; i < this.blockCount; i++) blocks[i]!.unfold(pairs);
    this.blockCount = 0;
    return pairs;
  }

  /** The value of the first ready line of this name. */
  readyValue(lowerName: string): string | undefined {
    for (let i = 0; i < this.blockCount; i++) {
      const value = this.blocks[i]!.value(lowerName);
      if (value !== undefined) return value;
    }
    return undefined;
  }

  add(name: string, value: string): void {
    this.pairs.push(name, value);
  }

  addBlock(block: FieldBlock): void {
    this.blocks[this.blockCount++] = block;
  }

  /** Appends this head's own `x-request-id` line. @returns its bytes; the 36 of the value, from REQUEST_ID_AT on, are the caller's to write */
  addRequestId(): Buffer {
    this.requestId ??= new FieldBlock(['x-request-id', '0'.repeat(36)]);
    this.addBlock(this.requestId);
    return this.requestId.buf;
  }

  set(name: string, value: string): void {
    this.remove(name.toLowerCase());
    this.pairs.push(name, value);
  }

  /** Drops every field with this id. */
  dropId(id: number): void {
    const i = this.first[id]!;
    if (i < 0) return;
    for (let k = i; k < this.count; k++) if (this.ids[k] === id) this.dropped[k] = 1;
  }

  private nameIs(start: number, lowerName: string): boolean {
    const buf = this.buf;
    const at = this.base + start;
    for (let k = 0; k < lowerName.length; k++) {
      let byte = buf[at + k]!;
      if (byte >= 65 && byte <= 90) byte |= 32;
      if (byte !== lowerName.charCodeAt(k)) return false;
    }
    return true;
  }

  private grow(): void {
    const size = this.ids.length * 2;
    const spans = new Int32Array(size * SPAN);
    spans.set(this.spans);
    const ids = new Uint8Array(size);
    ids.set(this.ids);
    const dropped = new Uint8Array(size);
    dropped.set(this.dropped);
    this.spans = spans;
    this.ids = ids;
    this.dropped = dropped;
  }

  private shrink(): void {
    this.spans = new Int32Array(FIRST_FIELDS * SPAN);
    this.ids = new Uint8Array(FIRST_FIELDS);
    this.dropped = new Uint8Array(FIRST_FIELDS);
    this.never = NO_MARKS;
  }
}

/** The id of a lower-case name, 0 when it is not one of ours. Not for the road: the parsers have their own lookup. */
export function fieldId(lowerName: string): number {
  return Math.max(0, (FIELD_NAMES as readonly string[]).indexOf(lowerName));
}
