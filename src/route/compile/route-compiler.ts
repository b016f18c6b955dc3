// Compiles one route: its match, then its action. At load, any thread; pure.

import type { ForwardConfig, MatchConfig, RedirectConfig, RespondConfig, RewriteConfig, RouteConfig } from '../../config/snapshot.ts';
import { subsetKey } from '../../config/subset-key.ts';
import { FieldBlock } from '../../core/field-block.ts';
import {
  CompiledRoute,
  PATH_ANY,
  PATH_CONNECT,
  PATH_EXACT,
  PATH_PREFIX,
  PATH_REGEX,
  PATH_SEPARATED,
  PATH_TEMPLATE,
  REWRITE_PATH,
  REWRITE_PREFIX,
  REWRITE_REGEX,
  ROUTE_FORWARD,
  ROUTE_REDIRECT,
  ROUTE_RESPOND,
} from '../compiled-route.ts';
import { parsePathRewrite, parseTemplate } from '../path/template-parser.ts';
import { toByteString } from '../rule/byte-string.ts';
import { parseSubstitution } from '../rule/regex-syntax.ts';
import { compileAffinity } from './affinity-compiler.ts';
import { compileEdits } from './edit-compiler.ts';
import type { Place } from './place.ts';
import { compileRetry } from './retry-compiler.ts';
import { compileHeaderRule, compileQueryRule, compileRegex } from './rule-compiler.ts';

/** Envoy's default limit on the body of a direct response. */
const MAX_RESPOND_BODY_BYTES = 4096;

export function compileRoute(config: RouteConfig, place: Place): CompiledRoute {
  const route = new CompiledRoute();
  route.name = config.name;
  compileMatch(route, config.match, place.at('match'));
  const { action } = config;
  if (action.kind === 'forward') compileForward(route, action, place.at('forward'));
  else if (action.kind === 'redirect') compileRedirect(route, action, place.at('redirect'));
  else compileRespond(route, action, place.at('respond'));
  return route;
}

function compileMatch(route: CompiledRoute, config: MatchConfig, place: Place): void {
  compilePath(route, config, place);
  route.methods = config.methods;
  route.rules = [
    ...config.headers.map((rule) => compileHeaderRule(rule, place.at('headers', rule.name))),
    ...config.query.map((rule) => compileQueryRule(rule, place.at('query', rule.name))),
  ];
  if (config.clientCertificate !== null) route.clientCertificate = config.clientCertificate ? 1 : 0;
  route.fraction = config.fraction;
  const plainPath = route.pathKind === PATH_EXACT || route.pathKind === PATH_PREFIX || route.pathKind === PATH_ANY;
  route.certain = plainPath && route.methods.length === 0 && route.rules.length === 0 && route.clientCertificate < 0 && route.fraction === 1;
}

function compilePath(route: CompiledRoute, config: MatchConfig, matchPlace: Place): void {
  const path = config.path;
  if (path.kind === 'any') return;
  if (path.kind === 'connect') {
    route.pathKind = PATH_CONNECT;
    return;
  }
  const place = matchPlace.at(path.kind);
  if (path.kind === 'regex') {
    route.pathKind = PATH_REGEX;
    route.regex = compileRegex(path.value, place);
    return;
  }
  if (path.kind === 'template') {
    route.pathKind = PATH_TEMPLATE;
    route.template = place.attempt(() => parseTemplate(path.value), null);
    return;
  }
  route.pathKind = path.kind === 'path' ? PATH_EXACT : path.kind === 'prefix' ? PATH_PREFIX : PATH_SEPARATED;
  route.caseSensitive = config.caseSensitive;
  route.pathText = toByteString(path.value);
  const problem = plainPathProblem(path.value, route.pathKind);
  if (problem !== '') place.problem(problem);
}

