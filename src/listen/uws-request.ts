// @hot
// What uWebSockets.js says of a request, as bytes again: they pass our own strict parser before anything is done with them.
// Worker thread; owns one scratch buffer, filled anew for each head. The library has lower-cased the names, trimmed the
// values and decoded everything; what its decoding would lose is taken another way, or makes the parser refuse.

import { formatIp } from '../config/ip.ts';
import type { HttpRequest, HttpResponse } from './uws-types.ts';

/** The bytes of the last head. */
export const rewritten: { buf: Buffer } = { buf: Buffer.allocUnsafeSlow(64 * 1024) };

const BEYOND_ASCII = /[^\0-\x7f]/;
/** What the library's UTF-8 decoding puts where the bytes are none. */
const LOST = '\ufffd';
/** A byte that no field value may hold: the parser says 400. */
const REFUSED = '\0';
const MAPPED = '::ffff:';

let text = '';
let request: HttpRequest | null = null;

/** Writes request line and fields into `rewritten.buf`. @returns how many bytes. */
export function rewriteHead(req: HttpRequest): number {
  const query = req.getQuery();
  const target = query === undefined ? req.getUrl() : `${req.getUrl()}?${query}`;
  text = `${asBytes(req.getCaseSensitiveMethod())} ${asBytes(target)} HTTP/1.1\r\n`;
  request = req;
  req.forEach(appendField);
  request = null;
  const head = text + '\r\n';
  text = '';
  if (head.length > rewritten.buf.length) rewritten.buf = Buffer.allocUnsafeSlow(head.length * 2);
  return rewritten.buf.latin1Write(head, 0);
}

function appendField(name: string, value: string): void {
  if (!BEYOND_ASCII.test(value)) text += `${name}: ${value}\r\n`;
  else text += `${asBytes(name)}: ${value.includes(LOST) ? undecoded(name) : asBytes(value)}\r\n`;
}

/** The library gives a value undecoded for the first field of each name only. */
function undecoded(name: string): string {
  return text.includes(`\r\n${name}: `) ? REFUSED : request!.getHeader(name);
}

/** Text that was decoded from UTF-8 as its bytes, one per character. */
function asBytes(decoded: string): string {
  return BEYOND_ASCII.test(decoded) ? Buffer.from(decoded, 'utf8').latin1Slice() : decoded;
}

/** The peer's address, '' on a unix socket. The library does not tell its port. */
export function remoteAddress(res: HttpResponse): string {
  const bytes = new Uint8Array(res.getRemoteAddress());
  if (bytes.length === 4) return `${bytes[0]}.${bytes[1]}.${bytes[2]}.${bytes[3]}`;
  if (bytes.length !== 16) return '';
  const address = formatIp(Array.from(bytes));
  return address.startsWith(MAPPED) && address.includes('.') ? address.slice(MAPPED.length) : address;
}
