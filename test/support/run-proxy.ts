// Starts the proxy under test as a process of its own, the way a user does, and gives a test its addresses, its admin
// pages and its end. Test code only. The proxy never outlives its test.
// The subject is Nuncio's command; NUNCIO_WIRE_SUBJECT=envoy takes an installed Envoy instead (envoy-config.ts).

import { spawn, type ChildProcess } from 'node:child_process';
import { mkdtempSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

import { waitFor, within } from './deadline.ts';
import { envoyBootstrap } from './envoy-config.ts';
import { get, type Answer } from './raw-client.ts';

export type EngineName = 'epoll' | 'node' | 'uws';
export type Subject = EngineName | 'envoy';

export const subjectIsEnvoy = process.env['NUNCIO_WIRE_SUBJECT'] === 'envoy';

/** The engines that carry everything; NUNCIO_WIRE_ENGINES narrows them. */
export const byteEngines: readonly Subject[] = subjectIsEnvoy
  ? ['envoy']
  : ((process.env['NUNCIO_WIRE_ENGINES']?.split(',') as EngineName[] | undefined) ??
    (process.platform === 'linux' ? ['epoll', 'node'] : ['node']));

export type Json = Record<string, unknown>;

export interface ProxyConfig extends Json {
  listeners: Json[];
  clusters: Json[];
}

export interface RunOptions {
  readonly engine?: Subject;
  /** At least 2 unless a test says why. */
  readonly workers?: number;
  readonly env?: Readonly<Record<string, string>>;
  /** Where the configuration is written; a file of the run's own directory by default. */
  readonly configPath?: string;
  readonly readyWithinMs?: number;
}

interface Teardown {
  teardown(fn: () => unknown): void;
}

export const CLI = fileURLToPath(new URL('../../src/cli.js', import.meta.url));

export interface Ended {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
}

/** A process whose output is kept. */
export class Run {
  readonly child: ChildProcess;
  readonly ended: Promise<Ended>;
  stdout = '';
  stderr = '';
  exit: Ended | null = null;

  constructor(command: string, args: readonly string[], env: NodeJS.ProcessEnv) {
    this.child = spawn(command, [...args], { env, stdio: ['ignore', 'pipe', 'pipe'] });
    this.child.stdout?.on('data', (bytes: Buffer) => (this.stdout += bytes.toString()));
    this.child.stderr?.on('data', (bytes: Buffer) => (this.stderr += bytes.toString()));
    this.ended = new Promise((resolve, reject) => {
      this.child.on('error', reject);
      this.child.on('close', (code, signal) => resolve((this.exit = { code, signal })));
    });
  }

  get pid(): number {
    return this.child.pid as number;
  }

  kill(signal: NodeJS.Signals): void {
    if (this.exit === null) this.child.kill(signal);
  }

  describe(): string {
    return `--- stdout\n${this.stdout}\n--- stderr\n${this.stderr}`;
  }
}

/** The environment of a run: ours without any NUNCIO_ variable. */
export function cleanEnv(extra: Readonly<Record<string, string>> = {}): NodeJS.ProcessEnv {
  const kept = Object.entries(process.env).filter(([name]) => !name.startsWith('NUNCIO_') && !name.startsWith('TAP') && name !== 'NODE_OPTIONS');
  return { ...Object.fromEntries(kept), ...extra };
}

/** Runs the command to its end. */
export async function runCommand(args: readonly string[], env: Readonly<Record<string, string>> = {}): Promise<Run> {
  const run = new Run(process.execPath, [CLI, ...args], cleanEnv(env));
  await within(`nuncio ${args.join(' ')}`, run.ended, 20_000).finally(() => run.kill('SIGKILL'));
  return run;
}

export class Proxy {
  readonly run: Run;
  readonly engine: Subject;
  readonly directory: string;
  readonly configPath: string;
  admin = '';
  private readonly addresses = new Map<string, string>();

  constructor(run: Run, engine: Subject, directory: string, configPath: string) {
    this.run = run;
    this.engine = engine;
    this.directory = directory;
    this.configPath = configPath;
  }

  get pid(): number {
    return this.run.pid;
  }

  /** The address of a listener by name; of the only one without. */
  listener(name?: string): string {
    const found = name === undefined ? [...this.addresses.values()][0] : this.addresses.get(name);
    if (found === undefined) throw new Error(`no listener ${name}; have ${[...this.addresses.keys()].join(', ')}`);
    return found;
  }

  async waitUntilReady(patienceMs: number): Promise<void> {
    await waitFor('the proxy to be ready', async () => {
      if (this.run.exit !== null) throw new Error(`the proxy ended with ${JSON.stringify(this.run.exit)}\n${this.run.describe()}`);
      return this.engine === 'envoy' ? this.readEnvoy() : this.readPrinted();
    }, patienceMs).catch((error: Error) => {
      throw new Error(`${error.message}\n${this.run.describe()}`);
    });
  }

  /** An admin page's answer. */
  page(path: string): Promise<Answer> {
    return get(this.admin, path, { connection: 'close', host: 'localhost' });
  }

  /** Every counter and gauge by name. */
  async stats(filter = ''): Promise<Map<string, number>> {
    const answer = await this.page(`/stats?format=json${filter === '' ? '' : `&filter=${encodeURIComponent(filter)}`}`);
    const { stats } = JSON.parse(answer.text) as { stats: { name?: string; value?: number }[] };
    const values = new Map<string, number>();
    // Listeners on port 0 share their stats' names.
    for (const { name, value } of stats) if (name !== undefined) values.set(name, (values.get(name) ?? 0) + (value as number));
    return values;
  }

  /** One counter or gauge; 0 when it is not listed. */
  async stat(name: string): Promise<number> {
    return (await this.stats(`^${name.replace(/[.*+?^${}()|[\]\\]/g, '\\$&')}$`)).get(name) ?? 0;
  }

  /** Waits until the stat has the value. Counters are copied to where the admin page reads them in their own time. */
  async statBecomes(name: string, value: number): Promise<void> {
    let last = Number.NaN;
    await waitFor(`${name} to become ${value}`, async () => (last = await this.stat(name)) === value).catch((error: Error) => {
      throw new Error(`${error.message}; it is ${last}`);
    });
  }

  /** Replaces the configuration file the way editors and deployment tools do: written beside, then renamed over. */
  writeConfig(config: unknown): void {
    const text = typeof config === 'string' ? config : JSON.stringify(config);
    writeFileSync(`${this.configPath}.new`, text);
    renameSync(`${this.configPath}.new`, this.configPath);
  }

  signal(signal: NodeJS.Signals): void {
    this.run.kill(signal);
  }

  /** SIGTERM, and the exit that follows. */
  async stop(patienceMs = 15_000): Promise<Ended> {
    this.run.kill('SIGTERM');
    return within('the proxy to end after SIGTERM', this.run.ended, patienceMs);
  }

  private async readEnvoy(): Promise<boolean> {
    const printed = /admin address: (\S+)/.exec(this.run.stderr);
    if (printed === null) return false;
    this.admin = printed[1] as string;
    const { text } = await this.page('/listeners?format=json').catch(() => ({ text: '{}' }));
    const { listener_statuses: listed } = JSON.parse(text) as { listener_statuses?: { name: string; local_address: EnvoyAddress }[] };
    for (const { name, local_address: { socket_address: at, pipe } } of listed ?? []) {
      this.addresses.set(name, at === undefined ? `unix:${pipe?.path}` : `${at.address.includes(':') ? `[${at.address}]` : at.address}:${at.port_value}`);
    }
    return listed !== undefined && (await this.page('/ready').catch(() => null))?.status === 200;
  }

  private readPrinted(): boolean {
    for (const line of this.run.stdout.split('\n').slice(0, -1)) {
      const listening = LISTENING.exec(line);
      if (listening !== null) this.addresses.set(listening[2] ?? (listening[1] as string), listening[1] as string);
      const admin = ADMIN.exec(line);
      if (admin !== null) this.admin = admin[1] as string;
    }
    return this.admin !== '';
  }
}

interface EnvoyAddress {
  readonly socket_address?: { readonly address: string; readonly port_value: number };
  readonly pipe?: { readonly path: string };
}

// `listening on http://127.0.0.1:40123 (edge, epoll, 2 workers)`, `admin on http://127.0.0.1:40124`
const LISTENING = /^listening on (?:(?:https?|tcp):\/\/)?(\S+) \((?:(\S+), )?(?:epoll|node|uws), \d+ workers?\)$/;
const ADMIN = /^admin\b.* (?:http:\/\/)?(\S+:\d+)\/?$/;

/** A fresh directory that goes with the test. */
export function scratchDirectory(t: Teardown): string {
  const directory = mkdtempSync(join(tmpdir(), 'nuncio-wire-'));
  t.teardown(() => rmSync(directory, { recursive: true, force: true }));
  return directory;
}

export async function runProxy(t: Teardown, config: ProxyConfig, options: RunOptions = {}): Promise<Proxy> {
  const directory = scratchDirectory(t);
  const engine = options.engine ?? (subjectIsEnvoy ? 'envoy' : 'epoll');
  const workers = options.workers ?? 2;
  const configPath = options.configPath ?? join(directory, 'proxy.json');
  const proxy = new Proxy(
    engine === 'envoy' ? startEnvoy(config, configPath, workers) : startNuncio(config, configPath, engine, workers, options.env),
    engine,
    directory,
    configPath,
  );
  t.teardown(async () => {
    proxy.run.kill('SIGKILL');
    await proxy.run.ended;
  });
  await proxy.waitUntilReady(options.readyWithinMs ?? 20_000);
  return proxy;
}

/** The document as a run gets it: on free ports, with the engine and the workers that the test wants. */
export function wholeConfig(config: ProxyConfig, engine: Subject, workers: number): Json {
  return { workers, engine, admin: { address: '127.0.0.1:0' }, watch: false, drainTimeout: '10s', ...config };
}

function startNuncio(config: ProxyConfig, path: string, engine: Subject, workers: number, env: Readonly<Record<string, string>> = {}): Run {
  writeFileSync(path, JSON.stringify(wholeConfig(config, engine, workers)));
  return new Run(process.execPath, [CLI, 'run', '-c', path], cleanEnv({ NUNCIO_TEST_HOOKS: '1', ...env }));
}

function startEnvoy(config: ProxyConfig, path: string, workers: number): Run {
  writeFileSync(path, JSON.stringify(envoyBootstrap(config)));
  return new Run('envoy', ['-c', path, '--concurrency', String(workers), '--disable-hot-restart', '--file-flush-interval-msec', '50', '-l', 'info'], cleanEnv());
}
