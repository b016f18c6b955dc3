// `npm run bench:memory`: what an idle cluster and a host cost. Real processes with one worker: one with next to nothing,
// one with many clusters, one with many hosts in one cluster; the difference of their resident sizes, over the number.
//   npm run bench:memory -- [--clusters N] [--hosts N] [--rounds N]

import { spawn } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import { fileURLToPath } from 'node:url';

const CLI = fileURLToPath(new URL('../src/cli.js', import.meta.url));
const START_MS = 60_000;
/** Until the garbage of the start is gone as far as it goes by itself. */
const SETTLE_MS = 4000;
/** What is promised. */
const CLUSTER_MOST = 20 * 1024;
const HOST_MOST = 1.5 * 1024;

const { values } = parseArgs({
  options: { clusters: { type: 'string', default: '1000' }, hosts: { type: 'string', default: '10000' }, rounds: { type: 'string', default: '3' } },
});

interface Cluster {
  readonly name: string;
  readonly endpoints: readonly string[];
}

const directory = mkdtempSync(join(tmpdir(), 'nuncio-memory-'));
try {
  await main(Number(values.clusters), Number(values.hosts), Number(values.rounds));
} finally {
  rmSync(directory, { recursive: true, force: true });
}

async function main(clusters: number, hosts: number, rounds: number): Promise<void> {
  const few: Cluster[] = [{ name: 'c', endpoints: [address(0)] }];
  const manyClusters = Array.from({ length: clusters }, (_, i) => ({ name: `cluster-${i}`, endpoints: [address(i)] }));
  const manyHosts = [{ name: 'c', endpoints: Array.from({ length: hosts }, (_, i) => address(i)) }];
  const sizes: { base: number; clusters: number; hosts: number }[] = [];
  for (let round = 0; round < rounds; round++) {
    sizes.push({ base: await residentBytes(few), clusters: await residentBytes(manyClusters), hosts: await residentBytes(manyHosts) });
  }
  const base = middle(sizes.map((size) => size.base));
  const perCluster = (middle(sizes.map((size) => size.clusters)) - base) / (clusters - 1);
  const perHost = (middle(sizes.map((size) => size.hosts)) - base) / (hosts - 1);
  console.log(`process with one cluster and one host: ${(base / 2 ** 20).toFixed(1)} MiB`);
  console.log(`per idle cluster with one host: ${(perCluster / 1024).toFixed(2)} KiB (at most ${CLUSTER_MOST / 1024})`);
  console.log(`per host: ${(perHost / 1024).toFixed(2)} KiB (at most ${HOST_MOST / 1024})`);
  if (perCluster > CLUSTER_MOST || perHost > HOST_MOST) process.exitCode = 1;
}

function address(n: number): string {
  return `10.${(n >> 16) & 255}.${(n >> 8) & 255}.${n & 255}:8080`;
}

async function residentBytes(clusters: readonly Cluster[]): Promise<number> {
  const file = join(directory, 'nuncio.json');
  const routes = [{ match: { prefix: '/' }, forward: { cluster: clusters[0]!.name } }];
  writeFileSync(file, JSON.stringify({ workers: 1, admin: false, watch: false, listeners: [{ address: '127.0.0.1:0', http: { routes } }], clusters }));
  const child = spawn(process.execPath, [CLI, 'run', '-c', file], { stdio: ['ignore', 'pipe', 'inherit'] });
  const ended = new Promise<void>((resolve) => child.once('exit', () => resolve()));
  try {
    await new Promise<void>((resolve, reject) => {
      const timer = setTimeout(() => reject(new Error('the proxy did not start')), START_MS);
      child.stdout.on('data', (bytes: Buffer) => {
        if (!bytes.toString().includes('listening')) return;
        clearTimeout(timer);
        resolve();
      });
      child.once('exit', () => reject(new Error('the proxy ended')));
    });
    await sleep(SETTLE_MS);
    return Number(/^VmRSS:\s+(\d+) kB/m.exec(readFileSync(`/proc/${child.pid!}/status`, 'latin1'))![1]) * 1024;
  } finally {
    child.kill('SIGTERM');
    await ended;
  }
}

function middle(numbers: readonly number[]): number {
  return [...numbers].sort((a, b) => a - b)[numbers.length >> 1]!;
}
