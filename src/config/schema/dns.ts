// The schema of discovery by DNS: keys of a cluster of the types strictDns and logicalDns. Primary thread; constants only.

import { DEFAULTS } from '../defaults.ts';
import { choice, described, flag, list, object, text } from './parts.ts';
import type { Schema } from './parts.ts';

export function dnsSchema(): Readonly<Record<string, Schema>> {
  const defaults = DEFAULTS.cluster;
  const failureRefresh = object('dnsFailureRefresh', {
    base: text('The first pause is up to this long; each further failure doubles that.', 'duration', { examples: ['1s'] }),
    max: text('The longest that pauses grow to. Default: ten times the base.', 'duration', { examples: ['30s'] }),
  }, ['base']);
  return {
    dnsRefresh: text('How long after an answer a name is looked up again.', 'duration', { default: defaults.dnsRefresh }),
    dnsJitter: text('Each of these pauses is longer by a random part of this.', 'duration', { default: defaults.dnsJitter }),
    dnsFailureRefresh: described('The pauses after failed look-ups: random, ever longer. Default: as after an answer.', failureRefresh),
    respectDnsTtl: flag('Look up again when the answer says that it is no longer valid, instead of after "dnsRefresh".', { default: defaults.respectDnsTtl }),
    dnsLookupFamily: choice('Which addresses to take: of IPv6, or of IPv4 where there are none (auto), of IPv4 first (v4Preferred), of one only, or all.', ['auto', 'v4Only', 'v6Only', 'v4Preferred', 'all'], { default: defaults.dnsLookupFamily }),
    dnsResolvers: list('The DNS servers to ask, in this order: IP, IP:port or [v6]:port. Default: those of the system.', text('A DNS server.', 'resolverAddress', { examples: ['10.0.0.53:53'] }), { minItems: 1 }),
  };
}
