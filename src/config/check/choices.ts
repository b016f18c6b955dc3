// "Exactly one of" and "at most one of" several keys; keys that contradict others; names that may appear once. Primary thread; pure.

import type { Problem } from '../errors.ts';
import type { Place } from '../place.ts';

/** The one key that is there; null (with a problem) when there is none or more than one. */
export function exactlyOne(place: Place, what: string, keys: readonly string[], problems: Problem[]): string | null {
  if (!place.isObject()) return null;
  const given = keys.filter((key) => place.has(key));
  if (given.length === 1) return given[0] ?? null;
  if (given.length === 0) {
    problems.push({ code: 'one-of', pointer: place.pointer, message: `${what} needs one of ${keys.join(', ')}`, wanted: keys });
    return null;
  }
  problems.push(tooMany(place, what, keys, given));
  return null;
}

export function atMostOne(place: Place, what: string, keys: readonly string[], problems: Problem[]): void {
  const given = keys.filter((key) => place.has(key));
  if (given.length > 1) problems.push(tooMany(place, what, keys, given));
}

/** A key that is there in vain. */
export function conflict(place: Place, message: string, problems: Problem[]): void {
  problems.push({ code: 'conflict', pointer: place.pointer, atKey: true, message });
}

function tooMany(place: Place, what: string, keys: readonly string[], given: readonly string[]): Problem {
  const extra = place.at(given[1] ?? '');
  return { code: 'one-of', pointer: extra.pointer, atKey: true, message: `${what} takes only one of ${keys.join(', ')}, but has ${given.join(' and ')}` };
}

/** Remembers texts and where they stood, and reports the second of two. */
export class Register {
  private readonly first = new Map<string, string>();
  private readonly code: Problem['code'];
  private readonly problems: Problem[];

  constructor(code: Problem['code'], problems: Problem[]) {
    this.code = code;
    this.problems = problems;
  }

  /** @param what the subject of the message: `the name "a"`. */
  add(text: string, pointer: string, what: string): void {
    const before = this.first.get(text);
    if (before === undefined) this.first.set(text, pointer);
    else this.problems.push({ code: this.code, pointer, message: `${what} is taken already by ${before}` });
  }
}
