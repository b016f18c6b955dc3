// @hot
// Fields into header blocks (RFC 7541). Worker thread; one encoder per connection and direction.
// A field enters the dynamic table when it is seen for the second time within a short memory, so that what repeats takes
// one byte and what never does (ids, dates, paths with ids) evicts nothing. Secrets are never indexed. Huffman code is
// used for what enters the table: it is paid for once; anything else goes out as it stands.
// No bounds checks: `fieldRoom` says what a field can take. Names come out in lower case.

import { copyBytes, writeText } from '../core/bytes.ts';
import { huffmanLength, writeHuffman } from './hpack-huffman.ts';
import { STATIC_LAST, STATIC_METHOD, STATIC_PATH, STATIC_SCHEME, STATIC_STATUS, staticAt, staticBytes, staticName } from './hpack-static.ts';
import { ENTRY_OVERHEAD, HpackTable } from './hpack-table.ts';

/** Bytes that a field can need beyond its name and value. */
export const FIELD_ROOM = 16;
/** Bytes that `begin` can need. */
export const BLOCK_ROOM = 16;

const INDEXED = 0x80;
const ADDED = 0x40;
const UPDATE = 0x20;
const NEVER = 0x10;
const PLAIN = 0x00;
const HUFFMAN = 0x80;

/** The table we keep whatever larger one the peer would allow. */
const OUR_TABLE_BYTES = 4096;
const SLOTS = 256;
/** Places that a hash may stand in, so that two fields do not push each other out for ever. */
const PROBES = 4;
const MEMORY = 256;
/** A larger value is not worth the table's room. */
const MAX_VALUE_BYTES = 1024;
/** Longer ones are compared by the system. */
const SHORT_COMPARE = 40;
const NONE = new Uint32Array(0);

/** Never indexed: compressed beside what others write, their bytes could be guessed from lengths (RFC 7541 section 7.1). */
const SECRETS = [
  'authorization', 'proxy-authorization', 'cookie', 'set-cookie', 'x-api-key', 'x-auth-token', 'x-csrf-token',
  'x-xsrf-token', 'x-amz-security-token', 'x-forwarded-client-cert',
].map((name) => Buffer.from(name, 'latin1'));
/** Indexed by the last bits of a name's hash. */
const mayBeSecret = new Uint8Array(256);

const lowerOf = new Uint8Array(256);
for (let byte = 0; byte < 256; byte++) lowerOf[byte] = byte >= 65 && byte <= 90 ? byte | 32 : byte;

// The name of the field at hand: its bytes in lower case, their hash, and its static index or 0.
let nameRoom = Buffer.allocUnsafeSlow(256);
let nameBuf: Buffer = nameRoom;
let nameStart = 0;
let nameEnd = 0;
let nameHash = 0;
let nameIndex = 0;
/** A value that came as a string. */
let valueRoom = Buffer.allocUnsafeSlow(4 * 1024);

export class HpackEncoder {
  private readonly table: HpackTable;
  /** The table size to announce at the next block's beginning, and the smallest one since the last block; -1: none. */
  private announce = -1;
  private smallest = -1;
  /** Hash of name and value → number of the entry, and hash of the name → number of its newest entry. */
  private exact: Uint32Array = NONE;
  private names: Uint32Array = NONE;
  /** Hashes of fields that went out as literals. */
  private seen: Uint32Array = NONE;

  constructor(maxTableBytes: number = OUR_TABLE_BYTES) {
    // Both sides begin with 4,096 (RFC 9113 section 6.5.2).
    this.table = new HpackTable(OUR_TABLE_BYTES);
    if (maxTableBytes !== OUR_TABLE_BYTES) this.setMaxTableSize(maxTableBytes);
  }

  /** The peer's SETTINGS_HEADER_TABLE_SIZE. */
  setMaxTableSize(bytes: number): void {
    const wanted = bytes < OUR_TABLE_BYTES ? bytes : OUR_TABLE_BYTES;
    if (wanted === this.table.max) return;
    if (this.smallest < 0 || wanted < this.smallest) this.smallest = wanted;
    this.announce = wanted;
    this.table.setMax(wanted);
  }

  /** Called before the first field of each block: size updates (section 4.2). */
  begin(out: Buffer, at: number): number {
    if (this.announce < 0) return at;
    if (this.smallest < this.announce) at = writeInteger(out, at, UPDATE, 0x1f, this.smallest);
    at = writeInteger(out, at, UPDATE, 0x1f, this.announce);
    this.announce = this.smallest = -1;
    return at;
  }

  /** `:status`. */
  status(out: Buffer, at: number, status: number): number {
    const index = status < 600 ? statusIndex[status]! : 0;
    if (index !== 0) {
      out[at] = INDEXED | index;
      return at + 1;
    }
    out[at] = PLAIN | STATIC_STATUS;
    out[at + 1] = 3;
    out[at + 2] = 48 + ((status / 100) | 0);
    out[at + 3] = 48 + (((status / 10) | 0) % 10);
    out[at + 4] = 48 + (status % 10);
    return at + 5;
  }

