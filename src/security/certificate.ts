// Reads certificates: what a peer's says of it, and whether its names satisfy what is demanded. Any thread; no state.

import { X509Certificate } from 'node:crypto';
import { isIP } from 'node:net';

import type { PeerCertificate } from '../core/tls-info.ts';
import type { SanRule } from './tls-settings.ts';

const PEM = /-----BEGIN (?:TRUSTED |X509 )?CERTIFICATE-----[^-]+-----END (?:TRUSTED |X509 )?CERTIFICATE-----/g;

/** Every certificate in a PEM text. Throws what node throws for one that cannot be read. */
export function readCertificates(pem: string): X509Certificate[] {
  return (pem.match(PEM) ?? []).map((text) => new X509Certificate(text));
}

/** What rooms above may know of a certificate. */
export function describeCertificate(certificate: X509Certificate): PeerCertificate {
  const names = alternativeNames(certificate);
  return {
    subject: rfc2253(certificate.subject),
    issuer: rfc2253(certificate.issuer),
    serial: certificate.serialNumber.toLowerCase(),
    fingerprint256: certificate.fingerprint256.replaceAll(':', '').toLowerCase(),
    uriSans: names.uri,
    dnsSans: names.dns,
    ipSans: names.ip,
    validFrom: Date.parse(certificate.validFrom),
    validTo: Date.parse(certificate.validTo),
  };
}

/** Any one rule that holds is enough. */
export function satisfiesSans(certificate: X509Certificate, rules: readonly SanRule[]): boolean {
  const names = alternativeNames(certificate);
  return rules.some((rule) => names[rule.kind].some((name) => rule.matches(name)));
}

/** Whether a server's certificate is one of the host that we meant; a wildcard stands for one whole label. */
export function namesHost(certificate: X509Certificate, host: string): boolean {
  if (isIP(host) !== 0) return certificate.checkIP(host) !== undefined;
  return certificate.checkHost(host, { subject: 'never', wildcards: true, partialWildcards: false }) !== undefined;
}

interface AlternativeNames {
  readonly dns: string[];
  readonly uri: string[];
  readonly ip: string[];
}

/** node writes `DNS:a.example, URI:spiffe://…, IP Address:10.0.0.1`; a name with unusual characters as a JSON string. */
export function alternativeNames(certificate: X509Certificate): AlternativeNames {
  const names: AlternativeNames = { dns: [], uri: [], ip: [] };
  for (const [, kind, text] of (certificate.subjectAltName ?? '').matchAll(/(?:^|, )(DNS|URI|IP Address):("(?:[^"\\]|\\.)*"|[^,]*)/g)) {
    const name = text!.startsWith('"') ? (JSON.parse(text!) as string) : text!;
    if (kind === 'DNS') names.dns.push(name.toLowerCase());
    else if (kind === 'URI') names.uri.push(name);
    else names.ip.push(name);
  }
  return names;
}

/** node gives a line per attribute, in the order of the certificate; RFC 2253 has them reversed with commas between. */
function rfc2253(name: string): string {
  return name
    .split('\n')
    .filter((line) => line !== '')
    .map(escapeAttribute)
    .reverse()
    .join(',');
}

function escapeAttribute(line: string): string {
  const equals = line.indexOf('=');
  const value = line.slice(equals + 1).replace(/[,+"\\<>;]|^[ #]| $/g, '\\$&');
  return `${line.slice(0, equals)}=${value}`;
}
