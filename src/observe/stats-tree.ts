// Every named stat of the process, scope by scope: cluster.NAME.*, http.PREFIX.*, listener.ADDRESS.* out of shared
// memory, the rest from what the primary keeps itself. Primary thread; read only. The forms stand in `stats-pages.ts`.

import type { ClusterConfig } from '../config/cluster-snapshot.ts';
import type { ListenerConfig, Snapshot } from '../config/snapshot.ts';
import { type Address, formatAddress } from '../core/address.ts';
import { RES_CX, RES_PENDING, RES_RETRY, RES_RQ, type Resource } from '../shared/breaker-table.ts';
import { HOST_DEGRADED, HOST_EXCLUDED, HOST_PENDING_ACTIVE, HOST_UNHEALTHY } from '../shared/host-table.ts';
import type { ClusterPlan, ListenerPlan, Plan } from '../shared/plan.ts';
import type { SharedState } from '../shared/registry.ts';
import { retryLimit, type RetryBudget } from '../shared/retry-budget.ts';
import { CODE_NAMES } from './code-slots.ts';
import { GRPC_STATS } from './grpc-stats.ts';
import { hashStats } from './hash-stats.ts';
import { healthStats } from './health-stats.ts';
import { LAZY_SSL, SSL_CX_ACTIVE, SSL_STATS } from './ssl-stats.ts';
import { gradientStats, LIMIT_FAMILIES } from './limit-stats.ts';
import * as S from './stat-names.ts';
import { LB_AT, LB_STATS, OUTLIER_AT, OUTLIER_STATS, RETRY_AT, RETRY_STATS, UPDATE_AT, UPDATE_STATS } from './upkeep-stats.ts';

/** A stat that the primary keeps itself, under its whole name. */
export interface OwnStat {
  readonly name: string;
  readonly kind: S.StatKind;
  readonly value: number;
  /** Was there a value before the last reset? */
  readonly used?: boolean;
}

/** What the workers carry, and where: `addresses` are those bound, by listener. */
export interface StatsSubject {
  readonly snapshot: Snapshot;
  readonly plan: Plan;
  readonly addresses: Readonly<Record<string, Address>>;
}

export interface StatsInput {
  readonly shared: SharedState;
  readonly own: readonly OwnStat[];
  /** null before the first configuration is carried. */
  readonly published: StatsSubject | null;
}

export interface Stat {
  /** Behind the scope's prefix. */
  readonly name: string;
  readonly kind: S.StatKind;
  readonly value: number;
  /** Written since the start, as far as can be told. */
  readonly used: boolean;
}

export interface HistogramStat {
  readonly name: string;
  /** Number in shared memory. */
  readonly histogram: number;
}

/** Stats that share a prefix and Prometheus labels; sorted by name. */
export interface Scope {
  /** `cluster.app.`, or '' */
  readonly prefix: string;
  /** What stays of the prefix in Prometheus' names: `cluster_`. */
  readonly family: string;
  readonly labels: readonly (readonly [name: string, value: string])[];
  readonly stats: readonly Stat[];
  readonly histograms: readonly HistogramStat[];
}

/** The values of an object's slots, and whether they have ever been written: a reset does not make a stat unused. */
interface Reader {
  value(slot: number): number;
  written(slot: number): boolean;
}

/** In Envoy a name exists from its first use on. */
const LAZY = /^upstream_rq_(?:[1-5]xx|completed|\d{3}|unknown)$/;

