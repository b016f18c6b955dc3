// What a worker compiled from one listener's TCP configuration: ways by server name, logs. Immutable but for the counters
// it points to; a reload makes a new one, and connections keep the one they began with. The primary compiles as rehearsal.

import { hostname } from 'node:os';
import type { Cluster } from '../cluster/cluster.ts';
import type { TcpConfig, WeightedCluster } from '../config/snapshot.ts';
import type { StreamRecord } from '../core/stream.ts';
import { compileAccessLog, type AccessLog, type Environment } from '../observe/access-log.ts';
import { ServerNames } from '../route/server-names.ts';
import type { RoadTools } from './http-runtime.ts';

export interface CompiledTcp {
  /** Where a connection goes by its server name; undefined, or no clusters: nowhere. */
  readonly ways: ServerNames<readonly WeightedCluster[]>;
  readonly logs: readonly AccessLog[];
}

export interface TcpTools extends RoadTools {
  /** For pickers and log lines, filled anew for each. */
  readonly record: StreamRecord;
}

export interface TcpRuntime extends CompiledTcp {
  readonly config: TcpConfig;
  /** First cell of `tcp.PREFIX.*`. */
  readonly stats: number;
  readonly clusters: ReadonlyMap<string, Cluster>;
  readonly tools: TcpTools;
}

export function compileTcp(tcp: TcpConfig, variables: Environment['variables']): CompiledTcp {
  const environment: Environment = { hostname: hostname(), variables };
  const ways = tcp.sniRoutes.map(({ serverName, clusters }) => [serverName, clusters] as const);
  return {
    ways: new ServerNames(ways.length === 0 ? [['*', tcp.clusters]] : ways),
    logs: tcp.accessLog.map((log) => compileAccessLog(log, environment)),
  };
}
