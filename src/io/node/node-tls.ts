// TLS settings as node takes them. Worker thread; one per settings object, kept by the loop. A server here never listens:
// it is handed sockets that were accepted elsewhere, and gives back what speaks TLS on them.

import { createHash } from 'node:crypto';
import type { X509Certificate } from 'node:crypto';
import { isIP, Socket } from 'node:net';
import { connect, createSecureContext, createServer } from 'node:tls';
import type { PeerCertificate, SecureContext, SecureContextOptions, Server, TLSSocket } from 'node:tls';

import type { Address } from '../../core/address.ts';
import { cipherLists } from '../../security/cipher-suites.ts';
import { demandsCertificate, isMeant, mayEnter, SAN_MISMATCH, tlsError } from '../../security/peer-check.ts';
import { readCertificates } from '../../security/certificate.ts';
import type { CertificatePair, ClientTls, ServerTls } from '../../security/tls-settings.ts';
import { systemAuthorities } from '../system-authorities.ts';
import { cacheSessions } from './session-cache.ts';

/** Who waits for a handshake. */
export interface Handshaker {
  secured(socket: TLSSocket): void;
  refused(error: string): void;
}

type Raw = Socket & { handshaker?: Handshaker };
/** What it wraps: node's name for it. */
type Secured = TLSSocket & { readonly _parent?: Raw };

const VERIFY_FAILED = 'certificate verify failed';
const NO_CERTIFICATE = 'peer did not return a certificate';
const CODE_VERIFY = '0A000086';
const CODE_NO_CERTIFICATE = '0A0000C7';
/** Sessions of hosts that one client remembers. */
const SESSIONS = 1024;

export class TlsServer {
  private readonly tls: ServerTls;
  private readonly server: Server;
  /** By name, without those of the first pair. */
  private readonly contexts = new Map<string, SecureContext>();
  private ticketKey: Buffer | undefined;

  constructor(tls: ServerTls) {
    const [first, ...others] = byNames(tls.pairs);
    this.tls = tls;
    for (const pairs of others) this.add(pairs);
    this.server = createServer({
      ...contextOptions(tls, first!),
      honorCipherOrder: true,
      ...(others.length > 0 ? { SNICallback: (name: string, done: (error: null, context?: SecureContext) => void) => done(null, this.contextFor(name)) } : {}),
      ...(tls.alpn.length > 0 ? { ALPNProtocols: [...tls.alpn] } : {}),
      requestCert: tls.clientCa !== null,
      rejectUnauthorized: tls.clientCa !== null && demandsCertificate(tls),
      sessionIdContext: createHash('sha256').update(tls.clientCa ?? '').update(tls.sans.map(({ kind, text }) => `${kind} ${text}`).join('\n')).digest('hex').slice(0, 32),
    });
    this.server.on('secureConnection', (socket: Secured) => this.onSecured(socket));
    this.server.on('tlsClientError', (error: NodeJS.ErrnoException & { reason?: string }, socket: Secured) => socket._parent?.handshaker?.refused(errorText(error)));
    cacheSessions(this.server);
  }

  accept(raw: Raw, handshaker: Handshaker): void {
    const key = this.tls.ticketKeys[0];
    if (key !== undefined && key !== this.ticketKey) this.server.setTicketKeys(nodeTicketKey(key));
    this.ticketKey = key;
    raw.handshaker = handshaker;
    raw.allowHalfOpen = false; // an end during the handshake is the end
    this.server.emit('connection', raw);
  }

  private add(pairs: readonly CertificatePair[]): void {
    const context = createSecureContext(contextOptions(this.tls, pairs));
    for (const name of pairs[0]!.serverNames) if (!this.contexts.has(name)) this.contexts.set(name, context);
  }

  /** undefined: that of the first pair, unless its names come first. */
  private contextFor(serverName: string): SecureContext | undefined {
    const name = serverName.toLowerCase();
    const first = this.tls.pairs[0]!.serverNames;
    if (first.includes(name)) return undefined;
    const exact = this.contexts.get(name);
    const dot = name.indexOf('.');
    if (exact !== undefined || dot < 0) return exact;
    const wildcard = `*${name.slice(dot)}`;
    return first.includes(wildcard) ? undefined : this.contexts.get(wildcard);
  }

  private onSecured(socket: Secured): void {
    const handshaker = socket._parent?.handshaker;
    if (handshaker === undefined) return;
    const problem = this.problemOf(socket);
    socket.allowHalfOpen = true;
    if (problem === '') handshaker.secured(socket);
    else handshaker.refused(problem);
  }

  private problemOf(socket: TLSSocket): string {
    if (this.tls.clientCa === null) return '';
    const certificate = socket.getPeerX509Certificate();
    if (certificate === undefined) return demandsCertificate(this.tls) ? tlsError(CODE_NO_CERTIFICATE, NO_CERTIFICATE) : '';
    if (!socket.authorized) return verifyError(String(socket.authorizationError));
    return mayEnter(this.tls, certificate) ? '' : verifyError(SAN_MISMATCH);
  }
}

