// @hot
// Sticky sessions: the host that has answered a client is named in a cookie or a header, and asked for by it from then on.
// The cookie's value is Envoy's: base64 of a protobuf message with the address and, where it ends, when; one of the bare
// address is read as well. The header's value is base64 of the address. Worker thread; pure.

import type { StreamRecord } from '../core/stream.ts';
import { cookieOf, setCookie, type CookieForm } from './cookie.ts';

export interface StickyRule {
  /** null: a header carries it. */
  readonly cookie: CookieForm | null;
  /** Lower-case name of the header; '' with a cookie. */
  readonly header: string;
  readonly strict: boolean;
}

/** Tags of the message: 1, a text; 2, a number. */
const ADDRESS_TAG = 0x0a;
const EXPIRES_TAG = 0x10;

/** Notes in the stream whom its session names. */
export function readSession(rule: StickyRule, stream: StreamRecord, wallMs: number): void {
  const { cookie } = rule;
  if (cookie === null) {
    const text = stream.reqHead.get(rule.header);
    stream.stickyHost = text === undefined ? '' : decode(text).latin1Slice();
  } else if (isBelow(stream.path, cookie.path)) {
    const value = cookieOf(stream.reqHead, cookie.name);
    stream.stickyHost = value === '' ? '' : addressIn(decode(value), wallMs);
  }
  stream.stickyOnly = rule.strict && stream.stickyHost !== '';
}

/** The answer names the host where the request has asked for another one, or none. */
export function writeSession(rule: StickyRule, stream: StreamRecord, address: string, wallMs: number): void {
  if (stream.stickyHost === address) return;
  const { cookie } = rule;
  if (cookie === null) stream.answerHead().set(rule.header, Buffer.from(address, 'latin1').toString('base64'));
  else stream.answerHead().add('set-cookie', setCookie(cookie, sessionValue(address, cookie.ttlSeconds, wallMs)));
}

export function sessionValue(address: string, ttlSeconds: number, wallMs: number): string {
  const bytes = [ADDRESS_TAG];
  pushNumber(bytes, address.length);
  for (let i = 0; i < address.length; i++) bytes.push(address.charCodeAt(i));
  if (ttlSeconds > 0) {
    bytes.push(EXPIRES_TAG);
    pushNumber(bytes, Math.floor(wallMs / 1000) + ttlSeconds);
  }
  return Buffer.from(bytes).toString('base64');
}

/** '' where it has expired. */
function addressIn(bytes: Buffer, wallMs: number): string {
  const length = bytes[1] ?? 0;
  if (bytes[0] !== ADDRESS_TAG || length > 127 || bytes.length < 2 + length) return bytes.latin1Slice();
  let at = 2 + length;
  if (bytes[at] === EXPIRES_TAG) {
    let expires = 0;
    let unit = 1;
    do {
      expires += (bytes[++at]! & 127) * unit;
      unit *= 128;
    } while (bytes[at]! >= 128);
    if (expires * 1000 < wallMs) return '';
  }
  return bytes.latin1Slice(2, 2 + length);
}

function pushNumber(bytes: number[], value: number): void {
  let left = value;
  for (; left >= 128; left = Math.floor(left / 128)) bytes.push((left % 128) | 128);
  bytes.push(left);
}

/** Text that is no base64 names nobody. */
function decode(text: string): Buffer {
  return Buffer.from(text, 'base64');
}

/** As browsers match it (RFC 6265 section 5.1.4). */
function isBelow(target: string, path: string): boolean {
  if (path === '' || path === '/') return true;
  if (!target.startsWith(path)) return false;
  if (path.endsWith('/') || target.length === path.length) return true;
  const next = target.charCodeAt(path.length);
  return next === 47 || next === 63 || next === 35;
}
