// Callers that never come to the point: half a PROXY header, half a ClientHello, half a TLS handshake, half an HTTP/2 preface,
// nothing at all. Each is broken off when the time for openings is over, and counted; nobody behind hears of it.

import { writeFileSync } from 'node:fs';
import { join } from 'node:path';

import t from 'tap';

import { waitFor } from '../support/deadline.ts';
import { makeCertificate } from '../support/certificates.ts';
import { byteEngines, runProxy, scratchDirectory } from '../support/run-proxy.ts';
import { assertQuiet } from '../support/stage.ts';
import { call, PeerServer } from '../support/tcp-peers.ts';

t.setTimeout(120_000);
t.jobs = byteEngines.length;

const PATIENCE_MS = 40_000;
const HELLO_BEGINS = '\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03';

const CASES: readonly (readonly [listener: string, bytes: string])[] = [
  ['proxied', 'PROXY TCP4 203.0.113.7 198'],
  ['proxied', '\r\n\r\n\0\r\nQUIT\n\x21\x11\0'],
  ['proxied', ''],
  ['proxied-web', 'PROXY T'],
  ['by-name', HELLO_BEGINS],
  ['by-name', ''],
  ['secure', HELLO_BEGINS],
  ['secure', ''],
  ['secure-tcp', HELLO_BEGINS],
  ['both', 'PRI * HTTP'],
];

for (const engine of byteEngines) {
  t.test(engine, async (t) => {
    const server = await PeerServer.start();
    t.teardown(() => server.stop());
    const directory = scratchDirectory(t);
    const { cert, key } = makeCertificate({ names: ['a.test'] });
    writeFileSync(join(directory, 'cert.pem'), cert);
    writeFileSync(join(directory, 'key.pem'), key);
    const http = { routes: [{ match: { prefix: '/' }, forward: { cluster: 'app' } }] };
    const tcp = { cluster: 'app' };
    const tls = { certificates: [{ cert: join(directory, 'cert.pem'), key: join(directory, 'key.pem') }] };
    const address = '127.0.0.1:0';
    const proxy = await runProxy(t, {
      listeners: [
        { name: 'proxied', address, proxyProtocol: true, tcp },
        { name: 'proxied-web', address, proxyProtocol: true, http },
        { name: 'by-name', address, tcp: { sniRoutes: { '*': 'app' } } },
        { name: 'secure', address, tls, http },
        { name: 'secure-tcp', address, tls, tcp },
        { name: 'both', address, http: { ...http, protocols: ['http1', 'http2'] } },
      ],
      clusters: [{ name: 'app', endpoints: [server.address] }],
    }, { engine });
    const callers = await Promise.all(CASES.map(async ([listener, bytes]) => {
      const caller = await call(proxy.listener(listener));
      if (bytes !== '') caller.send(Buffer.from(bytes, 'latin1'));
      return caller;
    }));
    // Who has opened, and says nothing, is only idle.
    const patient = await call(proxy.listener('both'));
    await Promise.all(callers.map((caller, i) => waitFor(`the end of ${CASES[i]!.join(': ')}`, () => caller.closed, PATIENCE_MS)));
    for (const caller of callers) t.equal(caller.text, '');
    t.equal(server.peers.length, 0);
    const timedOut = async (): Promise<number> => [...(await proxy.stats('downstream_pre_cx_timeout')).values()].reduce((sum, value) => sum + value, 0);
    await waitFor('all to be counted', async () => (await timedOut()) === CASES.length);
    patient.send('GET / HTTP/1.1\r\nHost: a\r\n\r\n');
    await (await server.peer(0)).hears(server.peers[0]!.text);
    t.equal(patient.closed, false);
    server.peers[0]!.socket.destroy();
    patient.socket.destroy();
    await assertQuiet(t, proxy);
    t.equal((await proxy.stop()).code, 0);
  });
}
