// Broken TLS settings and what is said about them. Files and certificates are played by `refusals.ts`.

import t from 'tap';

import { loadConfig } from '../../src/config/load.ts';
import { CHECK_TOOLS, put, refuses, rightDocument } from './refusals.ts';

const A = { cert: 'a.pem', key: 'a.key' };
const good = { certificates: [A] };

t.test('listeners', (t) => {
  refuses(t, '/listeners/0/tls', [
    ['', {}, 'missing-key: tls needs the key "certificates"'],
    ['', { certificates: [] }, 'too-few /certificates: must have at least 1 entry'],
    ['', { certificates: [{ cert: 'a.pem' }] }, 'missing-key /certificates/0: certificate needs the key "key"'],
    ['', { certificates: [{ cert: 'none.pem', key: 'a.key' }] }, 'unreadable-file /certificates/0/cert: none.pem: there is no such file (ENOENT)'],
    ['', { certificates: [{ cert: 'junk.pem', key: 'a.key' }] }, 'bad-certificate /certificates/0/cert: junk.pem: holds no certificate in PEM form'],
    ['', { certificates: [{ cert: 'b.pem', key: 'a.key' }] }, 'bad-key /certificates/0/key: a.key: the private key does not belong to the certificate'],
    ['', { certificates: [{ ...A, serverNames: ['a b'] }] }, 'bad-server-name /certificates/0/serverNames/0: "a b" must be a host name, or "*." and a host name'],
    ['', { ...good, minVersion: 'TLSv1.1' }, 'wrong-value /minVersion: "TLSv1.1" is not one of "TLSv1.2", "TLSv1.3"; did you mean TLSv1.2?'],
    ['', { ...good, minVersion: 'TLSv1.3', maxVersion: 'TLSv1.2' }, 'conflict /minVersion: minVersion is above maxVersion'],
    ['', { ...good, cipherSuites: ['NONSENSE'] }, 'bad-cipher /cipherSuites: OpenSSL here knows no cipher suite "NONSENSE"'],
    ['', { ...good, alpn: [''] }, 'bad-alpn /alpn/0: "" must be 1 to 255 printable characters'],
    ['', { ...good, clientCa: 'junk.pem' }, 'bad-certificate /clientCa: junk.pem: holds no certificate in PEM form'],
    ['', { ...good, requireClientCertificate: true }, 'conflict /requireClientCertificate: needs "clientCa": without authorities no client certificate can be verified'],
    ['', { ...good, subjectAltNames: [{ uri: 'x' }] }, 'conflict /subjectAltNames: needs "clientCa": without authorities no client certificate can be verified'],
    ['', { ...good, clientCa: 'a.pem', subjectAltNames: [{}] }, 'one-of /subjectAltNames/0: a name of a certificate needs one of dns, uri, ip'],
    ['', { ...good, clientCa: 'a.pem', subjectAltNames: [{ uri: {} }] }, 'one-of /subjectAltNames/0/uri: a text match needs one of exact, prefix, suffix, contains, regex'],
    ['', { ...good, sessionTicketKeys: ['a.key'] }, 'bad-key /sessionTicketKeys/0: a.key: a ticket key has exactly 80 bytes, and this file 5'],
  ]);
  t.end();
});

t.test('the engine uws speaks plaintext only', (t) => {
  const document = put(put(rightDocument(), '/listeners/0/tls', good), '/listeners/0/engine', 'uws');
  const result = loadConfig({ file: 'f', format: 'object', value: document }, {}, CHECK_TOOLS);
  t.match(result, { ok: false, errors: [{ code: 'conflict', pointer: '/listeners/0/tls', message: /"uws" speaks plaintext only/ }] });
  t.end();
});

t.test('clusters', (t) => {
  refuses(t, '/clusters/0/tls', [
    ['', { ca: 'none.pem' }, 'unreadable-file /ca: none.pem: there is no such file (ENOENT)'],
    ['', { cert: 'a.pem' }, 'missing-key: "cert" and "key" go together, and only cert is given'],
    ['', { cert: 'b.pem', key: 'a.key' }, 'bad-key /key: a.key: the private key does not belong to the certificate'],
    ['', { ca: 'a.pem', insecureSkipVerify: true }, 'conflict /ca: has no effect together with insecureSkipVerify'],
    ['', { serverName: 'a b' }, 'bad-authority /serverName: "a b" must be a host, or host:port, without scheme or path'],
  ]);
  t.end();
});

t.test('an expired certificate is a warning', (t) => {
  const result = loadConfig({ file: '/etc/f', format: 'object', value: put(rightDocument(), '/clusters/0/tls', { ca: 'old.pem' }) }, {}, CHECK_TOOLS);
  t.match(result, { ok: true, warnings: [{ code: 'expired-certificate', pointer: '/clusters/0/tls/ca', message: '/etc/old.pem: the certificate expired on 1970-01-01' }] });
  t.end();
});

t.test('what becomes of right settings', (t) => {
  const document = put(rightDocument(), '/listeners/0/tls', { certificates: [A, { cert: 'a.pem', key: 'a.key', serverNames: ['*.B.test'] }], sessionTicketKeys: ['ticket.key'] });
  const result = loadConfig({ file: '/etc/f', format: 'object', value: document }, {}, CHECK_TOOLS);
  t.match(result, { ok: true, snapshot: { files: ['/etc/a.pem', '/etc/a.key', '/etc/ticket.key'], listeners: [{ tls: { alpn: ['http/1.1'], clientCa: null, certificates: [{ serverNames: ['a.test'] }, { serverNames: ['*.b.test'] }] } }] } });
  t.end();
});
