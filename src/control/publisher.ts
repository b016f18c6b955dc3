// Makes a checked configuration the current one: opens what it needs of the system, gives it its places in shared memory,
// and has the supervisor bring it to all workers or to none. Primary thread; owns what is published and its sockets.
//
//   bind ──► publish (new endpoints are health-checked) ──┬─ all workers carry it ──► sockets and places of the old one are given up
//                                                         └─ an error ──────────────► those of the new one are
//
// Names are looked up before that, and again and again afterwards: what they stand for goes to the workers in a message of
// its own, between deliveries and never during one, so that no worker ever holds endpoints of two answers.

import type { Discovery } from '../cluster/discovery.ts';
import type { HealthChecks } from '../cluster/health-checks.ts';
import type { ClusterConfig } from '../config/cluster-snapshot.ts';
import type { EngineName, ListenerConfig, Snapshot } from '../config/snapshot.ts';
import type { TimeSource } from '../core/clock.ts';
import { CertificateFacts } from '../security/certificate-facts.ts';
import type { HostTable } from '../shared/host-table.ts';
import type { OverloadState } from '../shared/overload.ts';
import type { ClusterPlan, HostPlan, Plan } from '../shared/plan.ts';
import type { AccessLogFiles } from './access-log-files.ts';
import type { Published } from './admin-server.ts';
import type { SocketDoor, SocketTable } from './listen-sockets.ts';
import { ListenSockets } from './listen-sockets.ts';
import { type Logger, messageOf } from './log.ts';
import type { Delivered, Supervisor, WorkerMemory } from './supervisor.ts';
import type { Delivery } from './worker-slot.ts';
import type { TicketKeys } from './ticket-keys.ts';
import { UpdateCounts } from './update-counts.ts';

export interface SharedMemory extends WorkerMemory {
  /** Places for everything that the configuration counts; what existed before keeps its own. Throws when there is no room. */
  plan(snapshot: Snapshot, epoch: number): Plan;
  /** Every worker carries it: its limits hold from now on. */
  commit(epoch: number): void;
  abandon(epoch: number): void;
  /** Places for the hosts that a cluster has from now on; the others keep theirs until `commitHosts`. Throws when there is no room. */
  planHosts(cluster: ClusterConfig, epoch: number): readonly HostPlan[];
  commitHosts(cluster: ClusterConfig, hosts: readonly HostPlan[], epoch: number): void;
  /** What the primary itself counts. */
  readonly ownCells: Float64Array;
  /** Takes back the places that nothing uses any more. */
  sweep(): void;
  /** Sum of a cell over all workers. */
  cell(index: number): number;
  readonly hostTable: HostTable;
  readonly overload: OverloadState;
  /** Of all callers, over all workers. */
  connections(): number;
}

/** Checks endpoints around each publication. */
export type HealthFollower = Pick<HealthChecks, 'prepare' | 'commit' | 'abandon' | 'close'>;

export interface CheckedConfig {
  readonly snapshot: Snapshot;
  /** In the user's own words, for `/config_dump`. */
  readonly document: unknown;
}

export interface PublisherParts {
  readonly engine: 'epoll' | 'node';
  readonly memory: SharedMemory;
  readonly sockets: SocketDoor;
  readonly supervisor: Supervisor;
  readonly logs: AccessLogFiles;
  readonly logger: Logger;
  readonly healthChecks: HealthFollower;
  readonly time: TimeSource;
  readonly discovery: Discovery;
  readonly ticketKeys: TicketKeys;
  /** All workers carry it. */
  onPublished(published: Published): void;
  /** Why listeners with TLS run on `node` although the workers' engine is another; ''. */
  readonly tlsProblem: string;
}

