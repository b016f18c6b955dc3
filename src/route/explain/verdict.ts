// Why a route does not match a request, in sentences for people. Any thread; pure; not for the road.

import {
  PATH_ANY,
  PATH_CONNECT,
  PATH_EXACT,
  PATH_PREFIX,
  PATH_REGEX,
  PATH_SEPARATED,
  PATH_TEMPLATE,
} from '../compiled-route.ts';
import type { CompiledRoute } from '../compiled-route.ts';
import { matchesIndexedPath, matchesPathless } from '../match.ts';
import type { RoutedRequest } from '../routed-request.ts';
import { foldAscii, fromByteString } from '../rule/byte-string.ts';
import { findParameter, parameterValue, pathEnd } from '../rule/query-string.ts';
import { CONTAINS, EXACT, HEADER, PREFIX, PRESENT, QUERY, RANGE, REGEX, SUFFIX } from '../rule/value-rule.ts';
import type { ValueRule } from '../rule/value-rule.ts';

/** Everything that keeps the route from matching; empty when nothing does. Fractions are not looked at. */
export function reasonsAgainst(route: CompiledRoute, request: RoutedRequest): string[] {
  const reasons: string[] = [];
  const path = request.path.slice(0, pathEnd(request.path));
  if (!matchesPath(route, request.path)) reasons.push(`the path ${quote(path)} ${pathDemand(route)}`);
  if (route.methods.length > 0 && !route.methods.includes(request.method)) {
    reasons.push(`the method is ${request.method}, not ${route.methods.join(' or ')}`);
  }
  for (const rule of route.rules) {
    if (!rule.matches(request)) reasons.push(`${ruleName(rule)} ${ruleDemand(rule)}; the request has ${found(rule, request)}`);
  }
  if (route.clientCertificate === 1) reasons.push('the client must show a certificate, and this question is of one that does not');
  return reasons;
}

function matchesPath(route: CompiledRoute, path: string): boolean {
  if (!path.startsWith('/') || route.pathKind === PATH_CONNECT) return matchesPathless(route, path);
  if (route.pathKind === PATH_EXACT) return sameText(route, path.slice(0, pathEnd(path)));
  if (route.pathKind !== PATH_PREFIX && route.pathKind !== PATH_SEPARATED) return matchesIndexedPath(route, path);
  return sameText(route, path.slice(0, route.pathText.length)) && matchesIndexedPath(route, path);
}

function sameText(route: CompiledRoute, text: string): boolean {
  return route.caseSensitive ? text === route.pathText : foldAscii(text) === foldAscii(route.pathText);
}

function pathDemand(route: CompiledRoute): string {
  const text = quote(route.pathText);
  const anyCase = route.caseSensitive ? '' : ' (in any case)';
  switch (route.pathKind) {
    case PATH_EXACT:
      return `is not ${text}${anyCase}`;
    case PATH_PREFIX:
      return `does not begin with ${text}${anyCase}`;
    case PATH_SEPARATED:
      return `is not ${text}${anyCase} and not below ${quote(route.pathText + '/')}`;
    case PATH_REGEX:
      return `as a whole does not match the regular expression ${quote(route.regex!.pattern)}`;
    case PATH_TEMPLATE:
      return `does not fit the template ${quote(route.template!.text)}`;
    case PATH_CONNECT:
      return 'stands in a request other than CONNECT';
    default:
      return 'is no path';
  }
}

function ruleName(rule: ValueRule): string {
  if (rule.source === QUERY) return `the query parameter ${rule.name}`;
  return rule.source === HEADER ? `the header ${rule.name}` : rule.name;
}

function ruleDemand(rule: ValueRule): string {
  if (rule.kind === PRESENT) return rule.present !== rule.invert ? 'must be there' : 'must not be there';
  const text = quote(rule.text);
  const must = rule.invert ? 'must be there and not' : 'must';
  switch (rule.kind) {
    case EXACT:
      return `${must} be ${text}`;
    case PREFIX:
      return `${must} begin with ${text}`;
    case SUFFIX:
      return `${must} end with ${text}`;
    case CONTAINS:
      return `${must} contain ${text}`;
    case REGEX:
      return `${must} match the regular expression ${quote(rule.regex!.pattern)} as a whole`;
    case RANGE:
      return `${must} be a whole number from ${rule.start} to ${rule.end - 1}`;
    default:
      return must;
  }
}

function found(rule: ValueRule, request: RoutedRequest): string {
  const values = valuesOf(rule, request);
  return values.length === 0 ? 'none' : values.map(quote).join(' and ');
}

function valuesOf(rule: ValueRule, request: RoutedRequest): string[] {
  if (rule.source === QUERY) {
    const at = findParameter(request.path, rule.name);
    return at < 0 ? [] : [parameterValue(request.path, at)];
  }
  if (rule.source === HEADER) return headerValues(rule.name, request);
  if (rule.name === ':method') return [request.method];
  if (rule.name === ':path') return [request.path];
  if (rule.name === ':scheme') return [request.scheme];
  return request.authority === '' ? [] : [request.authority];
}

function headerValues(name: string, { reqHead }: RoutedRequest): string[] {
  const values: string[] = [];
  for (let i = reqHead.find(name); i >= 0; i = reqHead.find(name, i + 1)) values.push(reqHead.value(i));
  for (let k = 0; k < reqHead.added.length; k += 2) {
    if (reqHead.added[k]!.toLowerCase() === name) values.push(reqHead.added[k + 1]!);
  }
  return values;
}

/** What a route asks of paths, in one word or two: for lists of routes. */
export function pathName(route: CompiledRoute): string {
  switch (route.pathKind) {
    case PATH_ANY:
      return 'any path';
    case PATH_CONNECT:
      return 'connect';
    case PATH_REGEX:
      return `regex ${quote(route.regex!.pattern)}`;
    case PATH_TEMPLATE:
      return `template ${quote(route.template!.text)}`;
    case PATH_EXACT:
      return `path ${quote(route.pathText)}`;
    default:
      return `${route.pathKind === PATH_PREFIX ? 'prefix' : 'pathSeparatedPrefix'} ${quote(route.pathText)}`;
  }
}

export function quote(text: string): string {
  return JSON.stringify(fromByteString(text));
}