/** In the order of the names. */
export function* scopes(input: StatsInput): Generator<Scope> {
  const { own, published } = input;
  if (published === null) {
    yield ownScope(own.map(ownStat));
    return;
  }
  const { snapshot, plan } = published;
  const clusters = [...snapshot.clusters].sort((a, b) => order(a.name, b.name));
  const entrances = entrancesOf(published);
  const places = entrances.map((entrance) => entrance.places);
  const byName = [...entrances].sort((a, b) => order(a.listener.name, b.listener.name));
  const https = byName.filter(({ listener }) => listener.http !== null);
  for (const cluster of clusters) yield clusterScope(cluster, plan.clusters[cluster.name]!, input.shared);
  yield ownScope([...own.filter(({ name }) => name < 'http.').map(ownStat), proxyErrors(places, input.shared)]);
  for (const entrance of https) yield httpScope(entrance, input.shared);
  const limits = limitScopes(published, input.shared);
  yield* limits.filter(({ prefix }) => prefix.startsWith('http.'));
  yield* codecScopes(https.map((entrance) => entrance.places), input.shared);
  for (const entrance of entrances) {
    yield listenerScope(entrance, input.shared);
    if (entrance.listener.http !== null) yield listenerHttpScope(entrance, input.shared);
    yield* workerScopes(entrance, input.shared);
  }
  const preambles = preambleScopes(places, input.shared);
  yield ownScope(own.filter(({ name }) => name >= 'http.' && name < 'proxy_proto').map(ownStat));
  yield preambles.proxy;
  const total = places.reduce((sum, { listener }) => sum + input.shared.counter(listener, S.LISTENER_CX_ACTIVE), 0);
  const connections: OwnStat = { name: 'server.total_connections', kind: 'gauge', value: total };
  yield ownScope([...own.filter(({ name }) => name >= 'proxy_proto'), connections].map(ownStat));
  for (const entrance of byName) if (entrance.listener.tcp !== null) yield tcpScope(entrance, input.shared);
  yield preambles.tls;
  yield* limits.filter(({ prefix }) => !prefix.startsWith('http.'));
}

/** A listener, its places and the name that its address gives it: the bound one, as several may have asked for port 0. */
interface Entrance {
  readonly listener: ListenerConfig;
  readonly places: ListenerPlan;
  readonly label: string;
}

/** In the order of their labels. */
function entrancesOf({ snapshot, plan, addresses }: StatsSubject): Entrance[] {
  const entrances = snapshot.listeners.map((listener) => {
    const label = sanitize(formatAddress(addresses[listener.name] ?? listener.address));
    return { listener, places: plan.listeners[listener.name]!, label };
  });
  return entrances.sort((a, b) => order(a.label, b.label));
}

function clusterScope(cluster: ClusterConfig, places: ClusterPlan, shared: SharedState): Scope {
  const read = blockReader(shared, places.stats);
  const stats = readAll(S.CLUSTER_STATS, read);
  CODE_NAMES.forEach((code, slot) => {
    if (!read.written(S.CLUSTER_CODES_AT + slot)) return;
    stats.push({ name: `upstream_rq_${code}`, kind: 'counter', value: read.value(S.CLUSTER_CODES_AT + slot), used: true });
  });
  for (const stat of readAll(RETRY_STATS, blockReader(shared, places.stats + RETRY_AT))) if (stat.used) stats.push({ ...stat, name: `retry.${stat.name}` });
  if (cluster.protocol !== 'http1') {
    for (const stat of readAll(S.HTTP2_STATS, blockReader(shared, places.stats + S.CLUSTER_HTTP2_AT))) stats.push({ ...stat, name: `http2.${stat.name}` });
  }
  if (cluster.tls !== null) stats.push(...sslStats(places.ssl, shared));
  for (const [method, block] of Object.entries(places.grpc)) stats.push(...grpcStats(method, block, shared));
  stats.push(...readAll(UPDATE_STATS, blockReader(shared, places.stats + UPDATE_AT)));
  stats.push(...hashStats(cluster, places, shared));
  stats.push(...membershipStats(cluster, places, shared));
  if (cluster.outlierDetection !== null) stats.push(...outlierStats(places, shared));
  if (cluster.healthChecks.length > 0) stats.push(...healthStats(places, shared));
  const { circuitBreakers } = cluster;
  stats.push(...breakerStats('default', places.breakers, circuitBreakers.retryBudget ?? null, shared));
  stats.push(...breakerStats('high', places.breakers + 1, circuitBreakers.high?.retryBudget ?? null, shared));
  stats.push(...readAll(LB_STATS, blockReader(shared, places.stats + LB_AT)));
  const label = sanitize(cluster.name);
  return {
    prefix: `cluster.${label}.`,
    family: 'cluster_',
    labels: [['envoy_cluster_name', label]],
    stats: sorted(stats.filter(({ name, used }) => used || !LAZY.test(name))),
    histograms: numbered(S.CLUSTER_HISTOGRAMS, places.histograms),
  };
}

