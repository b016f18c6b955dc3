// @hot
// The path a request goes up with, and the Location of a redirect: pure functions of a route and the request it matched.
// The query is kept unless said otherwise. Settled on Envoy 1.40; one thing is ours: a rewrite that comes out without its
// leading slash gets one, because it would not be a request target otherwise. Worker thread.

import type { RoutedRequest } from './routed-request.ts';
import type { CompiledRoute } from './compiled-route.ts';
import {
  PATH_ANY,
  PATH_PREFIX,
  PATH_SEPARATED,
  REWRITE_NONE,
  REWRITE_PATH,
  REWRITE_PREFIX,
} from './compiled-route.ts';
import { pathEnd } from './rule/query-string.ts';

const SLASH = 47;

/**
 * The new path with query, or null when the path stays as it is. A path that was rewritten is passed on together with
 * `x-envoy-original-path` (the old one, replacing what the caller sent), even if old and new are the same.
 */
export function rewritePath(route: CompiledRoute, stream: RoutedRequest): string | null {
  const target = stream.path;
  if (route.rewriteKind === REWRITE_NONE || target.charCodeAt(0) !== SLASH) return null;
  const end = pathEnd(target);
  if (route.rewriteKind === REWRITE_PREFIX) return rooted(replaceMatched(route, target, route.rewriteText));
  if (route.rewriteKind === REWRITE_PATH) return rewriteWhole(route, target, end);
  const replaced = route.rewriteRegex!.replaceAll(target.slice(0, end), route.rewriteParts);
  return replaced === null ? null : rooted(replaced + target.slice(end));
}

function rewriteWhole(route: CompiledRoute, target: string, end: number): string {
  const parts = route.rewriteParts;
  if (parts.length === 1) return route.rewriteText + target.slice(end);
  const template = route.template!;
  template.matches(target, end); // sets the spans of the variables; it matched before, or we were not here
  let path = '';
  for (let k = 0; k < parts.length; k++) {
    const part = parts[k]!;
    path += typeof part === 'string' ? part : template.value(target, part);
  }
  return path + target.slice(end);
}

/** The target with the part that the route's path matcher matched replaced: a prefix, or the whole path. */
function replaceMatched(route: CompiledRoute, target: string, replacement: string): string {
  switch (route.pathKind) {
    case PATH_PREFIX:
    case PATH_SEPARATED:
      return replacement + target.slice(route.pathText.length);
    case PATH_ANY:
      return replacement + target;
    default:
      return replacement + target.slice(pathEnd(target));
  }
}

function rooted(target: string): string {
  return target.charCodeAt(0) === SLASH ? target : '/' + target;
}

/** The Location of a redirect route. */
export function redirectLocation(route: CompiledRoute, stream: RoutedRequest): string {
  const scheme = route.redirectScheme === '' ? stream.scheme : route.redirectScheme;
  const path = redirectPath(route, stream);
  const host = route.redirectHost === '' ? hostWithoutOldPort(route, stream, scheme) : route.redirectHost;
  if (host === '') return path; // the request named none: stay where the caller is
  const port = route.redirectPort === 0 ? '' : ':' + route.redirectPort;
  return scheme + '://' + host + port + path;
}

function redirectPath(route: CompiledRoute, stream: RoutedRequest): string {
  const target = stream.path.charCodeAt(0) === SLASH ? stream.path : '/';
  const query = route.stripQuery ? '' : target.slice(pathEnd(target));
  if (route.redirectPath !== null) {
    // A new path that brings its own query replaces the old one.
    return route.redirectPath.includes('?') ? route.redirectPath : route.redirectPath + query;
  }
  const kept = route.stripQuery ? target.slice(0, pathEnd(target)) : target;
  return route.redirectPrefix === null ? kept : rooted(replaceMatched(route, kept, route.redirectPrefix));
}

/** The caller's host; without its port when a new one comes, or when it was the old scheme's own and the scheme changes. */
function hostWithoutOldPort(route: CompiledRoute, stream: RoutedRequest, scheme: string): string {
  const host = stream.authority;
  const colon = portColon(host);
  if (colon < 0) return host;
  if (route.redirectPort !== 0) return host.slice(0, colon);
  if (scheme === stream.scheme) return host;
  const usual = stream.scheme === 'https' ? ':443' : ':80';
  return host.endsWith(usual) && host.length - usual.length === colon ? host.slice(0, colon) : host;
}

/** Where `:port` begins; -1 when there is none. An IPv6 literal stands in brackets. */
function portColon(host: string): number {
  const colon = host.lastIndexOf(':');
  return colon > host.lastIndexOf(']') ? colon : -1;
}
