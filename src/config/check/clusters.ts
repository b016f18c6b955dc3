// Checks of clusters: names, endpoints, weights. Primary thread; pure.

import { formatAddress } from '../../core/address.ts';
import { DEFAULTS } from '../defaults.ts';
import { explainEndpointAddress, parseAddress } from '../address.ts';
import type { Problem } from '../errors.ts';
import { MAX_WEIGHT } from '../limits.ts';
import type { Place } from '../place.ts';
import type { CheckScope } from './check.ts';
import { Register } from './choices.ts';
import { checkHostSets } from './host-sets.ts';
import { checkHealthChecks } from './health.ts';
import { checkDns } from './dns.ts';
import { checkKeepAlive } from './keep-alive.ts';
import { checkLoadBalancing } from './load-balancing.ts';
import { checkOutlierDetection } from './outlier.ts';
import { checkCircuitBreakers } from './circuit-breakers.ts';
import { checkClientTls } from './tls.ts';

export function checkClusters(clusters: Place, scope: CheckScope): void {
  const { problems } = scope;
  const names = new Register('duplicate-name', problems);
  for (const cluster of clusters.items()) {
    const name = cluster.at('name');
    const text = name.text();
    if (text !== null) names.add(text, name.pointer, `the cluster name ${JSON.stringify(text)}`);
    checkType(cluster, problems);
    checkEndpoints(cluster.at('endpoints'), problems);
    checkDns(cluster, problems);
    checkHttp2(cluster, problems);
    checkHostSets(cluster, scope);
    checkLoadBalancing(cluster, problems);
    checkOutlierDetection(cluster, problems);
    checkCircuitBreakers(cluster, problems);
    checkClientTls(cluster.at('tls'), scope);
    checkHealthChecks(cluster, scope);
  }
}

function checkType(cluster: Place, problems: Problem[]): void {
  if (!cluster.isObject()) return;
  const given = cluster.has('endpoints');
  if (cluster.at('type').value === 'originalDst') {
    if (given) problems.push({ code: 'conflict', pointer: cluster.at('endpoints').pointer, atKey: true, message: 'a cluster of the type originalDst lists none: callers bring the address' });
  } else if (!given) {
    problems.push({ code: 'missing-key', pointer: cluster.pointer, message: 'cluster needs the key "endpoints"', wanted: ['endpoints'] });
  }
  const protocol = cluster.at('protocol').text() ?? 'http1';
  if (cluster.has('proxyProtocol') && protocol !== 'http1') {
    problems.push({ code: 'conflict', pointer: cluster.at('proxyProtocol').pointer, atKey: true, message: `a connection that tells of one caller cannot carry several: "${protocol}" shares connections` });
  }
  if (cluster.has('proxyProtocol') && cluster.has('tls')) {
    problems.push({ code: 'conflict', pointer: cluster.at('proxyProtocol').pointer, atKey: true, message: 'a PROXY protocol header cannot be sent before TLS in this version' });
  }
}

function checkHttp2(cluster: Place, problems: Problem[]): void {
  if (!cluster.isObject() || !cluster.has('http2')) return;
  if ((cluster.at('protocol').text() ?? DEFAULTS.cluster.protocol) === 'http1') {
    problems.push({ code: 'conflict', pointer: cluster.at('http2').pointer, atKey: true, message: 'the endpoints are spoken to in HTTP/1.1: "http2" needs the protocol "http2" or "auto"' });
  }
  checkKeepAlive(cluster.at('http2'), problems);
}

function checkEndpoints(endpoints: Place, problems: Problem[]): void {
  if (!Array.isArray(endpoints.value)) return;
  if (endpoints.value.length === 0) {
    problems.push({ code: 'empty-cluster', severity: 'warning', pointer: endpoints.pointer, message: 'the cluster has no endpoints: every request to it is answered with 503' });
  }
  const addresses = new Register('duplicate-address', problems);
  let total = 0;
  for (const endpoint of endpoints.items()) {
    const place = endpoint.isObject() ? endpoint.at('address') : endpoint;
    const text = place.text();
    total += endpoint.at('weight').number() ?? 1;
    if (text === null || explainEndpointAddress(text) !== null) continue;
    addresses.add(formatAddress(parseAddress(text)), place.pointer, `the endpoint ${JSON.stringify(text)}`);
  }
  if (total > MAX_WEIGHT) {
    problems.push({ code: 'zero-weight', pointer: endpoints.pointer, message: `the weights add up to more than ${MAX_WEIGHT}` });
  }
}
