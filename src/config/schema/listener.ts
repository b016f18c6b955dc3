// The schema of listeners: where they listen and how they speak HTTP. Primary thread; constants only.

import { DEFAULTS } from '../defaults.ts';
import { MAX_COUNT, MAX_HEADER_FIELDS, MAX_TRUSTED_HOPS } from '../limits.ts';
import { choice, described, either, flag, freeText, integer, list, object, size, text } from './parts.ts';
import type { Schema } from './parts.ts';
import { virtualHostSchema } from './route.ts';
import { serverTlsSchema } from './tls.ts';

export const ENGINES = ['auto', 'epoll', 'node', 'uws'] as const;
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

function accessLog(): Schema {
  const one = 'At most one of format, json.';
  const filter = object('accessLogFilter', {
    status: text('The statuses to log: "404", ">=500", "200-299". Default: all.', 'statusFilter', { examples: ['>=500'] }),
  });
  return object('accessLog', {
    path: text('The file to append to, relative to the configuration file; /dev/stdout and /dev/stderr are the process\'s own.', 'name'),
    format: freeText(`${one} A line with %OPERATORS%. Default: Envoy's default format.`),
    json: { description: `${one} An object of texts with %OPERATORS%, one JSON line per request. Default: text.`, type: 'object' },
    filter: described('Which requests to log. Default: all.', filter, { default: {} }),
  }, ['path']);
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
    protocols: list('The protocols to speak with clients.', choice('A protocol.', ['http1']), { minItems: 1, default: defaults.protocols }),
    serverName: either('The server header of responses; false passes on what the upstream sends.', [
      text('The value of the header.', 'serverName'),
      { const: false },
    ], { default: defaults.serverName }),
    useRemoteAddress: flag("Take the peer's address for the client's and append it to x-forwarded-for. Right at the edge.", { default: defaults.useRemoteAddress }),
    xffNumTrustedHops: integer('How many proxies in front are trusted to have written x-forwarded-for.', { minimum: 0, maximum: MAX_TRUSTED_HOPS }, { default: defaults.xffNumTrustedHops }),
    trustedCidrs: list('The address ranges of proxies that are trusted to have written x-forwarded-for.', text('An address range.', 'cidr', { examples: ['10.0.0.0/8', 'fd00::/8'] }), { default: defaults.trustedCidrs }),
    normalizePath: flag('Resolve . and .. and needless percent-escapes of the path before routing (RFC 3986 section 6).', { default: defaults.normalizePath }),
    mergeSlashes: flag('Take // in the path as /.', { default: defaults.mergeSlashes }),
    pathWithEscapedSlashes: choice('What to do with %2F and %5C in a path.', ['keep', 'reject', 'unescapeAndRedirect', 'unescapeAndForward'], { default: defaults.pathWithEscapedSlashes }),
    headersWithUnderscores: choice('What to do with header names that hold an underscore.', ['allow', 'drop', 'reject'], { default: defaults.headersWithUnderscores }),
    maxRequestHeadersSize: size('The largest head of a request, from 1KiB to 8MiB; beyond it 431.', { default: defaults.maxRequestHeadersSize }),
    maxRequestHeaders: integer('The most header fields of a request; beyond it 431.', { minimum: 1, maximum: MAX_HEADER_FIELDS }, { default: defaults.maxRequestHeaders }),
    maxRequestBodySize: size('The largest body of a request, beyond it 413; 0: no limit.', { default: defaults.maxRequestBodySize }),
    acceptHttp10: flag('Take HTTP/1.0 requests instead of answering 426.', { default: defaults.acceptHttp10 }),
    timeouts: described('How long to wait for clients.', timeouts(), { default: {} }),
    requestId: described('The x-request-id header.', requestId, { default: {} }),
    accessLog: list('Where to write a line for each request.', accessLog(), { default: defaults.accessLog }),
    routes: list(`${one} The routes for every host: short for one virtual host with the domain "*".`, route),
    virtualHosts: list(`${one} Routes by host.`, virtualHostSchema(route), { minItems: 1 }),
  });
}

export function engineChoice(description: string, extras: { default?: string } = {}): Schema {
  return choice(description, ENGINES, extras);
}

export function listenerSchema(): Schema {
  return object('listener', {
    name: text('Shown in logs, stats and admin pages. Default: its address.', 'name'),
    address: text('Where to listen: IP:port, [v6]:port, unix:/path or unix:@name.', 'listenAddress', { examples: ['0.0.0.0:8080', '[::]:8080', 'unix:/run/nuncio.sock'] }),
    maxConnections: integer('The most connections at one time, over all workers; 0: no limit.', { minimum: 0, maximum: MAX_COUNT }, { default: DEFAULTS.listener.maxConnections }),
    engine: engineChoice('What carries the bytes of this listener; uws speaks HTTP/1.1 only. Default: the top-level engine.'),
    tls: described('Speaks TLS on this listener. Default: plaintext.', serverTlsSchema()),
    http: described('Speaks HTTP on this listener.', http()),
  }, ['address']);
}
