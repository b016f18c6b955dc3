// Text of a configuration file → its value, and the way back from a JSON pointer to line and column.
// Primary thread; pure: the root reads the file or imports the module.

import type { Position, Problem } from '../errors.ts';
import { parseJsonText } from './json.ts';
import { plainCopy } from './plain.ts';
import { parseYamlText } from './yaml.ts';

export type ConfigSource =
  | { readonly file: string; readonly format: 'json' | 'yaml'; readonly text: string }
  /** What a JS module exported. */
  | { readonly file: string; readonly format: 'object'; readonly value: unknown };

/** Which of the three a file is, by its name. */
export function formatOfFile(file: string): ConfigSource['format'] {
  if (/\.ya?ml$/i.test(file)) return 'yaml';
  return /\.m?js$/i.test(file) ? 'object' : 'json';
}

export interface ParsedText {
  /** Undefined when the text could not be read at all. */
  readonly value: unknown;
  readonly problems: readonly Problem[];
  locate(pointer: string, atKey: boolean): Position | null;
}

export function parseSource(source: ConfigSource): ParsedText {
  const parsed = parseByFormat(source);
  if (parsed.problems.length > 0) return parsed;
  const plain = plainCopy(parsed.value);
  return { value: plain.value, problems: plain.problems, locate: parsed.locate };
}

function parseByFormat(source: ConfigSource): ParsedText {
  if (source.format === 'object') return { value: source.value, problems: [], locate: () => null };
  const text = source.text.startsWith('\uFEFF') ? source.text.slice(1) : source.text;
  return source.format === 'yaml' ? parseYamlText(text) : parseJsonText(text);
}
