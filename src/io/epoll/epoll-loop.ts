// @hot
// The event loop of the epoll engine. Worker thread (or the main one); owns every descriptor of its connections.
//
// It blocks in epoll_wait on its own instance, inside which node's instance lies as one more descriptor. JavaScript of
// node's (promises, messages, timers) runs when this loop yields through setImmediate: as soon as node has something
// ready or our callbacks ask for it (`yieldSoon`), otherwise every few milliseconds of work, also when it dries up. Then it
// yields once more before it blocks for longer: libuv registers watchers that its callbacks made only when it polls again.

import type { Address } from '../../core/address.ts';
import { Clock } from '../../core/clock.ts';
import type { ClientTls, ServerTls } from '../../security/tls-settings.ts';
import type { Accept, ConnOwner, FdLedger, Listener, Loop, LoopOptions, Opening } from '../conn.ts';
import { TimerWheel } from '../timer-wheel.ts';
import { EpollConn, NOT_ARMED } from './epoll-conn.ts';
import { EpollListener } from './epoll-listener.ts';
import { findHostEpoll, HOST_IMMEDIATES, HOST_TIMERS, hostDue } from './host-loop.ts';
import { KeptPool } from './kept-bytes.ts';
import { openListenSocket } from './listen-fd.ts';
import { loadOpenSsl, type OpenSsl } from './openssl.ts';
import { EPOLL_CTL_ADD, EPOLL_CTL_DEL, EPOLL_CTL_MOD, EPOLLIN, EPOLLOUT, Poller } from './poller.ts';
import { AHEAD_MOST, NOT_READ, ReadBatch, SLOT_BYTES } from './read-batch.ts';
import { READ_MOST_BYTES } from './read-size.ts';
import { Ring } from './ring.ts';
import { familyOf, readSockaddr, writeSockaddr } from './sockaddr.ts';
import { SendBatch } from './send-batch.ts';
import { AF_UNIX, EINPROGRESS, errnoName, requireSystem, systemError } from './system.ts';
import type { System } from './system.ts';
import { tlsCallbacks, type TlsCallbacks } from './tls-callbacks.ts';
import { TlsConn } from './tls-conn.ts';
import { ClientContext, ServerContexts } from './tls-context.ts';

/** Blocking is bounded: node's timers fire only when we yield. There may be some that keep no process alive, which it does not show. */
const BLOCK_MOST_MS = 500;
/** The same while it shows one. */
const BLOCK_TIMERS_MS = 50;
/** The same while node's own epoll descriptor is unknown and cannot wake us. */
const BLOCK_BLIND_MS = 5;
/** How long node may wait for its turn after work of ours that may have left it something. */
const YIELD_EVERY_MS = 5;
/** Yields without any event before blocking, after node has had something to do. */
const YIELDS_BEFORE_BLOCK = 2;

/** Event tags of what is not a connection; connections count from 1. */
const LISTENER = 0;
const HOST = -1;
const LAST_GENERATION = 0x7fffffff;

const noLedger: FdLedger = { opened: () => undefined, closed: () => undefined };

export class EpollLoop implements Loop {
  readonly kind = 'epoll';
  readonly clock: Clock;
  readonly timers: TimerWheel;
  readonly system: System;
  /** Shared by all connections: what is read lies here during `onData`. */
  readonly readBuffer: Buffer = Buffer.allocUnsafeSlow(READ_MOST_BYTES);
  readonly keptPool: KeptPool = new KeptPool();
  readonly sends: SendBatch;
  /** Connections with something to tell at the end of the turn. */
  readonly deferred: EpollConn[] = [];
  openConns = 0;

  private readonly ring: Ring | null;
  private readonly reads: ReadBatch;
  private readonly ledger: FdLedger;
  private readonly poller: Poller;
  /** The connection on each descriptor. */
  private readonly slots: (EpollConn | null)[] = [];
  private readonly listeners = new Map<number, EpollListener>();
  /** What TLS has been made of the settings in use. */
  private readonly servers = new Map<ServerTls, ServerContexts>();
  private readonly clients = new Map<ClientTls, ClientContext>();
  private readonly turnEnds: (() => void)[] = [];
  private turnEndAt = 0;
  private deferredAt = 0;
  private generation = 0;
  private nextId: number;
  private readonly idStep: number;
  // The events of the last wait: those before `eventAt` are told, those before `readTo` have been read ahead for.
  private eventAt = 0;
  private readTo = 0;
  private eventCount = 0;
  private readFrom = 0;
  private host = NOT_ARMED;
  private hostReady = false;
  private yieldWanted = false;
  private running = false;
  private stopped = false;
  /** Turns that node is still given before we block. */
  private yieldsOwed = YIELDS_BEFORE_BLOCK;
  private workedSinceYield = false;
  private lastYield = 0;
  private immediate: NodeJS.Immediate | null = null;

