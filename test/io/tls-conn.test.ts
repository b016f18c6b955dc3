// TLS below the byte contract: handshakes, bytes of all sizes, ends, refusals. Real sockets, both engines in one table.

import { createConnection } from 'node:net';
import type { AddressInfo } from 'node:net';
import { connect as tlsConnect, createServer as createTlsServer } from 'node:tls';
import type { ConnectionOptions, TLSSocket } from 'node:tls';
import { once } from 'node:events';
import { randomBytes } from 'node:crypto';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';

import t from 'tap';
import type { Test } from 'tap';

import type { Listener, Loop } from '../../src/io/conn.ts';
import { aliveInOpenSsl } from '../../src/io/epoll/openssl.ts';
import type { ServerTls } from '../../src/security/tls-settings.ts';
import { makeCertificate } from '../support/certificates.ts';
import { waitFor } from '../support/deadline.ts';
import { LOCALHOST, onEachEngine } from '../support/engines.ts';
import { Recorder } from '../support/recorder.ts';
import { authority, clientTls, pairOf, sanRule, serverPair, serverTls } from '../support/tls-settings.ts';

const client = makeCertificate({ commonName: 'client', names: ['spiffe://test/client'], issuer: authority });
const stranger = makeCertificate({ commonName: 'stranger', names: ['a.test'] });

/** A TLS port whose connections get recorders, newest last. */
async function serve(loop: Loop, tls: ServerTls, make: () => Recorder = echo): Promise<{ listener: Listener; port: number; served: Recorder[] }> {
  const served: Recorder[] = [];
  const listener = await loop.listen(
    LOCALHOST,
    -1,
    (conn) => {
      const recorder = make();
      recorder.conn = conn;
      served.push(recorder);
      return recorder;
    },
    { preamble: null, tls },
  );
  return { listener, port: listener.address.kind === 'ip' ? listener.address.port : 0, served };
}

function echo(): Recorder {
  return new Recorder({ data: (conn, buf, start, end) => void conn.write(buf, start, end), end: (conn) => conn.close() });
}

async function dial(t: Test, port: number, options: ConnectionOptions = {}): Promise<TLSSocket> {
  const socket = tlsConnect({ port, host: '127.0.0.1', ca: authority.cert, servername: 'a.test', ...options });
  t.teardown(() => socket.destroy());
  await once(socket, 'secureConnect');
  return socket;
}

/** How a client that should not come through ends. */
async function refused(port: number, options: ConnectionOptions = {}): Promise<string> {
  const socket = tlsConnect({ port, host: '127.0.0.1', ca: authority.cert, servername: 'a.test', ...options });
  let code = 'closed';
  socket.on('error', (error: NodeJS.ErrnoException) => {
    code = error.code ?? error.message;
  });
  socket.resume();
  await new Promise((resolve) => socket.on('close', resolve));
  return code;
}

onEachEngine('TLS: bytes of all sizes come back as they were', async (t, loop) => {
  const { port } = await serve(loop, serverTls());
  const socket = await dial(t, port);
  for (const size of [1, 16_383, 16_384, 16_385, 65_536, 1_000_000]) {
    const sent = randomBytes(size);
    const chunks: Buffer[] = [];
    let got = 0;
    const all = new Promise<void>((resolve) => {
      socket.on('data', function take(chunk: Buffer) {
        chunks.push(chunk);
        got += chunk.length;
        if (got < size) return;
        socket.off('data', take);
        resolve();
      });
    });
    socket.write(sent);
    await all;
    t.ok(Buffer.concat(chunks).equals(sent), `${size} bytes`);
  }
});

onEachEngine('TLS: a paused reader holds the sender back, and nothing is lost', async (t, loop) => {
  const { port, served } = await serve(loop, serverTls(), () => new Recorder({ connect: (conn) => conn.pauseRead() }));
  const sender = new Recorder();
  const conn = loop.connect({ kind: 'ip', host: '127.0.0.1', port }, sender, clientTls());
  await sender.until('connect');
  const chunk = Buffer.alloc(64 * 1024, 'x');
  let written = 0;
  do written += chunk.length;
  while (conn.write(chunk, 0, chunk.length) || written < 256 * 1024);
  conn.shutdownWrite();
  t.ok(conn.pending > 0, 'kept');
  const receiver = served[0]!;
  await receiver.until('connect');
  t.equal(receiver.bytes, 0);
  receiver.conn!.resumeRead();
  await receiver.untilBytes(written);
  await receiver.until('end');
  t.equal(receiver.bytes, written);
  t.equal(conn.pending, 0);
});

