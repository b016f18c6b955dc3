// A route → snapshot form. Primary thread; pure.

import { DEFAULTS } from '../defaults.ts';
import type {
  ForwardDocument, HeaderEditsDocument, MatchDocument, RedirectDocument, RespondDocument, RetryDocument, RouteDocument,
} from '../document.ts';
import { PATH_MATCHERS } from '../schema/route.ts';
import type { FilterConfig, ForwardConfig, HeaderEdits, MatchConfig, PathMatch, RedirectConfig, RespondConfig, RouteConfig } from '../snapshot.ts';
import { parseDuration } from '../units.ts';
import { buildHashOn, buildStickySession } from './affinity.ts';
import { buildMetadata } from './host-sets.ts';
import { buildRouteFilters, type FilterPlace } from './filters.ts';
import { buildRetry } from './retry.ts';
import { buildValueMatch } from './value-match.ts';

/** What is around a route. */
export interface RouteSurroundings {
  /** The filters there. */
  readonly above: readonly FilterConfig[];
  /** They are not those of the listener. */
  readonly changed: boolean;
  readonly place: FilterPlace;
  /** The policy of the virtual host, where the route has none. */
  readonly retry?: RetryDocument | undefined;
}

export function buildRoute(route: RouteDocument, index: number, { above, changed, place, retry }: RouteSurroundings): RouteConfig {
  const name = route.name ?? '';
  // A limit keeps its state as long as the same requests take its route, wherever that stands in the list.
  const own = { statPrefix: `${place.statPrefix}.${name === '' ? index : name}`, path: [...place.path, name, JSON.stringify(route.match)] };
  const filters = buildRouteFilters(route.filters, above, own) ?? (changed ? above : null);
  return { name, match: buildMatch(route.match), action: buildAction(route, retry), filters };
}

function buildAction(route: RouteDocument, inherited?: RetryDocument): RouteConfig['action'] {
  if (route.forward) return buildForward(route.forward, inherited);
  return route.redirect ? buildRedirect(route.redirect) : buildRespond(route.respond ?? { status: 404 });
}

function buildMatch(match: MatchDocument): MatchConfig {
  const defaults = DEFAULTS.match;
  return {
    path: buildPathMatch(match),
    caseSensitive: match.caseSensitive ?? defaults.caseSensitive,
    methods: match.methods ?? defaults.methods,
    headers: Object.entries(match.headers ?? {}).map(([name, value]) => buildValueMatch(name.toLowerCase(), value)),
    query: Object.entries(match.query ?? {}).map(([name, value]) => buildValueMatch(name, value)),
    fraction: match.fraction ?? defaults.fraction,
    clientCertificate: match.tls?.clientCertificate ?? null,
  };
}

function buildPathMatch(match: MatchDocument): PathMatch {
  for (const kind of PATH_MATCHERS) {
    const value = match[kind];
    if (typeof value === 'string' && kind !== 'connect') return { kind, value };
  }
  return match.connect === true ? { kind: 'connect' } : { kind: 'any' };
}

function buildForward(forward: ForwardDocument, inherited?: RetryDocument): ForwardConfig {
  const { rewrite = {} } = forward;
  const weighted = forward.clusters ?? (forward.cluster === undefined ? [] : [{ name: forward.cluster }]);
  return {
    kind: 'forward',
    highPriority: (forward.priority ?? DEFAULTS.forward.priority) === 'high',
    clusters: weighted.map(({ name, weight = DEFAULTS.weightedCluster.weight }: { name: string; weight?: number }) => ({ name, weight })),
    clusterHeader: (forward.clusterHeader ?? '').toLowerCase(),
    subset: forward.subset === undefined ? null : buildMetadata(forward.subset),
    timeoutMs: parseDuration(forward.timeout ?? DEFAULTS.forward.timeout),
    idleTimeoutMs: forward.idleTimeout === undefined ? null : parseDuration(forward.idleTimeout),
    grpcTimeoutHeaderMaxMs: forward.grpcTimeoutHeaderMax === undefined ? null : parseDuration(forward.grpcTimeoutHeaderMax),
    upgrades: forward.upgrades === undefined ? null : buildUpgrades(forward.upgrades),
    hashOn: buildHashOn(forward.hashOn),
    stickySession: buildStickySession(forward.stickySession),
    retry: buildRetry(forward.retry ?? inherited),
    hedgeOnPerTryTimeout: forward.hedge?.onPerTryTimeout ?? DEFAULTS.hedge.onPerTryTimeout,
    rewrite: {
      prefix: rewrite.prefix ?? null,
      regex: rewrite.regex ?? null,
      path: rewrite.path ?? null,
      host: rewrite.host ?? null,
      hostFrom: rewrite.hostFrom ?? null,
    },
    requestHeaders: buildHeaderEdits(forward.requestHeaders),
    responseHeaders: buildHeaderEdits(forward.responseHeaders),
  };
}

/** Names of protocols are compared without regard to case (RFC 9110 section 7.8). */
export function buildUpgrades(upgrades: readonly string[]): readonly string[] {
  return upgrades.map((name) => name.toLowerCase());
}

function buildRedirect(redirect: RedirectDocument): RedirectConfig {
  const defaults = DEFAULTS.redirect;
  return {
    kind: 'redirect',
    scheme: redirect.scheme ?? '',
    host: redirect.host ?? defaults.host,
    port: redirect.port ?? defaults.port,
    path: redirect.path ?? null,
    prefix: redirect.prefix ?? null,
    status: redirect.status ?? defaults.status,
    stripQuery: redirect.stripQuery ?? defaults.stripQuery,
  };
}

function buildRespond(respond: RespondDocument): RespondConfig {
  return {
    kind: 'respond',
    status: respond.status,
    headers: Object.entries(respond.headers ?? {}),
    body: respond.body ?? DEFAULTS.respond.body,
  };
}

export function buildHeaderEdits(edits: HeaderEditsDocument = {}): HeaderEdits {
  return {
    set: Object.entries(edits.set ?? {}),
    add: Object.entries(edits.add ?? {}),
    remove: edits.remove ?? DEFAULTS.edits.remove,
  };
}
