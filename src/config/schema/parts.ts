// Builders for the nodes of the JSON Schema (draft 7): each wants a description, so that no key goes without.
// Primary thread; pure.

import type { FormName } from './formats.ts';

/** What is used of JSON Schema. `title` names an object; later keys and messages go by it. */
export interface Schema {
  readonly $schema?: string;
  readonly $id?: string;
  readonly $ref?: string;
  readonly definitions?: Readonly<Record<string, Schema>>;
  readonly title?: string;
  readonly description?: string;
  readonly default?: unknown;
  readonly examples?: readonly unknown[];
  readonly type?: string | readonly string[];
  readonly format?: FormName;
  readonly enum?: readonly (string | number)[];
  readonly const?: string | number | boolean;
  readonly minimum?: number;
  readonly maximum?: number;
  readonly minItems?: number;
  readonly items?: Schema;
  readonly properties?: Readonly<Record<string, Schema>>;
  readonly required?: readonly string[];
  readonly additionalProperties?: boolean | Schema;
  readonly propertyNames?: Schema;
  readonly anyOf?: readonly Schema[];
}

interface Extras {
  readonly default?: unknown;
  readonly examples?: readonly unknown[];
}

export function text(description: string, format: FormName, extras: Extras = {}): Schema {
  return { description, type: 'string', format, ...extras };
}

/** Text of any kind. */
export function freeText(description: string, extras: Extras = {}): Schema {
  return { description, type: 'string', ...extras };
}

export function choice(description: string, values: readonly (string | number)[], extras: Extras = {}): Schema {
  const type = typeof values[0] === 'number' ? 'integer' : 'string';
  return { description, type, enum: values, ...extras };
}

export function flag(description: string, extras: Extras = {}): Schema {
  return { description, type: 'boolean', ...extras };
}

export function integer(description: string, bounds: { minimum: number; maximum: number }, extras: Extras = {}): Schema {
  return { description, type: 'integer', ...bounds, ...extras };
}

/** From 0 to 100. */
export function percent(description: string, extras: Extras = {}): Schema {
  return { description, type: 'number', minimum: 0, maximum: 100, ...extras };
}

export function size(description: string, extras: Extras = {}): Schema {
  return { description, type: ['integer', 'string'], minimum: 0, format: 'size', ...extras };
}

export function list(description: string, items: Schema, extras: Extras & { minItems?: number } = {}): Schema {
  return { description, type: 'array', items, ...extras };
}

/** An object with known keys and no others. */
export function object(title: string, properties: Readonly<Record<string, Schema>>, required: readonly string[] = []): Schema {
  return { title, type: 'object', properties, required, additionalProperties: false };
}

/** An object whose keys are the user's. */
export function dictionary(description: string, keys: FormName, values: Schema): Schema {
  return { description, type: 'object', propertyNames: { type: 'string', format: keys }, additionalProperties: values, default: {} };
}

/** The same node under its key: what it is for, and its default. */
export function described(description: string, node: Schema, extras: Extras = {}): Schema {
  return { ...node, description, ...extras };
}

export function either(description: string, anyOf: readonly Schema[], extras: Extras = {}): Schema {
  return { description, anyOf, ...extras };
}