  /** `:method`. */
  method(out: Buffer, at: number, method: string): number {
    if (method === 'GET' || method === 'POST') {
      out[at] = INDEXED | (method === 'GET' ? STATIC_METHOD : STATIC_METHOD + 1);
      return at + 1;
    }
    return this.pseudo(out, at, STATIC_METHOD, method);
  }

  /** `:scheme`. */
  scheme(out: Buffer, at: number, scheme: 'http' | 'https'): number {
    out[at] = INDEXED | (scheme === 'http' ? STATIC_SCHEME : STATIC_SCHEME + 1);
    return at + 1;
  }

  /** A pseudo-header by the first static index of its name, its value as a string. `sensitive`: as for `field`. */
  pseudo(out: Buffer, at: number, index: number, value: string, sensitive = false): number {
    const end = placeValue(value);
    if (sensitive) {
      nameIndex = index;
      return this.literal(out, at, NEVER, valueRoom, 0, end);
    }
    return this.pseudoBytes(out, at, index, valueRoom, 0, end);
  }

  /** The same with its value as bytes. */
  pseudoBytes(out: Buffer, at: number, index: number, buf: Buffer, start: number, end: number): number {
    if (index === STATIC_PATH && end - start === 1 && buf[start] === 47) {
      out[at] = INDEXED | STATIC_PATH;
      return at + 1;
    }
    nameBuf = staticBytes;
    nameStart = staticAt[index * 2]!;
    nameEnd = staticAt[index * 2 + 1]!;
    nameHash = index;
    nameIndex = index;
    return this.encode(out, at, buf, start, end);
  }

  /** A field given as bytes of one buffer. `sensitive`: it came as never to be indexed, and goes on so. */
  field(out: Buffer, at: number, buf: Buffer, fieldStart: number, fieldEnd: number, valueStart: number, valueEnd: number, sensitive = false): number {
    const length = fieldEnd - fieldStart;
    let hash = length;
    if (nameRoom.length < length) nameRoom = Buffer.allocUnsafeSlow(length * 2);
    for (let k = 0; k < length; k++) {
      const byte = lowerOf[buf[fieldStart + k]!]!;
      nameRoom[k] = byte;
      hash = (Math.imul(hash, 31) + byte) | 0;
    }
    named(length, hash);
    if (sensitive || isSecret(hash)) return this.literal(out, at, NEVER, buf, valueStart, valueEnd);
    return this.encode(out, at, buf, valueStart, valueEnd);
  }

  /** A field given as latin1 strings. */
  text(out: Buffer, at: number, name: string, value: string, sensitive = false): number {
    const { length } = name;
    let hash = length;
    if (nameRoom.length < length) nameRoom = Buffer.allocUnsafeSlow(length * 2);
    for (let k = 0; k < length; k++) {
      const byte = lowerOf[name.charCodeAt(k) & 255]!;
      nameRoom[k] = byte;
      hash = (Math.imul(hash, 31) + byte) | 0;
    }
    named(length, hash);
    const end = placeValue(value);
    if (sensitive || isSecret(hash)) return this.literal(out, at, NEVER, valueRoom, 0, end);
    return this.encode(out, at, valueRoom, 0, end);
  }

  // ---- inside: the name stands in the module's variables ----

  private encode(out: Buffer, at: number, buf: Buffer, start: number, end: number): number {
    const { table } = this;
    const length = end - start;
    const size = length + (nameEnd - nameStart) + ENTRY_OVERHEAD;
    if (length > MAX_VALUE_BYTES || size * 2 > table.max) return this.literal(out, at, PLAIN, buf, start, end);
    const hash = hashValue(nameHash, buf, start, end);
    if (this.exact.length > 0) {
      for (let probe = 0; probe < PROBES; probe++) {
        const age = (table.added - 1 - this.exact[(hash + probe) & (SLOTS - 1)]!) >>> 0;
        if (age < table.count && this.isEntry(age, buf, start, end)) return writeInteger(out, at, INDEXED, 0x7f, STATIC_LAST + 1 + age);
      }
    }
    if (!this.remembers(hash)) return this.literal(out, at, PLAIN, buf, start, end);
    at = this.literal(out, at, ADDED, buf, start, end);
    this.place(hash);
    table.add(nameBuf, nameStart, nameEnd, buf, start, end);
    return at;
  }

  /** Has a field with this hash gone out lately? From now on it has. */
  private remembers(hash: number): boolean {
    if (this.seen.length === 0) this.seen = new Uint32Array(MEMORY);
    const { seen } = this;
    const at = (hash >>> 8) & (MEMORY - 1);
    if (seen[at] === hash || seen[at ^ 1] === hash) return true;
    seen[at ^ 1] = seen[at]!;
    seen[at] = hash;
    return false;
  }

