// Every named stat of the process, scope by scope: cluster.NAME.*, http.PREFIX.*, listener.ADDRESS.* out of shared
// memory, the rest from what the primary keeps itself. Primary thread; read only. The forms stand in `stats-pages.ts`.

import type { ClusterConfig, ListenerConfig, Snapshot } from '../config/snapshot.ts';
import { formatAddress } from '../core/address.ts';
import { RES_CX, RES_PENDING, RES_RETRY, RES_RQ, type Resource } from '../shared/breaker-table.ts';
import type { ClusterPlan, ListenerPlan, Plan } from '../shared/plan.ts';
import type { SharedState } from '../shared/registry.ts';
import { CODE_NAMES } from './code-slots.ts';
import { GRPC_STATS } from './grpc-stats.ts';
import { LAZY_SSL, SSL_CX_ACTIVE, SSL_STATS } from './ssl-stats.ts';
import * as S from './stat-names.ts';

/** A stat that the primary keeps itself, under its whole name. */
export interface OwnStat {
  readonly name: string;
  readonly kind: S.StatKind;
  readonly value: number;
}

export interface StatsInput {
  readonly shared: SharedState;
  readonly own: readonly OwnStat[];
  /** null before the first configuration is carried. */
  readonly published: { readonly snapshot: Snapshot; readonly plan: Plan } | null;
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

type Reader = (slot: number) => number;

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
  const listeners = [...snapshot.listeners].sort((a, b) => order(a.name, b.name));
  for (const cluster of clusters) yield clusterScope(cluster, plan.clusters[cluster.name]!, input.shared);
  yield ownScope([...own.filter(({ name }) => name < 'http.').map(ownStat), proxyErrors(listeners.map(({ name }) => plan.listeners[name]!), input.shared)]);
  const https = listeners.filter(({ http }) => http !== null);
  for (const listener of https) yield httpScope(listener, plan.listeners[listener.name]!, input.shared);
  yield* codecScopes(https.map(({ name }) => plan.listeners[name]!), input.shared);
  for (const listener of listeners) {
    const places = plan.listeners[listener.name]!;
    yield listenerScope(listener, places, input.shared);
    if (listener.http !== null) yield listenerHttpScope(listener, places, input.shared);
    yield* workerScopes(listener, places, input.shared);
  }
  const preambles = preambleScopes(listeners.map(({ name }) => plan.listeners[name]!), input.shared);
  yield ownScope(own.filter(({ name }) => name >= 'http.' && name < 'proxy_proto').map(ownStat));
  yield preambles.proxy;
  const total = listeners.reduce((sum, { name }) => sum + input.shared.counter(plan.listeners[name]!.listener, S.LISTENER_CX_ACTIVE), 0);
  const connections: OwnStat = { name: 'server.total_connections', kind: 'gauge', value: total };
  yield ownScope([...own.filter(({ name }) => name >= 'proxy_proto'), connections].map(ownStat));
  for (const listener of listeners) if (listener.tcp !== null) yield tcpScope(listener, plan.listeners[listener.name]!, input.shared);
  yield preambles.tls;
}

