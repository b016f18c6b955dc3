// The map of the shared memory as a table, for people and for the test that pins it: a region that moves or grows by
// accident would be read wrongly by whoever holds the old numbers. Any thread.

import { BREAKER_BYTES, BREAKER_ROW, BREAKER_ROWS, HELD_ROW } from './breaker-table.ts';
import { LIMIT_BYTES } from './limit-words.ts';
import { HOST_BYTES, HOST_ROW, HOST_ROWS } from './host-table.ts';
import { STRIPE_BYTES, STRIPE_REGIONS } from './stripe.ts';

/** One line per region: name, first byte, bytes. */
export function layoutTable(): string {
  const lines = [`stripe (one per worker)${STRIPE_BYTES.toString().padStart(17)} bytes`];
  for (const [name, at, bytes] of STRIPE_REGIONS) {
    lines.push(`  ${name.padEnd(10)}${at.toString().padStart(12)}${bytes.toString().padStart(16)}`);
  }
  lines.push(`breakers (one for all)${BREAKER_BYTES.toString().padStart(18)} bytes`);
  lines.push(`  ${BREAKER_ROWS} rows of ${BREAKER_ROW * 4} bytes: 4 counts, 4 limits, starving waiters`);
  lines.push(`  held: ${BREAKER_ROWS} rows of ${HELD_ROW * 4} bytes: 4 counts, starving waiters`);
  lines.push(`hosts (one for all)${HOST_BYTES.toString().padStart(21)} bytes`);
  lines.push(`  ${HOST_ROWS} rows of ${HOST_ROW * 4} bytes: flags, failures in a row, ejections, times; of a cluster: epoch, ejected hosts`);
  lines.push(`limits (one for all)${LIMIT_BYTES.toString().padStart(20)} bytes`);
  lines.push('  token buckets of 64 bytes, windows, latencies: as each limit needs');
  return `${lines.join('\n')}\n`;
}
