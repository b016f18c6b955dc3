// A worker thread of the ejection tests: finds hosts out and ejects them as fast as it can. All it says is one message.

import { parentPort, workerData } from 'node:worker_threads';
import { eject } from '../../src/shared/ejections.ts';
import { CONSECUTIVE_5XX, CONSECUTIVE_GATEWAY, CONSECUTIVE_LOCAL, HostTable } from '../../src/shared/host-table.ts';

export const CLUSTER_ROW = 0;
/** Threads meet here, round by round. */
export const MEETING_ROW = 1;
export const COUNTED_ROW = 2;
/** From here on. */
export const HOST_ROWS_AT = 3;

export interface EjectionJob {
  readonly what: 'race' | 'count' | 'churn';
  readonly hosts: SharedArrayBuffer;
  readonly index: number;
  readonly threads: number;
  readonly rounds: number;
  readonly hostCount: number;
  readonly limit: number;
}

export interface EjectionResult {
  /** Hosts that this thread has ejected; or how often it was the one who counted the last failure. */
  readonly ejected: number[];
  readonly full: number;
  /** The highest count of ejected hosts that it has seen. */
  readonly highest: number;
}

const job = workerData as EjectionJob;
const table = new HostTable(job.hosts);
const { threads, rounds, hostCount, limit } = job;

function meet(round: number): void {
  table.count(MEETING_ROW, CONSECUTIVE_LOCAL);
  while (table.counted(MEETING_ROW, CONSECUTIVE_LOCAL) < threads * (round + 1));
}

function tryOne(host: number, result: { ejected: number[]; full: number; highest: number }): void {
  const verdict = eject(table, { cluster: CLUSTER_ROW, host: HOST_ROWS_AT + host, limit, now: 1 + host, baseMs: 1, maxMs: 1000 });
  if (verdict === 'ejected') result.ejected.push(host);
  if (verdict === 'full') result.full++;
  result.highest = Math.max(result.highest, table.ejected(CLUSTER_ROW));
}

/** All threads at each host at one time; then everybody once more in an order of his own. */
function race(): EjectionResult {
  const result = { ejected: [], full: 0, highest: 0 };
  for (let host = 0; host < hostCount; host++) {
    meet(host);
    tryOne(host, result);
  }
  for (let i = 0; i < hostCount * rounds; i++) tryOne((job.index * 5 + i) % hostCount, result);
  return result;
}

/** On and on, while the primary lets hosts back. */
function churn(): EjectionResult {
  const result = { ejected: [], full: 0, highest: 0 };
  meet(0);
  for (let i = 0; i < hostCount * rounds; i++) tryOne((job.index * 5 + i) % hostCount, result);
  return result;
}

/** Each thread adds one failure a round, and the rounds' last one must be found by one of them. */
function count(): EjectionResult {
  const found: number[] = [];
  for (let round = 0; round < rounds; round++) {
    meet(2 * round);
    if (table.count(COUNTED_ROW, CONSECUTIVE_5XX) >= threads && table.takeCount(COUNTED_ROW, CONSECUTIVE_5XX, threads)) found.push(round);
    table.setCount(COUNTED_ROW, CONSECUTIVE_GATEWAY, round);
    meet(2 * round + 1);
  }
  return { ejected: found, full: 0, highest: 0 };
}

parentPort!.postMessage({ race, churn, count }[job.what]());