const BREAKERS: readonly (readonly [open: string, remaining: string, resource: Resource])[] = [
  ['cx_open', 'remaining_cx', RES_CX],
  ['rq_pending_open', 'remaining_pending', RES_PENDING],
  ['rq_open', 'remaining_rq', RES_RQ],
  ['rq_retry_open', 'remaining_retries', RES_RETRY],
];

/** What remains is shown where there is a limit. */
function breakerStats(priority: string, row: number, budget: RetryBudget | null, { table }: SharedState): Stat[] {
  const stats: Stat[] = [];
  const add = (name: string, value: number): void => {
    stats.push({ name: `circuit_breakers.${priority}.${name}`, kind: 'gauge', value, used: value !== 0 });
  };
  add('cx_pool_open', 0); // pools are not limited
  for (const [open, remaining, resource] of BREAKERS) {
    const budgeted = resource === RES_RETRY && budget !== null;
    const limit = budgeted ? retryLimit(budget, table.count(row, RES_RQ) + table.count(row, RES_PENDING)) : table.limit(row, resource);
    const count = table.count(row, resource);
    const limited = budgeted || limit > 0;
    add(open, limited && count >= limit ? 1 : 0);
    if (limited) add(remaining, Math.max(0, limit - count));
  }
  return stats;
}

/** `outlier_detection.*`, of clusters that have it. */
function outlierStats({ stats, row }: ClusterPlan, shared: SharedState): Stat[] {
  const active = shared.hostTable.ejected(row);
  const counted = readAll(OUTLIER_STATS, blockReader(shared, stats + OUTLIER_AT));
  const used = counted.some((stat) => stat.used);
  return [...counted, { name: 'ejections_active', kind: 'gauge' as const, value: active, used }].map((stat) => ({ ...stat, name: `outlier_detection.${stat.name}` }));
}

/** Endpoints are all healthy until something finds them to be otherwise. */
function membershipStats({ name: cluster, type, endpoints }: ClusterConfig, { hosts }: ClusterPlan, shared: SharedState): Stat[] {
  const gauge = (name: string, value: number): Stat => ({ name: `membership_${name}`, kind: 'gauge', value, used: true });
  const flags = type === 'originalDst' ? [] : hosts.map(({ row }) => shared.hostTable.flags(row));
  const count = (mask: number, wanted: number): number => flags.filter((flag) => (flag & mask) === wanted).length;
  return [
    { name: 'membership_change', kind: 'counter', value: shared.memberChanges(cluster), used: true },
    gauge('total', endpoints.length),
    gauge('healthy', count(HOST_UNHEALTHY | HOST_DEGRADED, 0)),
    gauge('degraded', count(HOST_UNHEALTHY | HOST_DEGRADED, HOST_DEGRADED)),
    gauge('excluded', flags.length - count(HOST_PENDING_ACTIVE | HOST_EXCLUDED, 0)),
  ];
}

function httpScope({ listener, places }: Entrance, shared: SharedState): Scope {
  const label = sanitize(listener.name);
  return {
    prefix: `http.${label}.`,
    family: 'http_',
    labels: [['envoy_http_conn_manager_prefix', label]],
    stats: sorted([
      ...readAll(S.HTTP_STATS, blockReader(shared, places.http)),
      ...readAll(SSL_STATS.slice(0, SSL_CX_ACTIVE + 1), blockReader(shared, places.ssl)),
    ]),
    histograms: numbered(S.HTTP_HISTOGRAMS, places.histograms),
  };
}

