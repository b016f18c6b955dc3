// The primary's life: load, rehearse, start the workers, publish, reload, drain, stop. Everything it decides with comes
// from other rooms and is handed in by the root. Primary thread; owns the published configuration and all its parts.
//
//   PRE_INITIALIZING ──load, rehearse, sockets, workers──► INITIALIZING ──all committed──► LIVE ──drain──► DRAINING ──► gone

import { Discovery, type LookUp } from '../cluster/discovery.ts';
import type { CheckTools as HealthTools } from '../cluster/health-checks.ts';
import type { LogLevel, Snapshot } from '../config/snapshot.ts';
import type { Address } from '../core/address.ts';
import { formatAddress } from '../core/address.ts';
import type { TimeSource } from '../core/clock.ts';
import { systemTime } from '../core/clock.ts';
import type { CancelTimer, Timers } from '../core/host-timer.ts';
import { Random } from '../core/random.ts';
import { CertificateFacts } from '../security/certificate-facts.ts';
import { AccessLogFiles } from './access-log-files.ts';
import type { AdminView, CompileMatcher, Published, ServerState, StatsSource } from './admin-server.ts';
import { AdminServer } from './admin-server.ts';
import { ConfigWatch } from './config-watch.ts';
import { FileWatches } from './file-watches.ts';
import { describeListenError } from './listen-sockets.ts';
import type { SocketDoor } from './listen-sockets.ts';
import type { Logger } from './log.ts';
import { messageOf } from './log.ts';
import type { CheckedConfig, HealthFollower, SharedMemory } from './publisher.ts';
import { OutlierDetection, type OutlierFigures } from './outlier/outlier-detection.ts';
import { OverloadWatch } from './overload.ts';
import { Publisher } from './publisher.ts';
import type { ReloadResult } from './reload.ts';
import { Reloads } from './reload.ts';
import type { StatLine } from './server-stats.ts';
import { serverStats } from './server-stats.ts';
import { Supervisor } from './supervisor.ts';
import type { SupervisorLimits } from './supervisor.ts';
import { TicketKeys } from './ticket-keys.ts';
import { UpdateCounts } from './update-counts.ts';
import type { HookAction } from './worker-messages.ts';

/** What reading the configuration gave. Every text is one line for the user, with file, line and pointer. */
export interface Loaded {
  /** null when there are errors. */
  readonly config: CheckedConfig | null;
  readonly errors: readonly string[];
  readonly warnings: readonly string[];
}

/** How the threads are to be made, decided once at the start. */
export interface Crew {
  readonly engine: 'epoll' | 'node';
  /** One entry per worker: its CPU, or null. */
  readonly cpus: readonly (number | null)[];
  readonly memory: SharedMemory;
  /** Why TLS needs the node engine here; ''. */
  readonly tlsProblem: string;
  readonly sockets: SocketDoor;
  closeDescriptors(fds: readonly number[]): void;
  /** Checks the endpoints; `log` takes lines for the event logs. */
  checkHealth(tell: Pick<HealthTools, 'log' | 'passed'>): HealthFollower;
  stats(own: () => readonly StatLine[], published: () => Published | null): StatsSource;
}

export interface PrimaryOptions {
  readonly version: string;
  /** The file, or null for a configuration from code. */
  readonly configPath: string | null;
  readonly workerScript: URL;
  readonly logger: Logger;
  readonly timers: Timers;
  readonly time?: TimeSource;
  readonly compile: CompileMatcher;
  /** Asks for names; the system's own when there is none. */
  readonly lookUp?: LookUp;
  readonly limits?: Partial<SupervisorLimits>;
  load(): Promise<Loaded>;
  /** The admin server has a page that makes workers fail. */
  readonly testHooks?: boolean;
  /** Runs every compile step that the workers will run. @returns errors. */
  rehearse(snapshot: Snapshot): readonly string[] | Promise<readonly string[]>;
  /** Throws an Error when what the configuration asks for cannot be had here. */
  hire(snapshot: Snapshot): Crew | Promise<Crew>;
}

/** The start failed for reasons that the user can mend; nothing is left running. */
export class StartError extends Error {
  readonly reasons: readonly string[];

  constructor(reasons: readonly string[]) {
    super(reasons.join('\n'));
    this.name = 'StartError';
    this.reasons = reasons;
  }
}

const NO_CERTIFICATES = new CertificateFacts({ listeners: [], clusters: [] });
const LOG_FLUSH_MS = 1000;
/** How often places in shared memory that only drained configurations used are looked for. */
const SWEEP_MS = 10_000;

