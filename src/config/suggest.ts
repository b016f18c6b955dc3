// "Did you mean …?": the nearest known word, if it is near enough to be meant. Primary thread; pure.

import { closest, distance } from 'fastest-levenshtein';

export function suggest(word: string, known: readonly string[]): { suggestion?: string } {
  const lower = word.toLowerCase();
  const sameButCase = known.find((candidate) => candidate.toLowerCase() === lower);
  if (sameButCase !== undefined) return { suggestion: sameButCase };
  if (known.length === 0) return {};
  const longer = known.filter((candidate) => isStart(candidate.toLowerCase(), lower));
  if (longer.length === 1) return { suggestion: longer[0] ?? '' };
  const nearest = closest(word, known);
  const allowed = Math.min(Math.floor(word.length / 2), Math.max(2, Math.floor(word.length / 3)));
  return distance(lower, nearest.toLowerCase()) <= allowed ? { suggestion: nearest } : {};
}

/** "warn" and "warning", "timeout" and "timeouts". */
function isStart(a: string, b: string): boolean {
  return Math.min(a.length, b.length) >= 4 && (a.startsWith(b) || b.startsWith(a));
}