export class Publisher {
  readonly counts = new UpdateCounts();
  private readonly parts: PublisherParts;
  private readonly sockets: ListenSockets;
  private epoch = 0;
  /** What the workers carry. */
  private delivery: Delivery | null = null;
  private delivering = false;
  private following: Promise<void> | null = null;
  private changes = 0;
  /** Answers for whose endpoints there was no room, by cluster. */
  private readonly tooLarge = new Map<string, number>();
  published: Published | null = null;
  certificates: CertificateFacts | null = null;

  constructor(parts: PublisherParts) {
    this.parts = parts;
    this.sockets = new ListenSockets(parts.sockets, parts.supervisor.size);
  }

  /** Opens files and sockets. With errors, nothing stays open that was not open before. */
  async bind(snapshot: Snapshot): Promise<{ errors: readonly string[]; table: SocketTable }> {
    const errors = await this.parts.logs.prepare(logPaths(snapshot));
    if (errors.length > 0) return { errors, table: [] };
    return await this.sockets.prepare(snapshot.listeners.map((listener) => ({ ...listener, bindsItself: this.engineOf(listener) === 'uws' })));
  }

  /** @param table what `bind` gave. @returns errors; with any, nothing has changed. */
  async publish(config: CheckedConfig, table: SocketTable): Promise<{ errors: readonly string[]; changes: string }> {
    await this.parts.discovery.warm(config.snapshot.clusters);
    this.delivering = true;
    try {
      await this.following;
      return await this.publishNow(config, table);
    } finally {
      this.delivering = false;
      this.follow();
    }
  }

  /** Brings to the workers what names stand for by now. */
  follow(): void {
    if (this.following !== null || this.delivering) return;
    this.following = this.bringEndpoints()
      .catch((error: unknown) => this.parts.logger.unexpected('endpoints', error))
      .finally(() => (this.following = null));
  }

  private async publishNow(config: CheckedConfig, table: SocketTable): Promise<{ errors: readonly string[]; changes: string }> {
    const { memory, discovery } = this.parts;
    const { document } = config;
    const snapshot = { ...config.snapshot, clusters: discovery.resolve(config.snapshot.clusters) };
    const epoch = ++this.epoch;
    const { plan, addresses, errors } = await this.deliver(snapshot, epoch, table);
    if (plan === null || errors.length > 0) {
      this.parts.healthChecks.abandon();
      memory.abandon(epoch);
      this.sockets.abandon();
      discovery.abandon();
      return { errors, changes: '' };
    }
    memory.commit(epoch);
    this.parts.healthChecks.commit();
    discovery.commit(plan, memory.ownCells);
    this.sockets.commit();
    const changes = this.counts.record(this.published?.snapshot ?? null, snapshot);
    this.certificates = new CertificateFacts(snapshot);
    this.published = { snapshot, document, plan, addresses, publishedAt: this.parts.time.wallMs() };
    this.parts.onPublished(this.published);
    return { errors: [], changes };
  }

  close(): void {
    this.sockets.closeAll();
  }

  /** Which engine carries a listener: uWebSockets.js when it asks for it, else what all workers run on. */
  engineOf(listener: ListenerConfig): EngineName {
    if (listener.engine === 'uws') return 'uws';
    return listener.tls !== null && this.parts.tlsProblem !== '' ? 'node' : this.parts.engine;
  }

  /** Why it is not what all workers run on; ''. */
  whyEngine(listener: ListenerConfig): string {
    return listener.tls !== null && listener.engine !== 'uws' ? this.parts.tlsProblem : '';
  }

  private async deliver(snapshot: Snapshot, epoch: number, table: SocketTable): Promise<Delivered & { plan: Plan | null }> {
    let plan: Plan;
    try {
      plan = this.parts.memory.plan(snapshot, epoch);
    } catch (error) {
      return { plan: null, errors: [`the configuration is too large: ${messageOf(error)}`], addresses: {} };
    }
    const errors = await this.warm(snapshot, plan);
    if (errors.length > 0) return { plan, errors, addresses: {} };
    const delivery = { epoch, snapshot, plan, ticketKeys: () => this.parts.ticketKeys.current, socketsOf: (index: number) => table[index] ?? {} };
    const delivered = await this.parts.supervisor.deliver(delivery);
    if (delivered.errors.length === 0) this.delivery = delivery;
    return { plan, ...delivered };
  }

