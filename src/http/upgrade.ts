// @hot
// Upgrades (RFC 9110 section 7.8): what a request wants to change to, and whether an answer does so. Any thread; writes into
// the Head only. The Upgrade field is this hop's: it stays dropped until somebody lets the upgrade pass.

import { FIELD_UPGRADE } from '../core/fields.ts';
import type { Head } from '../core/head.ts';

/** The protocol in lower case, or '' when the request asks for none. A list is no protocol. */
export function wantedUpgrade(head: Head): string {
  const at = head.first[FIELD_UPGRADE]!;
  // An HTTP/1.0 client's Upgrade means nothing, nor does one that Connection does not name.
  if (at < 0 || !head.connectionUpgrade || head.minor === 0) return '';
  let wanted = head.value(at).toLowerCase();
  for (let i = at + 1; i < head.count; i++) if (head.ids[i]! === FIELD_UPGRADE) wanted += `,${head.value(i).toLowerCase()}`;
  return wanted;
}

/** Whether this 101 changes to what was asked for, and to nothing else. */
export function switchesTo(head: Head, wanted: string): boolean {
  return wanted !== '' && wantedUpgrade(head) === wanted;
}

/** The Upgrade field goes on to the next hop. */
export function passUpgrade(head: Head): void {
  const at = head.first[FIELD_UPGRADE]!;
  if (at >= 0) head.dropped[at] = 0;
}
