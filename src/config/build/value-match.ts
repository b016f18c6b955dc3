// A condition on a header or a query parameter → snapshot form. Primary thread; pure.

import { DEFAULTS } from '../defaults.ts';
import type { ValueMatchDocument, ValueMatchObject } from '../document.ts';
import type { ValueMatch } from '../snapshot.ts';

export function buildValueMatch(name: string, document: ValueMatchDocument): ValueMatch {
  const match: ValueMatchObject = typeof document === 'string' ? { exact: document } : document;
  const invert = match.invert ?? DEFAULTS.valueMatch.invert;
  const blank = { name, value: '', start: 0, end: 0, present: false, invert };
  for (const kind of ['exact', 'prefix', 'suffix', 'contains', 'regex'] as const) {
    const value = match[kind];
    if (value !== undefined) return { ...blank, kind, value };
  }
  if (match.range) return { ...blank, kind: 'range', start: match.range.start, end: match.range.end };
  return { ...blank, kind: 'present', present: match.present ?? true };
}