export interface SecureConnection {
  readonly socket: TLSSocket;
  readonly serverName: string;
}

export class TlsClient {
  private readonly tls: ClientTls;
  private readonly context: SecureContext;
  private readonly sessions = new Map<string, Buffer>();

  constructor(tls: ClientTls) {
    this.tls = tls;
    this.context = createSecureContext({
      ...contextOptions({ ...tls, ciphers: [] }, tls.pair === null ? [] : [tls.pair]),
      ...(tls.insecureSkipVerify ? {} : { ca: splitPem(tls.ca ?? systemAuthorities()) }),
    });
  }

  connect(to: Address, serverName: string): SecureConnection {
    const { tls } = this;
    const host = `${to.kind === 'ip' ? `${to.host} ${to.port}` : to.path} ${serverName}`;
    const raw = new Socket({ allowHalfOpen: true });
    // Before TLS is put on it: without a handle node would take it for a stream of JavaScript, which is slow and knows no
    // half-close. An address is never a name, so nothing is looked up here.
    if (to.kind === 'ip') raw.connect({ host: to.host, port: to.port, noDelay: true });
    else raw.connect({ path: to.path.startsWith('@') ? `\0${to.path.slice(1)}` : to.path });
    const session = this.sessions.get(host);
    const socket = connect({
      socket: raw,
      secureContext: this.context,
      rejectUnauthorized: !tls.insecureSkipVerify,
      checkServerIdentity: (_name, certificate) => this.check(serverName === '' && to.kind === 'ip' ? to.host : serverName, certificate),
      ...(serverName !== '' && isIP(serverName) === 0 ? { servername: serverName } : {}),
      ...(tls.alpn.length > 0 ? { ALPNProtocols: [...tls.alpn] } : {}),
      ...(session === undefined ? {} : { session }),
    });
    socket.on('session', (fresh: Buffer) => this.keep(host, fresh));
    socket.on('error', () => this.sessions.delete(host));
    return { socket, serverName };
  }

  private check(name: string, peer: PeerCertificate): Error | undefined {
    const [certificate] = readCertificates(`-----BEGIN CERTIFICATE-----\n${peer.raw.toString('base64')}\n-----END CERTIFICATE-----`) as [X509Certificate];
    return isMeant(this.tls, name, certificate) ? undefined : Object.assign(new Error(SAN_MISMATCH), { code: 'ERR_TLS_CERT_ALTNAME_INVALID' });
  }

  private keep(host: string, session: Buffer): void {
    this.sessions.delete(host);
    this.sessions.set(host, session);
    if (this.sessions.size > SESSIONS) this.sessions.delete(this.sessions.keys().next().value!);
  }
}

/** In the words of the other engine. */
export function errorText(error: NodeJS.ErrnoException & { reason?: string }): string {
  const code = error.code ?? '';
  if (error.reason !== undefined) return tlsError(/error:([0-9A-F]{8})/.exec(error.message)?.[1] ?? '0A000000', error.reason);
  if (code === 'ERR_TLS_CERT_ALTNAME_INVALID') return verifyError(SAN_MISMATCH);
  if (code.startsWith('ERR_SSL_')) return tlsError('0A000000', code.slice('ERR_SSL_'.length));
  // node verifies by itself after the handshake, and names the failure as OpenSSL's constants do.
  return /^(CERT|UNABLE|DEPTH|SELF|INVALID|CRL|ERROR|HOSTNAME|PATH)_/.test(code) ? verifyError(code.replaceAll('_', ' ').toLowerCase()) : code === '' ? error.message : code;
}

export function verifyError(reason: string): string {
  return tlsError(CODE_VERIFY, VERIFY_FAILED, reason);
}

function contextOptions(tls: Pick<ServerTls, 'minVersion' | 'maxVersion' | 'ciphers'> & { clientCa?: string | null }, pairs: readonly CertificatePair[]): SecureContextOptions {
  const { tls12, tls13 } = cipherLists(tls.ciphers);
  return {
    cert: pairs.map(({ cert }) => cert),
    key: pairs.map(({ key }) => key),
    minVersion: tls.minVersion,
    maxVersion: tls.maxVersion,
    ciphers: `${tls13}:${tls12}`,
    ...(typeof tls.clientCa === 'string' ? { ca: splitPem(tls.clientCa) } : {}),
  };
}

/** node reads one certificate of each text only. */
function splitPem(pem: string): string[] {
  return readCertificates(pem).map((certificate) => certificate.toString());
}

/** node's tickets have keys of 16 bytes and one key at a time: name, HMAC, AES. */
function nodeTicketKey(key: Buffer): Buffer {
  return Buffer.concat([key.subarray(0, 16), key.subarray(16, 32), key.subarray(48, 64)]);
}

function byNames(pairs: readonly CertificatePair[]): CertificatePair[][] {
  const groups = new Map<string, CertificatePair[]>();
  for (const pair of pairs) {
    const key = pair.serverNames.join(' ');
    groups.set(key, [...(groups.get(key) ?? []), pair]);
  }
  return [...groups.values()];
}
