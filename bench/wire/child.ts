// Child processes of the benchmark: started on a chosen CPU with room for many descriptors, waited for until they listen,
// and ended with everything they started, however the run itself ends.

import { spawn, spawnSync } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { connect, createServer } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';

const KEPT_OUTPUT_BYTES = 8192;
const STOP_PATIENCE_MS = 500;
/** Raises the soft limit of open files as far as allowed, then becomes the command. */
const WITH_FILES = 'ulimit -n "$(ulimit -Hn)" 2>/dev/null; exec "$@"';

export function isOnPath(command: string): boolean {
  return spawnSync('sh', ['-c', 'command -v "$1"', 'sh', command]).status === 0;
}

export const canPin = process.platform === 'linux' && isOnPath('taskset');

const running = new Set<Child>();
let guarded = false;

/** From the first child on, no way out of this process leaves one behind. */
function guardExits(): void {
  if (guarded) return;
  guarded = true;
  process.on('exit', () => {
    for (const child of running) child.kill();
  });
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, () => process.exit(130));
}

export interface ChildOptions {
  /** The CPU to run on; null leaves it to the system. */
  readonly cpu: number | null;
  readonly env?: Record<string, string>;
}

export class Child {
  readonly name: string;
  readonly pid: number;
  private readonly process: ChildProcess;
  private readonly ended: Promise<void>;
  private out = '';

  constructor(name: string, command: readonly string[], options: ChildOptions) {
    guardExits();
    const pinned = options.cpu !== null && canPin ? ['taskset', '-c', String(options.cpu), ...command] : command;
    this.name = name;
    this.process = spawn('sh', ['-c', WITH_FILES, 'sh', ...pinned], {
      detached: true, // a process group of its own, so that its children end with it
      stdio: ['ignore', 'pipe', 'pipe'],
      env: { ...process.env, ...options.env },
    });
    if (this.process.pid === undefined) throw new Error(`${name} could not be started`);
    this.pid = this.process.pid;
    const keep = (chunk: Buffer): void => {
      this.out = (this.out + chunk.toString()).slice(-KEPT_OUTPUT_BYTES);
    };
    this.process.stdout?.on('data', keep);
    this.process.stderr?.on('data', keep);
    running.add(this);
    this.ended = new Promise((resolve) => {
      this.process.on('close', () => {
        this.kill(); // whoever is left of its group
        running.delete(this);
        resolve();
      });
    });
  }

  get isRunning(): boolean {
    return this.process.exitCode === null && this.process.signalCode === null;
  }

  /** The last output, for whoever wants to know why it went wrong. */
  get output(): string {
    return this.out.trim();
  }

  /** Ends the whole group at once. */
  kill(): void {
    this.signal('SIGKILL');
  }

  private signal(signal: NodeJS.Signals): void {
    try {
      process.kill(-this.pid, signal);
    } catch {
      // it has already gone
    }
  }

  finished(): Promise<void> {
    return this.ended;
  }

  /** Asks first, so that a parent can collect its own children. */
  async stop(): Promise<void> {
    this.signal('SIGTERM');
    const patience = setTimeout(() => this.kill(), STOP_PATIENCE_MS);
    await this.ended;
    clearTimeout(patience);
  }

  /** Until it accepts connections on `port` of the loopback. */
  async listening(port: number, patienceMs = 15_000): Promise<void> {
    for (const deadline = Date.now() + patienceMs; Date.now() < deadline; await sleep(50)) {
      if (!this.isRunning) throw new Error(`${this.name} ended: ${this.output}`);
      if (await accepts(port)) return;
    }
    throw new Error(`${this.name} did not listen within ${patienceMs} ms: ${this.output}`);
  }
}

function accepts(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(port, '127.0.0.1');
    const settle = (result: boolean): void => {
      socket.destroy();
      resolve(result);
    };
    socket.on('connect', () => settle(true));
    socket.on('error', () => settle(false));
  });
}

/** Below the range that systems take the ports of outgoing connections from: nobody takes one by chance. */
const PORTS = { first: 15_000, count: 15_000 };

function isFree(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const server = createServer();
    server.on('error', () => resolve(false));
    server.listen(port, '127.0.0.1', () => server.close(() => resolve(true)));
  });
}

/** A port of the loopback that was free a moment ago. */
export async function freePort(): Promise<number> {
  for (;;) {
    const port = PORTS.first + Math.floor(Math.random() * PORTS.count);
    if (await isFree(port)) return port;
  }
}
