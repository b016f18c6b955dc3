// Everything that a schema cannot say: what the parts of a document say about each other. All checks walk the raw
// document, tolerate what the schema has refused already, and report everything at once. Primary thread; pure.

import type { Problem } from '../errors.ts';
import { Place } from '../place.ts';
import type { SecretFiles, SecretTools } from '../secrets.ts';
import { checkClusters } from './clusters.ts';
import { hashingClusters } from './load-balancing.ts';
import { checkListeners } from './listeners.ts';

export interface CheckTools {
  /** What is wrong with a text that holds access-log operators, or null: `observe` knows them. */
  readonly checkFormat: (format: string) => string | null;
  readonly secrets: SecretTools;
}

export interface CheckScope {
  readonly problems: Problem[];
  readonly tools: CheckTools;
  readonly secrets: SecretFiles;
  /** Null where the names cannot be told, because the clusters themselves are malformed. */
  readonly clusterNames: ReadonlySet<string> | null;
  /** Those that look at hashes of requests. */
  readonly hashingClusters: ReadonlySet<string>;
}

export function checkDocument(document: unknown, tools: CheckTools, secrets: SecretFiles): Problem[] {
  const root = new Place(document);
  const scope: CheckScope = { problems: [], tools, secrets, clusterNames: clusterNames(root.at('clusters')), hashingClusters: hashingClusters(root.at('clusters')) };
  checkClusters(root.at('clusters'), scope);
  checkListeners(root, scope);
  return scope.problems;
}

function clusterNames(clusters: Place): Set<string> | null {
  if (!clusters.exists) return new Set();
  if (!Array.isArray(clusters.value)) return null;
  const names = clusters.items().map((cluster) => cluster.at('name').text());
  return names.includes(null) ? null : new Set(names.filter((name) => name !== null));
}
