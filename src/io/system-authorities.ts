// The authorities that this machine trusts: its own bundle where it has one, else the list that Node brings along.
// Any thread; read once per thread.

import { readFileSync } from 'node:fs';
import { rootCertificates } from 'node:tls';

/** Debian, Fedora, Alpine and SUSE, BSD. */
const BUNDLES = ['/etc/ssl/certs/ca-certificates.crt', '/etc/pki/tls/certs/ca-bundle.crt', '/etc/ssl/ca-bundle.pem', '/etc/ssl/cert.pem'];

let bundle: string | null = null;

/** PEM. */
export function systemAuthorities(): string {
  bundle ??= readBundle();
  return bundle;
}

function readBundle(): string {
  for (const file of BUNDLES) {
    try {
      return readFileSync(file, 'latin1');
    } catch {
      // another system keeps it elsewhere
    }
  }
  return rootCertificates.join('\n');
}
