// The HTTP settings of a listener → snapshot form. Primary thread; pure.

import { DEFAULTS } from '../defaults.ts';
import type { FilterDocument, Http2Document, HttpDocument, VirtualHostDocument } from '../document.ts';
import { formatCidr, parseCidr } from '../ip.ts';
import type { FilterConfig, Http2Config, HttpConfig, VirtualHostConfig } from '../snapshot.ts';
import { parseDuration, parseSize } from '../units.ts';
import { buildAccessLog } from './access-log.ts';
import { buildHeaderEdits, buildRoute, buildUpgrades } from './route.ts';

export function buildHttp(http: HttpDocument, file: string): HttpConfig {
  const defaults = DEFAULTS.http;
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
    filters: (http.filters ?? defaults.filters).map(buildFilter),
    accessLog: (http.accessLog ?? defaults.accessLog).map((log) => buildAccessLog(log, file)),
    virtualHosts: (http.virtualHosts ?? [sole]).map(buildVirtualHost),
  };
}

function buildFilter({ grpcStats }: FilterDocument): FilterConfig {
  return grpcStats === undefined ? { kind: 'grpcWeb' } : { kind: 'grpcStats', methods: grpcStats.methods ?? [...DEFAULTS.grpcStats.methods] };
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

function buildVirtualHost(host: VirtualHostDocument): VirtualHostConfig {
  return {
    name: host.name ?? host.domains[0] ?? '',
    domains: host.domains.map((domain) => domain.toLowerCase()),
    routes: host.routes.map((route) => buildRoute(route, host.retry)),
    requestHeaders: buildHeaderEdits(host.requestHeaders),
    responseHeaders: buildHeaderEdits(host.responseHeaders),
  };
}
