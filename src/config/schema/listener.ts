// The schema of listeners: where they listen, how they speak HTTP, what they do with TCP. Primary thread; constants only.

import { DEFAULTS } from '../defaults.ts';
import { MAX_COUNT, MAX_HEADER_FIELDS, MAX_TRUSTED_HOPS } from '../limits.ts';
import { accessLogSchema } from './access-log.ts';
import { filterSchema } from './filters.ts';
import { choice, described, either, flag, integer, list, object, size, text } from './parts.ts';
import type { Schema } from './parts.ts';
import { upgrades, virtualHostSchema } from './route.ts';
import { tcpSchema } from './tcp.ts';
import { serverTlsSchema } from './tls.ts';

export const ENGINES = ['auto', 'epoll', 'node', 'uws'] as const;
/** Keys of which a listener takes exactly one. */
export const LISTENER_PROTOCOLS = ['http', 'tcp'] as const;
/** Keys of which `http` takes exactly one. */
export const ROUTE_SOURCES = ['routes', 'virtualHosts'] as const;

function timeouts(): Schema {
  const defaults = DEFAULTS.timeouts;
  return object('timeouts', {
    idle: text('How long a connection may wait for its next request; "0s": no limit.', 'duration', { default: defaults.idle }),
    requestHeaders: text('From the first byte of a request to the end of its head; "0s": no limit.', 'duration', { default: defaults.requestHeaders }),
    request: text('From the first byte of a request to the end of its body; "0s": no limit.', 'duration', { default: defaults.request }),
    streamIdle: text('Longest silence in both directions during a request; "0s": no limit.', 'duration', { default: defaults.streamIdle }),
  });
}

function http2(): Schema {
  const defaults = DEFAULTS.http2;
  const count = (description: string, minimum: number, value: number): Schema => integer(description, { minimum, maximum: MAX_COUNT }, { default: value });
  return object('http2', {
    maxConcurrentStreams: count('The most requests at one time on a connection; more are refused.', 1, defaults.maxConcurrentStreams),
    initialStreamWindow: size('Bytes a client may send ahead on one stream, from 1KiB to 1GiB.', { default: defaults.initialStreamWindow }),
    initialConnectionWindow: size('Bytes a client may send ahead on all streams together, from 64KiB to 1GiB.', { default: defaults.initialConnectionWindow }),
    keepAliveInterval: text('How often to ask with a PING whether the client is there, and up to 15 % later; "0s": never.', 'duration', { default: defaults.keepAliveInterval }),
    keepAliveTimeout: text('How long the client may stay silent after such a PING before the connection is closed.', 'duration', { default: defaults.keepAliveTimeout }),
    maxOutboundFrames: count('Frames that may wait for a client who does not read.', 1, defaults.maxOutboundFrames),
    maxOutboundControlFrames: count('Of these, PING, SETTINGS and RST_STREAM.', 1, defaults.maxOutboundControlFrames),
    maxConsecutiveEmptyFrames: count('HEADERS, CONTINUATION and DATA frames without content, one after another.', 0, defaults.maxConsecutiveEmptyFrames),
    maxPriorityFramesPerStream: count('PRIORITY frames, for each stream opened.', 0, defaults.maxPriorityFramesPerStream),
    maxWindowUpdatesPerDataFrame: count('WINDOW_UPDATE frames, for each DATA frame sent.', 1, defaults.maxWindowUpdatesPerDataFrame),
    maxContinuationFrames: count('CONTINUATION frames of one head.', 0, defaults.maxContinuationFrames),
    prematureResetStreams: count('Rapid reset: from half as many requests on that were cut short within a second, the connection ends; 0: never.', 0, defaults.prematureResetStreams),
  });
}

