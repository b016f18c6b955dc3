// YAML 1.2 (core schema, anchors, merge keys, one document) → value and positions. Primary thread; pure.

import { isAlias, isMap, isScalar, isSeq, LineCounter, parseDocument, visit } from 'yaml';
import type { Document, Pair, YAMLError, YAMLMap } from 'yaml';

import type { Position, Problem } from '../errors.ts';
import { pointerSegments } from '../pointer.ts';
import type { ParsedText } from './text.ts';

/** Aliases may not multiply the document beyond this (the "billion laughs" of YAML). */
const MAX_ALIASES = 1000;
/** What V8 says when recursion has exhausted the stack; the library passes it on as an error of the text. */
const STACK_MESSAGE = 'Maximum call stack';

export function parseYamlText(text: string): ParsedText {
  const lines = new LineCounter();
  const document = parseDocument(text, {
    version: '1.2',
    schema: 'core',
    merge: true,
    uniqueKeys: true,
    stringKeys: true,
    prettyErrors: false,
    lineCounter: lines,
  });
  const position = (offset: number): Position => {
    const { line, col } = lines.linePos(offset);
    return { line, column: col };
  };
  const problems = [...document.errors, ...document.warnings].map((error) => ({ ...explain(error), position: position(error.pos[0]) }));
  for (const offset of unknownAliases(document)) {
    problems.push({ code: 'syntax', pointer: '', message: 'the alias names no anchor above it', position: position(offset) });
  }
  const locate = (pointer: string, atKey: boolean): Position | null => position(offsetOf(document, pointer, atKey));
  if (problems.length === 0 && document.contents === null) {
    problems.push({ code: 'syntax', pointer: '', message: 'the file is empty', position: { line: 1, column: 1 } });
  }
  return { value: problems.length > 0 ? undefined : readValue(document, problems), problems: oncePerPlace(problems), locate };
}

function explain(error: YAMLError): Problem {
  if (error.message.startsWith(STACK_MESSAGE)) return { code: 'too-deep', pointer: '', message: 'is nested too deep' };
  if (error.code === 'DUPLICATE_KEY') return { code: 'duplicate-key', pointer: '', message: 'this key is given twice' };
  if (error.code === 'MULTIPLE_DOCS') return { code: 'syntax', pointer: '', message: 'a second document begins; a configuration is one' };
  return { code: 'syntax', pointer: '', message: firstLine(error.message) };
}

/** Of a text too deep for the parser, every level is reported: the first is enough. */
function oncePerPlace(problems: readonly Problem[]): Problem[] {
  const deep = problems.find((problem) => problem.code === 'too-deep');
  return deep === undefined ? [...problems] : [deep];
}

function unknownAliases(document: Document.Parsed): number[] {
  const offsets: number[] = [];
  if (document.errors.length > 0) return offsets;
  visit(document, {
    Alias: (_key, alias) => {
      if (alias.resolve(document) === undefined) offsets.push(rangeStart(alias));
    },
  });
  return offsets;
}

function readValue(document: Document.Parsed, problems: Problem[]): unknown {
  try {
    return document.toJS({ maxAliasCount: MAX_ALIASES }) as unknown;
  } catch (error) {
    const message = error instanceof RangeError ? 'is nested too deep' : firstLine(String((error as Error).message));
    problems.push({ code: error instanceof RangeError ? 'too-deep' : 'syntax', pointer: '', message, position: { line: 1, column: 1 } });
    return undefined;
  }
}

function firstLine(text: string): string {
  return text.split('\n', 1)[0] ?? text;
}

function offsetOf(document: Document.Parsed, pointer: string, atKey: boolean): number {
  let node: unknown = document.contents;
  let offset = rangeStart(node);
  for (const segment of pointerSegments(pointer)) {
    const target = isAlias(node) ? node.resolve(document) : node;
    const pair = isMap(target) ? findPair(target, segment, document) : undefined;
    const next: unknown = pair ? (pair.value ?? pair.key) : isSeq(target) ? target.items[Number(segment)] : undefined;
    if (next === undefined || next === null) return offset;
    node = next;
    offset = rangeStart(pair && atKey ? pair.key : next) || offset;
  }
  return offset;
}

function findPair(map: YAMLMap, key: string, document: Document.Parsed): Pair | undefined {
  const direct = map.items.find((pair) => keyText(pair.key) === key);
  if (direct !== undefined) return direct;
  const merged = map.items.find((pair) => keyText(pair.key) === '<<');
  if (merged === undefined) return undefined;
  const sources: unknown[] = isSeq(merged.value) ? merged.value.items : [merged.value];
  for (const source of sources) {
    const target = isAlias(source) ? source.resolve(document) : source;
    const found = isMap(target) ? findPair(target, key, document) : undefined;
    if (found !== undefined) return found;
  }
  return undefined;
}

function keyText(key: unknown): string {
  return isScalar(key) ? String(key.value) : String(key);
}

function rangeStart(node: unknown): number {
  const range = (node as { range?: readonly number[] | null } | null)?.range;
  return range?.[0] ?? 0;
}