export class Primary implements AdminView {
  private readonly options: PrimaryOptions;
  private readonly logger: Logger;
  private readonly time: TimeSource;
  private readonly startedAt: number;
  private readonly logs: AccessLogFiles;
  private readonly reloads: Reloads;
  private readonly ticketKeys: TicketKeys;
  /** Certificates and keys. */
  private readonly secrets: FileWatches;
  private readonly discovery: Discovery;
  private crew: Crew | null = null;
  private supervisor: Supervisor | null = null;
  private publisher: Publisher | null = null;
  private healthChecks: HealthFollower | null = null;
  private outlier: OutlierDetection | null = null;
  private admin: AdminServer | null = null;
  private watch: ConfigWatch | null = null;
  private overload: OverloadWatch | null = null;
  private phase: ServerState = 'PRE_INITIALIZING';
  private healthFailed = false;
  private cancelSweep: CancelTimer = () => undefined;
  private drained: Promise<void> | null = null;
  private stopped: Promise<void> | null = null;
  adminAddress: Address | null = null;

  constructor(options: PrimaryOptions) {
    this.options = options;
    this.logger = options.logger;
    this.time = options.time ?? systemTime;
    this.startedAt = this.time.monotonicMs();
    this.logs = new AccessLogFiles(options.logger, options.timers);
    this.reloads = new Reloads(() => this.reloadOnce());
    this.ticketKeys = new TicketKeys(options.timers, (keys) => this.supervisor?.tellTicketKeys(keys));
    this.secrets = new FileWatches(options.timers, () => void this.reload());
    this.discovery = this.makeDiscovery();
  }

  // ---- life ----

  /** Resolves when every worker accepts. Throws a StartError, and then nothing is left running. */
  async start(): Promise<void> {
    try {
      const config = await this.check();
      const { snapshot } = config;
      this.logger.level = snapshot.logLevel;
      this.crew = await this.options.hire(snapshot);
      const { memory } = this.crew;
      this.cancelSweep = this.options.timers.every(SWEEP_MS, () => memory.sweep());
      this.supervisor = this.makeSupervisor(this.crew);
      this.overload = new OverloadWatch(memory.overload, {
        timers: this.options.timers,
        logger: this.logger,
        measure: () => process.memoryUsage.rss(),
        connections: () => memory.connections(),
      });
      const { supervisor, logger, logs, time, ticketKeys, discovery } = this;
      const outlier = (this.outlier = this.makeOutlierDetection(memory));
      const healthChecks = (this.healthChecks = this.crew.checkHealth({
        log: (path, bytes) => logs.append(path, bytes),
        passed: (cluster, host) => outlier.checkPassed(cluster, host),
      }));
      this.publisher = new Publisher({ ...this.crew, supervisor, logger, logs, time, ticketKeys, discovery, healthChecks, onPublished: (published) => outlier.follow(published) });
      await this.startAdmin(snapshot, this.crew);
      this.phase = 'INITIALIZING';
      const { errors, table } = await this.publisher.bind(snapshot); // before any thread: a port in use is the usual trouble
      failOn(errors);
      failOn(await this.supervisor.start());
      failOn((await this.publisher.publish(config, table)).errors);
      this.overload.follow(snapshot.overload);
      if (this.drained !== null) throw new StartError(['stopped before the start was complete']);
      this.phase = 'LIVE';
      await this.followFile(snapshot);
    } catch (error) {
      await this.stop();
      throw error;
    }
  }

  reload(): Promise<ReloadResult> {
    return this.reloads.request();
  }

  async reopenLogs(): Promise<void> {
    await this.logs.reopen();
    this.logger.info('access logs reopened');
  }

  /** Drains, then stops. Resolves when nothing is left. */
  async drain(): Promise<void> {
    await this.drainOnce();
    await this.stop();
  }

  /** Ends everything now. */
  stop(): Promise<void> {
    this.stopped ??= this.stopParts();
    return this.stopped;
  }

  /** Called by `quitquitquit`; the root ends the process. */
  onQuit: () => void = () => void this.drain();

  /** For tests. */
  hook(worker: number, action: HookAction): void {
    this.supervisor?.hook(worker, action);
  }

  private drainOnce(): Promise<void> {
    this.drained ??= this.drainWorkers();
    return this.drained;
  }

  private async drainWorkers(): Promise<void> {
    this.phase = 'DRAINING';
    this.watch?.close();
    this.secrets.close();
    this.watch = null;
    const timeoutMs = this.published?.snapshot.drainTimeoutMs ?? 0;
    this.logger.info(`draining: waiting at most ${timeoutMs / 1000} s for what is in flight`);
    await this.supervisor?.drain(timeoutMs); // a delivery under way is refused by it
  }

