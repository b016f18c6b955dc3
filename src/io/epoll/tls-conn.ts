// @hot
// A connection of the epoll engine that speaks TLS: OpenSSL on the same descriptor. Worker thread; owned by its loop.
// It changes how bytes come and go, and puts a handshake before `onConnect`; everything else is EpollConn's.
//
// OpenSSL may hold bytes that epoll knows nothing of. So whoever stops reading early leaves a note (`moreDue`), and the
// loop comes back for it at the end of the turn.

import type { X509Certificate } from 'node:crypto';
import type { ConnOwner } from '../conn.ts';
import { CLOSED_CONNECT, CLOSED_REMOTE, CLOSED_RESET } from '../conn.ts';
import { isMeant, mayEnter, SAN_MISMATCH, tlsError } from '../../security/peer-check.ts';
import { TlsFacts } from '../tls-facts.ts';
import { ABORTED, CLOSED, CLOSING, ENDED, EpollConn, OPENING, PAUSED, WRITE_FAILED } from './epoll-conn.ts';
import type { EpollLoop } from './epoll-loop.ts';
import type { OpenSsl, Pointer } from './openssl.ts';
import { EPOLLIN, EPOLLOUT, EPOLLRDHUP } from './poller.ts';
import { READ_MOST_BYTES } from './read-size.ts';
import { EAGAIN, ECONNRESET, EPROTO, errnoName } from './system.ts';
import { certificateBytes, type CalledBack, type TlsCallbacks } from './tls-callbacks.ts';
import { cString, type ClientContext, type ServerContexts } from './tls-context.ts';

const ERROR_WANT_READ = 2;
const ERROR_WANT_WRITE = 3;
const ERROR_SYSCALL = 5;
const ERROR_ZERO_RETURN = 6;

const CTRL_SERVER_NAME = 55;
const TLS13 = 0x0304;

/** Names of ciphers by OpenSSL's own constants. */
const cipherNames = new Map<Pointer, string>();

export class TlsConn extends EpollConn implements CalledBack {
  private readonly openssl: OpenSsl;
  private readonly callbacks: TlsCallbacks;
  private readonly server: ServerContexts | null;
  private readonly client: ClientContext | null;
  private ssl: Pointer = 0;
  /** errno of the last call that gave -1. */
  private code = 0;
  /** OpenSSL holds, or may hold, more than it was asked for. */
  private moreDue = false;
  private moreAsked = false;
  private established = false;
  private protocol = '';
  private readonly askedName: string;
  /** Kept alive for us. */
  private held: ServerContexts | ClientContext | null;
  private sessionHost = '';
  private verifyReason = '';

  /** `context`: what an accepted connection is served with, or what an outgoing one asks for, and `serverName` then its SNI. */
  constructor(loop: EpollLoop, owner: ConnOwner, fd: number, context: ServerContexts | ClientContext, serverName = '') {
    super(loop, owner, fd, !('contextFor' in context));
    this.openssl = loop.openssl;
    this.callbacks = loop.tlsCallbacks;
    this.askedName = serverName;
    context.retain();
    this.held = context;
    if ('contextFor' in context) {
      this.server = context;
      this.client = null;
    } else {
      this.server = null;
      this.client = context;
    }
  }

  // ── the handshake ──────────────────────────────────────────────────────────────────────────────────────────

  protected override open(): void {
    const { openssl } = this;
    if (this.ssl === 0) this.begin();
    this.callbacks.active = this;
    if (openssl.ERR_get_error() !== 0) openssl.ERR_clear_error();
    const rc = openssl.SSL_do_handshake(this.ssl);
    if (rc === 1) {
      this.established = true;
      this.tls = this.agreed();
      if (this.server !== null) this.letGo();
      this.moreDue = openssl.SSL_has_pending(this.ssl) === 1;
      this.opened();
      this.askForMore();
      return;
    }
    const error = openssl.SSL_get_error(this.ssl, rc);
    if (error === ERROR_WANT_READ) this.arm(EPOLLIN | EPOLLRDHUP);
    else if (error === ERROR_WANT_WRITE) this.arm(EPOLLOUT);
    else this.openFailed(error);
  }

