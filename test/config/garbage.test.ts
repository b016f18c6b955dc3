// A right document with every one of its values replaced by nonsense, one at a time: it is refused or read, never thrown
// over, and every complaint names a place that exists.

import { readFileSync } from 'node:fs';

import { parse } from 'jsonc-parser';
import t from 'tap';

import { ERROR_CODES } from '../../src/config/error-codes.ts';
import { formatError } from '../../src/config/errors.ts';
import type { ConfigError } from '../../src/config/errors.ts';
import { loadConfig } from '../../src/config/load.ts';
import { childPointer } from '../../src/config/pointer.ts';
import { CHECK_TOOLS, put } from './refusals.ts';

const text = readFileSync(new URL('./golden/full.jsonc', import.meta.url), 'utf8');
const STEP = 37;
const read = (): unknown => parse(text);
const GARBAGE: readonly unknown[] = [
  null, true, -1, Number.NaN, '', '*', '/', ':', '\0', '\uD800', '${', '\\', 'constructor', [], [null], {}, { '': '' }, { constructor: 1, toString: 2, hasOwnProperty: 3 },
];

function pointersOf(value: unknown, pointer = ''): string[] {
  if (typeof value !== 'object' || value === null) return [pointer];
  return [pointer, ...Object.entries(value).flatMap(([key, item]) => pointersOf(item, childPointer(pointer, key)))];
}

t.test('every value replaced by nonsense', (t) => {
  const pointers = pointersOf(read());
  t.ok(pointers.length > 200, `${pointers.length} places`);
  // A quarter of the nonsense at each place, the next at the next: neighbours are of one kind often enough.
  for (const [index, pointer] of pointers.entries()) t.same(complaintsAbout(pointer, index % 4), [], pointer);
  t.end();
});

/** What is wrong with how nonsense at this place is handled. */
function complaintsAbout(pointer: string, turn: number): string[] {
  const values = GARBAGE.filter((_value, index) => index % 4 === turn);
  return [undefined, ...values].flatMap((value) => {
    try {
      const result = loadConfig({ file: 'f', format: 'object', value: put(read(), pointer, value) }, {}, CHECK_TOOLS);
      if (result.ok) return [];
      if (result.errors.length === 0) return ['refused without a reason'];
      return result.errors.filter((error) => !isSensible(error)).map((error) => `${String(value)}: ${formatError(error)}`);
    } catch (error) {
      return [`${String(JSON.stringify(value))}: ${String((error as Error).stack)}`];
    }
  });
}

function isSensible(error: ConfigError): boolean {
  return error.code in ERROR_CODES && error.message !== '' && !/\[object|\w*Error\b/.test(error.message);
}

t.test('every text cut short', (t) => {
  let refused = 0;
  for (let end = 0; end < text.length; end += STEP) {
    const cut = text.slice(0, end);
    for (const format of ['json', 'yaml'] as const) {
      const result = loadConfig({ file: 'f', format, text: cut }, {}, CHECK_TOOLS);
      if (result.ok) continue;
      refused++;
      const lines = cut.split('\n').length;
      if (result.errors.some((error) => error.line < 1 || error.line > lines || error.column < 1)) t.fail(`${format} cut at ${end} names a place outside`);
    }
  }
  t.equal(refused, 2 * Math.ceil(text.length / STEP), 'all of them');
  t.end();
});
