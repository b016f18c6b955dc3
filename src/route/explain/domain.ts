// Which domain of a virtual host a Host value came in by. Any thread; pure; not for the road.

import { HostIndex } from '../host-index.ts';

/** Which of a virtual host's domains a Host value came in by, '' when by none. */
export function domainFor(domains: readonly string[], authority: string): string {
  for (const domain of domains.toSorted((a, b) => rank(b) - rank(a))) {
    const index = new HostIndex<true>();
    index.add(domain, true);
    if (index.find(authority) !== null) return domain;
  }
  return '';
}

/** The order in which kinds of domains are tried; within a kind the longer first. */
function rank(domain: string): number {
  if (domain === '*') return 0;
  if (domain.startsWith('*')) return 20000 + domain.length;
  return (domain.endsWith('*') ? 10000 : 30000) + domain.length;
}
