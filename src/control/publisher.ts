// Makes a checked configuration the current one: opens what it needs of the system, gives it its places in shared memory,
// and has the supervisor bring it to all workers or to none. Primary thread; owns what is published and its sockets.
//
//   bind ──► publish ──┬─ all workers carry it ──► sockets and places of the old one are given up
//                      └─ an error ──────────────► those of the new one are

import type { EngineName, ListenerConfig, Snapshot } from '../config/snapshot.ts';
import type { TimeSource } from '../core/clock.ts';
import { CertificateFacts } from '../security/certificate-facts.ts';
import type { HostTable } from '../shared/host-table.ts';
import type { Plan } from '../shared/plan.ts';
import type { AccessLogFiles } from './access-log-files.ts';
import type { Published } from './admin-server.ts';
import type { SocketDoor, SocketTable } from './listen-sockets.ts';
import { ListenSockets } from './listen-sockets.ts';
import { messageOf } from './log.ts';
import type { Delivered, Supervisor, WorkerMemory } from './supervisor.ts';
import type { TicketKeys } from './ticket-keys.ts';
import { UpdateCounts } from './update-counts.ts';

export interface SharedMemory extends WorkerMemory {
  /** Places for everything that the configuration counts; what existed before keeps its own. Throws when there is no room. */
  plan(snapshot: Snapshot, epoch: number): Plan;
  /** Every worker carries it: its limits hold from now on. */
  commit(epoch: number): void;
  abandon(epoch: number): void;
  /** Takes back the places that nothing uses any more. */
  sweep(): void;
  /** Sum of a cell over all workers. */
  cell(index: number): number;
  readonly hostTable: HostTable;
}

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
  readonly time: TimeSource;
  readonly ticketKeys: TicketKeys;
  /** Why listeners with TLS run on `node` although the workers' engine is another; ''. */
  readonly tlsProblem: string;
}

export class Publisher {
  readonly counts = new UpdateCounts();
  private readonly parts: PublisherParts;
  private readonly sockets: ListenSockets;
  private epoch = 0;
  published: Published | null = null;
  certificates: CertificateFacts | null = null;

  constructor(parts: PublisherParts) {
    this.parts = parts;
    this.sockets = new ListenSockets(parts.sockets, parts.supervisor.size);
  }

  /** Opens files and sockets. With errors, nothing stays open that was not open before. */
  async bind(snapshot: Snapshot): Promise<{ errors: readonly string[]; table: SocketTable }> {
    const errors = await this.parts.logs.prepare(snapshot.listeners.flatMap((listener) => (listener.http ?? listener.tcp).accessLog.map((log) => log.path)));
    if (errors.length > 0) return { errors, table: [] };
    return await this.sockets.prepare(snapshot.listeners.map((listener) => ({ ...listener, bindsItself: this.engineOf(listener) === 'uws' })));
  }

  /** @param table what `bind` gave. @returns errors; with any, nothing has changed. */
  async publish(config: CheckedConfig, table: SocketTable): Promise<{ errors: readonly string[]; changes: string }> {
    const { memory } = this.parts;
    const { snapshot, document } = config;
    const epoch = ++this.epoch;
    const { plan, addresses, errors } = await this.deliver(snapshot, epoch, table);
    if (plan === null || errors.length > 0) {
      memory.abandon(epoch);
      this.sockets.abandon();
      return { errors, changes: '' };
    }
    memory.commit(epoch);
    this.sockets.commit();
    const changes = this.counts.record(this.published?.snapshot ?? null, snapshot);
    this.certificates = new CertificateFacts(snapshot);
    this.published = { snapshot, document, plan, addresses, publishedAt: this.parts.time.wallMs() };
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
    const delivered = await this.parts.supervisor.deliver({ epoch, snapshot, plan, ticketKeys: () => this.parts.ticketKeys.current, socketsOf: (index) => table[index] ?? {} });
    return { plan, ...delivered };
  }
}
