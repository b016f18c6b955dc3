// A worker's parts, put together: clusters, roads and listeners of the current configuration, and the two-phase change to
// the next one. Worker thread; a composition root: it connects rooms that do not know each other, and decides nothing else.

import { AccessLogBatch } from './observe/access-log-batch.ts';
import { Cluster, type ClusterTools } from './cluster/cluster.ts';
import type { ClusterConfig } from './config/cluster-snapshot.ts';
import type { HttpListenerConfig, ListenerConfig, Snapshot, TcpListenerConfig } from './config/snapshot.ts';
import type { ClusterEndpoints, FromWorker, ListenSocket, PrepareMessage } from './control/worker-messages.ts';
import type { Address } from './core/address.ts';
import { OutBuffer } from './core/out-buffer.ts';
import { Random } from './core/random.ts';
import { StreamRecord } from './core/stream.ts';
import type { Listener, Loop } from './io/conn.ts';
import { Timer, type TimerTarget } from './core/timer.ts';
import type { ListenDoor } from './listen/down-conn.ts';
import type { HttpDoor, ListenTools } from './listen/http-door.ts';
import { HttpListener } from './listen/http-listener.ts';
import { TcpListener } from './listen/tcp-listener.ts';
import { loadUws, UwsListener } from './listen/uws.ts';
import type { UwsModule } from './listen/uws-types.ts';
import { DateText } from './proxy/date-text.ts';
import type { HttpRuntime } from './proxy/http-runtime.ts';
import { Journeys } from './proxy/journeys.ts';
import { compileHttp, linkClusters, linkFilters } from './proxy/compile.ts';
import { HttpRoad } from './proxy/road.ts';
import { TcpRoad } from './proxy/tcp-road.ts';
import { compileTcp, type TcpRuntime, type TcpTools } from './proxy/tcp-runtime.ts';
import { compileServerTls } from './security/compile.ts';
import type { ServerTls } from './security/tls-settings.ts';
import type { Breakers } from './shared/breaker-table.ts';
import type { HostTable } from './shared/host-table.ts';
import { STOP_ACCEPTING_CONNECTIONS, type OverloadState } from './shared/overload.ts';
import type { ListenerPlan, Plan } from './shared/plan.ts';
import type { Stripe } from './shared/stripe.ts';

/** How often logs are flushed and connections given up that another worker starves for. */
const TICK_MS = 100;
/** The same of a worker that has no connections and no log lines. */
const QUIET_TICK_MS = 1000;

/** One listener on its address. */
interface Door {
  readonly key: string;
  readonly config: ListenerConfig;
  readonly socket: ListenSocket;
  readonly door: ListenDoor;
  /** Takes over what the current configuration says; connections live on. */
  readonly update: (config: ListenerConfig, runtime: Runtime) => void;
  /** Starts accepting. */
  readonly listen: () => Promise<Listener>;
  listener: Listener | null;
}

/** Settings of a listener, and the loop that has made contexts of them. */
interface ListenerTls {
  readonly hash: string;
  readonly tls: ServerTls;
  readonly loop: Loop;
}

type Runtime = HttpRuntime | TcpRuntime;

interface Assembly {
  readonly epoch: number;
  readonly snapshot: Snapshot;
  readonly plan: Plan;
  readonly clusters: Map<string, Cluster>;
  readonly doors: Map<string, Door>;
  readonly runtimes: Map<string, Runtime>;
  /** By listener name. */
  readonly tls: Map<string, ListenerTls>;
}

/** What a door is made of. */
interface Made {
  readonly config: ListenerConfig;
  readonly socket: ListenSocket;
  readonly runtime: Runtime;
}

interface Behind {
  readonly road: HttpRoad;
  readonly places: ListenerPlan;
}

interface HttpEntry {
  readonly http: HttpDoor;
  readonly listen: Door['listen'];
}

