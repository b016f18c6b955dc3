// CPUs of a thread by system calls. Any thread; bound when first asked.

import { errnoName, loadSystem } from './system.ts';

/** A cpu_set_t of the usual size: CPUs 0 to 1023. */
const SET_BYTES = 128;

/** The CPUs that this thread may run on, ascending; null where the system does not tell. */
export function threadCpus(): number[] | null {
  const system = loadSystem();
  if (typeof system === 'string') return null;
  const set = Buffer.alloc(SET_BYTES);
  if (system.getAffinity(set) < 0) return null;
  const cpus: number[] = [];
  for (let cpu = 0; cpu < SET_BYTES * 8; cpu++) if ((set[cpu >> 3]! >> (cpu & 7)) & 1) cpus.push(cpu);
  return cpus;
}

/** Ties this thread, and no other, to one CPU; an error text, or null when it is done. */
export function setThreadCpu(cpu: number): string | null {
  const system = loadSystem();
  if (typeof system === 'string') return system;
  if (!Number.isInteger(cpu) || cpu < 0 || cpu >= SET_BYTES * 8) return `there is no CPU ${cpu}`;
  const set = Buffer.alloc(SET_BYTES);
  set[cpu >> 3] = 1 << (cpu & 7);
  return system.setAffinity(set) < 0 ? `sched_setaffinity to CPU ${cpu}: ${errnoName(system.errno())}` : null;
}
