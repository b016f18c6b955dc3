// The listening descriptors, one per listener and worker (SO_REUSEPORT), made and held by the primary: a worker that dies
// leaves its queue to the one that replaces it, and a reload that keeps an address keeps the sockets.
// Primary thread; owns the descriptors. How a socket is opened is `io`'s, handed in.

import type { Address } from '../core/address.ts';
import { formatAddress } from '../core/address.ts';
import { messageOf } from './log.ts';
import type { ListenSocket } from './worker-messages.ts';

export interface SocketDoor {
  /**
   * Binds and listens `count` times on one address; port 0 gets one free port for all. Throws an Error with `code`.
   * Where no such descriptors can be made the workers bind by themselves: -1 for each.
   * `beside`: the current configuration has the address too, in the other way (`open` or `hold`), and gives it up.
   */
  open(address: Address, count: number, beside: boolean): Promise<OpenSockets> | OpenSockets;
  /** For workers that bind by themselves: makes sure that they can, and picks the one port for all when it is 0. Throws as above. */
  hold(address: Address, count: number, beside: boolean): OpenSockets;
  /**
   * The same sockets under descriptors of their own: a listener that takes over another one's address serves the same
   * queue while the other one leaves, so no connection is lost.
   */
  duplicate(sockets: OpenSockets): OpenSockets;
  /** `addressStays`: the address is in use by others of ours. */
  close(sockets: OpenSockets, addressStays: boolean): void;
}

export interface OpenSockets {
  /** As bound: with the real port. */
  readonly address: Address;
  /** One for each worker; or, from `hold`, only what keeps the address ours. */
  readonly fds: readonly number[];
}

export interface ListenerSpec {
  readonly name: string;
  readonly address: Address;
  /** Its engine binds by itself (uWebSockets.js). */
  readonly bindsItself: boolean;
}

type Held = OpenSockets & { readonly name: string; readonly bindsItself: boolean };

/** The sockets of one configuration, for each worker. It stays the same when another one is prepared. */
export type SocketTable = readonly Readonly<Record<string, ListenSocket>>[];

export class ListenSockets {
  private readonly door: SocketDoor;
  private readonly workers: number;
  private current = new Map<string, Held>();
  private next: Map<string, Held> | null = null;

  constructor(door: SocketDoor, workers: number) {
    this.door = door;
    this.workers = workers;
  }

  /** Opens what these listeners need beyond what is open. With any error nothing stays open that was not open before. */
  async prepare(listeners: readonly ListenerSpec[]): Promise<{ errors: readonly string[]; table: SocketTable }> {
    const errors: string[] = [];
    const next = new Map<string, Held>();
    const table: Record<string, ListenSocket>[] = Array.from({ length: this.workers }, () => ({}));
    this.next = next;
    for (const listener of listeners) {
      const key = keyOf(listener);
      try {
        if (next.has(key)) throw new Error('another listener of this configuration has the same address');
        const held = await this.hold(listener, this.current.get(key));
        next.set(key, held);
        table.forEach((sockets, worker) => (sockets[listener.name] = { address: held.address, fd: held.bindsItself ? -1 : (held.fds[worker] ?? -1) }));
      } catch (error) {
        errors.push(describeListenError(listener, error));
      }
    }
    if (errors.length > 0) this.abandon();
    return { errors, table };
  }

  /** The prepared sockets are the current ones; the others are closed: their listeners have stopped by now. */
  commit(): void {
    if (this.next === null) return;
    this.closeMissing(this.current, this.next);
    this.current = this.next;
    this.next = null;
  }

  abandon(): void {
    if (this.next === null) return;
    this.closeMissing(this.next, this.current);
    this.next = null;
  }

  closeAll(): void {
    this.abandon();
    this.closeMissing(this.current, new Map());
    this.current = new Map();
  }

  private async hold(listener: ListenerSpec, before: Held | undefined): Promise<Held> {
    const { name, bindsItself } = listener;
    if (before === undefined) return { name, bindsItself, ...(await this.open(listener)) };
    if (before.name === name || bindsItself) return before;
    return { name, bindsItself, ...this.door.duplicate(before) };
  }

  private closeMissing(from: ReadonlyMap<string, Held>, kept: ReadonlyMap<string, Held>): void {
    const others = [...kept.values()];
    for (const [key, held] of from) {
      if (kept.get(key) === held) continue;
      const where = formatAddress(held.address);
      this.door.close(held, others.some(({ address }) => formatAddress(address) === where));
    }
  }

  private async open(listener: ListenerSpec): Promise<OpenSockets> {
    const other = this.current.get(keyOf({ ...listener, bindsItself: !listener.bindsItself }));
    const { address } = other ?? listener; // with port 0, the one it got
    // Whoever binds a path takes it at once, and could not give it back if this configuration were refused.
    if (other !== undefined && address.kind === 'unix') throw new Error('a listener on a unix socket changes to or from the engine "uws" at the next start only; until then choose another path');
    if (listener.bindsItself) return this.door.hold(address, this.workers, other !== undefined);
    return await this.door.open(address, this.workers, other !== undefined);
  }
}

/** An engine that binds by itself cannot take over the others' sockets: both listen side by side until the change is made. */
function keyOf(listener: ListenerSpec): string {
  const { address } = listener;
  const anyPort = address.kind === 'ip' && address.port === 0 ? listener.name : '';
  return `${listener.bindsItself ? 'self' : 'held'} ${formatAddress(address)} ${anyPort}`;
}

export function describeListenError(listener: { readonly name: string; readonly address: Address }, error: unknown): string {
  const where = formatAddress(listener.address);
  const who = listener.name === where ? `listener ${where}` : `listener "${listener.name}" on ${where}`;
  const code = error instanceof Error && 'code' in error ? String(error.code) : '';
  return `${who}: ${REASONS[code] ?? messageOf(error)}${code === '' ? '' : ` (${code})`}`;
}

const REASONS: Readonly<Record<string, string>> = {
  EADDRINUSE: 'the address is already in use',
  EACCES: 'not permitted; ports below 1024 need CAP_NET_BIND_SERVICE',
  EADDRNOTAVAIL: 'this machine has no such address',
  EAFNOSUPPORT: 'this machine does not support that kind of address',
};
