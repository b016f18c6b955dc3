// "Did you mean …?": the nearest known word, if it is near enough to be meant. Primary thread; pure.

import { closest, distance } from 'fastest-levenshtein';

export function suggest(word: string, known: readonly string[]): { suggestion?: string } {
  const lower = word.toLowerCase();
  const sameButCase = known.find((candidate) => candidate.toLowerCase() === lower);
  if (sameButCase !== undefined) return { suggestion: sameButCase };
  if (known.length === 0) return {};
  const nearest = closest(word, known);
  return distance(lower, nearest.toLowerCase()) <= Math.max(2, Math.floor(word.length / 3)) ? { suggestion: nearest } : {};
}
