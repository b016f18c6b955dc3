// Whether the other side may be spoken to, once its chain has been verified: both engines ask here. And the words in which
// a failed handshake is told, which are Envoy's as far as they are not BoringSSL's. Any thread; no state.

import type { X509Certificate } from 'node:crypto';

import { namesHost, satisfiesSans } from './certificate.ts';
import type { ClientTls, ServerTls } from './tls-settings.ts';

/** As Envoy: rules about names make no sense without a certificate. */
export function demandsCertificate(tls: ServerTls): boolean {
  return tls.requireClientCertificate || tls.sans.length > 0;
}

export function mayEnter(tls: ServerTls, certificate: X509Certificate): boolean {
  return tls.sans.length === 0 || satisfiesSans(certificate, tls.sans);
}

/** @param serverName what SNI asked for, or the address when there is no name. */
export function isMeant(tls: ClientTls, serverName: string, certificate: X509Certificate): boolean {
  return tls.sans.length > 0 ? satisfiesSans(certificate, tls.sans) : serverName === '' || namesHost(certificate, serverName);
}

const NO_CERTIFICATE = 'peer did not return a certificate';
const VERIFY_FAILED = 'certificate verify failed';
export const SAN_MISMATCH = 'verify SAN list';

/** `TLS_error:|…:TLS_error_end`, the transport failure reason that logs and answers show. */
export function tlsError(code: string, reason: string, verify = ''): string {
  return `TLS_error:|${code}:SSL routines:OpenSSL_internal:${reason.replaceAll(' ', '_').toUpperCase()}${verify === '' ? '' : `:verify cert failed: ${verify}`}:TLS_error_end`;
}

export type HandshakeFailure = 'none' | 'connection' | 'noCertificate' | 'verify' | 'san';

/** What kind of failure a connection's `error` tells; `none` when it is not one of TLS. */
export function handshakeFailure(error: string): HandshakeFailure {
  if (!error.startsWith('TLS_error')) return 'none';
  if (error.includes(SAN_MISMATCH)) return 'san';
  if (error.includes(upper(VERIFY_FAILED))) return 'verify';
  return error.includes(upper(NO_CERTIFICATE)) ? 'noCertificate' : 'connection';
}

function upper(text: string): string {
  return text.replaceAll(' ', '_').toUpperCase();
}
