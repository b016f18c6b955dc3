// From the checked configuration of a listener to its routing table. Runs on the primary as a rehearsal (where every
// problem is reported with its place) and on each worker for use. Pure; nothing here throws for bad configuration.

import type { HttpConfig, VirtualHostConfig } from '../config/snapshot.ts';
import type { CompiledRoute } from './compiled-route.ts';
import type { TextFormat } from './header-edits.ts';
import { HostIndex, domainProblem } from './host-index.ts';
import { RouteTable, VirtualHost } from './match.ts';
import type { PathIndex } from './path/path-index.ts';
import { PathIndexBuilder } from './path/path-index-builder.ts';
import { indexRoute } from './path/indexed-path.ts';
import { compileEdits } from './compile/edit-compiler.ts';
import { Place } from './compile/place.ts';
import { compileRoute } from './compile/route-compiler.ts';

export interface RouteProblem {
  /** JSON pointer in the terms of the configuration language, below `RouteTools.pointer`. */
  readonly pointer: string;
  readonly message: string;
}

export interface RouteTools {
  /** Text with `%OPERATOR%`s. Throws Error with a sentence when an operator is unknown or malformed. */
  compileFormat(text: string): { readonly constant: string } | TextFormat;
  /** Called for everything that is wrong. What it returns after a problem is not to be used. */
  problem(problem: RouteProblem): void;
  /** Where the `http` object stands: `/listeners/0/http`. */
  readonly pointer: string;
}

export function compileRoutes(http: HttpConfig, tools: RouteTools): RouteTable {
  const root = new Place(tools.pointer, tools);
  const hosts = new HostIndex<VirtualHost>();
  let nextId = 0;
  const virtualHosts = http.virtualHosts.map((config, index) => {
    const place = root.at('virtualHosts', index);
    const routes = compileVirtualHostRoutes(config, place, nextId);
    nextId += routes.length;
    const host = new VirtualHost({ name: config.name, domains: config.domains, routes }, indexPaths(routes));
    config.domains.forEach((domain, k) => addDomain(hosts, domain, host, place.at('domains', k)));
    return host;
  });
  return new RouteTable(virtualHosts, hosts);
}

function compileVirtualHostRoutes(config: VirtualHostConfig, place: Place, firstId: number): CompiledRoute[] {
  const requestEdits = compileEdits(config.requestHeaders, place.at('requestHeaders'));
  const responseEdits = compileEdits(config.responseHeaders, place.at('responseHeaders'));
  return config.routes.map((routeConfig, index) => {
    const route = compileRoute(routeConfig, place.at('routes', index));
    route.index = index;
    route.id = firstId + index;
    route.virtualHostName = config.name;
    route.requestEdits = [...route.requestEdits, ...requestEdits];
    route.responseEdits = [...route.responseEdits, ...responseEdits];
    return route;
  });
}

function indexPaths(routes: readonly CompiledRoute[]): PathIndex {
  const builder = new PathIndexBuilder();
  for (const route of routes) indexRoute(route, builder);
  return builder.build();
}

function addDomain(hosts: HostIndex<VirtualHost>, domain: string, host: VirtualHost, place: Place): void {
  const problem = domainProblem(domain);
  if (problem !== '') place.problem(problem);
  else if (!hosts.add(domain, host)) place.problem(`the domain "${domain}" stands twice in this listener`);
}
