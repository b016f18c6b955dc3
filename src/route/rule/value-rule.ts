// @hot
// One condition on a header or a query parameter. One class for all kinds, so that the call site knows one shape.
// As Envoy 1.40 does it: each value of a repeated header is asked by itself and one that matches is enough; a value that
// is not there matches nothing, inverted or not, unless presence itself is asked for.
// Compiled at load; asked on the worker.

import type { Head } from '../../core/head.ts';
import type { RoutedRequest } from '../routed-request.ts';
import type { LinearRegex } from './linear-regex.ts';
import { findParameter, parameterValue } from './query-string.ts';

export const EXACT = 0;
export const PREFIX = 1;
export const SUFFIX = 2;
export const CONTAINS = 3;
export const REGEX = 4;
export const RANGE = 5;
export const PRESENT = 6;

/** Where the value stands. */
export const HEADER = 0;
export const QUERY = 1;
export const METHOD = 2;
export const PATH = 3;
export const AUTHORITY = 4;
export const SCHEME = 5;

export class ValueRule {
  readonly source: number;
  readonly name: string;
  readonly kind: number;
  readonly text: string;
  readonly regex: LinearRegex | null;
  readonly start: number;
  readonly end: number;
  readonly present: boolean;
  readonly invert: boolean;

  constructor(where: { source: number; name: string }, what: RuleTest) {
    this.source = where.source;
    this.name = where.name;
    this.kind = what.kind;
    this.text = what.text;
    this.regex = what.regex;
    this.start = what.start;
    this.end = what.end;
    this.present = what.present;
    this.invert = what.invert;
  }

  matches(stream: RoutedRequest): boolean {
    if (this.source === HEADER) return this.matchesHead(stream.reqHead);
    const value = this.single(stream);
    if (value === undefined) return this.whenMissing();
    return this.holds(value) !== this.invert;
  }

  /** Of a header's rule: does any head, a request's or an answer's, have it so? */
  matchesHead(head: Head): boolean {
    let i = head.find(this.name);
    let seen = false;
    for (; i >= 0; i = head.find(this.name, i + 1)) {
      if (this.kind === PRESENT || this.holds(head.value(i))) return this.whenFound();
      seen = true;
    }
    const ready = head.readyValue(this.name);
    if (ready !== undefined) {
      if (this.kind === PRESENT || this.holds(ready)) return this.whenFound();
      seen = true;
    }
    const added = head.pairs;
    for (let k = 0; k < added.length; k += 2) {
      const name = added[k]!;
      if (name.length !== this.name.length || name.toLowerCase() !== this.name) continue;
      if (this.kind === PRESENT || this.holds(added[k + 1]!)) return this.whenFound();
      seen = true;
    }
    return seen ? this.invert : this.whenMissing();
  }

  /** A value passed, or is there when only that was asked. */
  private whenFound(): boolean {
    return (this.kind === PRESENT ? this.present : true) !== this.invert;
  }

  private whenMissing(): boolean {
    return this.kind === PRESENT ? !this.present !== this.invert : false;
  }

  private single(stream: RoutedRequest): string | undefined {
    switch (this.source) {
      case QUERY: {
        const at = findParameter(stream.path, this.name);
        if (at < 0) return undefined;
        return this.kind === PRESENT ? '' : parameterValue(stream.path, at);
      }
      case METHOD:
        return stream.method;
      case PATH:
        return stream.path;
      case AUTHORITY:
        return stream.authority === '' ? undefined : stream.authority;
      default:
        return stream.scheme;
    }
  }

  private holds(value: string): boolean {
    switch (this.kind) {
      case EXACT:
        return value === this.text;
      case PREFIX:
        return value.startsWith(this.text);
      case SUFFIX:
        return value.endsWith(this.text);
      case CONTAINS:
        return value.includes(this.text);
      case REGEX:
        return this.regex!.matches(value);
      case RANGE: {
        const number = parseDecimal(value);
        return number >= this.start && number < this.end;
      }
      default:
        return this.present;
    }
  }
}

export interface RuleTest {
  readonly kind: number;
  readonly text: string;
  readonly regex: LinearRegex | null;
  readonly start: number;
  readonly end: number;
  readonly present: boolean;
  readonly invert: boolean;
}

const LARGEST = 2 ** 63;

/** A whole decimal number with optional sign that fits 64 bits; NaN, which is in no range, for anything else. */
export function parseDecimal(text: string): number {
  let i = text.charCodeAt(0) === 43 || text.charCodeAt(0) === 45 ? 1 : 0;
  if (i === text.length) return NaN;
  for (; i < text.length; i++) {
    const digit = text.charCodeAt(i) - 48;
    if (digit < 0 || digit > 9) return NaN;
  }
  const number = Number(text);
  return number >= LARGEST || number < -LARGEST ? NaN : number;
}
