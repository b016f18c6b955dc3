// The schema of what a listener does with plain TCP. Primary thread; constants only.

import { DEFAULTS } from '../defaults.ts';
import { MAX_CONNECT_ATTEMPTS } from '../limits.ts';
import { accessLogSchema } from './access-log.ts';
import { described, dictionary, either, integer, list, object, text } from './parts.ts';
import type { Schema } from './parts.ts';
import { weightedClusterSchema } from './route.ts';

/** Keys of which `tcp` takes exactly one. */
export const TCP_DESTINATIONS = ['cluster', 'clusters', 'sniRoutes'] as const;
/** In `sniRoutes`, in the place of a cluster. */
export const REJECT = 'reject';

export function tcpSchema(): Schema {
  const one = `Exactly one of ${TCP_DESTINATIONS.join(', ')}.`;
  const weighted = list('Clusters with weights.', weightedClusterSchema(), { minItems: 1 });
  return object('tcp', {
    cluster: text(`${one} The cluster to connect to.`, 'name'),
    clusters: described(`${one} Several clusters; each gets its share of the connections by weight.`, weighted),
    sniRoutes: dictionary(
      `${one} Clusters by the server name that TLS clients ask for: exact, "*.suffix" or "*"; the most exact one wins. "reject" refuses; so does a name that is not here. TLS is looked at, not ended.`,
      'serverNamePattern',
      either('Where to connect to.', [text('A cluster, or "reject".', 'name'), weighted]),
    ),
    idleTimeout: text('How long a connection may be silent in both directions; "0s": no limit.', 'duration', { default: DEFAULTS.tcp.idleTimeout }),
    maxConnectAttempts: integer('How many endpoints to try before a connection is given up.', { minimum: 1, maximum: MAX_CONNECT_ATTEMPTS }, { default: DEFAULTS.tcp.maxConnectAttempts }),
    accessLog: list('Where to write a line for each connection, at its end.', accessLogSchema(), { default: DEFAULTS.tcp.accessLog }),
  });
}
