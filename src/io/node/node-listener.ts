// A listening socket of the node engine. Worker thread; owned by its loop.
//
// node's server makes a Socket of its own for every connection; its handle is taken over into a Wire, which reads into
// the loop's shared buffer. That is what makes this engine fast: no Buffer and no event per read.

import { createServer } from 'node:net';
import type { ListenOptions, Server, Socket } from 'node:net';

import type { Address } from '../../core/address.ts';
import type { Accept, ConnOwner, Listener, Opening } from '../conn.ts';
import { duplicateFd, refuseConnections } from '../epoll/system.ts';
import type { NodeLoop } from './node-loop.ts';
import { NodeConn, Wire } from './node-conn.ts';
import { NodeTlsConn } from './node-tls-conn.ts';

const BACKLOG = 65_535;

/** `server.listen` lets others share the port from these versions on. */
interface NodeListenOptions extends ListenOptions {
  fd?: number;
  reusePort?: boolean;
}

const nobody: ConnOwner = {
  onConnect: () => undefined,
  onData: () => undefined,
  onWritable: () => undefined,
  onEnd: () => undefined,
  onClose: () => undefined,
};

export class NodeListener implements Listener {
  address: Address = { kind: 'unix', path: '' };
  private readonly loop: NodeLoop;
  private readonly accept: Accept;
  private readonly opening: Opening | null;
  private server: Server;
  /** Our duplicate of the primary's descriptor, or -1. */
  private fd = -1;
  private primaryFd = -1;
  private stopping = false;
  private held = false;
  private accepted = 0;

  constructor(loop: NodeLoop, accept: Accept, opening: Opening | null) {
    this.loop = loop;
    this.accept = accept;
    this.opening = opening;
    this.server = this.makeServer();
  }

  private makeServer(): Server {
    const server = createServer({ allowHalfOpen: true, pauseOnConnect: true, noDelay: true });
    server.on('connection', (socket) => this.onConnection(socket));
    return server;
  }

  /** Rejects with node's own Error, which carries `code`. */
  open(address: Address, fd: number): Promise<void> {
    return new Promise((resolve, reject) => {
      this.server.once('error', reject);
      // The server closes what it listens on, and `fd` is the primary's: it gets a duplicate.
      this.primaryFd = fd;
      if (fd >= 0) this.fd = duplicateFd(fd);
      this.server.listen(listenOptions(address, this.fd), () => {
        this.server.removeListener('error', reject);
        this.server.on('error', () => undefined); // a failed accept concerns one connection
        this.address = this.actualAddress(address);
        resolve();
      });
    });
  }

  stop(done: () => void, forGood = false): void {
    if (this.stopping) return;
    this.hold(false); // what is queued is still accepted
    this.stopping = true;
    let seen = -1;
    const round = (): void => {
      // libuv accepts one connection per poll, and a whole poll lies between two immediates: none came, none waits.
      if (seen === this.accepted) {
        this.loop.removeListener(this);
        if (forGood && this.fd >= 0) refuseConnections(this.fd);
        this.close();
        done();
        return;
      }
      seen = this.accepted;
      setImmediate(round);
    };
    setImmediate(round);
  }

  /**
   * The primary's descriptor keeps the queue while no server of ours takes from it. A socket of our own has no such keeper:
   * it goes on accepting.
   */
  hold(on: boolean): void {
    if (on === this.held || this.primaryFd < 0 || this.stopping) return;
    this.held = on;
    if (on) {
      this.server.close();
      return;
    }
    this.server = this.makeServer();
    this.fd = duplicateFd(this.primaryFd);
    this.server.on('error', () => undefined);
    this.server.listen(listenOptions(this.address, this.fd));
  }

  close(): void {
    this.stopping = true;
    this.server.close();
  }

  private onConnection(first: Socket & { _handle?: unknown }): void {
    this.accepted++;
    this.loop.enter();
    const tls = this.opening?.tls ?? null;
    const conn = tls === null ? this.plain(first) : new NodeTlsConn(this.loop, nobody, first, null);
    this.loop.keep(conn);
    let owner: ConnOwner | null = null;
    try {
      owner = this.accept(conn);
    } finally {
      if (owner === null) conn.reset(); // not wanted, or lost to an exception
    }
    if (owner === null) return;
    conn.owner = owner;
    const opening = this.opening;
    if (opening !== null && (opening.preamble !== null || opening.tls !== null)) conn.startOpening(opening);
  }

  private plain(first: Socket & { _handle?: unknown }): NodeConn {
    const handle = first._handle;
    first._handle = null;
    return new NodeConn(this.loop, nobody, new Wire(this.loop, handle), null);
  }

  private actualAddress(asked: Address): Address {
    const actual = this.server.address();
    if (asked.kind === 'unix' || actual === null || typeof actual === 'string') return asked;
    return { kind: 'ip', host: asked.host, port: actual.port };
  }
}

function listenOptions(address: Address, fd: number): NodeListenOptions {
  if (fd >= 0) return { fd, backlog: BACKLOG };
  if (address.kind === 'unix') {
    return { path: address.path.startsWith('@') ? `\0${address.path.slice(1)}` : address.path, backlog: BACKLOG };
  }
  const ipv6Only = address.host.includes(':') && address.host !== '::';
  return { host: address.host, port: address.port, backlog: BACKLOG, ipv6Only, reusePort: canReusePort() };
}

/** `reusePort` came with 22.12 and 23.1; older versions ignore it, and then only one worker can have the port. */
function canReusePort(): boolean {
  const [major = 0, minor = 0] = process.versions.node.split('.').map(Number);
  return process.platform === 'linux' && (major > 23 || (major === 23 && minor >= 1) || (major === 22 && minor >= 12));
}
