// @hot
// A dynamic table of HPACK (RFC 7541 section 2.3.2): bytes in one buffer, entries as numbers in a ring, no strings.
// Worker thread; owned by one decoder or encoder.
// The live entries stand back to back in `buf`, oldest first; when its end is reached they are moved to its beginning.

import { copyBytes } from '../core/bytes.ts';

/** What an entry counts beyond its bytes (section 4.1). */
export const ENTRY_OVERHEAD = 32;
const NUMBERS = 3; // start, nameEnd, end
const FIRST_ENTRIES = 16;
const FIRST_BYTES = 512;
const EMPTY = Buffer.alloc(0);
const NO_ENTRIES = new Int32Array(0);

export class HpackTable {
  buf: Buffer = EMPTY;
  /** Entries in the table. */
  count = 0;
  /** Entries ever added, modulo 2^32: the newest is number `added - 1`. */
  added = 0;
  private maxBytes: number;
  /** Size in the sense of section 4.1. */
  private size = 0;
  /** Behind the newest entry's bytes. */
  private tail = 0;
  private entries: Int32Array = NO_ENTRIES;
  /** Entries the ring holds, less one. */
  private mask = -1;
  /** Ring position of the newest entry. */
  private newest = 0;

  constructor(maxBytes: number) {
    this.maxBytes = maxBytes;
  }

  get max(): number {
    return this.maxBytes;
  }

  setMax(bytes: number): void {
    this.maxBytes = bytes;
    this.evictTo(bytes);
    if (this.count === 0) this.free();
  }

  /** Span numbers of the entry of this age (0 is the newest); `age < count` is the caller's affair. */
  nameStart(age: number): number {
    return this.entries[((this.newest - age) & this.mask) * NUMBERS]!;
  }

  nameEnd(age: number): number {
    return this.entries[((this.newest - age) & this.mask) * NUMBERS + 1]!;
  }

  valueEnd(age: number): number {
    return this.entries[((this.newest - age) & this.mask) * NUMBERS + 2]!;
  }

  /** Adds a name and a value that stand outside the table; an entry that does not fit empties it (section 4.4). */
  add(name: Buffer, nameStart: number, nameEnd: number, value: Buffer, valueStart: number, valueEnd: number): void {
    const bytes = nameEnd - nameStart + (valueEnd - valueStart);
    const size = bytes + ENTRY_OVERHEAD;
    if (size > this.maxBytes) {
      this.evictTo(0);
      return;
    }
    this.evictTo(this.maxBytes - size);
    if (this.tail + bytes > this.buf.length) this.makeRoom(bytes);
    if (this.count * NUMBERS === this.entries.length) this.growEntries();
    const start = this.tail;
    const middle = copyBytes(this.buf, start, name, nameStart, nameEnd);
    this.tail = copyBytes(this.buf, middle, value, valueStart, valueEnd);
    this.newest = (this.newest + 1) & this.mask;
    const at = this.newest * NUMBERS;
    this.entries[at] = start;
    this.entries[at + 1] = middle;
    this.entries[at + 2] = this.tail;
    this.count++;
    this.added = (this.added + 1) >>> 0;
    this.size += size;
  }

  private evictTo(size: number): void {
    while (this.size > size) {
      const oldest = this.count - 1;
      this.size -= this.valueEnd(oldest) - this.nameStart(oldest) + ENTRY_OVERHEAD;
      this.count--;
    }
    if (this.count === 0) this.tail = 0;
  }

  /** Moves the live bytes to the beginning of a buffer with at least as much again behind them, so that it is done seldom. */
  private makeRoom(bytes: number): void {
    const first = this.count === 0 ? 0 : this.nameStart(this.count - 1);
    const live = this.tail - first;
    let target = this.buf;
    if ((live + bytes) * 2 > target.length) target = Buffer.allocUnsafeSlow(Math.max(FIRST_BYTES, (live + bytes) * 2));
    this.buf.copy(target, 0, first, this.tail);
    this.buf = target;
    this.tail = live;
    if (first === 0) return;
    for (let age = 0; age < this.count; age++) {
      const at = ((this.newest - age) & this.mask) * NUMBERS;
      this.entries[at]! -= first;
      this.entries[at + 1]! -= first;
      this.entries[at + 2]! -= first;
    }
  }

  private growEntries(): void {
    const old = this.entries;
    const larger = new Int32Array(old.length === 0 ? FIRST_ENTRIES * NUMBERS : old.length * 2);
    for (let k = 0; k < this.count; k++) {
      const from = ((this.newest - (this.count - 1) + k) & this.mask) * NUMBERS;
      for (let n = 0; n < NUMBERS; n++) larger[k * NUMBERS + n] = old[from + n]!;
    }
    this.entries = larger;
    this.mask = larger.length / NUMBERS - 1;
    this.newest = (this.count - 1) & this.mask;
  }

  private free(): void {
    this.buf = EMPTY;
    this.tail = 0;
    this.entries = NO_ENTRIES;
    this.mask = -1;
    this.newest = 0;
  }
}
