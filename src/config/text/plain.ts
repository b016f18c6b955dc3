// A copy of a parsed or exported value that holds nothing but objects, lists, text, numbers, booleans and null, each of
// its own (YAML aliases and JS modules share), no deeper than a limit. Primary thread; pure.

import type { Problem } from '../errors.ts';
import { childPointer } from '../pointer.ts';

/** The language itself nests 12 deep. Protects every recursive walk that comes after. */
export const MAX_DEPTH = 64;

export interface PlainCopy {
  readonly value: unknown;
  readonly problems: Problem[];
}

export function plainCopy(value: unknown): PlainCopy {
  const problems: Problem[] = [];
  return { value: copy(value, '', 0, problems), problems };
}

function copy(value: unknown, pointer: string, depth: number, problems: Problem[]): unknown {
  if (value === null || typeof value === 'string' || typeof value === 'number' || typeof value === 'boolean') return value;
  if (typeof value !== 'object' || !isPlain(value)) {
    problems.push({ code: 'not-plain', pointer, message: `must be plain data, not ${describe(value)}` });
    return undefined;
  }
  if (depth >= MAX_DEPTH) {
    problems.push({ code: 'too-deep', pointer, message: `is nested deeper than ${MAX_DEPTH} levels` });
    return undefined;
  }
  if (Array.isArray(value)) {
    // Not `map`: a hole of a sparse list must be found, too.
    return Array.from(value, (item, index) => copy(item, childPointer(pointer, index), depth + 1, problems));
  }
  const result: Record<string, unknown> = {};
  for (const [key, item] of Object.entries(value)) {
    const at = childPointer(pointer, key);
    if (key === '__proto__') {
      problems.push({ code: 'forbidden-key', pointer: at, atKey: true, message: 'this key is not allowed' });
    } else if (item !== undefined) {
      result[key] = copy(item, at, depth + 1, problems);
    }
  }
  return result;
}

function isPlain(value: object): boolean {
  if (Array.isArray(value)) return true;
  const prototype: unknown = Object.getPrototypeOf(value);
  return prototype === null || Object.prototype.toString.call(value) === '[object Object]' && Object.getPrototypeOf(prototype as object) === null;
}

function describe(value: unknown): string {
  if (value === undefined) return 'undefined';
  if (typeof value !== 'object' || value === null) return `a ${typeof value}`;
  return `a ${(value.constructor as { name?: string } | undefined)?.name ?? 'class instance'}`;
}
