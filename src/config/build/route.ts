// A route → snapshot form. Primary thread; pure.

import { DEFAULTS } from '../defaults.ts';
import type {
  ForwardDocument, HeaderEditsDocument, MatchDocument, RedirectDocument, RespondDocument, RouteDocument, ValueMatchDocument, ValueMatchObject,
} from '../document.ts';
import { PATH_MATCHERS } from '../schema/route.ts';
import type { ForwardConfig, HeaderEdits, MatchConfig, PathMatch, RedirectConfig, RespondConfig, RouteConfig, ValueMatch } from '../snapshot.ts';
import { parseDuration } from '../units.ts';

export function buildRoute(route: RouteDocument): RouteConfig {
  return { name: route.name ?? '', match: buildMatch(route.match), action: buildAction(route) };
}

function buildAction(route: RouteDocument): RouteConfig['action'] {
  if (route.forward) return buildForward(route.forward);
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

function buildValueMatch(name: string, document: ValueMatchDocument): ValueMatch {
  const match: ValueMatchObject = typeof document === 'string' ? { exact: document } : document;
  const invert = match.invert ?? DEFAULTS.valueMatch.invert;
  const blank = { name, value: '', start: 0, end: 0, present: false, invert };
  for (const kind of ['exact', 'prefix', 'suffix', 'contains', 'regex'] as const) {
    const value = match[kind];
    if (value !== undefined) return { ...blank, kind, value };
  }
  if (match.range) return { ...blank, kind: 'range', start: match.range.start, end: match.range.end };
  return { ...blank, kind: 'present', present: match.present ?? true };
}

function buildForward(forward: ForwardDocument): ForwardConfig {
  const { rewrite = {} } = forward;
  const weighted = forward.clusters ?? (forward.cluster === undefined ? [] : [{ name: forward.cluster }]);
  return {
    kind: 'forward',
    highPriority: (forward.priority ?? DEFAULTS.forward.priority) === 'high',
    clusters: weighted.map(({ name, weight = DEFAULTS.weightedCluster.weight }: { name: string; weight?: number }) => ({ name, weight })),
    clusterHeader: (forward.clusterHeader ?? '').toLowerCase(),
    timeoutMs: parseDuration(forward.timeout ?? DEFAULTS.forward.timeout),
    idleTimeoutMs: forward.idleTimeout === undefined ? null : parseDuration(forward.idleTimeout),
    grpcTimeoutHeaderMaxMs: forward.grpcTimeoutHeaderMax === undefined ? null : parseDuration(forward.grpcTimeoutHeaderMax),
    upgrades: forward.upgrades === undefined ? null : buildUpgrades(forward.upgrades),
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
