// What a listener does with plain TCP → snapshot form. Primary thread; pure.

import { DEFAULTS } from '../defaults.ts';
import type { TcpDocument } from '../document.ts';
import { REJECT } from '../schema/tcp.ts';
import type { TcpConfig, WeightedCluster } from '../snapshot.ts';
import { parseDuration } from '../units.ts';
import { buildAccessLog } from './access-log.ts';

type Destination = NonNullable<TcpDocument['sniRoutes']>[string];

/** @param file of the configuration: paths are relative to it. */
export function buildTcp(tcp: TcpDocument, file: string): TcpConfig {
  const defaults = DEFAULTS.tcp;
  return {
    clusters: tcp.sniRoutes === undefined ? weighted(tcp.cluster ?? tcp.clusters ?? []) : [],
    sniRoutes: Object.entries(tcp.sniRoutes ?? {}).map(([name, to]) => ({ serverName: name.toLowerCase(), clusters: to === REJECT ? [] : weighted(to) })),
    idleTimeoutMs: parseDuration(tcp.idleTimeout ?? defaults.idleTimeout),
    maxConnectAttempts: tcp.maxConnectAttempts ?? defaults.maxConnectAttempts,
    accessLog: (tcp.accessLog ?? defaults.accessLog).map((log) => buildAccessLog(log, file)),
  };
}

function weighted(to: Destination): WeightedCluster[] {
  if (typeof to === 'string') return [{ name: to, weight: DEFAULTS.weightedCluster.weight }];
  return to.map(({ name, weight = DEFAULTS.weightedCluster.weight }) => ({ name, weight }));
}
