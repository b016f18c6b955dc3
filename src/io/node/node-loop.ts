// The node engine's loop: libuv's own. Worker thread (or the main one); owns its sockets and servers.
//
// A "turn" is one round of libuv's poll: the first callback in it refreshes the clock, the immediate behind it ends it.

import type { Address } from '../../core/address.ts';
import { Clock } from '../../core/clock.ts';
import { hostTimeout } from '../../core/host-timer.ts';
import type { HostTimer } from '../../core/host-timer.ts';
import type { ClientTls, ServerTls } from '../../security/tls-settings.ts';
import type { Accept, ConnOwner, Listener, Loop, LoopOptions, Opening } from '../conn.ts';
import { loadSystem } from '../epoll/system.ts';
import { TimerWheel } from '../timer-wheel.ts';
import { NodeConn, Wire } from './node-conn.ts';
import type { ConnSocket } from './node-conn.ts';
import { NodeListener } from './node-listener.ts';
import { NodeTlsConn } from './node-tls-conn.ts';
import { TlsClient, TlsServer } from './node-tls.ts';

const READ_BYTES = 64 * 1024;

export class NodeLoop implements Loop {
  readonly kind = 'node';
  readonly tlsProblem = '';
  readonly clock: Clock;
  readonly timers: TimerWheel;
  /** Shared by all connections: libuv reads into it and calls back at once. */
  readonly readBuffer: Buffer = Buffer.allocUnsafeSlow(READ_BYTES);

  private readonly conns = new Set<NodeConn>();
  private readonly listeners = new Set<NodeListener>();
  /** What TLS has been made of the settings in use. */
  private readonly servers = new WeakMap<ServerTls, TlsServer>();
  private readonly clients = new WeakMap<ClientTls, TlsClient>();
  private holding: NodeConn[] = [];
  private telling: NodeConn[] = [];
  private turnEnds: (() => void)[] = [];
  private nextId: number;
  private readonly idStep: number;
  private inTurn = false;
  private stopped = false;
  private wake: HostTimer | null = null;
  private wakeAt = Infinity;

  constructor(options: LoopOptions = {}) {
    this.clock = options.clock ?? new Clock();
    this.timers = new TimerWheel(this.clock, {
      beforeArm: () => this.enter(),
      afterArm: (deadline) => this.wakeTimersAt(deadline),
    });
    this.nextId = options.firstConnId ?? 1;
    this.idStep = options.connIdStep ?? 1;
  }

  get openConns(): number {
    return this.conns.size;
  }

  // ── the contract ───────────────────────────────────────────────────────────────────────────────────────────

  async listen(address: Address, fd: number, accept: Accept, opening?: Opening): Promise<Listener> {
    const listener = new NodeListener(this, accept, opening ?? null);
    await listener.open(address, fd);
    this.listeners.add(listener);
    return listener;
  }

  connect(to: Address, owner: ConnOwner, tls: ClientTls | null = null, serverName = ''): NodeConn {
    this.enter();
    if (tls !== null) {
      const secure = this.tlsClient(tls).connect(to, serverName === '' ? tls.serverName : serverName);
      const conn = new NodeTlsConn(this, owner, secure.socket, to);
      conn.secure(secure);
      this.conns.add(conn);
      return conn;
    }
    const wire = new Wire(this);
    const conn = new NodeConn(this, owner, wire, to);
    this.conns.add(conn);
    // An address is never a name, so nothing is looked up here.
    if (to.kind === 'ip') wire.connect({ host: to.host, port: to.port, noDelay: true });
    else wire.connect({ path: to.path.startsWith('@') ? `\0${to.path.slice(1)}` : to.path });
    return conn;
  }

  atTurnEnd(fn: () => void): void {
    this.turnEnds.push(fn);
    this.enter();
  }

  yieldSoon(): void {
    // node's loop is this loop
  }

  run(): void {
    // libuv turns by itself
  }

