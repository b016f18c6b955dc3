// OpenSSL's contexts as this thread made them from settings. Worker thread. They live as long as the settings are in use by
// a listener or a cluster, and as long as a connection that began with them may still ask: for the certificate of a server
// name until its handshake is over, and for a place to keep a session until it closes.

import { createHash } from 'node:crypto';

import { cipherLists } from '../../security/cipher-suites.ts';
import { demandsCertificate } from '../../security/peer-check.ts';
import { systemAuthorities } from '../system-authorities.ts';
import type { CertificatePair, ClientTls, ServerTls, TlsVersion } from '../../security/tls-settings.ts';
import type { OpenSsl, Pointer } from './openssl.ts';
import type { TlsCallbacks } from './tls-callbacks.ts';

const CTRL_MODE = 33;
const CTRL_READ_AHEAD = 41;
const CTRL_SESSION_CACHE = 44;
const CTRL_SERVER_NAME_CALLBACK = 53;
const CTRL_CHAIN_CERT = 89;
const CTRL_MIN_VERSION = 123;
const CTRL_MAX_VERSION = 124;

/** Partial writes, from another place than before, and no buffers while idle. */
const MODE = 0x1 | 0x2 | 0x10;
/** Server's order of ciphers, no renegotiation, no compression; an end without close_notify is an end, as to Envoy. */
const OPTIONS = 0x0040_0000 | 0x4000_0000 | 0x0002_0000 | 0x80;
const CACHE_OFF = 0;
/** We keep them ourselves: OpenSSL only tells us. */
const CACHE_CLIENT = 0x001 | 0x300;

const VERIFY_PEER = 1;
const VERIFY_REQUIRED = 2;

/** One is enough for a client that comes back; each costs a tenth of a handshake. */
const TICKETS = 1;
/** Sessions of hosts that one context remembers. */
const SESSIONS = 1024;

const VERSIONS: Readonly<Record<TlsVersion, number>> = { 'TLSv1.2': 0x0303, 'TLSv1.3': 0x0304 };

/** Throws an Error with the reason when OpenSSL does not take something; the primary has tried it all before. */
function made(ok: number, what: string, ssl: OpenSsl): void {
  if (ok > 0) return;
  const reason = ssl.ERR_reason_error_string(ssl.ERR_get_error());
  ssl.ERR_clear_error();
  throw new Error(`${what}: ${reason ?? 'refused by OpenSSL'}`);
}

/** A text as C has it. */
export function cString(text: string): Buffer {
  const bytes = Buffer.allocUnsafeSlow(Buffer.byteLength(text) + 1);
  bytes[bytes.write(text)] = 0;
  return bytes;
}

const NO_PASSWORD = cString('');

/** Something with contexts: freed when nobody will make connections of it any more and none needs it to go on. */
abstract class Shared {
  private users = 1;

  /** A connection needs it. */
  retain(): void {
    this.users++;
  }

  /** A connection needs it no more, or its settings are given up. */
  release(): void {
    if (--this.users === 0) this.free();
  }

  protected abstract free(): void;
}

export class ServerContexts extends Shared {
  readonly tls: ServerTls;
  readonly first: Pointer;
  private readonly ssl: OpenSsl;
  private readonly contexts: Pointer[] = [];
  private readonly exact = new Map<string, Pointer>();
  /** By what follows the `*`: `.example.com`. */
  private readonly wildcards = new Map<string, Pointer>();

  constructor(ssl: OpenSsl, tls: ServerTls, callbacks: TlsCallbacks) {
    super();
    this.ssl = ssl;
    this.tls = tls;
    try {
      for (const pairs of byNames(tls.pairs)) this.add(pairs, callbacks);
    } catch (error) {
      this.free();
      throw error;
    }
    this.first = this.contexts[0]!;
    // Only the context that a connection begins with is asked.
    if (this.contexts.length > 1) ssl.SSL_CTX_callback_ctrl(this.first, CTRL_SERVER_NAME_CALLBACK, callbacks.serverName);
  }

  /** For a name that a client asks for. */
  contextFor(serverName: string): Pointer {
    const name = serverName.toLowerCase();
    const exact = this.exact.get(name);
    if (exact !== undefined) return exact;
    const dot = name.indexOf('.');
    return (dot < 0 ? undefined : this.wildcards.get(name.slice(dot))) ?? this.first;
  }

