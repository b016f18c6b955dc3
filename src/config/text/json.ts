// JSON with comments and trailing commas → value and positions. Primary thread; pure.

import { findNodeAtLocation, parseTree, printParseErrorCode } from 'jsonc-parser';
import type { Node, ParseError } from 'jsonc-parser';

import type { Problem } from '../errors.ts';
import { childPointer, pointerSegments } from '../pointer.ts';
import { Lines } from './lines.ts';
import { MAX_DEPTH } from './plain.ts';
import type { ParsedText } from './text.ts';

const SYNTAX_MESSAGES: Readonly<Record<string, string>> = {
  InvalidSymbol: 'unexpected word; text stands in double quotes',
  InvalidNumberFormat: 'not a number',
  PropertyNameExpected: 'a key in double quotes is expected here',
  ValueExpected: 'a value is expected here',
  ColonExpected: 'a colon is expected here',
  CommaExpected: 'a comma is expected here',
  CloseBraceExpected: 'a closing } is expected here',
  CloseBracketExpected: 'a closing ] is expected here',
  EndOfFileExpected: 'the document has ended, but more text follows',
  InvalidCommentToken: 'not a comment',
  UnexpectedEndOfComment: 'the comment is not closed',
  UnexpectedEndOfString: 'the text is not closed with a double quote',
  UnexpectedEndOfNumber: 'the number is not complete',
  InvalidUnicode: 'the \\u escape is not complete',
  InvalidEscapeCharacter: 'no such escape',
  InvalidCharacter: 'a control character must be written as an escape',
};

export function parseJsonText(text: string): ParsedText {
  const lines = new Lines(text);
  const problems: Problem[] = [];
  const found = parseQuietly(text);
  if (found === null) {
    problems.push({ code: 'too-deep', pointer: '', message: `is nested deeper than ${MAX_DEPTH} levels` });
    return { value: undefined, problems, locate: () => ({ line: 1, column: 1 }) };
  }
  const { root, errors } = found;
  for (const error of errors) {
    const position = lines.position(error.offset);
    // What follows a mistake on its own line is mostly the same mistake.
    if (problems.at(-1)?.position?.line === position.line) continue;
    problems.push({ code: 'syntax', pointer: '', message: messageOf(error, text), position });
  }
  const value = root === undefined || problems.length > 0 ? undefined : new NodeReader(problems, lines).read(root, '', 0);
  return {
    value,
    problems,
    locate: (pointer, atKey) => (root === undefined ? null : lines.position(offsetOf(root, pointer, atKey))),
  };
}

/** Null when the nesting alone exhausts the stack of the parser. */
function parseQuietly(text: string): { root: Node | undefined; errors: ParseError[] } | null {
  const errors: ParseError[] = [];
  try {
    return { root: parseTree(text, errors, { allowTrailingComma: true }), errors };
  } catch (error) {
    if (error instanceof RangeError) return null;
    throw error;
  }
}

function messageOf(error: ParseError, text: string): string {
  if (text.trim() === '') return 'the file is empty';
  return SYNTAX_MESSAGES[printParseErrorCode(error.error)] ?? 'not valid JSON';
}

/** Plain data, and a problem for each key that cannot be in it. */
class NodeReader {
  private readonly problems: Problem[];
  private readonly lines: Lines;

  constructor(problems: Problem[], lines: Lines) {
    this.problems = problems;
    this.lines = lines;
  }

  read(node: Node, pointer: string, depth: number): unknown {
    if (depth > MAX_DEPTH) {
      this.problems.push({ code: 'too-deep', pointer, message: `is nested deeper than ${MAX_DEPTH} levels` });
      return undefined;
    }
    if (node.type === 'array') {
      return (node.children ?? []).map((child, index) => this.read(child, childPointer(pointer, index), depth + 1));
    }
    return node.type === 'object' ? this.readObject(node, pointer, depth) : node.value;
  }

  private readObject(node: Node, pointer: string, depth: number): Record<string, unknown> {
    const result: Record<string, unknown> = {};
    for (const { children = [] } of node.children ?? []) {
      const [keyNode, valueNode] = children;
      if (keyNode === undefined || valueNode === undefined) continue;
      const key = String(keyNode.value);
      const at = childPointer(pointer, key);
      if (key === '__proto__') this.refuse('forbidden-key', 'this key is not allowed', at, keyNode);
      else if (Object.hasOwn(result, key)) this.refuse('duplicate-key', 'this key is given twice', at, keyNode);
      else result[key] = this.read(valueNode, at, depth + 1);
    }
    return result;
  }

  private refuse(code: Problem['code'], message: string, pointer: string, keyNode: Node): void {
    this.problems.push({ code, pointer, message, position: this.lines.position(keyNode.offset) });
  }
}

function offsetOf(root: Node, pointer: string, atKey: boolean): number {
  let node = root;
  let offset = root.offset;
  for (const segment of pointerSegments(pointer)) {
    const step = node.type === 'array' ? Number(segment) : segment;
    const next = findNodeAtLocation(node, [step]);
    if (next === undefined) return offset;
    node = next;
    offset = next.offset;
  }
  const key = atKey && node.parent?.type === 'property' ? node.parent.children?.[0] : undefined;
  return key?.offset ?? offset;
}
