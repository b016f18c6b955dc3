// Checks of active health checks: times that are times, and checks that the cluster's endpoints can be asked. Primary
// thread; pure.

import { DEFAULTS } from '../defaults.ts';
import type { Place } from '../place.ts';
import { FORMS } from '../schema/formats.ts';
import { CHECK_KINDS } from '../schema/health.ts';
import { explainDuration, parseDuration } from '../units.ts';
import type { CheckScope } from './check.ts';
import { exactlyOne } from './choices.ts';

const INTERVALS = [
  'interval', 'timeout', 'noTrafficInterval', 'noTrafficHealthyInterval', 'unhealthyInterval', 'unhealthyEdgeInterval', 'healthyEdgeInterval',
];

export function checkHealthChecks(cluster: Place, scope: CheckScope): void {
  const list = cluster.at('healthChecks');
  const checks = list.items();
  if (checks.length === 0) return;
  if (checks.length > 1) conflict(checks[1]!, 'a cluster has one health check', scope);
  if (cluster.at('type').value === 'originalDst') conflict(list, 'the endpoints of a cluster of the type originalDst are not known beforehand, and cannot be checked', scope);
  for (const check of checks) {
    const kind = exactlyOne(check, 'a health check', CHECK_KINDS, scope.problems);
    for (const key of INTERVALS) checkInterval(check.at(key), scope);
    if (kind === 'grpc') checkGrpc(cluster, check.at('grpc'), scope);
    if (kind === 'tcp') checkTcp(cluster, check.at('tcp'), scope);
    if (kind === 'http') checkHttp(check.at('http'), scope);
    if (kind === 'http') checkHost(cluster, check.at('http').at('host'), scope);
    if (kind === 'grpc') checkHost(cluster, check.at('grpc').at('authority'), scope);
    if (cluster.has('proxyProtocol')) conflict(check, 'a health check has no caller to tell of: it cannot be used together with "proxyProtocol"', scope);
  }
}

function checkInterval(place: Place, { problems }: CheckScope): void {
  const text = place.text();
  if (text === null || explainDuration(text) !== null || parseDuration(text) > 0) return;
  problems.push({ code: 'out-of-range', pointer: place.pointer, message: 'must be longer than 0s' });
}

/** HTTP/2 has to be certain. */
function checkGrpc(cluster: Place, grpc: Place, scope: CheckScope): void {
  const protocol = cluster.at('protocol').text() ?? DEFAULTS.cluster.protocol;
  if (protocol === 'http2' || (protocol === 'auto' && cluster.has('tls'))) return;
  conflict(grpc, 'gRPC needs HTTP/2: set the protocol of the cluster to "http2"', scope);
}

function checkTcp(cluster: Place, tcp: Place, scope: CheckScope): void {
  if (tcp.has('send') && tcp.at('expect').items().length === 0 && tcp.at('send').value !== '') {
    conflict(tcp.at('send'), 'has no effect without "expect": the check is over when the connection is up', scope);
  }
  for (const part of tcp.at('expect').items()) {
    if (part.value === '') scope.problems.push({ code: 'too-few', pointer: part.pointer, message: 'is empty: every answer holds that' });
  }
  if (cluster.at('protocol').text() === 'http2' && cluster.has('tls')) {
    conflict(tcp, 'an endpoint that speaks HTTP/2 over TLS answers to nothing else: use "http" or "grpc"', scope);
  }
}

function checkHttp(http: Place, { problems }: CheckScope): void {
  const names = new Set<string>();
  for (const [name, place] of http.at('headers').entries()) {
    if (names.has(name.toLowerCase())) {
      problems.push({ code: 'duplicate-name', pointer: place.pointer, atKey: true, message: `the header ${JSON.stringify(name)} is given twice, in different case` });
    }
    names.add(name.toLowerCase());
  }
}

/** Without a host the cluster's name stands in its place. */
function checkHost(cluster: Place, host: Place, { problems }: CheckScope): void {
  const name = cluster.at('name').text();
  if ((host.text() ?? '') !== '' || name === null || name === '' || FORMS.authority.explain(name) === null) return;
  problems.push({ code: 'bad-authority', pointer: host.pointer, message: `is needed: the name of the cluster, ${JSON.stringify(name)}, is not the name of a host` });
}

function conflict(place: Place, message: string, { problems }: CheckScope): void {
  problems.push({ code: 'conflict', pointer: place.pointer, atKey: true, message });
}
