// A listening socket on an epoll loop. Worker thread; owned by the loop. The descriptor is usually the primary's.

import type { Address } from '../../core/address.ts';
import type { Accept, ConnOwner, Listener, Opening } from '../conn.ts';
import { Timer } from '../../core/timer.ts';
import type { EpollLoop } from './epoll-loop.ts';
import { EAGAIN, EBADF, EINVAL, EMFILE, ENFILE, ENOBUFS, ENOMEM, ENOTSOCK } from './system.ts';

/** Connections accepted in one turn, so that those which are open are served in between. */
const ACCEPTS_PER_TURN = 64;
/** No descriptor or memory left: trying again at once would spin, the socket stays readable. */
const EXHAUSTED_PAUSE_MS = 100;
/** For handshakes that had begun when a listener was stopped for good: most round trips of the Internet. */
const HANDSHAKE_GRACE_MS = 100;

const RETRY = 0;
const GRACE = 1;

/** Stands above a connection until its owner is known, and above one that nobody wants. */
const nobody: ConnOwner = {
  onConnect: () => undefined,
  onData: () => undefined,
  onWritable: () => undefined,
  onEnd: () => undefined,
  onClose: () => undefined,
};

export interface ListenSocket {
  readonly fd: number;
  /** Whether the descriptor is the loop's, to be closed with it, and not the primary's. */
  readonly own: boolean;
}

export class EpollListener implements Listener {
  readonly address: Address;
  readonly socket: ListenSocket;
  private readonly loop: EpollLoop;
  private readonly accept: Accept;
  private readonly opening: Opening | null;
  private readonly retry = new Timer(this, RETRY);
  private readonly grace = new Timer(this, GRACE);
  private done: (() => void) | null = null;
  private forGood = false;
  private stopped = false;
  private held = false;

  constructor(loop: EpollLoop, socket: ListenSocket, address: Address, accept: Accept, opening: Opening | null = null) {
    this.loop = loop;
    this.socket = socket;
    this.address = address;
    this.accept = accept;
    this.opening = opening;
  }

  stop(done: () => void, forGood = false): void {
    if (this.done !== null || this.stopped) return;
    this.done = done;
    this.forGood = forGood;
    if (forGood && this.address.kind === 'ip' && this.loop.system.dropNewHandshakes(this.socket.fd) >= 0) {
      this.loop.timers.arm(this.grace, HANDSHAKE_GRACE_MS);
    }
    this.loop.atTurnEnd(() => this.onAcceptable());
  }

  hold(on: boolean): void {
    if (on === this.held || this.done !== null || this.stopped) return;
    this.held = on;
    if (on) this.loop.unwatchListener(this);
    else if (this.retry.deadline === 0) this.loop.watchListener(this);
  }

  onAcceptable(): void {
    if (this.stopped || (this.held && this.done === null)) return;
    for (let i = 0; i < ACCEPTS_PER_TURN; i++) {
      if (this.acceptOne()) continue;
      if (this.done !== null && this.retry.deadline === 0 && this.grace.deadline === 0) this.finish(this.done);
      return;
    }
    // More may be waiting; a stopping listener must not depend on an event that may have been delivered already.
    if (this.done !== null) this.loop.atTurnEnd(() => this.onAcceptable());
  }

  onTimer(kind: number): void {
    if (this.stopped) return;
    // After RETRY descriptors may have been given back; after GRACE the last handshakes are through.
    if (kind === RETRY && !this.held) this.loop.watchListener(this);
    if (this.done !== null) this.onAcceptable();
  }

  /** False when nothing more can be accepted now. */
  private acceptOne(): boolean {
    const system = this.loop.system;
    const fd = system.accept(this.socket.fd);
    if (fd < 0) {
      const errno = system.errno();
      if (errno === EAGAIN) return false;
      if (errno === EBADF || errno === EINVAL || errno === ENOTSOCK) return false; // closed under us by its owner
      if (errno === EMFILE || errno === ENFILE || errno === ENOBUFS || errno === ENOMEM) {
        this.loop.unwatchListener(this);
        this.loop.timers.arm(this.retry, EXHAUSTED_PAUSE_MS);
        return false;
      }
      return true; // this connection failed before it was accepted (ECONNABORTED, EPROTO, …); the next may be well
    }
    const conn = this.loop.adopt(fd, nobody, this.opening?.tls ?? null);
    conn.setPeer(system.sockaddr, system.sockaddrLength);
    if (this.address.kind === 'ip') system.setNoDelay(fd);
    let owner: ConnOwner | null = null;
    try {
      owner = this.accept(conn);
    } finally {
      if (owner === null) conn.reset(); // not wanted, or lost to an exception
    }
    if (owner === null) return true;
    conn.owner = owner;
    const opening = this.opening;
    if (opening === null || (opening.preamble === null && opening.tls === null)) conn.start();
    else conn.startOpening(opening);
    return true;
  }

  private finish(done: () => void): void {
    this.stopped = true;
    if (this.forGood) this.loop.system.refuseConnections(this.socket.fd);
    this.loop.removeListener(this);
    done();
  }
}

