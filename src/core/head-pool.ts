// @hot
// The heads that no message needs at the moment. Worker thread; one pool per thread.
// Last in, first out: as long as heads are given back as soon as they are written on, one or two of them serve all requests
// and stay in the processor's nearest cache, however many requests are under way.

import { Head } from './head.ts';

/** More than this many at rest are left to the garbage collector. */
const KEPT = 4096;
const free: Head[] = [];

/** Stands where a message has no head yet, or no longer. Nobody writes to it. */
export const NO_HEAD: Head = new Head();

export function takeHead(): Head {
  return free.pop() ?? new Head();
}

/** Its bytes and fields are gone afterwards. */
export function giveHead(head: Head): void {
  if (head === NO_HEAD) return;
  head.reset();
  if (free.length < KEPT) free.push(head);
}
