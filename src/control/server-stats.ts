// The stats that the primary itself keeps, under Envoy's names where Envoy has one: server.*, listener_manager.*,
// cluster_manager.*, filesystem.*; and ours: config.* and server.worker_*. Primary thread.

import type { StatKind } from '../observe/stat-names.ts';
import type { ServerState } from './admin-server.ts';
import type { FilesystemStats } from './log-file.ts';
import type { ReloadStats } from './reload.ts';
import type { UpdateCounts } from './update-counts.ts';

export interface StatLine {
  readonly name: string;
  readonly kind: StatKind;
  readonly value: number;
}

export interface ServerFigures {
  readonly daysUntilFirstExpiry: number;
  readonly uptimeMs: number;
  readonly state: ServerState;
  readonly version: string;
  readonly workers: number;
  readonly carrying: number;
  readonly deaths: number;
  readonly restarts: number;
  readonly reloads: ReloadStats;
  readonly counts: UpdateCounts;
  readonly files: FilesystemStats;
}

/** Envoy's numbers of the states. */
const STATES: readonly ServerState[] = ['LIVE', 'DRAINING', 'PRE_INITIALIZING', 'INITIALIZING'];

export function serverStats(figures: ServerFigures): readonly StatLine[] {
  const { counts, files, reloads } = figures;
  const memory = process.memoryUsage();
  return [
    gauge('server.concurrency', figures.workers),
    gauge('server.days_until_first_cert_expiring', figures.daysUntilFirstExpiry),
    gauge('server.hot_restart_epoch', 0),
    gauge('server.live', figures.state === 'LIVE' ? 1 : 0),
    gauge('server.memory_allocated', memory.heapUsed + memory.external),
    gauge('server.memory_heap_size', memory.heapTotal + memory.external),
    gauge('server.memory_physical_size', memory.rss),
    gauge('server.state', STATES.indexOf(figures.state)),
    gauge('server.uptime', Math.floor(figures.uptimeMs / 1000)),
    gauge('server.version', versionNumber(figures.version)),
    gauge('server.workers_live', figures.carrying),
    counter('server.worker_deaths', figures.deaths),
    counter('server.worker_restarts', figures.restarts),
    counter('config.update_attempt', reloads.update_attempt),
    counter('config.update_success', reloads.update_success),
    counter('config.update_rejected', reloads.update_rejected),
    counter('listener_manager.listener_added', counts.listeners.added),
    counter('listener_manager.listener_modified', counts.listeners.modified),
    counter('listener_manager.listener_removed', counts.listeners.removed),
    gauge('listener_manager.total_listeners_active', counts.listeners.active),
    gauge('listener_manager.workers_started', figures.carrying > 0 ? 1 : 0),
    counter('cluster_manager.cluster_added', counts.clusters.added),
    counter('cluster_manager.cluster_modified', counts.clusters.modified),
    counter('cluster_manager.cluster_removed', counts.clusters.removed),
    gauge('cluster_manager.active_clusters', counts.clusters.active),
    counter('filesystem.reopen_failed', files.reopen_failed),
    counter('filesystem.write_buffered', files.write_buffered),
    counter('filesystem.write_completed', files.write_completed),
    counter('filesystem.write_dropped', files.write_dropped),
    counter('filesystem.write_failed', files.write_failed),
    gauge('filesystem.write_total_buffered', files.write_total_buffered),
  ];
}

function counter(name: string, value: number): StatLine {
  return { name, kind: 'counter', value };
}

function gauge(name: string, value: number): StatLine {
  return { name, kind: 'gauge', value };
}

/** Envoy shows a number made of its build; ours is made of the version: 1.2.3 is 10203. */
function versionNumber(version: string): number {
  const [major, minor, patch] = version.split(/[.-]/, 3).map(Number);
  return (major ?? 0) * 10_000 + (minor ?? 0) * 100 + (patch ?? 0);
}
