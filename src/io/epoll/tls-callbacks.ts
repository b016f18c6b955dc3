// What OpenSSL asks back while it works for a connection. Worker thread; one set per thread, registered with the first
// context. OpenSSL calls only from inside our own calls, so the connection it works for is the one noted in `active`.

import { X509Certificate } from 'node:crypto';

import { cString } from './tls-context.ts';
import type { OpenSsl, Pointer } from './openssl.ts';

/** A connection as the callbacks see it. Nothing here may throw: below it is C. */
export interface CalledBack {
  /** The offered protocols in the client's order; returns the place of the chosen one, or -1. */
  chooseProtocol(offered: readonly string[]): number;
  contextFor(serverName: string): Pointer;
  readonly ticketKeys: readonly Buffer[];
  /** After the chain: whether the certificate is one that we want. */
  wants(certificate: X509Certificate): boolean;
  verifyFailed(reason: string): void;
  /** Takes the reference over. */
  keepSession(session: Pointer): void;
}

export interface TlsCallbacks {
  /** Set before every call that may come to a callback. */
  active: CalledBack | null;
  readonly alpn: Pointer;
  readonly serverName: Pointer;
  readonly ticketKey: Pointer;
  readonly verify: Pointer;
  readonly newSession: Pointer;
}

const ALPN_OK = 0;
const ALPN_FATAL = 2;
const OK = 0;
const TICKET_UNKNOWN = 0;
const TICKET_OPEN = 1;
/** Opened by an older key: the client gets a new one. */
const TICKET_RENEW = 2;
const TICKET_FAILED = -1;

const TICKET_NAME_BYTES = 16;
const TICKET_KEY_BYTES = 32;
const IV_BYTES = 16;

const X509_V_ERR_APPLICATION_VERIFICATION = 50;

/** struct OSSL_PARAM of a 64-bit machine: key, type, data, size, returned size. */
const PARAM_BYTES = 40;
const PARAM_UTF8 = 4;
const PARAM_BYTE_STRING = 5;

let callbacks: TlsCallbacks | null = null;

export function tlsCallbacks(ssl: OpenSsl): TlsCallbacks {
  callbacks ??= register(ssl);
  return callbacks;
}

function register(ssl: OpenSsl): TlsCallbacks {
  const tickets = new TicketCipher(ssl);
  const set: TlsCallbacks = {
    active: null,
    alpn: ssl.callback('p, p, p, p, uint, p', (...args) => chooseProtocol(ssl, set.active!, { out: args[1]!, outLength: args[2]!, offered: args[3]!, length: args[4]! })),
    serverName: ssl.callback('p, p, p', (conn) => {
      const name = ssl.SSL_get_servername(conn!, 0);
      if (name !== null) ssl.SSL_set_SSL_CTX(conn!, set.active!.contextFor(name));
      return OK;
    }),
    ticketKey: ssl.callback('p, p, p, p, p, int', (...args) => {
      const place = { name: args[1]!, iv: args[2]!, cipher: args[3]!, mac: args[4]! };
      return args[5] !== 0 ? tickets.seal(set.active!.ticketKeys, place) : tickets.open(set.active!.ticketKeys, place);
    }),
    verify: ssl.callback('p, p', (store) => verify(ssl, set.active!, store!)),
    newSession: ssl.callback('p, p', (_conn, session) => {
      set.active!.keepSession(session!);
      return 1;
    }),
  };
  return set;
}

interface AlpnPlace {
  readonly out: Pointer;
  readonly outLength: Pointer;
  readonly offered: Pointer;
  readonly length: number;
}

/** RFC 7301 section 3.2: no protocol in common ends the handshake with an alert. */
function chooseProtocol(ssl: OpenSsl, conn: CalledBack, place: AlpnPlace): number {
  const list = ssl.bytesAt(place.offered, place.length);
  const names: string[] = [];
  const offsets: number[] = [];
  for (let at = 0; at < list.length; at += 1 + list[at]!) {
    names.push(list.latin1Slice(at + 1, at + 1 + list[at]!));
    offsets.push(at);
  }
  const chosen = conn.chooseProtocol(names);
  if (chosen < 0) return ALPN_FATAL;
  const out = Buffer.allocUnsafeSlow(8);
  out.writeBigUInt64LE(BigInt(place.offered + offsets[chosen]! + 1), 0);
  ssl.putBytes(place.out, out);
  ssl.putBytes(place.outLength, list.subarray(offsets[chosen], offsets[chosen]! + 1));
  return ALPN_OK;
}

