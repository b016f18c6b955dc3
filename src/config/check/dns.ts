// Checks of discovery by DNS: which clusters take names, and what its pauses may be. Primary thread; pure.

import { explainEndpointAddress, explainStaticAddress } from '../address.ts';
import type { Problem } from '../errors.ts';
import type { Place } from '../place.ts';
import { explainDuration, parseDuration } from '../units.ts';

const DNS_KEYS = ['dnsRefresh', 'dnsJitter', 'dnsFailureRefresh', 'respectDnsTtl', 'dnsLookupFamily', 'dnsResolvers'];

export function checkDns(cluster: Place, problems: Problem[]): void {
  if (!cluster.isObject()) return;
  const type = cluster.at('type').value;
  if (type !== 'strictDns' && type !== 'logicalDns') {
    refuseKeys(cluster, problems);
    refuseNames(cluster.at('endpoints'), problems);
    return;
  }
  const endpoints = cluster.at('endpoints');
  if (type === 'logicalDns' && Array.isArray(endpoints.value) && endpoints.value.length !== 1) {
    problems.push({ code: 'conflict', pointer: endpoints.pointer, message: 'a cluster of the type logicalDns takes one endpoint; "strictDns" takes several' });
  }
  refusePause(cluster.at('dnsRefresh'), 'the name would be asked for without a pause', problems);
  const failure = cluster.at('dnsFailureRefresh');
  refusePause(failure.at('base'), 'the name would be asked for without a pause', problems);
  const base = durationOf(failure.at('base'));
  const max = durationOf(failure.at('max'));
  if (base !== null && max !== null && max < base) problems.push({ code: 'out-of-range', pointer: failure.at('max').pointer, message: 'must not be shorter than "base"' });
}

function refuseKeys(cluster: Place, problems: Problem[]): void {
  for (const key of DNS_KEYS) {
    if (!cluster.has(key)) continue;
    problems.push({ code: 'conflict', pointer: cluster.at(key).pointer, atKey: true, message: `nothing is looked up here: "${key}" needs the type "strictDns" or "logicalDns"` });
  }
}

/** What the form of an endpoint allows, but only where names are looked up. */
function refuseNames(endpoints: Place, problems: Problem[]): void {
  for (const endpoint of endpoints.items()) {
    const place = endpoint.isObject() ? endpoint.at('address') : endpoint;
    const text = place.text();
    if (text === null || explainEndpointAddress(text) !== null) continue;
    const reason = explainStaticAddress(text);
    if (reason !== null) problems.push({ code: 'bad-endpoint-address', pointer: place.pointer, message: `${JSON.stringify(text)} ${reason}` });
  }
}

function refusePause(place: Place, why: string, problems: Problem[]): void {
  if (durationOf(place) === 0) problems.push({ code: 'out-of-range', pointer: place.pointer, message: `must be longer than 0s: ${why}` });
}

function durationOf(place: Place): number | null {
  const text = place.text();
  return text === null || explainDuration(text) !== null ? null : parseDuration(text);
}
