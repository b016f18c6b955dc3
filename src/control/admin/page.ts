// What an admin page is, and the answers pages give. Primary thread; plain values.

export interface Page {
  readonly path: string;
  /** A page that changes something answers POST only, so that no link, crawler or prefetch can set it off. */
  readonly mutates: boolean;
  readonly help: string;
  readonly params: readonly (readonly [name: string, help: string])[];
  answer(query: URLSearchParams): Answer | Promise<Answer>;
}

export interface Answer {
  readonly status: number;
  readonly type: string;
  readonly body: string;
}

export const TEXT = 'text/plain; charset=UTF-8';
export const HTML = 'text/html; charset=UTF-8';
export const JSON_TYPE = 'application/json';

export function text(body: string, status = 200): Answer {
  return { status, type: TEXT, body };
}

/** With Envoy's indent of one blank and the newline at the end. */
export function json(value: unknown): Answer {
  return { status: 200, type: JSON_TYPE, body: `${JSON.stringify(value, null, 1)}\n` };
}

/** Tells whether a text holds a match; made from a pattern of a linear-time engine, so that a query cannot hang the primary. */
export type TextMatcher = (text: string) => boolean;

/** Throws an Error that says what is wrong with the pattern. */
export type CompileMatcher = (pattern: string) => TextMatcher;
