// The schema of virtual hosts and routes: matchers, actions, header edits. Primary thread; constants only.

import { DEFAULTS } from '../defaults.ts';
import { MAX_WEIGHT } from '../limits.ts';
import { affinityKeys } from './affinity.ts';
import { forwardSubset } from './host-sets.ts';
import { choice, described, dictionary, either, flag, freeText, integer, list, object, text } from './parts.ts';
import { routeFiltersSchema } from './filters.ts';
import type { Schema } from './parts.ts';
import { hedgeSchema, retrySchema } from './retry.ts';

/** Keys of which a route takes exactly one. */
export const ACTIONS = ['forward', 'redirect', 'respond'] as const;
/** Keys of which a match takes exactly one. */
export const PATH_MATCHERS = ['path', 'prefix', 'pathSeparatedPrefix', 'regex', 'template', 'connect'] as const;
/** Keys of which a value matcher takes exactly one. */
export const VALUE_MATCHERS = ['exact', 'prefix', 'suffix', 'contains', 'regex', 'range', 'present'] as const;
/** Keys of which `forward` takes exactly one. */
export const DESTINATIONS = ['cluster', 'clusters', 'clusterHeader'] as const;

const SAFE = { minimum: Number.MIN_SAFE_INTEGER, maximum: Number.MAX_SAFE_INTEGER };

function headerEdits(description: string): Schema {
  const operators = 'Values may hold access-log operators such as %REQ(:AUTHORITY)%.';
  const value = text(`The header's value. ${operators}`, 'headerValue');
  const edits = object('headerEdits', {
    set: dictionary(`Headers to replace or, if absent, to add. ${operators}`, 'editedHeader', value),
    add: dictionary(`Headers to add beside those that are there. ${operators}`, 'editedHeader', value),
    remove: list('Headers to take away.', text('Name of a header, in any case.', 'editedHeader'), { default: DEFAULTS.edits.remove }),
  });
  return described(description, edits, { default: {} });
}

function valueMatcher(of: string): Schema {
  const one = `One of ${VALUE_MATCHERS.join(', ')}.`;
  const range = object('range', {
    start: integer('First number that matches.', SAFE),
    end: integer('First number that no longer matches.', SAFE),
  }, ['start', 'end']);
  return either(`How the ${of}'s value must look: text for an exact match, or an object.`, [
    freeText(`The exact value of the ${of}.`),
    object('valueMatch', {
      exact: freeText(`${one} The whole value.`),
      prefix: text(`${one} The value begins with this.`, 'name'),
      suffix: text(`${one} The value ends with this.`, 'name'),
      contains: text(`${one} The value holds this.`, 'name'),
      regex: text(`${one} A regular expression (RE2 syntax) that the whole value matches.`, 'regex'),
      range: described(`${one} A whole number from start up to, but not including, end.`, range),
      present: flag(`${one} true: the ${of} is there, whatever its value; false: it is not.`),
      invert: flag('Take what does not match instead.', { default: DEFAULTS.valueMatch.invert }),
    }),
  ]);
}

function match(): Schema {
  const one = `One of ${PATH_MATCHERS.join(', ')}.`;
  return object('match', {
    path: text(`${one} The whole path, without query. "*" is the target of OPTIONS *.`, 'exactPath'),
    prefix: text(`${one} The path begins with this: "/api" takes /apix, too.`, 'path'),
    pathSeparatedPrefix: text(`${one} The path begins with these segments: "/api" takes /api and /api/x, not /apix.`, 'separatedPrefix'),
    regex: text(`${one} A regular expression (RE2 syntax, linear time) that the whole path matches.`, 'regex'),
    template: text(`${one} A path in which {name} and * stand for one segment, ** for any number; {name=**} for what it takes.`, 'template', { examples: ['/users/{id}', '/files/{path=**}'] }),
    connect: flag(`${one} true: the request is CONNECT. What it asks for as its target chooses the virtual host, nothing else.`),
    caseSensitive: flag('Tell upper from lower case in path, prefix and pathSeparatedPrefix.', { default: DEFAULTS.match.caseSensitive }),
    methods: list('The methods that match. Empty: every method.', text('A method, upper-case.', 'method', { examples: ['GET', 'POST'] }), { default: DEFAULTS.match.methods }),
    headers: dictionary('Headers that must match, all of them; also :method, :path, :authority and :scheme.', 'matchedHeader', valueMatcher('header')),
    query: dictionary('Query parameters that must match, all of them.', 'name', valueMatcher('query parameter')),
    fraction: { description: 'The share of requests that match, from 0 to 1; the others try the next routes.', type: 'number', minimum: 0, maximum: 1, default: DEFAULTS.match.fraction },
    tls: described('What the TLS connection of the client must be like.', object('matchTls', {
      clientCertificate: flag('true: the client has shown a certificate; false: it has shown none. Default: either.'),
    }), { default: {} }),
  });
}

function rewrite(): Schema {
  const one = 'At most one of prefix, regex, path.';
  const oneHost = 'At most one of host, hostFrom.';
  const regex = object('regexRewrite', {
    pattern: text('What to replace, everywhere in the path (RE2 syntax).', 'regex'),
    substitution: text('What to put there; \\1 to \\9 are the groups of the pattern, \\0 is all of it.', 'substitution'),
  }, ['pattern', 'substitution']);
  return object('rewrite', {
    prefix: text(`${one} Replaces the prefix that the route matched. Default: the path stays.`, 'path'),
    regex: described(`${one} Replaces parts of the path. Default: the path stays.`, regex),
    path: text(`${one} Replaces the whole path; {name} is taken from a template match. Default: the path stays.`, 'path', { examples: ['/new/{id}'] }),
    host: text(`${oneHost} The Host header to send. Default: the client's.`, 'authority'),
    hostFrom: choice(`${oneHost} "upstream" sends the endpoint's own address as Host. Default: the client's.`, ['upstream']),
  });
}

