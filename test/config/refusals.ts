import type { SecretTools } from '../../src/config/secrets.ts';
// Tables of broken values: each row puts one value into a document that is right, and tells what is then reported.

import type { Test } from 'tap';

import type { ConfigError } from '../../src/config/errors.ts';
import { loadConfig } from '../../src/config/load.ts';

/**
 * Where (below the table's place), what, and the problems it makes: `code /below: message; did you mean …`, where
 * `/below` is left out for the place itself and stands behind a `^` when it is elsewhere in the document.
 */
export type Refusal = readonly [where: string, value: unknown, ...problems: string[]];

export function refuses(t: Test, place: string, rows: readonly Refusal[]): void {
  for (const [where, value, ...problems] of rows) {
    const pointer = `${place}${where}`;
    const result = loadConfig({ file: 'test', format: 'object', value: put(rightDocument(), pointer, value) }, {}, CHECK_TOOLS);
    const found = result.ok ? [] : result.errors.map((error) => describe(error, pointer));
    t.same(found, problems, `${pointer} = ${(JSON.stringify(value) ?? 'absent').slice(0, 60)}`);
  }
}

/** Files that are there for every test of this room. */
const FILES: Readonly<Record<string, string>> = { 'a.pem': 'CERT a', 'a.key': 'KEY a', 'b.pem': 'CERT b', 'old.pem': 'CERT old', 'junk.pem': 'junk', 'ticket.key': 'x'.repeat(80) };

/** Certificates are `CERT name` here and keys `KEY name`. */
const secrets: SecretTools = {
  readFile: (path) => {
    const text = FILES[path.slice(path.lastIndexOf('/') + 1)];
    if (text === undefined) throw new Error('there is no such file (ENOENT)');
    return Buffer.from(text);
  },
  inspectCertificates: (pem) => (pem.startsWith('CERT ') ? { dnsNames: [`${pem.slice(5)}.test`], validFrom: 0, validTo: pem === 'CERT old' ? 1000 : 1e15 } : 'holds no certificate in PEM form'),
  explainPair: (cert, key) => (key === `KEY ${cert.slice(5)}` ? null : 'the private key does not belong to the certificate'),
  explainCiphers: (names) => (names.includes('NONSENSE') ? 'OpenSSL here knows no cipher suite "NONSENSE"' : null),
  wallMs: () => 1e12,
};

export function checkFormat(format: string): string | null {
  return format.includes('%BAD%') ? 'unknown operator %BAD%' : null;
}

export function rightDocument(): unknown {
  return {
    listeners: [{
      name: 'edge',
      address: '127.0.0.1:8080',
      http: {
        virtualHosts: [{
          name: 'all',
          domains: ['*'],
          routes: [
            { match: { prefix: '/api' }, forward: { cluster: 'app' } },
            { match: { template: '/users/{id}' }, forward: { cluster: 'app' } },
            { match: { path: '/old' }, redirect: { path: '/new' } },
            { match: { prefix: '/' }, respond: { status: 404 } },
          ],
        }],
      },
    }],
    clusters: [{ name: 'app', endpoints: ['127.0.0.1:3000'] }, { name: 'api', endpoints: ['127.0.0.1:3001'] }],
  };
}

/** @param value undefined takes the key away. */
export function put(document: unknown, pointer: string, value: unknown): unknown {
  if (pointer === '') return value;
  const steps = pointer.slice(1).split('/');
  const key = steps.pop() ?? '';
  const parent = steps.reduce((at, step) => at[step] as Record<string, unknown>, document as Record<string, unknown>);
  if (value === undefined) delete parent[key];
  else parent[key] = value;
  return document;
}

function describe({ code, pointer, message, suggestion }: ConfigError, place: string): string {
  const elsewhere = pointer !== place && !pointer.startsWith(`${place}/`);
  const below = elsewhere ? ` ^${pointer}` : pointer === place ? '' : ` ${pointer.slice(place.length)}`;
  return `${code}${below}: ${message}${suggestion === '' ? '' : `; did you mean ${suggestion}?`}`;
}

export const CHECK_TOOLS = { checkFormat, secrets } as const;