function clusterScope(cluster: ClusterConfig, places: ClusterPlan, shared: SharedState): Scope {
  const read: Reader = (slot) => shared.counter(places.stats, slot);
  const stats = readAll(S.CLUSTER_STATS, read);
  CODE_NAMES.forEach((code, slot) => {
    const value = read(S.CLUSTER_CODES_AT + slot);
    if (value !== 0) stats.push({ name: `upstream_rq_${code}`, kind: 'counter', value, used: true });
  });
  if (cluster.protocol !== 'http1') {
    for (const stat of readAll(S.HTTP2_STATS, (slot) => read(S.CLUSTER_HTTP2_AT + slot))) stats.push({ ...stat, name: `http2.${stat.name}` });
  }
  if (cluster.tls !== null) stats.push(...sslStats(places.ssl, shared));
  for (const [method, block] of Object.entries(places.grpc)) stats.push(...grpcStats(method, block, shared));
  stats.push(...breakerStats(places.breakers, shared), ...membershipStats(cluster, shared));
  const label = sanitize(cluster.name);
  return {
    prefix: `cluster.${label}.`,
    family: 'cluster_',
    labels: [['envoy_cluster_name', label]],
    stats: sorted(stats.filter(({ name, value }) => value !== 0 || !LAZY.test(name))),
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
function breakerStats(row: number, { table }: SharedState): Stat[] {
  const stats: Stat[] = [];
  const add = (name: string, value: number): void => {
    stats.push({ name: `circuit_breakers.default.${name}`, kind: 'gauge', value, used: value !== 0 });
  };
  for (const [open, remaining, resource] of BREAKERS) {
    const limit = table.limit(row, resource);
    const count = table.count(row, resource);
    add(open, limit > 0 && count >= limit ? 1 : 0);
    if (limit > 0) add(remaining, Math.max(0, limit - count));
  }
  return stats;
}

/** Endpoints are all healthy until something checks them. */
function membershipStats({ name: cluster, endpoints }: ClusterConfig, shared: SharedState): Stat[] {
  const gauge = (name: string, value: number): Stat => ({ name: `membership_${name}`, kind: 'gauge', value, used: true });
  const changes = shared.memberChanges(cluster);
  return [
    { name: 'membership_change', kind: 'counter', value: changes, used: changes > 0 },
    gauge('total', endpoints.length),
    gauge('healthy', endpoints.length),
    gauge('degraded', 0),
    gauge('excluded', 0),
  ];
}

function httpScope(listener: ListenerConfig, places: ListenerPlan, shared: SharedState): Scope {
  const label = sanitize(listener.name);
  return {
    prefix: `http.${label}.`,
    family: 'http_',
    labels: [['envoy_http_conn_manager_prefix', label]],
    stats: sorted([
      ...readAll(S.HTTP_STATS, (slot) => shared.counter(places.http, slot)),
      ...readAll(SSL_STATS.slice(0, SSL_CX_ACTIVE + 1), (slot) => shared.counter(places.ssl, slot)),
    ]),
    histograms: numbered(S.HTTP_HISTOGRAMS, places.histograms),
  };
}

function* codecScopes(listeners: readonly ListenerPlan[], shared: SharedState): Generator<Scope> {
  const from = (at: number): Reader => (slot) => listeners.reduce((sum, { http }) => sum + shared.counter(http, at + slot), 0);
  yield { prefix: 'http1.', family: 'http1_', labels: [], stats: sorted(readAll(S.HTTP1_STATS, from(S.HTTP_STATS.length))), histograms: [] };
  yield { prefix: 'http2.', family: 'http2_', labels: [], stats: sorted(readAll(S.HTTP2_STATS, from(S.HTTP2_AT))), histograms: [] };
}

function tcpScope(listener: ListenerConfig, places: ListenerPlan, shared: SharedState): Scope {
  const label = sanitize(listener.name);
  return {
    prefix: `tcp.${label}.`,
    family: 'tcp_',
    labels: [['envoy_tcp_prefix', label]],
    stats: sorted(readAll(S.TCP_STATS, (slot) => shared.counter(places.tcp, slot))),
    histograms: [],
  };
}

/** What lies before a connection's first byte is counted for all listeners together. */
function preambleScopes(listeners: readonly ListenerPlan[], shared: SharedState): { readonly proxy: Scope; readonly tls: Scope } {
  const proxyAt = S.LISTENER_STATS.length;
  const tlsAt = proxyAt + S.PROXY_PROTO_STATS.length;
  const sum = (slot: number): number => listeners.reduce((all, { listener }) => all + shared.counter(listener, slot), 0);
  return {
    proxy: { prefix: 'proxy_proto.', family: 'proxy_proto_', labels: [], stats: sorted(readAll(S.PROXY_PROTO_STATS, (slot) => sum(proxyAt + slot))), histograms: [] },
    tls: { prefix: 'tls_inspector.', family: 'tls_inspector_', labels: [], stats: sorted(readAll(S.TLS_INSPECTOR_STATS, (slot) => sum(tlsAt + slot))), histograms: [] },
  };
}

const PROXY_ERRORS: readonly number[] = [S.PROXY_PROTO_NOT_FOUND_DISALLOWED, S.PROXY_PROTO_V1_ERROR, S.PROXY_PROTO_V2_ERROR];

/** Envoy's older name for all of them. */
function proxyErrors(listeners: readonly ListenerPlan[], shared: SharedState): Stat {
  let value = 0;
  for (const { listener } of listeners) for (const slot of PROXY_ERRORS) value += shared.counter(listener, slot);
  return { name: 'downstream_cx_proxy_proto_error', kind: 'counter', value, used: value !== 0 };
}

function listenerScope(listener: ListenerConfig, places: ListenerPlan, shared: SharedState): Scope {
  const label = sanitize(formatAddress(listener.address));
  return {
    prefix: `listener.${label}.`,
    family: 'listener_',
    labels: [['envoy_listener_address', label]],
    stats: sorted([
      ...readAll(S.LISTENER_STATS, (slot) => shared.counter(places.listener, slot)),
      ...(listener.tls === null ? [] : sslStats(places.ssl, shared)),
    ]),
    // A listener and its HTTP side are one to one: the length of a connection is recorded once and shown in both.
    histograms: [{ name: 'downstream_cx_length_ms', histogram: places.histograms + S.DOWN_CX_LENGTH_MS }],
  };
}

/** `ssl.*` of a listener or a cluster. */
function sslStats(block: number, shared: SharedState): Stat[] {
  const stats = readAll(SSL_STATS, (slot) => shared.counter(block, slot));
  return stats.filter(({ name, value }) => name.startsWith('ssl.') && (value !== 0 || !LAZY_SSL.test(name)));
}

/** `method`: `SERVICE/METHOD`, or '' for all others. As in Envoy, each is there from its first use on. */
function grpcStats(method: string, block: number, shared: SharedState): Stat[] {
  const prefix = method === '' ? 'grpc.' : `grpc.${method.replace('/', '.')}.`;
  const stats = readAll(GRPC_STATS, (slot) => shared.counter(block, slot)).filter(({ used }) => used);
  return stats.map((stat) => ({ ...stat, name: prefix + stat.name }));
}

const LISTENER_HTTP = /^downstream_rq_(?:[1-5]xx|completed)$/;

function listenerHttpScope(listener: ListenerConfig, places: ListenerPlan, shared: SharedState): Scope {
  const scope = httpScope(listener, places, shared);
  const address = sanitize(formatAddress(listener.address));
  return {
    prefix: `listener.${address}.${scope.prefix}`,
    family: 'listener_http_',
    labels: [...scope.labels, ['envoy_listener_address', address]],
    stats: scope.stats.filter(({ name }) => LISTENER_HTTP.test(name)),
    histograms: [],
  };
}

const WORKER_STATS: readonly number[] = [S.LISTENER_CX_ACTIVE, S.LISTENER_CX_TOTAL];

function* workerScopes(listener: ListenerConfig, places: ListenerPlan, shared: SharedState): Generator<Scope> {
  const address = sanitize(formatAddress(listener.address));
  for (let worker = 0; worker < shared.workers; worker++) {
    const read: Reader = (slot) => shared.workerCell(worker, places.listener + slot);
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

function ownStat({ name, kind, value }: OwnStat): Stat {
  return { name, kind, value, used: kind === 'gauge' || value !== 0 };
}

/** A gauge counts as used when anything of its object was. */
function readAll(list: readonly (readonly [name: string, kind: S.StatKind])[], read: Reader): Stat[] {
  const values = list.map((_, slot) => read(slot));
  const touched = values.some((value) => value !== 0);
  return list.map(([name, kind], slot) => ({ name, kind, value: values[slot]!, used: values[slot] !== 0 || (kind === 'gauge' && touched) }));
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
