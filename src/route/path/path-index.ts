// @hot
// Finds which routes a path can match, by the text it is or begins with: two compressed tries (letters' case counts, or
// not) in one flat array. One walk over the path gives every list of candidates on the way; each list ascends, so the
// first match in list order is found by merging them. A node, its label, its lists and its edges stand side by side,
// because with ten thousand routes the time goes into cache misses, not into steps.
// Worker thread; made by path-index-builder.ts; read-only but for the candidates, the scratch of one walk.
//
// A node, in 32-bit words:
//   label length in bytes | prefix list length | exact list length | edges | label … | prefix list … | exact list … | edges …
// The label leaves out its first byte, which the edge has. A list entry is 2 * route number + 1 when the route is certain.
// `edges` is the smallest first byte + 256 * count: dense, one word (child or 0) per byte from the smallest on; or with
// SPARSE, the bytes and then the children.

const HEADER = 4;
export const SPARSE = 1 << 20;
const QUESTION = 63;
const HASH = 35;

export class PathIndex {
  readonly data: Int32Array;
  /** The ranges of `data` that the last walk met: `count` lists of candidates. */
  count = 0;
  readonly from: Int32Array;
  readonly to: Int32Array;
  private readonly bytes: Uint8Array;
  private readonly root: number;
  /** -1: every route minds the case. */
  private readonly foldedRoot: number;

  constructor(parts: { data: Int32Array; root: number; foldedRoot: number; maxLists: number }) {
    this.data = parts.data;
    this.bytes = new Uint8Array(parts.data.buffer);
    this.root = parts.root;
    this.foldedRoot = parts.foldedRoot;
    this.from = new Int32Array(parts.maxLists);
    this.to = new Int32Array(parts.maxLists);
  }

  /** Finds the lists of this path. The path ends at a query or a fragment. */
  collect(path: string): void {
    this.count = 0;
    this.walk(path);
    if (this.foldedRoot >= 0) this.walkFolded(path);
  }

  private walk(path: string): void {
    const data = this.data;
    const bytes = this.bytes;
    const length = path.length;
    let node = this.root;
    let i = 0;
    while (node > 0) {
      const labelLength = data[node]!;
      const label = (node + HEADER) << 2;
      if (i + labelLength > length) return;
      for (let k = 0; k < labelLength; k++) if (path.charCodeAt(i + k) !== bytes[label + k]) return;
      i += labelLength;
      const byte = i < length ? path.charCodeAt(i) : QUESTION;
      node = this.visit(node, byte);
      i++;
    }
  }

  /** As `walk`, with A … Z of the path taken for a … z. */
  private walkFolded(path: string): void {
    const { data, bytes } = this;
    const length = path.length;
    let node = this.foldedRoot;
    let i = 0;
    while (node > 0) {
      const labelLength = data[node]!;
      const label = (node + HEADER) << 2;
      if (i + labelLength > length) return;
      for (let k = 0; k < labelLength; k++) if (fold(path.charCodeAt(i + k)) !== bytes[label + k]) return;
      i += labelLength;
      const byte = i < length ? fold(path.charCodeAt(i)) : QUESTION;
      node = this.visit(node, byte);
      i++;
    }
  }

  /** The path has come to the end of this node's label, `byte` is next. Notes the lists; says where to go on, or 0. */
  private visit(node: number, byte: number): number {
    const data = this.data;
    const prefixes = node + HEADER + ((data[node]! + 3) >> 2);
    const exacts = prefixes + data[node + 1]!;
    if (exacts !== prefixes) this.push(prefixes, exacts);
    const table = exacts + data[node + 2]!;
    if (byte === QUESTION || byte === HASH) {
      if (table !== exacts) this.push(exacts, table);
      return 0;
    }
    const edges = data[node + 3]!;
    const count = (edges >> 8) & 0xfff;
    if (edges < SPARSE) {
      const place = byte - (edges & 0xff);
      return place >= 0 && place < count ? data[table + place]! : 0;
    }
    for (let k = 0; k < count; k++) if (data[table + k] === byte) return data[table + count + k]!;
    return 0;
  }

  private push(from: number, to: number): void {
    this.from[this.count] = from;
    this.to[this.count] = to;
    this.count++;
  }
}

function fold(byte: number): number {
  return byte >= 65 && byte <= 90 ? byte | 32 : byte;
}
