// Runs the generated validator over a document and turns its findings into problems that a person can act on.
// Primary thread; pure.

import { isLaterKey } from '../later-keys.ts';
import { Place } from '../place.ts';
import { childPointer, isUnder, pointerSegments } from '../pointer.ts';
import type { Problem } from '../errors.ts';
import { CONFIG_SCHEMA } from '../schema.ts';
import { suggest } from '../suggest.ts';
import { FORMS } from './formats.ts';
import { nodeAtSchemaPath } from './navigate.ts';
import type { SchemaPlace } from './navigate.ts';
import type { Schema } from './parts.ts';
import { shareParts } from './sharing.ts';
import { validate } from './validator.generated.ts';

/** A finding of ajv, without the texts (https://ajv.js.org/api.html#error-objects). */
interface Finding {
  readonly instancePath: string;
  readonly schemaPath: string;
  readonly keyword: string;
  readonly params: Readonly<Record<string, unknown>>;
  readonly propertyName?: string;
  /** Where in the schema that is; not from ajv. */
  readonly place: SchemaPlace;
}

type Validator = ((data: unknown) => boolean) & { errors?: readonly Omit<Finding, 'place'>[] | null };

export function validateDocument(document: unknown): Problem[] {
  const run = validate as Validator;
  if (run(document)) return [];
  const findings = (run.errors ?? []).map((found) => ({ ...found, place: placeOf(found.schemaPath) }));
  return withoutLosingBranches(findings, document).flatMap((finding) => explainFinding(finding, document));
}

let schema: Schema | null = null;

/** Schema paths of the validator lead through the schema it was made of; only a wrong document needs that. */
function placeOf(schemaPath: string): SchemaPlace {
  schema ??= shareParts(CONFIG_SCHEMA);
  return nodeAtSchemaPath(schema, schemaPath);
}

/**
 * A value that fits no branch of an `anyOf` is found wrong once per branch. Where the value has the type of one branch,
 * what that branch found is the story; otherwise the `anyOf` itself is.
 */
function withoutLosingBranches(findings: readonly Finding[], document: unknown): Finding[] {
  const dropped = new Set<Finding>();
  for (const choice of findings) {
    if (choice.keyword !== 'anyOf') continue;
    const value = valueAt(document, choice.instancePath);
    const fitting = (choice.place.node.anyOf ?? []).findIndex((branch) => branchTakes(branch, value));
    if (fitting !== -1) dropped.add(choice);
    for (const finding of findings) {
      if (finding === choice || !isUnder(finding.instancePath, choice.instancePath)) continue;
      if (fitting === -1 || !isOfBranch(finding, choice, fitting)) dropped.add(finding);
    }
  }
  return findings.filter((finding) => !dropped.has(finding));
}

/** Only the branch that the value fits looks into it: what was found further down, in a shared part, is its own, too. */
function isOfBranch(finding: Finding, choice: Finding, branch: number): boolean {
  if (finding.schemaPath.startsWith(`${choice.schemaPath}/`)) return finding.schemaPath.startsWith(`${choice.schemaPath}/${branch}/`);
  return finding.instancePath !== choice.instancePath;
}

function branchTakes(branch: Schema, value: unknown): boolean {
  if (branch.const !== undefined) return false;
  if (branch.type === 'string') return typeof value === 'string' && branch.enum === undefined;
  if (branch.type === 'integer') return typeof value === 'number';
  if (branch.type === 'array') return Array.isArray(value);
  return branch.type === 'object' && new Place(value).isObject();
}

function explainFinding(finding: Finding, document: unknown): Problem[] {
  const { instancePath: pointer, params, place } = finding;
  switch (finding.keyword) {
    case 'additionalProperties': return [explainKey(place.node, pointer, String(params['additionalProperty']))];
    case 'required': return [explainMissing(place.node, pointer, String(params['missingProperty']))];
    case 'propertyNames': return [];
    case 'format': return [explainForm(finding, place.node, document)];
    case 'enum': return [explainEnum(place, pointer, valueAt(document, pointer))];
    case 'minimum':
    case 'maximum': return [{ code: 'out-of-range', pointer, message: `must be ${rangeOf(place.node)}` }];
    case 'minItems': return [{ code: 'too-few', pointer, message: `must have at least ${String(params['limit'])} ${params['limit'] === 1 ? 'entry' : 'entries'}` }];
    default: return [explainType(place.node, pointer, valueAt(document, pointer))];
  }
}

