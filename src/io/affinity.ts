// How many CPUs this process may use, and pinning a thread to one. Primary and workers; no state.

import { readFileSync } from 'node:fs';
import { availableParallelism } from 'node:os';

import { setThreadCpu, threadCpus } from './epoll/cpu.ts';

/** The CPUs that this thread may run on: affinity mask and cpuset. To be asked before anything is pinned. */
export function allowedCpus(): number[] {
  return threadCpus() ?? Array.from({ length: availableParallelism() }, (_, cpu) => cpu);
}

/** Workers for `"auto"`: as many as there are CPUs to run them, and no more than the cgroup's quota feeds. */
export function autoWorkerCount(): number {
  const quota = cgroupCpuQuota();
  const cpus = allowedCpus().length;
  return Math.max(1, quota === null ? cpus : Math.min(cpus, Math.ceil(quota)));
}

/** Ties the calling thread to a CPU; an error text, or null when it is done. */
export function pinThread(cpu: number): string | null {
  return setThreadCpu(cpu);
}

/** CPUs' worth of time that the cgroup may use, the least of its own and its ancestors' quotas; null without a limit. */
export function cgroupCpuQuota(read: (path: string) => string | null = readText): number | null {
  let least: number | null = null;
  const see = (quota: number | null): void => {
    if (quota !== null && (least === null || quota < least)) least = quota;
  };
  for (const line of (read('/proc/self/cgroup') ?? '').split('\n')) {
    const [, controllers, path] = /^\d+:([^:]*):(.*)$/.exec(line) ?? [];
    if (controllers === undefined || path === undefined) continue;
    if (controllers === '') {
      for (const at of upwards('/sys/fs/cgroup', path)) see(quotaV2(read(`${at}/cpu.max`)));
    } else if (controllers.split(',').includes('cpu')) {
      // Inside a container the controller is mounted at the container's own group, not at `path`.
      for (const at of [...upwards('/sys/fs/cgroup/cpu', path), '/sys/fs/cgroup/cpu,cpuacct']) {
        see(quotaV1(read(`${at}/cpu.cfs_quota_us`), read(`${at}/cpu.cfs_period_us`)));
      }
    }
  }
  return least;
}

function upwards(root: string, path: string): string[] {
  const directories = [root];
  for (const name of path.split('/')) if (name !== '' && name !== '..') directories.push(`${directories.at(-1)}/${name}`);
  return directories;
}

/** `max 100000` or `150000 100000`. */
function quotaV2(text: string | null): number | null {
  const [quota, period] = (text ?? '').trim().split(' ').map(Number);
  return share(quota, period);
}

function quotaV1(quota: string | null, period: string | null): number | null {
  return share(Number(quota ?? -1), Number(period ?? 0));
}

function share(quota: number | undefined, period: number | undefined): number | null {
  if (quota === undefined || period === undefined || !(quota > 0) || !(period > 0)) return null;
  return quota / period;
}

function readText(path: string): string | null {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return null;
  }
}
