// The schema of TLS, for listeners and for clusters. Primary thread; constants only.

import { DEFAULTS } from '../defaults.ts';
import { choice, either, flag, freeText, list, object, text } from './parts.ts';
import type { Schema } from './parts.ts';

/** Kinds of names in a certificate of which a rule has exactly one. */
export const NAME_KINDS = ['dns', 'uri', 'ip'] as const;
/** Keys of which a text matcher takes exactly one. */
export const TEXT_MATCHERS = ['exact', 'prefix', 'suffix', 'contains', 'regex'] as const;

const FILE = 'Relative to the configuration file; watched.';

function textMatcher(what: string): Schema {
  const one = `One of ${TEXT_MATCHERS.join(', ')}.`;
  const more = `Exactly one of ${NAME_KINDS.join(', ')}.`;
  return either(`${more} ${what}: text for an exact match, or an object.`, [
    text('The whole name.', 'name'),
    object('textMatch', {
      exact: text(`${one} The whole name.`, 'name'),
      prefix: text(`${one} The name begins with this.`, 'name'),
      suffix: text(`${one} The name ends with this.`, 'name'),
      contains: text(`${one} The name holds this.`, 'name'),
      regex: text(`${one} A regular expression (RE2 syntax) that the whole name matches.`, 'regex'),
    }),
  ]);
}

function names(description: string): Schema {
  const name = object('subjectAltName', {
    dns: textMatcher('A DNS name, in lower case'),
    uri: textMatcher('A URI such as a SPIFFE id'),
    ip: textMatcher('An IP address'),
  });
  return list(description, name, { default: DEFAULTS.tls.subjectAltNames });
}

export function serverTlsSchema(): Schema {
  const defaults = DEFAULTS.tls;
  const pair = object('certificate', {
    cert: text(`File with the certificate and those that lead to its authority, PEM. ${FILE}`, 'name'),
    key: text(`File with its private key, PEM, without password. ${FILE}`, 'name'),
    serverNames: list('The server names (SNI) that get this certificate: "a.example", "*.a.example". Default: the names in the certificate.', text('A server name.', 'serverNameRule')),
  }, ['cert', 'key']);
  return object('tls', {
    certificates: list('Certificates with their keys. The first is for clients that ask for a name that none has, or for none.', pair, { minItems: 1 }),
    minVersion: choice('The oldest version to speak.', ['TLSv1.2', 'TLSv1.3'], { default: defaults.minVersion }),
    maxVersion: choice('The newest version to speak.', ['TLSv1.2', 'TLSv1.3'], { default: defaults.maxVersion }),
    cipherSuites: list("OpenSSL's names of the cipher suites, best first. Empty: forward secrecy and authenticated encryption only.", text('A cipher suite.', 'cipherName'), { default: defaults.cipherSuites }),
    alpn: list('The protocols to offer by ALPN, best first. Default: what http.protocols says.', text('A protocol.', 'alpnName', { examples: ['h2', 'http/1.1'] })),
    clientCa: text(`File with the authorities that may sign a client's certificate, PEM: clients are then asked for one. ${FILE} Default: none.`, 'name'),
    requireClientCertificate: flag('Refuse clients without a certificate. Implied by subjectAltNames.', { default: defaults.requireClientCertificate }),
    subjectAltNames: names("Names of which a client's certificate must have one. Empty: any will do."),
    sessionTicketKeys: list(`Files of exactly 80 bytes each: the first makes session tickets, all open them. ${FILE} Empty: random keys that all workers share, a new one every twelve hours.`, freeText('A file.'), { default: defaults.sessionTicketKeys }),
  }, ['certificates']);
}

export function clientTlsSchema(): Schema {
  return object('clusterTls', {
    ca: text(`File with the authorities to trust, PEM. ${FILE} Default: those of this machine.`, 'name'),
    serverName: text("The name to ask for (SNI), and the one that the endpoint's certificate must have. Default: the host of each request.", 'authority'),
    subjectAltNames: names("Names of which the endpoint's certificate must have one. Empty: the server name, or the endpoint's address."),
    cert: text(`File with our own certificate, for endpoints that ask for one. ${FILE} Default: none.`, 'name'),
    key: text(`File with its private key. ${FILE} Default: none.`, 'name'),
    insecureSkipVerify: flag("Take any certificate. For tests: whoever sits in between can read and change everything.", { default: DEFAULTS.clusterTls.insecureSkipVerify }),
  });
}
