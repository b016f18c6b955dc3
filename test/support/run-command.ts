// Runs the command as a user would: its own process, its real exit code, everything it prints.

import type { ChildProcess } from 'node:child_process';
import { spawn } from 'node:child_process';
import { fileURLToPath } from 'node:url';

const CLI = fileURLToPath(new URL('../../src/cli.js', import.meta.url));

export interface Ended {
  readonly code: number | null;
  readonly signal: string | null;
  readonly stdout: string;
  readonly stderr: string;
}

export class Command {
  readonly child: ChildProcess;
  /** Resolves when the process has ended and everything it printed has arrived. */
  readonly ended: Promise<Ended>;
  stdout = '';
  stderr = '';
  private waiting: { pattern: RegExp; resolve: (match: RegExpExecArray) => void; reject: (error: Error) => void }[] = [];

  constructor(args: readonly string[], env: Readonly<Record<string, string>> = {}) {
    const inherited = Object.fromEntries(Object.entries(process.env).filter(([name]) => !name.startsWith('NUNCIO_')));
    this.child = spawn(process.execPath, [CLI, ...args], { env: { ...inherited, ...env }, stdio: ['ignore', 'pipe', 'pipe'] });
    this.child.stdout!.on('data', (chunk: Buffer) => this.take('stdout', chunk));
    this.child.stderr!.on('data', (chunk: Buffer) => this.take('stderr', chunk));
    this.ended = new Promise((resolve) =>
      this.child.on('close', (code, signal) => {
        for (const { pattern, reject } of this.waiting) reject(new Error(`ended with ${code ?? signal} before printing ${pattern}; it said:\n${this.stdout}${this.stderr}`));
        resolve({ code, signal, stdout: this.stdout, stderr: this.stderr });
      }),
    );
  }

  /** The first match in what was, or will be, printed on either stream. */
  prints(pattern: RegExp): Promise<RegExpExecArray> {
    return new Promise((resolve, reject) => {
      this.waiting.push({ pattern, resolve, reject });
      this.look();
    });
  }

  signal(name: NodeJS.Signals): void {
    this.child.kill(name);
  }

  private take(stream: 'stdout' | 'stderr', chunk: Buffer): void {
    this[stream] += chunk.toString();
    this.look();
  }

  private look(): void {
    this.waiting = this.waiting.filter(({ pattern, resolve }) => {
      const match = pattern.exec(this.stdout) ?? pattern.exec(this.stderr);
      if (match !== null) resolve(match);
      return match === null;
    });
  }
}

export function runCommand(args: readonly string[], env: Readonly<Record<string, string>> = {}): Promise<Ended> {
  return new Command(args, env).ended;
}
