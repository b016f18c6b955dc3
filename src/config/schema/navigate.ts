// Ways through the JSON Schema: from a schema path of the validator to its node, and from a place in a document to the
// nodes that may describe it. Primary thread; pure.

import { pointerSegments } from '../pointer.ts';
import type { Schema } from './parts.ts';

/** A node, and the object and key that it describes: `title` and `key` are '' at the root. */
export interface SchemaPlace {
  readonly node: Schema;
  readonly title: string;
  readonly key: string;
}

/** @param schemaPath as the validator gives it, with the keyword at its end: `#/properties/workers/anyOf`. */
export function nodeAtSchemaPath(root: Schema, schemaPath: string): SchemaPlace {
  const steps = pointerSegments(schemaPath.slice(1)).slice(0, -1).map((step) => decodeURIComponent(step));
  let place: SchemaPlace = { node: root, title: '', key: '' };
  for (let at = 0; at < steps.length; at++) {
    const { node } = place;
    const step = steps[at] ?? '';
    const next: unknown = (node as Record<string, unknown>)[step];
    if (step === 'properties' || step === 'definitions') {
      const key = steps[++at] ?? '';
      const child = (next as Record<string, Schema>)[key];
      if (child === undefined) return place;
      place = { node: child, title: node.title ?? '', key };
    } else if (step === 'anyOf') {
      place = { ...place, node: (next as Schema[])[Number(steps[++at])] ?? node };
    } else if (typeof next === 'object' && next !== null) {
      place = { ...place, node: next };
    }
  }
  return place;
}

/** The nodes for a pointer into a document: several where `anyOf` leaves it open, none where nothing is known. */
export function nodesAtPointer(root: Schema, pointer: string): Schema[] {
  let nodes = expand(root, root);
  for (const segment of pointerSegments(pointer)) {
    nodes = nodes.flatMap((node) => childNodes(node, segment)).flatMap((node) => expand(root, node));
  }
  return nodes;
}

function childNodes(node: Schema, segment: string): Schema[] {
  const own = node.properties && Object.hasOwn(node.properties, segment) ? node.properties[segment] : undefined;
  if (own !== undefined) return [own];
  if (typeof node.additionalProperties === 'object') return [node.additionalProperties];
  return node.items ? [node.items] : [];
}

function expand(root: Schema, node: Schema): Schema[] {
  if (node.$ref !== undefined) {
    const target = root.definitions?.[node.$ref.slice('#/definitions/'.length)];
    return target === undefined ? [] : expand(root, target);
  }
  return node.anyOf === undefined ? [node] : node.anyOf.flatMap((branch) => expand(root, branch));
}
