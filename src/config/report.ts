// What `nuncio validate` and `nuncio schema` print, and how they exit. Primary thread; pure: the root writes and exits.

import { formatErrors } from './errors.ts';
import type { LoadResult } from './load.ts';
import { schemaText } from './schema.ts';

export interface Report {
  readonly exitCode: 0 | 1;
  readonly stdout: string;
  readonly stderr: string;
}

/** Exit 0 and `OK`, or exit 1 and every error; warnings either way. */
export function validateReport(result: LoadResult): Report {
  const warnings = formatErrors(result.warnings);
  if (result.ok) return { exitCode: 0, stdout: 'OK\n', stderr: warnings };
  const count = result.errors.length;
  const summary = `${count} ${count === 1 ? 'error' : 'errors'}\n`;
  return { exitCode: 1, stdout: '', stderr: `${warnings}${formatErrors(result.errors)}${summary}` };
}

export function schemaReport(): Report {
  return { exitCode: 0, stdout: schemaText(), stderr: '' };
}
