// How the server is: /ready, /server_info, /memory. Primary thread; read only.

import { formatAddress } from '../../core/address.ts';
import type { Answer, Page } from './page.ts';
import { json, text } from './page.ts';
import type { AdminView } from './view.ts';

export function statusPages(view: AdminView): Page[] {
  return [
    { path: '/ready', mutates: false, help: 'print server state, return 200 if LIVE, otherwise return 503', params: [], answer: () => ready(view) },
    { path: '/server_info', mutates: false, help: 'print server version/status information', params: [], answer: () => serverInfo(view) },
    { path: '/memory', mutates: false, help: 'print current allocation/heap usage', params: [], answer: memory },
  ];
}

function ready(view: AdminView): Answer {
  return text(`${view.state}\n`, view.state === 'LIVE' ? 200 : 503);
}

function serverInfo(view: AdminView): Answer {
  const snapshot = view.published?.snapshot;
  const uptime = `${Math.floor(view.uptimeMs / 1000)}s`;
  return json({
    version: view.version,
    state: view.state,
    uptime_current_epoch: uptime,
    uptime_all_epochs: uptime,
    hot_restart_version: 'disabled',
    command_line_options: {
      base_id: '0',
      concurrency: view.workers,
      config_path: view.configPath,
      config_yaml: '',
      allow_unknown_static_fields: false,
      admin_address_path: snapshot?.admin ? formatAddress(snapshot.admin) : '',
      log_level: view.logLevel,
      drain_time: `${(snapshot?.drainTimeoutMs ?? 0) / 1000}s`,
      mode: 'Serve',
      disable_hot_restart: true,
      restart_epoch: 0,
      drain_strategy: 'Immediate',
    },
    node: {
      id: '',
      cluster: '',
      user_agent_name: 'nuncio',
      user_agent_build_version: { version: versionNumbers(view.version), metadata: { 'node.version': process.version, engine: view.engine } },
    },
    config_version: snapshot?.version ?? '',
  });
}

function versionNumbers(version: string): object {
  const [major, minor, patch] = version.split(/[.-]/, 3).map(Number);
  return { major_number: major ?? 0, minor_number: minor ?? 0, patch: patch ?? 0 };
}

/** Envoy's keys. Every thread has its own JavaScript heap: the heap figures are the primary's, `total_physical_bytes` is the process's. */
function memory(): Answer {
  const { heapUsed, heapTotal, rss, external } = process.memoryUsage();
  return json({
    allocated: String(heapUsed + external),
    heap_size: String(heapTotal + external),
    pageheap_unmapped: '0',
    pageheap_free: String(heapTotal - heapUsed),
    total_thread_cache: '0',
    total_physical_bytes: String(rss),
  });
}
