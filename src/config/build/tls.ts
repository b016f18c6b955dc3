// TLS settings → snapshot form, with the texts of the files that they name. Primary thread; every file has been read and
// found good by the checks.

import { DEFAULTS } from '../defaults.ts';
import type { ClusterTlsDocument, SubjectAltNameDocument, TextMatchDocument, TlsDocument } from '../document.ts';
import { NAME_KINDS, TEXT_MATCHERS } from '../schema/tls.ts';
import type { SecretFiles } from '../secrets.ts';
import type { ClientTlsConfig, PemPair, SanMatch, ServerTlsConfig } from '../snapshot.ts';
import { contentHash } from './content.ts';

/** ALPN of the protocols that a listener speaks, in the order of preference. */
const ALPN = { http2: 'h2', http1: 'http/1.1' } as const;

export function buildServerTls(tls: TlsDocument, protocols: readonly ('http1' | 'http2')[], files: SecretFiles): ServerTlsConfig {
  const defaults = DEFAULTS.tls;
  const body = {
    certificates: tls.certificates.map((pair) => buildPair(pair.cert, pair.key, files, pair.serverNames)),
    minVersion: tls.minVersion ?? defaults.minVersion,
    maxVersion: tls.maxVersion ?? defaults.maxVersion,
    cipherSuites: tls.cipherSuites ?? defaults.cipherSuites,
    alpn: tls.alpn ?? (['http2', 'http1'] as const).filter((name) => protocols.includes(name)).map((name) => ALPN[name]),
    clientCaFile: tls.clientCa === undefined ? '' : files.path(tls.clientCa),
    clientCa: tls.clientCa === undefined ? null : files.text(tls.clientCa),
    requireClientCertificate: tls.requireClientCertificate ?? defaults.requireClientCertificate,
    subjectAltNames: (tls.subjectAltNames ?? DEFAULTS.tls.subjectAltNames).map(buildSan),
    secretTicketKeys: (tls.sessionTicketKeys ?? defaults.sessionTicketKeys).map((name) => Buffer.from(files.text(name), 'latin1').toString('base64')),
  };
  return { ...body, hash: contentHash(body) };
}

export function buildClientTls(tls: ClusterTlsDocument, files: SecretFiles): ClientTlsConfig {
  const body = {
    caFile: tls.ca === undefined ? '' : files.path(tls.ca),
    ca: tls.ca === undefined ? null : files.text(tls.ca),
    serverName: (tls.serverName ?? '').toLowerCase(),
    subjectAltNames: (tls.subjectAltNames ?? DEFAULTS.tls.subjectAltNames).map(buildSan),
    certificate: tls.cert === undefined || tls.key === undefined ? null : buildPair(tls.cert, tls.key, files, []),
    insecureSkipVerify: tls.insecureSkipVerify ?? DEFAULTS.clusterTls.insecureSkipVerify,
  };
  return { ...body, hash: contentHash(body) };
}

function buildPair(cert: string, key: string, files: SecretFiles, serverNames?: readonly string[]): PemPair {
  const pem = files.text(cert);
  return {
    certFile: files.path(cert),
    cert: pem,
    keyFile: files.path(key),
    secretKey: files.text(key),
    serverNames: serverNames === undefined ? namesOf(pem, files) : serverNames.map((name) => name.toLowerCase()),
  };
}

function namesOf(pem: string, files: SecretFiles): readonly string[] {
  const report = files.tools.inspectCertificates(pem);
  return typeof report === 'string' ? [] : report.dnsNames;
}

function buildSan(document: SubjectAltNameDocument): SanMatch {
  const type = NAME_KINDS.find((kind) => document[kind] !== undefined)!;
  const match = document[type]!;
  const rule: TextMatchDocument = typeof match === 'string' ? { exact: match } : match;
  const kind = TEXT_MATCHERS.find((name) => rule[name] !== undefined)!;
  return { type, kind, value: rule[kind]! };
}