  protected free(): void {
    for (const context of this.contexts) this.ssl.SSL_CTX_free(context);
    this.contexts.length = 0;
  }

  private add(pairs: readonly CertificatePair[], callbacks: TlsCallbacks): void {
    const { ssl, tls } = this;
    const context = newContext(ssl, ssl.TLS_server_method(), tls);
    this.contexts.push(context);
    ssl.SSL_CTX_ctrl(context, CTRL_SESSION_CACHE, CACHE_OFF, 0);
    ssl.SSL_CTX_set_num_tickets(context, TICKETS);
    ssl.SSL_CTX_set_tlsext_ticket_key_evp_cb(context, callbacks.ticketKey);
    for (const pair of pairs) usePair(ssl, context, pair);
    if (tls.alpn.length > 0) ssl.SSL_CTX_set_alpn_select_cb(context, callbacks.alpn, 0);
    if (tls.clientCa !== null) {
      for (const authority of readPem(ssl, tls.clientCa)) {
        ssl.X509_STORE_add_cert(ssl.SSL_CTX_get_cert_store(context), authority);
        ssl.SSL_CTX_add_client_CA(context, authority);
        ssl.X509_free(authority);
      }
      ssl.SSL_CTX_set_verify(context, demandsCertificate(tls) ? VERIFY_PEER | VERIFY_REQUIRED : VERIFY_PEER, 0);
      ssl.SSL_CTX_set_cert_verify_callback(context, callbacks.verify, 0);
    }
    const id = sessionIdContext(tls);
    ssl.SSL_CTX_set_session_id_context(context, ssl.pointer(id), id.length);
    for (const { serverNames } of pairs) {
      for (const name of serverNames) {
        const [table, key] = name.startsWith('*.') ? [this.wildcards, name.slice(1)] : [this.exact, name];
        if (!table.has(key)) table.set(key, context);
      }
    }
  }
}

/** An RSA and an ECDSA certificate for the same names share a context, and the client's ciphers choose. */
function byNames(pairs: readonly CertificatePair[]): CertificatePair[][] {
  const groups = new Map<string, CertificatePair[]>();
  for (const pair of pairs) {
    const key = pair.serverNames.join(' ');
    const group = groups.get(key);
    if (group === undefined) groups.set(key, [pair]);
    else group.push(pair);
  }
  return [...groups.values()];
}

/** A ticket counts only where the same is demanded of the client: it carries the certificate that was verified then. */
function sessionIdContext(tls: ServerTls): Buffer {
  const hash = createHash('sha256').update(tls.clientCa ?? '').update(String(demandsCertificate(tls)));
  for (const { kind, text } of tls.sans) hash.update(`\0${kind}\0${text}`);
  return hash.digest();
}

export class ClientContext extends Shared {
  readonly tls: ClientTls;
  readonly context: Pointer;
  private readonly ssl: OpenSsl;
  /** The newest session of each host; each holds a reference. */
  private readonly sessions = new Map<string, Pointer>();

  constructor(ssl: OpenSsl, tls: ClientTls, callbacks: TlsCallbacks) {
    super();
    this.ssl = ssl;
    this.tls = tls;
    this.context = newContext(ssl, ssl.TLS_client_method(), { ...tls, ciphers: [] });
    try {
      this.setUp(callbacks);
    } catch (error) {
      this.free();
      throw error;
    }
  }

  private setUp(callbacks: TlsCallbacks): void {
    const { ssl, tls, context } = this;
    ssl.SSL_CTX_ctrl(context, CTRL_SESSION_CACHE, CACHE_CLIENT, 0);
    ssl.SSL_CTX_sess_set_new_cb(context, callbacks.newSession);
    if (tls.pair !== null) usePair(ssl, context, tls.pair);
    if (tls.alpn.length > 0) {
      const list = Buffer.concat(tls.alpn.flatMap((name) => [Buffer.from([name.length]), Buffer.from(name, 'latin1')]));
      ssl.SSL_CTX_set_alpn_protos(context, ssl.pointer(list), list.length);
    }
    if (tls.insecureSkipVerify) return;
    const store = ssl.SSL_CTX_get_cert_store(context);
    for (const authority of readPem(ssl, tls.ca ?? systemAuthorities())) {
      ssl.X509_STORE_add_cert(store, authority);
      ssl.X509_free(authority);
    }
    ssl.SSL_CTX_set_verify(context, VERIFY_PEER, 0);
    ssl.SSL_CTX_set_cert_verify_callback(context, callbacks.verify, 0);
  }

