// The load: one window of requests at a fixed number of connections, by wrk where it is installed and by autocannon
// otherwise, on the CPU of the load. Both report the same figures.

import { join } from 'node:path';
import { BROWSER_HEADERS } from './cases.ts';
import type { WireCase } from './cases.ts';
import { Child, isOnPath } from './child.ts';

const here = import.meta.dirname;

export interface LoadResult {
  readonly requests: number;
  readonly durationUs: number;
  readonly p50Us: number;
  readonly p99Us: number;
  readonly p999Us: number;
  readonly errors: Readonly<Record<string, number>>;
}

export interface Target {
  readonly port: number;
  readonly cpu: number | null;
}

export const loadGenerator = isOnPath('wrk') ? 'wrk' : 'autocannon';

function wrkCommand(wire: WireCase, port: number, seconds: number): string[] {
  const headers = wire.headers === 'browser' ? BROWSER_HEADERS.flat() : [];
  return [
    'wrk', '-t1', `-c${wire.connections}`, `-d${seconds}s`, '--timeout', '20s', '--latency',
    '-s', join(here, 'wrk', 'load.lua'), `http://127.0.0.1:${port}${wire.path}`,
    '--', wire.headers, String(wire.uploadBytes), ...headers,
  ];
}

function autocannonCommand(wire: WireCase, port: number, seconds: number): string[] {
  return [process.execPath, join(here, 'autocannon-load.js'), wire.name, String(port), String(seconds)];
}

export async function runLoad(wire: WireCase, target: Target, seconds: number): Promise<LoadResult> {
  const command = loadGenerator === 'wrk' ? wrkCommand : autocannonCommand;
  const child = new Child(loadGenerator, command(wire, target.port, seconds), { cpu: target.cpu });
  await child.finished();
  const line = /^RESULT (\{.*\})$/m.exec(child.output)?.[1];
  if (line === undefined) throw new Error(`${loadGenerator} gave no result: ${child.output}`);
  return JSON.parse(line) as LoadResult;
}

export function errorCount(result: LoadResult): number {
  return Object.values(result.errors).reduce((sum, count) => sum + count, 0);
}
