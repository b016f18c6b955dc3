// Checks of what a listener does with plain TCP: one destination, clusters that exist. Primary thread; pure.

import type { Place } from '../place.ts';
import { REJECT, TCP_DESTINATIONS } from '../schema/tcp.ts';
import { checkAccessLog } from './access-log.ts';
import { checkClusterName, checkWeights } from './actions.ts';
import type { CheckScope } from './check.ts';
import { exactlyOne } from './choices.ts';

export function checkTcp(tcp: Place, scope: CheckScope): void {
  if (!tcp.isObject()) return;
  const { problems } = scope;
  exactlyOne(tcp, 'tcp', TCP_DESTINATIONS, problems);
  checkDestination(tcp.at('cluster'), scope);
  checkDestination(tcp.at('clusters'), scope);
  checkServerNames(tcp.at('sniRoutes'), scope);
  for (const log of tcp.at('accessLog').items()) {
    checkAccessLog(log, scope);
    const status = log.at('filter').at('status');
    if (status.exists) problems.push({ code: 'conflict', pointer: status.pointer, atKey: true, message: 'a TCP connection has no status to filter by' });
  }
}

function checkDestination(to: Place, scope: CheckScope): void {
  checkClusterName(to, scope);
  for (const item of to.items()) checkClusterName(item.at('name'), scope);
  if (to.items().length > 0) checkWeights(to, scope.problems);
}

function checkServerNames(routes: Place, scope: CheckScope): void {
  const names = new Set<string>();
  for (const [name, to] of routes.entries()) {
    const folded = name.toLowerCase();
    if (names.has(folded)) scope.problems.push({ code: 'duplicate-name', pointer: to.pointer, atKey: true, message: `the server name ${JSON.stringify(name)} is given twice, in different case` });
    names.add(folded);
    if (to.text() !== REJECT) checkDestination(to, scope);
    else if (scope.clusterNames?.has(REJECT) === true) {
      scope.problems.push({ code: 'conflict', pointer: to.pointer, message: `"${REJECT}" refuses the connection, and is the name of a cluster as well: give the cluster another name` });
    }
  }
}