export interface WorkerParts {
  readonly loop: Loop;
  readonly stripe: Stripe;
  readonly breakers: Breakers;
  readonly hostTable: HostTable;
  /** What limits share (`shared/limit-words.ts`). */
  readonly limitWords: Int32Array;
  readonly overload: OverloadState;
  /** A second loop, on `node:net`, for listeners that ask for it. */
  makeNodeLoop(): Loop;
  /** For `%ENVIRONMENT(X)%`. */
  readonly variables: Readonly<Record<string, string | undefined>>;
  send(message: FromWorker): void;
}

export class WorkerRuntime implements TimerTarget {
  private readonly parts: WorkerParts;
  private readonly clusterTools: ClusterTools;
  private readonly listenTools: ListenTools;
  private readonly roadTools: TcpTools;
  private readonly logs: AccessLogBatch;
  private readonly timer: Timer;
  private current: Assembly | null = null;
  private prepared: Assembly | null = null;
  private nodeLoop: Loop | null = null;
  private uws: UwsModule | null = null;
  /** Of all listeners that have no keys of their own; its content changes in place. */
  private readonly ticketKeys: Buffer[] = [];
  /** Listeners that a reload removed and that still have connections. */
  private readonly leaving = new Set<ListenDoor>();
  private drainDeadline = 0;
  private onDrained: (() => void) | null = null;

  constructor(parts: WorkerParts) {
    const { loop, stripe, breakers, hostTable, overload } = parts;
    const random = new Random();
    const out = new OutBuffer();
    this.parts = parts;
    this.clusterTools = { loop, clock: loop.clock, cells: stripe.cells, buckets: stripe.buckets, breakers, hostTable, random, out, clusterNamed: (name) => this.current?.clusters.get(name), reportOutlier: (finding) => parts.send({ type: 'outlier', ...finding }) };
    this.listenTools = { random, clock: loop.clock, timers: loop.timers, cells: stripe.cells, buckets: stripe.buckets, breakers, overload, out, atTurnEnd: (fn) => loop.atTurnEnd(fn) };
    this.logs = new AccessLogBatch((path, bytes) => parts.send({ type: 'accessLog', path, bytes }));
    this.roadTools = {
      clock: loop.clock,
      timers: loop.timers,
      cells: stripe.cells,
      buckets: stripe.buckets,
      overload,
      random,
      date: new DateText(loop.clock),
      journeys: new Journeys(),
      logBatch: this.logs,
      record: new StreamRecord(),
    };
    this.timer = new Timer(this, 0);
    loop.timers.arm(this.timer, TICK_MS);
  }

  /** Compiles and binds; nothing of what runs is touched. Returns what stands against it. */
  async prepare(epoch: number, snapshot: Snapshot, plan: Plan, { sockets, ticketKeys }: Pick<PrepareMessage, 'sockets' | 'ticketKeys'>): Promise<FromWorker> {
    const errors: string[] = [];
    const addresses: Record<string, Address> = {};
    this.takeTicketKeys(ticketKeys);
    try {
      if (this.uws === null && snapshot.listeners.some((one) => one.engine === 'uws')) this.uws = await loadUws();
      const assembly = this.assemble(epoch, snapshot, plan, sockets);
      for (const door of assembly.doors.values()) {
        if (door.listener === null && door.socket.fd < 0) await this.open(door, errors);
        addresses[door.config.name] = door.listener?.address ?? door.socket.address;
      }
      this.prepared = assembly;
      if (errors.length > 0) this.abandon(epoch);
    } catch (error) {
      errors.push(error instanceof Error ? error.message : String(error));
    }
    return { type: 'prepared', epoch, errors, addresses };
  }