export function upgrades(description: string, standard?: readonly string[]): Schema {
  const name = text('The name of a protocol, in any case.', 'upgrade', { examples: ['websocket'] });
  return list(description, name, standard === undefined ? {} : { default: standard });
}

export function weightedClusterSchema(): Schema {
  return object('weightedCluster', {
    name: text('Name of the cluster.', 'name'),
    weight: integer('Its share, in proportion to the sum of all weights.', { minimum: 0, maximum: MAX_WEIGHT }, { default: DEFAULTS.weightedCluster.weight }),
  }, ['name']);
}

function forward(): Schema {
  const one = `Exactly one of ${DESTINATIONS.join(', ')}.`;
  return object('forward', {
    cluster: text(`${one} The cluster to send to. One of them is needed.`, 'name'),
    clusters: list(`${one} Several clusters, each with its share.`, weightedClusterSchema(), { minItems: 1 }),
    clusterHeader: text(`${one} The request header that names the cluster.`, 'headerName'),
    subset: forwardSubset(),
    priority: choice('Which of the circuit breakers of the cluster count its requests; "high" has limits and connections of its own.', ['default', 'high'], { default: DEFAULTS.forward.priority }),
    timeout: text('From the end of the request to the end of the response; "0s": no limit.', 'duration', { default: DEFAULTS.forward.timeout }),
    idleTimeout: text('Longest silence in both directions; "0s": no limit. Default: timeouts.streamIdle of the listener.', 'duration'),
    grpcTimeoutHeaderMax: text('Heed the grpc-timeout of gRPC calls, up to this, instead of "timeout"; "0s": whatever it says. Default: it is passed on and nothing else.', 'duration'),
    upgrades: upgrades('The protocols that clients may upgrade to on this route; [] is none. Default: those of the listener.'),
    ...affinityKeys(),
    retry: retrySchema('Which requests are tried again, and how. Default: the virtual host\'s, or none.', valueMatcher('header')),
    hedge: hedgeSchema(),
    rewrite: described('Changes of path and host on the way to the cluster.', rewrite(), { default: {} }),
    requestHeaders: headerEdits('Changes to the headers of the request.'),
    responseHeaders: headerEdits('Changes to the headers of the response.'),
  });
}

function redirect(): Schema {
  const one = 'At most one of path, prefix.';
  return object('redirect', {
    scheme: choice('The scheme to send the client to. Default: the same.', ['http', 'https']),
    host: text('The host to send the client to; empty: the same.', 'optionalAuthority', { default: DEFAULTS.redirect.host }),
    port: integer('The port to send the client to; 0: the same, or none if the scheme changes.', { minimum: 0, maximum: 65_535 }, { default: DEFAULTS.redirect.port }),
    path: text(`${one} The whole new path; it may bring its own query. Default: the same.`, 'target'),
    prefix: text(`${one} Replaces the prefix that the route matched. Default: the same.`, 'path'),
    status: choice('The status of the answer.', [301, 302, 303, 307, 308], { default: DEFAULTS.redirect.status }),
    stripQuery: flag('Leave the query away.', { default: DEFAULTS.redirect.stripQuery }),
  });
}

function respond(): Schema {
  return object('respond', {
    status: integer('The status of the answer.', { minimum: 200, maximum: 599 }),
    headers: dictionary('Headers of the answer.', 'editedHeader', text("The header's value.", 'headerValue')),
    body: freeText('The body, at most 4 KiB.', { default: DEFAULTS.respond.body }),
  }, ['status']);
}

export function routeSchema(): Schema {
  const one = `Exactly one of ${ACTIONS.join(', ')}.`;
  return object('route', {
    name: text('Shown in access logs (%ROUTE_NAME%) and by "nuncio explain". Default: none.', 'name'),
    match: described('Which requests take this route. The first route that matches wins.', match()),
    forward: described(`${one} Sends the request to a cluster.`, forward()),
    redirect: described(`${one} Sends the client elsewhere.`, redirect()),
    respond: described(`${one} Answers at once.`, respond()),
    filters: routeFiltersSchema('What is different here from the filters of the virtual host and of the listener.'),
  }, ['match']);
}

export function virtualHostSchema(route: Schema): Schema {
  return object('virtualHost', {
    name: text('Shown in logs and stats. Default: its first domain.', 'name'),
    domains: list(
      'The hosts it answers for: exact, "*.suffix", "prefix.*" or "*". The most exact one wins, then the longest.',
      text('A domain.', 'domain', { examples: ['example.com', '*.example.com', '*'] }),
      { minItems: 1 },
    ),
    requestHeaders: headerEdits('Changes to the headers of every forwarded request.'),
    responseHeaders: headerEdits('Changes to the headers of every response.'),
    filters: routeFiltersSchema('What is different here from the filters of the listener.'),
    retry: retrySchema('Which requests are tried again, and how, on routes that do not say so themselves. Default: none.', valueMatcher('header')),
    routes: list('The routes, tried in order.', route),
  }, ['domains', 'routes']);
}
