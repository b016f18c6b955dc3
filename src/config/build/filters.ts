// Filters → snapshot form: a listener's list, and what its virtual hosts and routes change in it. Every limit gets a key,
// made of where it stands and what it says: over a reload the same key has the same state. Primary thread; pure.

import { DEFAULTS } from '../defaults.ts';
import type {
  AdaptiveConcurrencyDocument, AdmissionControlDocument, BandwidthLimitDocument, BucketDocument, ConcurrencyLimitDocument, DescriptorDocument, FilterDocument,
  LocalRateLimitDocument, RouteFiltersDocument,
} from '../document.ts';
import { FILTERS, type LimitKind } from '../schema/filters.ts';
import type { BucketConfig, DescriptorConfig, LimitConfig } from '../limit-snapshot.ts';
import type { FilterConfig } from '../snapshot.ts';
import { parseDuration, parseSize, parseStatusFilter } from '../units.ts';
import { contentHash } from './content.ts';

/** Where filters stand: names from the listener inwards; the last may be what tells a nameless route from others. */
export interface FilterPlace {
  readonly statPrefix: string;
  readonly path: readonly string[];
}

type FilterSettings = Pick<FilterDocument, LimitKind>;

export function buildFilters(filters: readonly FilterDocument[], place: FilterPlace): FilterConfig[] {
  return filters.map((filter) => {
    if (filter.grpcWeb !== undefined) return { kind: 'grpcWeb' };
    if (filter.grpcStats !== undefined) return { kind: 'grpcStats', methods: filter.grpcStats.methods ?? [...DEFAULTS.grpcStats.methods] };
    return buildLimit(filter, place);
  });
}

/** The whole list as it is at this place. @param above the list of what is around it; null: nothing is changed */
export function buildRouteFilters(changes: RouteFiltersDocument | undefined, above: readonly FilterConfig[], place: FilterPlace): readonly FilterConfig[] | null {
  if (changes === undefined || Object.keys(changes).length === 0) return null;
  const list: FilterConfig[] = [];
  for (const filter of above) {
    const change = changes[filter.kind];
    if (change === undefined) list.push(filter);
    else if (change !== false) list.push(buildLimit({ [filter.kind]: change }, place));
  }
  for (const kind of FILTERS) {
    const change = changes[kind];
    if (change === undefined || change === false || above.some((filter) => filter.kind === kind)) continue;
    list.push(buildLimit({ [kind]: change }, place));
  }
  return list;
}

function buildLimit(settings: FilterSettings, { statPrefix, path }: FilterPlace): LimitConfig {
  const config = limitOf(settings);
  const own = Object.values(settings)[0]!.statPrefix;
  return { ...config, statPrefix: own ?? statPrefix, key: contentHash([path, config, own ?? '']) };
}

/** Without those keys that depend on the place. */
function limitOf(settings: FilterSettings): LimitConfig {
  if (settings.localRateLimit !== undefined) return localRateLimit(settings.localRateLimit);
  if (settings.concurrencyLimit !== undefined) return concurrencyLimit(settings.concurrencyLimit);
  if (settings.adaptiveConcurrency !== undefined) return adaptiveConcurrency(settings.adaptiveConcurrency);
  return settings.admissionControl === undefined ? bandwidthLimit(settings.bandwidthLimit!) : admissionControl(settings.admissionControl);
}

const NOWHERE = { key: '', statPrefix: '' };

function localRateLimit(document: LocalRateLimitDocument): LimitConfig {
  const defaults = DEFAULTS.localRateLimit;
  return {
    kind: 'localRateLimit',
    ...NOWHERE,
    bucket: document.maxTokens === undefined ? null : bucketOf(document, document.maxTokens, 1),
    descriptors: (document.descriptors ?? defaults.descriptors).map(descriptorOf),
    enabledPercent: document.enabledPercent ?? defaults.enabledPercent,
    enforcedPercent: document.enforcedPercent ?? defaults.enforcedPercent,
    status: document.status ?? defaults.status,
    headers: Object.entries(document.headers ?? {}),
    rateLimitHeaders: document.rateLimitHeaders ?? defaults.rateLimitHeaders,
  };
}

