// YAML 1.2 (core schema, anchors, merge keys, one document) → value and positions. Primary thread; pure.

import { isAlias, isMap, isScalar, isSeq, LineCounter, parseDocument } from 'yaml';
import type { Document, Pair, YAMLMap } from 'yaml';

import type { Position, Problem } from '../errors.ts';
import { pointerSegments } from '../pointer.ts';
import type { ParsedText } from './text.ts';

/** Aliases may not multiply the document beyond this (the "billion laughs" of YAML). */
const MAX_ALIASES = 1000;

export function parseYamlText(text: string): ParsedText {
  const lines = new LineCounter();
  const document = parseDocument(text, {
    version: '1.2',
    schema: 'core',
    merge: true,
    uniqueKeys: true,
    prettyErrors: false,
    lineCounter: lines,
  });
  const position = (offset: number): Position => {
    const { line, col } = lines.linePos(offset);
    return { line, column: col };
  };
  const problems: Problem[] = [...document.errors, ...document.warnings].map((error) => ({
    code: error.code === 'DUPLICATE_KEY' ? 'duplicate-key' : 'syntax',
    pointer: '',
    message: error.code === 'DUPLICATE_KEY' ? 'this key is given twice' : firstLine(error.message),
    position: position(error.pos[0]),
  }));
  const locate = (pointer: string, atKey: boolean): Position | null => position(offsetOf(document, pointer, atKey));
  if (problems.length === 0 && document.contents === null) {
    problems.push({ code: 'syntax', pointer: '', message: 'the file is empty', position: { line: 1, column: 1 } });
  }
  return { value: problems.length > 0 ? undefined : readValue(document, problems), problems, locate };
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
