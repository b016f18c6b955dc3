// /clusters: each cluster's limits and each host's ledger, summed over the workers, in Envoy's two forms.
// Primary thread; read only.

import type { BreakerLimits, ClusterConfig, EndpointConfig } from '../../config/cluster-snapshot.ts';
import { formatAddress } from '../../core/address.ts';
import * as stats from '../../observe/stat-names.ts';
import type { Answer, CompileMatcher, Page, TextMatcher } from './page.ts';
import { json, text } from './page.ts';
import { healthJson, healthText } from './health-flags.ts';
import { addressJson } from './listener-pages.ts';
import type { AdminView, Published } from './view.ts';

/** In the order of the text form; the JSON form puts counters first. */
const HOST_LINES: readonly (readonly [name: string, offset: number, gauge: boolean])[] = [
  ['cx_active', stats.HOST_CX_ACTIVE, true],
  ['cx_connect_fail', stats.HOST_CX_CONNECT_FAIL, false],
  ['cx_total', stats.HOST_CX_TOTAL, false],
  ['rq_active', stats.HOST_RQ_ACTIVE, true],
  ['rq_error', stats.HOST_RQ_ERROR, false],
  ['rq_pending_active', stats.HOST_RQ_PENDING, true],
  ['rq_success', stats.HOST_RQ_SUCCESS, false],
  ['rq_timeout', stats.HOST_RQ_TIMEOUT, false],
  ['rq_total', stats.HOST_RQ_TOTAL, false],
];

/** What Envoy prints for an unlimited resource: the largest 32-bit number. */
const UNLIMITED = 4294967295;

export function clusterPages(view: AdminView, compile: CompileMatcher): Page[] {
  return [
    {
      path: '/clusters',
      mutates: false,
      help: 'upstream cluster status',
      params: [
        ['filter', 'Regular expression (Google re2) for filtering clusters by name'],
        ['format', 'File format to use; One of (text, json)'],
      ],
      answer: (query) => clusters(view, compile, query),
    },
  ];
}

function clusters(view: AdminView, compile: CompileMatcher, query: URLSearchParams): Answer {
  let matches: TextMatcher = () => true;
  try {
    if (query.get('filter')) matches = compile(query.get('filter')!);
  } catch {
    return text('Invalid re2 regex', 400);
  }
  const { published } = view;
  const shown = published?.snapshot.clusters.filter((cluster) => matches(cluster.name)) ?? [];
  if (query.get('format') === 'json') {
    return json({ cluster_statuses: shown.map((cluster) => clusterJson(cluster, published!, view)) });
  }
  return text(shown.map((cluster) => clusterText(cluster, published!, view)).join(''));
}

function clusterText(cluster: ClusterConfig, published: Published, view: AdminView): string {
  const { name } = cluster;
  const lines = [`${name}::observability_name::${name}`];
  for (const [key, value] of outlierLines(name, view)) lines.push(`${name}::outlier::${key}::${value}`);
  for (const [key, value] of limitsOf(cluster.circuitBreakers)) lines.push(`${name}::default_priority::${key}::${value}`);
  for (const [key, value] of limitsOf(highLimits(cluster))) lines.push(`${name}::high_priority::${key}::${value}`);
  lines.push(`${name}::added_via_api::false`);
  const successRate = (i: number, local: boolean): number => view.successRate(name, published.plan.clusters[name]?.hosts[i]?.row ?? -1, local);
  byPriority(cluster).forEach(([i, endpoint]) => {
    const host = `${name}::${endpoint.hostname === '' ? endpoint.text : formatAddress(endpoint.address)}`;
    const row = published.plan.clusters[name]?.hosts[i]?.cells;
    for (const [key, offset] of HOST_LINES) lines.push(`${host}::${key}::${row === undefined ? 0 : view.cell(row + offset)}`);
    lines.push(
      `${host}::hostname::${endpoint.hostname}`,
      `${host}::health_flags::${healthText(flagsOf(cluster, i, published, view))}`,
      `${host}::weight::${endpoint.weight}`,
      `${host}::region::`,
      `${host}::zone::${endpoint.zone}`,
      `${host}::sub_zone::`,
      `${host}::canary::false`,
      `${host}::priority::${endpoint.priority}`,
      `${host}::success_rate::${successRate(i, false)}`,
      `${host}::local_origin_success_rate::${successRate(i, true)}`,
    );
  });
  return `${lines.join('\n')}\n`;
}