  private begin(): void {
    const { openssl, server, client } = this;
    this.ssl = openssl.SSL_new(server === null ? client!.context : server.first);
    openssl.SSL_set_fd(this.ssl, this.fd);
    if (client === null) {
      openssl.SSL_set_accept_state(this.ssl);
      return;
    }
    openssl.SSL_set_connect_state(this.ssl);
    if (this.askedName !== '') {
      const name = cString(this.askedName);
      openssl.SSL_ctrl(this.ssl, CTRL_SERVER_NAME, 0, openssl.pointer(name));
    }
    this.sessionHost = `${this.remoteAddress} ${this.remotePort} ${this.askedName}`;
    const session = client.session(this.sessionHost);
    if (session !== 0) openssl.SSL_set_session(this.ssl, session);
  }

  private agreed(): TlsFacts {
    const { openssl, ssl } = this;
    const cipher = openssl.SSL_get_current_cipher(ssl);
    let name = cipherNames.get(cipher);
    if (name === undefined) {
      name = openssl.SSL_CIPHER_get_name(cipher) ?? '';
      cipherNames.set(cipher, name);
    }
    return new TlsFacts({
      version: openssl.SSL_version(ssl) === TLS13 ? 'TLSv1.3' : 'TLSv1.2',
      cipher: name,
      alpn: this.client === null ? this.protocol : this.protocolOfServer(),
      serverName: this.client === null ? (openssl.SSL_get_servername(ssl, 0) ?? '') : this.askedName,
      resumed: openssl.SSL_session_reused(ssl) === 1,
      certificate: this.peerCertificate(),
    });
  }

  private protocolOfServer(): string {
    if (this.client!.tls.alpn.length === 0) return '';
    const { openssl } = this;
    const place = Buffer.alloc(16);
    const at = openssl.pointer(place);
    openssl.SSL_get0_alpn_selected(this.ssl, at, at + 8);
    return openssl.bytesAt(Number(place.readBigUInt64LE(0)), place.readUInt32LE(8)).latin1Slice();
  }

  private peerCertificate(): Buffer | null {
    if (this.server !== null && this.server.tls.clientCa === null) return null;
    const certificate = this.openssl.SSL_get1_peer_certificate(this.ssl);
    if (certificate === 0) return null;
    const der = certificateBytes(this.openssl, certificate);
    this.openssl.X509_free(certificate);
    return der;
  }

  private openFailed(error: number): void {
    const { openssl } = this;
    const errno = error === ERROR_SYSCALL ? this.loop.system.errno() : 0;
    const code = openssl.ERR_get_error();
    if (code !== 0) {
      const reason = openssl.ERR_reason_error_string(code) ?? '';
      openssl.ERR_clear_error();
      this.error = tlsError(code.toString(16).toUpperCase().padStart(8, '0'), reason, this.verifyReason);
    } else {
      this.error = errno === 0 ? 'ECONNRESET' : errnoName(errno);
    }
    // Another session may be more to its liking.
    this.client?.forgetSession(this.sessionHost);
    // With something left unread the close would be a RST, and destroy the alert that says why.
    if (code !== 0) this.loop.system.recv(this.fd, this.loop.readBuffer, 0, READ_MOST_BYTES, 0);
    if (this.client !== null) this.closeNow(CLOSED_CONNECT);
    else this.closeNow(code === 0 && errno === 0 ? CLOSED_REMOTE : CLOSED_RESET);
  }

  // ── called back by OpenSSL ─────────────────────────────────────────────────────────────────────────────────

  chooseProtocol(offered: readonly string[]): number {
    for (const name of this.server!.tls.alpn) {
      const at = offered.indexOf(name);
      if (at < 0) continue;
      this.protocol = name;
      return at;
    }
    return -1;
  }

  contextFor(serverName: string): Pointer {
    return this.server!.contextFor(serverName);
  }

  get ticketKeys(): readonly Buffer[] {
    return this.server!.tls.ticketKeys;
  }

  wants(certificate: X509Certificate): boolean {
    const { server, client } = this;
    const ok = client === null ? mayEnter(server!.tls, certificate) : isMeant(client.tls, this.askedName === '' ? this.remoteAddress : this.askedName, certificate);
    if (!ok) this.verifyReason = SAN_MISMATCH;
    return ok;
  }

  verifyFailed(reason: string): void {
    this.verifyReason = reason;
  }

  keepSession(session: Pointer): void {
    this.client!.keepSession(this.sessionHost, session);
  }

  // ── bytes ──────────────────────────────────────────────────────────────────────────────────────────────────

