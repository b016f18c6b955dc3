// A checked document → the Snapshot: defaults filled in, units converted, content hashed, everything frozen.
// Primary thread; pure. Takes only documents that passed the schema and the checks.

import { parseAddress } from '../address.ts';
import { DEFAULTS } from '../defaults.ts';
import type { ConfigDocument, ListenerDocument } from '../document.ts';
import type { EngineName, ListenerConfig, Snapshot } from '../snapshot.ts';
import type { SecretFiles } from '../secrets.ts';
import { parseDuration } from '../units.ts';
import { buildCluster } from './cluster.ts';
import { contentHash, freezeDeep } from './content.ts';
import { grpcMethodsOf } from './grpc-methods.ts';
import { buildHttp } from './http.ts';
import { limitSourcesOf } from './limit-sources.ts';
import { buildOverload } from './overload.ts';
import { buildTcp } from './tcp.ts';
import { buildServerTls } from './tls.ts';

/** @param file of the configuration; relative paths in it are relative to this. */
export function buildSnapshot(document: ConfigDocument, file: string, secrets: SecretFiles): Snapshot {
  const defaults = DEFAULTS.top;
  const engine = document.engine ?? defaults.engine;
  const body = {
    workers: document.workers ?? defaults.workers,
    pinWorkers: document.pinWorkers ?? defaults.pinWorkers,
    engine,
    admin: document.admin === false ? null : parseAddress(document.admin?.address ?? DEFAULTS.admin.address),
    logLevel: document.logLevel ?? defaults.logLevel,
    drainTimeoutMs: parseDuration(document.drainTimeout ?? defaults.drainTimeout),
    watch: document.watch ?? defaults.watch,
    overload: buildOverload(document.overload),
    listeners: document.listeners.map((listener) => buildListener(listener, engine, { file, secrets })),
    clusters: (document.clusters ?? defaults.clusters).map((cluster) => buildCluster(cluster, secrets, { zone: document.zone ?? '', localCluster: document.localCluster ?? '' })),
  };
  const { listeners, clusters, ...top } = body;
  const version = contentHash({ top, parts: [listeners.map(({ hash }) => hash), clusters.map(({ hash }) => hash)] });
  return freezeDeep({ version, ...body, grpcMethods: grpcMethodsOf(listeners, clusters), limits: limitSourcesOf(listeners), files: secrets.paths });
}

function buildListener(listener: ListenerDocument, engine: EngineName | 'auto', { file, secrets }: { file: string; secrets: SecretFiles }): ListenerConfig {
  const body = {
    name: listener.name ?? listener.address,
    address: parseAddress(listener.address),
    maxConnections: listener.maxConnections ?? DEFAULTS.listener.maxConnections,
    engine: listener.engine ?? engine,
    proxyProtocol: listener.proxyProtocol ?? DEFAULTS.listener.proxyProtocol,
    tls: listener.tls === undefined ? null : buildServerTls(listener.tls, listener.http === undefined ? [] : (listener.http.protocols ?? DEFAULTS.http.protocols), secrets),
  };
  const does = listener.tcp === undefined ? { http: buildHttp(listener.http!, body.name, file), tcp: null } : { http: null, tcp: buildTcp(listener.tcp, file) };
  return { ...body, ...does, hash: contentHash({ ...body, ...does }) };
}
