// A connection of the node engine that speaks TLS. Worker thread; owned by its loop. Until the handshake is over it stands
// on the raw socket of an accepted connection; from then on, and for outgoing ones from the start, on node's TLSSocket.

import type { Socket } from 'node:net';
import type { TLSSocket } from 'node:tls';

import type { Address } from '../../core/address.ts';
import type { CloseReason, ConnOwner } from '../conn.ts';
import { CLOSED_REMOTE, CLOSED_RESET } from '../conn.ts';
import { TlsFacts } from '../tls-facts.ts';
import { CLOSED, CONNECTING, NodeConn } from './node-conn.ts';
import type { ConnSocket } from './node-conn.ts';
import type { NodeLoop } from './node-loop.ts';
import { errorText, verifyError, type Handshaker, type SecureConnection } from './node-tls.ts';

export class NodeTlsConn extends NodeConn implements Handshaker {
  private readonly accepted: boolean;
  /** TCP's own socket. */
  private raw: Socket;

  constructor(loop: NodeLoop, owner: ConnOwner, socket: ConnSocket, to: Address | null) {
    super(loop, owner, socket, to);
    this.raw = socket;
    this.accepted = to === null;
    this.flags |= CONNECTING;
  }

  /** An outgoing connection: waits for its handshake. */
  secure({ socket, serverName }: SecureConnection): void {
    socket.on('data', (chunk: Buffer) => this.onChunk(socket, chunk));
    socket.on('secureConnect', () => {
      this.note(socket, serverName);
      this.onConnected();
    });
  }

  /** An accepted connection has come through. */
  secured(socket: TLSSocket): void {
    if ((this.flags & CLOSED) !== 0) {
      socket.destroy();
      return;
    }
    this.raw.removeAllListeners('end');
    this.raw.removeAllListeners('close');
    socket.on('data', (chunk: Buffer) => this.onChunk(socket, chunk));
    this.attach(socket);
    const { servername } = socket as unknown as { servername?: string | false };
    this.note(socket, typeof servername === 'string' ? servername : '');
    this.onConnected();
  }

  refused(error: string): void {
    if (this.error === '') this.error = error;
    this.raw.destroy();
  }

  override onError(error: NodeJS.ErrnoException): void {
    if ((this.flags & CLOSED) === 0 && this.error === '') this.error = errorText(error);
  }

  override onEnded(): void {
    if ((this.flags & CONNECTING) === 0) super.onEnded();
  }

  protected override closeReason(): CloseReason {
    if (!this.accepted || (this.flags & (CLOSED | CONNECTING)) !== CONNECTING) return super.closeReason();
    // node ends a connection without a word whose client showed a certificate that does not hold.
    if (this.error === '') this.error = verifyError('certificate of the client');
    return this.error === 'ECONNRESET' ? CLOSED_REMOTE : CLOSED_RESET;
  }

  protected override sendReset(): void {
    this.loop.resetOnClose(this.raw);
  }

  private onChunk(socket: TLSSocket, chunk: Buffer): void {
    if (!this.onBytes(chunk, chunk.length)) socket.pause();
  }

  private note(socket: TLSSocket, serverName: string): void {
    this.tls = new TlsFacts({
      version: socket.getProtocol() ?? '',
      cipher: socket.getCipher().name,
      alpn: typeof socket.alpnProtocol === 'string' ? socket.alpnProtocol : '',
      serverName,
      resumed: socket.isSessionReused(),
      certificate: socket.getPeerX509Certificate()?.raw ?? null,
    });
  }
}