  private async stopParts(): Promise<void> {
    this.phase = 'DRAINING';
    this.watch?.close();
    this.secrets.close();
    this.ticketKeys.close();
    this.overload?.close();
    this.cancelSweep();
    this.healthChecks?.close();
    this.discovery.close();
    this.outlier?.close();
    await this.supervisor?.stop();
    await this.reloads.idle();
    this.publisher?.close();
    await this.logs.close(LOG_FLUSH_MS);
    await this.admin?.close();
    if (this.published !== null) this.logger.info('stopped');
  }

  // ---- publishing ----

  private async check(): Promise<CheckedConfig> {
    const { config, errors, warnings } = await this.options.load();
    failOn(errors);
    for (const warning of warnings) this.logger.warn(warning);
    if (config === null) throw new StartError(['the configuration is empty']);
    failOn(await this.options.rehearse(config.snapshot));
    return config;
  }

  private async reloadOnce(): Promise<ReloadResult> {
    const { publisher } = this;
    const before = this.published?.snapshot;
    if (this.phase !== 'LIVE' || publisher === null || before === undefined) return this.rejected(['the proxy is not running']);
    try {
      const config = await this.check();
      const { snapshot } = config;
      if (snapshot.version === before.version) {
        this.logger.info(`configuration ${snapshot.version} is unchanged`);
        return { outcome: 'unchanged' };
      }
      const { errors, table } = await publisher.bind(snapshot);
      failOn(errors);
      const result = await publisher.publish(config, table);
      failOn(result.errors);
      this.logger.info(`configuration ${snapshot.version} is in effect: ${result.changes}`);
      this.settle(before, snapshot);
      return { outcome: 'applied', version: snapshot.version };
    } catch (error) {
      if (error instanceof StartError) return this.rejected(error.reasons);
      this.logger.unexpected('reload', error);
      return this.rejected([messageOf(error)]);
    }
  }

  private rejected(errors: readonly string[]): ReloadResult {
    this.logger.error(`the new configuration was rejected, the old one stays in effect:\n${errors.join('\n')}`);
    return { outcome: 'rejected', errors };
  }

  /** What applies to the primary itself. */
  private settle(before: Snapshot, after: Snapshot): void {
    if (before.logLevel !== after.logLevel) this.logger.level = after.logLevel;
    this.overload?.follow(after.overload);
    const waits: string[] = [];
    if (before.workers !== after.workers) waits.push('workers');
    if (before.pinWorkers !== after.pinWorkers) waits.push('pinWorkers');
    if (JSON.stringify(before.admin) !== JSON.stringify(after.admin)) waits.push('admin');
    for (const key of waits) this.logger.warn(`/${key} has changed: this takes effect at the next start`);
    for (const { name, engine } of after.listeners) {
      if (engine === 'auto' || engine === 'uws' || engine === this.engine) continue;
      this.logger.warn(`listener "${name}" asks for the engine ${engine}: it runs on ${this.engine} until the next start`);
    }
    if (before.watch !== after.watch) void this.followFile(after);
    else void this.secrets.follow(after.watch ? after.files : []);
  }

  // ---- parts ----

  private makeSupervisor(crew: Crew): Supervisor {
    return new Supervisor({
      script: this.options.workerScript,
      engine: crew.engine,
      cpus: crew.cpus,
      memory: crew.memory,
      logger: this.logger,
      timers: this.options.timers,
      time: this.time,
      closeDescriptors: (fds) => crew.closeDescriptors(fds),
      onAccessLog: (path, bytes) => this.logs.append(path, bytes),
      onOutlier: (finding) => this.outlier?.noteFinding(finding),
      limits: this.options.limits ?? {},
    });
  }

  private makeDiscovery(): Discovery {
    const { timers, lookUp } = this.options;
    return new Discovery({
      timers,
      random: new Random(),
      ...(lookUp === undefined ? {} : { lookUp }),
      info: (text) => this.logger.info(text),
      warn: (text) => this.logger.warn(text),
      onChange: () => this.publisher?.follow(),
    });
  }

  private makeOutlierDetection(memory: SharedMemory): OutlierDetection {
    const { hostTable, ownCells } = memory;
    const log = (path: string, line: string): void => this.logs.append(path, Buffer.from(line));
    return new OutlierDetection({ hostTable, cells: ownCells, cell: (index) => memory.cell(index), random: new Random(), time: this.time, timers: this.options.timers, log, published: () => this.published });
  }

