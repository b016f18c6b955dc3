// TLS from end to end: callers with node:tls, curl and openssl, upstreams with node:https, both engines, two workers.
// Certificates that change under load stand in tls-swap.test.ts.

import { execFile, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { writeFileSync } from 'node:fs';
import { createServer as createHttpsServer, request } from 'node:https';
import { createConnection, type AddressInfo } from 'node:net';
import { join } from 'node:path';
import { connect, type ConnectionOptions, type TLSSocket } from 'node:tls';
import { promisify } from 'node:util';

import t from 'tap';

import { makeCertificate, type Made } from '../support/certificates.ts';
import { waitFor, within } from '../support/deadline.ts';
import { onEachEngine, type Stage } from '../support/stage.ts';
import type { ProxyConfig } from '../support/run-proxy.ts';

t.setTimeout(120_000);

const authority = makeCertificate({ commonName: 'Wire CA', authority: true });
const edge = makeCertificate({ names: ['a.test', '127.0.0.1'], issuer: authority });
const other = makeCertificate({ names: ['b.test'], issuer: authority });
const client = makeCertificate({ commonName: 'caller', names: ['spiffe://wire/caller'], issuer: authority });
const stranger = makeCertificate({ commonName: 'stranger' });

const upstream = createHttpsServer({ cert: edge.cert, key: edge.key, ca: authority.cert, requestCert: true, rejectUnauthorized: true }, (incoming, answer) => {
  answer.end(JSON.stringify({ sni: (incoming.socket as unknown as { servername: unknown }).servername, peer: (incoming.socket as TLSSocket).getPeerCertificate().subject.CN }));
});
await new Promise<void>((resolve) => upstream.listen(0, '127.0.0.1', resolve));
const upstreamAddress = `127.0.0.1:${(upstream.address() as AddressInfo).port}`;

const LOG = '%REQ(:PATH)% %DOWNSTREAM_TLS_VERSION% %DOWNSTREAM_TLS_CIPHER% %REQUESTED_SERVER_NAME% %DOWNSTREAM_PEER_SUBJECT% %DOWNSTREAM_PEER_URI_SAN% %RESPONSE_FLAGS% %RESPONSE_CODE_DETAILS%\n';

function config(stage: Stage): ProxyConfig {
  const put = (name: string, text: string): string => {
    writeFileSync(join(stage.directory, name), text);
    return join(stage.directory, name);
  };
  const pair = (name: string, made: Made): object => ({ cert: put(`${name}.pem`, made.cert), key: put(`${name}.key`, made.key) });
  const ca = put('ca.pem', authority.cert);
  const out = { ca, cert: put('client.pem', client.cert), key: put('client.key', client.key) };
  const cluster = (name: string, tls: object): object => ({ name, endpoints: [upstreamAddress], tls });
  const routes = [
    { match: { prefix: '/shown', tls: { clientCertificate: true } }, respond: { status: 200, body: 'shown' } },
    ...['named', 'from-host', 'wrong-name', 'stranger'].map((name) => ({ match: { prefix: `/${name}` }, forward: { cluster: name } })),
    { match: { prefix: '/' }, forward: { cluster: 'app' } },
  ];
  return {
    watch: true,
    listeners: [{
      name: 'main',
      address: '127.0.0.1:0',
      tls: { certificates: [pair('edge', edge), pair('other', other)], clientCa: ca, alpn: ['http/1.1'] },
      http: { accessLog: [{ path: stage.logPath, format: LOG }], routes },
    }],
    clusters: [
      { name: 'app', endpoints: [stage.origin.address] },
      cluster('named', { ...out, serverName: 'a.test' }),
      cluster('from-host', out),
      cluster('wrong-name', { ...out, serverName: 'c.test' }),
      cluster('stranger', { ...out, serverName: 'a.test', ca: put('stranger.pem', stranger.cert) }),
    ],
  } as unknown as ProxyConfig;
}

function portOf(stage: Stage): number {
  return Number(stage.address.split(':').at(-1));
}

async function dial(stage: Stage, options: ConnectionOptions = {}): Promise<TLSSocket> {
  const socket = connect({ port: portOf(stage), host: '127.0.0.1', ca: authority.cert, servername: 'a.test', ...options });
  await within('a handshake', once(socket, 'secureConnect'));
  return socket;
}

/** One request on a connection of its own. */
function get(stage: Stage, path: string, options: object = {}): Promise<{ status: number; text: string }> {
  return within(`GET ${path}`, new Promise((resolve, reject) => {
    const asked = request({ port: portOf(stage), host: '127.0.0.1', path, ca: authority.cert, servername: 'a.test', headers: { host: 'a.test' }, agent: false, ...options }, (answer) => {
      let text = '';
      answer.on('data', (chunk: Buffer) => (text += chunk.toString()));
      answer.on('end', () => resolve({ status: answer.statusCode ?? 0, text }));
    });
    asked.on('error', reject);
    asked.end();
  }));
}

function has(program: string): boolean {
  return spawnSync(program, ['version']).error === undefined;
}

onEachEngine(config, {}, async (t, stage) => {
  await t.test('a request comes in over TLS and is known as https', async (t) => {
    t.equal((await get(stage, '/plain?first')).status, 200);
    const seen = stage.origin.requests.at(-1)!;
    t.match(JSON.stringify(seen), /x-forwarded-proto[",:[\] ]+https/i);
    t.match(await stage.logLine('/plain?first'), /^\/plain\?first TLSv1\.3 TLS_AES_128_GCM_SHA256 a\.test - - - via_upstream$/);
  });

  await t.test('the certificate follows the server name, without being told which', async (t) => {
    for (const name of ['a.test', 'b.test']) {
      const socket = await dial(stage, { servername: name });
      t.equal(socket.getPeerCertificate().subject.CN, name);
      socket.destroy();
    }
  });

  await t.test('a client certificate is seen by routes and logs', async (t) => {
    t.equal((await get(stage, '/shown', { cert: client.cert, key: client.key })).text, 'shown');
    t.match(await stage.logLine('/shown'), /CN=caller,O=Nuncio tests spiffe:\/\/wire\/caller/);
    t.not((await get(stage, '/shown')).text, 'shown');
    await t.rejects(get(stage, '/shown', { cert: stranger.cert, key: stranger.key }));
    await waitFor('fail_verify_error', async () => [...(await stage.proxy.stats('ssl.fail_verify_error'))].some(([name, value]) => name.startsWith('listener.') && value === 1));
  });

  await t.test('sessions come back in every worker', async (t) => {
    const first = await dial(stage);
    const session = once(first, 'session') as Promise<[Buffer]>;
    first.write('GET /a HTTP/1.1\r\nHost: a.test\r\n\r\n');
    const [ticket] = await within('a ticket', session);
    first.destroy();
    for (let i = 0; i < 16; i++) {
      const socket = await dial(stage, { session: ticket });
      t.equal(socket.isSessionReused(), true, `connection ${i}`);
      socket.destroy();
    }
  });

  await t.test('plaintext on the TLS port ends, and is counted', async (t) => {
    const socket = createConnection(portOf(stage), '127.0.0.1');
    socket.on('error', () => undefined);
    socket.resume();
    socket.write('GET / HTTP/1.1\r\nHost: a.test\r\n\r\n');
    await within('its end', new Promise((resolve) => socket.on('close', resolve)));
    await waitFor('connection_error', async () => [...(await stage.proxy.stats('ssl.connection_error'))].some(([name, value]) => name.startsWith('listener.') && value > 0));
    t.pass();
  });

  await t.test('TLS out: server name, our certificate, verification', async (t) => {
    t.same(JSON.parse((await get(stage, '/named')).text), { sni: 'a.test', peer: 'caller' });
    t.same(JSON.parse((await get(stage, '/from-host')).text), { sni: 'a.test', peer: 'caller' });
    const other = await get(stage, '/from-host?other', { headers: { host: 'b.test:443' } });
    t.equal(other.status, 503, 'a connection for one name is not used for another');
    for (const path of ['/wrong-name', '/stranger']) {
      const answer = await get(stage, path);
      t.equal(answer.status, 503);
      t.match(answer.text, 'reset reason: remote connection failure');
      t.match(await stage.logLine(path), /UF upstream_reset_before_response_started\{remote_connection_failure\|TLS_error:\|.*CERTIFICATE_VERIFY_FAILED:verify_cert_failed:_.*:TLS_error_end\}$/);
    }
  });

  await t.test('openssl s_client: ALPN, -reconnect', { skip: has('openssl') ? false : 'no openssl on this machine' }, async (t) => {
    const run = (...args: string[]): string => {
      const { stdout, stderr } = spawnSync('openssl', ['s_client', '-connect', stage.address, '-servername', 'a.test', ...args], { input: 'Q\n', encoding: 'utf8', timeout: 20_000 });
      return stdout + stderr;
    };
    t.match(run('-alpn', 'h2,http/1.1'), 'ALPN protocol: http/1.1');
    t.match(run('-alpn', 'nonsense'), /no application protocol/);
    t.equal(run('-tls1_2', '-reconnect').match(/^Reused, TLSv1\.2/gm)?.length, 5);
  });

  await t.test('curl', { skip: spawnSync('curl', ['--version']).error === undefined ? false : 'no curl on this machine' }, async (t) => {
    const { stdout } = await promisify(execFile)('curl', ['-s', '-o', '/dev/null', '-w', '%{http_code} %{ssl_verify_result}', '--cacert', join(stage.directory, 'ca.pem'), '--resolve', `a.test:${portOf(stage)}:127.0.0.1`, `https://a.test:${portOf(stage)}/curl`], { encoding: 'utf8' });
    t.equal(stdout, '200 0');
  });

  await t.test('the admin pages show certificates and no key', async (t) => {
    const certs = JSON.parse((await stage.proxy.page('/certs')).text) as { certificates: { cert_chain: { subject_alt_names: object[]; days_until_expiration: string }[] }[] };
    t.match(certs.certificates[0], { cert_chain: [{ subject_alt_names: [{ dns: 'a.test' }, { ip_address: '127.0.0.1' }], days_until_expiration: /^36\d\d$/ }, { subject_alt_names: [{ dns: 'b.test' }] }] });
    const dump = (await stage.proxy.page('/config_dump')).text;
    t.notMatch(dump, /PRIVATE KEY/);
    t.match(dump, /"secretKey": "\[redacted\]"/);
    t.ok((await stage.proxy.stat('server.days_until_first_cert_expiring')) > 3600);
  });
});

process.on('beforeExit', () => upstream.close());
upstream.unref();
