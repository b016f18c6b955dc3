// @hot
// What all pickers do when their choice has been tried already: look through the list for one that has not. Worker thread.

import type { Host } from '../host.ts';

/** The first untried host from index `from` on, around the list; null when all have been tried. At most as many looks as were tried, and one. */
export function untriedFrom(hosts: readonly Host[], from: number, tried: readonly Host[]): Host | null {
  const n = hosts.length;
  const looks = Math.min(n, tried.length + 1);
  for (let k = 0; k < looks; k++) {
    const i = from + k;
    const host = hosts[i < n ? i : i - n]!;
    if (!tried.includes(host)) return host;
  }
  return null;
}
