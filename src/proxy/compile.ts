// Compiles what the road needs of a listener's HTTP configuration. Runs on the primary as a rehearsal and on each worker for
// use. Collects every problem with its JSON pointer instead of throwing at the first.

import { hostname } from 'node:os';
import type { Cluster } from '../cluster/cluster.ts';
import type { HttpConfig } from '../config/snapshot.ts';
import { FieldBlock } from '../core/field-block.ts';
import { compileAccessLog, compileFormat, type AccessLog, type Environment } from '../observe/access-log.ts';
import { compileFilters, type FilterSetup, type ListenerChains } from '../filter/registry.ts';
import { compileRoutes, type RouteProblem } from '../route/compile.ts';
import type { RouteTable } from '../route/match.ts';

export interface CompiledHttp {
  readonly routes: RouteTable;
  readonly logs: readonly AccessLog[];
  readonly filters: FilterSetup;
  /** Something asks for fields of the request, or of the answer, after the callback they came in. */
  readonly keepsRequestHead: boolean;
  readonly keepsResponseHead: boolean;
  readonly serverBlock: FieldBlock;
}

/** `pointer`: where the `http` object stands in the document. */
export function compileHttp(http: HttpConfig, pointer: string, variables: Environment['variables'], problem: (problem: RouteProblem) => void): CompiledHttp {
  const environment: Environment = { hostname: hostname(), variables };
  const logs = http.accessLog.map((log) => compileAccessLog(log, environment));
  const routes = compileRoutes(http, {
    pointer,
    problem,
    compileFormat: (text) => {
      const compiled = compileFormat(text, environment);
      // `observe` gives bytes, `route` takes text: only where the two are the same may the short way be taken.
      return compiled.constant === text ? { constant: text } : { format: (stream) => compiled.format(stream) };
    },
  });
  const editsAnswers = routes.routes.some((route) => route.responseEdits.length > 0);
  return {
    routes,
    logs,
    filters: compileFilters(http),
    keepsRequestHead: editsAnswers || logs.some((log) => log.needsRequestHead),
    serverBlock: new FieldBlock(['server', String(http.serverName)]),
    keepsResponseHead: logs.some((log) => log.needsResponseHead),
  };
}

/** Every route gets the filters of its requests. */
export function linkFilters(routes: RouteTable, chains: ListenerChains): void {
  routes.routes.forEach((route, i) => (route.filters = chains.routes[i]!));
}

/** Every route gets the clusters that it names, so that the road looks nothing up. */
export function linkClusters(routes: RouteTable, clusters: ReadonlyMap<string, Cluster>): void {
  for (const route of routes.routes) route.clusterRefs = route.clusterNames.map((name) => clusters.get(name));
}
