// @hot
// Matches a URI template: `/users/{id}`, `/files/{path=**}.gz`, `/a/*/b`. Envoy's rules, settled on 1.40: `*` and `{name}`
// take one or more characters of one segment, `**` takes any number over segments. Because a segment holds at most one
// wildcard and nothing but literal text follows `**`, every wildcard's end is known at once: one pass, no going back.
// Worker thread; made by template-parser.ts; `spans` is scratch that is valid until the next match.

export const LITERAL = 0;
export const GLOB = 1;
export const TEXT_GLOB = 2;
export const OPEN = 3;
export const CLOSE = 4;

export interface Piece {
  readonly kind: 0 | 1 | 2 | 3 | 4;
  /** Of a literal. */
  readonly text: string;
  /** Of OPEN and CLOSE: which variable. */
  readonly variable: number;
  /** Of GLOB: literal characters between it and the end of its segment; of TEXT_GLOB: to the end of the template. */
  readonly tail: number;
}

/** What a wildcard may take, by byte: RFC 3986 pchar with `%` unchecked. */
const SEGMENT_BYTE = new Uint8Array(256);
for (const char of "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~%!$&'()*+,;:@=") {
  SEGMENT_BYTE[char.charCodeAt(0)] = 1;
}
const SLASH = 47;

export class PathTemplate {
  readonly text: string;
  readonly variables: readonly string[];
  /** The literal text every matching path begins with. */
  readonly prefix: string;
  private readonly pieces: readonly Piece[];
  private readonly spans: Int32Array;

  constructor(text: string, pieces: readonly Piece[], variables: readonly string[]) {
    this.text = text;
    this.variables = variables;
    this.pieces = pieces;
    this.spans = new Int32Array(variables.length * 2);
    let prefix = '';
    for (const piece of pieces) {
      if (piece.kind === GLOB || piece.kind === TEXT_GLOB) break;
      prefix += piece.text;
    }
    this.prefix = prefix;
  }

  /** Does `path[0 … end)` match as a whole? */
  matches(path: string, end: number): boolean {
    const pieces = this.pieces;
    let at = 0;
    for (let k = 0; k < pieces.length; k++) {
      const piece = pieces[k]!;
      switch (piece.kind) {
        case LITERAL:
          if (!path.startsWith(piece.text, at)) return false;
          at += piece.text.length;
          break;
        case GLOB: {
          const last = segmentEnd(path, at, end) - piece.tail;
          if (last <= at) return false;
          at = last;
          break;
        }
        case TEXT_GLOB: {
          const last = end - piece.tail;
          if (last < at || textEnd(path, at, last) !== last) return false;
          at = last;
          break;
        }
        case OPEN:
          this.spans[piece.variable * 2] = at;
          break;
        default:
          this.spans[piece.variable * 2 + 1] = at;
      }
    }
    return at === end;
  }

  /** The value of a variable in the path that `matches` said yes to last. */
  value(path: string, variable: number): string {
    return path.slice(this.spans[variable * 2], this.spans[variable * 2 + 1]);
  }
}

function segmentEnd(path: string, from: number, end: number): number {
  let i = from;
  while (i < end && SEGMENT_BYTE[path.charCodeAt(i)] === 1) i++;
  return i;
}

function textEnd(path: string, from: number, end: number): number {
  let i = from;
  while (i < end) {
    const byte = path.charCodeAt(i);
    if (byte !== SLASH && SEGMENT_BYTE[byte] !== 1) break;
    i++;
  }
  return i;
}
