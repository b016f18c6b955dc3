// Whole files: what a right one becomes, and what is said about a wrong one. The expectation stands beside each input;
// `node build/test/config/golden.test.js --write` writes all of them anew into test/config/golden, to be read before
// they are committed.

import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { argv, cwd } from 'node:process';
import { fileURLToPath } from 'node:url';

import t from 'tap';

import { formatErrors } from '../../src/config/errors.ts';
import { formatOfFile, loadConfig } from '../../src/config/load.ts';
import type { ConfigSource, LoadResult } from '../../src/config/load.ts';
import { CHECK_TOOLS } from './refusals.ts';

const DIR = new URL('./golden/', import.meta.url);
const ENVIRONMENT = {
  WORKERS: '2', NUMBER: '7', PORT: '8080', EMPTY: '', WITH_BRACES: '${PORT}', SIZE: '65536', FLAG: 'false', FRACTION: '0.5',
};
const write = argv.includes('--write');

for (const file of readdirSync(DIR).filter((name) => /\.(jsonc|yaml|mjs)$/.test(name))) {
  const result = loadConfig(await sourceOf(file), ENVIRONMENT, CHECK_TOOLS);
  const expectation = file.replace(/\.\w+$/, (suffix) => `${suffix}.${result.ok ? 'snapshot.json' : 'errors.txt'}`);
  const found = render(result);
  if (write) writeFileSync(`${cwd()}/test/config/golden/${expectation}`, found);
  const path = new URL(expectation, DIR);
  t.equal(found, existsSync(path) ? readFileSync(path, 'utf8') : `no ${expectation}`, file);
}

async function sourceOf(file: string): Promise<ConfigSource> {
  const url = new URL(file, DIR);
  const format = formatOfFile(file);
  const shown = `/etc/nuncio/${file}`;
  if (format !== 'object') return { file: shown, format, text: readFileSync(fileURLToPath(url), 'utf8') };
  return { file: shown, format, value: ((await import(url.href)) as { default: unknown }).default };
}

function render(result: LoadResult): string {
  const problems = formatErrors([...result.warnings, ...(result.ok ? [] : result.errors)]);
  return result.ok ? `${JSON.stringify(result.snapshot, null, 2)}\n${problems}` : problems;
}
