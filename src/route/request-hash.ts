// @hot
// What a request hashes to, for the policies that send equal hashes to one host. As Envoy: xxHash64 of each part, the hash so
// far rotated by one bit before the next is mixed in, so that equal parts do not cancel each other. Worker thread.

import type { StreamRecord } from '../core/stream.ts';
import { formatHostPort } from '../core/address.ts';
import { hashed, xxHash64 } from '../core/xx-hash.ts';
import { cookieOf, setCookie, type CookieForm } from './cookie.ts';
import { findParameter, parameterValue } from './rule/query-string.ts';

export const HASH_HEADER = 0;
export const HASH_COOKIE = 1;
export const HASH_SOURCE_IP = 2;
export const HASH_QUERY = 3;

export interface HashRule {
  readonly source: number;
  /** In latin1; lower-case for headers. */
  readonly name: string;
  readonly terminal: boolean;
  /** The cookie that is made where there is none; null: none is. */
  readonly cookie: CookieForm | null;
}

/** Fills `hashHigh` and `hashLow` where the request has anything to hash, and `answerCookie` where it gets a cookie for that. */
export function hashRequest(rules: readonly HashRule[], stream: StreamRecord): void {
  let high = 0;
  let low = 0;
  let some = false;
  for (let i = 0; i < rules.length; i++) {
    const rule = rules[i]!;
    if (hashPart(rule, stream)) {
      const carry = high >>> 31;
      high = ((high << 1) | (low >>> 31)) ^ hashed.high;
      low = ((low << 1) | carry) ^ hashed.low;
      some = true;
    }
    if (some && rule.terminal) break;
  }
  stream.hashHigh = high;
  stream.hashLow = low;
  stream.isHashed = some;
}

function hashPart(rule: HashRule, stream: StreamRecord): boolean {
  const text = rule.source === HASH_HEADER ? headerOf(stream, rule.name) : rule.source === HASH_COOKIE ? cookieFor(rule, stream) : otherPart(rule, stream);
  if (text === null) return false;
  xxHash64(text);
  return true;
}

function otherPart(rule: HashRule, stream: StreamRecord): string | null {
  if (rule.source === HASH_SOURCE_IP) return stream.trustedAddress;
  const at = findParameter(stream.path, rule.name);
  return at < 0 ? null : parameterValue(stream.path, at);
}

/** Several of one name count as one text, whatever their order. */
function headerOf(stream: StreamRecord, name: string): string | null {
  const { reqHead } = stream;
  if (name.charCodeAt(0) === 58) return pseudoHeader(stream, name);
  if (name === 'host') return stream.authority;
  const first = reqHead.find(name);
  if (first < 0) return reqHead.get(name) ?? null;
  let next = reqHead.find(name, first + 1);
  if (next < 0) return reqHead.value(first);
  const values = [reqHead.value(first)];
  for (; next >= 0; next = reqHead.find(name, next + 1)) values.push(reqHead.value(next));
  return values.sort().join('');
}

function pseudoHeader(stream: StreamRecord, name: string): string {
  if (name === ':path') return stream.path;
  if (name === ':authority') return stream.authority;
  return name === ':method' ? stream.method : stream.scheme;
}

/** The caller's connection gives the value of a cookie that is made: requests of one connection that race get the same. */
function cookieFor({ name, cookie }: HashRule, stream: StreamRecord): string | null {
  const value = cookieOf(stream.reqHead, name);
  if (value !== '' || cookie === null) return value === '' ? null : value;
  const port = stream.trustedAddress === stream.remoteAddress ? stream.remotePort : 0;
  xxHash64(formatHostPort(stream.trustedAddress, port) + formatHostPort(stream.localAddress, stream.localPort));
  const made = hex(hashed.high) + hex(hashed.low);
  stream.answerCookie = setCookie(cookie, made);
  return made;
}

function hex(half: number): string {
  return (half >>> 0).toString(16).padStart(8, '0');
}