function verify(ssl: OpenSsl, conn: CalledBack, store: Pointer): number {
  if (ssl.X509_verify_cert(store) <= 0) {
    conn.verifyFailed(ssl.X509_verify_cert_error_string(ssl.X509_STORE_CTX_get_error(store)) ?? '');
    return 0;
  }
  try {
    if (conn.wants(new X509Certificate(certificateBytes(ssl, ssl.X509_STORE_CTX_get0_cert(store))))) return 1;
  } catch {
    // OpenSSL takes it and node cannot read it: then its names cannot be told either
  }
  ssl.X509_STORE_CTX_set_error(store, X509_V_ERR_APPLICATION_VERIFICATION);
  return 0;
}

/** DER. */
export function certificateBytes(ssl: OpenSsl, certificate: Pointer): Buffer {
  const der = Buffer.allocUnsafeSlow(Math.max(0, ssl.i2d_X509(certificate, 0)));
  const place = Buffer.allocUnsafeSlow(8);
  place.writeBigUInt64LE(BigInt(ssl.pointer(der)));
  ssl.i2d_X509(certificate, ssl.pointer(place));
  return der;
}

interface TicketPlace {
  readonly name: Pointer;
  readonly iv: Pointer;
  readonly cipher: Pointer;
  readonly mac: Pointer;
}

/** Tickets as OpenSSL itself would make them from one key of 80 bytes (name, HMAC-SHA256, AES-256-CBC), but from several keys. */
class TicketCipher {
  private readonly ssl: OpenSsl;
  private readonly aes: Pointer;
  private readonly params = Buffer.alloc(3 * PARAM_BYTES);
  private readonly macKey = Buffer.allocUnsafeSlow(TICKET_KEY_BYTES);
  private readonly aesKey = Buffer.allocUnsafeSlow(TICKET_KEY_BYTES);
  /** What `params` points to. */
  private readonly words = [cString('key'), cString('digest'), cString('SHA256')] as const;

  constructor(ssl: OpenSsl) {
    this.ssl = ssl;
    this.aes = ssl.EVP_aes_256_cbc();
    const [key, digest, sha256] = this.words;
    this.param(0, { key, type: PARAM_BYTE_STRING, data: this.macKey, length: TICKET_KEY_BYTES });
    this.param(1, { key: digest, type: PARAM_UTF8, data: sha256, length: sha256.length - 1 });
  }

  seal(keys: readonly Buffer[], place: TicketPlace): number {
    const key = keys[0];
    const { ssl } = this;
    if (key === undefined || ssl.RAND_bytes(place.iv, IV_BYTES) <= 0) return TICKET_FAILED;
    ssl.putBytes(place.name, key.subarray(0, TICKET_NAME_BYTES));
    this.take(key);
    if (ssl.EVP_EncryptInit_ex(place.cipher, this.aes, 0, ssl.pointer(this.aesKey), place.iv) <= 0) return TICKET_FAILED;
    return ssl.EVP_MAC_CTX_set_params(place.mac, ssl.pointer(this.params)) > 0 ? TICKET_OPEN : TICKET_FAILED;
  }

  open(keys: readonly Buffer[], place: TicketPlace): number {
    const { ssl } = this;
    const name = ssl.bytesAt(place.name, TICKET_NAME_BYTES);
    const index = keys.findIndex((key) => key.compare(name, 0, TICKET_NAME_BYTES, 0, TICKET_NAME_BYTES) === 0);
    if (index < 0) return TICKET_UNKNOWN;
    this.take(keys[index]!);
    if (ssl.EVP_MAC_CTX_set_params(place.mac, ssl.pointer(this.params)) <= 0) return TICKET_FAILED;
    if (ssl.EVP_DecryptInit_ex(place.cipher, this.aes, 0, ssl.pointer(this.aesKey), place.iv) <= 0) return TICKET_FAILED;
    return index === 0 ? TICKET_OPEN : TICKET_RENEW;
  }

  private take(key: Buffer): void {
    key.copy(this.macKey, 0, TICKET_NAME_BYTES, TICKET_NAME_BYTES + TICKET_KEY_BYTES);
    key.copy(this.aesKey, 0, TICKET_NAME_BYTES + TICKET_KEY_BYTES);
  }

  private param(index: number, { key, type, data, length }: { key: Buffer; type: number; data: Buffer; length: number }): void {
    const at = index * PARAM_BYTES;
    this.params.writeBigUInt64LE(BigInt(this.ssl.pointer(key)), at);
    this.params.writeUInt32LE(type, at + 8);
    this.params.writeBigUInt64LE(BigInt(this.ssl.pointer(data)), at + 16);
    this.params.writeBigUInt64LE(BigInt(length), at + 24);
  }
}
