// Feeds bytes to the head parsers in every way they can arrive, and puts the outcome into one comparable text.

import { Head } from '../../src/core/head.ts';
import { describeError } from '../../src/http/h1-errors.ts';
import { parseRequestHead, parseResponseHead } from '../../src/http/h1-parser.ts';
import { DEFAULT_HEAD_LIMITS } from '../../src/http/h1-state.ts';
import type { HeadLimits } from '../../src/http/h1-state.ts';

export type Parse = typeof parseRequestHead;
export const PARSERS = { request: parseRequestHead, response: parseResponseHead };

/** Stands behind the byte that must be answered at once. It is not part of the bytes. */
export const HERE = '←';

export interface Input {
  readonly bytes: Buffer;
  /** How many bytes must be enough for the answer; -1 when the vector does not say. */
  readonly decidedAt: number;
}

export function toInput(text: string): Input {
  const decidedAt = text.indexOf(HERE);
  return { bytes: Buffer.from(text.replace(HERE, ''), 'latin1'), decidedAt };
}

/** Everything a reader of the Head could see, as text. */
export function summary(head: Head, result: number): string {
  if (result === 0) return 'more';
  if (result < 0) return describeError(result).name;
  const at = (start: number, end: number): string => head.buf.latin1Slice(head.base + start, head.base + end);
  const lines = [
    `length ${result} ${head.length}`,
    `line [${at(head.methodStart, head.methodEnd)}] [${at(head.targetStart, head.targetEnd)}] [${at(head.authorityStart, head.authorityEnd)}] ${head.minor} ${head.status} [${at(head.reasonStart, head.reasonEnd)}]`,
    `framing ${head.contentLength} ${head.chunked} ${head.connectionClose} ${head.connectionKeepAlive} ${head.expectContinue}`,
    `fields from ${head.fieldsStart}`,
  ];
  for (let i = 0; i < head.count; i++) lines.push(`${head.dropped[i]} ${head.ids[i]} [${head.name(i)}]: [${head.value(i)}]`);
  lines.push(`first ${head.first.join(',')}`);
  return lines.join('\n');
}

export interface Outcome {
  readonly summary: string;
  readonly result: number;
  readonly head: Head;
}

export function parseWhole(parse: Parse, bytes: Buffer, limits: HeadLimits = DEFAULT_HEAD_LIMITS): Outcome {
  const head = new Head();
  const result = parse(head, bytes, 0, bytes.length, limits);
  return { summary: summary(head, result), result, head };
}

/**
 * Feeds growing prefixes that end at each of `cuts` (ascending) and at the end, each in another buffer at another offset,
 * with bytes behind the end that must not be looked at. Stops at the first answer.
 */
export function parseCut(parse: Parse, bytes: Buffer, cuts: readonly number[], limits: HeadLimits = DEFAULT_HEAD_LIMITS): Outcome & { used: number } {
  const head = new Head();
  let used = 0;
  let result = 0;
  for (const cut of [...cuts, bytes.length]) {
    const base = cut % 7;
    const buf = Buffer.alloc(base + cut + 5, '\0');
    bytes.copy(buf, base, 0, cut);
    result = parse(head, buf, base, base + cut, limits);
    used = cut;
    if (result !== 0) break;
  }
  return { summary: summary(head, result), result, head, used };
}

export function everyByte(length: number): number[] {
  return Array.from({ length }, (_, i) => i + 1);
}

/** The first way of splitting whose outcome differs from the whole's, described; '' when there is none. */
export function findSplitFault(parse: Parse, input: Input, limits: HeadLimits = DEFAULT_HEAD_LIMITS): string {
  const { bytes } = input;
  const whole = parseWhole(parse, bytes, limits).summary;
  const drip = parseCut(parse, bytes, everyByte(bytes.length), limits);
  if (drip.summary !== whole) return `byte by byte: ${drip.summary} instead of ${whole}`;
  if (input.decidedAt >= 0 && drip.used !== input.decidedAt) return `answered after ${drip.used} bytes instead of ${input.decidedAt}`;
  for (let cut = 0; cut <= bytes.length; cut++) {
    const split = parseCut(parse, bytes, [cut], limits);
    if (split.summary !== whole) return `split at ${cut}: ${split.summary} instead of ${whole}`;
    // The true bytes stand behind `end`, as a stale read buffer might have them: looking at them would show.
    const head = new Head();
    const prefix = summary(head, parse(head, bytes, 0, cut, limits));
    const expected = whole === 'more' || cut < drip.used ? 'more' : whole;
    if (prefix !== expected) return `the first ${cut} bytes alone: ${prefix} instead of ${expected}`;
  }
  return '';
}
