// Both ends of a TCP proxy as a test plays them: a server that keeps its connections at hand, a client that keeps what it
// was told and how it ended. Test code only.

import { once } from 'node:events';
import { connect, createServer, type AddressInfo, type Server, type Socket } from 'node:net';
import { connect as connectTls, createServer as createTlsServer, type ConnectionOptions, type TLSSocket, type TlsOptions } from 'node:tls';

import { waitFor, within } from './deadline.ts';

/** One end of a connection; nothing happens on it that the test does not do. */
export class Peer {
  readonly socket: Socket;
  text = '';
  bytes = 0;
  ended = false;
  closed = false;
  error = '';
  /** Off for large amounts. */
  keepText = true;

  constructor(socket: Socket) {
    this.socket = socket;
    socket.on('data', (data: Buffer) => {
      this.bytes += data.length;
      if (this.keepText) this.text += data.toString('latin1');
    });
    socket.on('end', () => (this.ended = true));
    socket.on('close', () => (this.closed = true));
    socket.on('error', (error: NodeJS.ErrnoException) => (this.error = error.code ?? error.message));
  }

  send(data: string | Buffer): this {
    this.socket.write(data);
    return this;
  }

  /** FIN; the other direction stays open. */
  end(data = ''): this {
    this.socket.end(data);
    return this;
  }

  /** RST, below TLS where there is any. */
  reset(): void {
    const raw = (this.socket as Socket & { readonly _parent?: Socket | null })._parent ?? this.socket;
    raw.resetAndDestroy();
  }

  async hears(text: string): Promise<void> {
    await waitFor(`${JSON.stringify(text)}, having ${JSON.stringify(this.text)} ${this.error}`, () => this.text === text);
  }

  async hearsEnd(): Promise<void> {
    await waitFor('the end', () => this.ended || this.closed);
  }

  async isGone(): Promise<void> {
    await waitFor('the close', () => this.closed);
  }
}

export class PeerServer {
  readonly peers: Peer[] = [];
  private readonly server: Server;

  private constructor(server: Server, event: 'connection' | 'secureConnection') {
    this.server = server;
    server.on(event, (socket: Socket) => this.peers.push(new Peer(socket)));
  }

  static async start(): Promise<PeerServer> {
    const server = createServer({ allowHalfOpen: true }).listen(0, '127.0.0.1');
    await once(server, 'listening');
    return new PeerServer(server, 'connection');
  }

  /** Its connections are there when their handshake is over. */
  static async startTls(options: TlsOptions): Promise<PeerServer> {
    const server = createTlsServer({ allowHalfOpen: true, ...options });
    server.on('tlsClientError', () => undefined);
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    return new PeerServer(server, 'secureConnection');
  }

  get address(): string {
    return `127.0.0.1:${(this.server.address() as AddressInfo).port}`;
  }

  /** The n-th connection that was accepted. */
  async peer(n: number): Promise<Peer> {
    return waitFor(`connection ${n} to the server`, () => this.peers[n]);
  }

  stop(): void {
    for (const { socket } of this.peers) socket.destroy();
    this.server.close();
  }
}

/** Opens a connection to `host:port`. */
export async function call(address: string): Promise<Peer> {
  const colon = address.lastIndexOf(':');
  const socket = connect({ host: address.slice(0, colon), port: Number(address.slice(colon + 1)), allowHalfOpen: true });
  const peer = new Peer(socket);
  await within(`a connection to ${address}`, once(socket, 'connect'));
  return peer;
}

/** The same over TLS. Rejects where the handshake fails. */
export async function callTls(address: string, options: ConnectionOptions): Promise<Peer & { readonly socket: TLSSocket }> {
  const colon = address.lastIndexOf(':');
  const socket = connectTls({ host: address.slice(0, colon), port: Number(address.slice(colon + 1)), allowHalfOpen: true, ...options } as ConnectionOptions);
  const peer = new Peer(socket);
  await within(`a handshake with ${address}`, once(socket, 'secureConnect'));
  return peer as Peer & { readonly socket: TLSSocket };
}

/** What passes between two ends, looked at on the way: bytes to the server and from it, each as it came, null for a FIN. */
export class Relay {
  readonly toServer: (Buffer | null)[] = [];
  readonly fromServer: (Buffer | null)[] = [];
  private readonly server: Server;

  private constructor(address: string) {
    const colon = address.lastIndexOf(':');
    this.server = createServer({ allowHalfOpen: true }, (caller) => {
      const far = connect({ host: address.slice(0, colon), port: Number(address.slice(colon + 1)), allowHalfOpen: true });
      pass(caller, far, this.toServer);
      pass(far, caller, this.fromServer);
    });
  }

  static async start(address: string): Promise<Relay> {
    const relay = new Relay(address);
    relay.server.listen(0, '127.0.0.1');
    await once(relay.server, 'listening');
    return relay;
  }

  get address(): string {
    return `127.0.0.1:${(this.server.address() as AddressInfo).port}`;
  }

  stop(): void {
    this.server.close();
  }
}

function pass(from: Socket, to: Socket, seen: (Buffer | null)[]): void {
  from.on('data', (data: Buffer) => {
    seen.push(data);
    if (!to.write(data)) from.pause();
  });
  to.on('drain', () => from.resume());
  from.on('end', () => {
    seen.push(null);
    to.end();
  });
  from.on('error', () => to.resetAndDestroy());
}

/** An address where nobody listens. */
export async function closedAddress(): Promise<string> {
  const server = await PeerServer.start();
  const { address } = server;
  server.stop();
  return address;
}
