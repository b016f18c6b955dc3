// TLS settings of a configuration → what an engine takes. Worker thread, at load; pure.

import { RE2JS } from 're2js';

import type { ClientTlsConfig, PemPair, SanMatch, ServerTlsConfig } from '../config/snapshot.ts';
import type { CertificatePair, ClientTls, SanRule, ServerTls } from './tls-settings.ts';

/** @param sharedKeys the ticket keys of all workers, for listeners that have none of their own; they change in place. */
export function compileServerTls(config: ServerTlsConfig, sharedKeys: readonly Buffer[]): ServerTls {
  return {
    pairs: config.certificates.map(pairOf),
    minVersion: config.minVersion,
    maxVersion: config.maxVersion,
    ciphers: config.cipherSuites,
    alpn: config.alpn,
    clientCa: config.clientCa,
    requireClientCertificate: config.requireClientCertificate,
    sans: config.subjectAltNames.map(sanRule),
    ticketKeys: config.secretTicketKeys.length > 0 ? config.secretTicketKeys.map((key) => Buffer.from(key, 'base64')) : sharedKeys,
  };
}

/** @param alpn what the cluster's protocol offers. */
export function compileClientTls(config: ClientTlsConfig, alpn: readonly string[]): ClientTls {
  return {
    ca: config.ca,
    serverName: config.serverName,
    sans: config.subjectAltNames.map(sanRule),
    pair: config.certificate === null ? null : pairOf(config.certificate),
    alpn,
    minVersion: 'TLSv1.2',
    maxVersion: 'TLSv1.3',
    insecureSkipVerify: config.insecureSkipVerify,
  };
}

function pairOf({ cert, secretKey, serverNames }: PemPair): CertificatePair {
  return { cert, key: secretKey, serverNames };
}

export function sanRule({ type, kind, value }: SanMatch): SanRule {
  return { kind: type, text: `${kind} ${value}`, matches: matcher(kind, type === 'dns' && kind !== 'regex' ? value.toLowerCase() : value) };
}

function matcher(kind: SanMatch['kind'], value: string): (name: string) => boolean {
  switch (kind) {
    case 'exact':
      return (name) => name === value;
    case 'prefix':
      return (name) => name.startsWith(value);
    case 'suffix':
      return (name) => name.endsWith(value);
    case 'contains':
      return (name) => name.includes(value);
    case 'regex': {
      const regex = RE2JS.compile(value);
      return (name) => regex.matches(name);
    }
  }
}
