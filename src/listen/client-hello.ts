// The first message of a TLS client, looked at without taking part: the server name it asks for and the protocols it
// offers. Any thread; pure. Sources: RFC 8446 sections 4.1.2, 4.2 and 5.1, RFC 6066 section 3, RFC 7301; unknown values
// (RFC 8701, GREASE) are passed over wherever they may stand.

/** The bytes so far begin a ClientHello. */
export const HELLO_MORE = -1;
/** This is no TLS, or a message that breaks its rules. */
export const HELLO_NONE = -2;
/** Longer than anybody sends in earnest. */
export const HELLO_TOO_LARGE = -3;
export const HELLO_FOUND = 0;

export interface ClientHello {
  /** Lower case; '' when none was sent. */
  serverName: string;
  alpn: readonly string[];
}

/** As Envoy's tls_inspector. */
const MOST_BYTES = 16 * 1024;
const RECORD_HEAD = 5;
const MESSAGE_HEAD = 4;
const HANDSHAKE = 22;
const CLIENT_HELLO = 1;
const EXTENSION_SERVER_NAME = 0;
const EXTENSION_ALPN = 16;
const HOST_NAME = 0;
const NAME = /^[a-z0-9_-]+(?:\.[a-z0-9_-]+)*$/;
const NO_PROTOCOLS: readonly string[] = [];

/** @returns HELLO_FOUND with what it says in `into`, or one of the negative answers above. */
export function parseClientHello(buf: Buffer, start: number, end: number, into: ClientHello): number {
  into.serverName = '';
  into.alpn = NO_PROTOCOLS;
  const message = new Message(buf, start, end);
  const state = message.gather();
  if (state !== HELLO_FOUND) return state;
  return readHello(new Reader(message.bytes, message.start, message.end), into) ? HELLO_FOUND : HELLO_NONE;
}

/** Takes the handshake message out of the records that it is spread over; most often there is one, and nothing is copied. */
class Message {
  bytes: Buffer;
  start = 0;
  end = 0;
  private readonly from: number;
  private readonly to: number;

  constructor(buf: Buffer, start: number, end: number) {
    this.bytes = buf;
    this.from = start;
    this.to = end;
  }

  gather(): number {
    const buf = this.bytes;
    const parts: Buffer[] = [];
    let have = 0;
    let need = MESSAGE_HEAD;
    for (let at = this.from; ; ) {
      const head = checkRecordHead(buf, at, this.to);
      if (head !== HELLO_FOUND) return head;
      const length = buf.readUInt16BE(at + 3);
      const part = buf.subarray(at + RECORD_HEAD, Math.min(at + RECORD_HEAD + length, this.to));
      parts.push(part);
      const before = have;
      have += part.length;
      if (before < MESSAGE_HEAD) {
        const known = checkMessageHead(parts);
        if (known < 0) return known;
        need = MESSAGE_HEAD + known;
      }
      if (need > MOST_BYTES) return HELLO_TOO_LARGE;
      if (have >= need) return this.settle(parts, need, at);
      if (part.length < length) return HELLO_MORE;
      at += RECORD_HEAD + length;
    }
  }

  private settle(parts: readonly Buffer[], need: number, at: number): number {
    if (parts.length === 1) {
      this.start = at + RECORD_HEAD + MESSAGE_HEAD;
      this.end = at + RECORD_HEAD + need;
    } else {
      this.bytes = Buffer.concat(parts);
      this.start = MESSAGE_HEAD;
      this.end = need;
    }
    return HELLO_FOUND;
  }
}

/** A handshake record of TLS: type, version 3.x, 1 to 2^14 bytes. */
function checkRecordHead(buf: Buffer, at: number, end: number): number {
  if (at < end && buf[at] !== HANDSHAKE) return HELLO_NONE;
  if (at + 1 < end && buf[at + 1] !== 3) return HELLO_NONE;
  if (at + 2 < end && buf[at + 2]! > 4) return HELLO_NONE;
  if (at + RECORD_HEAD > end) return HELLO_MORE;
  const length = buf.readUInt16BE(at + 3);
  return length === 0 || length > 16_384 ? HELLO_NONE : HELLO_FOUND;
}

/** The length of the message behind its head, 0 while that is not known, HELLO_NONE when it is not a ClientHello. */
function checkMessageHead(parts: readonly Buffer[]): number {
  const head = parts.length === 1 ? parts[0]! : Buffer.concat(parts);
  if (head.length > 0 && head[0] !== CLIENT_HELLO) return HELLO_NONE;
  return head.length < MESSAGE_HEAD ? 0 : head.readUIntBE(1, 3);
}

/** Reads length-prefixed vectors; a step beyond the end makes it bad for good. */
class Reader {
  readonly buf: Buffer;
  at: number;
  end: number;
  bad = false;

  constructor(buf: Buffer, at: number, end: number) {
    this.buf = buf;
    this.at = at;
    this.end = end;
  }

  get done(): boolean {
    return this.at >= this.end;
  }

  skip(count: number): void {
    this.at += count;
    if (this.at > this.end) this.fail();
  }

  number(size: 1 | 2): number {
    if (this.at + size > this.end) {
      this.fail();
      return 0;
    }
    this.at += size;
    return this.buf.readUIntBE(this.at - size, size);
  }

  /** The inside of a vector whose length stands in `size` bytes. */
  vector(size: 1 | 2): Reader {
    const length = this.number(size);
    const inside = new Reader(this.buf, this.at, this.at + length);
    this.skip(length);
    if (this.bad) inside.fail();
    return inside;
  }

  get length(): number {
    return this.end - this.at;
  }

  private fail(): void {
    this.bad = true;
    this.at = this.end;
  }
}

function readHello(hello: Reader, into: ClientHello): boolean {
  hello.skip(2 + 32); // legacy_version, random
  const session = hello.vector(1);
  const suites = hello.vector(2);
  const compression = hello.vector(1);
  if (hello.bad || session.length > 32 || suites.length < 2 || suites.length % 2 !== 0 || compression.length === 0) return false;
  if (hello.done) return true; // TLS 1.2 without extensions
  const extensions = hello.vector(2);
  if (hello.bad || !hello.done) return false;
  const seen = new Set<number>();
  while (!extensions.done) {
    const type = extensions.number(2);
    const body = extensions.vector(2);
    if (extensions.bad || seen.has(type)) return false;
    seen.add(type);
    if (type === EXTENSION_SERVER_NAME && !readServerName(body, into)) return false;
    if (type === EXTENSION_ALPN && !readProtocols(body, into)) return false;
  }
  return true;
}

/** One name of each type; only host names exist. */
function readServerName(body: Reader, into: ClientHello): boolean {
  const list = body.vector(2);
  if (body.bad || !body.done || list.done) return false;
  while (!list.done) {
    const type = list.number(1);
    const name = list.vector(2);
    if (list.bad || name.length === 0) return false;
    if (type !== HOST_NAME) continue;
    const text = list.buf.latin1Slice(name.at, name.end).toLowerCase();
    if (into.serverName !== '' || text.length > 255 || !NAME.test(text)) return false;
    into.serverName = text;
  }
  return true;
}

function readProtocols(body: Reader, into: ClientHello): boolean {
  const list = body.vector(2);
  if (body.bad || !body.done || list.done) return false;
  const protocols: string[] = [];
  while (!list.done) {
    const name = list.vector(1);
    if (list.bad || name.length === 0) return false;
    protocols.push(list.buf.latin1Slice(name.at, name.end));
  }
  into.alpn = protocols;
  return true;
}
