// Values that came from the environment are text; where the schema wants a number or a boolean and the text is one, it
// becomes one. Values written in the file are never touched. Primary thread; changes the given document.

import { pointerSegments } from '../pointer.ts';
import { FORMS } from './formats.ts';
import { nodesAtPointer } from './navigate.ts';
import type { Schema } from './parts.ts';

export function coerceValues(root: Schema, document: unknown, pointers: Iterable<string>): void {
  for (const pointer of pointers) {
    const nodes = nodesAtPointer(root, pointer);
    const segments = pointerSegments(pointer);
    const key = segments.pop();
    const parent = key === undefined ? undefined : follow(document, segments);
    const text = parent?.[key ?? ''];
    if (parent === undefined || key === undefined || typeof text !== 'string') continue;
    const value = coerceText(text, nodes);
    if (value !== text) parent[key] = value;
  }
}

function follow(document: unknown, segments: readonly string[]): Record<string, unknown> | undefined {
  let value: unknown = document;
  for (const segment of segments) {
    if (typeof value !== 'object' || value === null || !Object.hasOwn(value, segment)) return undefined;
    value = (value as Record<string, unknown>)[segment];
  }
  return typeof value === 'object' && value !== null ? (value as Record<string, unknown>) : undefined;
}

function coerceText(text: string, nodes: readonly Schema[]): unknown {
  if (nodes.some((node) => takesText(node, text))) return text;
  if (/^-?\d+(\.\d+)?$/.test(text) && nodes.some((node) => hasType(node, 'integer') || hasType(node, 'number'))) return Number(text);
  const wantsBoolean = (flag: boolean): boolean => nodes.some((node) => hasType(node, 'boolean') || node.const === flag);
  if (text === 'true' && wantsBoolean(true)) return true;
  return text === 'false' && wantsBoolean(false) ? false : text;
}

function takesText(node: Schema, text: string): boolean {
  if (node.const === text) return true;
  if (!hasType(node, 'string')) return false;
  if (node.enum !== undefined) return node.enum.includes(text);
  return node.format === undefined || FORMS[node.format].explain(text) === null;
}

function hasType(node: Schema, type: string): boolean {
  return node.type === type || (Array.isArray(node.type) && node.type.includes(type));
}
