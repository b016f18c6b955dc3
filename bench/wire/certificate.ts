// The certificate that every proxy shows: P-256, made for this run.

import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { makeCertificate } from '../../test/support/certificates.ts';

/** Paths of PEM files. */
export interface CertificateFiles {
  readonly cert: string;
  readonly key: string;
  /** Certificate and key in one, as HAProxy wants them. */
  readonly both: string;
}

export function writeCertificate(dir: string): CertificateFiles {
  const made = makeCertificate({ commonName: 'bench.test', names: ['bench.test', '127.0.0.1'] });
  const files = { cert: join(dir, 'cert.pem'), key: join(dir, 'key.pem'), both: join(dir, 'both.pem') };
  writeFileSync(files.cert, made.cert);
  writeFileSync(files.key, made.key);
  writeFileSync(files.both, made.cert + made.key);
  return files;
}
