// Checks of routes: one action, one path matcher, and that the two fit each other; routes that nothing can reach.
// Primary thread; pure.

import type { Problem } from '../errors.ts';
import type { Place } from '../place.ts';
import { ACTIONS, PATH_MATCHERS, VALUE_MATCHERS } from '../schema/route.ts';
import { checkForward, checkRedirect, checkRespond } from './actions.ts';
import type { CheckScope } from './check.ts';
import { exactlyOne } from './choices.ts';
import { checkRouteFilters } from './filters.ts';
import { checkForwardRetry } from './retry.ts';

/** Matchers that letter case has no part in. */
const CASE_ADVICE: Readonly<Record<string, string>> = {
  regex: 'begin the expression with (?i)',
  template: 'use "regex"',
  connect: 'a CONNECT has no path',
};

/** What the routes of a virtual host have from it. */
export interface AroundRoutes {
  /** The kinds of filters that the requests of all these routes meet. */
  readonly filters: ReadonlySet<string>;
  /** Its retry policy. */
  readonly retry: Place;
}

export function checkRoutes(routes: Place, { filters, retry }: AroundRoutes, scope: CheckScope): void {
  const covered = new Map<string, string>();
  for (const route of routes.items()) {
    const { problems } = scope;
    const match = route.at('match');
    const matcher = exactlyOne(match, 'a match', PATH_MATCHERS, problems);
    checkCase(match, matcher, problems);
    checkConnect(route, problems);
    for (const key of ['headers', 'query'] as const) checkValueMatchers(match.at(key), key, problems);
    if (matcher !== null) checkReachable(route, matcher, covered, problems);
    exactlyOne(route, 'a route', ACTIONS, problems);
    checkRouteFilters(route.at('filters'), filters, scope);
    checkForward(route.at('forward'), match, matcher, scope);
    checkForwardRetry(route.at('forward'), retry, problems);
    checkRedirect(route.at('redirect'), matcher, problems);
    checkRespond(route.at('respond'), problems);
  }
}

function checkCase(match: Place, matcher: string | null, problems: Problem[]): void {
  if (match.at('caseSensitive').value !== false || matcher === null || CASE_ADVICE[matcher] === undefined) return;
  const advice = CASE_ADVICE[matcher];
  problems.push({ code: 'conflict', pointer: match.at('caseSensitive').pointer, atKey: true, message: `has no effect on ${matcher}: ${advice}` });
}

/** CONNECT has no path: nothing that asks for one, or changes one, can go with it. */
function checkConnect(route: Place, problems: Problem[]): void {
  const connect = route.at('match').at('connect');
  if (connect.value === false) {
    problems.push({ code: 'wrong-value', pointer: connect.pointer, message: 'only true says something: leave the key out, and the route takes no CONNECT' });
  }
  if (connect.value !== true) return;
  const rewrite = route.at('forward').at('rewrite');
  for (const place of [route.at('redirect'), rewrite.at('path'), rewrite.at('prefix'), rewrite.at('regex'), route.at('match').at('query'), route.at('forward').at('upgrades')]) {
    if (place.exists) problems.push({ code: 'conflict', pointer: place.pointer, atKey: true, message: 'does not go with a match by connect: a CONNECT has no path and opens a tunnel itself' });
  }
}

function checkValueMatchers(matchers: Place, key: 'headers' | 'query', problems: Problem[]): void {
  const names = new Set<string>();
  for (const [name, matcher] of matchers.entries()) {
    const folded = key === 'headers' ? name.toLowerCase() : name;
    if (names.has(folded)) {
      problems.push({ code: 'duplicate-name', pointer: matcher.pointer, atKey: true, message: `the header ${JSON.stringify(name)} is given twice, in different case` });
    }
    names.add(folded);
    exactlyOne(matcher, 'a value match', VALUE_MATCHERS, problems);
    const range = matcher.at('range');
    const [start, end] = [range.at('start').number(), range.at('end').number()];
    if (start !== null && end !== null && start >= end) {
      problems.push({ code: 'out-of-range', pointer: range.pointer, message: 'the range is empty: end must be greater than start, which is the first number that matches' });
    }
  }
}

/** Warns of a route behind one that takes all its requests: the same path matcher, or the prefix "/", without conditions. */
function checkReachable(route: Place, matcher: string, covered: Map<string, string>, problems: Problem[]): void {
  const match = route.at('match');
  const path = match.at(matcher).text() ?? '';
  // `*`, the target of OPTIONS, and CONNECT's have no path that the prefix "/" takes.
  const pathless = matcher === 'connect' || (matcher === 'path' && path === '*');
  const everything = pathless ? undefined : covered.get('prefix /');
  const foldsCase = match.at('caseSensitive').value === false;
  const key = `${matcher} ${path}${foldsCase && path !== '/' ? ' (any case)' : ''}`;
  const before = everything ?? covered.get(key);
  if (before !== undefined) {
    problems.push({ code: 'unreachable-route', severity: 'warning', pointer: route.pointer, message: `no request reaches this route: ${before} takes them all` });
  } else if (isUnconditional(match)) {
    covered.set(key, route.pointer);
  }
}

function isUnconditional(match: Place): boolean {
  const hasNone = match.at('methods').items().length === 0 && match.at('headers').entries().length === 0 && match.at('query').entries().length === 0;
  return hasNone && (match.at('fraction').number() ?? 1) === 1 && !match.has('tls');
}