function bucketOf({ tokensPerFill, fillInterval }: BucketDocument, maxTokens: number, copies: number): BucketConfig {
  const interval = parseDuration(fillInterval ?? DEFAULTS.localRateLimit.fillInterval);
  return { maxTokens, tokensPerMs: (tokensPerFill ?? maxTokens) / interval, copies };
}

function descriptorOf(document: DescriptorDocument): DescriptorConfig {
  const entries = document.entries.map((entry) => {
    if (entry.header !== undefined) return { kind: 'header' as const, name: entry.header.toLowerCase(), value: entry.value ?? null };
    if (entry.remoteAddress !== undefined) return { kind: 'remoteAddress' as const, name: '', value: entry.remoteAddress === true ? null : entry.remoteAddress };
    if (entry.path !== undefined) return { kind: 'path' as const, name: '', value: entry.path };
    if (entry.prefix !== undefined) return { kind: 'prefix' as const, name: '', value: entry.prefix };
    return { kind: 'method' as const, name: '', value: entry.method! };
  });
  const copies = entries.some(({ value }) => value === null) ? (document.maxValues ?? DEFAULTS.descriptor.maxValues) : 1;
  return { entries, bucket: bucketOf(document, document.maxTokens, copies) };
}

function concurrencyLimit(document: ConcurrencyLimitDocument): LimitConfig {
  return { kind: 'concurrencyLimit', ...NOWHERE, maxRequests: document.maxRequests, status: document.status ?? DEFAULTS.concurrencyLimit.status };
}

function adaptiveConcurrency(document: AdaptiveConcurrencyDocument): LimitConfig {
  const defaults = DEFAULTS.adaptiveConcurrency;
  const { interval, fixed, ...rtt } = document.minRtt ?? {};
  const all = { ...DEFAULTS.minRtt, ...rtt };
  return {
    kind: 'adaptiveConcurrency',
    ...NOWHERE,
    samplePercentile: document.sampleAggregatePercentile ?? defaults.sampleAggregatePercentile,
    updateIntervalMs: parseDuration(document.concurrencyUpdateInterval ?? defaults.concurrencyUpdateInterval),
    maxLimit: document.maxConcurrencyLimit ?? defaults.maxConcurrencyLimit,
    minRtt: {
      intervalMs: parseDuration(interval ?? DEFAULTS.minRtt.interval),
      fixedMs: fixed === undefined ? 0 : parseDuration(fixed),
      requestCount: all.requestCount,
      jitterPercent: all.jitterPercent,
      minConcurrency: all.minConcurrency,
      bufferPercent: all.bufferPercent,
    },
    status: document.status ?? defaults.status,
  };
}

function admissionControl(document: AdmissionControlDocument): LimitConfig {
  const defaults = DEFAULTS.admissionControl;
  return {
    kind: 'admissionControl',
    ...NOWHERE,
    windowMs: parseDuration(document.window ?? defaults.window),
    successRatePercent: document.successRatePercent ?? defaults.successRatePercent,
    aggression: document.aggression ?? defaults.aggression,
    maxRejectionPercent: document.maxRejectionPercent ?? defaults.maxRejectionPercent,
    rpsThreshold: document.rpsThreshold ?? defaults.rpsThreshold,
    successStatuses: (document.successStatuses ?? defaults.successStatuses).map(parseStatusFilter),
    successGrpcStatuses: document.successGrpcStatuses ?? [...defaults.successGrpcStatuses],
  };
}

function bandwidthLimit(document: BandwidthLimitDocument): LimitConfig {
  const fillIntervalMs = parseDuration(document.fillInterval ?? DEFAULTS.bandwidthLimit.fillInterval);
  return { kind: 'bandwidthLimit', ...NOWHERE, request: rateOf(document.requestRate, fillIntervalMs), response: rateOf(document.responseRate, fillIntervalMs), fillIntervalMs };
}

/** Intervals' worth that a bucket holds: a timer that comes late must not cost what it was late for. */
const HELD_INTERVALS = 4;


function rateOf(rate: number | string | undefined, fillIntervalMs: number): BucketConfig | null {
  if (rate === undefined) return null;
  const tokensPerMs = parseSize(rate) / 1000;
  return { maxTokens: Math.max(1, Math.ceil(tokensPerMs * fillIntervalMs * HELD_INTERVALS)), tokensPerMs, copies: 1 };
}