function explainKey(node: Schema, pointer: string, key: string): Problem {
  const at = childPointer(pointer, key);
  const name = JSON.stringify(key);
  if (isLaterKey(node.title ?? '', key)) {
    return { code: 'later-key', pointer: at, atKey: true, message: `the key ${name} is part of the language, but does not work in this version yet` };
  }
  const known = Object.keys(node.properties ?? {});
  return { code: 'unknown-key', pointer: at, atKey: true, message: `unknown key ${name}`, ...suggest(key, known) };
}

function explainMissing(node: Schema, pointer: string, key: string): Problem {
  return { code: 'missing-key', pointer, message: `${spacedTitle(node.title ?? 'object')} needs the key "${key}"`, wanted: [key] };
}

/** "virtualHost" → "virtual host". */
function spacedTitle(title: string): string {
  return title.replace(/[A-Z]/g, (letter) => ` ${letter.toLowerCase()}`);
}

function explainForm(finding: Finding, node: Schema, document: unknown): Problem {
  const isKey = finding.propertyName !== undefined;
  const pointer = isKey ? childPointer(finding.instancePath, finding.propertyName ?? '') : finding.instancePath;
  const text = isKey ? finding.propertyName : valueAt(document, pointer);
  const form = FORMS[node.format ?? 'name'];
  const reason = form.explain(String(text)) ?? `must be ${form.expects}`;
  return { code: form.code, pointer, atKey: isKey, message: `${shown(text)} ${reason}` };
}

function explainEnum({ node }: SchemaPlace, pointer: string, value: unknown): Problem {
  const values = node.enum ?? [];
  const message = `${shown(value)} is not ${expected(node)}`;
  if (typeof value === 'string') return { code: 'wrong-value', pointer, message, ...suggest(value, values.map(String)) };
  return { code: typeof value === typeof values[0] ? 'wrong-value' : 'wrong-type', pointer, message };
}

function explainType(node: Schema, pointer: string, value: unknown): Problem {
  const code = node.anyOf !== undefined && typeof value === 'string' && node.anyOf.some((branch) => typeof branch.const === 'string') ? 'wrong-value' : 'wrong-type';
  return { code, pointer, message: `must be ${expected(node)}, not ${typeName(value)}` };
}

function expected(node: Schema): string {
  if (node.anyOf !== undefined) return node.anyOf.map(expected).join(' or ');
  if (node.const !== undefined) return JSON.stringify(node.const);
  if (node.enum !== undefined) return node.enum.length === 1 ? JSON.stringify(node.enum[0]) : `one of ${node.enum.map((value) => JSON.stringify(value)).join(', ')}`;
  if (node.format !== undefined) return FORMS[node.format].expects;
  if (Array.isArray(node.type)) return node.type.map((type: string) => expected({ type })).join(' or ');
  switch (node.type) {
    case 'integer': return 'a whole number';
    case 'number': return 'a number';
    case 'boolean': return 'true or false';
    case 'array': return 'a list';
    case 'object': return 'an object';
    default: return 'text';
  }
}

function typeName(value: unknown): string {
  if (value === null) return 'null';
  if (Array.isArray(value)) return 'a list';
  if (typeof value === 'object') return 'an object';
  return shown(value);
}

function shown(value: unknown): string {
  const text = typeof value === 'number' ? String(value) : (JSON.stringify(value) ?? String(value));
  return text.length > 80 ? `${text.slice(0, 77)}…` : text;
}

function rangeOf(node: Schema): string {
  if (node.minimum !== undefined && node.maximum !== undefined) return `from ${node.minimum} to ${node.maximum}`;
  return node.minimum === undefined ? `at most ${node.maximum}` : `at least ${node.minimum}`;
}

function valueAt(document: unknown, pointer: string): unknown {
  return pointerSegments(pointer).reduce((place, key) => place.at(key), new Place(document)).value;
}
