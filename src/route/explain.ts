// `nuncio explain`: what a request would meet, and why. It asks the same routes the road asks, one by one in list order, and
// says in sentences why each earlier one does not match. Primary thread; pure.

import { formatAddress } from '../core/address.ts';
import { Head } from '../core/head.ts';
import type { HttpConfig, HttpListenerConfig, ListenerConfig, TcpConfig, WeightedCluster } from '../config/snapshot.ts';
import type { CompiledRoute } from './compiled-route.ts';
import { domainFor } from './explain/domain.ts';
import type { Outcome } from './explain/outcome.ts';
import { describeOutcome, outcomeOf } from './explain/outcome.ts';
import { pathName, quote, reasonsAgainst } from './explain/verdict.ts';
import type { RouteTable, VirtualHost } from './match.ts';
import type { RoutedRequest } from './routed-request.ts';
import { fromByteString, toByteString } from './rule/byte-string.ts';

export interface Question {
  readonly method: string;
  /** `http://host:port/path?query`, or a path; then the Host comes from the headers. */
  readonly url: string;
  readonly headers: readonly (readonly [name: string, value: string])[];
  /** The caller's address, '' when it does not matter. */
  readonly from: string;
}

export interface Explanation {
  readonly request: { readonly method: string; readonly scheme: string; readonly host: string; readonly path: string; readonly from: string };
  /** The path that is routed, after the listener's path rules. */
  readonly routedPath: string;
  readonly listener: { readonly name: string; readonly why: string };
  readonly virtualHost: { readonly name: string; readonly why: string } | null;
  /** The routes that were asked, in list order; the last one is the answer unless its verdict is `no`. */
  readonly routes: readonly RouteReport[];
  /** Why there is no route, or ''. */
  readonly nothing: string;
}

export interface RouteReport {
  /** Its place in the virtual host's list, from 0. */
  readonly index: number;
  readonly name: string;
  readonly match: string;
  /** `sometimes`: the route takes a fraction of the requests that come this far. */
  readonly verdict: 'no' | 'sometimes' | 'yes';
  readonly reasons: readonly string[];
  /** The filters that its requests go through, in order. */
  readonly filters: readonly string[];
  readonly outcome: Outcome | null;
  readonly does: readonly string[];
}

/** What a listener does with a path before it is routed: the clean path, or why the request goes no further. */
export type AdmitPath = (path: string, listener: HttpListenerConfig) => { readonly path: string; readonly refusal: string };

const ADMIT_AS_IS: AdmitPath = (path) => ({ path, refusal: '' });

/** `tables[i]` is the table of `listeners[i]`, null where it speaks TCP. @throws Error with a sentence when the URL cannot be read. */
export function explainRequest(listeners: readonly ListenerConfig[], tables: readonly (RouteTable | null)[], question: Question, admitPath: AdmitPath = ADMIT_AS_IS): Explanation {
  const { request: given, port } = readQuestion(question);
  const place = listenerPlace(listeners, port);
  const listener = listeners[place];
  const table = tables[place];
  if (listener === undefined || table === undefined) throw new Error('the configuration has no listener');
  const tcp = listener.http === null || table === null;
  const { path, refusal } = tcp ? { path: given.path, refusal: describeTcp(listener.tcp!) } : admitPath(given.path, listener);
  const request = { ...given, path };
  const asked = {
    request: { method: given.method, scheme: given.scheme, host: given.authority, path: fromByteString(given.path), from: question.from },
    routedPath: fromByteString(path),
    listener: { name: listener.name, why: listenerReason(listeners, listener, port) },
  };
  if (tcp || refusal !== '') return { ...asked, virtualHost: null, routes: [], nothing: refusal };
  const host = table.virtualHostOf(request.authority);
  if (host === null) return { ...asked, virtualHost: null, routes: [], nothing: missingHost(table, request.authority) };
  const routes = askRoutes(host, request, listener.http);
  const matched = routes.at(-1)?.verdict === 'yes';
  return {
    ...asked,
    virtualHost: { name: host.name, why: hostReason(host, request.authority) },
    routes,
    nothing: matched ? '' : 'no route of the virtual host matches: the answer is 404',
  };
}

function askRoutes(host: VirtualHost, request: RoutedRequest, http: HttpConfig): RouteReport[] {
  const configs = http.virtualHosts.find(({ name }) => name === host.name)?.routes ?? [];
  const reports: RouteReport[] = [];
  for (const route of host.routes) {
    const filters = (configs[route.index]?.filters ?? http.filters).map(({ kind }) => kind);
    const report = askRoute(route, request, filters);
    reports.push(report);
    if (report.verdict === 'yes') break;
  }
  return reports;
}

function askRoute(route: CompiledRoute, request: RoutedRequest, filters: readonly string[]): RouteReport {
  const { index, name } = route;
  const reasons = reasonsAgainst(route, request);
  const about = { index, name, match: pathName(route) };
  if (reasons.length > 0 || route.fraction === 0) {
    return { ...about, verdict: 'no', reasons: reasons.length > 0 ? reasons : ['its fraction is 0'], filters, outcome: null, does: [] };
  }
  const outcome = outcomeOf(route, request);
  const does = [...(filters.length === 0 ? [] : [`goes through ${filters.join(', ')}`]), ...describeOutcome(outcome, request)];
  if (route.fraction === 1) return { ...about, verdict: 'yes', reasons: [], filters, outcome, does };
  const share = `it takes ${Math.round(route.fraction * 1e6) / 1e4} % of the requests that come this far`;
  return { ...about, verdict: 'sometimes', reasons: [share], filters, outcome, does };
}

