// @hot
// Finds which routes a path can match, by the text it is or begins with: a compressed trie in flat arrays, so that ten
// thousand routes cost a few steps more than ten. One walk over the path gives every list of candidates on the way; each
// list ascends, so the first match in list order is found by merging them.
// Worker thread; made by path-index-builder.ts; read-only afterwards.

/** Numbers per node: label start, label end, prefix list start, end, exact list start, end. */
export const NODE = 6;
const QUESTION = 63;
const HASH = 35;

/** The lists one path met: `count` ranges of a `lists` array, each consumed from its start. Scratch, one per table. */
export class Candidates {
  count = 0;
  readonly from: Int32Array;
  readonly to: Int32Array;

  constructor(size: number) {
    this.from = new Int32Array(size);
    this.to = new Int32Array(size);
  }
}

export class PathIndex {
  private readonly nodes: Int32Array;
  private readonly labels: Uint8Array;
  /** Open addressing: key (node * 256 + first byte, plus 1 so that 0 is free), child. The length is a power of two. */
  private readonly edges: Int32Array;
  private readonly edgeMask: number;
  /** Case-insensitive: labels are lower-case, the path's letters are folded on the way. */
  private readonly fold: boolean;
  /** The most lists that one walk can meet. */
  readonly maxLists: number;

  constructor(parts: { nodes: Int32Array; labels: Uint8Array; edges: Int32Array; fold: boolean; maxLists: number }) {
    this.nodes = parts.nodes;
    this.labels = parts.labels;
    this.edges = parts.edges;
    this.edgeMask = parts.edges.length - 1;
    this.fold = parts.fold;
    this.maxLists = parts.maxLists;
  }

  /** Adds the lists of this path to `into`. The path ends at a query or a fragment. */
  collect(path: string, into: Candidates): void {
    const nodes = this.nodes;
    const labels = this.labels;
    const fold = this.fold;
    const length = path.length;
    let node = 0;
    let i = 0;
    for (;;) {
      if (nodes[node + 2] !== nodes[node + 3]) push(into, nodes[node + 2]!, nodes[node + 3]!);
      let byte = i < length ? path.charCodeAt(i) : QUESTION;
      if (byte === QUESTION || byte === HASH) {
        if (nodes[node + 4] !== nodes[node + 5]) push(into, nodes[node + 4]!, nodes[node + 5]!);
        return;
      }
      if (fold && byte >= 65 && byte <= 90) byte |= 32;
      node = this.child(node, byte);
      if (node < 0) return;
      const labelEnd = nodes[node + 1]!;
      i++;
      for (let k = nodes[node]! + 1; k < labelEnd; k++, i++) {
        if (i >= length) return;
        byte = path.charCodeAt(i);
        if (fold && byte >= 65 && byte <= 90) byte |= 32;
        if (byte !== labels[k]) return;
      }
    }
  }

  /** The child whose label begins with this byte; -1 when there is none. Nodes are offsets into `nodes`. */
  private child(node: number, byte: number): number {
    const edges = this.edges;
    const mask = this.edgeMask;
    const key = edgeKey(node, byte);
    for (let slot = edgeSlot(key, mask); ; slot = (slot + 2) & mask) {
      const found = edges[slot]!;
      if (found === key) return edges[slot + 1]!;
      if (found === 0) return -1;
    }
  }
}

export function edgeKey(node: number, byte: number): number {
  return ((node / NODE) << 8) + byte + 1;
}

/** The first slot to try: even, below the table's length. */
export function edgeSlot(key: number, mask: number): number {
  const mixed = Math.imul(key, 0x9e3779b1);
  return ((mixed ^ (mixed >>> 15)) << 1) & mask;
}

function push(into: Candidates, from: number, to: number): void {
  into.from[into.count] = from;
  into.to[into.count] = to;
  into.count++;
}