function* codecScopes(listeners: readonly ListenerPlan[], shared: SharedState): Generator<Scope> {
  const from = (at: number): Reader => allOf(listeners.map(({ http }) => blockReader(shared, http + at)));
  yield { prefix: 'http1.', family: 'http1_', labels: [], stats: sorted(readAll(S.HTTP1_STATS, from(S.HTTP_STATS.length))), histograms: [] };
  yield { prefix: 'http2.', family: 'http2_', labels: [], stats: sorted(readAll(S.HTTP2_STATS, from(S.HTTP2_AT))), histograms: [] };
}

/** Of filters that limit, in the order of their names; those that share a name share its stats. */
function limitScopes({ snapshot, plan }: StatsSubject, shared: SharedState): Scope[] {
  const found = new Map<string, Scope>();
  for (const { key, kind, stats: name } of snapshot.limits) {
    const { before, behind, label, stats } = LIMIT_FAMILIES[kind]!;
    const prefix = `${before}${sanitize(name)}.${behind}`;
    const places = plan.limits[key]!;
    if (found.has(prefix)) continue;
    found.set(prefix, {
      prefix,
      family: label === '' ? prefix : before + behind,
      labels: label === '' ? [] : [[label, sanitize(name)]],
      stats: sorted([...readAll(stats, blockReader(shared, places.stats)), ...(kind === 'adaptiveConcurrency' ? gradientStats(places, shared) : [])]),
      histograms: [],
    });
  }
  return [...found.values()].sort((a, b) => order(a.prefix, b.prefix));
}

function tcpScope({ listener, places }: Entrance, shared: SharedState): Scope {
  const label = sanitize(listener.name);
  return {
    prefix: `tcp.${label}.`,
    family: 'tcp_',
    labels: [['envoy_tcp_prefix', label]],
    stats: sorted(readAll(S.TCP_STATS, blockReader(shared, places.tcp))),
    histograms: [],
  };
}

/** What lies before a connection's first byte is counted for all listeners together. */
function preambleScopes(listeners: readonly ListenerPlan[], shared: SharedState): { readonly proxy: Scope; readonly tls: Scope } {
  const proxyAt = S.LISTENER_STATS.length;
  const tlsAt = proxyAt + S.PROXY_PROTO_STATS.length;
  const from = (at: number): Reader => allOf(listeners.map(({ listener }) => blockReader(shared, listener + at)));
  return {
    proxy: { prefix: 'proxy_proto.', family: 'proxy_proto_', labels: [], stats: sorted(readAll(S.PROXY_PROTO_STATS, from(proxyAt))), histograms: [] },
    tls: { prefix: 'tls_inspector.', family: 'tls_inspector_', labels: [], stats: sorted(readAll(S.TLS_INSPECTOR_STATS, from(tlsAt))), histograms: [] },
  };
}

const PROXY_ERRORS: readonly number[] = [S.PROXY_PROTO_NOT_FOUND_DISALLOWED, S.PROXY_PROTO_V1_ERROR, S.PROXY_PROTO_V2_ERROR];

/** Envoy's older name for all of them. */
function proxyErrors(listeners: readonly ListenerPlan[], shared: SharedState): Stat {
  const all = allOf(listeners.map(({ listener }) => blockReader(shared, listener)));
  const value = PROXY_ERRORS.reduce((sum, slot) => sum + all.value(slot), 0);
  return { name: 'downstream_cx_proxy_proto_error', kind: 'counter', value, used: PROXY_ERRORS.some((slot) => all.written(slot)) };
}

function listenerScope({ listener, places, label }: Entrance, shared: SharedState): Scope {
  return {
    prefix: `listener.${label}.`,
    family: 'listener_',
    labels: [['envoy_listener_address', label]],
    stats: sorted([
      ...readAll(S.LISTENER_STATS, blockReader(shared, places.listener)),
      ...(listener.tls === null ? [] : sslStats(places.ssl, shared)),
    ]),
    // A listener and its HTTP side are one to one: the length of a connection is recorded once and shown in both.
    histograms: [{ name: 'downstream_cx_length_ms', histogram: places.histograms + S.DOWN_CX_LENGTH_MS }],
  };
}