  /** The prepared configuration becomes the current one. */
  async commit(epoch: number): Promise<void> {
    const next = this.prepared;
    const before = this.current;
    if (next === null || next.epoch !== epoch) throw new Error(`configuration ${epoch} was not prepared`);
    this.prepared = null;
    this.current = next;
    for (const [name, cluster] of next.clusters) {
      const config = next.snapshot.clusters.find((one) => one.name === name)!;
      if (cluster.config.hash !== config.hash || cluster.config.answer !== config.answer) cluster.update(config, next.plan.clusters[name]!);
    }
    const errors: string[] = [];
    for (const door of next.doors.values()) {
      door.update(door.config, next.runtimes.get(door.config.name)!);
      if (door.door instanceof HttpListener || door.door instanceof TcpListener) door.door.opening.tls = next.tls.get(door.config.name)?.tls ?? null;
      if (door.listener === null) await this.open(door, errors);
    }
    if (errors.length > 0) throw new Error(errors.join('; '));
    if (before !== null) await this.retire(before, next);
    if (before !== null) this.forgetTls(before, next);
  }

  /** What names stand for has changed. */
  takeEndpoints(changed: readonly ClusterEndpoints[]): void {
    for (const { name, endpoints, answer, hosts } of changed) {
      const cluster = this.current?.clusters.get(name);
      if (cluster !== undefined) cluster.update({ ...cluster.config, endpoints, answer }, { ...this.current!.plan.clusters[name]!, hosts });
    }
  }

  abandon(epoch: number): void {
    const { prepared, current } = this;
    if (prepared === null || prepared.epoch !== epoch) return;
    this.prepared = null;
    this.forgetTls(prepared, current);
    for (const [name, cluster] of prepared.clusters) if (current?.clusters.get(name) !== cluster) cluster.drain();
    // A door that the current configuration has too shares its listener, which goes on.
    for (const [key, door] of prepared.doors) {
      if (current?.doors.has(key) === true) continue;
      door.listener?.stop(() => undefined);
      door.door.closeAll();
    }
  }

  /** Stops accepting, lets what is under way finish. Resolves when no connection of a caller is left or time is over. */
  drain(timeoutMs: number): Promise<void> {
    const doors = this.current === null ? [] : [...this.current.doors.values()];
    return new Promise((resolve) => {
      this.drainDeadline = this.parts.loop.clock.now + timeoutMs;
      this.parts.loop.timers.arm(this.timer, TICK_MS);
      this.onDrained = () => {
        this.logs.flush();
        this.parts.loop.yieldSoon();
        resolve();
      };
      let open = doors.length;
      const stopped = (): void => {
        if (--open <= 0) this.checkDrained();
      };
      for (const door of doors) {
        this.leaving.add(door.door);
        if (door.listener === null) stopped();
        else
          door.listener.stop(() => {
            door.door.drain();
            stopped();
          }, true);
      }
      if (doors.length === 0) this.checkDrained();
    });
  }

  /** The thread ends: nothing of the past is lost, nothing is left open. */
  close(): void {
    this.logs.flush();
    for (const assembly of [this.current, this.prepared]) {
      if (assembly !== null) for (const door of assembly.doors.values()) door.door.closeAll();
    }
    this.nodeLoop?.stop();
    this.parts.loop.stop();
  }

  onTimer(): void {
    const { loop } = this.parts;
    const quiet = loop.openConns + (this.nodeLoop?.openConns ?? 0) + this.leaving.size === 0 && this.logs.isEmpty;
    loop.timers.arm(this.timer, quiet ? QUIET_TICK_MS : TICK_MS);
    this.logs.tick(loop.clock.now);
    if (this.current !== null) for (const cluster of this.current.clusters.values()) cluster.yieldIdle();
    this.relieve();
    if (this.leaving.size > 0) this.checkDrained();
  }

  /** What overload asks of connections that nothing else is moving. */
  private relieve(): void {
    if (this.current === null) return;
    const hold = this.parts.overload.isFull(STOP_ACCEPTING_CONNECTIONS);
    for (const { door, listener } of this.current.doors.values()) {
      listener?.hold(hold);
      door.relieve();
    }
  }