  /** One change after the other, until there is none left or a delivery wants to begin. */
  private async bringEndpoints(): Promise<void> {
    while (this.published !== null && !this.delivering) {
      const changed = this.parts.discovery.changes(this.published.snapshot.clusters).filter(({ name, answer }) => this.tooLarge.get(name) !== answer);
      if (changed.length === 0) return;
      await this.changeEndpoints(this.published, this.delivery!, changed);
    }
  }

  private async changeEndpoints(published: Published, delivery: Delivery, changed: readonly ClusterConfig[]): Promise<void> {
    const { memory, supervisor } = this.parts;
    const placed = changed.flatMap((cluster) => this.place(cluster, delivery.epoch));
    if (placed.length === 0) return;
    const byName = new Map(placed.map(({ cluster }) => [cluster.name, cluster]));
    const snapshot: Snapshot = { ...published.snapshot, clusters: published.snapshot.clusters.map((cluster) => byName.get(cluster.name) ?? cluster) };
    const clusters = Object.assign(Object.create(null) as Record<string, ClusterPlan>, published.plan.clusters);
    for (const { cluster: { name }, hosts } of placed) clusters[name] = { ...clusters[name]!, hosts };
    const plan: Plan = { ...published.plan, clusters };
    this.delivery = { ...delivery, snapshot, plan };
    this.checkNewEndpoints(snapshot, plan);
    await supervisor.changeEndpoints(this.delivery, ++this.changes, placed.map(({ cluster: { name, endpoints, answer }, hosts }) => ({ name, endpoints, answer, hosts })));
    this.published = { ...published, snapshot, plan };
    for (const { cluster, hosts } of placed) memory.commitHosts(cluster, hosts, delivery.epoch);
    this.parts.healthChecks.commit();
    this.parts.onPublished(this.published);
  }

  /** Nobody waits for their first checks: until then they get no requests. */
  private checkNewEndpoints(snapshot: Snapshot, plan: Plan): void {
    void this.warm(snapshot, plan).then((errors) => errors.forEach((error) => this.parts.logger.error(error)));
  }

  /** Nothing, once reported, when there is no room for all of them: the cluster keeps the endpoints that it has. */
  private place(cluster: ClusterConfig, epoch: number): { cluster: ClusterConfig; hosts: readonly HostPlan[] }[] {
    try {
      return [{ cluster, hosts: this.parts.memory.planHosts(cluster, epoch) }];
    } catch (error) {
      this.parts.logger.error(`cluster "${cluster.name}": ${cluster.endpoints.length} endpoints were found, which is too many: ${messageOf(error)}`);
      this.tooLarge.set(cluster.name, cluster.answer);
      return [];
    }
  }

  /** Waits for the first health check of every endpoint that is new. @returns errors */
  private async warm(snapshot: Snapshot, plan: Plan): Promise<readonly string[]> {
    try {
      const late = await this.parts.healthChecks.prepare(snapshot, plan);
      if (late) this.parts.logger.warn('not every new endpoint has had its first health check in time: those get no requests before it');
      return [];
    } catch (error) {
      return [`health checks: ${messageOf(error)}`];
    }
  }
}

/** All files that lines are written to while this configuration is in effect. */
function logPaths({ listeners, clusters }: Snapshot): string[] {
  const access = listeners.flatMap((listener) => (listener.http ?? listener.tcp).accessLog.map((log) => log.path));
  const events = clusters.flatMap(({ healthChecks, outlierDetection }) => [...healthChecks.map(({ eventLog }) => eventLog), outlierDetection?.eventLog ?? '']);
  return [...access, ...events.filter((path) => path !== '')];
}
