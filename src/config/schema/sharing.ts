// The schema as the generated validator has it: what occurs more than once, whatever is written about it, stands once
// under `definitions`, and the validator gets one function for it. Editors and people read the schema without this, so
// that every key tells what it is for. Primary thread; pure.

import type { Schema } from './parts.ts';

/** Say nothing about what is valid. A title does: later keys and messages go by it. */
const ANNOTATIONS: ReadonlySet<string> = new Set(['description', 'default', 'examples']);
export const DEFINITIONS = '#/definitions/';

export function shareParts(root: Schema): Schema {
  return new Sharing(root).result();
}

/** The keywords alone. */
export function withoutAnnotations(node: Schema): Schema {
  const kept = Object.entries(node).filter(([key]) => !ANNOTATIONS.has(key));
  return mapChildren(Object.fromEntries(kept) as Schema, withoutAnnotations);
}

class Sharing {
  private readonly root: Schema;
  private readonly definitions: Record<string, Schema> = {};
  /** Identity → how many places refer to it, once everything above is shared as well. */
  private readonly uses = new Map<string, number>();
  private readonly names = new Map<string, string>();

  constructor(root: Schema) {
    this.root = root;
  }

  result(): Schema {
    this.countBelow(this.root);
    const { definitions: given, ...rest } = this.root;
    for (const [name, node] of Object.entries(given ?? {})) this.definitions[name] = this.shareBelow(node);
    return { ...this.shareBelow(rest), definitions: this.definitions };
  }

  private countBelow(node: Schema): void {
    mapChildren(node, (child, mayShare) => {
      const identity = mayShare ? identityOf(child) : null;
      const before = identity === null ? 0 : (this.uses.get(identity) ?? 0);
      if (identity !== null) this.uses.set(identity, before + 1);
      if (before === 0) this.countBelow(child);
      return child;
    });
  }

  private shareBelow(node: Schema): Schema {
    return mapChildren(node, (child, mayShare) => {
      const identity = mayShare ? identityOf(child) : null;
      if (identity === null || (this.uses.get(identity) ?? 0) < 2) return this.shareBelow(child);
      return { $ref: DEFINITIONS + this.define(identity, child) };
    });
  }

  private define(identity: string, node: Schema): string {
    const known = this.names.get(identity);
    if (known !== undefined) return known;
    const wish = node.title ?? node.format ?? String(node.items?.format ?? node.type ?? 'choice');
    let name = wish;
    for (let n = 2; Object.hasOwn(this.definitions, name); n++) name = `${wish}${n}`;
    this.names.set(identity, name);
    // Takes its place before what is below it looks for names.
    this.definitions[name] = node;
    this.definitions[name] = this.shareBelow(node);
    return name;
  }
}

/** Two nodes with one identity accept the same and say the same; null if the node must stay where it is. */
function identityOf(node: Schema): string | null {
  return node.$ref === undefined ? JSON.stringify(withoutAnnotations(node)) : null;
}

/**
 * The same node with other children. The branches of an `anyOf` may not be shared: what a branch finds is told apart by
 * its schema path; nor the rules for names, whose findings name the key only where they stand.
 */
function mapChildren(node: Schema, change: (child: Schema, mayShare: boolean) => Schema): Schema {
  const mapOf = (children: Readonly<Record<string, Schema>>, mayShare: boolean): Record<string, Schema> =>
    Object.fromEntries(Object.entries(children).map(([key, child]) => [key, change(child, mayShare)]));
  return {
    ...node,
    ...(node.definitions && { definitions: mapOf(node.definitions, false) }),
    ...(node.properties && { properties: mapOf(node.properties, true) }),
    ...(node.items && { items: change(node.items, true) }),
    ...(typeof node.additionalProperties === 'object' && { additionalProperties: change(node.additionalProperties, true) }),
    ...(node.anyOf && { anyOf: node.anyOf.map((branch) => change(branch, false)) }),
  };
}