  private assemble(epoch: number, snapshot: Snapshot, plan: Plan, sockets: Readonly<Record<string, ListenSocket>>): Assembly {
    const clusters = new Map<string, Cluster>();
    for (const config of snapshot.clusters) {
      const places = plan.clusters[config.name]!;
      const old = this.current?.clusters.get(config.name);
      // One that begins to speak TLS may need another loop for it.
      const stays = old !== undefined && (config.tls === null || old.tools.loop.tlsProblem === '');
      clusters.set(config.name, stays ? old : new Cluster(config, places, this.toolsOf(config)));
    }
    const doors = new Map<string, Door>();
    const runtimes = new Map<string, Runtime>();
    const tls = new Map<string, ListenerTls>();
    for (const config of snapshot.listeners) {
      const runtime = this.makeRuntime(config, snapshot, plan, clusters);
      runtimes.set(config.name, runtime);
      const settings = this.makeTls(config);
      if (settings !== null) tls.set(config.name, settings);
      const socket = sockets[config.name]!;
      const key = `${config.tcp === null ? 'http' : 'tcp'} ${config.name} ${JSON.stringify(socket.address)} ${socket.fd}`;
      const old = this.current?.doors.get(key);
      doors.set(key, old === undefined ? this.makeDoor(key, { config, socket, runtime }, plan.listeners[config.name]!) : { ...old, config });
    }
    return { epoch, snapshot, plan, clusters, doors, runtimes, tls };
  }

  /** Keeps settings that have not changed, so that their contexts and what they remember live on. */
  private makeTls(config: ListenerConfig): ListenerTls | null {
    if (config.tls === null) return null;
    const old = this.current?.tls.get(config.name);
    if (old !== undefined && old.hash === config.tls.hash) return old;
    const tls = compileServerTls(config.tls, this.ticketKeys);
    const loop = this.loopOf(config);
    loop.prepareTls(tls);
    return { hash: config.tls.hash, tls, loop };
  }

  /** What one configuration had and the other has not. */
  private forgetTls(gone: Assembly, kept: Assembly | null): void {
    for (const [name, settings] of gone.tls) if (kept?.tls.get(name) !== settings) settings.loop.forgetTls(settings.tls);
  }

  takeTicketKeys(keys: readonly Uint8Array[]): void {
    this.ticketKeys.splice(0, this.ticketKeys.length, ...keys.map((key) => Buffer.from(key)));
  }

  private makeRuntime(config: ListenerConfig, snapshot: Snapshot, plan: Plan, clusters: Map<string, Cluster>): Runtime {
    if (config.tcp !== null) {
      const stats = plan.listeners[config.name]!.tcp;
      return { config: config.tcp, stats, clusters, ...compileTcp(config.tcp, this.parts.variables), tools: this.roadTools };
    }
    const places = plan.listeners[config.name]!;
    const compiled = compileHttp(config.http, '', this.parts.variables, (problem) => {
      throw new Error(`${problem.pointer}: ${problem.message}`); // the rehearsal has found none
    });
    linkClusters(compiled.routes, clusters);
    const chains = compiled.filters({ ...this.roadTools, clusters: plan.clusters, limits: plan.limits, limitWords: this.parts.limitWords, breakers: this.parts.breakers });
    linkFilters(compiled.routes, chains);
    return {
      name: config.name,
      config: config.http,
      snapshot,
      stats: places.http,
      histograms: places.histograms,
      ...compiled,
      filters: chains.listener,
      clusters,
      tools: this.roadTools,
    };
  }

  private makeDoor(key: string, made: Made, places: ListenerPlan): Door {
    const { config, socket } = made;
    const base = { key, config, socket, listener: null };
    if (config.tcp !== null) return { ...base, ...this.makeTcpDoor(config, made, places) };
    const road = new HttpRoad(made.runtime as HttpRuntime);
    const door = config.engine === 'uws' ? this.makeUwsDoor(config, socket, { road, places }) : this.makeHttpDoor(config, socket, { road, places });
    const update = (next: ListenerConfig, runtime: Runtime): void => {
      road.runtime = runtime as HttpRuntime;
      door.http.update(next as HttpListenerConfig);
    };
    return { ...base, door: door.http, update, listen: door.listen };
  }

