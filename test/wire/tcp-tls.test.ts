// TLS around the TCP proxy on both engines: ended in front of it, made behind it, and both at once. Bytes and half-closes,
// certificates of callers and hosts, server names, what is logged and counted, and close_notify on the wire.

import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { randomBytes } from 'node:crypto';
import type { ConnectionOptions, TLSSocket } from 'node:tls';

import t, { type Test } from 'tap';

import { makeCertificate, type Made } from '../support/certificates.ts';
import { waitFor } from '../support/deadline.ts';
import { byteEngines, runProxy, scratchDirectory, type Json, type Proxy } from '../support/run-proxy.ts';
import { assertQuiet } from '../support/stage.ts';
import { call, callTls, PeerServer, Relay, type Peer } from '../support/tcp-peers.ts';

t.setTimeout(110_000);

const authority = makeCertificate({ commonName: 'TCP CA', authority: true });
const edge = makeCertificate({ names: ['a.test'], issuer: authority });
const other = makeCertificate({ names: ['b.test'], issuer: authority });
const client = makeCertificate({ commonName: 'caller', names: ['spiffe://wire/caller'], issuer: authority });
const stranger = makeCertificate({ commonName: 'stranger' });

const LOG = '%UPSTREAM_CLUSTER% %RESPONSE_FLAGS% %REQUESTED_SERVER_NAME% %DOWNSTREAM_TLS_VERSION% %DOWNSTREAM_PEER_SUBJECT% %BYTES_RECEIVED%/%BYTES_SENT%\n';
const CALLER: ConnectionOptions = { ca: authority.cert, servername: 'a.test' };
const SHOWN: ConnectionOptions = { ...CALLER, cert: client.cert, key: client.key };

interface Scene {
  readonly plain: PeerServer;
  /** Demands a certificate, and speaks a protocol of its own. */
  readonly secure: PeerServer;
  /** In front of `secure`, whose connections it carries. */
  readonly tap: Relay;
  readonly proxy: Proxy;
  at(listener: string): string;
  logLine(part: string): Promise<string>;
}

function onEachEngine(name: string, body: (t: Test, scene: Scene) => Promise<void>): void {
  for (const engine of byteEngines) {
    t.test(`${engine}: ${name}`, async (t) => {
      const plain = await PeerServer.start();
      const secure = await PeerServer.startTls({ cert: other.cert, key: other.key, ca: authority.cert, requestCert: true, rejectUnauthorized: true, maxVersion: 'TLSv1.2', ALPNProtocols: ['sql'] });
      const tap = await Relay.start(secure.address);
      t.teardown(() => [plain, secure, tap].forEach((one) => one.stop()));
      const directory = scratchDirectory(t);
      const path = join(directory, 'tcp.log');
      const proxy = await runProxy(t, config(directory, { plain: plain.address, secure: tap.address, log: path }), { engine });
      const lines = (): string[] => (existsSync(path) ? readFileSync(path, 'latin1').split('\n') : []);
      await body(t, {
        plain, secure, tap, proxy,
        at: (listener) => proxy.listener(listener),
        logLine: (part) => waitFor(`a log line with ${part}`, () => lines().find((line) => line.includes(part))),
      });
      for (const { socket } of [...plain.peers, ...secure.peers]) socket.destroy();
      await assertQuiet(t, proxy);
      for (const name of ['rx', 'tx']) await proxy.statBecomes(`tcp.both.downstream_cx_${name}_bytes_buffered`, 0);
      t.equal((await proxy.stop()).code, 0);
      t.notMatch(proxy.run.stderr, /error|    at /, 'nothing broke');
    });
  }
}

