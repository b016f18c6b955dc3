// What a process and its descendants have cost so far, from /proc. Elsewhere than on Linux there is nothing to read, and
// every figure is null.

import { existsSync, readFileSync, readdirSync, writeFileSync } from 'node:fs';

export interface ProcessCost {
  /** CPU time of all threads, in microseconds. */
  readonly cpuUs: number;
  /** The share of it spent in the kernel, as the ticks say. */
  readonly userTicks: number;
  readonly systemTicks: number;
  readonly peakBytes: number;
  readonly residentBytes: number;
}

const readable = existsSync('/proc/self/stat');
const TICK_US = 10_000; // CLK_TCK is 100 on every Linux that Node runs on

function read(path: string): string {
  try {
    return readFileSync(path, 'latin1');
  } catch {
    return ''; // the process or thread has gone meanwhile
  }
}

function entries(path: string): string[] {
  try {
    return readdirSync(path);
  } catch {
    return [];
  }
}

/** The process and all its descendants. */
export function processTree(pid: number): number[] {
  const children = entries(`/proc/${pid}/task`).flatMap((tid) =>
    read(`/proc/${pid}/task/${tid}/children`).split(' ').filter((text) => text !== '').map(Number));
  return [pid, ...children.flatMap(processTree)];
}

/** Run time of each thread to the nanosecond; ticks only where the kernel keeps no schedstat. */
function cpuMicroseconds(pid: number, ticks: number): number {
  const threads = entries(`/proc/${pid}/task`).map((tid) => read(`/proc/${pid}/task/${tid}/schedstat`));
  if (threads.some((text) => text === '')) return ticks * TICK_US;
  return threads.reduce((sum, text) => sum + Number(text.split(' ')[0]) / 1000, 0);
}

function kilobytes(status: string, key: string): number {
  return Number(new RegExp(`^${key}:\\s+(\\d+) kB`, 'm').exec(status)?.[1] ?? 0) * 1024;
}

export function readCost(pid: number): ProcessCost | null {
  if (!readable) return null;
  const total = { cpuUs: 0, userTicks: 0, systemTicks: 0, peakBytes: 0, residentBytes: 0 };
  for (const one of processTree(pid)) {
    const stat = read(`/proc/${one}/stat`);
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
    const user = Number(fields[11] ?? 0);
    const system = Number(fields[12] ?? 0);
    const status = read(`/proc/${one}/status`);
    total.userTicks += user;
    total.systemTicks += system;
    total.cpuUs += cpuMicroseconds(one, user + system);
    total.peakBytes += kilobytes(status, 'VmHWM');
    total.residentBytes += kilobytes(status, 'VmRSS');
  }
  return total;
}

/** Starts VmHWM afresh, so that a peak belongs to one case. */
export function resetPeak(pid: number): void {
  if (!readable) return;
  for (const one of processTree(pid)) {
    try {
      writeFileSync(`/proc/${one}/clear_refs`, '5');
    } catch {
      // not permitted: the peak is then that of the process's life, which here is the case
    }
  }
}
