// @hot
// What heads and trailers say of a gRPC call: whether it is one, its time-out, its status, its message.
// Any thread; pure, reads Heads only.

import { FIELD_CONTENT_TYPE } from '../core/fields.ts';
import { SPAN, type Head } from '../core/head.ts';

const TYPE = Buffer.from('application/grpc', 'latin1');
const STATUS = /^\d{1,9}$/;
const PLUS = 43;
const SEMICOLON = 59;
/** `grpc-timeout` has at most so many digits. */
const MAX_DIGITS = 8;
/** Milliseconds in each unit of `grpc-timeout`. */
const UNITS: Readonly<Record<string, number>> = { H: 3_600_000, M: 60_000, S: 1000, m: 1, u: 0.001, n: 0.000001 };

/** `application/grpc`, with or without a format behind `+`; not gRPC-Web. */
export function isGrpc(head: Head): boolean {
  const i = head.first[FIELD_CONTENT_TYPE]!;
  if (i < 0) return false;
  const start = head.base + head.spans[i * SPAN + 2]!;
  const end = head.base + head.spans[i * SPAN + 3]!;
  const after = start + TYPE.length;
  if (after > end || TYPE.compare(head.buf, start, after) !== 0) return false;
  return after === end || head.buf[after]! === PLUS || head.buf[after]! === SEMICOLON;
}

/** Milliseconds of `grpc-timeout`, rounded up; -1 without a lawful one. */
export function grpcTimeout(head: Head): number {
  const text = head.get('grpc-timeout');
  if (text === undefined || text.length < 2 || text.length > MAX_DIGITS + 1) return -1;
  const unit = UNITS[text.charAt(text.length - 1)];
  if (unit === undefined) return -1;
  let value = 0;
  for (let i = 0; i < text.length - 1; i++) {
    const digit = text.charCodeAt(i) - 48;
    if (digit < 0 || digit > 9) return -1;
    value = value * 10 + digit;
  }
  return Math.ceil(value * unit);
}

/** `ms` as a `grpc-timeout`, in the finest unit that its eight digits can hold. */
export function writeGrpcTimeout(ms: number): string {
  if (ms < 100_000_000) return `${ms}m`;
  const seconds = Math.floor(ms / 1000);
  return seconds < 100_000_000 ? `${seconds}S` : `${Math.min(99_999_999, Math.floor(seconds / 3600))}H`;
}

/** The `grpc-status` in a head or a trailer section; -1 when there is none. What is no number is Unknown (2). */
export function grpcStatusIn(head: Head | null): number {
  const text = head === null ? undefined : head.get('grpc-status');
  if (text === undefined) return -1;
  return STATUS.test(text) ? Number(text) : 2;
}

/** Percent-encoded as `grpc-message` wants it: everything but printable ASCII, and the percent sign. */
export function writeGrpcMessage(text: string): string {
  let encoded = '';
  const bytes = Buffer.from(text, 'utf8');
  for (let i = 0; i < bytes.length; i++) {
    const byte = bytes[i]!;
    if (byte >= 0x20 && byte <= 0x7e && byte !== 0x25) encoded += String.fromCharCode(byte);
    else encoded += `%${byte < 16 ? '0' : ''}${byte.toString(16).toUpperCase()}`;
  }
  return encoded;
}
