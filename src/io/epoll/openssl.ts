// The functions of OpenSSL that the epoll engine uses, in the library that the node executable brings along; bound through
// koffi once per thread, on first use. Pointers are plain numbers here as in libc.ts; `tls-*.ts` beside this file alone
// make and free them, and every range of bytes is checked in `tls-session.ts`.

import { createRequire } from 'node:module';

export type Pointer = number;

type Call = (...args: never[]) => unknown;

interface Koffi {
  load(path: null): { func(signature: string): Call };
  proto(signature: string): unknown;
  pointer(type: unknown): unknown;
  register(callback: Call, type: unknown): unknown;
  address(bufferOrCallback: unknown): bigint;
}

/** Name, result and parameters of each, by the name under which it is called. `p` is a pointer. */
const FUNCTIONS = {
  TLS_server_method: 'p()',
  TLS_client_method: 'p()',
  SSL_CTX_new: 'p(p)',
  SSL_CTX_free: 'void(p)',
  SSL_CTX_ctrl: 'int64(p, int, int64, p)',
  SSL_CTX_callback_ctrl: 'int64(p, int, p)',
  SSL_CTX_set_options: 'uint64(p, uint64)',
  SSL_CTX_set_cipher_list: 'int(p, str)',
  SSL_CTX_set_ciphersuites: 'int(p, str)',
  SSL_CTX_set_num_tickets: 'int(p, size_t)',
  SSL_CTX_set_session_id_context: 'int(p, p, uint)',
  SSL_CTX_set_alpn_select_cb: 'void(p, p, p)',
  SSL_CTX_set_alpn_protos: 'int(p, p, uint)',
  SSL_CTX_set_tlsext_ticket_key_evp_cb: 'int(p, p)',
  SSL_CTX_set_cert_verify_callback: 'void(p, p, p)',
  SSL_CTX_sess_set_new_cb: 'void(p, p)',
  SSL_CTX_set_verify: 'void(p, int, p)',
  SSL_CTX_use_certificate: 'int(p, p)',
  SSL_CTX_use_PrivateKey: 'int(p, p)',
  SSL_CTX_check_private_key: 'int(p)',
  SSL_CTX_get_cert_store: 'p(p)',
  SSL_CTX_add_client_CA: 'int(p, p)',
  X509_STORE_add_cert: 'int(p, p)',
  X509_STORE_CTX_get0_cert: 'p(p)',
  X509_STORE_CTX_get_error: 'int(p)',
  X509_STORE_CTX_set_error: 'void(p, int)',
  X509_verify_cert: 'int(p)',
  X509_verify_cert_error_string: 'str(int64)',
  BIO_new_mem_buf: 'p(p, int)',
  BIO_free: 'int(p)',
  PEM_read_bio_X509: 'p(p, p, p, p)',
  PEM_read_bio_PrivateKey: 'p(p, p, p, p)',
  X509_free: 'void(p)',
  EVP_PKEY_free: 'void(p)',
  i2d_X509: 'int(p, p)',
  SSL_new: 'p(p)',
  SSL_free: 'void(p)',
  SSL_ctrl: 'int64(p, int, int64, p)',
  SSL_set_fd: 'int(p, int)',
  SSL_set_accept_state: 'void(p)',
  SSL_set_connect_state: 'void(p)',
  SSL_do_handshake: 'int(p)',
  SSL_read: 'int(p, p, int)',
  SSL_peek: 'int(p, p, int)',
  SSL_write: 'int(p, p, int)',
  SSL_has_pending: 'int(p)',
  SSL_shutdown: 'int(p)',
  SSL_get_error: 'int(p, int)',
  SSL_get_servername: 'str(p, int)',
  SSL_set_SSL_CTX: 'p(p, p)',
  SSL_set_session: 'int(p, p)',
  SSL_session_reused: 'int(p)',
  SSL_version: 'int(p)',
  SSL_get_current_cipher: 'p(p)',
  SSL_CIPHER_get_name: 'str(p)',
  SSL_get0_alpn_selected: 'void(p, p, p)',
  SSL_get1_peer_certificate: 'p(p)',
  SSL_get_verify_result: 'int64(p)',
  SSL_SESSION_free: 'void(p)',
  SSL_SESSION_up_ref: 'int(p)',
  SSL_SESSION_is_resumable: 'int(p)',
  RAND_bytes: 'int(p, int)',
  EVP_aes_256_cbc: 'p()',
  EVP_EncryptInit_ex: 'int(p, p, p, p, p)',
  EVP_DecryptInit_ex: 'int(p, p, p, p, p)',
  EVP_MAC_CTX_set_params: 'int(p, p)',
  memcpy: 'p(p, p, size_t)',
  ERR_get_error: 'uint64()',
  ERR_clear_error: 'void()',
  ERR_reason_error_string: 'str(uint64)',
} as const;

