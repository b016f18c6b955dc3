// Builds a PathIndex: tries of objects first, then one flat array. At load on any thread; pure.

import { foldAscii } from '../rule/byte-string.ts';
import { PathIndex, SPARSE } from './path-index.ts';

interface Node {
  label: string;
  readonly children: Map<string, Node>;
  readonly prefix: List;
  readonly exact: List;
}

/** Route numbers, ascending, as the index has them. */
interface List {
  readonly entries: number[];
  /** The last route always matches: none behind it can be reached. */
  closed: boolean;
}

/** A route as the index knows it: its number, and whether the index has the last word on it. */
export interface IndexedRoute {
  readonly index: number;
  readonly certain: boolean;
  readonly caseSensitive: boolean;
}

export class PathIndexBuilder {
  private readonly root: Node = newNode('');
  private readonly foldedRoot: Node = newNode('');

  /** Routes must come in ascending order. The text is a byte string. */
  addPrefix(text: string, route: IndexedRoute): void {
    addTo(this.nodeFor(text, route).prefix, route);
  }

  addExact(text: string, route: IndexedRoute): void {
    addTo(this.nodeFor(text, route).exact, route);
  }

  build(): PathIndex {
    const words = [0]; // no node stands at 0, which means "none"
    const plain = flatten(this.root, words);
    const anyFolded = this.foldedRoot.children.size > 0 || this.foldedRoot.prefix.entries.length > 0;
    const folded = anyFolded ? flatten(this.foldedRoot, words) : { at: -1, maxLists: 0 };
    return new PathIndex({
      data: Int32Array.from(words),
      root: plain.at,
      foldedRoot: folded.at,
      maxLists: plain.maxLists + folded.maxLists,
    });
  }

  private nodeFor(text: string, route: IndexedRoute): Node {
    return route.caseSensitive ? descend(this.root, text) : descend(this.foldedRoot, foldAscii(text));
  }
}

function addTo(list: List, route: IndexedRoute): void {
  if (list.closed) return;
  list.entries.push(route.index * 2 + (route.certain ? 1 : 0));
  list.closed = route.certain;
}

/** The node for a text, made when it is not there yet. */
function descend(root: Node, text: string): Node {
  let node = root;
  let at = 0;
  while (at < text.length) {
    const child = node.children.get(text[at]!);
    if (child === undefined) {
      const leaf = newNode(text.slice(at));
      node.children.set(text[at]!, leaf);
      return leaf;
    }
    const shared = sharedLength(child.label, text, at);
    at += shared;
    node = shared === child.label.length ? child : split(node, child, shared);
  }
  return node;
}

/** Puts a node between `parent` and `child`, after `length` characters of the child's label. */
function split(parent: Node, child: Node, length: number): Node {
  const middle = newNode(child.label.slice(0, length));
  parent.children.set(middle.label[0]!, middle);
  child.label = child.label.slice(length);
  middle.children.set(child.label[0]!, child);
  return middle;
}

/**
 * Appends all nodes, parents before children and a node's first descendants close behind it. Says where the root stands,
 * and how many lists a walk can meet at most. No recursion: chains may be long.
 */
function flatten(root: Node, words: number[]): { at: number; maxLists: number } {
  const waiting: { node: Node; edge: number; met: number }[] = [{ node: root, edge: 0, met: 0 }];
  const start = words.length;
  let maxLists = 0;
  for (let next = waiting.pop(); next !== undefined; next = waiting.pop()) {
    const { node, edge } = next;
    if (edge > 0) words[edge] = words.length;
    const met = next.met + (node.prefix.entries.length > 0 ? 1 : 0);
    maxLists = Math.max(maxLists, met + (node.exact.entries.length > 0 ? 1 : 0));
    const edges = writeNode(node, words);
    for (const child of node.children.values()) waiting.push({ node: child, edge: edges.get(child)!, met });
  }
  return { at: start, maxLists };
}

/** @returns where the word with each child's place stands, to be filled in. */
function writeNode(node: Node, words: number[]): Map<Node, number> {
  const label = Buffer.from(node.label.slice(1), 'latin1');
  const children = [...node.children.values()].sort((a, b) => firstByte(a) - firstByte(b));
  const smallest = children.length > 0 ? firstByte(children[0]!) : 0;
  const range = children.length > 0 ? firstByte(children.at(-1)!) - smallest + 1 : 0;
  const sparse = range > 8 && range > children.length * 4;
  const count = sparse ? children.length : range;
  words.push(label.length, node.prefix.entries.length, node.exact.entries.length);
  words.push(smallest + count * 256 + (sparse ? SPARSE : 0));
  pushBytes(label, words);
  for (const entry of node.prefix.entries) words.push(entry);
  for (const entry of node.exact.entries) words.push(entry);
  const table = words.length;
  for (let k = 0; k < count; k++) words.push(sparse ? firstByte(children[k]!) : 0);
  if (sparse) for (let k = 0; k < count; k++) words.push(0);
  return new Map(children.map((child, k) => [child, sparse ? table + count + k : table + firstByte(child) - smallest]));
}

/** In the machine's own byte order, four to a word: the index reads them through a byte view of the same memory. */
function pushBytes(bytes: Buffer, words: number[]): void {
  const padded = new Uint8Array((bytes.length + 3) & ~3);
  padded.set(bytes);
  for (const word of new Int32Array(padded.buffer)) words.push(word);
}

function firstByte(node: Node): number {
  return node.label.charCodeAt(0);
}

function newNode(label: string): Node {
  return { label, children: new Map(), prefix: { entries: [], closed: false }, exact: { entries: [], closed: false } };
}

function sharedLength(label: string, key: string, at: number): number {
  let n = 0;
  while (n < label.length && at + n < key.length && label[n] === key[at + n]) n++;
  return n;
}