  constructor(options: LoopOptions = {}) {
    this.system = requireSystem();
    this.ring = options.ioUring === false ? null : Ring.open(this.system);
    this.reads = new ReadBatch(this.system, this.ring);
    this.sends = new SendBatch(this.system, this.ring);
    this.clock = options.clock ?? new Clock();
    this.timers = new TimerWheel(this.clock);
    this.ledger = options.ledger ?? noLedger;
    this.nextId = options.firstConnId ?? 1;
    this.idStep = options.connIdStep ?? 1;
    this.poller = new Poller(this.system.libc);
    this.ledger.opened(this.poller.fd);
    if (this.ring !== null) this.ledger.opened(this.ring.fd);
  }

  // ── the contract ───────────────────────────────────────────────────────────────────────────────────────────

  listen(address: Address, fd: number, accept: Accept, opening?: Opening): Promise<Listener> {
    return new Promise((resolve) => resolve(this.openListener(address, fd, accept, opening ?? null)));
  }

  connect(to: Address, owner: ConnOwner, tls: ClientTls | null = null, serverName = ''): EpollConn {
    const system = this.system;
    const family = familyOf(to);
    const length = writeSockaddr(to, system.sockaddr);
    const fd = length < 0 ? -1 : system.socket(family);
    const conn = tls === null ? new EpollConn(this, owner, fd, true) : this.tlsConn(owner, fd, tls, serverName === '' ? tls.serverName : serverName);
    conn.setRemote(to);
    if (fd < 0) {
      conn.failedAtOnce(length < 0 ? 'EINVAL' : errnoName(system.errno()));
      return conn;
    }
    this.keep(conn);
    if (family !== AF_UNIX) system.setNoDelay(fd);
    if (system.connect(fd, length) >= 0) {
      conn.connectedAtOnce();
      return conn;
    }
    const errno = system.errno();
    if (errno !== EINPROGRESS) conn.failedAtOnce(errnoName(errno));
    else if (this.rearm(conn, EPOLLOUT) < 0) conn.failedAtOnce(errnoName(system.errno()));
    return conn;
  }

  atTurnEnd(fn: () => void): void {
    this.turnEnds.push(fn);
  }

  /** For code that leaves a promise or a node call behind: node gets its turn right after this one. */
  yieldSoon(): void {
    this.yieldWanted = true;
  }

  run(): void {
    if (this.running || this.stopped) return;
    this.running = true;
    this.immediate = setImmediate(this.spin);
    findHostEpoll(this.system, (fd) => this.nestHost(fd));
  }

  stop(): void {
    if (this.stopped) return;
    this.stopped = true;
    this.running = false;
    if (this.immediate !== null) clearImmediate(this.immediate);
    for (const listener of this.listeners.values()) this.removeListener(listener);
    for (const conn of this.slots) conn?.abandon();
    for (const contexts of this.servers.values()) contexts.release();
    for (const context of this.clients.values()) context.release();
    if (this.ring !== null) {
      this.ledger.closed(this.ring.fd);
      this.ring.close();
    }
    this.ledger.closed(this.poller.fd);
    this.system.close(this.poller.fd);
  }

  /** The contexts for these settings, made on first use. Throws an Error where OpenSSL does not take them. */
  serverContexts(tls: ServerTls): ServerContexts {
    let contexts = this.servers.get(tls);
    if (contexts === undefined) {
      contexts = new ServerContexts(this.openssl, tls, this.tlsCallbacks);
      this.servers.set(tls, contexts);
    }
    return contexts;
  }

  /** Where settings are given up already (a late attempt to a removed cluster), their context goes with the connection. */
  private tlsConn(owner: ConnOwner, fd: number, tls: ClientTls, serverName: string): TlsConn {
    const kept = this.clients.get(tls);
    const context = kept ?? new ClientContext(this.openssl, tls, this.tlsCallbacks);
    const conn = new TlsConn(this, owner, fd, context, serverName);
    if (kept === undefined) context.release();
    return conn;
  }

  get tlsProblem(): string {
    const openssl = loadOpenSsl();
    return typeof openssl === 'string' ? openssl : '';
  }

  prepareTls(tls: ServerTls | ClientTls): void {
    if ('pairs' in tls) this.serverContexts(tls);
    else if (!this.clients.has(tls)) this.clients.set(tls, new ClientContext(this.openssl, tls, this.tlsCallbacks));
  }