function config(directory: string, { plain, secure, log }: { plain: string; secure: string; log: string }): { listeners: Json[]; clusters: Json[] } {
  const put = (name: string, text: string): string => {
    writeFileSync(join(directory, name), text);
    return join(directory, name);
  };
  const pair = (name: string, made: Made): Json => ({ cert: put(`${name}.pem`, made.cert), key: put(`${name}.key`, made.key) });
  const ca = put('ca.pem', authority.cert);
  const certificates = [pair('edge', edge), pair('other', other)];
  const listener = (name: string, tcp: Json, tls?: Json): Json => ({ name, address: '127.0.0.1:0', tcp: { accessLog: [{ path: log, format: LOG }], ...tcp }, ...(tls === undefined ? {} : { tls: { certificates, ...tls } }) });
  const out = { ca, serverName: 'b.test', ...pair('client', client) };
  return {
    listeners: [
      listener('in', { cluster: 'plain' }, {}),
      listener('out', { cluster: 'secure' }),
      listener('both', { cluster: 'secure' }, {}),
      listener('strict', { cluster: 'plain' }, { clientCa: ca, requireClientCertificate: true }),
      listener('names', { sniRoutes: { 'a.test': 'plain', 'b.test': 'secure' } }, {}),
      listener('nameless', { cluster: 'nameless' }),
      listener('distrust', { cluster: 'distrust' }),
    ],
    clusters: [
      { name: 'plain', endpoints: [plain] },
      { name: 'secure', endpoints: [secure], tls: out },
      { name: 'nameless', endpoints: [secure], tls: { ...out, serverName: 'c.test' } },
      { name: 'distrust', endpoints: [secure], tls: { ...out, ca: put('stranger.pem', stranger.cert) } },
    ],
  };
}

/** Each way of speaking TLS, and who is at its two ends. */
const WAYS: [listener: string, far: 'plain' | 'secure', dial: (address: string) => Promise<Peer>][] = [
  ['in', 'plain', (address) => callTls(address, CALLER)],
  ['out', 'secure', call],
  ['both', 'secure', (address) => callTls(address, CALLER)],
];

onEachEngine('bytes and ends go both ways', async (t, scene) => {
  const seen = { plain: 0, secure: 0 };
  for (const [listener, far, dial] of WAYS) {
    const client = await dial(scene.at(listener));
    const peer = await scene[far].peer(seen[far]++);
    peer.send('hello first');
    await client.hears('hello first');
    const sent = randomBytes(3_000_000).toString('latin1');
    client.send(Buffer.from(sent, 'latin1')).end('last');
    await peer.hearsEnd();
    t.ok(peer.text === `${sent}last`, `${listener}: three million bytes and an end`);
    t.notOk(client.ended, 'the other direction is open');
    peer.send(' and more').end(' at last');
    await client.isGone();
    t.equal(client.text, 'hello first and more at last');
    t.equal(client.error, '');

    const second = await dial(scene.at(listener));
    const answering = await scene[far].peer(seen[far]++);
    answering.end('only this');
    await second.hearsEnd();
    t.equal(second.text, 'only this');
    t.notOk(second.closed, 'the host has ended, the caller has not');
    second.send('an answer').end(' to an end');
    await answering.isGone();
    t.equal(answering.text, 'an answer to an end');
    await second.isGone();

    const third = await dial(scene.at(listener));
    const resetting = await scene[far].peer(seen[far]++);
    third.send('x');
    await resetting.hears('x');
    resetting.reset();
    await third.isGone();
    t.equal(third.error, 'ECONNRESET', 'a reset is passed on as one');
  }
  await scene.proxy.statBecomes('tcp.both.downstream_cx_total', 3);
});

onEachEngine('who stops reading holds the other side back', async (t, { at, secure, proxy }) => {
  const caller = await callTls(at('both'), CALLER);
  const peer = await secure.peer(0);
  const chunk = Buffer.alloc(1 << 20, 'x');
  const stuff = async (from: Peer, to: Peer, gauge: string): Promise<void> => {
    to.socket.pause();
    for (let i = 0; i < 48; i++) from.socket.write(chunk);
    await waitFor(`${gauge} to show what is kept`, async () => (await proxy.stat(`tcp.both.${gauge}`)) > 0);
    to.keepText = false;
    to.socket.resume();
    await waitFor('all to arrive', () => from.socket.writableLength === 0);
    await proxy.statBecomes(`tcp.both.${gauge}`, 0);
  };
  await stuff(caller, peer, 'downstream_cx_rx_bytes_buffered');
  await stuff(peer, caller, 'downstream_cx_tx_bytes_buffered');
  t.ok((await proxy.stat('tcp.both.downstream_flow_control_paused_reading_total')) > 0);
  t.ok((await proxy.stat('cluster.secure.upstream_flow_control_paused_reading_total')) > 0);
  caller.end();
  peer.end();
  await caller.isGone();
});

