// The way through this room: source → value → environment → overrides → schema and checks → Snapshot.
// Primary thread; pure. Everything that is wrong is found in one go and returned, never thrown.

import { freezeDeep } from './build/content.ts';
import { buildSnapshot } from './build/snapshot.ts';
import { checkDocument } from './check/check.ts';
import type { CheckTools } from './check/check.ts';
import type { ConfigDocument } from './document.ts';
import { placeProblems } from './errors.ts';
import type { ConfigError, Problem } from './errors.ts';
import { applyOverrides } from './overrides.ts';
import { CONFIG_SCHEMA } from './schema.ts';
import { SecretFiles } from './secrets.ts';
import { coerceValues } from './schema/coerce.ts';
import { validateDocument } from './schema/validate.ts';
import type { Snapshot } from './snapshot.ts';
import { substituteEnvironment } from './text/environment.ts';
import type { Environment } from './text/environment.ts';
import { parseSource } from './text/text.ts';
import type { ConfigSource, ParsedText } from './text/text.ts';

export { formatOfFile } from './text/text.ts';
export type { ConfigSource } from './text/text.ts';
export type { Environment } from './text/environment.ts';
export type { CheckTools } from './check/check.ts';

export type LoadResult = Loaded | Refused;

export interface Loaded {
  readonly ok: true;
  readonly snapshot: Snapshot;
  /** The effective document in the language's own words: variables and overrides applied, defaults not. For `/config_dump`. */
  readonly document: ConfigDocument;
  readonly warnings: readonly ConfigError[];
}

export interface Refused {
  readonly ok: false;
  /** At least one, sorted by place. */
  readonly errors: readonly ConfigError[];
  readonly warnings: readonly ConfigError[];
}

/** @param environment for `${NAME}` and the NUNCIO_… overrides. */
export function loadConfig(source: ConfigSource, environment: Environment, tools: CheckTools): LoadResult {
  const parsed = parseSource(source);
  if (parsed.problems.length > 0) return refuse(source, parsed, parsed.problems, new Map());
  const substituted = substituteEnvironment(parsed.value, environment);
  const { value, variables } = applyOverrides(substituted.value, environment);
  coerceValues(CONFIG_SCHEMA, value, [...substituted.wholes, ...variables.keys()]);
  const secrets = new SecretFiles(tools.secrets, source.file);
  // Environment first: where a placeholder failed, what stands in its place is not worth a second word.
  const problems = [...substituted.problems, ...validateDocument(value), ...checkDocument(value, tools, secrets)];
  if (problems.some((problem) => problem.severity !== 'warning')) return refuse(source, parsed, problems, variables);
  const document = freezeDeep(value as ConfigDocument);
  const placing = { file: source.file, variables, locate: parsed.locate };
  return { ok: true, snapshot: buildSnapshot(document, source.file, secrets), document, warnings: placeProblems(problems, placing) };
}

function refuse(source: ConfigSource, parsed: ParsedText, problems: readonly Problem[], variables: ReadonlyMap<string, string>): Refused {
  const placed = placeProblems(problems, { file: source.file, variables, locate: parsed.locate });
  return {
    ok: false,
    errors: placed.filter((error) => error.severity === 'error'),
    warnings: placed.filter((error) => error.severity === 'warning'),
  };
}
