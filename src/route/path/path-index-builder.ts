// Builds a PathIndex: a trie of objects first, then flat arrays. At load on any thread; pure.

import { NODE, PathIndex, edgeKey, edgeSlot } from './path-index.ts';

interface Node {
  label: string;
  readonly children: Map<string, Node>;
  /** Route numbers, ascending. */
  readonly prefix: number[];
  readonly exact: number[];
  /** The last route of the list always matches: none behind it can be reached. */
  prefixClosed: boolean;
  exactClosed: boolean;
}

export class PathIndexBuilder {
  private readonly fold: boolean;
  private readonly root: Node = newNode('');
  private count = 1;

  constructor(fold: boolean) {
    this.fold = fold;
  }

  /** Routes must come in ascending order. The text is a byte string. `certain`: the route asks for nothing else. */
  addPrefix(text: string, route: number, certain: boolean): void {
    const node = this.nodeFor(text);
    if (node.prefixClosed) return;
    node.prefix.push(route);
    node.prefixClosed = certain;
  }

  addExact(text: string, route: number, certain: boolean): void {
    const node = this.nodeFor(text);
    if (node.exactClosed) return;
    node.exact.push(route);
    node.exactClosed = certain;
  }

  /** @param lists route numbers of all indices of one table; this one's are appended. */
  build(lists: number[]): PathIndex {
    const edgeSlots = powerOfTwo(this.count * 2);
    const flat: Flat = {
      nodes: new Int32Array(this.count * NODE),
      labels: [],
      edges: new Int32Array(edgeSlots * 2),
      lists,
    };
    const maxLists = flatten(this.root, flat);
    const { nodes, edges } = flat;
    return new PathIndex({ nodes, edges, labels: Uint8Array.from(flat.labels), fold: this.fold, maxLists });
  }

  private nodeFor(text: string): Node {
    const key = this.fold ? foldAscii(text) : text;
    let node = this.root;
    let at = 0;
    while (at < key.length) {
      const child = node.children.get(key[at]!);
      if (child === undefined) {
        const leaf = newNode(key.slice(at));
        node.children.set(key[at]!, leaf);
        this.count++;
        return leaf;
      }
      const shared = sharedLength(child.label, key, at);
      at += shared;
      node = shared === child.label.length ? child : this.split(node, child, shared);
    }
    return node;
  }

  /** Puts a node between `parent` and `child`, after `length` characters of the child's label. */
  private split(parent: Node, child: Node, length: number): Node {
    const middle = newNode(child.label.slice(0, length));
    parent.children.set(middle.label[0]!, middle);
    child.label = child.label.slice(length);
    middle.children.set(child.label[0]!, child);
    this.count++;
    return middle;
  }
}

interface Flat {
  readonly nodes: Int32Array;
  readonly labels: number[];
  readonly edges: Int32Array;
  readonly lists: number[];
}

/** Writes all nodes, parents first; says how many lists a walk can meet at most. No recursion: chains may be long. */
function flatten(root: Node, flat: Flat): number {
  const waiting: { node: Node; parent: number; met: number }[] = [{ node: root, parent: -1, met: 0 }];
  let written = 0;
  let maxLists = 0;
  for (let next = waiting.pop(); next !== undefined; next = waiting.pop()) {
    const { node, parent } = next;
    const at = written++ * NODE;
    if (parent >= 0) addEdge(flat.edges, edgeKey(parent, node.label.charCodeAt(0)), at);
    writeNode(node, flat, at);
    const met = next.met + (node.prefix.length > 0 ? 1 : 0);
    maxLists = Math.max(maxLists, met + (node.exact.length > 0 ? 1 : 0));
    for (const child of node.children.values()) waiting.push({ node: child, parent: at, met });
  }
  return maxLists;
}

function writeNode(node: Node, flat: Flat, at: number): void {
  flat.nodes[at] = flat.labels.length;
  for (let i = 0; i < node.label.length; i++) flat.labels.push(node.label.charCodeAt(i));
  flat.nodes[at + 1] = flat.labels.length;
  writeList(node.prefix, flat, at + 2);
  writeList(node.exact, flat, at + 4);
}

function writeList(routes: readonly number[], flat: Flat, at: number): void {
  flat.nodes[at] = flat.lists.length;
  for (const route of routes) flat.lists.push(route);
  flat.nodes[at + 1] = flat.lists.length;
}

function addEdge(edges: Int32Array, key: number, child: number): void {
  const mask = edges.length - 1;
  let slot = edgeSlot(key, mask);
  while (edges[slot] !== 0) slot = (slot + 2) & mask;
  edges[slot] = key;
  edges[slot + 1] = child;
}

function newNode(label: string): Node {
  return { label, children: new Map(), prefix: [], exact: [], prefixClosed: false, exactClosed: false };
}

function sharedLength(label: string, key: string, at: number): number {
  let n = 0;
  while (n < label.length && at + n < key.length && label[n] === key[at + n]) n++;
  return n;
}

function foldAscii(text: string): string {
  return text.replace(/[A-Z]/g, (letter) => letter.toLowerCase());
}

function powerOfTwo(atLeast: number): number {
  let size = 2;
  while (size < atLeast) size *= 2;
  return size;
}