  forgetTls(tls: ServerTls | ClientTls): void {
    const contexts = this.servers.get(tls as ServerTls) ?? this.clients.get(tls as ClientTls);
    this.servers.delete(tls as ServerTls);
    this.clients.delete(tls as ClientTls);
    contexts?.release();
  }

  get openssl(): OpenSsl {
    const openssl = loadOpenSsl();
    if (typeof openssl === 'string') throw new Error(openssl);
    return openssl;
  }

  get tlsCallbacks(): TlsCallbacks {
    return tlsCallbacks(this.openssl);
  }

  private openListener(address: Address, fd: number, accept: Accept, opening: Opening | null): EpollListener {
    const own = fd < 0;
    const socket = { fd: own ? openListenSocket(this.system, address) : fd, own };
    if (own) this.ledger.opened(socket.fd);
    let actual = address;
    if (this.system.sockName(socket.fd) >= 0) actual = readSockaddr(this.system.sockaddr, this.system.sockaddrLength);
    const listener = new EpollListener(this, socket, actual, accept, opening);
    this.listeners.set(socket.fd, listener);
    if (this.watchListener(listener) >= 0) return listener;
    const error = systemError('epoll_ctl', this.system.errno(), '');
    this.removeListener(listener);
    throw error;
  }

  // ── for connections and listeners ──────────────────────────────────────────────────────────────────────────

  takeId(): number {
    const id = this.nextId;
    this.nextId += this.idStep;
    return id;
  }

  takeGeneration(): number {
    this.generation = this.generation === LAST_GENERATION ? 1 : this.generation + 1;
    return this.generation;
  }

  /** Makes an accepted descriptor a connection of this loop; nothing is watched yet. */
  adopt(fd: number, owner: ConnOwner, tls: ServerTls | null): EpollConn {
    const conn = tls === null ? new EpollConn(this, owner, fd, false) : new TlsConn(this, owner, fd, this.serverContexts(tls));
    this.keep(conn);
    return conn;
  }

  private keep(conn: EpollConn): void {
    const { fd } = conn;
    this.ledger.opened(fd);
    // An array that grows by more than a little at once would become a hash table.
    while (this.slots.length <= fd) this.slots.push(null);
    this.slots[fd] = conn;
    this.openConns++;
  }

  /** Closes the descriptor of a connection. */
  forget(conn: EpollConn): void {
    const fd = conn.fd;
    if (fd < 0) return;
    conn.fd = -1;
    conn.armed = NOT_ARMED;
    this.slots[fd] = null;
    this.openConns--;
    // First off the ledger: a thread that ends in between leaks a descriptor, instead of having a reused one closed.
    this.ledger.closed(fd);
    this.system.close(fd);
  }

  rearm(conn: EpollConn, events: number): number {
    let op = EPOLL_CTL_MOD;
    if (events === NOT_ARMED) op = EPOLL_CTL_DEL;
    else if (conn.armed === NOT_ARMED) op = EPOLL_CTL_ADD;
    const rc = this.poller.set(op, conn.fd, events, conn.generation);
    if (rc >= 0) conn.armed = events;
    return rc;
  }

  watchListener(listener: EpollListener): number {
    return this.poller.set(EPOLL_CTL_ADD, listener.socket.fd, EPOLLIN, LISTENER);
  }

  unwatchListener(listener: EpollListener): void {
    this.poller.set(EPOLL_CTL_DEL, listener.socket.fd, 0, LISTENER);
  }

  removeListener(listener: EpollListener): void {
    this.listeners.delete(listener.socket.fd);
    this.unwatchListener(listener);
    if (!listener.socket.own) return;
    this.ledger.closed(listener.socket.fd);
    this.system.close(listener.socket.fd);
  }

  // ── turning ────────────────────────────────────────────────────────────────────────────────────────────────

  private readonly spin = (): void => {
    this.immediate = null;
    try {
      this.turnUntilYield();
    } finally {
      // Also after an exception of an owner, which node reports as uncaught: the next turn goes on behind it.
      this.sends.endTurn();
      if (this.running) this.immediate = setImmediate(this.spin);
    }
  };

  private turnUntilYield(): void {
    for (;;) {
      const worked = this.turn();
      if (!this.running) return;
      if (worked) this.workedSinceYield = true;
      if (this.hostReady || this.yieldWanted) this.yieldsOwed = YIELDS_BEFORE_BLOCK + 1;
      else if (this.yieldsOwed === 0 && this.clock.now - this.lastYield < YIELD_EVERY_MS) continue;
      this.yielding();
      return;
    }
  }

  private yielding(): void {
    if (this.yieldsOwed > 0) this.yieldsOwed--;
    else if (this.workedSinceYield) this.yieldsOwed = YIELDS_BEFORE_BLOCK - 1;
    this.workedSinceYield = false;
    this.hostReady = false;
    this.yieldWanted = false;
    this.lastYield = this.clock.now;
  }

