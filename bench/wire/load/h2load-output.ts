// What h2load says of a window: its summary, and its log for the percentiles that the summary does not tell.

import { percentile } from '../statistics.ts';
import type { LoadResult } from '../load.ts';

const FINISHED = /^finished in ([\d.]+)(us|ms|s|m|h)?\b/m;
const REQUESTS = /^requests: \d+ total, \d+ started, \d+ done, (\d+) succeeded, (\d+) failed, (\d+) errored, (\d+) timeout/m;
const UNIT_US: Readonly<Record<string, number>> = { us: 1, ms: 1e3, s: 1e6, m: 60e6, h: 3600e6 };

/** Durations in microseconds of the requests that had an answer, from lines of start time, status and duration. */
function durations(log: string): Float64Array {
  const all: number[] = [];
  for (const line of log.split('\n')) {
    const [, status, duration] = line.split('\t');
    if (duration !== undefined && Number(status) > 0) all.push(Number(duration));
  }
  return Float64Array.from(all);
}

/** Null where the output has no summary. */
export function readH2load(output: string, log: string): LoadResult | null {
  const finished = FINISHED.exec(output);
  const counts = REQUESTS.exec(output)?.slice(1).map(Number);
  if (finished === null || counts === undefined) return null;
  const [succeeded = 0, failed = 0, , timeout = 0] = counts; // the failed ones include the errored
  const sorted = durations(log).sort();
  return {
    requests: succeeded,
    durationUs: Number(finished[1]) * (UNIT_US[finished[2] ?? 's'] ?? 1e6),
    p50Us: percentile(sorted, 0.5),
    p99Us: percentile(sorted, 0.99),
    p999Us: percentile(sorted, 0.999),
    errors: { failed, timeout },
  };
}
