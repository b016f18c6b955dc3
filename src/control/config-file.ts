// Reads a configuration from where the user keeps it: a JSON or YAML file, or a JS module's default export.
// Primary thread; no state beyond the number that makes Node import a changed module anew.

import { readFileSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { resolve } from 'node:path';
import { pathToFileURL } from 'node:url';
import type { ConfigSource } from '../config/load.ts';
import { formatOfFile } from '../config/load.ts';
import { messageOf } from './log.ts';

let imports = 0;

/** Throws an Error whose message is a line for the user. */
export async function readConfigFile(file: string): Promise<ConfigSource> {
  const format = formatOfFile(file);
  if (format === 'object') return { file, format, value: await importModule(file) };
  try {
    return { file, format, text: await readFile(file, 'utf8') };
  } catch (error) {
    throw new Error(`${file}: ${describe(error)}`);
  }
}

/** A file that the configuration names. Throws an Error whose message is the rest of a sentence about it. */
export function readSecret(path: string): Buffer {
  try {
    return readFileSync(path);
  } catch (error) {
    throw new Error(describe(error));
  }
}

/** Only the module itself is read anew: what it imports stays as it was loaded first. */
async function importModule(file: string): Promise<unknown> {
  const url = pathToFileURL(resolve(file));
  if (imports++ > 0) url.searchParams.set('reload', String(imports));
  let module: Record<string, unknown>;
  try {
    module = (await import(url.href)) as Record<string, unknown>;
  } catch (error) {
    throw new Error(`${file}: the module could not be loaded: ${messageOf(error)}`);
  }
  if (!('default' in module)) throw new Error(`${file}: the module has no default export`);
  return await module['default'];
}

const REASONS: Readonly<Record<string, string>> = {
  ENOENT: 'there is no such file',
  EACCES: 'no permission to read it',
  EISDIR: 'this is a directory',
};

function describe(error: unknown): string {
  const code = error instanceof Error && 'code' in error ? String(error.code) : '';
  const reason = REASONS[code];
  return reason === undefined ? messageOf(error) : `${reason} (${code})`;
}