onEachEngine('TLS: pausing inside every piece loses nothing', async (t, loop) => {
  const { port, served } = await serve(loop, serverTls(), () => new Recorder({
    data: (conn) => {
      conn.pauseRead();
      setImmediate(() => conn.resumeRead());
    },
  }));
  const socket = await dial(t, port);
  const sent = randomBytes(700_000);
  socket.end(sent);
  await served[0]!.untilBytes(sent.length);
  await served[0]!.until('end');
  t.ok(Buffer.concat(served[0]!.chunks).equals(sent));
});

onEachEngine('TLS: half-close goes both ways, with close_notify', async (t, loop) => {
  const { port, served } = await serve(loop, serverTls(), () => new Recorder());
  const caller = new Recorder();
  const conn = loop.connect({ kind: 'ip', host: '127.0.0.1', port }, caller, clientTls());
  await caller.until('connect');
  conn.write(Buffer.from('ask'), 0, 3);
  conn.shutdownWrite();
  const server = served[0]!;
  await server.until('end');
  t.equal(server.text, 'ask');
  server.conn!.write(Buffer.from('answer'), 0, 6);
  server.conn!.shutdownWrite();
  await caller.until('end');
  t.equal(caller.text, 'answer');
  await Promise.all([caller.until('close'), server.until('close')]);
  t.equal(loop.openConns, 0);
});

onEachEngine('TLS: a FIN without close_notify is an end', async (t, loop) => {
  const { port, served } = await serve(loop, serverTls());
  const raw = createConnection(port, '127.0.0.1');
  const socket = tlsConnect({ socket: raw, ca: authority.cert, servername: 'a.test' });
  socket.on('error', () => undefined);
  await once(socket, 'secureConnect');
  socket.write('x');
  await served[0]!.untilBytes(1);
  raw.destroy();
  await served[0]!.until('close');
  t.ok(served[0]!.log.includes('end') || served[0]!.log.at(-1) === 'close:2', served[0]!.log.join());
});

onEachEngine('TLS: a reset by the owner is seen by the peer', async (t, loop) => {
  const { port, served } = await serve(loop, serverTls());
  const socket = await dial(t, port);
  socket.on('error', () => undefined);
  served[0]!.conn!.reset();
  await once(socket, 'close');
  await served[0]!.until('close');
  t.equal(served[0]!.log.at(-1), 'close:0');
});

onEachEngine('TLS: the protocol is chosen by the server, and none in common is refused', async (t, loop) => {
  const { port, served } = await serve(loop, serverTls({ alpn: ['h2', 'http/1.1'] }));
  t.equal((await dial(t, port, { ALPNProtocols: ['http/1.1', 'h2'] })).alpnProtocol, 'h2');
  await served[0]!.until('connect');
  t.equal(served[0]!.conn!.tls?.alpn, 'h2');
  t.equal((await dial(t, port, { ALPNProtocols: ['http/1.1'] })).alpnProtocol, 'http/1.1');
  t.equal((await dial(t, port)).alpnProtocol, false);
  await served[2]!.until('connect');
  t.equal(served[2]!.conn!.tls?.alpn, '');
  t.not(await refused(port, { ALPNProtocols: ['nonsense'] }), 'closed');
  t.notOk(served[3]!.log.includes('connect'));
});

onEachEngine('TLS: the certificate follows the server name: exact, wildcard, default', async (t, loop) => {
  const exact = makeCertificate({ names: ['b.test'], issuer: authority });
  const wildcard = makeCertificate({ names: ['*.w.test'], issuer: authority });
  const tls = serverTls({ pairs: [pairOf(serverPair, ['a.test']), pairOf(exact, ['b.test']), pairOf(wildcard, ['*.w.test'])] });
  const { port, served } = await serve(loop, tls);
  const shown = async (servername: string): Promise<string> => (await dial(t, port, { servername, rejectUnauthorized: false })).getPeerCertificate().subject.CN as string;
  t.equal(await shown('a.test'), 'a.test');
  t.equal(await shown('B.test'), 'b.test');
  t.equal(await shown('x.w.test'), '*.w.test');
  t.equal(await shown('x.y.w.test'), 'a.test', 'a wildcard stands for one label');
  t.equal(await shown('nobody.test'), 'a.test');
  await served[2]!.until('connect');
  t.equal(served[2]!.conn!.tls?.serverName, 'x.w.test');
});

