// Cipher suites for both engines. OpenSSL keeps those of TLS 1.3, whose names begin with `TLS_`, in a list of their own.
// Any thread; no state.

/** Envoy's choice: forward secrecy and authenticated encryption only, the cheaper AES first. */
const DEFAULT_TLS12 = [
  'ECDHE-ECDSA-AES128-GCM-SHA256',
  'ECDHE-RSA-AES128-GCM-SHA256',
  'ECDHE-ECDSA-CHACHA20-POLY1305',
  'ECDHE-RSA-CHACHA20-POLY1305',
  'ECDHE-ECDSA-AES256-GCM-SHA384',
  'ECDHE-RSA-AES256-GCM-SHA384',
];
const DEFAULT_TLS13 = ['TLS_AES_128_GCM_SHA256', 'TLS_AES_256_GCM_SHA384', 'TLS_CHACHA20_POLY1305_SHA256'];

export interface CipherLists {
  readonly tls12: string;
  readonly tls13: string;
}

/** Lists with `:` between the names; a version of which nothing is named keeps the default. */
export function cipherLists(names: readonly string[]): CipherLists {
  const tls13 = names.filter((name) => name.startsWith('TLS_'));
  const tls12 = names.filter((name) => !name.startsWith('TLS_'));
  return {
    tls12: (tls12.length > 0 ? tls12 : DEFAULT_TLS12).join(':'),
    tls13: (tls13.length > 0 ? tls13 : DEFAULT_TLS13).join(':'),
  };
}
