// Durations, sizes and status ranges: text of the language → numbers. Any thread; pure.
// The `explain…` functions say what is wrong with a text, or null; the `parse…` functions take only texts that passed.

import type { StatusRange } from './snapshot.ts';

/** 2^31 - 1: the longest delay that a timer of Node takes, nearly 25 days. */
export const MAX_DURATION_MS = 2_147_483_647;

const MS_PER_UNIT: Readonly<Record<string, number>> = { ms: 1, s: 1000, m: 60_000, h: 3_600_000 };
const BYTES_PER_UNIT: Readonly<Record<string, number>> = { KiB: 1024, MiB: 1024 ** 2, GiB: 1024 ** 3 };
const QUANTITY = /^(\d+(?:\.\d+)?)([A-Za-z]*)$/;
const STATUS_FILTER = /^(?:(>=|<=|>|<)?(\d{3})|(\d{3})-(\d{3}))$/;

export function explainDuration(text: string): string | null {
  const match = QUANTITY.exec(text);
  const unit = match?.[2] ?? '';
  const perUnit = Object.hasOwn(MS_PER_UNIT, unit) ? MS_PER_UNIT[unit] : undefined;
  if (match && unit === '') return `has no unit: write "${text}s" or "${text}ms"`;
  if (match === null || perUnit === undefined) return 'must be a number with ms, s, m or h, such as "250ms" or "1.5s"';
  const ms = parseDuration(text);
  if (!isNearInteger(ms)) return 'is finer than a millisecond';
  return ms > MAX_DURATION_MS ? 'is longer than 24 days' : null;
}

/** `"1.5s"` → 1500. */
export function parseDuration(text: string): number {
  return parseQuantity(text, MS_PER_UNIT);
}

export function explainSize(text: string): string | null {
  const match = QUANTITY.exec(text);
  const unit = match?.[2] ?? '';
  if (match && unit === '') return `has no unit: write the number ${text} without quotes, or "${text}KiB"`;
  if (match && /^[KMG]B?$/i.test(unit)) return `must use KiB, MiB or GiB (1 KiB is 1024 bytes), not ${unit}`;
  if (match === null || !Object.hasOwn(BYTES_PER_UNIT, unit)) return 'must be a number of bytes, or a number with KiB, MiB or GiB';
  const bytes = parseSize(text);
  if (!isNearInteger(bytes)) return 'is not a whole number of bytes';
  return bytes > Number.MAX_SAFE_INTEGER ? 'is too large' : null;
}

/** `"64KiB"` → 65536; a number is a number of bytes already. */
export function parseSize(size: string | number): number {
  return typeof size === 'number' ? size : parseQuantity(size, BYTES_PER_UNIT);
}

/** Decimal fractions are seldom exact in binary ("0.001s" is not 1 ms to the last bit): round what is as good as whole. */
function parseQuantity(text: string, units: Readonly<Record<string, number>>): number {
  const match = QUANTITY.exec(text);
  const value = Number(match?.[1]) * (units[match?.[2] ?? ''] ?? Number.NaN);
  return isNearInteger(value) ? Math.round(value) : value;
}

function isNearInteger(value: number): boolean {
  return Math.abs(value - Math.round(value)) < 1e-6;
}

export function explainStatusFilter(text: string): string | null {
  if (!STATUS_FILTER.test(text)) return 'must be a status, a comparison or a range: "404", ">=500", "200-299"';
  const { min, max } = parseStatusFilter(text);
  if (min < 100 || max > 599) return 'must stay within 100 and 599';
  return min > max ? 'is an empty range' : null;
}

/** `">=500"`, `"<400"`, `"200-299"`, `"404"` → inclusive bounds. */
export function parseStatusFilter(text: string): StatusRange {
  const [, comparison, single, from, to] = STATUS_FILTER.exec(text) ?? [];
  if (single === undefined) return { min: Number(from), max: Number(to) };
  const status = Number(single);
  switch (comparison) {
    case '>=': return { min: status, max: 599 };
    case '>': return { min: status + 1, max: 599 };
    case '<=': return { min: 100, max: status };
    case '<': return { min: 100, max: status - 1 };
    default: return { min: status, max: status };
  }
}
