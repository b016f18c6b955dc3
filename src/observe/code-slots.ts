// @hot
// The slots of the per-code counters (`upstream_rq_200`) in a cluster's block. Any thread.
// Every registered status code and the well-known unofficial ones have a slot; any other is counted as unknown, so that
// an upstream that makes up codes cannot fill the memory.

import { CLUSTER_CODES_AT } from './stat-names.ts';

const CODES: readonly number[] = [
  100, 101, 102, 103, 104,
  200, 201, 202, 203, 204, 205, 206, 207, 208, 218, 226,
  300, 301, 302, 303, 304, 305, 306, 307, 308,
  400, 401, 402, 403, 404, 405, 406, 407, 408, 409, 410, 411, 412, 413, 414, 415, 416, 417, 418, 419, 420, 421, 422, 423,
  424, 425, 426, 428, 429, 430, 431, 440, 444, 449, 450, 451, 460, 463, 464, 494, 495, 496, 497, 498, 499,
  500, 501, 502, 503, 504, 505, 506, 507, 508, 509, 510, 511, 520, 521, 522, 523, 524, 525, 526, 527, 529, 530, 540, 561,
  598, 599,
];

/** Slot of everything else. */
const UNKNOWN = 0;
const HIGHEST = 999;

/** Names in slot order: `unknown`, `100`, `101`, … */
export const CODE_NAMES: readonly string[] = ['unknown'].concat(CODES.map(String));

/** The first cell of a cluster's block behind those of the codes. */
export const CODES_END: number = CLUSTER_CODES_AT + CODE_NAMES.length;

const slots = new Uint8Array(HIGHEST + 1);
CODES.forEach((code, i) => {
  slots[code] = i + 1;
});

/** `cells[stats + CLUSTER_CODES_AT + codeSlot(status)]++` */
export function codeSlot(status: number): number {
  return slots[status] ?? UNKNOWN;
}
