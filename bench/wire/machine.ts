// The machine and the programs that the figures belong to.

import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { cpus, loadavg, release, totalmem, type } from 'node:os';
import type { Contender } from './contenders.ts';

export interface Machine {
  readonly cpu: string;
  readonly cpuCount: number;
  readonly memoryBytes: number;
  readonly system: string;
  readonly node: string;
  readonly commit: string | null;
  readonly loadAverage: number;
  readonly versions: Readonly<Record<string, string>>;
}

/** The CPUs this process may use, in order; empty where the system does not tell. */
export function allowedCpus(): number[] {
  let list: string | undefined;
  try {
    list = /^Cpus_allowed_list:\s*(\S+)$/m.exec(readFileSync('/proc/self/status', 'latin1'))?.[1];
  } catch {
    return [];
  }
  return (list ?? '').split(',').filter((part) => part !== '').flatMap((part) => {
    const [from = 0, to = from] = part.split('-').map(Number);
    return Array.from({ length: to - from + 1 }, (_, index) => from + index);
  });
}

function commit(): string | null {
  const { status, stdout } = spawnSync('git', ['describe', '--always', '--dirty'], { encoding: 'utf8' });
  return status === 0 ? stdout.trim() : null;
}

export function describeMachine(contenders: readonly Contender[]): Machine {
  const all = cpus();
  return {
    cpu: all[0]?.model ?? 'unknown',
    cpuCount: all.length,
    memoryBytes: totalmem(),
    system: `${type()} ${release()}`,
    node: process.version,
    commit: commit(),
    loadAverage: loadavg()[0] ?? 0,
    versions: Object.fromEntries(contenders.map((contender) => [contender.name, contender.version() ?? 'missing'])),
  };
}