  /** One wait and all that comes of it; true when there was something. */
  private turn(): boolean {
    if (this.eventAt === this.eventCount) this.wait();
    this.sends.beginTurn();
    let worked = false;
    while (this.eventAt < this.eventCount && this.running) {
      if (this.eventAt === this.readTo) this.readAhead();
      if (this.tellEvents()) worked = true;
      this.sends.flush();
    }
    const firedBefore = this.timers.fired;
    if (this.running) this.timers.advance(this.clock.now);
    if (this.deferred.length > 0) this.settleDeferred();
    if (this.turnEnds.length > 0) this.runTurnEnds();
    this.sends.endTurn();
    return worked || this.timers.fired !== firedBefore;
  }

  private wait(): void {
    this.eventAt = this.readTo = this.eventCount = 0;
    this.eventCount = this.poller.wait(this.waitMs());
    this.clock.refresh();
  }

  /** Reads for those of the next events that are nothing but bytes in the clear. */
  private readAhead(): void {
    const { poller, reads, slots } = this;
    const from = this.eventAt;
    const to = Math.min(this.eventCount, from + AHEAD_MOST);
    // One alone is read as well by its connection, and into the larger buffer.
    const several = to - from > 1;
    for (let i = from; i < to; i++) {
      reads.skip(i - from);
      const generation = poller.eventGeneration(i);
      if (!several || generation <= 0 || poller.events(i) !== EPOLLIN) continue;
      const conn = slots[poller.eventFd(i)]!;
      if (conn !== null && conn.generation === generation && conn.readsAhead) reads.read(i - from, conn.fd);
    }
    reads.finish(to - from);
    this.readFrom = from;
    this.readTo = to;
  }

  /** The events that were read ahead for; true when there was more than node's. */
  private tellEvents(): boolean {
    const { poller, reads } = this;
    let worked = false;
    while (this.eventAt < this.readTo && this.running) {
      const i = this.eventAt++;
      const generation = poller.eventGeneration(i);
      const fd = poller.eventFd(i);
      if (generation > 0) {
        const conn = this.slots[fd]!;
        worked = true;
        // An event of a descriptor that was closed earlier in this batch, and perhaps given to another, is nobody's.
        if (conn === null || conn.generation !== generation) continue;
        const slot = i - this.readFrom;
        const got = reads.got[slot]!;
        if (got === NOT_READ) conn.onEvents(poller.events(i));
        else conn.onReadAhead(reads.arena, slot * SLOT_BYTES, got);
      } else if (generation === HOST) {
        this.hostReady = true;
      } else {
        this.listeners.get(fd)?.onAcceptable();
        worked = true;
      }
    }
    return worked;
  }

  private waitMs(): number {
    if (this.yieldsOwed > 0) return 0;
    if (this.deferred.length > 0 || this.turnEnds.length > 0) return 0;
    const { now } = this.clock;
    const most = this.workedSinceYield ? this.lastYield + YIELD_EVERY_MS - now : this.restMs();
    return Math.max(0, Math.ceil(Math.min(most, this.timers.nextDeadline() - now)));
  }

  /** How long we may block when node has had its turns. */
  private restMs(): number {
    if (this.host < 0) return BLOCK_BLIND_MS;
    const due = hostDue();
    if (due === HOST_IMMEDIATES) this.yieldWanted = true;
    return due === HOST_IMMEDIATES ? 0 : due === HOST_TIMERS ? BLOCK_TIMERS_MS : BLOCK_MOST_MS;
  }

  // The two queues below keep their place, so that an exception of one callback does not lose the others.

  private settleDeferred(): void {
    // Only what stood there at first: an owner that connects anew from onClose, in vain again, must not hold up the turn.
    const queue = this.deferred;
    const end = queue.length;
    while (this.deferredAt < end && this.running) queue[this.deferredAt++]!.settle();
    if (this.deferredAt === queue.length) queue.length = 0;
    else queue.splice(0, this.deferredAt);
    this.deferredAt = 0;
  }

  private runTurnEnds(): void {
    const queue = this.turnEnds;
    const end = queue.length;
    while (this.turnEndAt < end && this.running) queue[this.turnEndAt++]!();
    if (this.turnEndAt === queue.length) queue.length = 0;
    else queue.splice(0, this.turnEndAt);
    this.turnEndAt = 0;
  }

  private nestHost(fd: number): void {
    if (fd < 0 || !this.running) return;
    if (this.poller.set(EPOLL_CTL_ADD, fd, EPOLLIN, HOST) >= 0) this.host = fd;
  }
}
