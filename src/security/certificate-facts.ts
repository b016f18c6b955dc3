// The certificates that a configuration uses, as `/certs` and `server.days_until_first_cert_expiring` tell of them.
// Primary thread; made once per published configuration.

import type { X509Certificate } from 'node:crypto';

import type { PemPair, Snapshot } from '../config/snapshot.ts';
import { alternativeNames, readCertificates } from './certificate.ts';

const DAY_MS = 86_400_000;

interface Fact {
  readonly path: string;
  readonly certificate: X509Certificate;
  readonly validTo: number;
}

/** One TLS context, in Envoy's `admin.v3.Certificate`. */
interface Group {
  readonly ca: readonly Fact[];
  readonly chain: readonly Fact[];
}

export class CertificateFacts {
  private readonly groups: readonly Group[];

  constructor(snapshot: Pick<Snapshot, 'listeners' | 'clusters'>) {
    const groups: Group[] = [];
    for (const { tls } of snapshot.listeners) {
      if (tls === null) continue;
      const ca = factsOf(tls.clientCaFile, tls.clientCa);
      groups.push({ ca, chain: tls.certificates.flatMap(chainOf) });
    }
    for (const { tls } of snapshot.clusters) {
      if (tls !== null) groups.push({ ca: factsOf(tls.caFile, tls.ca), chain: tls.certificate === null ? [] : chainOf(tls.certificate) });
    }
    this.groups = groups;
  }

  /** Whole days; an expired certificate makes it 0, none at all Envoy's largest number. */
  daysUntilFirstExpiry(now: number): number {
    const all = this.groups.flatMap(({ ca, chain }) => [...ca, ...chain]);
    return all.length === 0 ? 0xffff_ffff : Math.min(...all.map(({ validTo }) => daysLeft(validTo, now)));
  }

  json(now: number): object {
    const list = (facts: readonly Fact[]): object[] => facts.map((fact) => describe(fact, now));
    return { certificates: this.groups.map(({ ca, chain }) => ({ ca_cert: list(ca), cert_chain: list(chain) })) };
  }
}

function chainOf({ certFile, cert }: PemPair): Fact[] {
  return factsOf(certFile, cert).slice(0, 1); // Envoy shows the leaf
}

function factsOf(path: string, pem: string | null): Fact[] {
  return readCertificates(pem ?? '').map((certificate) => ({ path, certificate, validTo: Date.parse(certificate.validTo) }));
}

function daysLeft(validTo: number, now: number): number {
  return Math.max(0, Math.floor((validTo - now) / DAY_MS));
}

function describe({ path, certificate, validTo }: Fact, now: number): object {
  const { dns, uri, ip } = alternativeNames(certificate);
  return {
    path,
    serial_number: certificate.serialNumber.toLowerCase(),
    subject_alt_names: [...dns.map((name) => ({ dns: name })), ...uri.map((name) => ({ uri: name })), ...ip.map((name) => ({ ip_address: name }))],
    days_until_expiration: String(daysLeft(validTo, now)),
    valid_from: instant(Date.parse(certificate.validFrom)),
    expiration_time: instant(validTo),
  };
}

function instant(ms: number): string {
  return new Date(ms).toISOString().replace('.000Z', 'Z');
}
