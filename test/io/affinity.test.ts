// CPUs: what this process may use, and pinning one thread.

import { execFileSync } from 'node:child_process';
import { availableParallelism } from 'node:os';
import { Worker } from 'node:worker_threads';

import t from 'tap';

import { allowedCpus, autoWorkerCount, cgroupCpuQuota } from '../../src/io/affinity.ts';
import { loadSystem } from '../../src/io/epoll/system.ts';

const affinity = new URL('../../src/io/affinity.js', import.meta.url).href;
const hasSystem = typeof loadSystem() !== 'string';

function hasTaskset(): boolean {
  try {
    execFileSync('taskset', ['--version'], { stdio: 'ignore' });
    return true;
  } catch {
    return false;
  }
}

t.test('allowed CPUs', async (t) => {
  const cpus = allowedCpus();
  t.equal(cpus.length, availableParallelism());
  t.ok(autoWorkerCount() >= 1 && autoWorkerCount() <= cpus.length);
});

t.test('a mask is respected', { skip: !hasSystem || !hasTaskset() }, async (t) => {
  const last = allowedCpus().at(-1)!;
  const script = `import { allowedCpus, autoWorkerCount } from ${JSON.stringify(affinity)};
    console.log(allowedCpus().join() + ' ' + autoWorkerCount());`;
  const out = execFileSync('taskset', ['-c', String(last), process.execPath, '--input-type=module', '-e', script]);
  t.equal(out.toString().trim(), `${last} 1`);
});

t.test('pinning ties the calling thread and no other', { skip: !hasSystem }, async (t) => {
  const before = allowedCpus();
  const script = `const { parentPort } = await import('node:worker_threads');
    const { allowedCpus, pinThread } = await import(${JSON.stringify(affinity)});
    const bad = pinThread(1000);
    const ok = pinThread(${before.at(-1)!});
    parentPort.postMessage({ ok, bad, cpus: allowedCpus() });`;
  const worker = new Worker(`(async () => { ${script} })()`, { eval: true });
  const told = await new Promise<{ ok: string | null; bad: string | null; cpus: number[] }>((resolve, reject) => {
    worker.once('message', resolve);
    worker.once('error', reject);
  });
  await worker.terminate();
  t.equal(told.ok, null);
  t.match(told.bad, /CPU 1000: EINVAL/);
  t.same(told.cpus, [before.at(-1)]);
  t.same(allowedCpus(), before, 'this thread is where it was');
});

function quotaOf(files: Record<string, string>): number | null {
  return cgroupCpuQuota((path) => files[path] ?? null);
}

t.test('cgroup v2: the least of the own group and those above', async (t) => {
  const group = '0::/kube/pod/app\n';
  t.equal(quotaOf({}), null);
  t.equal(quotaOf({ '/proc/self/cgroup': group }), null);
  t.equal(quotaOf({ '/proc/self/cgroup': group, '/sys/fs/cgroup/kube/pod/app/cpu.max': 'max 100000\n' }), null);
  t.equal(quotaOf({ '/proc/self/cgroup': group, '/sys/fs/cgroup/kube/pod/app/cpu.max': '150000 100000\n' }), 1.5);
  t.equal(
    quotaOf({
      '/proc/self/cgroup': group,
      '/sys/fs/cgroup/kube/pod/app/cpu.max': '400000 100000',
      '/sys/fs/cgroup/kube/cpu.max': '50000 100000',
    }),
    0.5,
  );
  t.equal(quotaOf({ '/proc/self/cgroup': '0::/\n', '/sys/fs/cgroup/cpu.max': '200000 100000\n' }), 2, 'in a container');
  t.equal(quotaOf({ '/proc/self/cgroup': group, '/sys/fs/cgroup/kube/pod/app/cpu.max': 'rubbish' }), null);
});

t.test('cgroup v1', async (t) => {
  const group = '12:memory:/docker/x\n4:cpu,cpuacct:/docker/x\n1:name=systemd:/docker/x\n';
  const at = '/sys/fs/cgroup/cpu/docker/x';
  t.equal(quotaOf({ '/proc/self/cgroup': group, [`${at}/cpu.cfs_quota_us`]: '-1\n', [`${at}/cpu.cfs_period_us`]: '100000\n' }), null);
  t.equal(quotaOf({ '/proc/self/cgroup': group, [`${at}/cpu.cfs_quota_us`]: '250000\n', [`${at}/cpu.cfs_period_us`]: '100000\n' }), 2.5);
  t.equal(
    quotaOf({ '/proc/self/cgroup': group, '/sys/fs/cgroup/cpu/cpu.cfs_quota_us': '100000', '/sys/fs/cgroup/cpu/cpu.cfs_period_us': '100000' }),
    1,
    'mounted at the container itself',
  );
});

t.end();