/** `ssl.*` of a listener or a cluster. */
function sslStats(block: number, shared: SharedState): Stat[] {
  return readAll(SSL_STATS, blockReader(shared, block)).filter(({ name, used }) => name.startsWith('ssl.') && (used || !LAZY_SSL.test(name)));
}

/** `method`: `SERVICE/METHOD`, or '' for all others. As in Envoy, each is there from its first use on. */
function grpcStats(method: string, block: number, shared: SharedState): Stat[] {
  const prefix = method === '' ? 'grpc.' : `grpc.${method.replace('/', '.')}.`;
  const stats = readAll(GRPC_STATS, blockReader(shared, block)).filter(({ used }) => used);
  return stats.map((stat) => ({ ...stat, name: prefix + stat.name }));
}

const LISTENER_HTTP = /^downstream_rq_(?:[1-5]xx|completed)$/;

function listenerHttpScope(entrance: Entrance, shared: SharedState): Scope {
  const scope = httpScope(entrance, shared);
  const address = entrance.label;
  return {
    prefix: `listener.${address}.${scope.prefix}`,
    family: 'listener_http_',
    labels: [...scope.labels, ['envoy_listener_address', address]],
    stats: scope.stats.filter(({ name }) => LISTENER_HTTP.test(name)),
    histograms: [],
  };
}

const WORKER_STATS: readonly number[] = [S.LISTENER_CX_ACTIVE, S.LISTENER_CX_TOTAL];

function* workerScopes({ places, label: address }: Entrance, shared: SharedState): Generator<Scope> {
  for (let worker = 0; worker < shared.workers; worker++) {
    const read = workerReader(shared, worker, places.listener);
    yield {
      prefix: `listener.${address}.worker_${worker}.`,
      family: 'listener_worker_',
      labels: [['envoy_worker_id', String(worker)], ['envoy_listener_address', address]],
      stats: sorted(readAll(S.LISTENER_STATS, read).filter((_, slot) => WORKER_STATS.includes(slot))),
      histograms: [],
    };
  }
}

function ownScope(stats: Stat[]): Scope {
  return { prefix: '', family: '', labels: [], stats: sorted(stats), histograms: [] };
}

function ownStat({ name, kind, value, used }: OwnStat): Stat {
  return { name, kind, value, used: used ?? (kind === 'gauge' || value !== 0) };
}

function blockReader(shared: SharedState, block: number): Reader {
  return { value: (slot) => shared.counter(block, slot), written: (slot) => shared.cell(block + slot) !== 0 };
}

function workerReader(shared: SharedState, worker: number, block: number): Reader {
  return { value: (slot) => shared.workerCounter(worker, block + slot), written: (slot) => shared.workerCell(worker, block + slot) !== 0 };
}

function allOf(readers: readonly Reader[]): Reader {
  return {
    value: (slot) => readers.reduce((sum, reader) => sum + reader.value(slot), 0),
    written: (slot) => readers.some((reader) => reader.written(slot)),
  };
}

/** A gauge counts as used when anything of its object was. */
function readAll(list: readonly (readonly [name: string, kind: S.StatKind])[], read: Reader): Stat[] {
  const written = list.map((_, slot) => read.written(slot));
  const touched = written.includes(true);
  return list.map(([name, kind], slot) => ({ name, kind, value: read.value(slot), used: written[slot]! || (kind === 'gauge' && touched) }));
}

function numbered(names: readonly string[], first: number): HistogramStat[] {
  return names.map((name, i) => ({ name, histogram: first + i })).sort((a, b) => order(a.name, b.name));
}

function sorted(stats: Stat[]): Stat[] {
  return stats.sort((a, b) => order(a.name, b.name));
}

/** By bytes, as Envoy sorts, not by any language's rules. */
function order(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}

/** Colons separate host and port, and dots separate the parts of a stat's name: Envoy writes `_` for the first. */
export function sanitize(name: string): string {
  return name.replaceAll('://', '_').replaceAll(':/', '_').replaceAll(/[:\0]/g, '_');
}