function plainPathProblem(text: string, kind: number): string {
  if (/[?#]/.test(text)) return 'this is compared with the path alone, which holds no ? or #; use "query"';
  if (text === '*' && kind === PATH_EXACT) return '';
  if (text === '' && kind === PATH_PREFIX) return '';
  if (!text.startsWith('/')) return 'a path begins with /';
  if (kind === PATH_SEPARATED && text.endsWith('/')) return 'the separator is not part of the prefix: leave out the last /';
  return '';
}

function compileForward(route: CompiledRoute, config: ForwardConfig, place: Place): void {
  route.kind = ROUTE_FORWARD;
  route.highPriority = config.highPriority;
  route.timeoutMs = config.timeoutMs;
  if (route.timeoutMs > 0) route.timeoutBlock = new FieldBlock(['x-envoy-expected-rq-timeout-ms', String(route.timeoutMs)]);
  route.idleTimeoutMs = config.idleTimeoutMs ?? -1;
  route.grpcTimeoutMaxMs = config.grpcTimeoutHeaderMaxMs ?? -1;
  route.upgrades = config.upgrades;
  route.retry = config.retry === null ? null : compileRetry(config.retry, place.at('retry'));
  route.hedge = config.hedgeOnPerTryTimeout;
  route.clusterHeader = config.clusterHeader;
  route.subset = subsetKey(config.subset);
  route.clusterNames = config.clusters.map((cluster) => cluster.name);
  route.clusterWeights = config.clusters.map((cluster) => cluster.weight);
  route.clusterRefs = config.clusters.map(() => null);
  route.totalWeight = route.clusterWeights.reduce((sum, weight) => sum + weight, 0);
  if (config.clusterHeader === '' && !(route.totalWeight > 0)) {
    place.at('clusters').problem('the weights of the clusters add up to nothing');
  }
  compileAffinity(route, config);
  compileRewrite(route, config.rewrite, place.at('rewrite'));
  route.requestEdits = compileEdits(config.requestHeaders, place.at('requestHeaders'));
  route.responseEdits = compileEdits(config.responseHeaders, place.at('responseHeaders'));
}

function compileRewrite(route: CompiledRoute, config: RewriteConfig, place: Place): void {
  const ways = [config.prefix, config.regex, config.path].filter((way) => way !== null).length;
  if (ways > 1) place.problem('a path is rewritten in one way: "prefix", "regex" or "path"');
  if (config.host !== null && config.hostFrom !== null) place.problem('the host comes from "host" or from "hostFrom"');
  if (config.prefix !== null) {
    route.rewriteKind = REWRITE_PREFIX;
    route.rewriteText = toByteString(config.prefix);
    checkPath(config.prefix, '?#', place.at('prefix'));
  } else if (config.regex !== null) {
    compileRegexRewrite(route, config.regex, place.at('regex'));
  } else if (config.path !== null) {
    compilePathRewrite(route, config.path, place.at('path'));
  }
  route.hostRewrite = toByteString(config.host ?? '');
  route.hostFromUpstream = config.hostFrom === 'upstream';
  checkPath(config.host ?? '', '/?#', place.at('host'), false);
}

function compileRegexRewrite(route: CompiledRoute, config: { pattern: string; substitution: string }, place: Place): void {
  route.rewriteKind = REWRITE_REGEX;
  route.rewriteRegex = compileRegex(config.pattern, place.at('pattern'));
  const groups = route.rewriteRegex?.groups ?? 9;
  route.rewriteParts = place.at('substitution').attempt(() => parseSubstitution(config.substitution, groups), []);
  checkPath(config.substitution, '#', place.at('substitution'), false);
}

function compilePathRewrite(route: CompiledRoute, text: string, place: Place): void {
  route.rewriteKind = REWRITE_PATH;
  route.rewriteText = toByteString(text);
  const variables = route.pathKind === PATH_TEMPLATE ? (route.template?.variables ?? []) : null;
  const parts = place.attempt(() => parsePathRewrite(text, variables), []);
  route.rewriteParts = parts.map((part) => (typeof part === 'string' ? toByteString(part) : part));
  checkPath(text, '', place, false);
}

/** What goes into a request line or a Location must not break it. */
function checkPath(text: string, banned: string, place: Place, needsSlash = true): void {
  if (/[\x00-\x20\x7f]/.test(text)) place.problem('spaces and control characters cannot be sent here');
  for (const char of banned) if (text.includes(char)) place.problem(`'${char}' cannot stand here`);
  if (needsSlash && text !== '' && !text.startsWith('/')) place.problem('a path begins with /');
}

function compileRedirect(route: CompiledRoute, config: RedirectConfig, place: Place): void {
  route.kind = ROUTE_REDIRECT;
  route.status = config.status;
  route.redirectScheme = config.scheme;
  route.redirectHost = toByteString(config.host);
  route.redirectPort = config.port;
  route.redirectPath = config.path === null ? null : toByteString(config.path);
  route.redirectPrefix = config.prefix === null ? null : toByteString(config.prefix);
  route.stripQuery = config.stripQuery;
  if (config.path !== null && config.prefix !== null) place.problem('a redirect has a "path" or a "prefix"');
  if (config.port !== 0 && /:\d+$/.test(config.host)) place.at('port').problem('"host" names a port already');
  checkPath(config.host, '/?#', place.at('host'), false);
  checkPath(config.path ?? '', '', place.at('path'));
  checkPath(config.prefix ?? '', '?#', place.at('prefix'));
}

function compileRespond(route: CompiledRoute, config: RespondConfig, place: Place): void {
  route.kind = ROUTE_RESPOND;
  route.status = config.status;
  route.respondBody = Buffer.from(config.body, 'utf8');
  route.respondHeaders = config.headers.flatMap(([name, value]) => [name, toByteString(value)]);
  if (config.status < 200 || config.status > 599) place.at('status').problem('a status from 200 to 599');
  if (route.respondBody.length > MAX_RESPOND_BODY_BYTES) {
    place.at('body').problem(`the body has ${route.respondBody.length} bytes; at most ${MAX_RESPOND_BODY_BYTES} are possible`);
  }
}
