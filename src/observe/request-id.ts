// @hot
// x-request-id as Envoy makes it: a random UUID, version 4, in lower case. Its version digit is where Envoy notes the
// trace decision (4: none). Worker thread.

import type { Random } from '../core/random.ts';

const LENGTH = 36;
const HEX = Buffer.from('0123456789abcdef', 'latin1');
/** The two digits of each byte. */
const DIGITS = new Uint8Array(512);
for (let byte = 0; byte < 256; byte++) {
  DIGITS[2 * byte] = HEX[byte >> 4]!;
  DIGITS[2 * byte + 1] = HEX[byte & 15]!;
}

/** Writes 36 bytes at `at`. @returns the offset behind them. */
export function writeRequestId(random: Random, buf: Uint8Array, at: number): number {
  const a = random.int32();
  const b = random.int32();
  const c = random.int32();
  const d = random.int32();
  writePair(buf, at, a >>> 16);
  writePair(buf, at + 4, a & 0xffff);
  buf[at + 8] = 45;
  writePair(buf, at + 9, b >>> 16);
  buf[at + 13] = 45;
  writePair(buf, at + 14, (b & 0x0fff) | 0x4000);
  buf[at + 18] = 45;
  writePair(buf, at + 19, ((c >>> 16) & 0x3fff) | 0x8000);
  buf[at + 23] = 45;
  writePair(buf, at + 24, c & 0xffff);
  writePair(buf, at + 28, d >>> 16);
  writePair(buf, at + 32, d & 0xffff);
  return at + LENGTH;
}

function writePair(buf: Uint8Array, at: number, pair: number): void {
  const high = (pair >>> 8) << 1;
  const low = (pair & 255) << 1;
  buf[at] = DIGITS[high]!;
  buf[at + 1] = DIGITS[high + 1]!;
  buf[at + 2] = DIGITS[low]!;
  buf[at + 3] = DIGITS[low + 1]!;
}
