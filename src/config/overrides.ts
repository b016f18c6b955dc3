// The environment variables that override keys of the document. They are checked as the keys are, by the same schema;
// a problem with one names the variable. Primary thread; pure: the environment is handed in.

import { Place } from './place.ts';
import type { Environment } from './text/environment.ts';

export interface Overridden {
  readonly value: unknown;
  /** Pointer of what was overridden → name of the variable. */
  readonly variables: ReadonlyMap<string, string>;
}

/** An empty variable counts as unset. A document that is no object is left alone: the schema reports it. */
export function applyOverrides(document: unknown, environment: Environment): Overridden {
  const variables = new Map<string, string>();
  const place = new Place(document);
  if (!place.isObject()) return { value: document, variables };
  const value = { ...(document as Record<string, unknown>) };

  function override(variable: string, pointer: string, apply: (text: string) => void): void {
    const text = Object.hasOwn(environment, variable) ? environment[variable] : undefined;
    if (text === undefined || text === '') return;
    apply(text);
    variables.set(pointer, variable);
  }

  override('NUNCIO_WORKERS', '/workers', (text) => {
    value['workers'] = text;
  });
  override('NUNCIO_LOG_LEVEL', '/logLevel', (text) => {
    value['logLevel'] = text;
  });
  override('NUNCIO_ZONE', '/zone', (text) => {
    value['zone'] = text;
  });
  override('NUNCIO_ADMIN', '/admin', (text) => {
    value['admin'] = text === 'false' ? false : { address: text };
  });
  // It overrides the engine of every listener, too.
  override('NUNCIO_ENGINE', '/engine', (text) => {
    value['engine'] = text;
    if (Array.isArray(value['listeners'])) value['listeners'] = value['listeners'].map(withoutEngine);
  });
  return { value, variables };
}

function withoutEngine(listener: unknown): unknown {
  if (!new Place(listener).isObject()) return listener;
  return Object.fromEntries(Object.entries(listener as object).filter(([key]) => key !== 'engine'));
}
