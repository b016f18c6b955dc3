// The stats of TLS, the same for a listener and for a cluster: `ssl.handshake`, `ssl.versions.TLSv1.3`, … and the slot of
// each inside its block. Any thread; the road counts once per connection.

import type { TlsInfo } from '../core/tls-info.ts';
import type { StatKind } from './stat-names.ts';

/** Connections that speak TLS: shown in `http.PREFIX.` as `downstream_cx_ssl_total` and `downstream_cx_ssl_active`. */
export const SSL_CX_TOTAL = 0;
export const SSL_CX_ACTIVE = 1;
export const SSL_HANDSHAKE = 2;
export const SSL_CONNECTION_ERROR = 3;
export const SSL_SESSION_REUSED = 4;
export const SSL_NO_CERTIFICATE = 5;
export const SSL_FAIL_VERIFY_NO_CERT = 6;
export const SSL_FAIL_VERIFY_ERROR = 7;
export const SSL_FAIL_VERIFY_SAN = 8;

const VERSIONS_AT = 9;
const VERSIONS = ['TLSv1.2', 'TLSv1.3'];
const CIPHERS_AT = VERSIONS_AT + VERSIONS.length;
/** Those that are on by default; others are counted together. */
const CIPHERS = [
  'TLS_AES_128_GCM_SHA256', 'TLS_AES_256_GCM_SHA384', 'TLS_CHACHA20_POLY1305_SHA256', 'ECDHE-ECDSA-AES128-GCM-SHA256', 'ECDHE-RSA-AES128-GCM-SHA256',
  'ECDHE-ECDSA-CHACHA20-POLY1305', 'ECDHE-RSA-CHACHA20-POLY1305', 'ECDHE-ECDSA-AES256-GCM-SHA384', 'ECDHE-RSA-AES256-GCM-SHA384', 'other',
];

export const SSL_STATS: readonly (readonly [name: string, kind: StatKind])[] = [
  ['downstream_cx_ssl_total', 'counter'],
  ['downstream_cx_ssl_active', 'gauge'],
  ['ssl.handshake', 'counter'],
  ['ssl.connection_error', 'counter'],
  ['ssl.session_reused', 'counter'],
  ['ssl.no_certificate', 'counter'],
  ['ssl.fail_verify_no_cert', 'counter'],
  ['ssl.fail_verify_error', 'counter'],
  ['ssl.fail_verify_san', 'counter'],
  ...VERSIONS.map((name) => [`ssl.versions.${name}`, 'counter'] as const),
  ...CIPHERS.map((name) => [`ssl.ciphers.${name}`, 'counter'] as const),
];

/** As in Envoy, these are there from their first use on. */
export const LAZY_SSL = /^ssl\.(?:versions|ciphers)\./;

/** `at`: first cell of the block. */
export function countHandshake(cells: Float64Array, at: number, tls: TlsInfo): void {
  cells[at + SSL_HANDSHAKE]!++;
  if (tls.resumed) cells[at + SSL_SESSION_REUSED]!++;
  if (!tls.hasPeer) cells[at + SSL_NO_CERTIFICATE]!++;
  const version = VERSIONS.indexOf(tls.version);
  if (version >= 0) cells[at + VERSIONS_AT + version]!++;
  const cipher = CIPHERS.indexOf(tls.cipher);
  cells[at + CIPHERS_AT + (cipher < 0 ? CIPHERS.length - 1 : cipher)]!++;
}

const FAILURES = { connection: SSL_CONNECTION_ERROR, noCertificate: SSL_FAIL_VERIFY_NO_CERT, verify: SSL_FAIL_VERIFY_ERROR, san: SSL_FAIL_VERIFY_SAN } as const;

/** `none`: it did not fail for a reason of TLS's. */
export function countFailedHandshake(cells: Float64Array, at: number, failure: keyof typeof FAILURES | 'none'): void {
  if (failure !== 'none') cells[at + FAILURES[failure]]!++;
}
