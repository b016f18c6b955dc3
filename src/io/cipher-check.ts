// Whether OpenSSL here knows cipher suites. Primary thread, at load; no state.

import { createSecureContext } from 'node:tls';

import { cipherLists } from '../security/cipher-suites.ts';

/** What is wrong, with the name that is unknown; null when nothing is. */
export function explainCiphers(names: readonly string[]): string | null {
  for (const name of names) {
    const { tls12, tls13 } = cipherLists([name]);
    try {
      createSecureContext({ ciphers: name.startsWith('TLS_') ? tls13 : tls12 });
    } catch {
      return `OpenSSL here knows no cipher suite ${JSON.stringify(name)}`;
    }
  }
  return null;
}
