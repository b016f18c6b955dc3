// What is wrong with a configuration: the problem as a check finds it, and the error as a user reads it, with its place
// in the file. Plain values on the primary thread; nothing here throws.

import type { ErrorCode } from './error-codes.ts';
import { isUnder } from './pointer.ts';

export type { ErrorCode } from './error-codes.ts';

export interface ConfigError {
  readonly code: ErrorCode;
  /** A warning does not stop the configuration from taking effect. */
  readonly severity: 'error' | 'warning';
  /** JSON pointer (RFC 6901); '' is the whole document. */
  readonly pointer: string;
  readonly message: string;
  /** The word that was probably meant, or ''. */
  readonly suggestion: string;
  /** The file, or the environment variable that the value came from. */
  readonly file: string;
  /** From 1; 0 where the source has no lines (JS modules, variables). */
  readonly line: number;
  readonly column: number;
}

/** A problem before its place in the file is known. */
export interface Problem {
  readonly code: ErrorCode;
  readonly pointer: string;
  readonly message: string;
  readonly severity?: 'warning';
  readonly suggestion?: string;
  /** Point at the key rather than at its value. */
  readonly atKey?: boolean;
  /** For missing keys: those of which one would do. Used to keep quiet when a misspelt one has been reported already. */
  readonly wanted?: readonly string[];
  /** For syntax errors, which have no pointer. */
  readonly position?: Position;
}

export interface Position {
  readonly line: number;
  readonly column: number;
}

export interface Placing {
  readonly file: string;
  /** Pointers of values that came from a variable, and its name. */
  readonly variables: ReadonlyMap<string, string>;
  locate(pointer: string, atKey: boolean): Position | null;
}

/** Gives every problem its place and sorts them by it. */
export function placeProblems(problems: readonly Problem[], placing: Placing): ConfigError[] {
  const errors = withoutEchoes(problems).map((problem) => placeProblem(problem, placing));
  return errors.sort((a, b) => a.line - b.line || a.column - b.column || compareText(a.pointer, b.pointer));
}

function placeProblem(problem: Problem, placing: Placing): ConfigError {
  const variable = variableOf(problem.pointer, placing.variables);
  const position = variable === '' ? (problem.position ?? placing.locate(problem.pointer, problem.atKey ?? false)) : null;
  return {
    code: problem.code,
    severity: problem.severity ?? 'error',
    pointer: problem.pointer,
    message: problem.message,
    suggestion: problem.suggestion ?? '',
    file: variable === '' ? placing.file : variable,
    line: position?.line ?? 0,
    column: position?.column ?? 0,
  };
}

function variableOf(pointer: string, variables: ReadonlyMap<string, string>): string {
  for (const [overridden, name] of variables) {
    if (isUnder(pointer, overridden)) return name;
  }
  return '';
}

/** Drops what only repeats another problem: a second one at the same place, and a missing key whose misspelling is known. */
function withoutEchoes(problems: readonly Problem[]): Problem[] {
  const explained = new Map<string, Set<string>>();
  for (const { code, pointer, suggestion } of problems) {
    if (code !== 'unknown-key' && code !== 'later-key') continue;
    const cut = pointer.lastIndexOf('/');
    const parent = pointer.slice(0, cut);
    const words = explained.get(parent) ?? new Set();
    words.add(pointer.slice(cut + 1));
    if (suggestion !== undefined) words.add(suggestion);
    explained.set(parent, words);
  }
  const seen = new Set<string>();
  return problems.filter(({ pointer, wanted, position, message }) => {
    const words = explained.get(pointer);
    if (wanted?.some((key) => words?.has(key))) return false;
    const place = position ? `${position.line}:${position.column}` : wanted ? `${pointer} ${message}` : pointer;
    if (seen.has(place)) return false;
    seen.add(place);
    return true;
  });
}

function compareText(a: string, b: string): number {
  if (a === b) return 0;
  return a < b ? -1 : 1;
}

/** One line: `file:line:column: /pointer: message; did you mean "x"?` */
export function formatError(error: ConfigError): string {
  const place = error.line === 0 ? error.file : `${error.file}:${error.line}:${error.column}`;
  const kind = error.severity === 'warning' ? 'warning: ' : '';
  const pointer = error.pointer === '' ? '' : `${error.pointer}: `;
  const hint = error.suggestion === '' ? '' : `; did you mean ${JSON.stringify(error.suggestion)}?`;
  return `${place}: ${kind}${pointer}${error.message}${hint}`;
}

export function formatErrors(errors: readonly ConfigError[]): string {
  return errors.map((error) => `${formatError(error)}\n`).join('');
}
