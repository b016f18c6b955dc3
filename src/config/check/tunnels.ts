// Checks of tunnels: which listeners cannot have them. Primary thread; pure.

import type { Place } from '../place.ts';
import type { CheckScope } from './check.ts';

const REASON = 'the engine "uws" cannot tunnel: uWebSockets.js hands no connection over; choose the engine "epoll" or "node" for this listener';

/** Everything that would open a tunnel on a listener of the engine uws is an error. */
export function checkNoTunnels(http: Place, { problems }: CheckScope): void {
  refuse(http.at('upgrades'));
  for (const host of [http, ...http.at('virtualHosts').items()]) {
    for (const route of host.at('routes').items()) {
      refuse(route.at('forward').at('upgrades'));
      if (route.at('match').at('connect').value === true) refuse(route.at('match').at('connect'));
    }
  }

  function refuse(place: Place): void {
    const opens = place.value === true || place.items().length > 0;
    if (opens) problems.push({ code: 'conflict', pointer: place.pointer, atKey: true, message: REASON });
  }
}