function http(): Schema {
  const defaults = DEFAULTS.http;
  const requestId = object('requestId', {
    generate: flag('Give requests without x-request-id one (UUID, version 4).', { default: DEFAULTS.requestId.generate }),
    preserveExternal: flag('Keep the x-request-id that an untrusted client sends.', { default: DEFAULTS.requestId.preserveExternal }),
  });
  const route: Schema = { $ref: '#/definitions/route' };
  const one = `Exactly one of ${ROUTE_SOURCES.join(', ')}.`;
  return object('http', {
    protocols: list('The protocols to speak with clients.', choice('A protocol.', ['http1', 'http2']), { minItems: 1, default: defaults.protocols }),
    serverName: either('The server header of responses; false passes on what the upstream sends.', [
      text('The value of the header.', 'serverName'),
      { const: false },
    ], { default: defaults.serverName }),
    useRemoteAddress: flag("Take the peer's address for the client's and append it to x-forwarded-for. Right at the edge.", { default: defaults.useRemoteAddress }),
    xffNumTrustedHops: integer('How many proxies in front are trusted to have written x-forwarded-for.', { minimum: 0, maximum: MAX_TRUSTED_HOPS }, { default: defaults.xffNumTrustedHops }),
    trustedCidrs: list('The address ranges of proxies that are trusted to have written x-forwarded-for.', text('An address range.', 'cidr', { examples: ['10.0.0.0/8', 'fd00::/8'] }), { default: defaults.trustedCidrs }),
    internalCidrs: list('The address ranges of internal clients: their x-envoy-* headers, such as x-envoy-retry-on, are heeded.', text('An address range.', 'cidr', { examples: ['10.0.0.0/8'] }), { default: defaults.internalCidrs }),
    normalizePath: flag('Resolve . and .. and needless percent-escapes of the path before routing (RFC 3986 section 6).', { default: defaults.normalizePath }),
    mergeSlashes: flag('Take // in the path as /.', { default: defaults.mergeSlashes }),
    pathWithEscapedSlashes: choice('What to do with %2F and %5C in a path.', ['keep', 'reject', 'unescapeAndRedirect', 'unescapeAndForward'], { default: defaults.pathWithEscapedSlashes }),
    headersWithUnderscores: choice('What to do with header names that hold an underscore.', ['allow', 'drop', 'reject'], { default: defaults.headersWithUnderscores }),
    maxRequestHeadersSize: size('The largest head of a request, from 1KiB to 8MiB; beyond it 431.', { default: defaults.maxRequestHeadersSize }),
    maxRequestHeaders: integer('The most header fields of a request; beyond it 431.', { minimum: 1, maximum: MAX_HEADER_FIELDS }, { default: defaults.maxRequestHeaders }),
    maxRequestBodySize: size('The largest body of a request, beyond it 413; 0: no limit.', { default: defaults.maxRequestBodySize }),
    acceptHttp10: flag('Take HTTP/1.0 requests instead of answering 426.', { default: defaults.acceptHttp10 }),
    timeouts: described('How long to wait for clients.', timeouts(), { default: {} }),
    http2: described('HTTP/2 connections: windows, streams, and what a client may do before it is told to calm down.', http2(), { default: {} }),
    requestId: described('The x-request-id header.', requestId, { default: {} }),
    upgrades: upgrades('The protocols that clients may upgrade to; the connection then carries their bytes as they come.', defaults.upgrades),
    filters: list('What stands between client and upstream, in this order; answers take it the other way round.', filterSchema(), { default: defaults.filters }),
    accessLog: list('Where to write a line for each request.', accessLogSchema(), { default: defaults.accessLog }),
    routes: list(`${one} The routes for every host: short for one virtual host with the domain "*".`, route),
    virtualHosts: list(`${one} Routes by host.`, virtualHostSchema(route), { minItems: 1 }),
  });
}

export function engineChoice(description: string, extras: { default?: string } = {}): Schema {
  return choice(description, ENGINES, extras);
}

export function listenerSchema(): Schema {
  const oneProtocol = `Exactly one of ${LISTENER_PROTOCOLS.join(', ')}.`;
  return object('listener', {
    name: text('Shown in logs, stats and admin pages. Default: its address.', 'name'),
    address: text('Where to listen: IP:port, [v6]:port, unix:/path or unix:@name.', 'listenAddress', { examples: ['0.0.0.0:8080', '[::]:8080', 'unix:/run/nuncio.sock'] }),
    maxConnections: integer('The most connections at one time, over all workers; 0: no limit.', { minimum: 0, maximum: MAX_COUNT }, { default: DEFAULTS.listener.maxConnections }),
    engine: engineChoice('What carries the bytes of this listener; uws speaks HTTP/1.1 only. Default: the top-level engine.'),
    tls: described('Speaks TLS on this listener. Default: plaintext.', serverTlsSchema()),
    proxyProtocol: flag('Every connection begins with a PROXY protocol header (version 1 or 2) that names the caller; one without it is refused.', { default: DEFAULTS.listener.proxyProtocol }),
    http: described(`${oneProtocol} Speaks HTTP on this listener.`, http()),
    tcp: described(`${oneProtocol} Passes bytes on, whatever they mean.`, tcpSchema()),
  }, ['address']);
}
