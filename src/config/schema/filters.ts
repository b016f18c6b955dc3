// The schema of filters: those of a listener, in order, and what virtual hosts and routes say of them. Primary thread;
// constants only.

import { DEFAULTS } from '../defaults.ts';
import { MAX_COUNT, MAX_DYNAMIC_VALUES, MAX_TOKENS } from '../limits.ts';
import { described, dictionary, either, flag, integer, list, object, size, text } from './parts.ts';
import type { Schema } from './parts.ts';

/** Keys of which a filter takes exactly one. Those that only a route names stand in this order behind the listener's. */
export const FILTERS = ['grpcWeb', 'grpcStats', 'admissionControl', 'concurrencyLimit', 'adaptiveConcurrency', 'localRateLimit', 'bandwidthLimit'] as const;
export type FilterKind = (typeof FILTERS)[number];
/** Those that virtual hosts and routes can have settings of their own for. All others they can only turn off. */
export const LIMIT_FILTERS = ['admissionControl', 'concurrencyLimit', 'adaptiveConcurrency', 'localRateLimit', 'bandwidthLimit'] as const;
export type LimitKind = (typeof LIMIT_FILTERS)[number];
/** Keys of which an entry of a descriptor takes exactly one. */
export const DESCRIPTOR_ENTRIES = ['header', 'remoteAddress', 'path', 'prefix', 'method'] as const;

function percent(description: string, standard: number): Schema {
  return { description, type: 'number', minimum: 0, maximum: 100, default: standard };
}

function statPrefix(where: string): Schema {
  return text(`The stats are ${where}. Default: the listener's name; of a virtual host or route its name behind it.`, 'name');
}

function bucket(): Record<string, Schema> {
  const defaults = DEFAULTS.localRateLimit;
  return {
    maxTokens: integer('How many requests may come at once, when none has come for a while. Default: of a filter, none is limited but by descriptors.', { minimum: 1, maximum: MAX_TOKENS }),
    tokensPerFill: integer('How many requests each fillInterval has room for. Default: maxTokens.', { minimum: 1, maximum: MAX_TOKENS }),
    fillInterval: text('Time in which tokensPerFill come back, evenly; at least 50ms.', 'duration', { default: defaults.fillInterval }),
  };
}

function descriptor(): Schema {
  const one = `Exactly one of ${DESCRIPTOR_ENTRIES.join(', ')}.`;
  const entry = object('descriptorEntry', {
    header: text(`${one} A header of the request.`, 'headerName'),
    value: text('The value that the header must have. Default: any, and each value has tokens of its own.', 'headerValue'),
    remoteAddress: either(`${one} The client: in an address range, or true: any, and each address has tokens of its own.`, [text('An address range.', 'cidr', { examples: ['10.0.0.0/8'] }), { const: true }]),
    path: text(`${one} The whole path, without query.`, 'path'),
    prefix: text(`${one} The path begins with this.`, 'path'),
    method: text(`${one} The method, upper-case.`, 'method'),
  });
  return object('descriptor', {
    entries: list('What a request must be like, all of it.', entry, { minItems: 1 }),
    ...bucket(),
    maxTokens: integer('How many of these requests may come at once, when none has come for a while.', { minimum: 1, maximum: MAX_TOKENS }),
    maxValues: integer('Where values have tokens of their own: for how many at one time. Beyond it some share them.', { minimum: 8, maximum: MAX_DYNAMIC_VALUES }, { default: DEFAULTS.descriptor.maxValues }),
  }, ['entries', 'maxTokens']);
}

function localRateLimit(): Schema {
  const defaults = DEFAULTS.localRateLimit;
  return object('localRateLimit', {
    ...bucket(),
    descriptors: list('Further limits on some requests; a request needs a token of each that fits.', descriptor(), { default: defaults.descriptors }),
    enabledPercent: percent('The share of requests that are counted.', defaults.enabledPercent),
    enforcedPercent: percent('The share of those without a token that are refused.', defaults.enforcedPercent),
    status: integer('The status of the refusal.', { minimum: 400, maximum: 599 }, { default: defaults.status }),
    headers: dictionary('Headers of the refusal.', 'editedHeader', text("The header's value.", 'headerValue')),
    rateLimitHeaders: flag('Tell every client with x-ratelimit-limit, x-ratelimit-remaining and x-ratelimit-reset (draft 03) where it stands.', { default: defaults.rateLimitHeaders }),
    statPrefix: statPrefix('PREFIX.http_local_rate_limit.*'),
  });
}

function concurrencyLimit(): Schema {
  const defaults = DEFAULTS.concurrencyLimit;
  return object('concurrencyLimit', {
    maxRequests: integer('The most requests at one time, over all workers; more are refused.', { minimum: 1, maximum: MAX_COUNT }),
    status: integer('The status of the refusal.', { minimum: 400, maximum: 599 }, { default: defaults.status }),
    statPrefix: statPrefix('http.PREFIX.concurrency_limit.*'),
  }, ['maxRequests']);
}

