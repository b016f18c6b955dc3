// A connection of the node engine that speaks TLS. Worker thread; owned by its loop. Until the handshake is over it stands
// on the raw socket of an accepted connection; from then on, and for outgoing ones from the start, on node's TLSSocket.

import type { Socket } from 'node:net';
import type { TLSSocket } from 'node:tls';

import type { Address } from '../../core/address.ts';
import type { CloseReason, ConnOwner, Opening, Preamble } from '../conn.ts';
import { CLOSED_REMOTE, CLOSED_RESET, PREAMBLE_MORE, PREAMBLE_MOST_BYTES } from '../conn.ts';
import { demandsCertificate } from '../../security/peer-check.ts';
import { TlsFacts } from '../tls-facts.ts';
import { CLOSED, CONNECTING, NodeConn } from './node-conn.ts';
import type { ConnSocket } from './node-conn.ts';
import type { NodeLoop } from './node-loop.ts';
import { errorText, verifyError, type Handshaker, type SecureConnection, type TlsServer } from './node-tls.ts';

export class NodeTlsConn extends NodeConn implements Handshaker {
  private readonly accepted: boolean;
  /** TCP's own socket. */
  private raw: Socket;
  private handshaking = false;
  /** Clients must show a certificate. */
  private demanding = false;
  /** What has been read of a preamble. */
  private first: Buffer | null = null;

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

  /** An accepted connection: its preamble, then TLS. */
  override startOpening(opening: Opening): void {
    if ((this.flags & CLOSED) !== 0) return;
    const server = this.loop.tlsServer(opening.tls!);
    this.demanding = demandsCertificate(opening.tls!);
    const { preamble } = opening;
    if (preamble === null) {
      this.shakeHands(server);
      return;
    }
    this.raw.on('data', (chunk: Buffer) => this.onFirstBytes(chunk, preamble, server));
    this.raw.resume(); // it was accepted paused
  }

  private onFirstBytes(chunk: Buffer, preamble: Preamble, server: TlsServer): void {
    const first = this.first === null ? chunk : Buffer.concat([this.first, chunk]);
    this.first = first;
    this.loop.enter();
    const length = preamble.inspect(this, first, 0, first.length);
    if ((this.flags & CLOSED) !== 0 || (length === PREAMBLE_MORE && first.length < PREAMBLE_MOST_BYTES)) return;
    this.raw.removeAllListeners('data');
    if (length < 0) {
      this.destroy();
      return;
    }
    this.first = null;
    this.raw.pause();
    // What is left in the socket is the first that TLS reads.
    if (length < first.length) this.raw.unshift(first.subarray(length));
    this.shakeHands(server);
  }

  private shakeHands(server: TlsServer): void {
    this.handshaking = true;
    server.accept(this.raw, this);
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
    else if (this.accepted && !this.handshaking) this.raw.destroy(); // in the middle of a preamble
  }

  protected override closeReason(): CloseReason {
    if (!this.accepted || (this.flags & (CLOSED | CONNECTING)) !== CONNECTING) return super.closeReason();
    if (!this.handshaking) return this.error === '' ? CLOSED_REMOTE : CLOSED_RESET;
    // Where one is demanded, node ends a connection without a word whose client showed a certificate that does not hold.
    if (this.error === '' && this.demanding) this.error = verifyError('certificate of the client');
    return this.error === '' || this.error === 'ECONNRESET' ? CLOSED_REMOTE : CLOSED_RESET;
  }

  /** An accepted connection is up also while it shakes hands. */
  override reset(): void {
    if (this.accepted && (this.flags & (CLOSED | CONNECTING)) === CONNECTING) this.sendReset();
    super.reset();
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