  session(host: string): Pointer {
    return this.sessions.get(host) ?? 0;
  }

  /** Takes the reference over. */
  keepSession(host: string, session: Pointer): void {
    const old = this.sessions.get(host);
    if (old !== undefined) this.ssl.SSL_SESSION_free(old);
    this.sessions.delete(host);
    this.sessions.set(host, session);
    if (this.sessions.size > SESSIONS) this.forgetSession(this.sessions.keys().next().value!);
  }

  /** The host did not like it, or there are too many. */
  forgetSession(host: string): void {
    const session = this.sessions.get(host);
    if (session === undefined) return;
    this.sessions.delete(host);
    this.ssl.SSL_SESSION_free(session);
  }

  protected free(): void {
    for (const session of this.sessions.values()) this.ssl.SSL_SESSION_free(session);
    this.sessions.clear();
    this.ssl.SSL_CTX_free(this.context);
  }
}

function newContext(ssl: OpenSsl, method: Pointer, settings: { minVersion: TlsVersion; maxVersion: TlsVersion; ciphers: readonly string[] }): Pointer {
  const context = ssl.SSL_CTX_new(method);
  made(context === 0 ? 0 : 1, 'a TLS context', ssl);
  const { tls12, tls13 } = cipherLists(settings.ciphers);
  ssl.SSL_CTX_ctrl(context, CTRL_MODE, MODE, 0);
  ssl.SSL_CTX_set_options(context, OPTIONS);
  ssl.SSL_CTX_ctrl(context, CTRL_READ_AHEAD, 1, 0);
  ssl.SSL_CTX_ctrl(context, CTRL_MIN_VERSION, VERSIONS[settings.minVersion], 0);
  ssl.SSL_CTX_ctrl(context, CTRL_MAX_VERSION, VERSIONS[settings.maxVersion], 0);
  made(ssl.SSL_CTX_set_cipher_list(context, tls12), `the cipher list ${tls12}`, ssl);
  made(ssl.SSL_CTX_set_ciphersuites(context, tls13), `the cipher suites ${tls13}`, ssl);
  return context;
}

function usePair(ssl: OpenSsl, context: Pointer, pair: CertificatePair): void {
  readPem(ssl, pair.cert).forEach((certificate, i) => {
    if (i === 0) {
      const ok = ssl.SSL_CTX_use_certificate(context, certificate);
      ssl.X509_free(certificate);
      made(ok, 'a certificate', ssl);
    } else if (ssl.SSL_CTX_ctrl(context, CTRL_CHAIN_CERT, 0, certificate) <= 0) {
      ssl.X509_free(certificate); // else it is the context's now
    }
  });
  const text = cString(pair.key);
  const bio = ssl.BIO_new_mem_buf(ssl.pointer(text), text.length - 1);
  const key = ssl.PEM_read_bio_PrivateKey(bio, 0, 0, ssl.pointer(NO_PASSWORD));
  ssl.BIO_free(bio);
  made(key === 0 ? 0 : 1, 'a private key', ssl);
  const ok = ssl.SSL_CTX_use_PrivateKey(context, key);
  ssl.EVP_PKEY_free(key);
  made(ok, 'a private key', ssl);
  made(ssl.SSL_CTX_check_private_key(context), 'a private key', ssl);
}

/** All certificates of a text, each to be freed by the caller. */
function readPem(ssl: OpenSsl, pem: string): Pointer[] {
  const text = cString(pem);
  const bio = ssl.BIO_new_mem_buf(ssl.pointer(text), text.length - 1);
  const certificates: Pointer[] = [];
  for (let one = ssl.PEM_read_bio_X509(bio, 0, 0, 0); one !== 0; one = ssl.PEM_read_bio_X509(bio, 0, 0, 0)) certificates.push(one);
  ssl.BIO_free(bio);
  ssl.ERR_clear_error(); // the end of the text is an error to it
  return certificates;
}
