// Both ends of a TCP proxy as a test plays them: a server that keeps its connections at hand, a client that keeps what it
// was told and how it ended. Test code only.

import { once } from 'node:events';
import { connect, createServer, type AddressInfo, type Server, type Socket } from 'node:net';

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

  private constructor(server: Server) {
    this.server = server;
    server.on('connection', (socket: Socket) => this.peers.push(new Peer(socket)));
  }

  static async start(): Promise<PeerServer> {
    const server = createServer({ allowHalfOpen: true }).listen(0, '127.0.0.1');
    await once(server, 'listening');
    return new PeerServer(server);
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

/** An address where nobody listens. */
export async function closedAddress(): Promise<string> {
  const server = await PeerServer.start();
  const { address } = server;
  server.stop();
  return address;
}