type Name = keyof typeof FUNCTIONS;
type Signature<N extends Name> = (typeof FUNCTIONS)[N];
/** Texts go in where a signature says `str`; all else is a number. */
type Parameter<N extends Name> = Signature<N> extends `${string}(${string}str${string}` ? number | string : number;
type Result<N extends Name> = Signature<N> extends `str(${string}` ? string | null : number;

export type OpenSsl = { readonly [N in Name]: (...args: Parameter<N>[]) => Result<N> } & {
  /** Where a Buffer lies. The caller keeps it alive as long as OpenSSL may use it. */
  pointer(buf: Uint8Array): Pointer;
  /** A copy of bytes that OpenSSL lends. */
  bytesAt(at: Pointer, length: number): Buffer;
  /** Puts bytes where OpenSSL wants them. */
  putBytes(at: Pointer, bytes: Buffer): void;
  /** A C function that calls back on this thread only; it stays registered as long as the thread lives. */
  callback(parameters: string, fn: (...args: number[]) => number): Pointer;
};

/** What this thread has made and not yet given back, counted in the binding itself so that nobody can forget to: for tests. */
export const aliveInOpenSsl = { contexts: 0, connections: 0 };

let loaded: OpenSsl | string | null = null;

/** OpenSSL as this thread can reach it, or a text that says why it cannot. */
export function loadOpenSsl(): OpenSsl | string {
  loaded ??= bind();
  return loaded;
}

function bind(): OpenSsl | string {
  if (!process.versions['openssl']?.startsWith('3.')) return `this Node brings OpenSSL ${process.versions['openssl'] ?? 'none'}, and 3.x is needed`;
  try {
    return bound(createRequire(import.meta.url)('koffi') as Koffi);
  } catch (error) {
    return `OpenSSL cannot be reached in this Node: ${error instanceof Error ? error.message.split('\n', 1)[0] : String(error)}`;
  }
}

/** In koffi's words. */
function declaration(name: string, signature: string): string {
  const [result = '', parameters = ''] = signature.slice(0, -1).split('(');
  const types = parameters.replace(/\bp\b/g, 'uintptr_t').replace(/\bstr\b/g, 'const char*');
  return `${result.replace(/^p$/, 'uintptr_t').replace(/^str$/, 'const char*')} ${name}(${types})`;
}

function bound(koffi: Koffi): OpenSsl {
  const lib = koffi.load(null);
  const functions = Object.entries(FUNCTIONS).map(([name, signature]) => [name, lib.func(declaration(name, signature))]);
  const openssl = Object.fromEntries(functions) as { [N in Name]: (...args: Parameter<N>[]) => Result<N> };
  const pointer = (buf: Uint8Array): Pointer => Number(koffi.address(buf));
  let callbacks = 0;
  return {
    ...openssl,
    SSL_CTX_new: (method) => counted('contexts', openssl.SSL_CTX_new(method)),
    SSL_CTX_free: (context) => {
      aliveInOpenSsl.contexts--;
      return openssl.SSL_CTX_free(context);
    },
    SSL_new: (context) => counted('connections', openssl.SSL_new(context)),
    SSL_free: (ssl) => {
      aliveInOpenSsl.connections--;
      return openssl.SSL_free(ssl);
    },
    pointer,
    bytesAt: (at, length) => {
      const bytes = Buffer.allocUnsafeSlow(length);
      if (length > 0) openssl.memcpy(pointer(bytes), at, length);
      return bytes;
    },
    putBytes: (at, bytes) => {
      openssl.memcpy(at, pointer(bytes), bytes.length);
    },
    callback: (parameters, fn) => {
      const type = koffi.proto(declaration(`NuncioCallback${++callbacks}`, `int(${parameters})`));
      return Number(koffi.address(koffi.register(fn as Call, koffi.pointer(type))));
    },
  };
}

function counted(what: keyof typeof aliveInOpenSsl, made: Pointer): Pointer {
  if (made !== 0) aliveInOpenSsl[what]++;
  return made;
}
