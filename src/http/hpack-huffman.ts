// @hot
// The Huffman code of RFC 7541 appendix B, both ways. Any thread; tables built at load.
// The code is canonical (shorter codes first, and within a length in the order of the symbols), so its lengths say it all.
// Decoding goes by half bytes: no code is shorter than five bits, so a step gives at most one symbol.

/** The length of each symbol's code, in base 32; the last is EOS. */
const LENGTHS =
  'dnsssssssoussussssssssusssssssss' +
  '6aacd68baa8b8666555666666678f6ca' +
  'd67777777777777777777777878djde6' +
  'f56565666577666567655677777fbeds' +
  'kmkkmmmnmnnnnnonoomnonnnnlmnmnno' +
  'mlkmmnnlnmmolmnnllmlnmnnkmmmnmmn' +
  'qqkjmnmpqqqrrqopjlqrrqrollqqsrrr' +
  'koklmllnmmppooqnqrqqrrrrrsrrrrrq' +
  'u';
const SYMBOLS = 257;
const EOS = 256;

const codes = new Uint32Array(SYMBOLS);
const lengths = new Uint8Array(SYMBOLS);

// A step: next state in bits 0–7, symbol in bits 8–15, then what the step means.
const EMIT = 1 << 16;
const BROKEN = 1 << 17;
/** After this step the input may end: fewer than eight bits of padding, all of them ones (section 5.2). */
const MAY_END = 1 << 18;
const steps = new Uint32Array(256 * 16);

/** Bytes that `[start, end)` takes in this code. */
export function huffmanLength(buf: Buffer, start: number, end: number): number {
  let bits = 0;
  for (let p = start; p < end; p++) bits += lengths[buf[p]!]!;
  return (bits + 7) >>> 3;
}

/** Writes `[start, end)` in this code; `huffmanLength` bytes. The ranges must not overlap. @returns the offset behind */
export function writeHuffman(out: Buffer, at: number, buf: Buffer, start: number, end: number): number {
  let pending = 0;
  let bits = 0;
  for (let p = start; p < end; p++) {
    const byte = buf[p]!;
    let left = lengths[byte]!;
    const code = codes[byte]!;
    // At most seven bits are pending, so a code goes in by parts of 24 bits or less.
    if (left > 24) {
      left -= 8;
      pending = (pending << 8) | (code >>> left);
      out[at++] = (pending >>> bits) & 255;
    }
    pending = (pending << left) | (code & ((1 << left) - 1));
    bits += left;
    while (bits >= 8) {
      bits -= 8;
      out[at++] = (pending >>> bits) & 255;
    }
  }
  if (bits > 0) out[at++] = ((pending << (8 - bits)) | (255 >>> bits)) & 255;
  return at;
}

/** Most bytes that `length` bytes in this code can stand for. */
export function huffmanRoom(length: number): number {
  return ((length * 8) / 5) | 0;
}

/** Decodes `[start, end)` into `target`. @returns the offset behind, or -1: EOS inside, or padding that is long or not ones. */
export function readHuffman(target: Buffer, at: number, buf: Buffer, start: number, end: number): number {
  let step = MAY_END;
  for (let p = start; p < end; p++) {
    const byte = buf[p]!;
    step = steps[((step & 255) << 4) | (byte >>> 4)]!;
    if ((step & EMIT) !== 0) target[at++] = (step >>> 8) & 255;
    else if ((step & BROKEN) !== 0) return -1;
    step = steps[((step & 255) << 4) | (byte & 15)]!;
    if ((step & EMIT) !== 0) target[at++] = (step >>> 8) & 255;
    else if ((step & BROKEN) !== 0) return -1;
  }
  return (step & MAY_END) !== 0 ? at : -1;
}

// ---- the tables ----

function assignCodes(): void {
  let code = 0;
  for (let length = 5; length <= 30; length++) {
    for (let symbol = 0; symbol < SYMBOLS; symbol++) {
      if (parseInt(LENGTHS[symbol]!, 32) !== length) continue;
      lengths[symbol] = length;
      codes[symbol] = code++;
    }
    code *= 2;
  }
}

/** The tree: two children for each inner node, as node number, or ~symbol for a leaf. */
function growTree(): Int32Array {
  const tree = new Int32Array(256 * 2);
  let nodes = 1;
  for (let symbol = 0; symbol < SYMBOLS; symbol++) {
    let node = 0;
    for (let bit = lengths[symbol]! - 1; bit >= 0; bit--) {
      const side = node * 2 + ((codes[symbol]! >>> bit) & 1);
      if (bit === 0) tree[side] = ~symbol;
      else if (tree[side] === 0) tree[side] = nodes++;
      node = tree[side]!;
    }
  }
  return tree;
}

/** The nodes that a run of fewer than eight ones leads to from the root. */
function endings(tree: Int32Array): Set<number> {
  const found = new Set([0]);
  let node = 0;
  for (let ones = 1; ones < 8; ones++) {
    node = tree[node * 2 + 1]!;
    found.add(node);
  }
  return found;
}

function stepFrom(tree: Int32Array, from: number, nibble: number): number {
  let node = from;
  let emitted = 0;
  for (let bit = 3; bit >= 0; bit--) {
    const child = tree[node * 2 + ((nibble >>> bit) & 1)]!;
    if (child === ~EOS) return BROKEN;
    if (child < 0) emitted = EMIT | (~child << 8);
    node = child < 0 ? 0 : child;
  }
  return emitted | node;
}

assignCodes();
const tree = growTree();
const mayEnd = endings(tree);
for (let node = 0; node < 256; node++) {
  for (let nibble = 0; nibble < 16; nibble++) {
    const step = stepFrom(tree, node, nibble);
    steps[(node << 4) | nibble] = mayEnd.has(step & 255) && (step & BROKEN) === 0 ? step | MAY_END : step;
  }
}
