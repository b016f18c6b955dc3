// Settings for TLS as the engines take them, with everything that a test does not name at its usual value. Tests only.

import { randomBytes } from 'node:crypto';

import type { CertificatePair, ClientTls, SanRule, ServerTls } from '../../src/security/tls-settings.ts';
import type { Made } from './certificates.ts';
import { makeCertificate } from './certificates.ts';

/** One authority and a server's certificate for the whole test file. */
export const authority: Made = makeCertificate({ commonName: 'Test CA', authority: true });
export const serverPair: Made = makeCertificate({ names: ['a.test', '127.0.0.1'], issuer: authority });

export function pairOf(made: Made, serverNames: readonly string[] = []): CertificatePair {
  return { cert: made.cert, key: made.key, serverNames };
}

export function serverTls(given: Partial<ServerTls> = {}): ServerTls {
  return {
    pairs: [pairOf(serverPair)],
    minVersion: 'TLSv1.2',
    maxVersion: 'TLSv1.3',
    ciphers: [],
    alpn: [],
    clientCa: null,
    requireClientCertificate: false,
    sans: [],
    ticketKeys: [randomBytes(80)],
    ...given,
  };
}

export function clientTls(given: Partial<ClientTls> = {}): ClientTls {
  return {
    ca: authority.cert,
    serverName: 'a.test',
    sans: [],
    pair: null,
    alpn: [],
    minVersion: 'TLSv1.2',
    maxVersion: 'TLSv1.3',
    insecureSkipVerify: false,
    ...given,
  };
}

export function sanRule(kind: SanRule['kind'], name: string): SanRule {
  return { kind, text: `exact ${name}`, matches: (other) => other === name };
}
