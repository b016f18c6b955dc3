// Requests and configurations for the tests of `route`, without a parser or a socket.

import type { Fault } from '../../src/core/fault.ts';
import { fieldId, Head } from '../../src/core/head.ts';
import { Random } from '../../src/core/random.ts';
import { Stream } from '../../src/core/stream.ts';
import type {
  ForwardConfig, HeaderEdits, HttpConfig, MatchConfig, PathMatch, RedirectConfig, RewriteConfig, RouteConfig, ValueMatch, VirtualHostConfig,
} from '../../src/config/snapshot.ts';
import { compileRoutes } from '../../src/route/compile.ts';
import type { RouteProblem } from '../../src/route/compile.ts';
import type { RouteTable } from '../../src/route/match.ts';

/** A stream that goes nowhere. */
export class LoneStream extends Stream {
  override reqHead: Head = new Head();
  override resHead: Head = new Head();
  begin(): void {}
  requestData(): void {}
  downWritable(): void {}
  refuse(): void {}
  abandon(): void {}
  forget(): void {}
  downReset(_fault: Fault): void {}
  release(): void {
    this.clear();
  }
  upReady(): void {}
  upFailed(_fault: Fault): void {}
  upWritable(): void {}
  responseInterim(): void {}
  responseHead(): void {}
  responseData(): void {}
  upReset(_fault: Fault): void {}
}

export interface Request {
  method?: string;
  path?: string;
  host?: string;
  scheme?: 'http' | 'https';
  /** `name: value` lines, repeats allowed. */
  headers?: readonly string[];
}

export function streamOf(request: Request): LoneStream {
  const stream = new LoneStream();
  stream.method = request.method ?? 'GET';
  stream.path = Buffer.from(request.path ?? '/', 'latin1').latin1Slice();
  stream.authority = request.host ?? 'example.com';
  stream.scheme = request.scheme ?? 'http';
  const head = stream.reqHead;
  head.buf = Buffer.from((request.headers ?? []).join('\n'), 'latin1');
  let at = 0;
  for (const line of request.headers ?? []) {
    const colon = line.indexOf(':');
    const space = line[colon + 1] === ' ' ? 1 : 0;
    head.addSpan(at, at + colon, at + colon + 1 + space, at + line.length, fieldId(line.slice(0, colon).toLowerCase()));
    at += line.length + 1;
  }
  return stream;
}

export const NO_EDITS: HeaderEdits = { set: [], add: [], remove: [] };
export const NO_REWRITE: RewriteConfig = { prefix: null, regex: null, path: null, host: null, hostFrom: null };

export function forward(changes: Partial<ForwardConfig> = {}): ForwardConfig {
  return {
    kind: 'forward',
    highPriority: false,
    clusters: [{ name: 'app', weight: 1 }],
    clusterHeader: '', subset: null,
    timeoutMs: 15000,
    idleTimeoutMs: null,
    grpcTimeoutHeaderMaxMs: null,
    upgrades: null,
    hashOn: [],
    stickySession: null,
    retry: null,
    hedgeOnPerTryTimeout: false,
    rewrite: NO_REWRITE,
    requestHeaders: NO_EDITS,
    responseHeaders: NO_EDITS,
    ...changes,
  };
}

export function rewriting(changes: Partial<RewriteConfig>): ForwardConfig {
  return forward({ rewrite: { ...NO_REWRITE, ...changes } });
}

export function redirecting(changes: Partial<RedirectConfig>): RedirectConfig {
  const unchanged = { scheme: '', host: '', port: 0, path: null, prefix: null, status: 301, stripQuery: false } as const;
  return { kind: 'redirect', ...unchanged, ...changes };
}

export function matching(path: PathMatch, changes: Partial<MatchConfig> = {}): MatchConfig {
  return { path, caseSensitive: true, methods: [], headers: [], query: [], fraction: 1, clientCertificate: null, ...changes };
}

export function route(name: string, match: MatchConfig, action: RouteConfig['action'] = forward(), filters: RouteConfig['filters'] = null): RouteConfig {
  return { name, match, action, filters };
}

export function valueMatch(name: string, kind: ValueMatch['kind'], changes: Partial<ValueMatch> = {}): ValueMatch {
  return { name, kind, value: '', start: 0, end: 0, present: true, invert: false, ...changes };
}

export function virtualHost(name: string, domains: readonly string[], routes: readonly RouteConfig[]): VirtualHostConfig {
  return { name, domains, routes, requestHeaders: NO_EDITS, responseHeaders: NO_EDITS };
}

/** Only what `route` reads. */
export function httpConfig(virtualHosts: readonly VirtualHostConfig[]): HttpConfig {
  return { virtualHosts } as HttpConfig;
}

/** Operators are words between percent signs here: `%PATH%` is the path. */
function compileFormat(text: string): { constant: string } | { format(stream: Stream): string } {
  if (!text.includes('%')) return { constant: text };
  if (text.includes('%NOPE%')) throw new Error('unknown operator %NOPE%');
  return { format: (stream) => text.replaceAll('%PATH%', stream.path).replaceAll('%NONE%', '') };
}

export function problemsOf(virtualHosts: readonly VirtualHostConfig[]): RouteProblem[] {
  const problems: RouteProblem[] = [];
  compileRoutes(httpConfig(virtualHosts), { compileFormat, problem: (one) => problems.push(one), pointer: '/http' });
  return problems;
}

export function tableOf(virtualHosts: readonly VirtualHostConfig[]): RouteTable {
  const problem = (one: RouteProblem): never => {
    throw new Error(`${one.pointer}: ${one.message}`);
  };
  return compileRoutes(httpConfig(virtualHosts), { compileFormat, problem, pointer: '/http' });
}

/** One virtual host for every domain. */
export function tableOfRoutes(...routes: readonly RouteConfig[]): RouteTable {
  return tableOf([virtualHost('all', ['*'], routes)]);
}

export function seeded(): Random {
  return new Random([1, 2, 3, 4]);
}

/** The name of the route that a request meets, or null. */
export function met(table: RouteTable, request: Request): string | null {
  return table.match(streamOf(request), seeded())?.name ?? null;
}