onEachEngine('certificates of callers, server names, the log', async (t, { at, plain, secure, proxy, logLine }) => {
  for (const [name, far] of [['a.test', plain], ['b.test', secure]] as const) {
    const caller = await callTls(at('names'), { ...CALLER, servername: name });
    t.equal(caller.socket.getPeerCertificate().subject.CN, name);
    const peer = await far.peer(0);
    peer.end(name);
    await caller.hearsEnd();
    t.equal(caller.text, name, 'the server name chooses certificate and way');
    caller.end();
    t.match(await logLine(`${name} TLSv1.3`), new RegExp(`^${far === plain ? 'plain' : 'secure'} - ${name} TLSv1\\.3 - 0/6$`));
  }
  const elsewhere = await callTls(at('names'), { ...CALLER, servername: 'c.test', checkServerIdentity: () => undefined });
  await elsewhere.hearsEnd();
  elsewhere.end();
  await proxy.statBecomes('tcp.names.downstream_cx_no_route', 1);

  const before = plain.peers.length;
  for (const options of [CALLER, { ...CALLER, cert: stranger.cert, key: stranger.key }]) {
    // With TLS 1.3 a client has done its part before it hears that it may not come in.
    const refused = await callTls(at('strict'), options).catch(() => null);
    await refused?.hearsEnd();
    refused?.socket.destroy();
  }
  const shown = await callTls(at('strict'), SHOWN);
  (await plain.peer(before)).end('welcome');
  await shown.hearsEnd();
  t.equal(shown.text, 'welcome');
  shown.end();
  t.match(await logLine('CN=caller'), /^plain - a\.test TLSv1\.3 CN=caller,O=Nuncio tests 0\/7$/);
  const ssl = async (name: string): Promise<number> => [...(await proxy.stats(`^listener\\..*\\.ssl\\.${name}$`)).values()].reduce((sum, one) => sum + one, 0);
  await waitFor('both refusals to be counted', async () => (await ssl('fail_verify_no_cert')) === 1 && (await ssl('fail_verify_error')) === 1);
  t.equal(await ssl('handshake'), 4);
  t.equal(plain.peers.length, before + 1, 'who is refused reaches nobody');
});

onEachEngine('what the host sees, and what is counted of it', async (t, { at, secure, proxy, logLine }) => {
  for (let i = 0; i < 6; i++) {
    const caller = await call(at('out'));
    const peer = await secure.peer(i);
    const socket = peer.socket as TLSSocket & { readonly servername?: string };
    if (!socket.isSessionReused()) t.equal(socket.servername, 'b.test');
    t.equal(socket.getPeerCertificate().subject.CN, 'caller');
    t.notOk(socket.alpnProtocol, 'what passes here is none of our protocols');
    caller.end();
    peer.end();
    await caller.isGone();
  }
  await proxy.statBecomes('cluster.secure.ssl.handshake', 6);
  t.ok((await proxy.stat('cluster.secure.ssl.session_reused')) >= 4, 'sessions come back in each worker');
  await proxy.statBecomes('cluster.secure.ssl.versions.TLSv1.2', 6);
  for (const [name, counter] of [['nameless', 'fail_verify_san'], ['distrust', 'fail_verify_error']] as const) {
    const refused = await call(at(name));
    await refused.hearsEnd();
    t.match(await logLine(name), new RegExp(`^${name} UF,URX - - - 0/0$`));
    await proxy.statBecomes(`cluster.${name}.ssl.${counter}`, 1);
    await proxy.statBecomes(`cluster.${name}.ssl.handshake`, 0);
    await proxy.statBecomes(`cluster.${name}.upstream_cx_connect_fail`, 1);
    refused.end();
  }
});

onEachEngine('every end is told with close_notify before the FIN', async (t, { at, secure, tap }) => {
  const front = await Relay.start(at('both'));
  t.teardown(() => front.stop());
  const caller = await callTls(front.address, { ...CALLER, maxVersion: 'TLSv1.2' });
  const peer = await secure.peer(0);
  caller.send('ask').end();
  await peer.hearsEnd();
  t.same(lastRecord(tap.toServer), { alert: true, fin: true }, 'the caller has ended: the host hears it');
  t.notOk(tap.fromServer.includes(null));
  peer.send('answer').end();
  await caller.isGone();
  t.equal(caller.text, 'answer');
  t.same(lastRecord(front.fromServer), { alert: true, fin: true }, 'the host has ended: the caller hears it');
});

/** In TLS 1.2 the type of a record is there to see, though what it says is not. */
function lastRecord(seen: readonly (Buffer | null)[]): { alert: boolean; fin: boolean } {
  const bytes = Buffer.concat(seen.filter((one) => one !== null));
  let type = 0;
  for (let at = 0; at < bytes.length; at += 5 + bytes.readUInt16BE(at + 3)) type = bytes[at]!;
  return { alert: type === 21, fin: seen.at(-1) === null };
}
