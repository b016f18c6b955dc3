// Where a contender stands: what its configuration is made from.

import type { Road } from './cases.ts';
import type { CertificateFiles } from './certificate.ts';

export interface Place {
  /** For its files. */
  readonly dir: string;
  readonly road: Road;
  readonly port: number;
  readonly upstreamPort: number;
  readonly certificate: CertificateFiles;
}

/** Whether callers speak HTTP/2 on this road. */
export function isHttp2In(road: Road): boolean {
  return road === 'h2' || road === 'h2-to-h2' || road === 'grpc';
}

/** Whether the upstream speaks HTTP/2 on this road. */
export function isHttp2Out(road: Road): boolean {
  return road === 'h1-to-h2' || road === 'h2-to-h2' || road === 'grpc';
}

/**
 * The suite of TLS 1.3 that Nuncio chooses by itself, so that the rivals encrypt alike; with what clients ask for first
 * they would take AES-256. Envoy has no such choice and takes that.
 */
export const RIVAL_SUITE = 'TLS_AES_128_GCM_SHA256';
