// How much room each kind of object takes in shared memory: what `shared/registry.ts` is made with. Any thread.

import type { BlockShape, Shapes } from '../shared/registry.ts';
import { GRPC_STATS } from './grpc-stats.ts';
import { LIMIT_FAMILIES } from './limit-stats.ts';
import { HISTOGRAM_WORDS } from './histogram.ts';
import { CLUSTER_HISTOGRAMS, CLUSTER_STATS, HOST_STATS, HTTP1_STATS, HTTP2_STATS, HTTP_HISTOGRAMS, HTTP_STATS, LISTENER_STATS, PROXY_PROTO_STATS, TCP_STATS, TLS_INSPECTOR_STATS, type StatKind } from './stat-names.ts';
import { SSL_STATS } from './ssl-stats.ts';
import { CLUSTER_CELLS, LB_AT, LB_STATS } from './upkeep-stats.ts';

/** What lies between the named counters of a cluster and those of `upkeep-stats.ts`. */
const CODES = new Array<readonly [name: string, kind: StatKind]>(LB_AT - CLUSTER_STATS.length - HTTP2_STATS.length).fill(['', 'counter']);

export const SHAPES: Shapes = {
  cluster: shape([...CLUSTER_STATS, ...HTTP2_STATS, ...CODES, ...LB_STATS], CLUSTER_CELLS),
  host: shape(HOST_STATS, HOST_STATS.length),
  listener: shape(LISTENER_STATS, LISTENER_STATS.length + PROXY_PROTO_STATS.length + TLS_INSPECTOR_STATS.length),
  http: shape([...HTTP_STATS, ...HTTP1_STATS, ...HTTP2_STATS], HTTP_STATS.length + HTTP1_STATS.length + HTTP2_STATS.length),
  tcp: shape(TCP_STATS, TCP_STATS.length),
  ssl: shape(SSL_STATS, SSL_STATS.length),
  grpc: shape(GRPC_STATS, GRPC_STATS.length),
  limits: Object.fromEntries(Object.entries(LIMIT_FAMILIES).map(([kind, { stats }]) => [kind, shape(stats, stats.length)])),
  clusterHistograms: CLUSTER_HISTOGRAMS.length,
  httpHistograms: HTTP_HISTOGRAMS.length,
  histogramWords: HISTOGRAM_WORDS,
};

function shape(stats: readonly (readonly [name: string, kind: StatKind])[], size: number): BlockShape {
  const gauges: number[] = [];
  stats.forEach(([, kind], slot) => {
    if (kind === 'gauge') gauges.push(slot);
  });
  return { size, gauges };
}
