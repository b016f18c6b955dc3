// @hot
// The routing table of one listener: which virtual host, which route. First match in list order wins; the path index only
// keeps routes from being asked that cannot match. Worker thread; one table per worker and snapshot, because it holds the
// scratch of the match in progress. Pure: it reads the stream and keeps nothing of it.

import type { Random } from '../core/random.ts';
import type { RoutedRequest } from './routed-request.ts';
import type { CompiledRoute } from './compiled-route.ts';
import { PATH_CONNECT, PATH_EXACT, PATH_PREFIX, PATH_REGEX, PATH_ANY, PATH_SEPARATED, PATH_TEMPLATE } from './compiled-route.ts';
import type { HostIndex } from './host-index.ts';
import type { PathIndex } from './path/path-index.ts';
import { passesFraction } from './random-choice.ts';
import { pathEnd } from './rule/query-string.ts';

/** Larger than every entry of the index. */
const NONE = 0x7fffffff;
const HASH = 35;
const SLASH = 47;
const QUESTION = 63;

export class VirtualHost {
  readonly name: string;
  readonly domains: readonly string[];
  readonly routes: readonly CompiledRoute[];
  private readonly index: PathIndex;

  constructor(host: { name: string; domains: readonly string[]; routes: readonly CompiledRoute[] }, index: PathIndex) {
    this.name = host.name;
    this.domains = host.domains;
    this.routes = host.routes;
    this.index = index;
  }

  match(stream: RoutedRequest, random: Random): CompiledRoute | null {
    const path = stream.path;
    if (path.charCodeAt(0) !== SLASH) return this.matchWithoutPath(stream, random);
    const index = this.index;
    index.collect(path);
    if (index.count === 0) return null;
    return index.count === 1 ? this.matchOneList(stream, random) : this.matchMerged(stream, random);
  }

  private matchOneList(stream: RoutedRequest, random: Random): CompiledRoute | null {
    const { data, from, to } = this.index;
    const end = to[0]!;
    for (let at = from[0]!; at < end; at++) {
      const entry = data[at]!;
      const route = this.routes[entry >> 1]!;
      if ((entry & 1) === 1 || matchesRest(route, stream, random)) return route;
    }
    return null;
  }

  /** Takes the smallest first entry of all lists until a route says yes. */
  private matchMerged(stream: RoutedRequest, random: Random): CompiledRoute | null {
    const { data, from, to, count } = this.index;
    for (;;) {
      let best = -1;
      let smallest = NONE;
      for (let k = 0; k < count; k++) {
        const at = from[k]!;
        if (at < to[k]! && data[at]! < smallest) {
          smallest = data[at]!;
          best = k;
        }
      }
      if (best < 0) return null;
      from[best] = from[best]! + 1;
      const route = this.routes[smallest >> 1]!;
      if ((smallest & 1) === 1 || matchesRest(route, stream, random)) return route;
    }
  }

  /** `*` of OPTIONS, and targets without a path: routes that ask for no path, for exactly this, or for everything. */
  private matchWithoutPath(stream: RoutedRequest, random: Random): CompiledRoute | null {
    for (let k = 0; k < this.routes.length; k++) {
      const route = this.routes[k]!;
      if (matchesPathless(route, stream.path) && matchesConditions(route, stream, random)) return route;
    }
    return null;
  }
}

export class RouteTable {
  readonly virtualHosts: readonly VirtualHost[];
  /** All routes of all virtual hosts; a route's `id` is its place. */
  readonly routes: readonly CompiledRoute[];
  private readonly hosts: HostIndex<VirtualHost>;

  constructor(virtualHosts: readonly VirtualHost[], hosts: HostIndex<VirtualHost>) {
    this.virtualHosts = virtualHosts;
    this.routes = virtualHosts.flatMap((host) => host.routes);
    this.hosts = hosts;
  }

  /** The first route that matches, or null: no virtual host, or none of its routes. */
  match(stream: RoutedRequest, random: Random): CompiledRoute | null {
    const host = this.hosts.find(stream.authority);
    return host === null ? null : host.match(stream, random);
  }

  virtualHostOf(authority: string): VirtualHost | null {
    return this.hosts.find(authority);
  }
}

/** What the index has not settled: the path where it needs more than its beginning, and the conditions. */
function matchesRest(route: CompiledRoute, stream: RoutedRequest, random: Random): boolean {
  return matchesIndexedPath(route, stream.path) && matchesConditions(route, stream, random);
}

/** The path begins with what the route is indexed under; is the rest right as well? */
export function matchesIndexedPath(route: CompiledRoute, path: string): boolean {
  switch (route.pathKind) {
    case PATH_SEPARATED: {
      const next = path.charCodeAt(route.pathText.length);
      return next === SLASH || next === QUESTION || next === HASH || next !== next;
    }
    case PATH_REGEX: {
      const end = pathEnd(path);
      return route.regex!.matches(end === path.length ? path : path.slice(0, end));
    }
    case PATH_TEMPLATE:
      return route.template!.matches(path, pathEnd(path));
    default:
      return true;
  }
}

export function matchesPathless(route: CompiledRoute, path: string): boolean {
  if (route.pathKind === PATH_EXACT) return route.pathText === path;
  if (route.pathKind === PATH_CONNECT) return path === '';
  // The server as a whole (RFC 9110 section 9.3.7) is what `prefix: "/"` means too; Envoy has no route for it at all.
  return route.pathKind === PATH_ANY || (route.pathKind === PATH_PREFIX && route.pathText.length <= 1 && path === '*');
}

export function matchesConditions(route: CompiledRoute, stream: RoutedRequest, random: Random): boolean {
  if (route.certain) return true;
  if (route.methods.length > 0 && !route.methods.includes(stream.method)) return false;
  const rules = route.rules;
  for (let k = 0; k < rules.length; k++) if (!rules[k]!.matches(stream)) return false;
  if (route.clientCertificate >= 0 && route.clientCertificate !== (stream.tls?.hasPeer === true ? 1 : 0)) return false;
  return route.fraction === 1 || passesFraction(route, stream, random);
}
