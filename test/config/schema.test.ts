// The schema is one source for users, editors and the validator; and nothing of the language is forgotten in it.

import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { cwd } from 'node:process';

import { Ajv } from 'ajv';
import { parse } from 'jsonc-parser';
import t from 'tap';

import { SCHEMA_FILE, validatorText, VALIDATOR_FILE } from '../../scripts/compile-validators.ts';
import { DEFAULTS } from '../../src/config/defaults.ts';
import { LATER_KEYS } from '../../src/config/later-keys.ts';
import { CONFIG_SCHEMA, schemaText } from '../../src/config/schema.ts';
import { FORMATS } from '../../src/config/schema/formats.ts';
import type { Schema } from '../../src/config/schema/parts.ts';

interface Visit {
  readonly key: string;
  readonly node: Schema;
  readonly owner: Schema;
}

/** Every key of every object of the schema. */
function keysOf(node: Schema): Visit[] {
  const own = Object.entries(node.properties ?? {}).map(([key, child]) => ({ key, node: child, owner: node }));
  const below = [
    ...Object.values(node.properties ?? {}), ...Object.values(node.definitions ?? {}), ...(node.anyOf ?? []),
    ...(node.items ? [node.items] : []), ...(typeof node.additionalProperties === 'object' ? [node.additionalProperties] : []),
  ];
  return [...own, ...below.flatMap(keysOf)];
}

const keys = keysOf(CONFIG_SCHEMA);
const source = (file: string): string => readFileSync(join(cwd(), file), 'utf8');

t.test('generated files are up to date: run build/scripts/compile-validators.js', (t) => {
  t.ok(source(VALIDATOR_FILE) === validatorText(), VALIDATOR_FILE);
  t.ok(source(SCHEMA_FILE) === schemaText(), SCHEMA_FILE);
  t.end();
});

t.test('every key explains itself, and says what happens without it', (t) => {
  t.ok(keys.length > 120, `${keys.length} keys`);
  for (const { key, node, owner } of keys) {
    const place = `${owner.title ?? ''}.${key}`;
    t.match(node.description, /^\S.*[.)]$/s, `${place} has a description`);
    const isRequired = owner.required?.includes(key) ?? false;
    const isChoice = /^(Exactly one|At most one|One) of /.test(node.description ?? '') || place === 'listener.http';
    const saysDefault = node.default !== undefined || /Default: /.test(node.description ?? '');
    t.ok(isRequired || isChoice || saysDefault, `${place} is required, one of a choice, or has a default`);
    t.notOk(isRequired && node.default !== undefined, `${place} is not both required and defaulted`);
  }
  t.end();
});

t.test('defaults in the schema are values that the schema takes', (t) => {
  const ajv = new Ajv({ strict: true, allowUnionTypes: true, formats: FORMATS });
  for (const { key, node, owner } of keys.filter((visit) => visit.node.default !== undefined)) {
    const validate = ajv.compile({ ...node, definitions: CONFIG_SCHEMA.definitions });
    t.ok(validate(node.default), `${owner.title ?? ''}.${key}`);
  }
  t.end();
});

t.test('every default of the one file stands in the schema', (t) => {
  const titles: Readonly<Record<string, string>> = { top: 'configuration', edits: 'headerEdits' };
  for (const [group, defaults] of Object.entries(DEFAULTS)) {
    // Of what stands in for a missing object, or for a zone that is not named: not a default of any key.
    if (group === 'virtualHost' || group === 'zone') continue;
    const title = titles[group] ?? group;
    for (const [key, value] of Object.entries(defaults)) {
      const nodes = keys.filter((visit) => visit.owner.title === title && visit.key === key);
      t.ok(nodes.length > 0, `${title}.${key} exists`);
      for (const { node } of nodes) t.same(node.default, value, `${title}.${key}`);
    }
  }
  t.end();
});

t.test('later keys are not accepted yet', (t) => {
  const titles = new Set(keys.map((visit) => visit.owner.title));
  for (const [title, later] of Object.entries(LATER_KEYS)) {
    t.ok(titles.has(title), `${title} is an object of the schema`);
    for (const key of later) t.notOk(keys.some((visit) => visit.owner.title === title && visit.key === key), `${title}.${key}`);
  }
  t.end();
});

t.test('every key of the language is accepted or named as later, and nothing else is', (t) => {
  const language: unknown = parse(readFileSync(new URL('./language.jsonc', import.meta.url), 'utf8'));
  const used = new Set<string>();
  walk(language, CONFIG_SCHEMA, '');
  for (const { key, owner } of keys) {
    const place = `${owner.title ?? ''}.${key}`;
    // The page shows one form of each matcher and names the others in a comment; `range` and `routes` likewise.
    if (owner.title === 'textMatch' || owner.title === 'subjectAltName' || owner.title === 'valueMatch' || owner.title === 'range' || place === 'http.routes') continue;
    if (place === 'accessLog.json' || place === 'accessLog.filter' || place === 'accessLogFilter.status' || place === 'forward.clusters' || owner.title === 'weightedCluster' || place === 'forward.clusterHeader') continue;
    t.ok(used.has(place), `${place} is in the language`);
  }
  t.end();

  function walk(value: unknown, schema: Schema, place: string): void {
    const node = resolve(value, schema);
    if (Array.isArray(value)) {
      for (const item of value) walk(item, node.items ?? {}, place);
      return;
    }
    if (typeof value !== 'object' || value === null) return;
    for (const [key, item] of Object.entries(value)) {
      const title = node.title ?? '';
      const child = node.properties?.[key] ?? (typeof node.additionalProperties === 'object' ? node.additionalProperties : undefined);
      if (child !== undefined) {
        used.add(`${title}.${key}`);
        walk(item, child, `${place}/${key}`);
      } else {
        t.ok(LATER_KEYS[title]?.includes(key), `${place}/${key} is accepted or later`);
      }
    }
  }

  function resolve(value: unknown, schema: Schema): Schema {
    if (schema.$ref !== undefined) return CONFIG_SCHEMA.definitions?.['route'] ?? {};
    const isObject = typeof value === 'object' && value !== null && !Array.isArray(value);
    return isObject ? (schema.anyOf?.find((branch) => branch.type === 'object') ?? schema) : schema;
  }
});