onEachEngine('TLS: an RSA and an ECDSA certificate for the same names', async (t, loop) => {
  const rsa = makeCertificate({ names: ['a.test'], issuer: authority, rsa: true });
  const { port } = await serve(loop, serverTls({ pairs: [pairOf(serverPair, ['a.test']), pairOf(rsa, ['a.test'])], maxVersion: 'TLSv1.2' }));
  for (const kind of ['ECDSA', 'RSA']) {
    const socket = await dial(t, port, { ciphers: `ECDHE-${kind}-AES128-GCM-SHA256` });
    t.match(socket.getCipher().name, kind);
  }
});

onEachEngine('TLS: client certificates, asked for', async (t, loop) => {
  const { port, served } = await serve(loop, serverTls({ clientCa: authority.cert }));
  await dial(t, port);
  await served[0]!.until('connect');
  t.equal(served[0]!.conn!.tls?.peer, null);
  await dial(t, port, { cert: client.cert, key: client.key });
  await served[1]!.until('connect');
  t.match(served[1]!.conn!.tls?.peer, { subject: 'CN=client,O=Nuncio tests', uriSans: ['spiffe://test/client'] });
  await refused(port, { cert: stranger.cert, key: stranger.key });
  await served[2]!.until('close');
  t.notOk(served[2]!.log.includes('connect'));
  t.match(served[2]!.conn!.error, /CERTIFICATE_VERIFY_FAILED/);
});

onEachEngine('TLS: client certificates, required, with rules about names', async (t, loop) => {
  const { port, served } = await serve(loop, serverTls({ clientCa: authority.cert, sans: [sanRule('uri', 'spiffe://test/client')] }));
  await dial(t, port, { cert: client.cert, key: client.key });
  await served[0]!.until('connect');
  const other = makeCertificate({ names: ['spiffe://test/other'], issuer: authority });
  await refused(port, { cert: other.cert, key: other.key });
  await served[1]!.until('close');
  t.match(served[1]!.conn!.error, /verify SAN list/);
  await refused(port);
  await served[2]!.until('close');
  t.match(served[2]!.conn!.error, /PEER_DID_NOT_RETURN_A_CERTIFICATE/);
  await refused(port, { cert: stranger.cert, key: stranger.key });
  await served[3]!.until('close');
  t.match(served[3]!.conn!.error, /CERTIFICATE_VERIFY_FAILED/);
  for (const one of served.slice(1)) t.notOk(one.log.includes('connect'), one.log.join());
});

onEachEngine('TLS: versions', async (t, loop) => {
  const { port } = await serve(loop, serverTls({ minVersion: 'TLSv1.3' }));
  t.equal((await dial(t, port)).getProtocol(), 'TLSv1.3');
  t.not(await refused(port, { maxVersion: 'TLSv1.2' }), 'closed');
});

for (const version of ['TLSv1.2', 'TLSv1.3'] as const) {
  onEachEngine(`TLS: a ticket opens on another port with the same keys, and not with others (${version})`, async (t, loop) => {
    const ticketKeys = [randomBytes(80)];
    const [first, second, foreign] = [await serve(loop, serverTls({ ticketKeys })), await serve(loop, serverTls({ ticketKeys })), await serve(loop, serverTls())];
    const session = await ticketOf(t, first.port, version);
    t.equal((await dial(t, second.port, { session, maxVersion: version })).isSessionReused(), true);
    await second.served[0]!.until('connect');
    t.equal(second.served[0]!.conn!.tls?.resumed, true);
    t.equal((await dial(t, foreign.port, { session, maxVersion: version })).isSessionReused(), false);
  });
}

