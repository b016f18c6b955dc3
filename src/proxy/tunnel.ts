// @hot
// Whether a request may become a tunnel: the listener's `upgrades`, or the route's where it has its own; CONNECT where a
// route matches it. Worker thread; works on the Journey's request only.

import { FLAG_DPE } from '../core/flags.ts';
import { BODY_NONE, BODY_TUNNEL, UPGRADE_CONNECT } from '../core/stream.ts';
import { passUpgrade } from '../http/upgrade.ts';
import { ROUTE_FORWARD, type CompiledRoute } from '../route/compiled-route.ts';
import type { Journey } from './journey.ts';
import type { LocalReply } from './reply.ts';

/** Envoy's answer to an upgrade that is not allowed. */
const REFUSED: LocalReply = { status: 403, flags: 0, details: 'upgrade_failed', body: '', overloaded: false };
/** Whoever is at the other end might take the body for the tunnel's first bytes, or those for the body. */
const HAS_BODY: LocalReply = { status: 400, flags: FLAG_DPE, details: 'http1.body_disallowed', body: 'Bad Request', overloaded: false };

/** null: it may go on, as a tunnel where `reqBody` now says so. */
export function refusalOfUpgrade(journey: Journey, route: CompiledRoute | null): LocalReply | null {
  const { upgrade, reqHead } = journey;
  if (upgrade !== UPGRADE_CONNECT) {
    // An offer that a server may ignore (RFC 9110 section 7.8), and no tunnel must ever carry.
    if (upgrade === 'h2c' && journey.reqBody !== BODY_TUNNEL) return null;
    const allowed = route?.upgrades ?? journey.runtime.config.upgrades;
    if (!allowed.includes(upgrade)) return REFUSED;
  }
  if (route === null || route.kind !== ROUTE_FORWARD) return null;
  if (journey.reqBody !== BODY_NONE && journey.reqBody !== BODY_TUNNEL) return HAS_BODY;
  journey.reqBody = BODY_TUNNEL;
  passUpgrade(reqHead);
  return null;
}