interface Read {
  readonly request: RoutedRequest;
  /** null when the URL names none. */
  readonly port: number | null;
}

function readQuestion(question: Question): Read {
  const reqHead = new Head();
  let hostField = '';
  for (const [name, value] of question.headers) {
    if (name.toLowerCase() === 'host') hostField = value;
    else reqHead.add(name, toByteString(value));
  }
  const parts = /^(?:(https?):\/\/([^/?#]*))?(\*|[/?#].*)?$/is.exec(question.url);
  if (parts === null || question.url === '') throw new Error(`${quote(question.url)} is neither an http URL nor a path`);
  const [, scheme = 'http', urlHost = '', target = ''] = parts;
  const [path] = (target.startsWith('/') || target === '*' ? target : '/' + target).split('#');
  const secure = scheme.toLowerCase() === 'https';
  const port = /:(\d+)$/.exec(urlHost)?.[1];
  return {
    request: {
      method: question.method,
      path: toByteString(path!),
      authority: hostField === '' ? urlHost : hostField,
      scheme: secure ? 'https' : 'http',
      reqHead,
      routeDraw: 0,
      tls: null,
    },
    port: urlHost === '' ? null : port === undefined ? (secure ? 443 : 80) : Number(port),
  };
}

function listenerPlace(listeners: readonly ListenerConfig[], port: number | null): number {
  const place = listeners.findIndex(({ address }) => address.kind === 'ip' && address.port === port);
  return place < 0 ? Math.max(0, listeners.findIndex(({ http }) => http !== null)) : place;
}

function describeTcp({ clusters, sniRoutes }: TcpConfig): string {
  if (sniRoutes.length === 0) return `it passes TCP on to ${describeClusters(clusters)}, whatever the bytes mean`;
  const ways = sniRoutes.map(({ serverName, clusters: to }) => `${quote(serverName)} ${to.length === 0 ? 'is refused' : `goes to ${describeClusters(to)}`}`);
  return `it passes TLS on by server name, unopened: ${ways.join(', ')}`;
}

function describeClusters(clusters: readonly WeightedCluster[]): string {
  return clusters.map(({ name, weight }) => (clusters.length === 1 ? name : `${name} (weight ${weight})`)).join(', ');
}

function listenerReason(listeners: readonly ListenerConfig[], { address }: ListenerConfig, port: number | null): string {
  const where = formatAddress(address);
  if (address.kind === 'ip' && address.port === port) return `it listens on ${where}`;
  if (listeners.length === 1) return `it is the only one, on ${where}`;
  return port === null ? `the first one is taken, on ${where}: the URL names no port` : `the first one is taken, on ${where}: none listens on port ${port}`;
}

function hostReason(host: VirtualHost, authority: string): string {
  const domain = domainFor(host.domains, authority);
  if (authority === '') return 'the request names no host, and this one is for every domain';
  if (domain === '*') return `${quote(authority)} fits no other domain, and this one is for every domain`;
  return `${quote(authority)} fits its domain ${quote(domain)}`;
}

function missingHost(table: RouteTable, authority: string): string {
  const domains = table.virtualHosts.flatMap((host) => host.domains).map(quote);
  const shown = domains.length > 20 ? `${domains.slice(0, 20).join(', ')} and ${domains.length - 20} more` : domains.join(', ');
  return `no virtual host has a domain for ${authority === '' ? 'a request without a host' : quote(authority)}: the answer is 404. There are ${shown}`;
}

/** The explanation as text, ending with a newline. */
export function formatExplanation(explanation: Explanation): string {
  const { request, routedPath, listener, virtualHost, routes, nothing } = explanation;
  const from = request.from === '' ? '' : ` from ${request.from}`;
  const lines = [`${request.method} ${request.path} for ${request.host === '' ? 'no host' : request.host} (${request.scheme})${from}`];
  lines.push(`listener ${quote(listener.name)}: ${listener.why}`);
  if (routedPath !== request.path && virtualHost !== null) lines.push(`the path becomes ${routedPath}`);
  if (virtualHost !== null) lines.push(`virtual host ${quote(virtualHost.name)}: ${virtualHost.why}`);
  for (const report of routes) lines.push(...formatRoute(report));
  if (nothing !== '') lines.push(nothing);
  return lines.join('\n') + '\n';
}

function formatRoute({ index, name, match, verdict, reasons, does }: RouteReport): string[] {
  const title = `route ${index}${name === '' ? '' : ` ${quote(name)}`} (${match})`;
  if (verdict === 'no') return [`${title} does not match:`, ...reasons.map((reason) => `  ${reason}`)];
  return [`${title} ${verdict === 'yes' ? 'matches:' : 'may match:'}`, ...[...reasons, ...does].map((line) => `  ${line}`)];
}