  private async startAdmin(snapshot: Snapshot, crew: Crew): Promise<void> {
    if (snapshot.admin === null) return;
    const stats = crew.stats(() => this.ownStats(), () => this.published);
    const hook = this.options.testHooks === true ? { hook: (worker: number, action: HookAction) => this.hook(worker, action), pressure: (share: number | null) => this.overload?.inject(share), hostTable: crew.memory.hostTable } : {};
    const server = new AdminServer({ view: this, stats, compile: this.options.compile, logger: this.logger, ...hook });
    try {
      this.adminAddress = await server.listen(snapshot.admin);
    } catch (error) {
      throw new StartError([describeListenError({ name: 'admin', address: snapshot.admin }, error)]);
    }
    this.admin = server;
  }

  private async followFile(snapshot: Snapshot): Promise<void> {
    this.watch?.close();
    this.watch = null;
    await this.secrets.follow(snapshot.watch ? snapshot.files : []);
    if (!snapshot.watch || this.options.configPath === null) return;
    this.watch = new ConfigWatch({ path: this.options.configPath, timers: this.options.timers, onChange: () => void this.reload() });
    await this.watch.start();
  }

  private ownStats(): readonly StatLine[] {
    const overload = this.overload?.stats() ?? [];
    return serverStats({
      daysUntilFirstExpiry: this.certificates.daysUntilFirstExpiry(this.time.wallMs()),
      uptimeMs: this.uptimeMs,
      state: this.state,
      version: this.version,
      workers: this.workers,
      carrying: this.supervisor?.carrying ?? 0,
      deaths: this.supervisor?.deaths ?? 0,
      restarts: this.supervisor?.restarts ?? 0,
      reloads: this.reloads.stats,
      counts: this.publisher?.counts ?? new UpdateCounts(),
      files: this.logs.stats,
    }).concat(overload);
  }

  // ---- what the admin pages see ----

  get published(): Published | null {
    return this.publisher?.published ?? null;
  }

  get certificates(): CertificateFacts {
    return this.publisher?.certificates ?? NO_CERTIFICATES;
  }

  engineOf(name: string): { engine: string; why: string } {
    const listener = this.published?.snapshot.listeners.find((one) => one.name === name);
    if (listener === undefined || this.publisher === null) return { engine: this.engine, why: '' };
    return { engine: this.publisher.engineOf(listener), why: this.publisher.whyEngine(listener) };
  }

  get state(): ServerState {
    return this.phase === 'LIVE' && this.healthFailed ? 'DRAINING' : this.phase;
  }

  get version(): string {
    return this.options.version;
  }

  get configPath(): string {
    return this.options.configPath ?? '';
  }

  get workers(): number {
    return this.supervisor?.size ?? 0;
  }

  get engine(): string {
    return this.crew?.engine ?? '';
  }

  get uptimeMs(): number {
    return this.time.monotonicMs() - this.startedAt;
  }

  get logLevel(): LogLevel {
    return this.logger.level;
  }

  set logLevel(level: LogLevel) {
    this.logger.level = level;
  }

  cell(index: number): number {
    return this.crew?.memory.cell(index) ?? 0;
  }

  successRate(cluster: string, host: number, local: boolean): number {
    return this.outlier?.rateOf(cluster, host, local) ?? -1;
  }

  outlierFigures(cluster: string): OutlierFigures | null {
    return this.outlier?.figuresOf(cluster) ?? null;
  }

  hostFlags(row: number): number {
    return this.crew?.memory.hostTable.flags(row) ?? 0;
  }

  failHealthCheck(fail: boolean): void {
    this.healthFailed = fail;
    this.logger.warn(fail ? 'health check set to fail: /ready says no' : 'health check set to pass');
  }

  drainListeners(): void {
    void this.drainOnce();
  }

  quit(): void {
    this.onQuit();
  }

  /** One line per listener: `listening on http://127.0.0.1:8080 (edge, epoll, 2 workers)`. */
  announcement(): readonly string[] {
    const { published, publisher } = this;
    if (published === null || publisher === null) return [];
    const workers = `${this.workers} worker${this.workers === 1 ? '' : 's'}`;
    return published.snapshot.listeners.map((listener) => {
      const address = published.addresses[listener.name] ?? listener.address;
      const scheme = listener.http === null ? 'tcp' : listener.tls === null ? 'http' : 'https';
      const url = address.kind === 'unix' ? formatAddress(address) : `${scheme}://${formatAddress(address)}`;
      const name = listener.name === formatAddress(listener.address) ? '' : `${listener.name}, `;
      return `listening on ${url} (${name}${publisher.engineOf(listener)}, ${workers})`;
    });
  }
}

function failOn(errors: readonly string[]): void {
  if (errors.length > 0) throw new StartError(errors);
}