function adaptiveConcurrency(): Schema {
  const defaults = DEFAULTS.adaptiveConcurrency;
  const rtt = DEFAULTS.minRtt;
  const oneRtt = 'At most one of interval, fixed.';
  return object('adaptiveConcurrency', {
    sampleAggregatePercentile: percent('Which of the latencies of an interval stands for it.', defaults.sampleAggregatePercentile),
    concurrencyUpdateInterval: text('How often the limit is computed anew; at least 1ms.', 'duration', { default: defaults.concurrencyUpdateInterval }),
    maxConcurrencyLimit: integer('The limit never rises above this.', { minimum: 1, maximum: MAX_COUNT }, { default: defaults.maxConcurrencyLimit }),
    minRtt: described('The latency of an upstream that is not loaded.', object('minRtt', {
      interval: text(`${oneRtt} How often it is measured anew.`, 'duration', { default: rtt.interval }),
      fixed: text(`${oneRtt} It is this and never measured.`, 'duration'),
      requestCount: integer('How many requests are measured.', { minimum: 1, maximum: 1_000_000 }, { default: rtt.requestCount }),
      jitterPercent: percent('Up to this much of the interval is added, differently each time.', rtt.jitterPercent),
      minConcurrency: integer('The limit while it is measured, and the lowest there is.', { minimum: 1, maximum: MAX_COUNT }, { default: rtt.minConcurrency }),
      bufferPercent: percent('How far above it latencies count as normal.', rtt.bufferPercent),
    }), { default: {} }),
    status: integer('The status of the refusal.', { minimum: 400, maximum: 599 }, { default: defaults.status }),
    statPrefix: statPrefix('http.PREFIX.adaptive_concurrency.gradient_controller.*'),
  });
}

function admissionControl(): Schema {
  const defaults = DEFAULTS.admissionControl;
  return object('admissionControl', {
    window: text('The time that is looked back on, in whole seconds, up to 5m.', 'duration', { default: defaults.window }),
    successRatePercent: percent('Below this rate of success requests begin to be refused.', defaults.successRatePercent),
    aggression: { description: '1: refusals grow evenly with failures; more: they begin sooner.', type: 'number', minimum: 1, maximum: 100, default: defaults.aggression },
    maxRejectionPercent: percent('The most that is refused.', defaults.maxRejectionPercent),
    rpsThreshold: integer('Nothing is refused below so many requests a second.', { minimum: 0, maximum: MAX_COUNT }, { default: defaults.rpsThreshold }),
    successStatuses: list('Which answers are a success.', text('A status or a range.', 'statusFilter', { examples: ['100-499', '404'] }), { minItems: 1, default: defaults.successStatuses }),
    successGrpcStatuses: list('Which gRPC statuses are.', integer('A number.', { minimum: 0, maximum: 16 }), { minItems: 1, default: defaults.successGrpcStatuses }),
    statPrefix: statPrefix('http.PREFIX.admission_control.*'),
  });
}

function bandwidthLimit(): Schema {
  const one = 'At least one of requestRate, responseRate.';
  return object('bandwidthLimit', {
    requestRate: size(`${one} Bytes a second of all bodies of requests together. Default: no limit.`),
    responseRate: size(`${one} Bytes a second of all bodies of answers together. Default: no limit.`),
    fillInterval: text('How often held bytes go on, from 20ms to 1s.', 'duration', { default: DEFAULTS.bandwidthLimit.fillInterval }),
    statPrefix: statPrefix('PREFIX.http_bandwidth_limit.*'),
  });
}

const LIMIT_SCHEMAS: Readonly<Record<LimitKind, readonly [does: string, schema: Schema]>> = {
  admissionControl: ['Refuses part of the requests while many fail.', admissionControl()],
  concurrencyLimit: ['Lets only so many requests in at one time.', concurrencyLimit()],
  adaptiveConcurrency: ['The same, with a limit that follows the latency of the upstream.', adaptiveConcurrency()],
  localRateLimit: ['Lets only so many requests in each second: a token bucket for all workers.', localRateLimit()],
  bandwidthLimit: ['Lets bodies pass only so fast.', bandwidthLimit()],
};

export function filterSchema(): Schema {
  const one = `Exactly one of ${FILTERS.join(', ')}.`;
  return object('filter', {
    grpcWeb: described(`${one} Translates gRPC-Web, binary and text, into gRPC and back.`, object('grpcWeb', {})),
    grpcStats: described(`${one} Counts gRPC calls, messages and statuses of each cluster: cluster.NAME.grpc.*. Stands behind grpcWeb.`, object('grpcStats', {
      methods: list('At most 200 methods that are counted by themselves: cluster.NAME.grpc.SERVICE.METHOD.*. All others are counted together.', text('A method.', 'grpcMethod', { examples: ['helloworld.Greeter/SayHello'] }), { default: DEFAULTS.grpcStats.methods }),
    })),
    ...Object.fromEntries(LIMIT_FILTERS.map((kind) => [kind, described(`${one} ${LIMIT_SCHEMAS[kind][0]}`, LIMIT_SCHEMAS[kind][1])])),
  });
}

/** `filters` of virtual hosts and routes. */
export function routeFiltersSchema(description: string): Schema {
  const off = ['grpcWeb', 'grpcStats'].map((kind) => [kind, { description: 'false: not here. Default: as above.', const: false }] as const);
  const own = LIMIT_FILTERS.map((kind) => [kind, either(`${LIMIT_SCHEMAS[kind][0]} false: not here. Default: as above.`, [LIMIT_SCHEMAS[kind][1], { const: false }])] as const);
  return described(description, object('routeFilters', Object.fromEntries([...off, ...own])), { default: {} });
}
