// The schema of active health checks. Primary thread; constants only.

import { DEFAULTS } from '../defaults.ts';
import { MAX_COUNT } from '../limits.ts';
import { choice, described, dictionary, either, flag, freeText, integer, list, object, text } from './parts.ts';
import type { Schema } from './parts.ts';

/** Kinds of checks of which an entry has exactly one. */
export const CHECK_KINDS = ['http', 'tcp', 'grpc'] as const;

const THRESHOLD = { minimum: 1, maximum: MAX_COUNT };

function http(): Schema {
  const defaults = DEFAULTS.healthCheckHttp;
  const statuses = (): Schema => text('A status or a range: "200", "200-299", "<400".', 'statusFilter', { examples: ['200-299'] });
  return object('healthCheckHttp', {
    path: text('What to ask for, with a query if need be.', 'target', { examples: ['/healthz'] }),
    host: text("The host to ask for, and the name to verify where the cluster's tls has no serverName. Default: the cluster's name.", 'optionalAuthority'),
    method: choice('How to ask.', ['GET', 'HEAD', 'POST', 'PUT', 'DELETE', 'OPTIONS', 'TRACE', 'PATCH'], { default: defaults.method }),
    headers: dictionary('More fields of the request.', 'editedHeader', text('The value.', 'headerValue')),
    expectedStatuses: list('Statuses of a healthy endpoint. Any other makes it unhealthy at once.', statuses(), { minItems: 1, default: defaults.expectedStatuses }),
    retriableStatuses: list('Statuses that count towards unhealthyThreshold instead of making the endpoint unhealthy at once.', statuses(), { default: defaults.retriableStatuses }),
  }, ['path']);
}

function payload(description: string): Schema {
  return either(`${description} Text, or an object with bytes in hexadecimal.`, [
    freeText('As it stands.'),
    object('healthCheckPayload', { hex: text('Bytes, two digits each.', 'hexBytes', { examples: ['000000ff'] }) }, ['hex']),
  ]);
}

function tcp(): Schema {
  return object('healthCheckTcp', {
    send: payload('What to send once the connection is up. Default: nothing.'),
    expect: list('What the answer must hold, in this order, with anything in between. Empty: it is enough that the connection comes up.', payload('A part of the answer.'), { default: DEFAULTS.healthCheckTcp.expect }),
  });
}

function grpc(): Schema {
  return object('healthCheckGrpc', {
    service: freeText("The service to ask about (grpc.health.v1); empty: the endpoint as a whole.", { default: DEFAULTS.healthCheckGrpc.service }),
    authority: text("The authority to ask for. Default: the cluster's name.", 'optionalAuthority'),
  });
}

export function healthCheckSchema(): Schema {
  const defaults = DEFAULTS.healthCheck;
  const one = `Exactly one of ${CHECK_KINDS.join(', ')}.`;
  return object('healthCheck', {
    http: described(`${one} Asks over HTTP, in the protocol of the cluster.`, http()),
    tcp: described(`${one} Connects, and perhaps sends something and waits for an answer.`, tcp()),
    grpc: described(`${one} Calls grpc.health.v1.Health/Check.`, grpc()),
    interval: text('From one answer to the next check.', 'duration', { default: defaults.interval }),
    timeout: text('How long a check may take, connecting included.', 'duration', { default: defaults.timeout }),
    healthyThreshold: integer('Checks in a row that an unhealthy endpoint must pass. The first check of all is enough by itself.', THRESHOLD, { default: defaults.healthyThreshold }),
    unhealthyThreshold: integer('Checks in a row that may fail for want of an answer (or with a retriable status) until the endpoint is unhealthy.', THRESHOLD, { default: defaults.unhealthyThreshold }),
    jitter: text('Up to so much is added to each interval.', 'duration', { default: defaults.jitter }),
    jitterPercent: integer('Up to so much of the interval is added to it as well.', { minimum: 0, maximum: 100 }, { default: defaults.jitterPercent }),
    initialJitter: text('Up to so much time passes before the first check.', 'duration', { default: defaults.initialJitter }),
    noTrafficInterval: text('The interval as long as the cluster has never had a connection.', 'duration', { default: defaults.noTrafficInterval }),
    noTrafficHealthyInterval: text('The same, for endpoints that are healthy. Default: noTrafficInterval.', 'duration'),
    unhealthyInterval: text('The interval for endpoints that are unhealthy. Default: interval.', 'duration'),
    unhealthyEdgeInterval: text('The interval while an endpoint is on its way to being unhealthy. Default: unhealthyInterval.', 'duration'),
    healthyEdgeInterval: text('The interval while an endpoint is on its way back. Default: interval.', 'duration'),
    reuseConnection: flag('Keep the connection for the next check.', { default: defaults.reuseConnection }),
    eventLog: text("A file that gets one JSON line for each change of an endpoint's health, relative to the configuration file; /dev/stdout and /dev/stderr are the process's own. Default: none.", 'name'),
    alwaysLogFailures: flag('Log every check that fails, not only those that change something.', { default: defaults.alwaysLogFailures }),
  });
}