function clusterJson(cluster: ClusterConfig, published: Published, view: AdminView): object {
  const successRate = (i: number, local: boolean): number => view.successRate(cluster.name, published.plan.clusters[cluster.name]?.hosts[i]?.row ?? -1, local);
  const figures = view.outlierFigures(cluster.name);
  const hosts = byPriority(cluster).map(([i, endpoint]) => {
    const row = published.plan.clusters[cluster.name]?.hosts[i]?.cells;
    const lines = [...HOST_LINES].sort((a, b) => Number(a[2]) - Number(b[2]));
    return {
      address: addressJson(endpoint.address),
      // As protobuf's JSON form: 64-bit numbers are strings, zeros and default values are left out.
      stats: lines.map(([name, offset, gauge]) => {
        const value = row === undefined ? 0 : view.cell(row + offset);
        return { ...(gauge ? { type: 'GAUGE' } : {}), ...(value === 0 ? {} : { value: String(value) }), name };
      }),
      health_status: healthJson(flagsOf(cluster, i, published, view)),
      ...percentJson('success_rate', successRate(i, false)),
      weight: endpoint.weight,
      ...(endpoint.hostname === '' ? {} : { hostname: endpoint.hostname }),
      ...percentJson('local_origin_success_rate', successRate(i, true)),
      ...(endpoint.priority === 0 ? {} : { priority: endpoint.priority }),
      locality: endpoint.zone === '' ? {} : { zone: endpoint.zone },
    };
  });
  return {
    name: cluster.name,
    ...percentJson('success_rate_ejection_threshold', figures?.external.threshold ?? -1),
    host_statuses: hosts,
    ...percentJson('local_origin_success_rate_ejection_threshold', figures?.local.threshold ?? -1),
    circuit_breakers: {
      thresholds: [Object.fromEntries(limitsOf(cluster.circuitBreakers)), { priority: 'HIGH', ...Object.fromEntries(limitsOf(highLimits(cluster))) }],
    },
    observability_name: cluster.name,
  };
}

function highLimits({ circuitBreakers }: ClusterConfig): BreakerLimits {
  return circuitBreakers.high ?? circuitBreakers;
}

/** With their places in the list. */
function byPriority({ endpoints }: ClusterConfig): [place: number, endpoint: EndpointConfig][] {
  return [...endpoints.entries()].sort(([, a], [, b]) => a.priority - b.priority);
}

/** In the host table. */
function flagsOf({ name }: ClusterConfig, place: number, { plan }: Published, view: AdminView): number {
  const row = plan.clusters[name]?.hosts[place]?.row;
  return row === undefined ? 0 : view.hostFlags(row);
}

/** A retry budget shows, as in Envoy, what it allows now: here, of an idle cluster. */
function limitsOf({ maxConnections, maxPendingRequests, maxRequests, maxRetries, retryBudget = null }: BreakerLimits): [name: string, limit: number][] {
  return [
    ['max_connections', maxConnections || UNLIMITED],
    ['max_pending_requests', maxPendingRequests || UNLIMITED],
    ['max_requests', maxRequests || UNLIMITED],
    ['max_retries', retryBudget === null ? maxRetries || UNLIMITED : retryBudget.minConcurrency],
  ];
}

/** What outlier detection's last interval came to. */
function outlierLines(cluster: string, view: AdminView): [name: string, percent: string][] {
  const figures = view.outlierFigures(cluster);
  if (figures === null) return [];
  const { external, local } = figures;
  return [
    ['success_rate_average', short(external.average)],
    ['success_rate_ejection_threshold', short(external.threshold)],
    ['local_origin_success_rate_average', short(local.average)],
    ['local_origin_success_rate_ejection_threshold', short(local.threshold)],
  ];
}

/** Six digits, as C++ streams print. */
function short(percent: number): string {
  return String(Number(percent.toPrecision(6)));
}

/** As protobuf's JSON form of a Percent. */
function percentJson(key: string, percent: number): object {
  return percent < 0 ? {} : { [key]: { value: percent } };
}
