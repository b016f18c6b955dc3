// The load: one window of requests at a fixed number of connections, on the CPU of the load. HTTP/1.1 comes from wrk
// where it is installed and from autocannon otherwise, HTTP/2 from h2load, new TLS connections and WebSocket messages
// from generators of our own. All report the same figures.

import { readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { BROWSER_HEADERS, GRPC_HEADERS, GRPC_MESSAGE, GRPC_PATH } from './bodies.ts';
import type { LoadKind, WireCase } from './cases.ts';
import { Child, isOnPath } from './child.ts';
import { readH2load } from './load/h2load-output.ts';

const here = join(import.meta.dirname, 'load');

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
  /** For what a generator reads and writes. */
  readonly dir: string;
}

interface Generator {
  readonly name: string;
  command(wire: WireCase, target: Target, seconds: number): readonly string[];
  /** From what it printed; null where it gave no result. */
  read(output: string, target: Target): LoadResult | null;
}

function readResultLine(output: string): LoadResult | null {
  const line = /^RESULT (\{.*\})$/m.exec(output)?.[1];
  return line === undefined ? null : JSON.parse(line) as LoadResult;
}

const url = (wire: WireCase, port: number): string =>
  `${wire.road === 'tls' ? 'https' : 'http'}://127.0.0.1:${port}${wire.road === 'grpc' ? GRPC_PATH : wire.path}`;

const wrk: Generator = {
  name: 'wrk',
  command: (wire, { port }, seconds) => [
    'wrk', '-t1', `-c${wire.connections}`, `-d${seconds}s`, '--timeout', '20s', '--latency',
    '-s', join(here, 'wrk.lua'), url(wire, port),
    '--', wire.headers, String(wire.uploadBytes), ...(wire.headers === 'browser' ? BROWSER_HEADERS.flat() : []),
  ],
  read: readResultLine,
};

const autocannon: Generator = {
  name: 'autocannon',
  command: (wire, { port }, seconds) => [process.execPath, join(here, 'autocannon.js'), wire.name, String(port), String(seconds)],
  read: readResultLine,
};

const H2LOAD_LOG = 'h2load.log';

function h2loadBody(wire: WireCase, dir: string): string[] {
  if (wire.road !== 'grpc') return [];
  const message = join(dir, 'grpc-request');
  writeFileSync(message, GRPC_MESSAGE);
  return ['-d', message, ...GRPC_HEADERS.flatMap(([name, value]) => ['-H', `${name}: ${value}`])];
}

const h2load: Generator = {
  name: 'h2load',
  command(wire, { port, dir }, seconds) {
    const log = `--log-file=${join(dir, H2LOAD_LOG)}`;
    return ['h2load', `-c${wire.connections}`, `-m${wire.streams}`, `-D${seconds}`, log, ...h2loadBody(wire, dir), url(wire, port)];
  },
  read(output, { dir }) {
    const log = join(dir, H2LOAD_LOG);
    const result = readH2load(output, readFileSync(log, 'latin1'));
    rmSync(log);
    return result;
  },
};

const newTls: Generator = {
  name: 'node:tls',
  command: (wire, { port }, seconds) => [
    process.execPath, join(here, 'new-tls.js'), String(port), wire.path, String(wire.connections), String(seconds),
  ],
  read: readResultLine,
};

const echo: Generator = {
  name: 'node:net',
  command: (wire, { port }, seconds) => [
    process.execPath, join(here, 'echo.js'), String(port), String(wire.uploadBytes), String(wire.connections), String(seconds),
  ],
  read: readResultLine,
};

const GENERATORS: Readonly<Record<LoadKind, Generator>> = {
  'keep-alive': isOnPath('wrk') ? wrk : autocannon,
  new: newTls,
  streams: h2load,
  echo,
};

/** What is missing on this machine for a case, or null. */
export function loadLacks(wire: WireCase): string | null {
  return wire.load === 'streams' && !isOnPath('h2load') ? 'h2load is not installed (Debian: nghttp2-client)' : null;
}

export function loadName(kind: LoadKind): string {
  return GENERATORS[kind].name;
}

export async function runLoad(wire: WireCase, target: Target, seconds: number): Promise<LoadResult> {
  const generator = GENERATORS[wire.load];
  const child = new Child(generator.name, generator.command(wire, target, seconds), { cpu: target.cpu });
  await child.finished();
  const result = generator.read(child.output, target);
  if (result === null) throw new Error(`${generator.name} gave no result: ${child.output}`);
  return result;
}

export function errorCount(result: LoadResult): number {
  return Object.values(result.errors).reduce((sum, count) => sum + count, 0);
}
