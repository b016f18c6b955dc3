// @hot
// xxHash64 (XXH64, https://github.com/Cyan4973/xxHash/blob/dev/doc/xxhash_spec.md) over bytes and latin1 text: what Envoy hashes
// requests and hosts with. Any thread. 64-bit numbers are pairs of 32-bit halves; a result stands in `hashed` until the
// next call, so that nothing is allocated.

/** The last result, as two signed 32-bit halves. */
export const hashed = { high: 0, low: 0 };

// The five primes of the specification.
const P1H = 0x9e3779b1 | 0;
const P1L = 0x85ebca87 | 0;
const P2H = 0xc2b2ae3d | 0;
const P2L = 0x27d4eb4f | 0;
const P3H = 0x165667b1 | 0;
const P3L = 0x9e3779f9 | 0;
const P4H = 0x85ebca77 | 0;
const P4L = 0xc2b2ae63 | 0;
const P5H = 0x27d4eb2f | 0;
const P5L = 0x165667c5 | 0;
const TWO_32 = 4294967296;

// The number at work.
let high = 0;
let low = 0;

/** The bytes of the text that is being hashed. */
let scratch = new Uint8Array(256);

/** Hashes text whose characters are bytes. @param seed below 2^31 */
export function xxHash64(text: string, seed = 0): void {
  const { length } = text;
  if (length > scratch.length) scratch = new Uint8Array(2 * length);
  for (let i = 0; i < length; i++) scratch[i] = text.charCodeAt(i);
  xxHash64Bytes(scratch, length, seed);
}

/** Hashes the first bytes of an array. */
export function xxHash64Bytes(bytes: Uint8Array, length: number, seed = 0): void {
  let at = 0;
  if (length >= 32) {
    at = longPart(bytes, length, seed);
  } else {
    high = P5H;
    low = P5L;
    add(0, seed);
  }
  add(0, length);
  tail(bytes, length, at);
  // Avalanche.
  low ^= high >>> 1; // >> 33
  multiply(P2H, P2L);
  shiftXor29();
  multiply(P3H, P3L);
  hashed.high = high;
  hashed.low = low ^ high; // >> 32
}

function tail(bytes: Uint8Array, length: number, from: number): void {
  let at = from;
  for (; at + 8 <= length; at += 8) {
    const oldHigh = high;
    const oldLow = low;
    high = 0;
    low = 0;
    round(word(bytes, at + 4), word(bytes, at));
    high ^= oldHigh;
    low ^= oldLow;
    rotate(27);
    multiply(P1H, P1L);
    add(P4H, P4L);
  }
  if (at + 4 <= length) {
    const oldHigh = high;
    const oldLow = low;
    high = 0;
    low = word(bytes, at);
    multiply(P1H, P1L);
    high ^= oldHigh;
    low ^= oldLow;
    rotate(23);
    multiply(P2H, P2L);
    add(P3H, P3L);
    at += 4;
  }
  for (; at < length; at++) {
    const oldHigh = high;
    const oldLow = low;
    high = 0;
    low = bytes[at]!;
    multiply(P5H, P5L);
    high ^= oldHigh;
    low ^= oldLow;
    rotate(11);
    multiply(P1H, P1L);
  }
}

const lanes = new Int32Array(8);

/** Stripes of 32 bytes in four lanes. @returns where the rest begins */
function longPart(bytes: Uint8Array, length: number, seed: number): number {
  setLane(0, P1H, P1L, seed);
  add(P2H, P2L);
  lanes[0] = high;
  lanes[1] = low;
  setLane(2, P2H, P2L, seed);
  setLane(4, 0, 0, seed);
  // seed - P1 is seed + (-P1).
  setLane(6, ~P1H, -P1L, seed);
  let at = 0;
  for (; at + 32 <= length; at += 32) {
    for (let lane = 0; lane < 8; lane += 2) {
      const here = at + lane * 4;
      high = lanes[lane]!;
      low = lanes[lane + 1]!;
      round(word(bytes, here + 4), word(bytes, here));
      lanes[lane] = high;
      lanes[lane + 1] = low;
    }
  }
  mergeLanes();
  return at;
}

function setLane(lane: number, h: number, l: number, seed: number): void {
  high = h;
  low = l;
  add(0, seed);
  lanes[lane] = high;
  lanes[lane + 1] = low;
}

function mergeLanes(): void {
  let sumHigh = 0;
  let sumLow = 0;
  for (let lane = 0; lane < 8; lane += 2) {
    high = lanes[lane]!;
    low = lanes[lane + 1]!;
    rotate(lane === 0 ? 1 : lane === 2 ? 7 : lane === 4 ? 12 : 18);
    add(sumHigh, sumLow);
    sumHigh = high;
    sumLow = low;
  }
  for (let lane = 0; lane < 8; lane += 2) {
    high = 0;
    low = 0;
    round(lanes[lane]!, lanes[lane + 1]!);
    high ^= sumHigh;
    low ^= sumLow;
    multiply(P1H, P1L);
    add(P4H, P4L);
    sumHigh = high;
    sumLow = low;
  }
}

/** number = rotl(number + input * P2, 31) * P1 */
function round(inputHigh: number, inputLow: number): void {
  const accHigh = high;
  const accLow = low;
  high = inputHigh;
  low = inputLow;
  multiply(P2H, P2L);
  add(accHigh, accLow);
  rotate(31);
  multiply(P1H, P1L);
}

function word(bytes: Uint8Array, at: number): number {
  return bytes[at]! | (bytes[at + 1]! << 8) | (bytes[at + 2]! << 16) | (bytes[at + 3]! << 24);
}

function add(h: number, l: number): void {
  const sum = (low >>> 0) + (l >>> 0);
  high = (high + h + (sum >= TWO_32 ? 1 : 0)) | 0;
  low = sum | 0;
}

/** To the left, by 1 to 31. */
function rotate(by: number): void {
  const h = high;
  high = (h << by) | (low >>> (32 - by));
  low = (low << by) | (h >>> (32 - by));
}

function shiftXor29(): void {
  const h = high;
  high = h ^ (h >>> 29);
  low ^= (low >>> 29) | (h << 3);
}

function multiply(h: number, l: number): void {
  const a = low >>> 16;
  const b = low & 0xffff;
  const c = l >>> 16;
  const d = l & 0xffff;
  // Upper half of the product of the two lower halves, by pieces of 16 bits.
  const bd = Math.imul(b, d) >>> 0;
  const ad = Math.imul(a, d) >>> 0;
  const bc = Math.imul(b, c) >>> 0;
  const middle = (bd >>> 16) + (ad & 0xffff) + (bc & 0xffff);
  const top = Math.imul(a, c) + (ad >>> 16) + (bc >>> 16) + (middle >>> 16);
  high = (top + Math.imul(high, l) + Math.imul(low, h)) | 0;
  low = Math.imul(low, l);
}