  /** The entry that is added next takes the place of one that is gone, or of the oldest. */
  private place(hash: number): void {
    const { table } = this;
    if (this.exact.length === 0) {
      this.exact = new Uint32Array(SLOTS);
      this.names = new Uint32Array(SLOTS);
    }
    let best = 0;
    let bestAge = -1;
    for (let probe = 0; probe < PROBES; probe++) {
      const slot = (hash + probe) & (SLOTS - 1);
      const age = (table.added - 1 - this.exact[slot]!) >>> 0;
      if (age > bestAge) {
        best = slot;
        bestAge = age;
      }
    }
    this.exact[best] = table.added;
    this.names[nameHash & (SLOTS - 1)] = table.added;
  }

  private literal(out: Buffer, at: number, form: number, buf: Buffer, start: number, end: number): number {
    const index = nameIndex === 0 ? this.dynamicName() : nameIndex;
    const adds = form === ADDED;
    at = writeInteger(out, at, form, adds ? 0x3f : 0x0f, index);
    if (index === 0) at = writeString(out, at, adds, nameBuf, nameStart, nameEnd);
    return writeString(out, at, adds, buf, start, end);
  }

  /** The index of an entry with this name, or 0. */
  private dynamicName(): number {
    const { table } = this;
    if (this.names.length === 0) return 0;
    const age = (table.added - 1 - this.names[nameHash & (SLOTS - 1)]!) >>> 0;
    if (age >= table.count) return 0;
    return equalBytes(table.buf, table.nameStart(age), table.nameEnd(age), nameBuf, nameStart, nameEnd) ? STATIC_LAST + 1 + age : 0;
  }

  private isEntry(age: number, buf: Buffer, start: number, end: number): boolean {
    const { table } = this;
    const middle = table.nameEnd(age);
    return equalBytes(table.buf, middle, table.valueEnd(age), buf, start, end)
      && equalBytes(table.buf, table.nameStart(age), middle, nameBuf, nameStart, nameEnd);
  }
}

/** The name in `nameRoom` is the one at hand. */
function named(length: number, hash: number): void {
  nameBuf = nameRoom;
  nameStart = 0;
  nameEnd = length;
  nameHash = hash;
  nameIndex = staticName(nameRoom, 0, length);
}

function isSecret(hash: number): boolean {
  if (!mayBeSecret[hash & 255]) return false;
  for (let i = 0; i < SECRETS.length; i++) {
    const secret = SECRETS[i]!;
    if (equalBytes(secret, 0, secret.length, nameBuf, nameStart, nameEnd)) return true;
  }
  return false;
}

function placeValue(value: string): number {
  if (valueRoom.length < value.length) valueRoom = Buffer.allocUnsafeSlow(value.length * 2);
  return writeText(valueRoom, 0, value);
}

/** Of the name's hash, the length, and some bytes of the value: those that differ between values of one name as a rule. */
function hashValue(seed: number, buf: Buffer, start: number, end: number): number {
  const length = end - start;
  let hash = Math.imul(seed ^ length, 0x9e3779b1);
  const step = length > 16 ? length >> 4 : 1;
  for (let p = end - 1; p >= start; p -= step) hash = Math.imul(hash ^ buf[p]!, 0x01000193);
  return (hash ^ (hash >>> 15)) >>> 0;
}

function equalBytes(one: Buffer, oneStart: number, oneEnd: number, other: Buffer, otherStart: number, otherEnd: number): boolean {
  const length = oneEnd - oneStart;
  if (otherEnd - otherStart !== length) return false;
  if (length > SHORT_COMPARE) return one.compare(other, otherStart, otherEnd, oneStart, oneEnd) === 0;
  for (let k = 0; k < length; k++) if (one[oneStart + k] !== other[otherStart + k]) return false;
  return true;
}

/** A string literal (section 5.2). `mayShorten`: in Huffman code where that is shorter. */
function writeString(out: Buffer, at: number, mayShorten: boolean, buf: Buffer, start: number, end: number): number {
  if (mayShorten) {
    const coded = huffmanLength(buf, start, end);
    if (coded < end - start) {
      at = writeInteger(out, at, HUFFMAN, 0x7f, coded);
      return writeHuffman(out, at, buf, start, end);
    }
  }
  at = writeInteger(out, at, PLAIN, 0x7f, end - start);
  return copyBytes(out, at, buf, start, end);
}

/** A prefixed integer (section 5.1): `form` fills the bits beside `mask`. */
function writeInteger(out: Buffer, at: number, form: number, mask: number, value: number): number {
  if (value < mask) {
    out[at] = form | value;
    return at + 1;
  }
  out[at++] = form | mask;
  let rest = value - mask;
  while (rest >= 0x80) {
    out[at++] = (rest & 0x7f) | 0x80;
    rest >>>= 7;
  }
  out[at] = rest;
  return at + 1;
}

const statusIndex = new Uint8Array(600);
for (let index = STATIC_STATUS; index < STATIC_STATUS + 7; index++) {
  statusIndex[Number(staticBytes.latin1Slice(staticAt[index * 2 + 1]!, staticAt[index * 2 + 2]!))] = index;
}
for (const secret of SECRETS) {
  let hash = secret.length;
  for (const byte of secret) hash = (Math.imul(hash, 31) + byte) | 0;
  mayBeSecret[hash & 255] = 1;
}
