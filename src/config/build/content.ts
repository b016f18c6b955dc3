// Content hash and deep freeze of plain data. Primary thread; `freezeDeep` changes its argument, and nothing else.

import { createHash } from 'node:crypto';

/** Enough that two configurations of one process never meet. */
const HASH_DIGITS = 16;

/**
 * SHA-256 of the JSON text, hex, shortened. Equal content gives equal text because `build/` writes the keys of each kind
 * of object in one order; where the order is the user's (header edits, JSON access logs), it is part of the content.
 */
export function contentHash(value: unknown): string {
  return createHash('sha256').update(JSON.stringify(value)).digest('hex').slice(0, HASH_DIGITS);
}

export function freezeDeep<T>(value: T): T {
  if (typeof value === 'object' && value !== null && !Object.isFrozen(value)) {
    Object.freeze(value);
    for (const item of Object.values(value)) freezeDeep(item);
  }
  return value;
}