  stop(): void {
    if (this.stopped) return;
    this.stopped = true;
    this.wake?.cancel();
    for (const listener of this.listeners) listener.close();
    for (const conn of this.conns) conn.abandon();
  }

  // ── for connections and listeners ──────────────────────────────────────────────────────────────────────────

  /** Called at the start of every callback: the first of a turn refreshes the clock. */
  enter(): void {
    if (this.inTurn) return;
    this.inTurn = true;
    this.clock.refresh();
    setImmediate(this.endTurn);
  }

  takeId(): number {
    const id = this.nextId;
    this.nextId += this.idStep;
    return id;
  }

  /** An accepted connection. */
  keep(conn: NodeConn): void {
    this.conns.add(conn);
  }

  /** node's server for these settings, made on first use. Throws an Error where it does not take them. */
  tlsServer(tls: ServerTls): TlsServer {
    let server = this.servers.get(tls);
    if (server === undefined) {
      server = new TlsServer(tls);
      this.servers.set(tls, server);
    }
    return server;
  }

  private tlsClient(tls: ClientTls): TlsClient {
    let client = this.clients.get(tls);
    if (client === undefined) {
      client = new TlsClient(tls);
      this.clients.set(tls, client);
    }
    return client;
  }

  prepareTls(tls: ServerTls | ClientTls): void {
    if ('pairs' in tls) this.tlsServer(tls);
    else this.tlsClient(tls);
  }

  forgetTls(tls: ServerTls | ClientTls): void {
    this.servers.delete(tls as ServerTls);
    this.clients.delete(tls as ClientTls);
  }

  forget(conn: NodeConn): void {
    this.conns.delete(conn);
  }

  /** Through the system where there is one, else the connection just ends. */
  resetOnClose(socket: ConnSocket & { _handle?: { fd?: number } | null }): void {
    const system = loadSystem();
    const fd = socket._handle?.fd ?? -1;
    if (typeof system !== 'string' && fd >= 0) system.setLingerZero(fd);
  }

  removeListener(listener: NodeListener): void {
    this.listeners.delete(listener);
  }

  holdUntilTurnEnd(conn: NodeConn): void {
    this.holding.push(conn);
    this.enter();
  }

  tellAtTurnEnd(conn: NodeConn): void {
    this.telling.push(conn);
    this.enter();
  }

  // ── turning ────────────────────────────────────────────────────────────────────────────────────────────────

  private readonly endTurn = (): void => {
    this.inTurn = false;
    if (this.stopped) return;
    if (this.holding.length > 0) this.flushHolding();
    if (this.telling.length > 0) this.tellStashes();
    if (this.turnEnds.length > 0) this.runTurnEnds();
  };

  private flushHolding(): void {
    const holding = this.holding;
    this.holding = [];
    for (const conn of holding) conn.flushHeld();
  }

  // The two below call owners, and an exception of one must not lose the others.

  private tellStashes(): void {
    const conns = this.telling;
    this.telling = [];
    let done = 0;
    try {
      while (done < conns.length) conns[done++]!.tellStash();
    } finally {
      for (const conn of conns.slice(done)) this.tellAtTurnEnd(conn);
    }
  }

  private runTurnEnds(): void {
    const fns = this.turnEnds;
    this.turnEnds = [];
    let done = 0;
    try {
      while (done < fns.length) fns[done++]!();
    } finally {
      for (const fn of fns.slice(done)) this.atTurnEnd(fn);
    }
  }

  private readonly onWake = (): void => {
    this.wake = null;
    this.wakeAt = Infinity;
    this.enter();
    try {
      this.timers.advance(this.clock.now);
    } finally {
      this.wakeTimersAt(this.timers.nextDeadline());
    }
  };

  private wakeTimersAt(deadline: number): void {
    if (deadline === Infinity || this.stopped || deadline >= this.wakeAt) return;
    this.wake?.cancel();
    this.wakeAt = deadline;
    this.wake = hostTimeout(this.onWake, Math.max(1, Math.ceil(deadline - this.clock.now)));
  }
}
