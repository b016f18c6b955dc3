// Content hash and deep freeze of plain data. Primary thread; `freezeDeep` changes its argument, and nothing else.

import { createHash } from 'node:crypto';

/** Enough that two configurations of one process never meet. */
const HASH_DIGITS = 16;

/** SHA-256 of the canonical form (keys sorted, no blanks), hex, shortened: equal content, equal hash. */
export function contentHash(value: unknown): string {
  return createHash('sha256').update(JSON.stringify(value, sortKeys)).digest('hex').slice(0, HASH_DIGITS);
}

function sortKeys(_key: string, value: unknown): unknown {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return value;
  return Object.fromEntries(Object.entries(value).sort(([a], [b]) => (a < b ? -1 : 1)));
}

export function freezeDeep<T>(value: T): T {
  if (typeof value === 'object' && value !== null && !Object.isFrozen(value)) {
    Object.freeze(value);
    for (const item of Object.values(value)) freezeDeep(item);
  }
  return value;
}