  protected override receive(most: number): number {
    const { openssl, ssl, loop } = this;
    const at = loop.system.range(loop.readBuffer, 0, most);
    this.callbacks.active = this;
    this.moreDue = false;
    if (openssl.ERR_get_error() !== 0) openssl.ERR_clear_error();
    let got = openssl.SSL_read(ssl, at, most);
    if (got <= 0) return this.settleRead(got);
    // A record holds 16 KB at most, and several may have come at once.
    while (openssl.SSL_has_pending(ssl) === 1) {
      if (got === most) {
        this.moreDue = true;
        break;
      }
      const more = openssl.SSL_read(ssl, at + got, most - got);
      if (more <= 0) {
        // The end, or a broken record: asked again, OpenSSL says so again.
        this.moreDue = openssl.SSL_get_error(ssl, more) !== ERROR_WANT_READ;
        break;
      }
      got += more;
    }
    return got;
  }

  protected override peek(): number {
    const { openssl, loop } = this;
    this.callbacks.active = this;
    if (openssl.ERR_get_error() !== 0) openssl.ERR_clear_error();
    const got = openssl.SSL_peek(this.ssl, loop.system.range(loop.readBuffer, 0, 1), 1);
    if (got <= 0) return this.settleRead(got);
    this.moreDue = true;
    return got;
  }

  private settleRead(rc: number): number {
    const error = this.openssl.SSL_get_error(this.ssl, rc);
    if (error === ERROR_ZERO_RETURN) return 0;
    this.code = this.errnoOf(error);
    return -1;
  }

  override get readsAhead(): boolean {
    return false;
  }

  protected override enqueue(): boolean {
    return false;
  }

  protected override transmit(buf: Buffer, start: number, end: number): number {
    const { openssl, ssl } = this;
    const base = this.loop.system.range(buf, start, end);
    const length = end - start;
    this.callbacks.active = this;
    if (openssl.ERR_get_error() !== 0) openssl.ERR_clear_error();
    let sent = 0;
    while (sent < length) {
      const took = openssl.SSL_write(ssl, base + sent, length - sent);
      if (took <= 0) {
        this.code = this.errnoOf(openssl.SSL_get_error(ssl, took));
        // What went wrong for good is told by the next attempt, if nothing else tells it before.
        return sent > 0 ? sent : -1;
      }
      sent += took;
    }
    return sent;
  }

  protected override finish(): number {
    const rc = this.openssl.SSL_shutdown(this.ssl);
    if (rc < 0) {
      this.code = this.errnoOf(this.openssl.SSL_get_error(this.ssl, rc));
      this.openssl.ERR_clear_error();
      if (this.code === EAGAIN) return -1;
    }
    if (super.finish() >= 0) return 0;
    this.code = this.loop.system.errno();
    return -1;
  }

  protected override failure(): number {
    return this.code;
  }

  private errnoOf(error: number): number {
    if (error === ERROR_WANT_READ || error === ERROR_WANT_WRITE) return EAGAIN;
    if (error !== ERROR_SYSCALL) return EPROTO;
    const errno = this.loop.system.errno();
    return errno === 0 || errno === EAGAIN ? ECONNRESET : errno;
  }

  protected override leave(): void {
    if (this.ssl !== 0) this.end();
    this.letGo();
  }

  private letGo(): void {
    this.held?.release();
    this.held = null;
  }

  private end(): void {
    const polite = this.established && this.kept === null && (this.flags & (ABORTED | WRITE_FAILED)) === 0;
    if (polite) this.openssl.SSL_shutdown(this.ssl);
    this.openssl.SSL_free(this.ssl);
    this.ssl = 0;
  }

  // ── what OpenSSL still holds ───────────────────────────────────────────────────────────────────────────────

  protected override onReadable(events: number): void {
    super.onReadable(events);
    if (this.moreDue) this.askForMore();
  }

  override resumeRead(): void {
    super.resumeRead();
    this.askForMore();
  }

  override settle(): void {
    this.moreAsked = false;
    if ((this.flags & (CLOSED | OPENING)) === 0 && this.moreDue && this.mayRead()) this.onReadable(0);
    else super.settle();
  }

  private askForMore(): void {
    if (!this.moreDue || this.moreAsked || !this.mayRead()) return;
    this.moreAsked = true;
    this.loop.deferred.push(this);
  }

  private mayRead(): boolean {
    return (this.flags & (PAUSED | ENDED | CLOSING | CLOSED)) === 0;
  }
}
