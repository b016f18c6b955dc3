// Looks at certificates and keys before anybody uses them, and says in words what is wrong. Primary thread; pure.

import { createPrivateKey } from 'node:crypto';
import type { KeyObject } from 'node:crypto';

import type { CertificateReport } from '../config/secrets.ts';
import { alternativeNames, readCertificates } from './certificate.ts';

/** Of the first certificate in a text, when all can be read; else what is wrong. */
export function inspectCertificates(pem: string): CertificateReport | string {
  if (!pem.includes('-----BEGIN')) return 'holds no certificate in PEM form';
  let certificates;
  try {
    certificates = readCertificates(pem);
  } catch {
    return 'holds a certificate that cannot be read';
  }
  const [first] = certificates;
  if (first === undefined) return 'holds no certificate in PEM form';
  // A text that was cut off in the middle.
  if (count(pem, 'BEGIN') !== count(pem, 'END')) return 'ends in the middle of a certificate';
  const { dns } = alternativeNames(first);
  const commonName = /^CN=(.*)$/m.exec(first.subject)?.[1]?.toLowerCase();
  return {
    dnsNames: dns.length > 0 || commonName === undefined ? dns : [commonName],
    validFrom: Date.parse(first.validFrom),
    validTo: Date.parse(first.validTo),
  };
}

function count(pem: string, edge: 'BEGIN' | 'END'): number {
  return pem.split(`-----${edge} `).length - 1;
}

/** What is wrong with a key, or between it and the first certificate; null when nothing is. */
export function explainPair(cert: string, key: string): string | null {
  if (/ENCRYPTED/.test(key)) return 'the private key has a password: store it without one';
  let privateKey: KeyObject;
  try {
    privateKey = createPrivateKey(key);
  } catch {
    return 'holds no private key that can be read';
  }
  const [first] = readCertificates(cert);
  return first !== undefined && first.checkPrivateKey(privateKey) ? null : 'the private key does not belong to the certificate';
}
