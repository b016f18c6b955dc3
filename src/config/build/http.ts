// The HTTP settings of a listener → snapshot form. Primary thread; pure.

import { DEFAULTS } from '../defaults.ts';
import type { Http2Document, HttpDocument, VirtualHostDocument } from '../document.ts';
import { formatCidr, parseCidr } from '../ip.ts';
import type { FilterConfig, Http2Config, HttpConfig, VirtualHostConfig } from '../snapshot.ts';
import { parseDuration, parseSize } from '../units.ts';
import { buildAccessLog } from './access-log.ts';
import { buildRouteFilters, buildFilters } from './filters.ts';
import { buildHeaderEdits, buildRoute, buildUpgrades } from './route.ts';

/** @param name of the listener */
export function buildHttp(http: HttpDocument, name: string, file: string): HttpConfig {
  const defaults = DEFAULTS.http;
  const filters = buildFilters(http.filters ?? defaults.filters, { statPrefix: name, path: [name] });
  const sole: VirtualHostDocument = { name: DEFAULTS.virtualHost.soleName, domains: [...DEFAULTS.virtualHost.soleDomains], routes: http.routes ?? [] };
  return {
    protocols: http.protocols ?? [...defaults.protocols],
    serverName: http.serverName ?? defaults.serverName,
    useRemoteAddress: http.useRemoteAddress ?? defaults.useRemoteAddress,
    xffNumTrustedHops: http.xffNumTrustedHops ?? defaults.xffNumTrustedHops,
    trustedCidrs: (http.trustedCidrs ?? defaults.trustedCidrs).map(canonicalCidr),
    internalCidrs: (http.internalCidrs ?? defaults.internalCidrs).map(canonicalCidr),
    normalizePath: http.normalizePath ?? defaults.normalizePath,
    mergeSlashes: http.mergeSlashes ?? defaults.mergeSlashes,
    pathWithEscapedSlashes: http.pathWithEscapedSlashes ?? defaults.pathWithEscapedSlashes,
    headersWithUnderscores: http.headersWithUnderscores ?? defaults.headersWithUnderscores,
    maxRequestHeadersBytes: parseSize(http.maxRequestHeadersSize ?? defaults.maxRequestHeadersSize),
    maxRequestHeaders: http.maxRequestHeaders ?? defaults.maxRequestHeaders,
    maxRequestBodyBytes: parseSize(http.maxRequestBodySize ?? defaults.maxRequestBodySize),
    acceptHttp10: http.acceptHttp10 ?? defaults.acceptHttp10,
    timeouts: buildTimeouts(http.timeouts ?? {}),
    http2: buildHttp2(http.http2 ?? {}),
    requestId: { ...DEFAULTS.requestId, ...http.requestId },
    upgrades: buildUpgrades(http.upgrades ?? defaults.upgrades),
    filters,
    accessLog: (http.accessLog ?? defaults.accessLog).map((log) => buildAccessLog(log, file)),
    virtualHosts: (http.virtualHosts ?? [sole]).map((host) => buildVirtualHost(host, filters, name)),
  };
}

function canonicalCidr(text: string): string {
  const cidr = parseCidr(text);
  return cidr ? formatCidr(cidr) : text;
}

function buildTimeouts(timeouts: NonNullable<HttpDocument['timeouts']>): HttpConfig['timeouts'] {
  const defaults = DEFAULTS.timeouts;
  return {
    idleMs: parseDuration(timeouts.idle ?? defaults.idle),
    requestHeadersMs: parseDuration(timeouts.requestHeaders ?? defaults.requestHeaders),
    requestMs: parseDuration(timeouts.request ?? defaults.request),
    streamIdleMs: parseDuration(timeouts.streamIdle ?? defaults.streamIdle),
  };
}

function buildHttp2(http2: Http2Document): Http2Config {
  const all = { ...DEFAULTS.http2, ...http2 };
  return {
    maxConcurrentStreams: all.maxConcurrentStreams,
    initialStreamWindowBytes: parseSize(all.initialStreamWindow),
    initialConnectionWindowBytes: parseSize(all.initialConnectionWindow),
    keepAliveIntervalMs: parseDuration(all.keepAliveInterval),
    keepAliveTimeoutMs: parseDuration(all.keepAliveTimeout),
    maxOutboundFrames: all.maxOutboundFrames,
    maxOutboundControlFrames: all.maxOutboundControlFrames,
    maxConsecutiveEmptyFrames: all.maxConsecutiveEmptyFrames,
    maxPriorityFramesPerStream: all.maxPriorityFramesPerStream,
    maxWindowUpdatesPerDataFrame: all.maxWindowUpdatesPerDataFrame,
    maxContinuationFrames: all.maxContinuationFrames,
    prematureResetStreams: all.prematureResetStreams,
  };
}

function buildVirtualHost(host: VirtualHostDocument, listenerFilters: readonly FilterConfig[], listener: string): VirtualHostConfig {
  const name = host.name ?? host.domains[0] ?? '';
  const place = { statPrefix: `${listener}.${name}`, path: [listener, name] };
  const filters = buildRouteFilters(host.filters, listenerFilters, place);
  const around = { above: filters ?? listenerFilters, changed: filters !== null, place, retry: host.retry };
  return {
    name,
    domains: host.domains.map((domain) => domain.toLowerCase()),
    routes: host.routes.map((route, index) => buildRoute(route, index, around)),
    requestHeaders: buildHeaderEdits(host.requestHeaders),
    responseHeaders: buildHeaderEdits(host.responseHeaders),
  };
}
