// Checks of TLS settings: files that are there, certificates and keys that are good and belong together, names that can be
// matched. Primary thread; reads files through the tools that the root handed in, and each of them once.

import type { ErrorCode } from '../errors.ts';
import type { Place } from '../place.ts';
import { NAME_KINDS, TEXT_MATCHERS } from '../schema/tls.ts';
import type { CertificateReport } from '../secrets.ts';
import type { CheckScope } from './check.ts';
import { exactlyOne } from './choices.ts';

/** Envoy: name, HMAC key, AES key. */
export const TICKET_KEY_BYTES = 80;

export function checkServerTls(tls: Place, scope: CheckScope): void {
  if (!tls.isObject()) return;
  const pairs = tls.at('certificates').items();
  for (const pair of pairs) checkPair(pair, scope);
  checkAuthorities(tls.at('clientCa'), scope);
  for (const key of tls.at('sessionTicketKeys').items()) checkTicketKey(key, scope);
  checkCiphers(tls.at('cipherSuites'), scope);
  checkNames(tls.at('subjectAltNames'), scope);
  checkVersions(tls, scope);
  for (const key of ['requireClientCertificate', 'subjectAltNames']) {
    const place = tls.at(key);
    if (place.value === true || place.items().length > 0) needsAuthorities(tls, place, scope);
  }
}

export function checkClientTls(tls: Place, scope: CheckScope): void {
  if (!tls.isObject()) return;
  checkAuthorities(tls.at('ca'), scope);
  checkNames(tls.at('subjectAltNames'), scope);
  if (tls.has('cert') !== tls.has('key')) {
    const given = tls.at(tls.has('cert') ? 'cert' : 'key');
    scope.problems.push({ code: 'missing-key', pointer: tls.pointer, message: `"cert" and "key" go together, and only ${given.pointer.slice(-4).replace('/', '')} is given`, wanted: ['cert', 'key'] });
  } else if (tls.has('cert')) {
    checkPair(tls, scope);
  }
  if (tls.at('insecureSkipVerify').value !== true) return;
  for (const key of ['ca', 'subjectAltNames']) {
    if (tls.has(key)) scope.problems.push({ code: 'conflict', pointer: tls.at(key).pointer, atKey: true, message: 'has no effect together with insecureSkipVerify' });
  }
}

function needsAuthorities(tls: Place, place: Place, { problems }: CheckScope): void {
  if (tls.has('clientCa')) return;
  problems.push({ code: 'conflict', pointer: place.pointer, atKey: true, message: 'needs "clientCa": without authorities no client certificate can be verified' });
}

function checkVersions(tls: Place, { problems }: CheckScope): void {
  if (tls.at('minVersion').text() !== 'TLSv1.3' || tls.at('maxVersion').text() !== 'TLSv1.2') return;
  problems.push({ code: 'conflict', pointer: tls.at('minVersion').pointer, message: 'minVersion is above maxVersion' });
}

/** A place with `cert` and `key`. */
function checkPair(pair: Place, scope: CheckScope): void {
  const cert = readText(pair.at('cert'), scope);
  const key = readText(pair.at('key'), scope);
  if (cert === null || inspect(pair.at('cert'), cert, scope) === null || key === null) return;
  const wrong = scope.secrets.tools.explainPair(cert, key);
  if (wrong !== null) refuse(pair.at('key'), 'bad-key', wrong, scope);
}

function checkAuthorities(place: Place, scope: CheckScope): void {
  const text = readText(place, scope);
  if (text !== null) inspect(place, text, scope);
}

function inspect(place: Place, pem: string, scope: CheckScope): CertificateReport | null {
  const { tools } = scope.secrets;
  const report = tools.inspectCertificates(pem);
  if (typeof report === 'string') {
    refuse(place, 'bad-certificate', report, scope);
    return null;
  }
  const now = tools.wallMs();
  const when = report.validTo < now ? `expired on ${day(report.validTo)}` : report.validFrom > now ? `is not valid before ${day(report.validFrom)}` : '';
  if (when !== '') scope.problems.push({ code: 'expired-certificate', severity: 'warning', pointer: place.pointer, message: `${scope.secrets.path(place.text() ?? '')}: the certificate ${when}` });
  return report;
}

function day(ms: number): string {
  return new Date(ms).toISOString().slice(0, 10);
}

function checkTicketKey(place: Place, scope: CheckScope): void {
  const content = readFile(place, scope);
  if (content !== null && content.length !== TICKET_KEY_BYTES) refuse(place, 'bad-key', `a ticket key has exactly ${TICKET_KEY_BYTES} bytes, and this file ${content.length}`, scope);
}

function checkCiphers(place: Place, scope: CheckScope): void {
  const names = place.items().map((item) => item.text());
  if (names.length === 0 || names.includes(null)) return;
  const wrong = scope.secrets.tools.explainCiphers(names as string[]);
  if (wrong !== null) scope.problems.push({ code: 'bad-cipher', pointer: place.pointer, message: wrong });
}

function checkNames(place: Place, { problems }: CheckScope): void {
  for (const rule of place.items()) {
    const kind = exactlyOne(rule, 'a name of a certificate', NAME_KINDS, problems);
    if (kind !== null && rule.at(kind).isObject()) exactlyOne(rule.at(kind), 'a text match', TEXT_MATCHERS, problems);
  }
}

function readText(place: Place, scope: CheckScope): string | null {
  return readFile(place, scope)?.toString('latin1') ?? null;
}

function readFile(place: Place, scope: CheckScope): Buffer | null {
  const name = place.text();
  if (name === null || name === '') return null;
  const content = scope.secrets.read(name);
  if (!(content instanceof Error)) return content;
  refuse(place, 'unreadable-file', content.message, scope);
  return null;
}

function refuse(place: Place, code: ErrorCode, message: string, { problems, secrets }: CheckScope): void {
  problems.push({ code, pointer: place.pointer, message: `${secrets.path(place.text() ?? '')}: ${message}` });
}