  private makeUwsDoor(config: HttpListenerConfig, socket: ListenSocket, { road, places }: Behind): HttpEntry {
    const http = new UwsListener(config, places, road, { ...this.listenTools, uws: this.uws! });
    const stop = (done: () => void): void => http.stop(done);
    // It cannot be held: it refuses connections instead.
    return { http, listen: async () => ({ address: await http.listen(socket.address), stop, hold: () => undefined }) };
  }

  private makeHttpDoor(config: HttpListenerConfig, socket: ListenSocket, { road, places }: Behind): HttpEntry {
    const loop = this.loopOf(config);
    const http = new HttpListener(config, places, road, {
      ...this.listenTools,
      clock: loop.clock,
      timers: loop.timers,
      atTurnEnd: (fn) => loop.atTurnEnd(fn),
    });
    return { http, listen: () => loop.listen(socket.address, socket.fd, http.accept, http.opening) };
  }

  private makeTcpDoor(config: TcpListenerConfig, { socket, runtime }: Made, places: ListenerPlan): Pick<Door, 'door' | 'update' | 'listen'> {
    const loop = this.loopOf(config);
    const road = new TcpRoad(runtime as TcpRuntime);
    const door = new TcpListener(config, places, road, { ...this.listenTools, clock: loop.clock, timers: loop.timers });
    const update = (next: ListenerConfig, to: Runtime): void => {
      road.runtime = to as TcpRuntime;
      door.update(next as TcpListenerConfig);
    };
    return { door, update, listen: () => loop.listen(socket.address, socket.fd, door.accept, door.opening) };
  }

  /** Clusters with TLS go where it can be had. */
  private toolsOf(config: ClusterConfig): ClusterTools {
    const { loop } = this.parts;
    return config.tls === null || loop.tlsProblem === '' ? this.clusterTools : { ...this.clusterTools, loop: this.makeNodeLoop() };
  }

  /** A listener may ask for `node:net` in a worker whose loop is epoll: then both turn. */
  private loopOf({ engine, tls }: Pick<ListenerConfig, 'engine' | 'tls'>): Loop {
    const { loop } = this.parts;
    if (loop.kind === 'node' || (engine !== 'node' && (tls === null || loop.tlsProblem === ''))) return loop;
    return this.makeNodeLoop();
  }

  private makeNodeLoop(): Loop {
    if (this.nodeLoop === null) {
      this.nodeLoop = this.parts.makeNodeLoop();
      this.nodeLoop.run();
    }
    return this.nodeLoop;
  }

  private async open(door: Door, errors: string[]): Promise<void> {
    try {
      door.listener = await door.listen();
    } catch (error) {
      errors.push(`listener "${door.config.name}": ${error instanceof Error ? error.message : String(error)}`);
    }
  }

  /** What the new configuration no longer has: its listeners stop and drain, its clusters' idle connections close. */
  private async retire(before: Assembly, next: Assembly): Promise<void> {
    for (const [name, cluster] of before.clusters) if (next.clusters.get(name) !== cluster) cluster.drain();
    const stops: Promise<void>[] = [];
    for (const [key, door] of before.doors) {
      if (next.doors.has(key)) continue;
      this.leaving.add(door.door);
      stops.push(
        new Promise<void>((resolve) => {
          if (door.listener === null) resolve();
          else door.listener.stop(resolve);
        }).then(() => door.door.drain()),
      );
    }
    await Promise.all(stops);
  }

  private checkDrained(): void {
    const late = this.drainDeadline > 0 && this.parts.loop.clock.now >= this.drainDeadline;
    for (const door of this.leaving) {
      if (late) door.closeAll();
      if (door.connections === 0 || late) this.leaving.delete(door);
    }
    if (this.leaving.size > 0 || this.onDrained === null) return;
    const done = this.onDrained;
    this.onDrained = null;
    done();
  }
}