async function ticketOf(t: Test, port: number, maxVersion: 'TLSv1.2' | 'TLSv1.3'): Promise<Buffer> {
  const socket = await dial(t, port, { maxVersion });
  const session = once(socket, 'session') as Promise<[Buffer]>;
  socket.write('x');
  if (maxVersion === 'TLSv1.3') return (await session)[0];
  await once(socket, 'data');
  return socket.getSession()!;
}

t.test('epoll: an older key opens tickets, and the newest makes them', async (t) => {
  const { createLoop } = await import('../../src/io/engine.ts');
  const loop = createLoop('epoll');
  loop.run();
  t.teardown(() => loop.stop());
  const [old, fresh] = [randomBytes(80), randomBytes(80)];
  const keys = [old];
  const { port } = await serve(loop, serverTls({ ticketKeys: keys }));
  const session = await ticketOf(t, port, 'TLSv1.3');
  keys.splice(0, 1, fresh, old);
  t.equal((await dial(t, port, { session })).isSessionReused(), true);
  keys.splice(0, 2, fresh);
  t.equal((await dial(t, port, { session })).isSessionReused(), false);
});

const GARBAGE: readonly (readonly [what: string, bytes: Buffer])[] = [
  ['plaintext HTTP', Buffer.from('GET / HTTP/1.1\r\nHost: a\r\n\r\n')],
  ['zeros', Buffer.alloc(200)],
  ['a record that is too long', Buffer.from([22, 3, 1, 255, 255, 1])],
  ['random bytes', randomBytes(5000)],
  ['half a ClientHello and an end', Buffer.from([22, 3, 1, 2, 0, 1, 0, 1, 252, 3, 3])],
];

for (const [what, bytes] of GARBAGE) {
  onEachEngine(`TLS: ${what} instead of a ClientHello`, async (t, loop) => {
    const { port, served } = await serve(loop, serverTls());
    const raw = createConnection(port, '127.0.0.1');
    raw.on('error', () => undefined);
    raw.resume();
    raw.end(bytes);
    await once(raw, 'close');
    await served[0]!.until('close');
    t.same(served[0]!.log.length, 1, served[0]!.log.join());
    if (!what.startsWith('half')) t.match(served[0]!.conn!.error, /^TLS_error:\|/);
    t.equal((await dial(t, port)).authorized, true, 'the next one is served');
  });
}

onEachEngine('TLS out: the chain, the name and the rules are verified', async (t, loop) => {
  const { listener } = await serve(loop, serverTls());
  const ends = async (given: Parameters<typeof clientTls>[0]): Promise<string> => {
    const caller = new Recorder();
    const conn = loop.connect(listener.address, caller, clientTls(given));
    await Promise.race([caller.until('connect'), caller.until('close')]);
    if (caller.log[0] === 'close:3') return conn.error;
    conn.close();
    await caller.until('close');
    return 'connected';
  };
  t.equal(await ends({}), 'connected');
  t.equal(await ends({ serverName: '127.0.0.1' }), 'connected', 'an address among the names');
  t.match(await ends({ serverName: 'b.test' }), /verify SAN list/);
  t.equal(await ends({ serverName: 'b.test', sans: [sanRule('dns', 'a.test')] }), 'connected');
  t.match(await ends({ sans: [sanRule('dns', 'c.test')] }), /verify SAN list/);
  t.match(await ends({ ca: stranger.cert }), /CERTIFICATE_VERIFY_FAILED:verify cert failed/);
  t.equal(await ends({ ca: stranger.cert, insecureSkipVerify: true }), 'connected');
});

