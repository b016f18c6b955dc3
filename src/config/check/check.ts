// Everything that a schema cannot say: what the parts of a document say about each other. All checks walk the raw
// document, tolerate what the schema has refused already, and report everything at once. Primary thread; pure.

import type { Problem } from '../errors.ts';
import { Place } from '../place.ts';
import type { SecretFiles, SecretTools } from '../secrets.ts';
import { checkClusters } from './clusters.ts';
import { checkOwnPlace } from './host-sets.ts';
import { hashingClusters } from './load-balancing.ts';
import { checkListeners } from './listeners.ts';
import { checkOverload } from './overload.ts';

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
  readonly root: Place;
  /** Clusters by name; of several with one name the last. */
  readonly clusters: ReadonlyMap<string, Place>;
  /** Those that look at hashes of requests. */
  readonly hashingClusters: ReadonlySet<string>;
}

export function checkDocument(document: unknown, tools: CheckTools, secrets: SecretFiles): Problem[] {
  const root = new Place(document);
  const places = root.at('clusters');
  const scope: CheckScope = {
    problems: [], tools, secrets, clusterNames: clusterNames(places), root, clusters: clustersByName(root), hashingClusters: hashingClusters(places),
  };
  checkClusters(places, scope);
  checkOwnPlace(scope);
  checkOverload(root.at('overload'), scope.problems);
  checkListeners(root, scope);
  return scope.problems;
}

function clustersByName(root: Place): Map<string, Place> {
  return new Map(root.at('clusters').items().map((cluster) => [cluster.at('name').text() ?? '', cluster]));
}

function clusterNames(clusters: Place): Set<string> | null {
  if (!clusters.exists) return new Set();
  if (!Array.isArray(clusters.value)) return null;
  const names = clusters.items().map((cluster) => cluster.at('name').text());
  return names.includes(null) ? null : new Set(names.filter((name) => name !== null));
}