onEachEngine('TLS out: what a server gets: SNI, ALPN, our certificate, a session that comes back', async (t, loop) => {
  const server = createTlsServer({ cert: serverPair.cert, key: serverPair.key, ca: authority.cert, requestCert: true, rejectUnauthorized: true, ALPNProtocols: ['x'] });
  const seen: { servername: unknown; alpn: unknown; peer: string; reused: boolean }[] = [];
  server.on('secureConnection', (socket) => {
    seen.push({ servername: (socket as unknown as { servername: unknown }).servername, alpn: socket.alpnProtocol, peer: socket.getPeerCertificate().subject.CN as string, reused: socket.isSessionReused() });
    socket.on('error', () => undefined);
    socket.end('hello');
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  t.teardown(() => server.close());
  const to = { kind: 'ip', host: '127.0.0.1', port: (server.address() as AddressInfo).port } as const;
  const settings = clientTls({ alpn: ['x'], pair: pairOf(client) });
  loop.prepareTls(settings);
  for (const reused of [false, true]) {
    const caller = new Recorder({ end: (conn) => conn.close() });
    const conn = loop.connect(to, caller, settings);
    await caller.until('close');
    t.equal(caller.text, 'hello');
    t.match(conn.tls, { alpn: 'x', serverName: 'a.test', resumed: reused, version: 'TLSv1.3' });
  }
  t.match(seen, [{ servername: 'a.test', alpn: 'x', peer: 'client', reused: false }, { reused: true }]);
  const caller = new Recorder({ end: (conn) => conn.close() });
  loop.connect(to, caller, settings, 'other.a.test');
  await caller.until('close');
});

onEachEngine('TLS out: a peer that speaks no TLS, and one that hangs up', async (t, loop) => {
  const { createServer } = await import('node:net');
  for (const [answer, error] of [['HTTP/1.1 400 Bad Request\r\n\r\n', /^TLS_error:\|/], ['', /^ECONNRESET$/]] as const) {
    const server = createServer((socket) => {
      socket.on('error', () => undefined);
      socket.once('data', () => socket.end(answer));
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    const caller = new Recorder();
    const conn = loop.connect({ kind: 'ip', host: '127.0.0.1', port: (server.address() as AddressInfo).port }, caller, clientTls());
    await caller.until('close');
    t.same(caller.log, ['close:3']);
    t.match(conn.error, error);
    server.close();
  }
});

onEachEngine('TLS: what is written before the handshake is over arrives in order', async (t, loop) => {
  const { listener, served } = await serve(loop, serverTls(), () => new Recorder());
  const caller = new Recorder({ connect: (conn) => void conn.write(Buffer.from('c'), 0, 1) });
  const conn = loop.connect(listener.address, caller, clientTls());
  conn.write(Buffer.from('ab'), 0, 2);
  await caller.until('connect');
  await served[0]!.untilBytes(3);
  t.equal(served[0]!.text, 'abc');
});

t.test('epoll: settings that are replaced leave no context behind', async (t) => {
  const { createLoop } = await import('../../src/io/engine.ts');
  const loop = createLoop('epoll');
  loop.run();
  const before = aliveInOpenSsl.contexts;
  for (let i = 0; i < 50; i++) {
    const [server, outgoing] = [serverTls(), clientTls()];
    const { listener, served } = await serve(loop, server);
    if (i % 2 === 0) loop.prepareTls(outgoing); // else they have been given up before, and the connection comes late
    const caller = new Recorder();
    const conn = loop.connect(listener.address, caller, outgoing);
    await caller.until('connect');
    loop.forgetTls(server);
    loop.forgetTls(outgoing);
    conn.write(Buffer.from('x'), 0, 1);
    await caller.untilBytes(1); // lives on without its settings
    conn.close();
    await served[0]!.until('close');
    await new Promise<void>((resolve) => listener.stop(resolve));
  }
  loop.stop();
  t.equal(aliveInOpenSsl.contexts, before);
});

t.test('node: settings that are replaced are held by nobody', async (t) => {
  setFlagsFromString('--expose-gc');
  const collect = runInNewContext('gc') as () => void;
  const { createLoop } = await import('../../src/io/engine.ts');
  const loop = createLoop('node');
  loop.run();
  const settings: WeakRef<object>[] = [];
  for (let i = 0; i < 10; i++) {
    const [server, outgoing] = [serverTls(), clientTls()];
    settings.push(new WeakRef(server), new WeakRef(outgoing));
    loop.prepareTls(outgoing);
    const { listener, served } = await serve(loop, server);
    const caller = new Recorder();
    const conn = loop.connect(listener.address, caller, outgoing);
    await caller.until('connect');
    loop.forgetTls(server);
    loop.forgetTls(outgoing);
    conn.close();
    await served[0]!.until('close');
    await new Promise<void>((resolve) => listener.stop(resolve));
  }
  await waitFor('all to be collected, but for what the last round still has on the stack', () => {
    collect();
    return settings.filter((one) => one.deref() !== undefined).length <= 2;
  });
  loop.stop();
  t.pass();
});
